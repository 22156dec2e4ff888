"""Faults of the list: what is wrong with the file, its cells or its numbers."""

import csv
import gzip
import hashlib
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests import here
from tests.faults.catalogue import Row, fault, faults
from tests.harness import Server, existing, serving

from kvk_enrich.readers import snapshots, xlsx_child

A, B, C = existing(3)
TABLE: Final = [["naam", "kvk"], ["één", A], ["twee", B]]


@dataclass(frozen=True)
class Bench:
    """A folder, a home, and the practice register in another process whose log says what was paid."""

    folder: Path
    home: Path
    server: Server

    def put(self, name: str, content: bytes | str) -> Path:
        """Write a list."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, path: str | Path, *flags: str, out: str = "out.csv", word: str = "run") -> here.Said:
        """Enrich the list at *path*."""
        common = ["--source", "practice", "--home", str(self.home), "-o", str(self.folder / out)]
        return here.command(word, *common, *flags, "--", path)

    def rows(self, out: str = "out.csv") -> list[dict[str, Any]]:
        """Return the rows of an output, as others than polars read it."""
        path = self.folder / out
        if path.suffix == ".parquet":
            rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
            return rows
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def fates(self, out: str = "out.csv") -> list[str]:
        """Return outcome, and reason where there is one, of each row."""
        return [" ".join(filter(None, (row["enrich_outcome"], row["enrich_reason"]))) for row in self.rows(out)]

    def failed(self) -> list[dict[str, str]]:
        """Return the failed items."""
        with (self.folder / "out.failed.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def asked(self) -> list[str]:
        """Return the numbers that the register was asked for, sorted."""
        return sorted(self.server.counts().elements())

    def refuses(self, row: Row, path: str | Path, sentence: str, *flags: str) -> None:
        """Assert that the list is refused with *sentence*, and nothing was asked or written."""
        before, asked = set(self.folder.iterdir()), self.asked()
        done = self.run(path, *flags)
        assert (done.returncode, done.stdout) == (row.ends, ""), done.stderr
        assert sentence in done.stderr
        assert (set(self.folder.iterdir()), self.asked()) == (before, asked)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One register for all of these tests."""
    with serving(tmp_path_factory.mktemp("register"), "--latency", "0") as running:
        yield running


@pytest.fixture
def bench(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Nothing asked yet, an empty folder and a new home."""
    monkeypatch.setenv("KVK_ENRICH_SOURCE_PRACTICE_BASE_URL", server.url)
    server.log.write_text("")
    folder = tmp_path / "lists"
    folder.mkdir()
    return Bench(folder, tmp_path / "home", server)


def text(table: Sequence[Sequence[str]] = TABLE, delimiter: str = ",", ends: str = "\n") -> str:
    """Return a table as text."""
    return "".join(delimiter.join(row) + ends for row in table)


def parquet(table: pa.Table, **options: Any) -> bytes:
    """Return a table as Parquet."""
    made = io.BytesIO()
    pq.write_table(table, made, **options)
    return made.getvalue()


def workbook(rows: Sequence[Sequence[object]], change: Callable[[openpyxl.Workbook], object] = id) -> bytes:
    """Return rows as a workbook, changed by *change*."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(list(row))
    change(book)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


# -- text ---------------------------------------------------------------------------------------

READ: Final[dict[int, tuple[bytes, str]]] = {
    1: (b"\xef\xbb\xbf" + text().encode(), "byte order mark"),
    2: (b"\xff\xfe" + text().encode("utf-16-le"), "read as utf-16"),
    7: (text(delimiter=";").encode(), "separated by semicolon"),
    8: (b"sep=;\r\n" + text(delimiter=";").encode(), "it is not a row"),
    9: (text(ends="\r").encode(), "carriage returns only"),
    10: (f"naam,kvk\r\néén,{A}\ntwee,{B}".encode(), "separated by comma"),
}
"""By fault: a way to write the table, and what is said of it."""


@faults(
    Row(
        1, "A byte order mark (UTF-8) before the first cell", "Left out, and said; the header is what it looks like", 0
    ),
    Row(2, "UTF-16 with a byte order mark", "Read as such, and said", 0),
    Row(7, "Semicolons or tabs between the cells", "Found out and said; where two could be meant, refused (9)", 0),
    Row(8, "A first line `sep=;` as Excel writes it", "Obeyed; it is no row", 0),
    Row(9, "Lines that end with carriage returns only", "Read as line ends, and said", 0),
    Row(10, "CRLF and LF mixed, no line end at the end", "Read; no row is lost", 0),
)
def test_ways_to_write_a_text(row: Row, bench: Bench) -> None:
    """However the table is written, it is the same table, and each number is asked once."""
    content, said = READ[row.number]
    done = bench.run(bench.put("list.csv", content))
    assert done.returncode == row.ends, done.stderr
    assert said in done.stderr
    assert [[line["naam"], line["kvk"]] for line in bench.rows()] == TABLE[1:]
    assert (bench.fates(), bench.asked()) == (["found", "found"], sorted([A, B]))


REFUSED: Final[dict[int, tuple[bytes, str]]] = {
    3: (text().encode("utf-16-le"), "--encoding utf-16"),
    4: (text().encode("windows-1252"), "byte 0xE9 at offset 9 (line 2)"),
    5: (text().encode() + text([["café", C]]).encode("windows-1252"), "line 4"),
    11: (text([*TABLE, ["drie", C, "meer"]]).encode(), "line 4 has 3 cells, the header has 2"),
    13: (f'naam,kvk\néén,{A}\n"twee,{B}\n'.encode(), "line 3 opens a quote that is never closed"),
    17: (b"\n\r\n\n", "nothing but blank lines"),
    19: (text(TABLE[1:]).encode(), "looks like data. Put a header line above it"),
    20: (f"kvk,kvk\n{A},{B}\n".encode(), "several columns are called 'kvk'"),
    22: (f"kvk,enrich_outcome\n{A},x\n".encode(), "columns that the output adds: 'enrich_outcome'"),
    33: (gzip.compress(text().encode()), "gzip-compressed: unpack it first"),
}
"""By fault: a list and what is said of it."""


@faults(
    Row(3, "UTF-16 without a byte order mark, or many zero bytes", "Refused, with the flag to use", 9),
    Row(
        4, "Windows-1252 or Latin-1", "Refused, with the first byte and its line; `--encoding windows-1252` reads it", 9
    ),
    Row(5, "Two encodings in one file", "Refused, with the first byte that does not fit", 9),
    Row(11, "More cells in a line than the header has", "Refused, with the line", 9),
    Row(13, "A quote that is never closed, or text after a closing one", "Refused, with the line", 9),
    Row(17, "A file of no bytes, or of blank lines only", "Refused: it is empty", 9),
    Row(19, "No header", "Refused: the first line is data; a labelled number there is seen too", 9),
    Row(20, "Two columns of one name", "Refused, with the name; several without a name are named by their place", 9),
    Row(22, "A column called like one that the output adds", "Refused, with the names; nothing is overwritten", 9),
    Row(33, "gzip, zstd, bzip2 or xz by the name of a CSV", "Refused: unpack it first", 9),
)
def test_lists_that_are_refused(row: Row, bench: Bench) -> None:
    """What could only be read by guessing costs nothing and says what to do."""
    content, sentence = REFUSED[row.number]
    bench.refuses(row, bench.put("list.csv", content), sentence)


def test_refused_in_other_words(bench: Bench) -> None:
    """The same faults in other shapes."""
    row = Row(0, "", "", ends=9)
    bench.refuses(row, bench.put("list.csv", b""), "is empty")
    bench.refuses(row, bench.put("list.csv", f"a;b,kvk\n1,2;{A}\n"), "--delimiter")
    bench.refuses(row, bench.put("list.csv", f"naam,KvK: {A}\ntwee,{B}\n"), "looks like data")
    bench.refuses(row, bench.put("list.csv", f'kvk\n"{A[:4]}"{A[4:]}\n'), "text after a closing quote")
    encoded = bench.put("list.csv", text().encode("windows-1252"))
    assert bench.run(encoded, "--encoding", "windows-1252").returncode == 0
    assert [line["naam"] for line in bench.rows()] == ["één", "twee"]


CELLS: Final[dict[int, tuple[str, list[str]]]] = {
    6: (f"naam,kvk\na\0b,{A}\nc,1\0{B}\n", ["found", "invalid not_a_number"]),
    12: (f"naam,kvk\na,{A}\nb\n", ["found", "invalid empty"]),
    14: (f'naam,kvk\n"a\n\nb",{A}\nc,niet\n', ["found", "invalid not_a_number"]),
    15: (f"naam,kvk\n\na,{A}\n\n", ["invalid empty", "found", "invalid empty"]),
    21: (f" naam , KVK ,,\na,{A},,\n", ["found"]),
    23: (f"naam,kvk\na,{A}\nb,1234567\n", ["found", "not_found not_registered"]),
    34: (f"naam,kvk\na,{A}\nb,{'9' * 2_000_000}\n", ["found", "invalid not_a_number"]),
}
"""By fault: a list, and what becomes of its rows."""


@faults(
    Row(6, "Zero bytes in a cell", "The row is invalid; the cell stays as it is", 0),
    Row(12, "Fewer cells in a line than the header has", "Read; without a number the row is invalid: empty", 0),
    Row(14, "Line breaks inside quotes", "Read; rows are counted by record, as a spreadsheet does", 0),
    Row(15, "Blank lines", "Each is a row, invalid: empty", 0),
    Row(
        21,
        "Column names with blanks around, or without a name",
        "Found by `--column` all the same; kept as they are",
        0,
    ),
    Row(23, "A leading zero that a spreadsheet dropped", "Put back, and the row says so", 0),
    Row(34, "A cell of megabytes", "The row is invalid; the failed items show 200 characters of it", 0),
)
def test_cells_that_fail_their_own_row_only(row: Row, bench: Bench) -> None:
    """One bad cell is one row without an answer: listed with its place, reason and what to do; the rest is found."""
    csv.field_size_limit(1 << 30)
    content, fates = CELLS[row.number]
    done = bench.run(bench.put("list.csv", content), "--column", "kvk")
    assert (done.returncode, bench.fates()) == (row.ends, fates), done.stderr
    own = [list(line.values())[:2] for line in bench.rows()]
    given = [[*record, "", ""][:2] for record in csv.reader(io.StringIO(content, newline=""))][1:]
    is_untouched = own == given
    assert is_untouched  # its values are too long to be shown
    bad = [place for place, fate in enumerate(fates, 1) if fate.startswith("invalid")]
    assert [int(item["row"]) for item in bench.failed()] == bad
    assert all(item["what_to_do"] and len(item["value"]) <= 200 for item in bench.failed())
    assert bench.asked() == sorted({A, *(["01234567"] if row.number == 23 else [])})
    assert row.number != 23 or bench.rows()[1]["enrich_note"] == "zero added in front"


# -- rows and columns ---------------------------------------------------------------------------


@faults(
    Row(18, "A header and no rows", "Outputs without rows, all columns there", 0),
    Row(40, "Parquet without row groups", "Outputs without rows, all columns there", 0),
)
def test_no_rows(row: Row, bench: Bench) -> None:
    """Nothing to do is done well."""
    made = {18: ("list.csv", text(TABLE[:1]).encode()), 40: ("list.parquet", b"")}[row.number]
    path = bench.put(*made)
    if row.number == 40:
        pq.ParquetWriter(path, pa.schema([("naam", pa.string()), ("kvk", pa.string())])).close()
    done = bench.run(path, out="out.parquet")
    assert done.returncode == row.ends, done.stderr
    schema = pq.read_schema(bench.folder / "out.parquet")
    assert (bench.rows("out.parquet"), schema.names[:3]) == ([], ["naam", "kvk", "enrich_outcome"])
    assert bench.asked() == []


@fault(
    36, "More distinct numbers than the month has calls", "Said by `plan`; a run asks what is left, defers the rest", 4
)
def test_more_than_a_month(row: Row, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The month is used to the call, and not beyond."""
    monkeypatch.setenv("KVK_ENRICH_BUDGET_CALLS_PER_MONTH", "1")
    path = bench.put("list.csv", text())
    forecast = json.loads(bench.run(path, "--json", word="plan").stdout)["forecast"]
    assert (forecast["calls_paid"], forecast["left_after"], bench.asked()) == (1, 0, [])
    done = bench.run(path)
    assert done.returncode == row.ends, done.stderr
    assert bench.fates() == ["found", "deferred month_ceiling"]
    assert bench.asked() == [A]
    assert bench.failed()[0]["what_to_do"]


@fault(50, "One number in 10,000 rows", "One call; all rows filled", 0)
def test_one_number_many_times(row: Row, bench: Bench) -> None:
    """A duplicate costs nothing."""
    done = bench.run(bench.put("list.csv", "kvk\n" + f"{A}\n" * 10_000), out="out.parquet")
    assert done.returncode == row.ends, done.stderr
    outcomes = pq.read_table(bench.folder / "out.parquet", columns=["enrich_outcome"])["enrich_outcome"].to_pylist()
    assert (outcomes, bench.asked()) == (["found"] * 10_000, [A])


FULL_WIDTH: Final = A.translate({48 + digit: 0xFF10 + digit for digit in range(10)})
ARABIC: Final = A.translate({48 + digit: 0x660 + digit for digit in range(10)})


@fault(
    48,
    "Blanks, dots, labels, full-width digits, zero-width characters in a number",
    "Read where only one number can be meant, and noted; anything else is invalid and never asked",
    ends=0,
)
def test_ways_to_write_a_number(row: Row, bench: Bench) -> None:
    """One number in five dresses is asked once; what is none is not."""
    blanks = [f"KVK {A[:4]} {A[4:]}", f"{A[:2]}.{A[2:5]}.{A[5:]}", f"{A[:4]}\u00a0{A[4:]}", "\u200b".join(A)]
    dressed, wrong = [*blanks, FULL_WIDTH], [f"{A}x", f"{A} {B}", ARABIC]
    cells = "".join(f"{cell}\n" for cell in dressed + wrong)
    done = bench.run(bench.put("list.csv", f"kvk\n{cells}"), "--kind", "kvk")
    assert done.returncode == row.ends, done.stderr
    rows = bench.rows()
    assert {line["enrich_number"] for line in rows[:5]} == {A}
    assert all(line["enrich_note"] for line in rows[:5])
    assert {line["enrich_outcome"] for line in rows[5:]} == {"invalid"}
    assert bench.asked() == [A]


@fault(
    49,
    "VAT numbers, RSINs or branch numbers where KVK numbers were said to be",
    "The row is invalid, with what it looks like; without `--kind` each is read as what it is",
    ends=0,
)
def test_numbers_of_another_kind(row: Row, bench: Bench) -> None:
    """Nothing of another kind is asked for."""
    cells = ["NL857587973B01", "857587973", "000037178598", A]
    path = bench.put("list.csv", "kvk\n" + "".join(f"{cell}\n" for cell in cells))
    done = bench.run(path, "--kind", "kvk", "--column", "kvk")
    assert done.returncode == row.ends, done.stderr
    reasons = ["looks_like_vat", "looks_like_rsin", "looks_like_branch_number"]
    assert bench.fates() == [*(f"invalid {reason}" for reason in reasons), "found"]
    assert all("--kind" in item["what_to_do"] for item in bench.failed())
    assert bench.asked() == [A]


# -- workbooks ----------------------------------------------------------------------------------


def _merged(book: openpyxl.Workbook) -> None:
    book.worksheets[0].merge_cells("B2:B3")


def _several(book: openpyxl.Workbook) -> None:
    book.worksheets[0].sheet_state = "hidden"
    for name, number in (("eerste", B), ("tweede", C)):
        sheet = book.create_sheet(name)
        sheet.append(["kvk"])
        sheet.append([number])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read workbooks in this process: for faults whose point is not the process that reads them."""

    def run(command: Sequence[str], **_options: object) -> subprocess.CompletedProcess[bytes]:
        said = io.StringIO()
        with redirect_stdout(said):
            xlsx_child.main(*command[command.index("-m") + 2 :])
        return subprocess.CompletedProcess(command, 0, said.getvalue().encode(), b"")

    monkeypatch.setattr(xlsx_child, "_limit", lambda: None)
    monkeypatch.setattr(subprocess, "run", run)


HEADER: Final = ["naam", "kvk"]
BOOKS: Final[dict[int, tuple[bytes, list[str]]]] = {
    16: (workbook([HEADER, ["a", A], [None, None], ["b", B]]), ["found", "invalid empty", "found"]),
    24: (
        workbook([HEADER, ["a", float(A)], ["b", int(B)], ["c", 12345678.5], ["d", f"{int(C) / 1e7!r}E7"]]),
        ["found", "found", "invalid not_a_number", "found"],
    ),
    25: (workbook([HEADER, ["a", A], ["b", "=1+1"]]), ["found", "invalid empty"]),
    26: (workbook([HEADER, ["a", A], ["b", date(2024, 1, 2)]]), ["found", "invalid not_a_number"]),
    27: (workbook([HEADER, ["a", A]], _several), ["found"]),
    28: (workbook([HEADER, ["a", A], ["b", B], ["c", C]], _merged), ["found", "invalid empty", "found"]),
}
"""By fault: a workbook, and what becomes of its rows."""


@faults(
    Row(16, "Blank rows in a workbook", "Kept, invalid: empty; rows are counted as the spreadsheet does", 0),
    Row(
        24,
        "Numbers in cells of numbers, with decimals or an exponent",
        "Read where they are whole; else the row is invalid",
        0,
    ),
    Row(25, "A formula that was never calculated", "The row is invalid: empty", 0),
    Row(26, "A number that became a date", "The row is invalid", 0),
    Row(27, "Several sheets, hidden ones", "The first visible one, and said which; `--sheet` names another", 0),
    Row(28, "Merged cells", "The first has the value, the others are empty", 0),
)
@pytest.mark.usefixtures("quick")
def test_workbooks(row: Row, bench: Bench) -> None:
    """A workbook's cells are read as they look, or their rows fail."""
    content, fates = BOOKS[row.number]
    done = bench.run(bench.put("list.xlsx", content), "--column", "kvk")
    assert (done.returncode, bench.fates()) == (row.ends, fates), done.stderr
    assert [int(item["row"]) for item in bench.failed()] == [
        place for place, fate in enumerate(fates, 1) if fate.startswith("invalid")
    ]
    assert len(bench.asked()) == fates.count("found")
    if row.number == 27:
        assert "sheet 'eerste'; --sheet names another" in done.stderr
        assert bench.asked() == [B]


def _zip(**parts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return made.getvalue()


def _far_away() -> bytes:
    return workbook([HEADER], lambda book: book.worksheets[0].cell(1_048_576, 16_384, "x"))


@faults(
    Row(29, "A workbook that unpacks to gigabytes", "Refused before it is unpacked", 9),
    Row(
        30, "A cell in the far corner of a sheet", "Refused: a process of its own reads it, within limits of memory", 9
    ),
    Row(31, "Encrypted, .xls, .xlsb or .ods by the name of XLSX", "Refused as what it is", 9),
)
def test_hostile_workbooks(row: Row, bench: Bench) -> None:
    """Whatever is in it, only this list is refused."""
    if row.number == 30:
        bench.refuses(row, bench.put("list.xlsx", _far_away()), "a cell far away from the others is enough")
        return
    if row.number == 29:
        bomb = _zip(**{"xl/workbook.xml": b"", "xl/worksheets/sheet1.xml": b" " * (xlsx_child.UNPACKED_BYTES // 64)})
        size = (xlsx_child.UNPACKED_BYTES + 1).to_bytes(4, "little")
        at = bomb.rindex(b"PK\x01\x02") + 24
        bench.refuses(row, bench.put("list.xlsx", bomb[:at] + size + bomb[at + 4 :]), "unpacks to 2,147,48")
        return
    old, other = b"\xd0\xcf\x11\xe0" + bytes(600), _zip(**{"content.xml": b""})
    for content, said in ((old, "old (.xls) or encrypted"), (other, "OpenDocument file (.ods)")):
        bench.refuses(row, bench.put("list.xlsx", content), said)


@fault(32, "Links to other files, document types and entities in a workbook", "Never followed; the cells are read", 0)
@pytest.mark.usefixtures("quick")
def test_links_and_entities(row: Row, bench: Bench) -> None:
    """An entity that stands for a file of this machine stands for nothing."""
    secret = bench.put("secret.txt", A)
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook([HEADER, ["a", B], ["&x;", "link"]]))) as old,
        zipfile.ZipFile(made, "w") as new,
    ):
        for part in old.namelist():
            content = old.read(part)
            if part == "xl/sharedStrings.xml":
                declared = f'<!DOCTYPE s [<!ENTITY x SYSTEM "{secret.as_uri()}">]><sst'.encode()
                content = content.replace(b"<sst", declared, 1).replace(b"&amp;x;", b"&x;")
            new.writestr(part, content)
    done = bench.run(bench.put("list.xlsx", made.getvalue()))
    assert done.returncode == row.ends, done.stderr
    assert bench.asked() == [B]
    assert A not in (bench.folder / "out.csv").read_text()


# -- Parquet ------------------------------------------------------------------------------------

_BYTES: Final = pa.array([A.encode(), b"\xff\xfe1"], pa.binary())
COLUMNS: Final = {
    "whole": (pa.array([int(A), 1234567]), ["found", "not_found not_registered"]),
    "float": (pa.array([float(A), 1.5]), ["found", "invalid not_a_number"]),
    "bytes": (_BYTES, ["found", "invalid not_a_number"]),
    "dictionary": (pa.array([A, "x"]).dictionary_encode(), ["found", "invalid placeholder"]),
}


@fault(37, "Numbers in Parquet as integers, floats, bytes or categories", "Read; lists and structs are refused (9)", 0)
def test_types_of_parquet(row: Row, bench: Bench) -> None:
    """The column keeps its type; what cannot hold a number is not guessed at."""
    for column, fates in COLUMNS.values():
        path = bench.put("list.parquet", parquet(pa.table({"kvk": column})))
        done = bench.run(path, "--column", "kvk", out="out.parquet")
        assert (done.returncode, bench.fates("out.parquet")) == (row.ends, fates), done.stderr
        assert [line["kvk"] for line in bench.rows("out.parquet")] == column.to_pylist()
    for column in (pa.array([[A]]), pa.array([{"nr": A}])):
        path = bench.put("list.parquet", parquet(pa.table({"kvk": column})))
        bench.refuses(row._replace(ends=9), path, "not numbers or texts", "--column", "kvk")


def _with_codec(codec: int) -> bytes:
    """Return a Parquet file that claims to be compressed in a way that nobody knows."""
    whole = parquet(pa.table({"kvk": [A]}), compression="none", use_dictionary=False)
    at = whole.rindex(b"\x18\x03kvk\x15") + 6  # the last field before it is the path, the next one the codec
    return whole[:at] + bytes([codec * 2]) + whole[at + 1 :]


def _broken_text() -> bytes:
    column = pa.StringArray.from_buffers(2, *_BYTES.buffers()[1:])
    return parquet(pa.table({"kvk": column}))


DAMAGED: Final = {
    38: ([parquet(pa.table({"kvk": [A, B]}))[:-20], b"PAR1" + bytes(99)], "cut off or damaged"),
    39: ([b"PARE" + bytes(99) + b"PARE", _with_codec(60)], "Parquet"),
    52: ([_broken_text()], "bytes that are no text (UTF-8). Write that column as binary"),
}
"""By fault: Parquet files, and what is said of them."""


@faults(
    Row(38, "Parquet that is cut off or damaged", "Refused before anything is asked", 9),
    Row(39, "Parquet that is encrypted or compressed in an unknown way", "Refused", 9),
    Row(
        52,
        "Text in Parquet that is no text (lone surrogates, no UTF-8)",
        "Refused, with the remedy; as binary the row is invalid",
        9,
    ),
)
def test_damaged_parquet(row: Row, bench: Bench) -> None:
    """A file that cannot be read whole must show now, not after calls were paid."""
    contents, sentence = DAMAGED[row.number]
    for content in contents:
        bench.refuses(row, bench.put("list.parquet", content), sentence)


# -- the file -----------------------------------------------------------------------------------


@faults(
    Row(41, "A file name with `[ ] * ?`", "That very file, no other", 0),
    Row(
        42,
        "A file name that begins with a dash, has a line break, or looks like an address",
        "A local file or nothing; no network",
        0,
    ),
    Row(43, "A link to the list", "Followed; `runs` names the file it leads to", 0),
)
def test_names_of_files(row: Row, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is nothing but a name."""
    monkeypatch.chdir(bench.folder)
    bench.put("l1.csv", f"kvk\n{B}\n")
    names: dict[int, list[str | Path]] = {41: ["l[1]*?.csv"], 42: ["-l.csv", "new\nline.csv", "s3:l.csv"], 43: []}
    for name in names[row.number]:
        Path(name).write_text(f"kvk\n{A}\n")
    if row.number == 43:
        Path("link.csv").symlink_to("l1.csv")
    for name in names[row.number] or ["link.csv"]:
        done = bench.run(name)
        assert (done.returncode, bench.fates()) == (row.ends, ["found"]), done.stderr
    assert bench.asked() == [B if row.number == 43 else A]
    if row.number == 42:
        for address in ("s3://bucket/list.csv", "https://example.org/list.csv"):
            bench.refuses(row._replace(ends=9), address, "cannot be opened: No such file")
    if row.number == 43:
        assert "/l1.csv" in here.command("runs", "list", "--json", "--home", bench.home).stdout


@fault(44, "The output is the list itself, under whatever name", "Refused; the list is never changed", 9)
def test_the_list_as_output(row: Row, bench: Bench) -> None:
    """The same path, another spelling, a symbolic or hard link, and the files beside the output."""
    lists = {".csv": text().encode(), ".parquet": parquet(pa.table({"kvk": [A]})), ".xlsx": workbook(TABLE)}
    for suffix, content in lists.items():
        path = bench.put(f"list{suffix}", content)
        soft, hard = bench.folder / f"soft{suffix}", bench.folder / f"hard{suffix}"
        soft.symlink_to(path)
        hard.hardlink_to(path)
        spelled = f"../{bench.folder.name}/./list{suffix}"
        for out in (path.name, soft.name, hard.name, spelled):
            bench.refuses(row, path, "would overwrite the list", "-o", str(bench.folder / out))
            bench.refuses(row, soft, "would overwrite the list", "-o", str(bench.folder / out))
        assert path.read_bytes() == content
    beside = bench.put("x.failed.csv", text())
    bench.refuses(row, beside, "would overwrite the list", "-o", str(bench.folder / "x.parquet"))


@faults(
    Row(45, "A folder, pipe, device or standard input in place of a file", "Refused: name a file", 9),
    Row(47, "No permission to read the list", "Refused, with the system's reason", 9),
)
def test_what_is_no_file(row: Row, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for."""
    if row.number == 47:
        path = bench.put("list.csv", text())
        path.chmod(0)
        if os.access(path, os.R_OK):  # root may read everything
            monkeypatch.setattr(os, "open", _refusing(path))
        bench.refuses(row, path, "cannot be opened: Permission denied")
        return
    os.mkfifo(bench.folder / "pipe.csv")
    (bench.folder / "folder.csv").mkdir()
    (bench.folder / "device.csv").symlink_to("/dev/zero")
    bench.refuses(row, bench.folder / "folder.csv", "is a folder: name a file in it")
    for name in ("pipe.csv", "device.csv"):
        bench.refuses(row, bench.folder / name, "is not a regular file")
    bench.refuses(row, "/dev/stdin", "is not a regular file")


def _refusing(refused: Path) -> Callable[..., int]:
    opened = os.open

    def open_(path: Any, *details: Any, **more: Any) -> int:
        if path == refused:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *details, **more)

    return open_


@fault(
    46,
    "The list changes or is cut while it is read",
    "Refused before the first call; changed later, it does not matter",
    9,
)
def test_a_list_that_changes(row: Row, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is worked on is a copy, and the copy is of one moment."""
    path = bench.put("list.csv", text())
    copied = snapshots.chunks
    for changed in (text()[:-9], text() + "drie,\n", text([*TABLE[::-1]])):
        bench.put("list.csv", text())
        with monkeypatch.context() as patched:
            change = partial(path.write_text, changed)
            patched.setattr(snapshots, "chunks", lambda source, change=change: [*copied(source), b"" * change()])
            bench.refuses(row, path, "changed while it was read")
    bench.put("list.csv", text())
    before = hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns
    assert bench.run(path).returncode == 0
    assert (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) == before


@fault(
    51,
    "Cells and names of columns that a spreadsheet would run as formulas",
    "Texts in a workbook, inert in a CSV for spreadsheets (excel-nl); the list's own stay as"
    " they were in Parquet and standard CSV, the register's inert in every CSV",
    ends=0,
)
def test_formulas(row: Row, bench: Bench) -> None:
    """Every output does what it is for."""
    cells = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-5"]
    path = bench.put("list.csv", "=naam,kvk\n" + "".join(f"{cell},{A}\n" for cell in cells))
    for out in ("out.parquet", "out.csv"):
        assert bench.run(path, out=out).returncode == row.ends
        assert [line["=naam"] for line in bench.rows(out)] == cells
    assert bench.run(path, "--csv-dialect", "excel-nl").returncode == row.ends
    with (bench.folder / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        inert = [line[0] for line in csv.reader(file, delimiter=";")]
    assert inert == ["'=naam", "'=1+1", "'@SUM(A1)", "'+cmd|' /C calc'!A0", "-5"]
    assert bench.run(path, out="out.xlsx").returncode == row.ends
    sheet = openpyxl.load_workbook(bench.folder / "out.xlsx")["Enriched"]
    assert [(cell.value, cell.data_type) for cell in sheet["A"][1:]] == [(cell, "s") for cell in cells]


@fault(35, "A long list of 200 columns", "Read and written slice by slice; all rows come back in order", 0)
@pytest.mark.trials(fast=300, torture=100_000)
def test_a_long_and_wide_list(row: Row, bench: Bench, trials: int) -> None:
    """All rows come back."""
    wide = pl.LazyFrame({"row": range(trials)}).with_columns(
        pl.lit(A).alias("kvk"), *((pl.col("row") * place).cast(pl.String).alias(f"c{place}") for place in range(198))
    )
    wide.sink_csv(bench.folder / "list.csv")
    done = bench.run(bench.folder / "list.csv", "--column", "kvk", out="out.parquet")
    assert done.returncode == row.ends, done.stderr
    table = pq.read_table(bench.folder / "out.parquet", columns=["row", "c197", "enrich_outcome"])
    assert table.num_rows == trials
    assert table["row"].to_pylist() == [str(place) for place in range(trials)]
    assert table["c197"][-1].as_py() == str((trials - 1) * 197)
    assert bench.asked() == [A]
