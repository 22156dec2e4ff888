import hashlib
import os
import threading

import pytest

from kvk_enrich import readers
from kvk_enrich.errors import InputRefused, StorageError
from kvk_enrich.readers import snapshots


def test_what_was_taken(tmp_path):
    """The copy is private and identical; hash and size are those of the list."""
    path = tmp_path / "list.CSV"
    path.write_bytes(b"a,b\n1,2\n")

    taken = readers.snapshot(path, tmp_path / "run")

    assert taken == readers.Snapshot(tmp_path / "run" / "input.csv", path, hashlib.sha256(b"a,b\n1,2\n").hexdigest(), 8)
    assert taken.path.read_bytes() == b"a,b\n1,2\n"
    assert taken.path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_later_changes_do_not_matter(tmp_path):
    """Rows come from the copy, whatever happens to the list."""
    path = tmp_path / "list.csv"
    path.write_bytes(b"a,b\n1,2\n")
    taken = readers.snapshot(path, tmp_path / "run")
    path.write_bytes(b"gone")

    assert readers.read(taken, folder=tmp_path / "run").frame.collect().rows() == [(1, "1", "2")]


def test_taken_again(tmp_path):
    """A folder that holds an older copy takes the new one."""
    path = tmp_path / "list.csv"
    for content in (b"a,b\n1,2\n", b"a\n3\n"):
        path.write_bytes(content)
        assert readers.snapshot(path, tmp_path / "run").path.read_bytes() == content


def test_link_is_followed(tmp_path):
    """A link is read as the file it leads to, which is named."""
    (tmp_path / "real.csv").write_bytes(b"a\n1\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")

    assert readers.snapshot(tmp_path / "link.csv", tmp_path / "run").original == tmp_path / "real.csv"


@pytest.mark.parametrize("name", ["list[1].csv", "*.csv", "a?.csv", "-x.csv", "a\nb.csv", "s3:x.csv"])
def test_names_are_not_patterns(name, tmp_path):
    """Brackets and stars in a name mean themselves."""
    (tmp_path / "list1.csv").write_bytes(b"wrong\n1\n")
    (tmp_path / name).write_bytes(b"right\n1\n")

    taken = readers.snapshot(tmp_path / name, tmp_path / "run[1]*")

    assert readers.read(taken, folder=tmp_path / "run[1]*").columns == ["right"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("list.csv", b"", "is empty"),
        ("list.parquet", b"", "is empty"),
        ("list.csv", b"\x1f\x8b\x08", "gzip-compressed: unpack"),
        ("list.csv", b"\x28\xb5\x2f\xfd", "zstd-compressed"),
        ("list.csv", b"PK\x03\x04", "spreadsheet.*the suffix .xlsx, or save it as CSV"),
        ("list.csv", b"\xd0\xcf\x11\xe0", r"old \(.xls\) or encrypted Office file"),
        ("list.csv", b"PAR1", "give it the suffix .parquet"),
        ("list.xlsx", b"\xd0\xcf\x11\xe0", r"not an XLSX workbook; it is an old \(.xls\) or encrypted"),
        ("list.xlsx", b"kvk\n", "not an XLSX workbook; .*perhaps a text file"),
        ("list.xls", b"\xd0\xcf\x11\xe0", "only .*.xlsx files can be read. Save the list as XLSX"),
        ("list.json", b"[]", "only .csv, .tsv, .txt, .parquet"),
        ("list", b"a\n", "only .csv, .tsv, .txt, .parquet"),
        ("list.parquet", b"a,b\n", "perhaps a text file"),
    ],
)
def test_other_files(name, content, sentence, tmp_path):
    """What is no list we can read is refused as what it is."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(InputRefused, match=sentence):
        readers.snapshot(tmp_path / name, tmp_path / "run")


def test_what_is_no_file(tmp_path):
    """Folders, pipes and missing files are refused at once."""
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "lists").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")

    for name, sentence in [
        ("folder.csv", "is a folder: name a file in it"),
        ("lists", "is a folder: name a file in it"),
        ("pipe.csv", "pipe"),
        ("none.csv", "No such file"),
        ("none", "No such file"),
    ]:
        with pytest.raises(InputRefused, match=sentence):
            readers.snapshot(tmp_path / name, tmp_path / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path):
    """A file of somebody else is refused."""
    (tmp_path / "list.csv").write_bytes(b"a\n")
    (tmp_path / "list.csv").chmod(0)

    with pytest.raises(InputRefused, match="Permission denied"):
        readers.snapshot(tmp_path / "list.csv", tmp_path / "run")


def test_loop_of_links(tmp_path):
    """A link that leads nowhere is refused with the system's own words."""
    (tmp_path / "a.csv").symlink_to(tmp_path / "b.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")

    with pytest.raises(InputRefused):
        readers.snapshot(tmp_path / "a.csv", tmp_path / "run")


def test_changes_while_read(tmp_path):
    """A list that something writes to is refused."""
    path = tmp_path / "list.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 4_000_000)
    started, enough = threading.Event(), threading.Event()

    def write() -> None:
        with path.open("ab") as file:
            while not enough.is_set():
                file.write(b"3,4\n")
                file.flush()
                started.set()

    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    try:
        with pytest.raises(InputRefused, match="changed while it was read"):
            readers.snapshot(path, tmp_path / "run")
    finally:
        enough.set()
        writer.join()
    assert not (tmp_path / "run" / "input.csv").exists()


def test_gone_while_read(tmp_path):
    """A list that is no longer there has changed."""
    assert snapshots._identity_at(tmp_path / "gone.csv") == ()


def test_no_room(tmp_path):
    """A folder that cannot be written to is a storage error."""
    (tmp_path / "list.csv").write_bytes(b"a\n")
    (tmp_path / "run").write_bytes(b"a file where the folder should be")

    with pytest.raises(StorageError, match="cannot be written"):
        readers.snapshot(tmp_path / "list.csv", tmp_path / "run")
