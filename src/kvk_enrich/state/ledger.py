"""
Accounts and what they have used: the part of a lease that is about money.

A register counts in units of its own: a call of KVK is one, a batch of kvkbase as many tokens as
its numbers cost. The functions work within a transaction of the journal.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from kvk_enrich import shares
from kvk_enrich.clock import AMSTERDAM
from kvk_enrich.shares import Share

Period = Literal["month", "day"]
Refusal = Literal["run_ceiling", "share_ceiling", "month_ceiling", "day_ceiling"]

_LABELS: Final[dict[Period, str]] = {"month": "%Y-%m", "day": "%Y-%m-%d"}
_SPENT: Final[dict[Period, Refusal]] = {"month": "month_ceiling", "day": "day_ceiling"}

TURN: Final = timedelta(minutes=1)
"""So near to the turn of a month nobody knows in which of the two a register counts a call."""

COUNTED: Final = "call.account = run.account AND (call.micro_eur > 0 OR run.price = 0)"
"""Whether a call counts against the run's ceiling of calls: those to who is paid, but the free ones among them."""


@dataclass(frozen=True, slots=True)
class Account:
    """
    One key of one register, as the journal knows it.

    Args:
        id: Its line in the journal.
        register: Whose key it is.
        name: What people call it.
        requests_per_second: The pace; 300 a minute are 5, 10 a minute a sixth.
        allowance: Units that may be used in a *period*.
        micro_eur: Price of a unit. A free product of a paid account has the same account at 0:
            ``dataclasses.replace(account, micro_eur=0)`` shares its pace and allowance.
        period: What the allowance is for, in Amsterdam's time.
        shares: What named jobs may count on, and may use at most.
    """

    id: int
    register: str
    name: str
    requests_per_second: float
    allowance: int
    micro_eur: int
    period: Period = "month"
    shares: tuple[Share, ...] = ()

    def period_of(self, moment: datetime) -> str:
        """Return the period that *moment* falls in."""
        return label(self.period, moment)

    def periods_of(self, moment: datetime) -> tuple[str, ...]:
        """
        Return the periods that a call at *moment* counts against: its own first, and at the turn of a month the other.

        A day is our own measure: no register counts by it.
        """
        near = (timedelta(), -TURN, TURN) if self.period == "month" else (timedelta(),)
        return tuple(dict.fromkeys(self.period_of(moment + apart) for apart in near))


class MonthUse(NamedTuple):
    """One line of the ledger: what an account used in a period."""

    register: str
    account: str
    period: str
    units: int
    micro_eur: int


class ShareUse(NamedTuple):
    """What runs of the job *name* used of an account in a period."""

    register: str
    account: str
    period: str
    name: str
    units: int


class Room(NamedTuple):
    """How many permits may be taken, and what ends them."""

    permits: int
    ended_by: Refusal


def label(period: Period, moment: datetime) -> str:
    """Return the month (``2026-11``) or day (``2026-11-22``) that *moment* falls in, in Amsterdam."""
    return moment.astimezone(AMSTERDAM).strftime(_LABELS[period])


def used(sql: sqlite3.Connection, account: int, period: str) -> int:
    """Return the units that count against *period*."""
    rows = sql.execute("SELECT units FROM ledger WHERE account = ? AND period = ?", (account, period)).fetchall()
    return int(rows[0][0]) if rows else 0


def use(sql: sqlite3.Connection, account: Account, period: str) -> MonthUse:
    """Return what counts against *period*."""
    row = sql.execute(
        "SELECT units, micro_eur FROM ledger WHERE account = ? AND period = ?", (account.id, period)
    ).fetchone()
    return MonthUse(account.register, account.name, period, *(row or (0, 0)))


def uses(sql: sqlite3.Connection, now: datetime) -> list[MonthUse]:
    """Return the use of every account in every period, newest first; in the present one also those unused."""
    rows = sql.execute(
        """
        WITH present AS (SELECT *, iif(period = 'day', :day, :month) AS label FROM account)
        SELECT a.register, a.name, l.period, l.units, l.micro_eur FROM ledger l JOIN account a ON a.id = l.account
        UNION ALL
        SELECT register, name, label, 0, 0 FROM present
        WHERE NOT EXISTS (SELECT 1 FROM ledger l WHERE l.account = present.id AND l.period = label)
        ORDER BY 3 DESC, 1, 2
        """,
        {"month": label("month", now), "day": label("day", now)},
    )
    return [MonthUse(*row) for row in rows]


def room(sql: sqlite3.Connection, run: str, account: Account, now: datetime, units: int) -> Room:
    """
    Return how many permits of *units* each the account's allowance, the job's share and the run's ceilings leave.

    Just before the turn of a month the next one must have room too. Just after it the last one need not: a register
    whose clock is slower would refuse the calls, and they cost nothing.
    """
    cost = units * account.micro_eur
    is_counted, ceiling, counted, ceiling_micro_eur, spent, job = sql.execute(
        "SELECT account = ? AND (? > 0 OR price = 0), ceiling, counted, ceiling_micro_eur, micro_eur, share"
        " FROM run WHERE id = ?",
        (account.id, cost, run),
    ).fetchone()
    own = account.period_of(now)
    periods = [period for period in account.periods_of(now) if period >= own]
    left = min(_left(sql, account, period) for period in periods) // units
    of_job = min(_left_to(sql, account, period, job) for period in periods) // units
    of_run = of_job
    if ceiling is not None and is_counted:
        of_run = min(of_run, max(0, ceiling - counted))
    if ceiling_micro_eur is not None and cost:
        of_run = min(of_run, max(0, ceiling_micro_eur - spent) // cost)
    ended_by: Refusal = "share_ceiling" if of_job < left else _SPENT[account.period]
    return Room(of_run, "run_ceiling" if of_run < of_job else ended_by)


def _left(sql: sqlite3.Connection, account: Account, period: str) -> int:
    return max(0, account.allowance - used(sql, account.id, period))


def _left_to(sql: sqlite3.Connection, account: Account, period: str, job: str | None) -> int:
    """Return the units of *period* that a run of *job* may take."""
    left = _left(sql, account, period)
    if not account.shares:
        return left
    rows = sql.execute("SELECT name, units FROM share WHERE account = ? AND period = ?", (account.id, period))
    return shares.room(account.shares, job, account.allowance, left, dict(rows.fetchall()))


def share_uses(sql: sqlite3.Connection) -> list[ShareUse]:
    """Return what each named job used, newest period first."""
    rows = sql.execute(
        "SELECT a.register, a.name, s.period, s.name, s.units FROM share s JOIN account a ON a.id = s.account"
        " ORDER BY s.period DESC, a.register, a.name, s.name"
    )
    return [ShareUse(*row) for row in rows]


def enter(
    sql: sqlite3.Connection, run: str, account: int, period: str, *, calls: int, units: int, micro_eur: int
) -> None:
    """Add calls that were taken to ledger and run; negative ones were given back."""
    sql.execute(
        "INSERT INTO ledger (account, period, units, micro_eur) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET units = max(told, units + excluded.units), micro_eur = micro_eur + excluded.micro_eur",
        (account, period, units, micro_eur),
    )
    sql.execute(
        "UPDATE run SET calls = calls + :calls, micro_eur = micro_eur + :micro_eur,"
        " counted = counted + iif(account = :account AND (:micro_eur <> 0 OR price = 0), :calls, 0) WHERE id = :run",
        {"calls": calls, "micro_eur": micro_eur, "account": account, "run": run},
    )
    _enter_share(sql, run, account, [period], units)


def _enter_share(sql: sqlite3.Connection, run: str, account: int, periods: Sequence[str], units: int) -> None:
    sql.executemany(
        "INSERT INTO share (account, period, name, units) SELECT ?, ?, share, ? FROM run WHERE id = ? AND share IS NOT"
        " NULL ON CONFLICT DO UPDATE SET units = units + excluded.units",
        ((account, period, units, run) for period in periods),
    )


def count_too(sql: sqlite3.Connection, run: str, account: int, periods: Sequence[str], units: int) -> None:
    """Count units against *periods* too, beside that in which they are paid for."""
    sql.executemany(
        "INSERT INTO ledger (account, period, units, micro_eur) VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE"
        " SET units = units + excluded.units",
        ((account, period, units) for period in periods),
    )
    _enter_share(sql, run, account, periods, units)


def correct(sql: sqlite3.Connection, account: int, period: str, told: int) -> None:
    """Enter that the register counts *told* units in *period*: no less than that is used, whatever is given back."""
    sql.execute(
        "INSERT INTO ledger (account, period, units, told, micro_eur) VALUES (:account, :period, :told, :told, 0)"
        " ON CONFLICT DO UPDATE SET told = max(told, :told), units = max(units, :told)",
        {"account": account, "period": period, "told": told},
    )


def put(sql: sqlite3.Connection, account: int, period: str, units: int, micro_eur: int | None) -> None:
    """Enter by hand what was used in *period* and what it cost (None: as counted); the register may yet tell more."""
    sql.execute(
        "INSERT INTO ledger (account, period, units, micro_eur) VALUES (:account, :period, :units, coalesce(:cost, 0))"
        " ON CONFLICT DO UPDATE SET units = :units, told = min(told, :units), micro_eur = coalesce(:cost, micro_eur)",
        {"account": account, "period": period, "units": units, "cost": micro_eur},
    )
