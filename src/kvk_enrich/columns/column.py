"""What an output column is."""

from dataclasses import dataclass
from typing import Final

import polars as pl

TEXT: Final = pl.String()
FLAG: Final = pl.Boolean()
MOMENT: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Column:
    """
    One output column.

    Args:
        name: As users see it.
        dtype: In Parquet and in the cache.
        meaning: For the README's table.
        source: The register's own field, or empty for what we add.
        of_rows: False for what the cache keeps and no row of the enriched list shows.
    """

    name: str
    dtype: pl.DataType
    meaning: str
    source: str = ""
    of_rows: bool = True
