"""
Sections of the register's classification of activities (SBI): which of them a code belongs to.

The sections are those of SBI 2025. A code does not tell its edition, and need not: the first two digits
of SBI 2008 mean the same, but for 45 (trade in cars, now with other trade) and parts of 63.

Source: CBS, "Standaard Bedrijfsindeling 2025" (read 2026-11).

>>> section("62100"), section("0113"), section("00")
('K', 'A', None)
"""

from typing import Final

import polars as pl

_DIVISIONS: Final = {
    "A": range(1, 4),
    "B": range(5, 10),
    "C": range(10, 34),
    "D": range(35, 36),
    "E": range(36, 40),
    "F": range(41, 44),
    "G": range(45, 48),
    "H": range(49, 54),
    "I": range(55, 57),
    "J": range(58, 61),
    "K": range(61, 64),
    "L": range(64, 67),
    "M": range(68, 69),
    "N": range(69, 76),
    "O": range(77, 83),
    "P": range(84, 85),
    "Q": range(85, 86),
    "R": range(86, 89),
    "S": range(90, 94),
    "T": range(94, 97),
    "U": range(97, 99),
    "V": range(99, 100),
}
"""The divisions, by two digits, of each section."""

_SECTIONS: Final = {f"{division:02}": letter for letter, those in _DIVISIONS.items() for division in those}
SECTIONS: Final = tuple(_DIVISIONS)


def section(code: str) -> str | None:
    """Return the letter of the section that *code* belongs to; None for a code that is none."""
    return _SECTIONS.get(code[:2])


def section_column(code: pl.Expr) -> pl.Expr:
    """Return :func:`section` for a column; null where *code* is."""
    return code.str.slice(0, 2).replace_strict(_SECTIONS, default=None, return_dtype=pl.String)
