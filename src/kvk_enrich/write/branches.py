"""The branches of the companies found: a file of its own, as one company has many."""

from pathlib import Path

import polars as pl

from kvk_enrich.disk import os_errors
from kvk_enrich.write.written import Written, described


def branches(listed: pl.DataFrame, path: Path) -> Written:
    """
    Write *listed* as Parquet (zstd): one line per branch, ``kvk_number`` first.

    Raises:
        OSError: It cannot be written.
    """
    with os_errors():
        listed.write_parquet(path, compression="zstd")
    return described(path, listed.height)
