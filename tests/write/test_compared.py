"""Which cells a patch may change."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from kvk_enrich import patch
from kvk_enrich.compare import VERDICT, Comparison, parse
from kvk_enrich.write import compared

STREET, NUMBER, LETTER, CITY, POST, POSTAL = (
    parse(text)
    for text in (
        "visit_street=Straat",
        "visit_house_number=Nr",
        "visit_house_letter=L",
        "visit_city=Plaats",
        "post_city=Plaats",
        "post_street=Poststraat",
    )
)
Line = tuple[int, str, str | None, str | None, str]


def found(*lines: Line, shielded: bool = False, stale: bool = False) -> pl.DataFrame:
    """Return differences: row, field, ours, theirs, verdict."""
    columns = {each.field.name: each.column for each in (STREET, NUMBER, LETTER, CITY, POST, POSTAL)}
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
                "stale": stale,
            }
            for row, field, ours, theirs, verdict in lines
        ],
        schema_overrides={"row": pl.UInt32(), "verdict": VERDICT, "ours": pl.String(), "theirs": pl.String()},
    )


def cells(
    lines: pl.DataFrame,
    *comparisons: Comparison,
    fields: Sequence[str] | None = None,
    lacking: Collection[tuple[int, str]] = (),
) -> list[tuple[int, str]]:
    """Return row and field of the cells to patch."""
    every = [STREET, NUMBER, LETTER, CITY]
    allowed = [each.field.name for each in (*every, POST, POSTAL)] if fields is None else fields
    chosen = compared.to_patch(lines, [*every, *comparisons], allowed, lacking)
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


def test_differences_tell_which_rest_on_an_older_answer(tmp_path: Path):
    """What is to know of the cell stands among the same flags."""
    texts, flags = pl.String(), pl.List(pl.String())
    rows = {
        "enrich_row": pl.Series([1, 2], dtype=pl.UInt32()),
        "enrich_raw": ["90000001", "90000002"],
        "enrich_kind": ["kvk"] * 2,
        "enrich_number": ["90000001", "90000002"],
        "enrich_reason": pl.Series([None] * 2, dtype=texts),
        "enrich_flags": pl.Series([["guess"], None], dtype=flags),
        "Plaats": ["X", "X"],
        CITY.verdict: pl.Series(["changed"] * 2, dtype=VERDICT),
    }
    answers = {
        "enrich_kind": ["kvk"] * 2,
        "enrich_number": ["90000001", "90000002"],
        "enrich_outcome": ["found"] * 2,
        "enrich_reason": pl.Series([None] * 2, dtype=texts),
        "enrich_flags": pl.Series([["stale"], None], dtype=flags),
        "enrich_fetched_at": [datetime(2026, 11, 22, tzinfo=UTC)] * 2,
        "kvk_visit_city": ["Y", "Y"],
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "marks.parquet")
    told = compared.differences(tmp_path / "marks.parquet", pl.DataFrame(answers), [CITY])
    assert told.select("theirs", "stale").rows() == [("Y", True), ("Y", False)]


def test_an_older_answer_is_no_ground_for_a_patch():
    """The list may be ahead of it."""
    assert cells(found((1, "visit_city", "X", "Y", "changed"), stale=True)) == []


def test_a_cell_that_a_short_row_has_not_cannot_be_patched():
    """Nor can the rest of its address; rows that have all their cells are."""
    street, town = "visit_street", "visit_city"
    lines = [(row, field, None, "Y", "missing_here") for row in (1, 2) for field in (street, town)]
    assert cells(found(*lines), lacking={(1, "Plaats")}) == [(2, street), (2, town)]


MOVED: tuple[Line, ...] = ((1, "visit_street", "A", "B", "changed"), (1, "visit_city", "X", "Y", "changed"))
EMPTY: tuple[Line, ...] = tuple((row, field, None, theirs, "missing_here") for row, field, _, theirs, _ in MOVED)
GONE: tuple[Line, ...] = tuple((row, field, mine, None, "missing_there") for row, field, mine, _, _ in MOVED)
BOTH = [(1, "visit_street"), (1, "visit_city")]


@pytest.mark.parametrize(
    ("lines", "patched"),
    [
        ((*MOVED, (1, "post_city", "X", None, "missing_there")), BOTH),
        (EMPTY, BOTH),
        ((*MOVED, (1, "post_city", "X", "Z", "changed")), BOTH),
        ((*MOVED, (1, "post_city", "X", "Z", "changed"), (1, "post_street", "P", "Q", "changed")), BOTH),
        (
            (*MOVED, (1, "post_city", "X", "Y", "changed"), (1, "post_street", "P", "Q", "changed")),
            [*BOTH, (1, "post_street")],
        ),
        (MOVED, []),
        ((*MOVED, (1, "post_city", "X", "x", "format_only")), []),
        ((*MOVED, (1, "post_city", "X", "Z", "changed"), (1, "post_street", "P", None, "missing_there")), []),
        ((*MOVED, (1, "post_city", "X", None, "missing_there"), (1, "post_street", "P", None, "missing_there")), []),
        ((*GONE, (1, "post_city", "X", "Z", "changed")), []),
        ((GONE[0], MOVED[1], (1, "post_city", "X", "Z", "changed")), []),
    ],
    ids=[
        *("no postal address", "blank, no postal address", "neither", "neither, the visit first", "one town for both"),
        *("agrees", "agrees in form", "the other one is torn", "the other one is unknown"),
        *("no visiting address", "the first one is torn"),
    ],
)
def test_addresses_that_share_a_town_are_not_torn_apart(lines: tuple[Line, ...], patched: list[tuple[int, str]]):
    """A new street never stands beside an old town, nor a new town beside an old street."""
    assert sorted(cells(found(*lines), POST, POSTAL)) == sorted(patched)


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
