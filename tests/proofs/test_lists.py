"""
Bad lists, thousands of them: refused with a sentence, or all rows come back and none is answered that should not be.

Each list is made from its own seed, so a failure names what to look at: ``_bad_list(Random(seed))``. What the output
should hold is read from the list by others than polars: the standard library, pyarrow, openpyxl.
"""

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, Literal

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl.utils.escape import unescape
from tests import here
from tests.figures import Record
from tests.harness import existing

from kvk_enrich.errors import ExitCode
from kvk_enrich.practice import population

Rows = list[list[Any]]

KNOWN: Final = existing(4)
REFUSED: Final = {ExitCode.INPUT_REFUSED, ExitCode.USAGE}
DONE: Final = {ExitCode.COMPLETE, ExitCode.SOME_FAILED}

NUMBERS: Final = (
    *KNOWN,
    *("00000001", "12345678", "99999990", "857587973", "NL857587973B01", "000012345678", "DE123456789"),
    *(f"KvK {KNOWN[0]}", f"{KNOWN[1][:4]} {KNOWN[1][4:]}", f"{KNOWN[2]}.0", f"{KNOWN[3]}/0000", f"'{KNOWN[0]}"),
    KNOWN[0].translate({48 + digit: 0x660 + digit for digit in range(10)}),  # Arabic digits
    KNOWN[1].translate({48 + digit: 0xFF10 + digit for digit in range(10)}),  # full-width ones
    "\u200b".join(KNOWN[2]),
    KNOWN[3][:2] + "\u00a0" + KNOWN[3][2:],
    "²³⁴⁵⁶⁷⁸⁹",
    KNOWN[0].replace("1", "l").replace("0", "O"),
    *("1.2345678E7", "1,23457E+11", "-12345678", "+12345678", "12.345.678", "0x1234", "1e400", "NaN", "inf"),
    f"{KNOWN[0]} en {KNOWN[1]}",
)
TEXTS: Final = (
    *("", " ", "n.v.t.", "null", "None", "Voorbeeld B.V.", "é", "naam; plaats", "a,b", "a\tb", 'zegt "ja"', '"', "'"),
    *("=1+1", "+31 6 12", "-5", "@SUM(A1)", '=HYPERLINK("http://example.org")', "\tx", "x\ny", "x\r\ny", "x\ry"),
    *("\0", "a\0b", "\x1a", "\x7f", "\x1c", "\u2028", "\u202e", "\ufeff", "\ufffd", "🏢", "a" * 40_000, "_x0041_"),
    *("{0}", "%s", "${HOME}", "$(id)", "../../etc/passwd", "'; DROP TABLE answers; --", "<script>", "__proto__", "\\N"),
)
HEADERS: Final = (
    *("kvk", "kvk nummer", "KVK", "naam", "plaats", "nummer", "vat", "", " ", "row", "value", "number", "kind"),
    *("enrich_number", "kvk_name", "enrich_", "__index_level_0__", "__POLARS_CSE", "*", "^.*$", "col(x)", "literal"),
)
"""Besides, every text may be a header."""

DELIMITERS: Final = (",", ";", "\t", "|")
ENCODINGS: Final = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "windows-1252", "cp850")
_LONE: Final = "\ue00d"
SUFFIXES: Final = (".csv", ".tsv", ".txt", ".parquet", ".xlsx")


@dataclass(frozen=True)
class BadList:
    """
    A list and what is asked of it.

    Args:
        name: Of the file.
        content: Its bytes.
        flags: Of the command.
        out: Suffix of the output.
    """

    name: str
    content: bytes
    flags: tuple[str, ...]
    out: str


# -- making them --------------------------------------------------------------------------------


def _bad_list(dice: Random) -> BadList:
    """Return a list: more or less a table, written one way or another, then damaged or not."""
    out = dice.choice([".csv", ".csv", ".parquet", ".parquet", ".xlsx"])
    if dice.random() < 0.08:
        return BadList(f"list{dice.choice(SUFFIXES)}", _noise(dice), (), out)
    table = _table(dice)
    suffix = dice.choices([".csv", ".parquet", ".xlsx"], [70, 22, 8])[0]
    content, needed = {".csv": _as_csv, ".parquet": _as_parquet, ".xlsx": _as_xlsx}[suffix](dice, table)
    if dice.random() < 0.4:
        content = dice.choice([_cut, _flipped, _spliced, _doubled, _dropped])(dice, content)
    return BadList(_name(dice, suffix), content, (*needed, *_flags(dice, table[0])), out)


def _name(dice: Random, suffix: str) -> str:
    stem = dice.choice(["list", "lijst één", "-list", "a[1]*", "?x", "new\nline", "s3", "~", "%s{0}", "list.csv"])
    return stem + (dice.choice([".csv", ".CSV", ".tsv", ".txt"]) if suffix == ".csv" else suffix)


def _table(dice: Random) -> Rows:
    width = dice.choice([1, 1, 2, 3, 3, 6])
    header = [dice.choice(HEADERS) if dice.random() < 0.8 else dice.choice(TEXTS) for _ in range(width)]
    place = dice.randrange(width)
    header[place] = dice.choice(["kvk", "KVK nummer", "nr", header[place]])
    if dice.random() < 0.8:
        header = [name if header.count(name) == 1 else f"{name}{at}" for at, name in enumerate(header)]
    rows = [[_cell(dice, is_number=at == place) for at in range(width)] for _ in range(dice.choice([0, 1, 2, 5, 12]))]
    return [header, *rows]


def _cell(dice: Random, *, is_number: bool) -> str:
    if is_number:
        return dice.choice(KNOWN) if dice.random() < 0.6 else dice.choice(NUMBERS + TEXTS)
    return dice.choice(TEXTS) if dice.random() < 0.9 else dice.choice(NUMBERS)


def _flags(dice: Random, header: Sequence[str]) -> tuple[str, ...]:
    flags: list[str] = []
    if dice.random() < 0.4:
        named = [name for name in header if 0 < len(name) <= 1000 and "\0" not in name]
        flags += ["--column", dice.choice([*named, "kvk"])]
    if dice.random() < 0.3:
        flags += ["--kind", dice.choice(["kvk", "kvk", "auto", "vat", "rsin", "branch"])]
    if dice.random() < 0.1:
        flags += ["--strict"]
    return tuple(flags)


def _as_csv(dice: Random, table: Rows) -> tuple[bytes, list[str]]:
    """Return the table as text of some kind, and with which flags it is read; sometimes with the wrong ones."""
    made = io.StringIO(newline="")
    ends = dice.choice(["\n", "\n", "\r\n", "\r"])
    quoting: Literal[0, 1] = dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    delimiter = dice.choice(DELIMITERS)
    if dice.random() < 0.08:
        made.write(f"sep={delimiter}{ends}")
    writer = csv.writer(made, delimiter=delimiter, lineterminator=ends, quoting=quoting)
    for row in table:
        width = len(row) + (dice.choice([-1, 1]) if dice.random() < 0.02 else 0)
        writer.writerow([*row, "more"][:width])
        if dice.random() < 0.03:
            made.write(ends)
    text = made.getvalue()
    if dice.random() < 0.2:
        text = text.removesuffix(ends)
    encoding = dice.choices(ENCODINGS, [12, 2, 2, 1, 1, 2, 1])[0]
    asked = encoding if encoding in {"utf-16-le", "windows-1252", "cp850"} else "utf-8"
    flags = ["--encoding", asked if dice.random() < 0.9 else dice.choice(["windows-1252", "utf-16", "iso-8859-1"])]
    if delimiter == "|" or dice.random() < 0.3:
        given = delimiter if dice.random() < 0.9 else dice.choice(DELIMITERS)
        flags += ["--delimiter", "tab" if given == "\t" else given]
    return text.encode(encoding, "replace"), flags


def _as_parquet(dice: Random, table: Rows) -> tuple[bytes, list[str]]:
    header, *rows = table
    columns = [pa.array([row[at] for row in rows], pa.string()) for at in range(len(header))]
    columns = [_typed(dice, column) for column in columns]
    made = io.BytesIO()
    pq.write_table(
        pa.Table.from_arrays(columns, names=header), made, compression=dice.choice(["zstd", "none", "snappy"])
    )
    return made.getvalue(), []


def _typed(dice: Random, column: pa.Array) -> pa.Array:
    """Return a column of texts as one of another type, sometimes."""
    texts = column.to_pylist()
    digits = [int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None for text in texts]
    kinds: dict[str, Callable[[], pa.Array]] = {
        "text": lambda: column,
        "large": lambda: column.cast(pa.large_string()),
        "bytes": lambda: column.cast(pa.binary()),
        "no utf-8": lambda: pa.array([b"\xff" + text.encode() for text in texts], pa.binary()),
        "broken text": lambda: pa.array([b"\xed\xa0\x80" for _ in texts], pa.binary()).view(pa.string()),
        "whole": lambda: pa.array(digits, pa.int64()),
        "float": lambda: pa.array(
            [None if one is None else one + dice.choice([0, 0.5]) for one in digits], pa.float64()
        ),
        "dictionary": column.dictionary_encode,
        "list": lambda: pa.array([[text] for text in texts], pa.list_(pa.string())),
        "struct": lambda: pa.array([{"x": text} for text in texts], pa.struct([("x", pa.string())])),
        "nothing": lambda: pa.nulls(len(texts)),
    }
    return kinds[dice.choices(list(kinds), [20, 2, 2, 1, 1, 3, 2, 2, 1, 1, 1])[0]]()


def _as_xlsx(dice: Random, table: Rows) -> tuple[bytes, list[str]]:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    illegal = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f]")
    for row in table:
        sheet.append([illegal.sub("", cell)[:32_000] for cell in row])
    for cells in sheet.iter_rows():
        for cell in cells:
            if cell.data_type == "f" and dice.random() < 0.8:
                cell.data_type = "s"
            elif isinstance(cell.value, str) and cell.value.isdigit() and cell.value.isascii() and dice.random() < 0.5:
                cell.value = int(cell.value)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue(), []


def _noise(dice: Random) -> bytes:
    magic = dice.choice(
        [b"", b"", b"PAR1", b"PK\x03\x04", b"\x1f\x8b", b"\xff\xfe", b"\xef\xbb\xbf", b"sep=", b"kvk\n"]
    )
    return magic + dice.choice([dice.randbytes(dice.randrange(3_000)), b"\n" * dice.randrange(5), b'"' * 999])


def _cut(dice: Random, content: bytes) -> bytes:
    return content[: dice.randrange(len(content) + 1)]


def _flipped(dice: Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(dice.choice([1, 1, 3, 20])):
        if damaged:
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def _spliced(dice: Random, content: bytes) -> bytes:
    at = dice.randrange(len(content) + 1)
    other = dice.choice([b"\0", b"\xff", b"\x80", b"\r", b"\n", b'"', b",", b";", dice.randbytes(20)])
    return content[:at] + other + content[at:]


def _doubled(dice: Random, content: bytes) -> bytes:
    at = dice.randrange(len(content) + 1)
    return content[:at] + content[dice.randrange(at + 1) :]


def _dropped(dice: Random, content: bytes) -> bytes:
    at = dice.randrange(len(content) + 1)
    return content[:at] + content[at + dice.randrange(1, 40) :]


# -- judging ------------------------------------------------------------------------------------


@pytest.mark.trials(fast=12, torture=2000)
def test_no_bad_list_stops_a_run_or_gets_a_wrong_answer(
    trials: int, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is in a list: it is refused with a sentence, or all its rows come back with the right answers."""
    monkeypatch.setenv("KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS", "0")
    wrong, fates = [], {"refused": 0, "enriched": 0}
    for seed in range(trials):
        try:
            fates[_tried(_bad_list(Random(seed)), tmp_path / f"{seed}", tmp_path / "home")] += 1
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  whatever it is, the proof goes on
            wrong.append(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}")
    record("bad-inputs", tried=trials, wrong=len(wrong), **fates)
    assert wrong == []
    assert min(fates.values()) > trials / 10


def _tried(bad: BadList, folder: Path, home: Path) -> str:
    """Run the list and return its fate; raises AssertionError when it is not one of the two good ones."""
    folder.mkdir()
    path, out = folder / bad.name, folder / f"out{bad.out}"
    path.write_bytes(bad.content)
    done = here.command("run", "--source", "practice", "--home", home, "-o", out, *bad.flags, "--", path)
    assert path.read_bytes() == bad.content, "the list was changed"
    if done.returncode in REFUSED:
        assert not out.exists(), "refused, and yet there is an output"
        assert re.search(r"kvk-enrich: .{20,}", done.stderr, re.DOTALL), done.stderr
        return "refused"
    assert done.returncode in DONE, (done.returncode, done.stderr)
    _judge(bad, path, out, done.stderr)
    return "enriched"


def _judge(bad: BadList, path: Path, out: Path, said: str) -> None:
    header, *rows = _read_back(out)
    expected = _expected(bad, path, said)
    own = header.index("enrich_outcome")
    if expected is not None:
        assert [_texts(row[:own]) for row in rows] == [_texts(row) for row in expected[1:]]
    lines = [dict(zip(header, row, strict=True)) for row in rows]
    for line in lines:
        _judge_answer(line, [str(cell) for cell in line.values() if cell is not None][:own])
    with out.with_name("out.failed.csv").open(encoding="utf-8", newline="") as file:
        failed = [int(item["row"]) for item in csv.DictReader(file)]
    assert failed == [at for at, line in enumerate(lines, 1) if line["enrich_outcome"] not in {"found", "not_found"}]


def _judge_answer(line: dict[str, Any], cells: Sequence[str]) -> None:
    """An answer is that of the practice register, about a number that stands in the row."""
    outcome, number, kind = line["enrich_outcome"], line["enrich_number"], line["enrich_kind"]
    assert outcome in {"found", "not_found", "invalid", "failed"}, line
    assert bool(number) == (outcome != "invalid"), line
    assert outcome == "found" or (line["enrich_reason"] and not line["kvk_name"]), line
    if kind == "kvk":
        company = population.company(number)
        assert (outcome == "found") == (company is not None), line
        if company is not None:
            assert line["kvk_number"] == number, line
        assert any(number.lstrip("0") in _digits(cell) for cell in cells) or line["enrich_note"], line


def _digits(text: str) -> str:
    return "".join(
        str(unicodedata.digit(character)) for character in text if unicodedata.digit(character, None) is not None
    )


def _texts(row: Sequence[Any]) -> list[Any]:
    return ["" if cell is None else cell for cell in row]


def _read_back(out: Path) -> Rows:
    match out.suffix:
        case ".csv":
            with out.open(encoding="utf-8", newline="") as file:
                return list(_csv(file, ","))
        case ".parquet":
            table = pq.read_table(out)
            return [table.column_names, *map(list, zip(*(column.to_pylist() for column in table.columns), strict=True))]
        case _:
            sheet = openpyxl.load_workbook(out)["Enriched"]
            assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= set("sinbd") | {"inlineStr"}
            return [
                [unescape(v) if isinstance(v, str) else v for v in row] for row in sheet.iter_rows(values_only=True)
            ]


def _expected(bad: BadList, path: Path, said: str) -> Rows | None:
    """Return header and rows of the list as others read it; None where nobody else can."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        if bad.out != ".parquet":
            return None
        try:
            table = pq.read_table(path)
            return [[], *map(list, zip(*(column.to_pylist() for column in table.columns), strict=True))]
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError):
            return None
    if suffix == ".xlsx":
        return None
    header, *rows = _table_in(_text(bad), _delimiter(bad, said))
    return [header, *(row + [""] * (len(header) - len(row)) for row in rows)]


def _table_in(text: str, delimiter: str) -> Rows:
    """Return the cells of a text whose lines end with line feeds; or with carriage returns, if there are no others."""
    text = re.sub('^"?sep=."?(?:\r?\n|\r)', "", text, flags=re.IGNORECASE)
    text = text if "\n" in text else text.replace("\r", "\n")
    lone = re.sub(r"\r(?!\n|\Z)", _LONE, text)
    rows = [[cell.replace(_LONE, "\r") for cell in row] for row in _csv(io.StringIO(lone, newline=""), delimiter)]
    return list(itertools.dropwhile(lambda row: not row, rows))


def _text(bad: BadList) -> str:
    encoding = bad.flags[bad.flags.index("--encoding") + 1] if "--encoding" in bad.flags else "utf-8"
    content = bad.content
    for mark, codec in ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(codec)
    if content.startswith(b"\xef\xbb\xbf"):
        return content.decode("utf-8-sig")
    return content.decode("utf-16-le" if encoding == "utf-16" else encoding)


def _delimiter(bad: BadList, said: str) -> str:
    if "--delimiter" in bad.flags:
        return {"tab": "\t"}.get(given := bad.flags[bad.flags.index("--delimiter") + 1], given)
    told = re.search(
        r"Columns are separated by (\w+)|what parts the cells \((\w+)(?: '(.)')?|The list has one column", said
    )
    assert told is not None, said
    return told[3] or {"comma": ",", "semicolon": ";", "tab": "\t", None: "\x1f"}[told[1] or told[2]]


def _csv(file: Any, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(1 << 30)
    return csv.reader(file, delimiter=delimiter, strict=True)
