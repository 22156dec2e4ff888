"""What one key of kvkbase may use: so many requests in any minute, so many tokens in a month."""

import math
from collections import deque
from datetime import datetime
from typing import Final

from kvk_enrich.clock import month_of

_MINUTE_NS: Final = 60_000_000_000


class TokenAccount:
    """
    What one key has used.

    The minute slides; a refused request takes no place in it, so that who waits as long as told
    comes in. Whether the real service's minute slides is not known; this is the stricter way.
    """

    def __init__(self, tokens_per_month: int, requests_per_minute: int) -> None:
        """Begin with nothing used."""
        self.requests_per_minute = requests_per_minute
        self._tokens_per_month = tokens_per_month
        self._arrivals: deque[int] = deque()
        self._month = ""
        self._spent = 0

    def seconds_to_wait(self, arrived_ns: int, requests: int) -> int:
        """Take *requests* places in the minute and return 0; or take none and return when there may be room."""
        while self._arrivals and arrived_ns - self._arrivals[0] >= _MINUTE_NS:
            self._arrivals.popleft()
        if len(self._arrivals) + requests > self.requests_per_minute:
            return max(1, self.seconds_to_reset(arrived_ns))
        self._arrivals.extend([arrived_ns] * requests)
        return 0

    @property
    def requests_left(self) -> int:
        """Places left in the minute of the last request."""
        return self.requests_per_minute - len(self._arrivals)

    def seconds_to_reset(self, now_ns: int) -> int:
        """Return after how many seconds the oldest request leaves the minute."""
        return math.ceil((self._arrivals[0] + _MINUTE_NS - now_ns) / 1e9) if self._arrivals else 0

    def left(self, now: datetime) -> int:
        """Return the tokens left in the month of *now*."""
        return self._tokens_per_month - self.spent(now)

    def spent(self, now: datetime) -> int:
        """Return the tokens spent in the month of *now*."""
        return self._spent if month_of(now) == self._month else 0

    def spend(self, tokens: int, now: datetime) -> None:
        """Take *tokens* of the month of *now*."""
        self._month, self._spent = month_of(now), self.spent(now) + tokens
