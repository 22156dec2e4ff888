"""The pace of an account: moments on the boot clock, handed out once, over all processes of the machine."""

import sqlite3
from typing import Final

from kvk_enrich.clock import Clock
from kvk_enrich.state.ledger import Account

_SECOND_NS: Final = 1_000_000_000
_FARTHEST_NS: Final = 3600 * _SECOND_NS
"""No live runs book slots an hour ahead: the clock started anew on a machine whose boots have no id."""

LEAD_NS: Final = 20_000_000
"""A slot lies at least so far ahead: what a lease may take to come back on a busy machine."""

HEADROOM: Final = 0.02
"""
Share by which slots lie further apart than the limit asks.

101 sends span 1.02 s, so the limit holds at the server as long as calls arrive within 20 ms of
each other's schedule: 5 ms are allowed to the sender (fetch/gate.py), the rest is the network's
and the server's. It costs two calls a second: a month's 300,000 take 51 minutes instead of 50.
"""


def take_slots(sql: sqlite3.Connection, account: Account, count: int, clock: Clock) -> list[int]:
    """Return the next *count* slots of *account*; nobody else gets them."""
    boot_id, now = clock.boot_id(), clock.boot_ns()
    known_boot, next_slot = sql.execute(
        "SELECT boot_id, next_slot_ns FROM account WHERE id = ?", (account.id,)
    ).fetchone()
    same_boot = known_boot == boot_id and next_slot - now < _FARTHEST_NS
    first = max(next_slot, now + LEAD_NS) if same_boot else now + (_SECOND_NS if known_boot else LEAD_NS)
    step = round(_SECOND_NS * (1 + HEADROOM) / account.requests_per_second)
    if count:
        sql.execute(
            "UPDATE account SET boot_id = ?, next_slot_ns = ? WHERE id = ?",
            (boot_id, first + count * step, account.id),
        )
    return [first + place * step for place in range(count)]
