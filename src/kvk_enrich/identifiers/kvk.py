"""
KVK-nummer: the number of an entry in the Dutch trade register (Handelsregister), 8 digits.

There is no check digit, so only the shape can be judged here and the register has the last word.
Until 2013 a number could carry a sub-dossier of four digits (``12345678/0000``); what is asked
for today is the first eight. Spreadsheets drop the leading zero of older numbers, turn cells
into ``69599084.0`` and write long ones as ``1,23457E+11``, whose last digits are gone for good.

A wrong refusal is worse than a wasted call, so separators, labels and the usual repairs are
accepted, and each repair is told in a note. What cannot be a KVK number is refused with a code
of :mod:`kvk_enrich.reasons`, and never asked.

Source: kvk.nl, "Over het Handelsregister: overzicht van alle nummers" and "vestigingsnummer"
(read 2026-11); VAT shapes: European Commission, VIES FAQ, question 11 (read 2026-11).

>>> validate("KvK: 6959 9084")
'69599084'
>>> validate("1234567")
'01234567'
>>> validate("857587973")
Traceback (most recent call last):
    ...
kvk_enrich.identifiers.unreadable.Unreadable: looks_like_rsin
>>> is_valid("n.v.t.")
False
>>> compact("12345678/0000")
'12345678'
>>> read("1234567.0").note
'decimals removed; zero added in front'
"""

from typing import Final

import polars as pl

from kvk_enrich.identifiers._cells import (
    DASH,
    DECIMALS,
    EXPONENT,
    OTHER_SHAPE,
    PLACEHOLDER,
    REGISTER,
    THOUSANDS,
    TWO_NUMBERS,
    Form,
    Reading,
    Rule,
    labels,
    valid,
    validated,
)
from kvk_enrich.identifiers._digits import SUB_DOSSIER, Digits, same_digits
from kvk_enrich.identifiers._shapes import CITIZEN, DIGITS_LOST, LIKE_BRANCH, LIKE_RSIN, LIKE_VAT

_LABEL = (
    rf"{labels(REGISTER)}"
    r"|^(?:(?:no|h\.?r)[^0-9a-z]+|(?:nl|nr|nummer|number|num|(?:inschrijf|inschrijvings|registratie|register)(?:nummer|nr)"
    r"|(?:company|registration) (?:number|no))[^0-9a-z]*)"
)

_WITH_DOSSIER: Final = Form(  # 12345678/0001; with 0000 in front it is a branch number
    r"((?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])[. ]?[0-9]{4}|[0-9]{2}\.[0-9]{3}\.[0-9]{3})"
    rf" *[/{DASH}] *[0-9]{{4}}",
    SUB_DOSSIER,
)

_NUMBER: Final = Digits(
    kind="kvk",
    length=8,
    padded=(7,),
    label=_LABEL,
    forms=(EXPONENT, DECIMALS, THOUSANDS, _WITH_DOSSIER),
    sub_dossier=True,
    rules=(
        Rule("placeholder", "tight", PLACEHOLDER),
        Rule("placeholder", "number", same_digits(8)),
        Rule("two_numbers", "bare", TWO_NUMBERS, anywhere=True),
        Rule("not_a_number", "whole", OTHER_SHAPE),
        Rule(None, "number", "[0-9]{8}"),
        Rule("looks_like_rsin", "number", "[0-9]{9}"),
        Rule("looks_like_branch_number", "number", "[0-9]{12}"),
        Rule("wrong_length", "number", "[0-9]+"),
        LIKE_VAT,
        CITIZEN,
        LIKE_RSIN,
        LIKE_BRANCH,
        DIGITS_LOST,
    ),
)


def compact(text: str) -> str:
    """Return the 8 digits that *text* means, or *text* itself where none can be read."""
    return read(text).number or text


def validate(text: str) -> str:
    """Return the 8 digits that *text* means. Raises Unreadable with the reason code."""
    return validated(read(text))


def is_valid(text: str) -> bool:
    """Return whether a KVK number can be read from *text*; whether it exists, the register knows."""
    return valid(read(text))


def format(text: str) -> str:  # noqa: A001 (the verb that all identifiers share)
    """Return the number as KVK writes it: eight digits, nothing between. Raises Unreadable."""
    return validate(text)


def read(text: str) -> Reading:
    """Return how one *text* is read; :func:`read_column` does the same for columns."""
    return _NUMBER.read(text)


def read_column(frame: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """
    Read a whole column as :func:`read` reads one text.

    Args:
        frame: Any rows; no column of its own begins with ``enrich_kvk_``.
        column: Name of a String column; null reads as empty.

    Returns:
        *frame* with the columns ``enrich_number``, ``enrich_reason``, ``enrich_note`` (String) and
        ``enrich_flags`` (List(String)) after its own, null where not given; rows and order unchanged.
    """
    return _NUMBER.read_column(frame, column)


plain = _NUMBER.plain
read_cells = _NUMBER.read_cells
