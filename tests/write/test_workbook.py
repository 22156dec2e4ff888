"""The enriched list as a workbook, read back by another library."""

import sys
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape
from tests.write.conftest import answer_lines
from tests.write.test_report import RECORD

from kvk_enrich import readers, write
from kvk_enrich.columns import output
from kvk_enrich.errors import ConfigError
from kvk_enrich.lang import words
from kvk_enrich.write.workbook import _as_xml

COLUMNS = output(["basisprofiel"])
Mixed = tuple[Path, pl.DataFrame]


def sheet_of(path: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of a sheet below its header."""
    header, *rows = openpyxl.load_workbook(path)[name].iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


@pytest.fixture
def written(mixed: Mixed, tmp_path: Path) -> Path:
    """Return the workbook of the mixed list."""
    path = tmp_path / "out.xlsx"
    write.workbook(RECORD, *mixed, COLUMNS, path)
    return path


def test_every_row_is_there_in_order(written: Path) -> None:
    """The list's own columns come first, then ours; texts stay texts."""
    rows = sheet_of(written, "Enriched")
    assert list(rows[0]) == ["name", "kvk nr", *(column.name for column in COLUMNS)]
    assert [row["enrich_outcome"] for row in rows] == [
        *("found", "invalid", "not_found", "found", "failed", "deferred", "deferred")
    ]
    assert [row["name"] for row in rows[:2]] == ["=1+1", "Bedrijf 2"]
    assert (rows[0]["kvk_number"], rows[3]["enrich_note"]) == ("10000001", "zero put in front")


def test_cells_have_their_types(written: Path) -> None:
    """Dates are dates, times are times in UTC, lists are joined."""
    row = sheet_of(written, "Enriched")[0]
    assert row["kvk_start_date"] == datetime(2026, 11, 21, tzinfo=UTC).replace(tzinfo=None)
    assert row["enrich_fetched_at"] == datetime(2026, 11, 21, 10, 30, 15, 250_000, tzinfo=UTC).replace(tzinfo=None)
    assert (row["kvk_active"], row["enrich_cached"], row["kvk_employees"]) == (True, False, None)
    assert (row["kvk_trade_names"], row["kvk_sbi"]) == ("Fictief; =2+2", "6201 Software; 6202")


def test_nothing_is_a_formula_or_a_link(written: Path) -> None:
    """A text that looks like a formula is a text cell."""
    book = openpyxl.load_workbook(written)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr", "n", "b", "d"}
    assert [cell.coordinate for cell in cells if cell.hyperlink] == []


def test_it_opens_as_a_table(written: Path) -> None:
    """Header frozen, filter over all rows, columns wide enough for their names."""
    sheet = openpyxl.load_workbook(written)["Enriched"]
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet.dimensions) == ("A2", "A1:AX8", "A1:AX8")
    assert sheet["A1"].font.b
    assert 10 <= sheet.column_dimensions["A"].width <= 12
    assert sheet["I2"].number_format == "yyyy-mm-dd hh:mm:ss"


def test_outcomes_have_colours(written: Path) -> None:
    """The number, its outcome and its reason are filled alike; no two outcomes are."""
    sheets = openpyxl.load_workbook(written)
    rules = {
        str(each.sqref): [rule.formula[0] for rule in each.rules] for each in sheets["Enriched"].conditional_formatting
    }
    expected = [f'$C2="{outcome}"' for outcome in ("found", "not_found", "invalid", "failed", "deferred")]
    assert {place: rules[place] for place in ("C2:C8", "D2:D8")} == {"C2:C8": expected, "D2:D8": expected}
    fills = {rule.dxf.fill.bgColor.rgb for each in sheets["Enriched"].conditional_formatting for rule in each.rules}
    assert len(fills) == 5


def test_comments_say_what_columns_are_and_what_became_of_rows(
    mixed: Mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers all, rows as many as a spreadsheet bears; in Dutch where that is read."""
    monkeypatch.setattr(sys.modules["kvk_enrich.write.workbook"], "_COMMENTS", 3)
    write.workbook(RECORD, *mixed, COLUMNS, tmp_path / "out.xlsx", words("nl"))
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx")["Enriched"]
    told = {cell.coordinate: cell.comment.text for row in sheet.iter_rows() for cell in row if cell.comment}
    assert (told["C1"], told["E1"]) == ("wat er van de rij geworden is", "herstel aan het nummer, in woorden")
    assert [place for place in told if not place.endswith("1")] == ["D3", "D4", "E5"]
    assert told["D3"].endswith("Vul het nummer in, of laat de rij zoals die is.")


def test_the_failed_items_are_those_of_the_csv(written: Path, mixed: Mixed, tmp_path: Path) -> None:
    """The second sheet has the same columns and cells."""
    write.failed(*mixed, tmp_path / "failed.csv")
    expected = pl.read_csv(tmp_path / "failed.csv", infer_schema=False).to_dicts()
    found = [
        {name: None if cell is None else str(cell) for name, cell in row.items()}
        for row in sheet_of(written, "Failed items")
    ]
    assert found == expected


def test_the_summary_has_counts_money_and_times(written: Path) -> None:
    """The third sheet is the run record in words."""
    summary = dict(openpyxl.load_workbook(written)["Summary"].iter_rows(values_only=True))
    assert (summary["rows total"], summary["rows found"], summary["rows deferred"]) == (7, 2, 2)
    assert (summary["cost in EUR"], summary["saved in EUR"], summary["calls sent"]) == (0.4, 1212, 20)
    assert summary["started (UTC)"] == datetime(2026, 11, 21, 10, 30, tzinfo=UTC).replace(tzinfo=None)


def test_a_dutch_summary_is_dutch(mixed: Mixed, tmp_path: Path) -> None:
    """The state too; names of sheets are as those of columns: the same in every language."""
    write.workbook(RECORD, *mixed, COLUMNS, tmp_path / "out.xlsx", words("nl"))
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames == ["Enriched", "Failed items", "Summary"]
    assert dict(book["Summary"].iter_rows(values_only=True))["stand"] == words("nl")(RECORD.state) != RECORD.state


def test_a_list_without_rows(stage: Callable[..., Path], tmp_path: Path) -> None:
    """Headers alone make a workbook too."""
    done = write.workbook(RECORD, stage([]), answer_lines(), COLUMNS, tmp_path / "out.xlsx")
    assert done.rows == 0
    assert sheet_of(tmp_path / "out.xlsx", "Enriched") == []
    assert sheet_of(tmp_path / "out.xlsx", "Failed items") == []


def test_a_row_without_fate_is_a_bug(stage: Callable[..., Path], tmp_path: Path) -> None:
    """Neither reason nor answer: nothing is written as if it were."""
    staged = stage([{"number": "10000001"}])
    with pytest.raises(ValueError, match="neither a reason nor an answer"):
        write.workbook(RECORD, staged, answer_lines(), COLUMNS, tmp_path / "out.xlsx")


def _staged(path: Path, own: pl.DataFrame) -> Path:
    """Stage a list with the columns *own*; none of its rows has a number."""
    texts = {name: pl.lit(None, pl.String) for name in ("enrich_raw", "enrich_number", "enrich_kind", "enrich_note")}
    staged = own.with_row_index("enrich_row", 1).with_columns(enrich_reason=pl.lit("empty"), **texts)
    staged.write_parquet(path)
    return path


def _own_cells(folder: Path, own: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Write a list with the columns *own* and return their cells as openpyxl reads them."""
    staged = _staged(folder / "staged.parquet", own)
    write.workbook(RECORD, staged, answer_lines(), COLUMNS, folder / "own.xlsx")
    sheet = openpyxl.load_workbook(folder / "own.xlsx")["Enriched"]
    return [row[: own.width] for row in sheet.iter_rows(min_row=2, values_only=True)]


def test_own_columns_of_every_dtype(tmp_path: Path) -> None:
    """What a spreadsheet cannot hold exactly becomes text."""
    own = pl.DataFrame(
        {
            "whole": [12, 10**15, None],
            "broken": [0.1, float("inf"), float("nan")],
            "money": pl.Series([Decimal("12.34"), None, Decimal("-1.00")], dtype=pl.Decimal(10, 2)),
            "long": pl.Series([Decimal("1.5"), None, None], dtype=pl.Decimal(30, 1)),
            "day": [date(2026, 1, 31), date(1899, 5, 1), None],
            "moment": pl.Series(
                [datetime(2026, 1, 31, 23, 30, tzinfo=UTC)] * 2 + [None], dtype=pl.Datetime("ns", "UTC")
            ),
            "lists": [["a", "b"], [], None],
            "bytes": [b"\xff", None, None],
            "nothing": [None, None, None],
        }
    )
    evening = datetime(2026, 1, 31, 23, 30, tzinfo=UTC).replace(tzinfo=None)
    assert _own_cells(tmp_path, own) == [
        (12, 0.1, 12.34, "1.5", evening.replace(hour=0, minute=0), evening, "a; b", "ff", None),
        ("1000000000000000", "inf", None, None, "1899-05-01", evening, None, None, None),
        (None, "NaN", -1, None, None, None, None, None, None),
    ]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=20))
def test_any_text_comes_back(texts: list[str]) -> None:
    """Markup, control characters, escapes of the format itself: all are read back as they were."""
    written = _as_xml(pl.Series(texts, dtype=pl.String)).to_list()
    parsed = [ET.fromstring(f"<t>{text}</t>").text or "" for text in written]
    assert [unescape(text) for text in parsed] == texts


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"text": ["x" * 32_768]}, "the list has 32,768 characters in a cell, a sheet holds 32,767"),
        ({f"c{place}": ["1"] for place in range(16_384)}, "the list has 16,432 columns, a sheet holds 16,384"),
        ({"n": range(1_048_576)}, "the list has 1,048,576 rows, a sheet holds 1,048,575"),
    ],
    ids=["text", "columns", "rows"],
)
def test_what_a_sheet_cannot_hold_is_refused(tmp_path: Path, own: dict[str, Sequence[Any]], sentence: str) -> None:
    """The sentence names the limit and the formats without it."""
    staged = _staged(tmp_path / "staged.parquet", pl.DataFrame(own))
    with pytest.raises(ConfigError) as caught:
        write.check_sheet(staged, COLUMNS)
    assert str(caught.value) == f"output.file: {sentence}; use .parquet or .csv"


def test_a_workbook_of_ours_is_read_by_us(written: Path, tmp_path: Path) -> None:
    """Sheets of ours can be a list: the failed items, once corrected, can be asked again."""
    taken = readers.snapshot(written, tmp_path / "run")
    rows = readers.read(taken, folder=tmp_path / "run", sheet="Failed items").frame.collect()
    assert rows["row"].to_list() == ["2", "5", "6"]


def test_a_sheet_larger_than_2_gib(stage: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is then written in the format for large ones; here the limit is lower."""
    staged = stage([{"raw": "n.v.t.", "reason": "placeholder"}] * 500)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 20_000)
    write.workbook(RECORD, staged, answer_lines(), COLUMNS, tmp_path / "out.xlsx")
    monkeypatch.undo()
    assert len(sheet_of(tmp_path / "out.xlsx", "Enriched")) == 500
