"""Long lists, slice by slice: a join of everything at once keeps no order, or keeps all in memory."""

from collections.abc import Callable, Iterator
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

ROWS: Final = 250_000


def count(rows: pl.LazyFrame) -> int:
    """Return how many rows there are."""
    return int(rows.select(pl.len()).collect().item())


def sliced(rows: pl.LazyFrame, change: Callable[[pl.LazyFrame], pl.LazyFrame], *, filled: str = "") -> pl.LazyFrame:
    """
    Return *rows*, each slice of them changed in memory, as a source for one streaming sink.

    Args:
        rows: Those of a file; their order is kept.
        change: What becomes of a slice.
        filled: A column of the result that must have a value in every row.

    Raises:
        ValueError: while it is read, where *filled* is null.
    """
    total = count(rows)

    def slices(  # pragma: no cover  runs in polars' own threads, which coverage does not see
        with_columns: list[str] | None, _predicate: pl.Expr | None, _n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        # The sink takes every row: polars has no filter or limit to push down into this source.
        for start in range(0, max(total, 1), ROWS):
            frame = change(rows.slice(start, ROWS)).collect(engine="in-memory")
            if filled and frame[filled].null_count():
                raise ValueError("rows of the list have neither a reason nor an answer")
            yield frame if with_columns is None else frame[with_columns]

    return register_io_source(slices, schema=change(rows.head(0)).collect_schema())
