import resource
import signal

import polars as pl
import pytest

from kvk_enrich import readers
from kvk_enrich.errors import ConfigError, InputRefused, StorageError


def content(rows: readers.Rows) -> list[tuple[object, ...]]:
    """Return all rows."""
    return rows.frame.collect().rows()


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        (b"a,b\n1,2\n3,4\n", ["a", "b"], [(1, "1", "2"), (2, "3", "4")]),
        (b"a;b\r\n1;2,5\r\n", ["a", "b"], [(1, "1", "2,5")]),
        (b"a\tb\n1\t2", ["a", "b"], [(1, "1", "2")]),
        (b"a\n1\n2\n", ["a"], [(1, "1"), (2, "2")]),
        (b"kvk\n69599084,0\n68750110\n1234567\n", ["kvk"], [(1, "69599084,0"), (2, "68750110"), (3, "1234567")]),
        (b"a,b\n1,2\r\n3,4", ["a", "b"], [(1, "1", "2"), (2, "3", "4")]),
        (b"a,b\n01,02\n", ["a", "b"], [(1, "01", "02")]),
        (b"a,b\n1,2\n\n3,4\n", ["a", "b"], [(1, "1", "2"), (2, None, None), (3, "3", "4")]),
        (b"a\r\n1\r\n\r\n2\r\n", ["a"], [(1, "1"), (2, None), (3, "2")]),
        (b"\n\na,b\n1,2\n", ["a", "b"], [(1, "1", "2")]),
        (b"a,b\n1\n3,4\n", ["a", "b"], [(1, "1", None), (2, "3", "4")]),
        (b'a,b\n1,"2\n3"\n4,5\n', ["a", "b"], [(1, "1", "2\n3"), (2, "4", "5")]),
        (b'a,b\n1,"2\r3"\n', ["a", "b"], [(1, "1", "2\r3")]),
        (b'a,b\n1,"x, ""y"""\n', ["a", "b"], [(1, "1", 'x, "y"')]),
        (b'a,b\n="0123",x "y" z\n', ["a", "b"], [(1, '="0123"', 'x "y" z')]),
        (b'"a;x";b\n1;2\n', ["a;x", "b"], [(1, "1", "2")]),
        (b"a;b,c\n1;2\n3;4\n", ["a", "b,c"], [(1, "1", "2"), (2, "3", "4")]),
        (b"a,b\n=1+1,@x\n", ["a", "b"], [(1, "=1+1", "@x")]),
        (b"a,b\n1\x00," + b"2" * 40 + b"\n", ["a", "b"], [(1, "1\x00", "2" * 40)]),
        (b"a,\n1,2\n", ["a", ""], [(1, "1", "2")]),
        (b"a,,\n1,2,3\n", ["a", "column_2", "column_3"], [(1, "1", "2", "3")]),
        (b" a ,b\n1,2\n", [" a ", "b"], [(1, "1", "2")]),
        (b"a,b\n", ["a", "b"], []),
        (b"a,b", ["a", "b"], []),
    ],
)
def test_rows(text, columns, rows, read):
    """Cells are kept as they are written, and rows are counted as a spreadsheet counts them."""
    actual = read(text)

    assert actual.columns == columns
    assert actual.frame.collect_schema() == {"enrich_row": pl.UInt32, **dict.fromkeys(columns, pl.String)}
    assert content(actual) == rows


@pytest.mark.parametrize(
    ("text", "options", "note"),
    [
        (b"\xef\xbb\xbfa;b\n1;\xc3\xa9\n", {}, "read as utf-8"),
        ("a;b\n1;é\n".encode("utf-16"), {}, "read as utf-16"),
        ("\ufeffa;b\n1;é\n".encode("utf-16-be"), {}, "read as utf-16"),
        ("a;b\n1;é\n".encode("utf-16-le"), {"encoding": "utf-16"}, "read as utf-16-le"),
        ("a;b\n1;é\n".encode("cp1252"), {"encoding": "windows-1252"}, "read as windows-1252"),
        ("a;b\n1;é\n".encode("latin-1"), {"encoding": "latin-1"}, "read as iso-8859-1"),
        (b"a;b\n1;\x82", {"encoding": "cp850"}, "read as cp850"),
        (b"\xef\xbb\xbfa;b\n1;\xc3\xa9\n", {"encoding": "windows-1252"}, "read as utf-8"),
        ("a;b\r1;é\r".encode(), {}, "carriage returns only"),
        ("sep=;\r\na;b\r\n1;é\r\n".encode(), {}, "first line says"),
        ("\ufeffsep=;\na;b\n1;é\n".encode(), {}, "first line says"),
        ("a;b\n1;é\n".encode(), {}, "separated by semicolon"),
    ],
)
def test_decisions_are_noted(text, options, note, read):
    """What was found out about a file is said, and the rows are the same however it was written."""
    rows = read(text, **options)

    assert rows.columns == ["a", "b"]
    assert content(rows) == [(1, "1", "é")]
    assert any(note in sentence for sentence in rows.notes)


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (b"a;b\n1;2\n3;Caf\xe9\n", {}, r"byte 0xE9 at offset 13 \(line 3\).*--encoding windows-1252"),
        (b"a;b\n1;Caf\xc3\xa9\n2;Caf\xe9\n", {}, r"byte 0xE9 at offset 17 \(line 3\)"),
        (b"a;b\n1;caf\xc3", {}, r"byte 0xC3 at offset 9 \(line 2\)"),
        (b"a;b\n1;\x81\n", {"encoding": "windows-1252"}, r"not windows-1252 text: byte 0x81 at offset 6 \(line 2\)"),
        ("a;b\n1;2\n".encode("utf-16-le"), {}, "full of zero bytes"),
        ("a;b\n1;Zoë\n".encode(), {"encoding": "windows-1252"}, "is UTF-8 text, not windows-1252: leave --encoding"),
        ("a;b\n1;Zoë\n".encode(), {"encoding": "cp850"}, "is UTF-8 text, not cp850: leave --encoding"),
        (b"a;b,c\n", {}, "comma or semicolon.*--delimiter"),
        (b"a,b\n1,2\n3,4,5\n", {}, "line 3 has 3 cells, the header has 2"),
        (b'sep=,\na,b\n"1\nx",2\n\n3,4,5\n', {}, "line 6 has 3 cells"),
        (b"kvk\n1;x\n2;y\n3;z\n", {}, "line 2 has 2 cells, the header has 1"),
        (b'a,b\n1,2\n"3,4\n5,6\n', {}, "line 3 opens a quote that is never closed"),
        (b'a,b\n1,2\n3,"4\n5,6\n', {}, "line 3 opens a quote that is never closed"),
        (b'a;b\n1;2\n3;"4\n5;6\n', {}, "line 3 opens a quote that is never closed"),
        (b'a,b\n1,2\n3,"4"5\n', {}, "line 3 has text after a closing quote"),
        (b'""a",b\n1,2\n', {}, "header line has text after a closing quote"),
        (b'a,b\n1,2\n3,4"\n5,6\n', {}, "line 3 has a quotation mark inside a cell"),
        (b'a,b"\n1,2\n3,4\n', {}, "line 1 has a quotation mark inside a cell"),
        (b'\r\na,b"\r\n1,"2"\r\n', {}, "line 2 has a quotation mark inside a cell"),
        (b'a,b"\n1,2"\n', {}, "line 1 has a quotation mark inside a cell"),
        (b"a,b,a\n1,2,3\n", {}, "several columns are called 'a'"),
        (b"69599084,x\n68750110,y\n", {}, "first line holds 69599084"),
        (b"x,KvK: 6959 9084\ny,68750110\n", {}, "first line holds KvK: 6959 9084"),
        (b"x,NL857587973B01\ny,NL857587973B02\n", {}, "first line holds NL857587973B01"),
        (b'"a","b\n', {}, "header line opens a quote that is never closed"),
        (b"kvk\r69599084\n68750110\n", {}, "header line has a carriage return"),
        (b'a,b\n1,2\n3,"2718"2818\n', {}, "line 3 has text after a closing quote"),
        (b'a\n"1\n2"\n"27"1828"18"\n', {"delimiter": ";"}, "line 4 has text after a closing quote"),
        (b"\n\r\n\n", {}, "no header line"),
        (b"a,enrich_row\n1,2\n", {}, "columns that the output adds: 'enrich_row'"),
        (b"a,kvk_name\n1,2\n", {"reserved": ["kvk_name"]}, "columns that the output adds: 'kvk_name'"),
    ],
)
def test_refused(text, options, sentence, read):
    """What could only be read by guessing is refused, with the place and the remedy."""
    with pytest.raises(InputRefused, match=sentence):
        read(text, **options)


@pytest.mark.parametrize(
    ("delimiter", "text"),
    [(";", b"a,x;b\n1;2\n"), ("tab", b"a,x\tb\n1\t2\n"), ("\\t", b"a,x\tb\n1\t2\n"), ("|", b"a,x|b\n1|2\n")],
)
def test_delimiter_given(delimiter, text, read):
    """A delimiter that is given is not guessed."""
    assert read(text, delimiter=delimiter).columns == ["a,x", "b"]


@pytest.mark.parametrize("options", [{"delimiter": ";;"}, {"delimiter": ""}, {"delimiter": "é"}, {"delimiter": '"'}])
def test_impossible_delimiter(options, read):
    """What cannot be a delimiter is a matter of configuration."""
    with pytest.raises(ConfigError, match=r"input\.delimiter"):
        read(b"a,b\n", **options)


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "utf-7"])
def test_impossible_encoding(encoding, read):
    """An unknown encoding is a matter of configuration; the message has the known ones."""
    with pytest.raises(ConfigError, match=r"input\.encoding.*windows-1252"):
        read(b"a,b\n", encoding=encoding)


def test_a_wrong_byte_far_into_the_file(read):
    """Offset and line of a wrong byte are right beyond the first pieces of a file."""
    line = "é;123456789\n".encode()
    text = b"a;b\n" + line * 200_000

    with pytest.raises(InputRefused, match=rf"byte 0xFF at offset {len(text)} \(line 200002\)"):
        read(text + b"\xff")


def test_long_file_keeps_its_order(read):
    """Rows of a long file come in its order, numbered without a gap."""
    count = 300_000
    lines = "".join(f'{number * 7 % count:08d};"naam;\n{number}"\n' for number in range(count))

    rows = read(f"kvk;naam\n{lines}".encode()).frame.collect(engine="streaming")

    assert rows["enrich_row"].to_list() == list(range(1, count + 1))
    assert rows["kvk"].to_list() == [f"{number * 7 % count:08d}" for number in range(count)]
    assert rows["naam"][-1] == f"naam;\n{count - 1}"


def test_a_cell_beyond_the_usual(read):
    """A very long cell in the first lines does not keep the list from being read."""
    rows = read(b"a;b\n1;" + b"x" * 300_000 + b"\n2;y\n")

    assert [row[0] for row in content(rows)] == [1, 2]


@pytest.mark.parametrize("name", ["decoded.csv", "list.parquet"])
def test_no_folder_to_write_in(name, read, tmp_path):
    """A place where nothing can be written is a storage error."""
    (tmp_path / "run" / name).mkdir(parents=True)

    with pytest.raises(StorageError, match=name):
        read("a;b\n1;é\n".encode("cp1252"), encoding="windows-1252")


def test_disk_full(read, tmp_path):
    """A full disk is told as such, and not as a fault of the list."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    lines = "".join(f"{number * 7919};{number * 104729}\n" for number in range(20_000))
    path = tmp_path / "list.csv"
    path.write_text(f"a;b\n{lines}")
    taken = readers.snapshot(path, tmp_path / "run")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        with pytest.raises(StorageError, match=r"list\.parquet cannot be written"):
            readers.read(taken, folder=tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_intermediate_files_are_private(read, tmp_path):
    """Whatever is written on the way can be read by its owner only."""
    read("a;b\n1;é\n".encode("cp1252"), encoding="windows-1252")

    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir()} == {
        "input.csv": 0o600,
        "decoded.csv": 0o600,
        "list.parquet": 0o600,
    }
