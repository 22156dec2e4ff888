"""
How fast calls may follow each other: no more than so many in any window of a little over a second.

Calls follow each other at 1.02 / limit seconds, so evenly spaced they keep the limit at the register as
long as what comes later than it was sent does so within 20 ms of the others. They need not be even: of
the *places* in a window, a little over a second, each is taken again no sooner than a window after the call
that had it was really sent. Who sends late, because the machine stood still, delays that one place and loses nothing.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

SECOND_NS: Final = 1_000_000_000

HEADROOM: Final = 0.02
"""
Share by which calls lie farther apart than the limit asks.

It costs two calls a second: a month's 300,000 take 51 minutes instead of 50.
"""

TOLERANCE_NS: Final = 150_000_000
"""
How late a slot may be used; one that nobody reported is taken to have been used then.

Longer than a machine usually stands still, and short against a window, which is what a killed
process costs the next one.
"""

_MOST_CALLS: Final = 100
"""Calls in a window at most: a faster pace has several windows a second, as all places are looked at for a lease."""

_SPARE: Final = 100
"""
One of so many places stays empty.

A process stopped in the instant between gate and wire, and for longer than the tolerance, sends one call
when its place has long been another's.
"""

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
        calls = max(1, int(per_second / math.ceil(per_second / _MOST_CALLS)))
        places = calls - calls // _SPARE
        return cls(places, round(SECOND_NS * (1 + HEADROOM) * places / per_second))

    @property
    def step_ns(self) -> int:
        """From one call to the next when they are spread evenly."""
        return self.window_ns // self.places

    @property
    def closest_ns(self) -> int:
        """From one call to the next at least, so that what was held up does not arrive at once."""
        return self.step_ns // _CROWD
