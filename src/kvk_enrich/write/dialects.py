"""How a CSV is written, for whom."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to write CSV, in the words of polars' ``sink_csv``; always UTF-8 and line feeds."""

    separator: str = ","
    include_bom: bool = False
    decimal_comma: bool = False

    @property
    def is_for_spreadsheets(self) -> bool:
        """Whether a spreadsheet opens it: nothing else needs the mark."""
        return self.include_bom


STANDARD: Final = Dialect()

DIALECTS: Final = {
    "standard": STANDARD,
    "excel-nl": Dialect(separator=";", include_bom=True, decimal_comma=True),
}
"""By the names of ``output.csv_dialect``; a spreadsheet set to Dutch opens ``excel-nl`` in columns, letters right."""
