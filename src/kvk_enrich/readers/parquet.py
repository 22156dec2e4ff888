"""Parquet lists: columns keep their dtypes."""

from collections.abc import Collection

import polars as pl

from kvk_enrich.errors import InputRefused
from kvk_enrich.readers.rows import ROW, Rows, refuse_names
from kvk_enrich.readers.snapshots import Snapshot


def read_parquet(taken: Snapshot, *, reserved: Collection[str]) -> Rows:
    """Return the rows of a Parquet file; see :func:`kvk_enrich.readers.read`."""
    # A damaged file must show now: later, calls would have been paid for rows that cannot be written.
    try:
        own = pl.scan_parquet(taken.path, glob=False)
        columns = own.collect_schema().names()
        refuse_names(taken.original, columns, reserved)
        own.select(pl.all().is_null().sum()).collect(engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        trouble = "it is cut off or damaged."
        if "UTF-8" in str(error):
            trouble = (
                "a column of text holds bytes that are no text (UTF-8). Write that column as binary, or repair it."
            )
        raise InputRefused(f"{taken.original} cannot be read as Parquet: {trouble}") from error
    return Rows(pl.scan_parquet(taken.path, glob=False, row_index_name=ROW, row_index_offset=1), columns, [])
