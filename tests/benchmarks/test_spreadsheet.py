"""
A workbook in, a workbook out.

Bar: 200,000 rows of 50 columns, all answers known, take at most 60 seconds on 2 cores.
"""

import sys
import zipfile
from itertools import islice
from pathlib import Path

import fastexcel
import pytest
import xlsxwriter
from tests.benchmarks.test_warm_run import fill, measured
from tests.harness import COMMAND, environment

from kvk_enrich.practice.population import numbers

pytestmark = pytest.mark.benchmark

ROWS, COLUMNS, DISTINCT = 200_000, 50, 50_000


def write_workbook(path: Path, known: list[str]) -> None:
    """Write a sheet of numbers and texts, all cells filled; xlsxwriter alone would take minutes for it."""
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("Klanten").write_row(0, 0, ["kvk", *(f"kolom {place}" for place in range(1, COLUMNS))])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    head, tail = parts["xl/worksheets/sheet1.xml"].split("</sheetData>")
    texts = "".join(f'<c t="inlineStr"><is><t>waarde {place} van %(row)s</t></is></c>' for place in range(1, COLUMNS))
    line = f"<row><c><v>%(number)s</v></c>{texts}</row>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in parts.keys() - {"xl/worksheets/sheet1.xml"}:
            archive.writestr(name, parts[name])
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(head.encode())
            for row in range(ROWS):
                sheet.write((line % {"row": row, "number": int(known[row % DISTINCT])}).encode())
            sheet.write(f"</sheetData>{tail}".encode())


@pytest.mark.timeout(1200)
def test_a_workbook_of_200_000_rows_takes_less_than_a_minute(tmp_path: Path):
    """Read, looked up and written in one go; every row comes back."""
    known = list(islice(numbers(), DISTINCT))
    home, listed, out = tmp_path / "home", tmp_path / "klanten.xlsx", tmp_path / "verrijkt.xlsx"
    fill(home, known)
    write_workbook(listed, known)
    run = [*COMMAND, "run", str(listed), "--source", "practice", "--home", str(home), "-o", str(out)]
    seconds, megabytes = measured(run, environment())
    sheet = fastexcel.read_excel(out).load_sheet("Enriched")
    print(f"\n{seconds:.1f} s, {megabytes:.0f} MB at most in one process")
    print(f"{sheet.height:,} rows; {COLUMNS} columns in, {sheet.width} out")
    print(f"{listed.stat().st_size / 1e6:.0f} MB in, {out.stat().st_size / 1e6:.0f} MB out; python {sys.version[:6]}")
    assert sheet.height == ROWS
    assert seconds < 60
