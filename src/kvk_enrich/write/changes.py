"""What changed in the register, as a file."""

from pathlib import Path

import polars as pl

from kvk_enrich.write.cells import inert
from kvk_enrich.write.written import Written, described


def changes(found: pl.DataFrame, path: Path) -> Written:
    """
    Write *found* as Parquet (zstd) or CSV, by the suffix of *path*; a line per change.

    Raises:
        OSError: It cannot be written.
    """
    if path.suffix.lower() == ".csv":
        found.with_columns(inert(pl.col(pl.String))).write_csv(path)
    else:
        found.write_parquet(path, compression="zstd")
    return described(path, found.height)
