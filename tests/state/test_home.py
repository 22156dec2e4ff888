"""The home folder: private, locked by the kernel, swept of what killed runs left."""

import errno
import os
from pathlib import Path

import polars as pl
import pytest
from filelock import UnixFileLock
from tests.state.parts import as_nobody, child, modes, said

from kvk_enrich.errors import StateInUse, StorageError
from kvk_enrich.state.home import Home, held, open_home


def test_the_home_is_made_for_its_owner_alone(tmp_path: Path):
    """All folders are 0700, whatever the umask; the folders above are made as needed."""
    before = os.umask(0)
    try:
        home = open_home(tmp_path / "a" / "b" / "home")
    finally:
        os.umask(before)
    assert {mode for _, mode in modes(home.root)} == {0o700}


def test_an_open_home_is_closed_to_others(tmp_path: Path):
    """A folder that others could read is made private."""
    tmp_path.chmod(0o755)
    open_home(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("made", [["notes.txt"], ["tmp/run-1/notes.txt"], ["reserve"], [".hidden"]])
def test_a_folder_of_other_things_is_no_home(tmp_path: Path, made: list[str]):
    """What a home removes or replaces could be somebody's work."""
    (folder := tmp_path / "work").mkdir(mode=0o755)
    for name in made:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    with pytest.raises(StorageError, match="name one with --home that is empty or new"):
        open_home(folder)
    assert [(folder / name).read_text() for name in made] == ["mine"] * len(made)
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("left", ["journal.sqlite", "journal.tally", "cache.duckdb", "locks/cache"])
def test_whatever_is_left_of_a_home_is_one(tmp_path: Path, left: str):
    """Restored from a backup, or killed while it was made."""
    (tmp_path / "home" / left).parent.mkdir(parents=True)
    (tmp_path / "home" / left).write_text("")
    assert open_home(tmp_path / "home").locks.is_dir()


def test_a_disk_of_its_own_is_a_home(tmp_path: Path):
    """It is empty but for what file systems put there."""
    (tmp_path / "disk" / "lost+found").mkdir(parents=True)
    assert open_home(tmp_path / "disk").locks.is_dir()


def test_a_file_in_its_place_is_refused(tmp_path: Path):
    """A home that is a file is an error of storage that names the way out."""
    (tmp_path / "home").write_text("")
    with pytest.raises(StorageError, match="--home"):
        open_home(tmp_path / "home")


def test_a_home_of_somebody_else_is_refused(tmp_path: Path):
    """Answers are not written into a folder of another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    open_home(tmp_path / "home")
    os.chown(tmp_path / "home", 65534, 65534)
    with pytest.raises(StorageError, match="another user"):
        open_home(tmp_path / "home")


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path):
    """No right to write is an error of storage."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with as_nobody(), pytest.raises(StorageError):
        open_home(locked / "home")


def test_what_a_disk_does_to_the_work_is_told_in_a_sentence(tmp_path: Path):
    """Also when polars says it, with or without a number."""
    for error in (
        OSError(errno.ENOSPC, "x", str(tmp_path / "list.parquet")),
        pl.exceptions.ComputeError("No space left on device (os error 28): list.parquet"),
    ):
        with pytest.raises(StorageError, match=r"(list\.parquet|tmp) cannot be used: the disk is full\. Make room"):
            work(tmp_path, error)
    with pytest.raises(StorageError, match="the disk fails"):
        work(tmp_path, pl.exceptions.ComputeError("parquet: Invalid thrift: transport error"))
    with pytest.raises(pl.exceptions.ComputeError, match="a bug"):
        work(tmp_path, pl.exceptions.ComputeError("a bug"))
    assert list((tmp_path / "tmp").iterdir()) == []


def work(root: Path, error: Exception) -> None:
    """Do some work that fails."""
    with open_home(root).workspace():
        raise error


def test_a_folder_without_a_lock_is_swept_if_it_is_empty(tmp_path: Path):
    """Its run died, or found the disk full, before it could make one."""
    home = open_home(tmp_path)
    (tmp_path / "tmp" / "run-died").mkdir()
    (tmp_path / "tmp" / "other").mkdir()
    (tmp_path / "tmp" / "other" / "file").touch()
    with home.workspace():
        pass
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["other"]


def test_a_workspace_is_private_and_gone_afterwards(tmp_path: Path):
    """Working files live in a folder of their own for as long as the run."""
    home = open_home(tmp_path)
    with home.workspace() as folder:
        (folder / "staged.parquet").write_text("")
        assert folder.parent == home.root / "tmp"
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list((home.root / "tmp").iterdir()) == []


def test_a_workspace_is_gone_after_an_error(tmp_path: Path):
    """A failing run leaves no working files."""
    home = open_home(tmp_path)
    with pytest.raises(RuntimeError), home.workspace():
        raise RuntimeError
    assert list((home.root / "tmp").iterdir()) == []


WORKING = """
import sys
from pathlib import Path
from kvk_enrich.state.home import held, open_home
home = open_home(Path(sys.argv[1]))
with home.workspace() as folder, held(home.locks / "cache", seconds=0, what="the cache"):
    print(folder, flush=True)
    sys.stdin.readline()
"""


def test_a_workspace_that_was_half_removed_goes_too(tmp_path: Path):
    """Its lock is gone already; what is not of a run is left alone."""
    home = open_home(tmp_path)
    half, other = tmp_path / "tmp" / "run-half", tmp_path / "tmp" / "other"
    for folder in (half, other):
        folder.mkdir()
        (folder / "list.csv").write_text("kvk\n")
    with home.workspace():
        assert (half.exists(), other.exists()) == (False, True)


def test_what_cannot_be_cleaned_up_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The work was done; the next run removes what is left."""

    def broken(_lock: UnixFileLock) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    home = open_home(tmp_path)
    with monkeypatch.context() as failing, home.workspace() as folder:
        failing.setattr(UnixFileLock, "_release", broken)
    with home.workspace():
        assert not folder.exists()


def test_a_killed_run_s_workspace_is_swept_a_live_one_s_kept(tmp_path: Path):
    """The next run removes folders that no process holds, and only those."""
    home = open_home(tmp_path)
    with child(WORKING, home.root) as process:
        left = Path(said(process))
        with home.workspace():
            assert left.is_dir()
    assert left.is_dir()
    with home.workspace():
        assert not left.exists()


def test_a_lock_is_waited_for_and_dies_with_its_process(tmp_path: Path):
    """While another process holds the lock we say so; its death frees it."""
    home = open_home(tmp_path)
    with child(WORKING, home.root) as process:
        said(process)
        with (
            pytest.raises(StateInUse, match="the cache is in use"),
            held(home.locks / "cache", seconds=0.05, what="the cache"),
        ):
            pass
    with held(home.locks / "cache", seconds=1, what="the cache"):
        pass


def test_a_lock_is_free_after_an_error(tmp_path: Path):
    """An error inside lets go of the lock."""
    for _ in range(2):
        with pytest.raises(RuntimeError), held(tmp_path / "lock", seconds=0, what="it"):
            raise RuntimeError
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_that_cannot_be_made_is_an_error_of_storage(tmp_path: Path):
    """A file where the folder of locks should be is told as what it is."""
    (tmp_path / "locks").write_text("")
    with (
        pytest.raises(StorageError, match="it cannot be locked"),
        held(Home(tmp_path).locks / "it", seconds=0, what="it"),
    ):
        pass
