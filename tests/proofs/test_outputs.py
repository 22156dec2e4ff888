"""
Outputs are inert, and nothing that stands in a list or an answer is ever more than text.

Each example is a whole run with hostile names of columns, cells and register names, read back by others than polars.
"""

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape
from tests import here
from tests.simulators.fault_server import FaultServer, Step, misbehaving

NUMBERS: Final = [f"{place}" for place in range(90_000_000, 90_000_006)]
RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001
HOSTILE: Final = (
    *("=1+1", "=cmd|' /C calc'!A0", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "a;=1+1", "a\n=1"),  # noqa: RUF001
    *('=HYPERLINK("http://example.org","x")', "{=1}", "'=1", '"', "'", ";", ",", "--", "'; DROP TABLE answers; --"),
    *(
        '"; DROP TABLE answers; --',
        "1 OR 1=1",
        "${HOME}",
        "$(id)",
        "`id`",
        "%s%n",
        "{0}",
        "{row}",
        "../../x",
        "/etc/passwd",
    ),
    *(
        "C:\\x",
        "\\N",
        "NULL",
        "NaN",
        "__proto__",
        "__class__",
        "*",
        "^.*$",
        "col(x)",
        "\u202egnp.exe",
        "\u200f",
        "\ufeff",
    ),
    *("<script>alert(1)</script>", "&lt;", "]]>", "_x000D_", "a\r\nb", "x" * 10_240, "é\u0301", "🏢"),
)
"""Texts that mean something to a spreadsheet, a shell, a database, a browser, a format, or to polars."""

ODD: Final = st.text(st.sampled_from("=+-@;,'\"\n\t{}%$*^.<>&_x0 aé"), max_size=12)
TEXTS: Final = st.one_of(st.sampled_from(HOSTILE), ODD)
NAMES: Final = TEXTS.filter(lambda name: name.strip("\r\n") != "" and not name.startswith("\ufeff"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultServer]:
    """A register in which all companies have hostile names."""
    names = {number: json.dumps(text) for number, text in zip(NUMBERS, HOSTILE[:6], strict=True)}
    body = '{"kvkNummer":"%s","naam":%s,"statutaireNaam":%s,"handelsnamen":[{"naam":%s,"volgorde":0}],"_embedded":{}}'
    about = {number: Step(body=body % ("%s", name, name, name)) for number, name in names.items()}
    with misbehaving(tmp_path_factory.mktemp("register"), about=about) as running:
        yield running


@pytest.fixture
def enrich(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that enriches a list in a home that all examples share, and says where the output is."""
    monkeypatch.setenv("KVK_ENRICH_SOURCE_PRACTICE_BASE_URL", server.url)
    home = tmp_path / "home"

    def run(path: Path, suffix: str, *flags: str) -> Path:
        out = tmp_path / f"out{suffix}"
        common = ("--source", "practice", "--home", home, "--column", "kvk", "-o", out)
        done = here.command("run", *common, *flags, "--", path)
        assert done.returncode == 0, done.stderr
        with closing(sqlite3.connect(home / "journal.sqlite")) as sql:
            assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert {number for (number,) in sql.execute("SELECT number FROM answer")} <= set(NUMBERS)
        return out

    return run


def listed(folder: Path, names: list[str], cells: list[list[str]], suffix: str) -> Path:
    """Write a list with numbers and columns of the user's own."""
    path = folder / f"list{suffix}"
    columns = {name: [row[place] for row in cells] for place, name in enumerate(names)}
    table = pa.table({"kvk": NUMBERS[: len(cells)]} | columns)
    if suffix == ".parquet":
        pq.write_table(table, path)
        return path
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, delimiter=";")
        writer.writerow(table.column_names)
        writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return path


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Return hostile names of columns, and rows of hostile cells."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    return names, draw(st.lists(st.lists(TEXTS, min_size=len(names), max_size=len(names)), min_size=1, max_size=6))


CHECKS: Final = settings(
    max_examples=3, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""Each example takes seconds, so none is made smaller."""


@CHECKS
@given(tables())
def test_a_list_comes_back_as_it_was(enrich: Any, tmp_path: Path, table: tuple[list[str], list[list[str]]]) -> None:
    """Names and cells change no query, path or format: Parquet and a standard CSV have them as they were."""
    names, cells = table
    before = sorted(tmp_path.parent.iterdir())
    rows = pq.read_table(enrich(listed(tmp_path, names, cells, ".parquet"), ".parquet"))
    assert rows.column_names[: len(names) + 1] == ["kvk", *names]
    assert [list(row.values())[1 : len(names) + 1] for row in rows.to_pylist()] == cells
    path = listed(tmp_path, names, cells, ".csv")
    with enrich(path, ".csv", "--delimiter", ";").open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header[: len(names) + 1] == ["kvk", *names]
    assert [line[1 : len(names) + 1] for line in lines] == cells
    assert sorted(tmp_path.parent.iterdir()) == before


@CHECKS
@given(tables())
def test_a_spreadsheet_runs_nothing(enrich: Any, tmp_path: Path, table: tuple[list[str], list[list[str]]]) -> None:
    """In a workbook all are text cells; in a CSV for spreadsheets no cell and no part of one begins a formula."""
    names, cells = table
    path = listed(tmp_path, names, cells, ".parquet")
    book = openpyxl.load_workbook(enrich(path, ".xlsx"))
    every = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert "f" not in {cell.data_type for cell in every}
    assert not any(cell.hyperlink for cell in every)
    shown = [[unescape(str(value or "")) for value in row] for row in book["Enriched"].iter_rows(values_only=True)]
    assert [row[1 : len(names) + 1] for row in shown] == [names, *cells]
    for made in (enrich(path, ".csv", "--csv-dialect", "excel-nl"), tmp_path / "out.failed.csv"):
        with made.open(encoding="utf-8-sig", newline="") as file:
            for cell in (cell for line in csv.reader(file, delimiter=";") for cell in line):
                parts = [cell, *(part.lstrip() for part in cell.replace("\n", ";").replace("\r", ";").split(";")[1:])]
                assert not any(part.startswith(RUNS) and part.strip("+-0123456789 .,") for part in parts), cell


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_what_the_register_says_runs_nothing_either(enrich: Any, tmp_path: Path, suffix: str) -> None:
    """Names of companies are inert in every CSV, and text cells in a workbook; Parquet has them as they came."""
    path = listed(tmp_path, ["naam"], [["x"]] * 6, ".parquet")
    told = [" ".join(text.split()) for text in HOSTILE[:6]]
    assert pq.read_table(enrich(path, ".parquet"))["kvk_name"].to_pylist() == told
    out = enrich(path, suffix)
    if suffix == ".xlsx":
        header, *rows = openpyxl.load_workbook(out)["Enriched"].iter_rows()
        at = [cell.value for cell in header].index("kvk_trade_names")
        assert [row[at].value for row in rows] == told
        assert {row[at].data_type for row in rows} <= {"s", "inlineStr"}
        return
    with out.open(encoding="utf-8", newline="") as file:
        for line, text in zip(csv.DictReader(file), told, strict=True):
            assert {line["kvk_name"], line["kvk_statutory_name"], line["kvk_trade_names"]} == {f"'{text}"}


def test_a_page_shows_and_does_not_run(enrich: Any, tmp_path: Path) -> None:
    """The report has a list's name as text."""
    path = listed(tmp_path, ["naam"], [["x"]], ".parquet").rename(tmp_path / "<script>alert(1)<.parquet")
    enrich(path, ".csv")
    page = (tmp_path / "out.report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
