"""Workbooks, made by the programs' own libraries, and files that pretend to be workbooks."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import xlsxwriter

from kvk_enrich import identify, readers
from kvk_enrich.errors import InputRefused, StorageError
from kvk_enrich.readers import xlsx, xlsx_child

Read = Callable[..., readers.Rows]


def workbook(*sheets: Sequence[Sequence[Any]], hidden: Sequence[int] = ()) -> bytes:
    """Return a workbook with *sheets* of rows, called Blad1, Blad2 and so on."""
    book = openpyxl.Workbook()
    del book["Sheet"]
    for place, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Blad{place}")
        for row in rows:
            sheet.append(list(row))
        if place in hidden:
            sheet.sheet_state = "hidden"
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def with_part(content: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return the archive with one part changed (or added)."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for part in {*old.namelist(), name}:
            found = old.read(part) if part in old.namelist() else b""
            new.writestr(part, change(found) if part == name else found)
    return made.getvalue()


@pytest.fixture
def read_book(read: Read) -> Read:
    """Write a workbook and read it."""
    return lambda content, **options: read(content, "list.xlsx", **options)


@pytest.fixture
def refusal(read_book: Read) -> Callable[..., str]:
    """Return the sentence with which a workbook is refused."""

    def refusal(content: bytes, **options) -> str:
        with pytest.raises(InputRefused) as caught:
            read_book(content, **options)
        return str(caught.value)

    return refusal


def columns_of(rows: readers.Rows) -> dict[str, list[Any]]:
    """Return the rows as lists by column."""
    return rows.frame.collect().to_dict(as_series=False)


def test_rows_are_counted_below_the_header_and_empty_ones_are_kept(read_book: Read) -> None:
    """Row 1 is the first below the header, as a spreadsheet user counts; all cells are text."""
    rows = read_book(workbook([[], ["kvk", "naam"], [12345678, "a"], [], ["01234567", None]]))
    assert columns_of(rows) == {
        "enrich_row": [1, 2, 3],
        "kvk": ["12345678", None, "01234567"],
        "naam": ["a", None, None],
    }
    assert rows.frame.collect_schema() == {"enrich_row": pl.UInt32(), "kvk": pl.String(), "naam": pl.String()}
    assert rows.notes == []


def test_numbers_are_written_out(read_book: Read) -> None:
    """No exponent, no decimals that the cell does not have."""
    cells = [69599084, 69599084.0, 1234567, 180024440000, 12.5, True, -3]
    rows = read_book(workbook([["kvk"], *([cell] for cell in cells)]))
    expected = ["69599084", "69599084", "1234567", "180024440000", "12.5", "true", "-3"]
    assert columns_of(rows)["kvk"] == expected


def test_a_number_that_lost_its_zero_is_padded_and_noted(read_book: Read) -> None:
    """A numeric cell of seven digits was a number with a leading zero."""
    rows = read_book(workbook([["kvk"], [1234567]]))
    lines = identify.identify(rows.frame, ["kvk"], None).collect()
    assert lines["enrich_number"].to_list() == ["01234567"]
    assert lines["enrich_note"].to_list() == ["zero added in front"]


def test_dates_are_iso(read_book: Read) -> None:
    """Each cell by itself: a date alone is one in a column with times too."""
    midnight, noon = (datetime(2024, 3, 1, hour, tzinfo=UTC).replace(tzinfo=None) for hour in (0, 12))
    rows: list[list[Any]] = [
        ["dag", "moment", "tijd", "tekst"],
        [date(2024, 3, 1), midnight, time(9, 30), "2024"],
        [None, noon, None, "1 maart"],
    ]
    assert columns_of(read_book(workbook(rows))) == {
        "enrich_row": [1, 2],
        "dag": ["2024-03-01", None],
        "moment": ["2024-03-01", "2024-03-01 12:00:00"],
        "tijd": ["09:30:00", None],
        "tekst": ["2024", "1 maart"],
    }


def test_columns_of_numbers_with_decimals_are_known(read_book: Read) -> None:
    """So that a decimal comma can be written: not of texts that look alike, not where a text stands between."""
    rows: list[list[Any]] = [
        [None, "kvk", "omzet", "versie", "gemengd", "aantal", "tijd"],
        [None, 12345678, 1.234, "1.234", 1.234, 3, 0.5],
        [None, "01234567", None, "2.1", "n.b.", 4, time(12)],
        [None, 12345679, -5, None, 2.5, None, None],
    ]
    read = read_book(workbook([[], *rows]))
    assert read.decimals == ["omzet"]
    assert columns_of(read)["omzet"] == ["1.234", None, "-5"]


def test_formulas_are_their_last_value(read_book: Read, tmp_path: Path) -> None:
    """A formula without a value, or with an error, is an empty cell."""
    path = tmp_path / "made.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["kvk"])
        sheet.write_formula(1, 0, "=A1", None, "12345678")
        sheet.write_formula(2, 0, "=A1", None, "")
        sheet.write_formula(3, 0, "=1/0", None, "#DIV/0!")
        sheet.write_string(4, 0, "=1+1")
    assert columns_of(read_book(path.read_bytes()))["kvk"] == ["12345678", None, None, "=1+1"]


def test_the_first_visible_sheet_is_read_and_said(read_book: Read) -> None:
    """Hidden sheets are passed over; with several, the note says which it was."""
    content = workbook([["a"], [1]], [["b"], [2]], [["c"], [3]], hidden=[1])
    rows = read_book(content)
    assert columns_of(rows) == {"enrich_row": [1], "b": ["2"]}
    assert rows.notes == ["The list was read from sheet 'Blad2'; --sheet names another ('Blad1', 'Blad3')."]


@pytest.mark.parametrize("name", ["Blad3", " blad3"])
def test_a_sheet_can_be_named(read_book: Read, name: str) -> None:
    """Case and outer spaces do not matter; a hidden sheet may be named."""
    rows = read_book(workbook([["a"], [1]], [["b"], [2]], [["c"], [3]], hidden=[3]), sheet=name)
    assert columns_of(rows) == {"enrich_row": [1], "c": ["3"]}


def test_a_sheet_that_is_not_there(refusal: Callable[..., str]) -> None:
    """The refusal names those that are."""
    assert refusal(workbook([["a"]], [["b"]]), sheet="Klanten").endswith(
        "list.xlsx has no sheet 'Klanten'; it has 'Blad1', 'Blad2'. Name one with --sheet."
    )


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "sheet 'Blad1' is empty"),
        ([["kvk", "naam", "kvk"], ["1", "2", "3"]], "several columns are called 'kvk'"),
        ([[12345678, "a"], [12345679, "b"]], "the first row holds 12345678, so it looks like data"),
        ([["Klanten 2026"], [], ["kvk", "naam", "plaats"], ["1", "2", "3"]], "it looks like a title"),
        ([["kvk", "enrich_note"], ["1", "2"]], "columns that the output adds: 'enrich_note'"),
    ],
)
def test_headers_that_are_not_clear(refusal: Callable[..., str], rows: list[list[Any]], sentence: str) -> None:
    """What would have to be guessed is refused, as in a CSV."""
    assert sentence in refusal(workbook(rows))


def test_columns_without_a_name_are_named_by_place(read_book: Read) -> None:
    """Empty columns without a name are none; others are numbered."""
    rows = read_book(workbook([["kvk", None, None, "naam", None], ["1", None, "x", "a", "y"]]))
    assert rows.columns == ["kvk", "column_2", "naam", "column_4"]
    assert rows.notes == ["Columns without a name were named by their place: column_2 is the second."]


def test_a_header_alone(read_book: Read) -> None:
    """A list without rows is a list."""
    assert columns_of(read_book(workbook([["kvk", "naam"]]))) == {"enrich_row": [], "kvk": [], "naam": []}


def _archive(**parts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/"), content)
    return made.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (workbook([["kvk"], ["1"]])[:-200], "cut off or damaged"),
        (workbook([["kvk"], ["1"]])[:200], "cut off or damaged"),
        (with_part(workbook([["kvk"], ["1"]]), SHEET, lambda xml: xml[:150]), "damaged"),
        (with_part(workbook([["kvk"], ["1"]]), SHEET, lambda _: b"\xff\xfe<<<"), "damaged"),
        (_archive(**{"content.xml": b""}), "it is an OpenDocument file (.ods)"),
        (_archive(**{"xl__workbook.bin": b""}), "it is a binary workbook (.xlsb)"),
        (_archive(**{"word__document.xml": b""}), "it is a text document (.docx)"),
        (_archive(**{"notes.txt": b""}), "it is some other zip archive"),
        (_archive(**{"xl__workbook.xml": b"<workbook/>"}), "damaged"),
        (
            with_part(
                workbook([["kvk"], ["12345678"]]),
                SHEET,
                lambda xml: xml.replace(
                    b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
                ),
            ),
            "far larger than it looks",
        ),
    ],
    ids=["cut", "begun", "cut sheet", "no xml", "ods", "xlsb", "docx", "zip", "no sheets", "far cell"],
)
def test_hostile_files_are_refused(refusal: Callable[..., str], content: bytes, sentence: str) -> None:
    """Whatever is in it, the run ends with a sentence that names the file."""
    told = refusal(content)
    assert "list.xlsx" in told
    assert sentence in told


def test_a_bomb_is_not_unpacked(refusal: Callable[..., str]) -> None:
    """The sizes that the archive declares are looked at first."""
    content = workbook([["kvk"], ["12345678"]])
    declared = bytearray(content)
    at = declared.index(b"PK\x01\x02") + 24  # the first entry of the directory: its size unpacked
    declared[at : at + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    assert "unpacks to 4,29" in refusal(bytes(declared))


def test_a_document_type_expands_nothing(read_book: Read) -> None:
    """Entities and outside files in the XML are not resolved."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    content = with_part(
        workbook([["kvk"], ["12345678"], ["PLACE"]]),
        "xl/sharedStrings.xml",
        lambda xml: xml.replace(b"<sst", bomb + b"<sst", 1).replace(b"PLACE", b"x&b;&f;y"),
    )
    try:
        cells = columns_of(read_book(content))["kvk"]
    except InputRefused:
        return
    assert not any(text in str(cell) for cell in cells for text in ("root", "aaaaaaaaaa"))


def test_a_workbook_that_takes_too_long(tmp_path: Path) -> None:
    """There is a limit of time."""
    path = tmp_path / "list.xlsx"
    path.write_bytes(workbook([["kvk"], ["12345678"]]))
    taken = readers.snapshot(path, tmp_path / "run")
    with pytest.raises(InputRefused, match=r"took longer than 0\.01 s to read"):
        xlsx.read_xlsx(taken, folder=tmp_path / "run", sheet=None, reserved=(), seconds=0.01)


def test_no_room_for_the_rows(tmp_path: Path) -> None:
    """A run's folder that cannot be written is a fault of the storage, not of the list."""
    path = tmp_path / "list.xlsx"
    path.write_bytes(workbook([["kvk"], ["12345678"]]))
    taken = readers.snapshot(path, tmp_path / "run")
    with pytest.raises(StorageError, match="cannot be written"):
        readers.read(taken, folder=tmp_path / "gone")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk here")
def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    """The child says that there was no room, and nothing of the list."""
    path = tmp_path / "list.xlsx"
    path.write_bytes(workbook([["kvk"], ["12345678"]]))
    child = [sys.executable, "-m", "kvk_enrich.readers.xlsx_child", str(path), "/dev/full", "list.xlsx"]
    told = subprocess.run(child, capture_output=True, check=True).stdout
    assert list(json.loads(told)) == ["no_room"]


def test_the_folder_of_the_user_has_no_say(read_book: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that lies where the command is started is not taken for ours."""
    (tmp_path / "polars.py").write_text("raise SystemExit('the wrong polars')")
    monkeypatch.chdir(tmp_path)
    assert columns_of(read_book(workbook([["kvk"], ["12345678"]])))["kvk"] == ["12345678"]


def test_the_limits_leave_room_for_what_is_promised() -> None:
    """200,000 rows of 50 columns unpack to half a gigabyte and take 2 GB of address space (see tests/benchmarks)."""
    assert xlsx_child.MEMORY_BYTES >= 3 << 30
    assert xlsx_child.UNPACKED_BYTES >= 1 << 30
