"""
How fast calls may follow each other: no more than so many in any window of a little over a second.

A window of 1.02 s holds as many calls as the limit allows in one second, so the limit holds at the
register as long as what comes later than it was sent does so within 20 ms of the others. Of
*places* in a window each is taken again no sooner than a window after the call that had it was
really sent: who sends late, because the machine stood still, delays that one place and loses nothing.
"""

from dataclasses import dataclass
from typing import Final, Self

SECOND_NS: Final = 1_000_000_000

HEADROOM: Final = 0.02
"""
Share by which a window is longer than the limit asks.

It costs two calls a second: a month's 300,000 take 51 minutes instead of 50.
"""

TOLERANCE_NS: Final = 150_000_000
"""
How late a slot may be used; one that nobody reported is taken to have been used then.

Longer than a machine usually stands still, and short against a window, which is what a killed
process costs the next one.
"""

_MOST_PLACES: Final = 100
"""Places in a window at most: a faster pace has a shorter window, as all places are looked at for every lease."""

_CROWD: Final = 4
"""How many times as close as even calls may follow each other to make good for a hold-up."""


@dataclass(frozen=True, slots=True)
class Pace:
    """
    The pace of an account.

    Args:
        places: Calls in a window at most.
        window_ns: Its length.
    """

    places: int
    window_ns: int

    @classmethod
    def of(cls, per_second: float) -> Self:
        """Return the pace that a limit per second allows; below one a second a window holds one call."""
        places = min(_MOST_PLACES, max(1, int(per_second)))
        return cls(places, round(SECOND_NS * (1 + HEADROOM) * places / per_second))

    @property
    def step_ns(self) -> int:
        """From one call to the next when they are spread evenly."""
        return self.window_ns // self.places

    @property
    def closest_ns(self) -> int:
        """From one call to the next at least, so that what was held up does not arrive at once."""
        return self.step_ns // _CROWD
