"""Which cells a patch may change."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from kvk_enrich import patch
from kvk_enrich.compare import VERDICT, parse
from kvk_enrich.write import compared

STREET, NUMBER, LETTER, CITY, POST = (
    parse(text)
    for text in (
        "visit_street=Straat",
        "visit_house_number=Nr",
        "visit_house_letter=L",
        "visit_city=Plaats",
        "post_city=Plaats",
    )
)
Line = tuple[int, str, str | None, str | None, str]


def found(*lines: Line, shielded: bool = False) -> pl.DataFrame:
    """Return differences: row, field, ours, theirs, verdict."""
    columns = {each.field.name: each.column for each in (STREET, NUMBER, LETTER, CITY, POST)}
    return pl.DataFrame(
        [
            {
                "row": row,
                "value": "90000001",
                "number": "90000001",
                "field": field,
                "column": columns[field],
                "ours": ours,
                "theirs": theirs,
                "verdict": verdict,
                "fetched_at": datetime(2026, 11, 22, tzinfo=UTC),
                "shielded": shielded,
            }
            for row, field, ours, theirs, verdict in lines
        ],
        schema_overrides={"verdict": VERDICT, "ours": pl.String(), "theirs": pl.String()},
    )


def cells(lines: pl.DataFrame, *comparisons: object, fields: Sequence[str] | None = None) -> list[tuple[int, str]]:
    """Return row and field of the cells to patch."""
    every = [STREET, NUMBER, LETTER, CITY]
    allowed = [each.field.name for each in (*every, POST)] if fields is None else fields
    chosen = compared.to_patch(lines, [*every, *comparisons], allowed)  # type: ignore[list-item]
    return list(chosen.select("row", "field").iter_rows())


def test_only_what_differs_and_the_register_knows_is_patched():
    """Not what is written otherwise, and never a good value by none."""
    lines = found(
        (1, "visit_street", "A", "B", "changed"),
        (2, "visit_street", None, "B", "missing_here"),
        (3, "visit_street", "b", "B", "format_only"),
        (4, "visit_city", "X", None, "missing_there"),
    )
    assert cells(lines) == [(1, "visit_street"), (2, "visit_street")]
    assert cells(lines, fields=["visit_city"]) == []


def test_an_address_is_patched_whole_or_not_at_all():
    """A new house number beside the old letter would be an address that nobody has."""
    lines = found(
        (1, "visit_house_number", "12", "14", "changed"),
        (1, "visit_house_letter", "A", None, "missing_there"),
        (2, "visit_house_number", "12", "14", "changed"),
    )
    assert cells(lines) == [(2, "visit_house_number")]


def test_a_shielded_address_is_never_patched():
    """What shows of it is not for lists."""
    assert cells(found((1, "visit_city", "X", "Y", "changed"), shielded=True)) == []


def test_a_column_that_agrees_with_one_of_its_fields_is_left():
    """The town of the list is that of the post: no difference to put right. If it is neither, the first one is."""
    one = (1, "visit_city", "X", "Y", "changed")
    assert cells(found(one), POST) == []
    assert cells(found(one, (1, "post_city", "X", "Z", "changed")), POST) == [(1, "visit_city")]
    assert cells(found(one), POST, fields=["visit_city"]) == [(1, "visit_city")]


def test_patch_and_undo_mirror_each_other(tmp_path: Path):
    """What the one puts in, the other takes out; only the undo knows how the cell was quoted."""
    lines = found((1, "visit_street", "=A", "B", "changed"), (2, "visit_street", None, "C", "missing_here"))
    there, back = tmp_path / "out.patch.csv", tmp_path / "out.undo.csv"
    written = compared.patches(lines, {(1, "Straat")}, there, back)
    assert [each.rows for each in written] == [2, 2]
    assert patch.read(there.read_text()) == [(1, "Straat", "=A", "B", None), (2, "Straat", "", "C", None)]
    assert patch.read(back.read_text()) == [(1, "Straat", "B", "=A", True), (2, "Straat", "C", "", False)]
