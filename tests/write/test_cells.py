"""Values as cells: whatever a Parquet list may hold becomes text, or is refused before anything is paid."""

import io

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kvk_enrich.errors import InputRefused
from kvk_enrich.write import cells

ODD = {
    "map": (pa.array([[("a", 1), ("b", None)], []], pa.map_(pa.string(), pa.int64())), ["a 1; b", ""]),
    "maps": (pa.array([[[("a", 1)]], None], pa.list_(pa.map_(pa.string(), pa.int64()))), ["a 1", None]),
    "map in a struct": (
        pa.array([{"m": [("k", 2)]}, {"m": None}], pa.struct([("m", pa.map_(pa.string(), pa.int64()))])),
        ["k 2", ""],
    ),
    "JSON": (pa.array(['{"a":1}', None]).cast(pa.json_(pa.string())), ['{"a":1}', None]),
    "UUID": (pa.array([b"0123456789abcdef", None], pa.uuid()), ["0123456789abcdef", None]),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_columns_of_parquet_are_texts(kind: str):
    """Entries of maps as pairs; what extends another type as that."""
    column, texts = ODD[kind]
    pq.write_table(pa.table({"x": column}), made := io.BytesIO())
    frame = pl.read_parquet(made.getvalue())
    cells.check_cells(frame.schema)
    assert frame.select(cells.as_cell(pl.col("x"), frame.schema["x"])).to_series().to_list() == texts


def test_what_can_be_no_text_is_refused_before_anything_is_asked():
    """By the name of the column."""
    with pytest.raises(InputRefused, match="column 'x' holds Struct"):
        cells.check_cells({"x": pl.Struct([])})


@pytest.mark.parametrize("text", ['x;"=1+1;y', 'a\n"=1', 'a;""\t"@x', 'a;" =1'])
def test_a_quotation_mark_hides_no_formula(text: str):
    """Split at its semicolons, what is quoted there is a cell."""
    made = pl.DataFrame({"x": [text]}).select(cells.inert(pl.col("x"))).item()
    assert not any(part.lstrip(' "\t').startswith(("=", "@")) for part in made.replace("\n", ";").split(";"))
    assert pl.DataFrame({"x": [made]}).select(cells.bare(pl.col("x"))).item() == text
