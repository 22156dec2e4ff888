"""
The two check digit rules of Dutch numbers, for one number and for a column.

Eleven-test (RSIN, citizen service number): nine times the first digit, eight times the second, and
so on to twice the eighth, less the ninth, is divisible by 11. Mod 97 (VAT numbers of sole traders
since 2020): the number with letters as 10 to 35 leaves 1 when divided by 97.
Source: python-stdnum 2.2, stdnum.nl.bsn and stdnum.nl.btw; the column forms are held equal to it by test.
"""

from itertools import pairwise

import polars as pl

_NL_AND_B = 2321 * 10**13 + 11 * 10**2
"""NL and B as digits, in their places around nine and two digits."""


def passes_eleven(digits: str) -> bool:
    """Return whether nine *digits* pass the eleven-test; zeros alone do not."""
    weighed = sum(weight * int(digit) for weight, digit in zip(range(9, 1, -1), digits, strict=False))
    return int(digits) > 0 and (weighed - int(digits[8])) % 11 == 0


def passes_eleven_column(digits: pl.Expr) -> pl.Expr:
    """Return :func:`passes_eleven` for a column of nine digits; null where that is null."""
    number = digits.cast(pl.Int32)
    # The last digit weighs -1, those before it 2, 3 and so on to 9. A digit is the number without
    # what follows it, less ten times the number without the digit as well; and -10 is 1 modulo 11.
    weights = (-1, 2, 3, 4, 5, 6, 7, 8, 9)
    factors = [weights[0], *(weight + before for before, weight in pairwise(weights))]
    weighed = [number // 10**place * (factor % 11 if place else factor) for place, factor in enumerate(factors)]
    return (number > 0) & (pl.sum_horizontal(weighed, ignore_nulls=False) % 11 == 0)


def passes_mod_97(digits: str, suffix: str) -> bool:
    """Return whether the VAT number of nine *digits* and two of *suffix* passes mod 97."""
    return (_NL_AND_B + int(digits) * 10**4 + int(suffix)) % 97 == 1


def passes_mod_97_column(digits: pl.Expr, suffix: pl.Expr) -> pl.Expr:
    """Return :func:`passes_mod_97` for columns."""
    return (pl.lit(_NL_AND_B) + digits.cast(pl.Int64) * 10**4 + suffix.cast(pl.Int64)) % 97 == 1
