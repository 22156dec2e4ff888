"""Chance that falls the same way every time, on every machine and every version of Python."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import count
from struct import Struct
from typing import TypeVar

T = TypeVar("T")

_SPAN = 1 << 32
_BLOCK = Struct("<16I")  # one digest is sixteen throws


class Dice:
    """
    A stream of throws decided by its labels alone.

    Each subject throws its own dice (``Dice(seed, number, "name")``), so that a throw more for
    one subject changes nothing for another.
    """

    __slots__ = ("_throw",)

    def __init__(self, *labels: str | int) -> None:
        """Start the stream that belongs to *labels*."""
        self._throw = _throws("\x1f".join(map(str, labels)).encode()).__next__

    def between(self, low: int, high: int) -> int:
        """Return a whole number from *low* to *high*, both included."""
        return low + self._throw() % (high - low + 1)

    def chance(self, probability: float) -> bool:
        """Return true in that share of cases."""
        return self._throw() < probability * _SPAN

    def pick(self, values: Sequence[T]) -> T:
        """Return one of *values*."""
        return values[self._throw() % len(values)]

    def sample(self, values: Sequence[T], size: int) -> list[T]:
        """Return *size* different ones of *values* (all, where there are fewer), in the order drawn."""
        left = list(values)
        return [left.pop(self._throw() % len(left)) for _ in range(min(size, len(left)))]


def _throws(label: bytes) -> Iterator[int]:
    """Yield 32 bits at a time, without end."""
    for block in count():
        yield from _BLOCK.unpack(blake2b(label, salt=block.to_bytes(16, "big")).digest())
