"""What goes wrong with the disk (102 to 127), played against the command line or the stores."""

import errno
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from tests.faults.catalogue import Row, fault, faults
from tests.harness import Server, existing, record_of, serving, write_list
from tests.simulators.storage import Ended, Fault, Rigged, rigged
from tests.state.parts import as_nobody

from kvk_enrich import cli
from kvk_enrich.errors import StorageError
from kvk_enrich.state.journal import Journal

NUMBERS: Final = existing(3)
PRACTICE: Final = "KVK_ENRICH_SOURCE_PRACTICE_BASE_URL"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rigged]:
    """What runs the command line on a disk with faults."""
    with rigged(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A register that answers at once."""
    with serving(tmp_path_factory.mktemp("server"), "--latency", "0.002") as server:
        yield server


class Job:
    """A list, a home and a place for outputs."""

    def __init__(self, rig: Rigged, server: Server, folder: Path) -> None:
        """Write the list."""
        self.rig, self.server, self.folder = rig, server, folder
        self.home, self.out = folder / "home", folder / "out" / "o.csv"
        self.out.parent.mkdir()
        self.listed = write_list(folder / "list.csv", NUMBERS)
        self.before = server.counts()

    def run(self, under: str = "", disk: Fault = Fault.NONE, at: int = 0, **env: str) -> Ended:
        """Run it; the disk has a fault at a step below the folder, or of the file, *under*."""
        return self.rig.run(
            *("run", self.listed, "--source", "practice", "--home", self.home, "-o", self.out),
            under=self.folder / under,
            env={PRACTICE: self.server.url} | env,
            fault=disk,
            at=at,
        )

    @property
    def most_asked(self) -> int:
        """How often the number that was asked most was asked: paid once is 1."""
        return max((self.server.counts() - self.before).values(), default=0)

    def outputs(self) -> dict[str, bytes]:
        """Return all files in the folder of the outputs, hidden ones too."""
        return {path.name: path.read_bytes() for path in self.out.parent.iterdir()}

    def is_right(self) -> bool:
        """Say whether the output has each row once, in order, each with its answer."""
        rows = pl.read_csv(self.out, infer_schema=False)
        return rows["kvk"].to_list() == NUMBERS and set(rows["enrich_outcome"]) == {"found"}


@pytest.fixture
def job(rig: Rigged, server: Server, tmp_path: Path) -> Job:
    """A small job."""
    return Job(rig, server, tmp_path)


def in_this_process(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> object:
    """Run the command line here; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["kvk-enrich", *map(str, arguments)])
    return cli._exit_code()


# -- the disk fills up or fails -------------------------------------------------------------------


@faults(
    Row(102, "The disk fills up while answers are written to the journal", "Answers under way are kept, in room that"
        " was reserved for them; no more is asked; run again when there is room", 7),
    Row(103, "The disk fills up while the cache takes answers over", "The journal has them; the next run does it", 7),
    Row(104, "The disk fills up while DuckDB writes a checkpoint", "As before; the cache is opened anew", 7),
)  # fmt: skip
def test_the_disk_fills_up(job: Job, row: Row) -> None:
    """At the first write that needs room, of the file in question, once calls are under way."""
    under, at = {
        102: ("home/journal.sqlite-wal", 90),
        103: ("home/cache.duckdb.wal", 8),
        104: ("home/cache.duckdb", 6),
    }[row.number]
    ended = job.run(under, Fault.FULL, at)
    assert ended.code == row.ends, ended.said
    assert ended.met
    assert "Make room" in ended.said.splitlines()[-1]
    assert "Traceback" not in ended.said
    assert job.outputs() == {}
    assert sum((job.server.counts() - job.before).values()) > 0
    assert job.run().code == 0
    assert job.is_right()
    assert job.most_asked == 1


@faults(
    Row(105, "The disk fills up while outputs are written", "Older outputs are as they were, no draft is left", 7),
    Row(108, "The disk has no more inodes for the outputs", "Refused before any call", 7),
)
def test_no_room_for_outputs(job: Job, row: Row) -> None:
    """Nothing is lost: the next run writes them from what is known."""
    if row.number == 105:
        assert job.run().code == 0
    older = job.outputs()
    ended = job.run("out", Fault.FULL, {105: 9, 108: 1}[row.number])
    assert ended.code == row.ends, ended.said
    assert "the disk is full" in ended.said
    assert job.outputs() == older
    assert job.most_asked == len(older) // 4
    assert job.run().code == 0
    assert job.is_right()
    assert job.most_asked == 1


@fault(106, "The disk fails to keep what was written (an error of fsync)", "The answer does not count; the run stops"
       " and opens the journal anew the next time, instead of trying the same once more", ends=7)  # fmt: skip
def test_a_sync_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], row: Row
) -> None:
    """At the first answer; what was sent is in the ledger."""
    listed, failed, sync = write_list(tmp_path / "list.csv", NUMBERS), list[int](), os.fsync

    def fails(file: int) -> None:
        if Path(f"/proc/self/fd/{file}").readlink().name == "journal.sqlite-wal" and not failed:
            failed.append(file)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(file)

    arguments = ("run", listed, "--source", "practice", "--home", tmp_path / "home", "-o", tmp_path / "o.csv")
    monkeypatch.setattr(os, "fsync", fails)
    monkeypatch.setenv("KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS", "0")
    assert in_this_process(monkeypatch, *arguments) == row.ends
    assert failed
    assert "mend the disk" in capsys.readouterr().err
    assert in_this_process(monkeypatch, *arguments) == 0
    assert record_of(tmp_path / "o.csv")["budget"]["used"] >= len(NUMBERS)


def test_a_run_that_is_out_does_not_end_badly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its outputs are right, though the journal has no room for its end: a note says so."""

    def no_room(*_: object) -> None:
        raise StorageError("no room")

    listed = write_list(tmp_path / "list.csv", NUMBERS)
    monkeypatch.setenv("KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS", "0")
    monkeypatch.setattr(Journal, "finish", no_room)
    arguments = ("run", listed, "--source", "practice", "--home", tmp_path / "home", "-o", tmp_path / "o.csv")
    assert in_this_process(monkeypatch, *arguments) == 0
    assert "could not be entered" in capsys.readouterr().err
    assert record_of(tmp_path / "o.csv")["rows"]["found"] == len(NUMBERS)


# -- places that cannot be written ----------------------------------------------------------------


@fault(107, "Home or outputs lie where this user may not write, or on a disk that is read-only", "Refused before any"
       " call; the message names the place", ends=7)  # fmt: skip
def test_a_place_is_closed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], row: Row) -> None:
    """The home, then the folder of the outputs."""
    folder = Path(tempfile.mkdtemp())  # tmp_path is closed to all but its owner
    try:
        (folder / "closed").mkdir()
        (folder / "open").mkdir(mode=0o777)
        listed = write_list(folder / "list.csv", NUMBERS)
        for path, mode in ((folder, 0o755), (folder / "closed", 0o555), (folder / "open", 0o777), (listed, 0o644)):
            path.chmod(mode)
        with as_nobody():
            for home, out in (("closed", "open"), ("open", "closed")):
                arguments = ("--source", "practice", "--home", folder / home / "home", "-o", folder / out / "o.csv")
                assert in_this_process(monkeypatch, "run", listed, *arguments) == row.ends
                assert str(folder / "closed") in capsys.readouterr().err
        assert not (folder / "open" / "home" / "journal.sqlite").exists()
    finally:
        shutil.rmtree(folder)


# -- stopped in the middle, and places of all sorts -----------------------------------------------


@fault(123, "The machine stops while the cache is filled, old answers are erased, or outputs are put in place", "Each"
       " is there as before or as after; the next run finishes the work, and asks for nothing it knows")  # fmt: skip
@pytest.mark.parametrize(("under", "at"), [("home/cache.duckdb", 12), ("out", 25)])
def test_stopped_in_the_middle(job: Job, row: Row, under: str, at: int) -> None:
    """Killed half-way; every step is tried in tests/proofs."""
    assert row.ends is None
    assert job.run(under, Fault.KILL, at).code == -signal.SIGKILL
    assert job.run().code == 0
    assert job.is_right()
    assert job.most_asked == 1
    assert not [name for name in job.outputs() if name.startswith(".")]


@faults(
    Row(124, "The folder for temporary files is full or missing", "It is not used: working files lie in the home", 0),
    Row(125, "The output is there already", "It is replaced in one step, as the same command again is how to go on", 0),
    Row(126, "The output is a symbolic link", "The link is replaced; what it points at is not touched", 0),
    Row(127, "Home and outputs lie on different disks", "Drafts lie beside the outputs; nothing is moved across", 0),
)
def test_places_of_all_sorts(job: Job, row: Row) -> None:
    """Each run ends well, with the right rows."""
    precious = job.folder / "precious"
    precious.write_text("precious")
    if row.number == 125:
        job.out.write_text("older")
    if row.number == 126:
        job.out.symlink_to(precious)
    if row.number == 127:
        job.home = Path(tempfile.mkdtemp(dir=other_disk(job.folder)))
    try:
        ended = job.run(TMPDIR=str(job.folder / "missing"), TMP="", TEMP="")
    finally:
        if row.number == 127:
            shutil.rmtree(job.home)
    assert ended.code == row.ends, ended.said
    assert job.is_right()
    assert not job.out.is_symlink()
    assert precious.read_text() == "precious"
    assert len(job.outputs()) == 4


def other_disk(folder: Path) -> Path:
    """Return a folder on another disk."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == folder.stat().st_dev:
        pytest.skip("there is no other disk here")
    return other
