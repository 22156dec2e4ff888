"""
RSIN: the number of a legal person or partnership in the Dutch trade register, 9 digits.

Sole traders have none. Its digits are those of the company's VAT number. The last is a check
digit (eleven-test); where that is wrong the number is read all the same and flagged, for the
register has the last word. A citizen service number (BSN) has the same form and the same check
digit: a cell that calls its number so is refused and never asked.

Source: kvk.nl, "Over het Handelsregister: overzicht van alle nummers" (read 2026-11).

>>> validate("RSIN 8575.87.973")
'857587973'
>>> read("1234567").note
'zeros added in front'
>>> read("857587974").flags
('check_digit',)
>>> validate("857587974")
Traceback (most recent call last):
    ...
kvk_enrich.identifiers.unreadable.Unreadable: check_digit
"""

from typing import Final

import polars as pl

from kvk_enrich.identifiers._cells import (
    DECIMALS,
    EXPONENT,
    OTHER_SHAPE,
    PLACEHOLDER,
    SEPARATORS_AND_SLASHES,
    THOUSANDS,
    TWO_NUMBERS,
    Reading,
    Rule,
    labels,
    valid,
    validated,
)
from kvk_enrich.identifiers._check_digits import passes_eleven, passes_eleven_column
from kvk_enrich.identifiers._digits import Digits, same_digits
from kvk_enrich.identifiers._shapes import (
    CITIZEN,
    DIGITS_LOST,
    LIKE_BRANCH,
    LIKE_KVK,
    LIKE_VAT,
    RSIN_WORD,
)

_NUMBER: Final = Digits(
    kind="rsin",
    length=9,
    padded=(7, 8),
    label=rf"{labels(RSIN_WORD)}|^(?:nl|nr|nummer|number|num)[^0-9a-z]*",
    forms=(EXPONENT, DECIMALS, THOUSANDS),
    separators=SEPARATORS_AND_SLASHES,
    check=(passes_eleven, passes_eleven_column),
    rules=(
        Rule("placeholder", "tight", PLACEHOLDER),
        Rule("placeholder", "number", same_digits(9)),
        Rule("two_numbers", "bare", TWO_NUMBERS, anywhere=True),
        Rule("not_a_number", "whole", OTHER_SHAPE),
        Rule(None, "number", "[0-9]{9}"),
        Rule("looks_like_branch_number", "number", "[0-9]{12}"),
        Rule("wrong_length", "number", "[0-9]+"),
        LIKE_VAT,
        CITIZEN,
        LIKE_KVK,
        LIKE_BRANCH,
        DIGITS_LOST,
    ),
)


def compact(text: str) -> str:
    """Return the 9 digits that *text* means, or *text* itself where none can be read."""
    return read(text).number or text


def validate(text: str) -> str:
    """Return the 9 digits that *text* means. Raises Unreadable with the reason code, also for a wrong check digit."""
    return validated(read(text))


def is_valid(text: str) -> bool:
    """Return whether an RSIN with the right check digit can be read from *text*."""
    return valid(read(text))


def format(text: str) -> str:  # noqa: A001 (the verb that all identifiers share)
    """Return the number as KVK writes it: nine digits, nothing between. Raises Unreadable."""
    return validate(text)


def read(text: str) -> Reading:
    """Return how one *text* is read; :func:`read_column` does the same for columns."""
    return _NUMBER.read(text)


def read_column(frame: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """Read a whole column as :func:`read` reads one text; see :func:`kvk_enrich.identifiers.kvk.read_column`."""
    return _NUMBER.read_column(frame, column)


read_cells = _NUMBER.read_cells
