"""
Time, passed in: the wall clock for dates and months, the boot clock for pace.

The boot clock never steps and goes on while the machine sleeps, so pace kept by it survives
clock changes, summer time, restarts of the program and a closed laptop lid. It starts anew at
each boot; *boot_id* tells one from another.
"""

import time
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
"""KVK bills calendar months in its own time zone."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    """What the program asks of time."""

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC."""
        ...

    def boot_ns(self) -> int:
        """Return nanoseconds on a clock that all processes of this machine share and none can set."""
        ...

    def boot_id(self) -> str:
        """Return what changes when the boot clock starts anew."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def boot_ns(self) -> int:
        """Return CLOCK_BOOTTIME, or the monotonic clock where the system has no such thing."""
        return time.clock_gettime_ns(_BOOT_CLOCK) if _BOOT_CLOCK is not None else time.monotonic_ns()

    def boot_id(self) -> str:
        """Return Linux's boot id; elsewhere a constant, as the monotonic clock is all there is."""
        return _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else "boot"


def month_of(moment: datetime) -> str:
    """Return the billing month (``2026-11``) that *moment* falls in, in Amsterdam."""
    return moment.astimezone(AMSTERDAM).strftime("%Y-%m")


def coming(at: time_of_day, now: datetime) -> datetime:
    """
    Return when it is *at* in Amsterdam next, after *now*.

    On the night when clocks go forward a time that there is not comes an hour later; when they go back, the first
    of two that is still to come counts.
    """
    today = now.astimezone(AMSTERDAM).replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    days = (today, today + timedelta(days=1))
    moments = (day.replace(fold=fold) for day in days for fold in (0, 1))
    real = (moment.astimezone(UTC) for moment in moments if not moment.fold or _is_twice(moment))
    return min(moment for moment in real if moment > now)


def _is_twice(moment: datetime) -> bool:
    """Say whether clocks show *moment* a second time: they were put back."""
    first, second = (moment.replace(fold=fold).utcoffset() for fold in (0, 1))
    return first is not None and second is not None and second < first
