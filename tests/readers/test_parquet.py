import io

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kvk_enrich.errors import InputRefused


def parquet(frame: pl.DataFrame, **options) -> bytes:
    """Return a file's bytes."""
    target = io.BytesIO()
    frame.write_parquet(target, **options)
    return target.getvalue()


def test_dtypes_are_kept(read):
    """The list's own columns stay as they are, whatever their dtype."""
    frame = pl.DataFrame(
        {
            "kvk": [69599084, None],
            "besteed": [1.5, 2.5],
            "soort": pl.Series(["a", "b"], dtype=pl.Categorical),
            "sleutel": [b"\xff", b"x"],
            "lijst": [[1, 2], []],
        }
    )

    rows = read(parquet(frame), "list.parquet")

    assert rows.columns == frame.columns
    assert rows.frame.collect().equals(frame.with_row_index("enrich_row", offset=1))
    assert rows.frame.collect_schema() == {"enrich_row": pl.UInt32, **frame.schema}


def test_no_rows(read):
    """A list without rows is a list."""
    rows = read(parquet(pl.DataFrame({"kvk": []}, schema={"kvk": pl.String})), "list.parquet")

    assert rows.frame.collect().shape == (0, 2)


@pytest.mark.parametrize("keep", [8, 200, -1, -20])
def test_cut_off(keep, read):
    """A file that is cut off is refused."""
    whole = parquet(pl.DataFrame({"kvk": [str(number) for number in range(1_000)]}))

    with pytest.raises(InputRefused, match="cut off or damaged"):
        read(whole[:keep], "list.parquet")


def test_damaged_inside(read):
    """Damage in any column shows before anything is asked."""
    whole = bytearray(parquet(pl.DataFrame({"kvk": ["1"] * 9, "naam": [f"naam {n}" for n in range(9)]})))
    at = whole.index(b"\x28\xb5\x2f\xfd", whole.index(b"\x28\xb5\x2f\xfd") + 1)
    whole[at : at + 12] = b"\x00" * 12

    with pytest.raises(InputRefused, match="cut off or damaged"):
        read(bytes(whole), "list.parquet")


def test_not_parquet(read):
    """A text file by the name of Parquet is refused as what it is."""
    with pytest.raises(InputRefused, match="is not a Parquet file"):
        read(b"a,b\n1,2\n", "list.parquet")


def test_own_column_with_a_name_of_ours(read):
    """A column that the output adds is refused before it can be overwritten."""
    with pytest.raises(InputRefused, match="'enrich_row'"):
        read(parquet(pl.DataFrame({"enrich_row": [1]})), "list.parquet")


def test_an_enriched_list_is_told_by_three_of_its_columns(read):
    """All fifty-five of them would hide what to do."""
    names = ["enrich_outcome", "enrich_reason", "enrich_note", "enrich_kind", "enrich_number"]
    with pytest.raises(InputRefused, match="'enrich_outcome', 'enrich_reason', 'enrich_note' and 2 more"):
        read(parquet(pl.DataFrame({name: ["x"] for name in names})), "list.parquet")


def test_bytes_that_are_no_text(read):
    """Text that is none is no damage of the file: the refusal says what to do."""
    bytes_of_text = pa.array([b"\xed\xa0\x80"], pa.binary())
    target = io.BytesIO()
    pq.write_table(pa.table({"kvk": pa.StringArray.from_buffers(1, *bytes_of_text.buffers()[1:])}), target)

    with pytest.raises(InputRefused, match=r"bytes that are no text.*as binary"):
        read(target.getvalue(), "list.parquet")
