"""How fast an allowance goes: by how many units a day, and when it ends if it goes on so."""

import calendar
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from kvk_enrich.clock import AMSTERDAM

WARNINGS: Final = (50, 80, 95)
"""At how many percent of an allowance people are told."""


def passed(now: datetime) -> Decimal:
    """Return the days of the month that have passed in Amsterdam, at least one."""
    local = now.astimezone(AMSTERDAM)
    return max(Decimal(1), Decimal(local.day - 1) + Decimal(local.hour * 60 + local.minute) / (24 * 60))


def days(now: datetime) -> int:
    """Return the days of the month."""
    local = now.astimezone(AMSTERDAM)
    return calendar.monthrange(local.year, local.month)[1]


def ends_on(used: int, allowance: int, now: datetime) -> date | None:
    """Return the day on which the month's *allowance* ends at the pace so far; None if it lasts."""
    local = now.astimezone(AMSTERDAM)
    if used >= allowance:
        return local.date()
    if not used:
        return None
    to_go = float((allowance - used) * passed(now) / used)
    end = local.day - 1 + (local.hour * 60 + local.minute) / (24 * 60) + to_go
    return local.date().replace(day=1) + timedelta(days=int(end)) if end < days(now) else None


def reached(used: int, allowance: int) -> int | None:
    """Return the highest of :data:`WARNINGS` that *used* has reached."""
    return max((percent for percent in WARNINGS if allowance and used * 100 >= percent * allowance), default=None)


def crossed(before: int, after: int, allowance: int) -> int | None:
    """Return the warning that was reached between *before* and *after*, if one was."""
    now = reached(after, allowance)
    return now if now != reached(before, allowance) and after > before else None
