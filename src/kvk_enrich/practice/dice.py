"""Chance that falls the same way every time, on every machine and every version of Python."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")

_SPAN = 1 << 64


class Dice:
    """
    A stream of numbers decided by its labels alone.

    Each subject throws its own dice (``Dice(seed, number, "name")``), so that a throw more for
    one subject changes nothing for another.
    """

    __slots__ = ("_state",)

    def __init__(self, *labels: str | int) -> None:
        """Start the stream that belongs to *labels*."""
        text = "\x1f".join(map(str, labels))
        self._state = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")

    def _throw(self) -> int:
        """Return the next 64 bits (splitmix64: three lines, and the same in every language)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) % _SPAN
        mixed = (self._state ^ (self._state >> 30)) * 0xBF58476D1CE4E5B9 % _SPAN
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % _SPAN
        return mixed ^ (mixed >> 31)

    def between(self, low: int, high: int) -> int:
        """Return a whole number from *low* to *high*, both included."""
        return low + self._throw() % (high - low + 1)

    def chance(self, probability: float) -> bool:
        """Return true in that share of cases."""
        return self._throw() < probability * _SPAN

    def pick(self, values: Sequence[T]) -> T:
        """Return one of *values*."""
        return values[self._throw() % len(values)]

    def sample(self, values: Sequence[T], count: int) -> list[T]:
        """Return *count* different ones of *values*, in the order drawn."""
        left = list(values)
        return [left.pop(self._throw() % len(left)) for _ in range(min(count, len(left)))]
