"""
Which numbers exist, and which company a number belongs to; both ways, without any table.

Companies are counted 0, 1, 2 ...; their numbers are scrambled by an affine map modulo a prime,
which can be turned round. So three million companies need no memory, and a KVK number, an RSIN
or a branch number is answered as fast as any other.
"""

from dataclasses import dataclass
from typing import Final

SIZE: Final = 3_000_000
"""Companies in the population: about as many as the real register has active ones."""

MOST_BRANCHES: Final = 8
"""No company of the population has more branches."""


_NO_DIGIT: Final = 10  # a remainder of 10 has no check digit


@dataclass(frozen=True, slots=True)
class _Scramble:
    """A one-to-one map of 0 .. prime - 1 onto itself."""

    prime: int
    factor: int
    shift: int

    def there(self, index: int) -> int:
        return (index * self.factor + self.shift) % self.prime

    def back(self, value: int) -> int:
        return (value - self.shift) * pow(self.factor, -1, self.prime) % self.prime


def _kvk(seed: int) -> _Scramble:
    return _Scramble(99_999_989, 61_803_399, 27_182_818 + 7_919 * seed)


def _rsin(seed: int) -> _Scramble:
    return _Scramble(9_999_991, 6_180_339, 3_141_592 + 7_919 * seed)


def _branch(seed: int) -> _Scramble:
    return _Scramble(99_999_989, 38_196_601, 14_142_135 + 7_919 * seed)


def kvk_number(index: int, seed: int) -> str:
    """Return the KVK number of the company at *index*: 8 digits."""
    return f"{_kvk(seed).there(index):08}"


def index_of_kvk(number: str, seed: int) -> int | None:
    """Return whose KVK number this is, or None."""
    return _within(_kvk(seed), int(number), SIZE)


def rsin(index: int, seed: int) -> str:
    """Return the RSIN of the company at *index*: 9 digits that pass the 11-test."""
    return with_check_digit(f"{_rsin(seed).there(index):07}")


def index_of_rsin(number: str, seed: int) -> int | None:
    """Return whose RSIN this would be, or None."""
    index = _within(_rsin(seed), int(number[:7]), SIZE)
    return index if index is not None and rsin(index, seed) == number else None


def branch_number(index: int, place: int, seed: int) -> str:
    """Return the number of the company's branch at *place* (0 is the main one): 12 digits."""
    return f"{_branch(seed).there(index * MOST_BRANCHES + place):012}"


def index_of_branch(number: str, seed: int) -> int | None:
    """Return whose branch number this would be, or None."""
    position = _within(_branch(seed), int(number), SIZE * MOST_BRANCHES)
    return None if position is None else position // MOST_BRANCHES


def _within(scramble: _Scramble, value: int, size: int) -> int | None:
    index = scramble.back(value)
    return index if value < scramble.prime and index < size else None


def with_check_digit(seven: str) -> str:
    """Add two digits such that 9 x d1 + ... + 2 x d8 - d9 divides by 11 (the Tax Administration's 11-test)."""
    start = sum(weight * int(digit) for weight, digit in zip(range(9, 2, -1), seven, strict=True))
    eighth = 1 if start % 11 == _NO_DIGIT else 0
    return f"{seven}{eighth}{(start + 2 * eighth) % 11}"
