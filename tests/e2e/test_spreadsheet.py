"""Spreadsheets through the command line: a workbook in, a workbook out, and CSV for a Dutch spreadsheet."""

from pathlib import Path

import fastexcel
import openpyxl
import polars as pl
import pytest
from tests.harness import environment, existing, record_of, write_list
from tests.here import command

FAST = {"KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"}


def enrich(tmp_path: Path, *arguments: str | Path):
    """Run the command against an in-process register without latency."""
    home = ("--source", "practice", "--home", tmp_path / "home")
    return command("run", *arguments, *home, env=environment() | FAST)


@pytest.fixture
def klanten(tmp_path: Path) -> Path:
    """A workbook with a second sheet, a number cell, a text cell, an empty row and a stand-in."""
    first, second = existing(2)
    book = openpyxl.Workbook()
    lines = (["klant", "KvK-nummer", "omzet"], ["a", int(first), 1.234], [None], ["b", second], ["c", "n.v.t.", 5])
    for line in lines:
        book.active.append(line)
    book.active.title = "Klanten"
    book.create_sheet("Oud").append(["leeg"])
    book.save(tmp_path / "klanten.xlsx")
    return tmp_path / "klanten.xlsx"


def test_a_workbook_comes_back_enriched(tmp_path: Path, klanten: Path):
    """Every row, in order, with its fate; the failed items, the report and the record beside it as always."""
    out = tmp_path / "verrijkt.xlsx"
    done = enrich(tmp_path, klanten, "-o", out)
    assert done.returncode == 0, done.stderr
    assert "The list was read from sheet 'Klanten'" in done.stderr
    header, *rows = openpyxl.load_workbook(out)["Enriched"].iter_rows(values_only=True)
    lines = [dict(zip(header, row, strict=True)) for row in rows]
    first, second = existing(2)
    assert [(line["klant"], line["KvK-nummer"], line["enrich_outcome"], line["kvk_number"]) for line in lines] == [
        ("a", first, "found", first),
        (None, None, "invalid", None),
        ("b", second, "found", second),
        ("c", "n.v.t.", "invalid", None),
    ]
    failed = fastexcel.read_excel(out).load_sheet("Failed items").to_polars()
    assert failed["row"].to_list() == [2, 4]
    assert pl.read_csv(tmp_path / "verrijkt.failed.csv")["row"].to_list() == [2, 4]
    summary = dict(openpyxl.load_workbook(out)["Summary"].iter_rows(values_only=True))
    record = record_of(out)
    assert (summary["rows total"], summary["cost in EUR"]) == (record["rows"]["total"], float(record["cost_eur"]))
    assert (tmp_path / "verrijkt.report.html").exists()


def test_a_sheet_that_is_not_there_is_refused(tmp_path: Path, klanten: Path):
    """Exit code 9, before any call."""
    done = enrich(tmp_path, klanten, "--sheet", "Nieuw", "-o", tmp_path / "out.xlsx")
    assert done.returncode == 9
    assert "has no sheet 'Nieuw'; it has 'Klanten', 'Oud'" in done.stderr


def test_a_list_that_no_sheet_holds_is_refused_before_any_call(tmp_path: Path):
    """Exit code 2: another format is to be named."""
    listed = write_list(tmp_path / "list.csv", existing(1) * 1_048_576)
    done = enrich(tmp_path, listed, "-o", tmp_path / "out.xlsx")
    assert done.returncode == 2
    assert "1,048,576 rows, a sheet holds 1,048,575; use .parquet or .csv" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "list.csv"]


def test_a_csv_for_a_dutch_spreadsheet(tmp_path: Path, klanten: Path):
    """Semicolons and a byte order mark, in the enriched list and the failed items alike; numbers with a comma."""
    out = tmp_path / "verrijkt.csv"
    assert enrich(tmp_path, klanten, "-o", out, "--csv-dialect", "excel-nl").returncode == 0
    headers = {out: "klant;KvK-nummer;omzet;enrich_outcome;", tmp_path / "verrijkt.failed.csv": "row;value;"}
    for path, header in headers.items():
        text = path.read_bytes().decode("utf-8-sig")
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        assert text.startswith(header)
    assert record_of(out)["outputs"]["enriched"]["rows"] == 4
    lines = pl.read_csv(out, separator=";", infer_schema=False)
    assert lines["kvk_number"].drop_nulls().len() == 2
    assert lines["omzet"].to_list() == ["1,234", None, None, "5"]
