"""What goes wrong with the disk (102 to 127), played against the command line or the stores."""

import errno
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

import duckdb
import polars as pl
import pytest
from tests import here
from tests.faults.catalogue import Row, fault, faults, left_out
from tests.harness import Server, existing, record_of, serving, write_list
from tests.proofs import damages
from tests.simulators.storage import Ended, Fault, Rigged, rigged
from tests.state.parts import as_nobody, child, found, settlement

from kvk_enrich import cli
from kvk_enrich.clock import SystemClock
from kvk_enrich.errors import StorageError
from kvk_enrich.model import Secret
from kvk_enrich.state import cache
from kvk_enrich.state.home import Home, held
from kvk_enrich.state.journal import Journal, open_journal

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
    slow={104},
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


# -- what is kept is damaged, locked or strange -----------------------------------------------------


MORE: Final = existing(2, skip=3)
"""Answered to a run that was killed: the journal's write-ahead log alone has them."""


class Kept:
    """A home that knows three companies, and two more of a killed run; all five are in the list."""

    def __init__(self, root: Path, server: Server, listed: Path) -> None:
        """Take it over."""
        self.home, self.server, self.listed = Home(root), server, listed
        self._before = server.counts()

    def run(self, *options: str | Path) -> here.Said:
        """Run the list in this process."""
        where = ("--home", self.home.root, "-o", self.home.root / "o.csv")
        return here.command("run", self.listed, "--source", "practice", *where, *options)

    @property
    def asked(self) -> list[str]:
        """The numbers that were asked for since the damage."""
        return sorted((self.server.counts() - self._before).elements())

    def is_right(self) -> bool:
        """Say whether the output has each row once, in order, each with its answer."""
        rows = pl.read_csv(self.home.root / "o.csv", infer_schema=False)
        return rows["kvk"].to_list() == NUMBERS + MORE and set(rows["enrich_outcome"]) == {"found"}

    @property
    def used(self) -> int:
        """What the ledger says, after a run."""
        return int(record_of(self.home.root / "o.csv")["budget"]["used"])


@pytest.fixture(scope="module")
def filled(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The home to copy."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PRACTICE, server.url)
        first = Kept(folder / "first", server, write_list(folder / "first.csv", NUMBERS))
        first.home.root.mkdir()
        assert first.run().returncode == 0
        with closing(open_journal(first.home, SystemClock())) as journal:
            account = journal.account(
                f"practice@{server.url}",
                "default",
                Secret("practice"),
                requests_per_second=100,
                allowance=9,
                micro_eur=20_000,
            )
            run = journal.begin("killed", account, ceiling=None, source="list.csv")
            permits = journal.lease(run, account, len(MORE)).permits
            pairs = zip(permits, MORE, strict=True)
            journal.settle(run, account, [settlement(permit, found(number)) for permit, number in pairs])
            shutil.copytree(first.home.root, folder / "killed")
    return Kept(folder / "killed", server, write_list(folder / "list.csv", NUMBERS + MORE))


@pytest.fixture
def kept(filled: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """A copy of it."""
    monkeypatch.setenv(PRACTICE, filled.server.url)
    return Kept(Path(shutil.copytree(filled.home.root, tmp_path / "home")), filled.server, filled.listed)


@fault(109, "Another run holds the cache for longer than a minute", "Stopped: wait until it has finished", ends=8)
def test_held_by_a_live_run(kept: Kept, monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    """For an instant here."""
    monkeypatch.setattr(cache, "_WAIT_SECONDS", 0.05)
    with held(kept.home.locks / "cache", seconds=1, what="the cache"):
        ended = kept.run()
    assert ended.returncode == row.ends
    assert "in use by another run; try again" in ended.stderr
    assert kept.asked == []
    assert kept.run().returncode == 0


@fault(110, "A run was killed and left its lock files", "They hold nothing: the system let go of them", ends=0)
def test_held_by_a_dead_process(kept: Kept, row: Row) -> None:
    """The cache's lock, that of a run."""
    code = "import sys, signal, os; from filelock import FileLock; [FileLock(p, thread_local=False).acquire() for p in"
    with child(f"{code} sys.argv[1:]]; os.kill(os.getpid(), 9)", kept.home.locks / "cache") as process:
        assert process.wait(120) == -signal.SIGKILL
    ended = kept.run()
    assert (ended.returncode, kept.asked, kept.is_right()) == (row.ends, [], True)


left_out(
    111,
    "The home lies on a network drive",
    "Systems do not tell alike what a network drive is, and the default home is on none; a lock that a drive does not"
    " keep is noticed by the counts that are compared at every opening.",
)


@faults(
    Row(112, "The cache is damaged or cut off", "It is set aside and made anew from the journal; a note says where", 0),
    Row(120, "A list, a workbook or another database lies in the cache's place", "As a damaged cache: set aside", 0),
)
@pytest.mark.parametrize("change", [damages.cut, damages.zero_page, damages.parquet, damages.text])
def test_a_useless_cache(kept: Kept, change: damages.Change, row: Row) -> None:
    """What lies there is kept, nothing is asked again."""
    change(kept.home.cache, Random(4))
    content = kept.home.cache.read_bytes()
    for _ in range(2):  # a part that is read only later ends the first run, which then says: give the same again
        ended = kept.run()
        if ended.returncode == row.ends:
            break
        assert (ended.returncode, "give the same command again" in ended.stderr) == (7, True)
    assert ended.returncode == row.ends
    assert (kept.asked, kept.is_right(), kept.used) == ([], True, 5)
    aside = kept.home.set_aside()
    assert [path.read_bytes() for path in aside] == ([content] if aside else [])
    assert aside or change is damages.zero_page  # of a page that nothing uses


@faults(
    Row(113, "The cache's write-ahead log is damaged", "What it lost is noticed by counting, and taken over again", 0),
    Row(114, "The cache's write-ahead log is missing", "As a damaged one", 0),
    Row(115, "The cache's write-ahead log is that of another database", "As a damaged one", 0),
    slow={114, 115},
)
def test_a_useless_log_of_the_cache(kept: Kept, row: Row) -> None:
    """Left by a process that died while it took answers over."""
    damages.kill_while_absorbing(kept.home)
    log = kept.home.cache.with_name("cache.duckdb.wal")
    change = {113: damages.flipped, 114: damages.missing, 115: other_log}[row.number]
    change(log, Random(1))
    ended = kept.run()
    assert (ended.returncode, kept.asked, kept.is_right(), kept.used) == (row.ends, [], True, 5)


def other_log(path: Path, _chance: Random) -> None:
    """Be the log of another database."""
    other = path.with_name("other.duckdb")
    with closing(duckdb.connect(str(other))) as sql:
        sql.execute("CREATE TABLE answers AS SELECT range AS seq FROM range(99)")
        shutil.copy(f"{other}.wal", path)


left_out(
    116,
    "Opening the cache kills the process",
    "Not seen with DuckDB 2.0, in which damage of every kind is an error (tests/proofs/test_damage.py).",
)


@fault(117, "The cache is of an older version", "Its columns are made anew from the answers it keeps; no call", ends=0)
def test_an_older_cache(kept: Kept, row: Row) -> None:
    """It had other columns."""
    with closing(duckdb.connect(str(kept.home.cache))) as sql:
        sql.execute("UPDATE meta SET value = 'older' WHERE key = 'columns'")
        sql.execute("ALTER TABLE basisprofiel DROP COLUMN kvk_name")
    ended = kept.run()
    assert "brought up to date" in ended.stderr
    assert (ended.returncode, kept.asked, kept.is_right()) == (row.ends, [], True)


@fault(118, "The cache is of a newer version, of this program or of DuckDB", "Refused, untouched: update", ends=8)
@pytest.mark.parametrize("change", [damages.newer_cache, damages.newer_duckdb])
def test_a_newer_cache(kept: Kept, change: Callable[[Home, Random, damages.Foreign], None], row: Row) -> None:
    """It stays where it is."""
    change(kept.home, Random(), damages.Foreign(kept.home, kept.home))
    content = kept.home.cache.read_bytes()
    ended = kept.run()
    assert (ended.returncode, kept.asked) == (row.ends, [])
    assert "update" in ended.stderr
    assert kept.home.cache.read_bytes() == content


@fault(119, "The home was used with another register, test environment or key", "Their answers are kept apart: each"
       " register is asked for itself, each account has its own ledger", ends=0)  # fmt: skip
def test_another_environment(kept: Kept, monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    """Here the practice register of this process, which is not the one that answered before."""
    monkeypatch.delenv(PRACTICE)
    monkeypatch.setenv("KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS", "0")
    ended = kept.run()
    told = record_of(kept.home.root / "o.csv")
    assert (ended.returncode, kept.asked) == (row.ends, [])
    assert (told["numbers"]["cached"], told["calls"]["paid"], told["budget"]["used"]) == (0, 5, 5)


@fault(121, "The journal's write-ahead log is cut off or gone", "A note says how many answers are lost and asked"
       " again; what was spent is known from a second copy of the ledger", ends=0)  # fmt: skip
@pytest.mark.parametrize("change", [damages.missing, damages.zero_tail])
def test_a_torn_journal(kept: Kept, change: damages.Change, row: Row) -> None:
    """The two answers that only the log had are paid again, and somebody is told."""
    change(kept.home.journal.with_name("journal.sqlite-wal"), Random(2))
    ended = kept.run()
    assert f"newest answers ({len(kept.asked)})" in ended.stderr
    assert (ended.returncode, kept.is_right(), kept.used) == (row.ends, True, 5 + len(kept.asked))
    assert set(kept.asked) <= set(MORE)


@fault(122, "The journal is damaged in its middle", "Refused, untouched: restore it or move it away. Then the cache"
       " still has what it took over, and a second copy what was spent", ends=7)  # fmt: skip
def test_a_damaged_journal(kept: Kept, row: Row) -> None:
    """Nothing is asked before its user has decided."""
    assert kept.run().returncode == 0
    with kept.home.journal.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(bytes(4096))
    content = kept.home.journal.read_bytes()
    ended = kept.run()
    assert ended.returncode == row.ends
    assert "Restore it from a backup, or move it away" in ended.stderr
    assert kept.home.journal.read_bytes() == content
    for path in kept.home.root.glob("journal.sqlite*"):
        path.unlink()
    ended = kept.run()
    assert "had forgotten what was spent" in ended.stderr
    assert (ended.returncode, kept.asked, kept.is_right(), kept.used) == (0, [], True, 5)
