"""
What is shown of a refused cell: no digits that may be a citizen service number (BSN).

Which number was meant nobody knows, so it is enough that nine digits pass the eleven-test, whatever
stands between them: a whole run of digits, several together, or those after NL or before a B, where
a VAT number has them. All digits of such a cell are starred, and of one that says it holds a
citizen service number. What is read is no matter of this module: see :func:`vat.may_hold_bsn`.

>>> refused("NL123456782 B01 (oud)", "wrong_format")
'NL********* B** (oud)'
>>> refused("1234567 en 7654321", "two_numbers")
'1234567 en 7654321'
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

import polars as pl

from kvk_enrich.identifiers._check_digits import passes_eleven
from kvk_enrich.identifiers._shapes import CITIZEN

_DIGITS: Final = 9
_NINE: Final = r"\d(?:[^a-z\d]*\d){8}"
_WORTH_A_LOOK: Final = rf"(?i:(?:^|\D){_NINE}(?:\D|$)|nl[^a-z\d]*{_NINE}|{_NINE}[^a-z\d]*b)"
"""Where :func:`_nines` finds any: it is slow, and few refused cells have them."""
_BETWEEN_LETTERS: Final = re.compile(r"(nl)?[^a-z\d]*(\d[^a-z]*)(b)?", re.IGNORECASE)


def refused(text: str, reason: str | None) -> str:
    """Return *text*, of which no number was read for *reason*, as it may be shown."""
    return starred(text) if reason == CITIZEN.reason or _may_hold_bsn(_known(text)) else text


def refused_column(text: pl.Expr, reason: pl.Expr) -> pl.Expr:
    """Return :func:`refused` for a column; null where *text* is null."""
    known = text.str.normalize("NFKC")
    few = pl.when(known.str.contains(_WORTH_A_LOOK)).then(known)
    delicate = few.map_elements(_may_hold_bsn, return_dtype=pl.Boolean)
    stars = known.str.replace_all(r"\d", "*")
    return pl.when((reason == CITIZEN.reason) | delicate).then(stars).otherwise(text)


def starred(text: str) -> str:
    """Return *text* with a star for each digit."""
    return re.sub(r"\d", "*", _known(text))


def _known(text: str) -> str:
    """Return *text* with full-width and raised digits as plain ones."""
    return unicodedata.normalize("NFKC", text)


def _may_hold_bsn(text: str) -> bool:
    return any(passes_eleven(digits) for digits in _nines(text))


def _nines(text: str) -> Iterator[str]:
    """Yield the nine digits that may be one number."""
    for nl, run, b in _BETWEEN_LETTERS.findall(text):
        parts = re.findall(r"\d+", run)
        digits = "".join(parts)
        edges = {0, *accumulate(map(len, parts))}
        starts = {edge for edge in edges if edge + _DIGITS in edges}
        if len(digits) >= _DIGITS:
            starts |= ({0} if nl else set()) | ({len(digits) - _DIGITS} if b else set())
        yield from (digits[start : start + _DIGITS] for start in starts)
