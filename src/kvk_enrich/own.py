"""
The list's own columns, by their very names.

polars takes some names for patterns (``*``, ``^.*$``), and a list may have a column called so: a name that
comes from a list never goes into ``pl.col`` or ``select`` as it is.
"""

from collections.abc import Iterable

import polars as pl
import polars.selectors as cs


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
