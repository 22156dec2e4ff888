"""
Slots: the moments at which calls of an account may be sent, over all processes of the machine.

The table ``turn`` is a log of the last calls, as many as a window holds (:mod:`kvk_enrich.pace`). The
oldest gives its place to the next call, which may be sent when the window of the old one is
over. When a call was really sent is known when its process reports it; until then, and for
ever if it was killed, it is taken to have been sent at the last moment of its slot.
"""

import sqlite3
from collections.abc import Iterable
from heapq import heapreplace
from typing import Final

from kvk_enrich.clock import Clock
from kvk_enrich.pace import SECOND_NS, TOLERANCE_NS, Pace
from kvk_enrich.state.ledger import Account

_FARTHEST_NS: Final = 3600 * SECOND_NS
"""No live runs book slots an hour ahead: the clock started anew on a machine whose boots have no id."""

_BEHIND_NS: Final = 100_000_000
"""How far slots may lag behind an even schedule and still make good for it."""


def take(sql: sqlite3.Connection, account: Account, count: int, clock: Clock) -> list[int]:
    """Return the next *count* slots of *account*, in order; nobody else gets them."""
    if not count:
        return []
    pace, now = Pace.of(account.requests_per_second), clock.boot_ns()
    due = _due(sql, account, pace, clock)
    _make_places(sql, account, pace)
    last, turns = _turns(sql, account, pace)
    slots = []
    for _ in range(count):
        free, place = turns[0]
        due = max(due, now - _BEHIND_NS)
        last = max(now, free, due, last + pace.closest_ns)
        due += pace.step_ns
        heapreplace(turns, (last + TOLERANCE_NS + pace.window_ns, place))
        sql.execute(
            "UPDATE turn SET slot_ns = ?, free_ns = ? WHERE account = ? AND place = ?",
            (last, last + TOLERANCE_NS + pace.window_ns, account.id, place),
        )
        slots.append(last)
    sql.execute("UPDATE account SET due_ns = ? WHERE id = ?", (due, account.id))
    return slots


def _due(sql: sqlite3.Connection, account: Account, pace: Pace, clock: Clock) -> int:
    """Return the next moment of an even schedule; after a boot all places are free when a window has passed."""
    boot_id, now = clock.boot_id(), clock.boot_ns()
    known, due = sql.execute("SELECT boot_id, due_ns FROM account WHERE id = ?", (account.id,)).fetchone()
    if known == boot_id and due - now < _FARTHEST_NS:
        (busy_until,) = sql.execute("SELECT max(slot_ns) FROM turn WHERE account = ?", (account.id,)).fetchone()
        return max(int(due), now) if busy_until + pace.window_ns < now else int(due)
    free = now + pace.window_ns if known else now
    sql.execute("UPDATE account SET boot_id = ? WHERE id = ?", (boot_id, account.id))
    sql.execute("UPDATE turn SET slot_ns = 0, free_ns = ? WHERE account = ?", (free, account.id))
    return free


def _make_places(sql: sqlite3.Connection, account: Account, pace: Pace) -> None:
    (places,) = sql.execute("SELECT count(*) FROM turn WHERE account = ?", (account.id,)).fetchone()
    sql.executemany(
        "INSERT INTO turn (account, place) VALUES (?, ?)", ((account.id, place) for place in range(places, pace.places))
    )


def _turns(sql: sqlite3.Connection, account: Account, pace: Pace) -> tuple[int, list[tuple[int, int]]]:
    """Return the last slot, and the newest turns of a window as ``free_ns, place``: the first to be free is first."""
    rows = sql.execute("SELECT free_ns, place, slot_ns FROM turn WHERE account = ? ORDER BY free_ns", (account.id,))
    turns = rows.fetchall()
    # An account whose limit was lowered, or is lower for this run, has older ones besides.
    return max(slot for _, _, slot in turns), [(free, place) for free, place, _ in turns[-pace.places :]]


def sent(sql: sqlite3.Connection, account: Account, moments: Iterable[tuple[int, int]]) -> None:
    """Enter when slots were used: pairs of slot and moment."""
    window = Pace.of(account.requests_per_second).window_ns
    sql.executemany(
        "UPDATE turn SET free_ns = ? WHERE account = ? AND slot_ns = ?",
        ((moment + window, account.id, slot) for slot, moment in moments),
    )


def free(sql: sqlite3.Connection, account: int, slot: int) -> None:
    """Enter that a slot was not used: its place is free for another call, as if it had not been taken."""
    sql.execute("UPDATE turn SET free_ns = slot_ns WHERE account = ? AND slot_ns = ?", (account, slot))
