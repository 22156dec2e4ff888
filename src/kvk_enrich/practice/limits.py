"""
The two limits of a key: so many calls in any second, so many in a month.

What KVK itself answers beyond them is not known (its documents give the numbers only).
"""

from collections import deque
from datetime import datetime
from enum import Enum

from kvk_enrich.clock import month_of

_SECOND_NS = 1_000_000_000


class Excess(Enum):
    """Which limit a call goes beyond."""

    RATE = "rate"
    QUOTA = "quota"


class Allowance:
    """
    What one key has used.

    A refused call counts as an arrival in its second, as with any server that looks at a sliding
    window: who keeps knocking stays out. Of the month only calls that were let in are taken.
    """

    def __init__(self, per_second: int, per_month: int) -> None:
        """Begin with nothing used."""
        self._arrivals: deque[int] = deque(maxlen=per_second)
        self._per_second = per_second
        self._per_month = per_month
        self._month = ""
        self._used = 0

    def take(self, arrived_ns: int, now: datetime) -> Excess | None:
        """Count a call that arrived at *arrived_ns* (boot clock); return the limit it goes beyond, if any."""
        crowded = len(self._arrivals) == self._per_second and arrived_ns - self._arrivals[0] < _SECOND_NS
        self._arrivals.append(arrived_ns)
        if crowded:
            return Excess.RATE
        if (month := month_of(now)) != self._month:
            self._month, self._used = month, 0
        if self._used >= self._per_month:
            return Excess.QUOTA
        self._used += 1
        return None
