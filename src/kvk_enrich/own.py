"""
The list's own columns, by their very names, and texts that stand there as bytes.

polars takes some names for patterns (``*``, ``^.*$``), and a list may have a column called so: a name that
comes from a list never goes into ``pl.col`` or ``select`` as it is.
"""

from collections.abc import Iterable
from typing import Final

import polars as pl
import polars.selectors as cs

SIGNS: Final = r"=+\-@＝＋－＠"  # noqa: RUF001  the full-width forms are meant
"""What a spreadsheet takes for the beginning of a formula, to stand in a pattern: see :mod:`kvk_enrich.write.cells`."""

_UTF8_IN_HEX: Final = (
    "^(?:[0-7].|(?:c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].|(?:e[1-9a-cef])(?:[89ab].){2}|ed[89].[89ab]."
    "|f0[9ab].(?:[89ab].){2}|f[1-3](?:[89ab].){3}|f48.(?:[89ab].){2})*$"
)
"""Source: RFC 3629, section 4."""


def column(name: str) -> pl.Expr:
    """
    Return the column that is called *name*, whatever the name is.

    >>> pl.DataFrame({"a": [1], "*": [2]}).select(column("*")).columns
    ['*']
    """
    return cs.by_name(name).as_expr()


def columns(names: Iterable[str]) -> list[pl.Expr]:
    """Return the columns that are called *names*, in their order."""
    return [column(name) for name in names]


def utf8(cell: pl.Expr) -> pl.Expr:
    """Return *cell* (Binary) as text where it is UTF-8, as older Parquet files keep texts; else null."""
    # A cast fails as a whole on one cell that is no UTF-8, even when a null or a condition
    # hides it; decoding builds new cells, of the good ones only.
    written = cell.bin.encode("hex")
    return pl.when(written.str.contains(_UTF8_IN_HEX)).then(written).str.decode("hex").cast(pl.String)
