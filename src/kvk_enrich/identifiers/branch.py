"""
Vestigingsnummer: the number of one place of business in the Dutch trade register, 12 digits.

It has no check digit. Most begin with four zeros, which a spreadsheet drops; what is left looks
exactly like a KVK number, so 8 digits are read as a branch number only here, where the kind is
known. Twelve digits that end in four zeros and do not begin with them are an old KVK number with
its sub-dossier.

Source: kvk.nl, "vestigingsnummer" (read 2026-11).

>>> validate("vestigingsnr. 0000 3717 8598")
'000037178598'
>>> read("37178598").note
'zeros added in front'
>>> is_valid("123456780000")
False
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
from kvk_enrich.identifiers._digits import Digits, same_digits
from kvk_enrich.identifiers._shapes import (
    BRANCH_WORD,
    CITIZEN,
    DIGITS_LOST,
    LIKE_KVK,
    LIKE_RSIN,
    LIKE_VAT,
    OLD_DOSSIER,
)

_NUMBER: Final = Digits(
    kind="branch",
    length=12,
    padded=(8,),
    front="0000",
    label=rf"{labels(BRANCH_WORD)}|^(?:nl|nr|nummer|number|num)[^0-9a-z]*",
    forms=(EXPONENT, DECIMALS, THOUSANDS),
    separators=SEPARATORS_AND_SLASHES,
    rules=(
        Rule("placeholder", "tight", PLACEHOLDER),
        Rule("placeholder", "number", f"{same_digits(12)}|0000(?:{same_digits(8)})"),
        Rule("two_numbers", "bare", TWO_NUMBERS, anywhere=True),
        Rule("not_a_number", "whole", OTHER_SHAPE),
        Rule("looks_like_kvk", "number", OLD_DOSSIER),
        Rule(None, "number", "[0-9]{12}"),
        Rule("looks_like_rsin", "number", "[0-9]{9}"),
        Rule("wrong_length", "number", "[0-9]+"),
        LIKE_VAT,
        CITIZEN,
        LIKE_RSIN,
        LIKE_KVK,
        DIGITS_LOST,
    ),
)


def compact(text: str) -> str:
    """Return the 12 digits that *text* means, or *text* itself where none can be read."""
    return read(text).number or text


def validate(text: str) -> str:
    """Return the 12 digits that *text* means. Raises Unreadable with the reason code."""
    return validated(read(text))


def is_valid(text: str) -> bool:
    """Return whether a branch number can be read from *text*; whether it exists, the register knows."""
    return valid(read(text))


def format(text: str) -> str:  # noqa: A001 (the verb that all identifiers share)
    """Return the number as KVK writes it: twelve digits, nothing between. Raises Unreadable."""
    return validate(text)


def read(text: str) -> Reading:
    """Return how one *text* is read; :func:`read_column` does the same for columns."""
    return _NUMBER.read(text)


def read_column(frame: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """Read a whole column as :func:`read` reads one text; see :func:`kvk_enrich.identifiers.kvk.read_column`."""
    return _NUMBER.read_column(frame, column)


read_cells = _NUMBER.read_cells
