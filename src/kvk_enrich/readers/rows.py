"""What a reader returns, and what holds for the columns of every format."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from kvk_enrich.errors import InputRefused

ROW = "enrich_row"
PREFIX = "enrich_"
"""Names with this beginning are ours, now and in later versions."""


@dataclass(frozen=True, slots=True)
class Rows:
    """
    A list, ready to be worked on.

    Args:
        frame: ``enrich_row`` and then *columns*.
        columns: The list's own columns, in its order.
        notes: What was decided on the way, a sentence each.
    """

    frame: pl.LazyFrame
    columns: list[str]
    notes: list[str]


def refuse_names(original: Path, columns: Sequence[str], reserved: Collection[str]) -> None:
    """Raise InputRefused when the list already has a column that the output adds."""
    taken = [name for name in columns if name in reserved or name.startswith(PREFIX)]
    if taken:
        named = ", ".join(repr(name) for name in taken)
        raise InputRefused(
            f"{original}: the list has columns that the output adds: {named}. Rename or remove them; "
            "if this is an enriched list, start from the original one."
        )
