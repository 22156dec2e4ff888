"""What a reader returns, and what holds for the columns of every format."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from kvk_enrich.errors import InputRefused

ROW = "enrich_row"
PREFIX = "enrich_"
"""Names with this beginning are ours, now and in later versions."""

NAMED_BY_PLACE: Final = "Columns without a name were named by their place: column_2 is the second."

_NAMED: Final = 3
"""How many columns a refusal names."""

_DATA_IN_HEADER = re.compile(
    r"(?:(?:kvk|btw|vat|rsin)[^0-9a-z]*)?(?:[a-z]{2}[. ]?)?(?:[0-9]{7,12}|[0-9]{4}[. ][0-9]{4})(?:\.?b[0-9]{2})?",
    re.IGNORECASE,
)
"""Dates with dashes or slashes are names of columns too."""


@dataclass(frozen=True, slots=True)
class Rows:
    """
    A list, ready to be worked on.

    Args:
        frame: ``enrich_row`` and then *columns*.
        columns: The list's own columns, in its order.
        notes: What was decided on the way, a sentence each.
        decimals: Of a workbook: the columns of numbers with decimals, which are text here as all others are.
    """

    frame: pl.LazyFrame
    columns: list[str]
    notes: list[str]
    decimals: Collection[str] = ()


def refuse_names(original: Path, columns: Sequence[str], reserved: Collection[str]) -> None:
    """Raise InputRefused when the list already has a column that the output adds."""
    taken = [name for name in columns if name in reserved or name.startswith(PREFIX)]
    if taken:
        named = ", ".join(repr(name) for name in taken[:_NAMED])
        named += f" and {len(taken) - _NAMED} more" if len(taken) > _NAMED else ""
        raise InputRefused(
            f"{original}: the list has columns that the output adds: {named}. Rename or remove them; "
            "if this is an enriched list, start from the original one."
        )


def refuse_data(original: Path, header: Sequence[str], line: str) -> None:
    """Raise InputRefused when the *header*, the first *line* (or row) of the list, holds a number as lists do."""
    numbers = [name for name in header if _DATA_IN_HEADER.fullmatch(name.strip())]
    if numbers:
        raise InputRefused(
            f"{original}: the first {line} holds {numbers[0]}, so it looks like data. Put a header {line} above it."
        )


def named(original: Path, header: Sequence[str]) -> list[str]:
    """
    Return *header*, with names for unnamed columns where there are several of them.

    Raises:
        InputRefused: two columns have one name.
    """
    unnamed = header.count("") > 1
    columns = [name or f"column_{place}" if unnamed else name for place, name in enumerate(header, 1)]
    twice = [name for name, times in Counter(columns).items() if times > 1]
    if twice:
        raise InputRefused(
            f"{original}: several columns are called {', '.join(repr(name) for name in twice)}. "
            "Give each a name of its own."
        )
    return columns
