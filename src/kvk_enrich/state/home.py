"""The home folder: where journal, cache, locks and private working files live. Nobody else may read it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from kvk_enrich.disk import why, working_in
from kvk_enrich.errors import StateInUse, StorageError

_OWNER_ONLY = 0o700

_ROOM = 4 << 20
"""For a hundred answers, each in a transaction of its own."""


@dataclass(frozen=True, slots=True)
class Home:
    """The paths below *root*."""

    root: Path

    @property
    def journal(self) -> Path:
        """The SQLite journal."""
        return self.root / "journal.sqlite"

    @property
    def tally(self) -> Path:
        """The second copy of the journal's present ledger."""
        return self.root / "journal.tally"

    @property
    def cache(self) -> Path:
        """The DuckDB cache."""
        return self.root / "cache.duckdb"

    @property
    def reserve(self) -> Path:
        """Room kept on the disk; see :meth:`keep_room`."""
        return self.root / "reserve"

    @property
    def locks(self) -> Path:
        """One lock file per live run, and the cache's."""
        return self.root / "locks"

    def keep_room(self) -> None:
        """
        Keep room for the answers that will be under way when the disk fills up: they are paid.

        Raises:
            StorageError: there is none.
        """
        try:
            if self.has_room():
                return
            self.reserve.touch(mode=0o600)
            self.reserve.write_bytes(bytes(_ROOM))
        except OSError as error:
            self.free_room()
            raise StorageError(
                f"the home {self.root} has no room for {_ROOM >> 20} MB: {why(error)}. Make room, or name another"
                " home with --home; nothing was asked"
            ) from error

    def has_room(self) -> bool:
        """Say whether that room is there, whole."""
        return self.reserve.exists() and self.reserve.stat().st_size == _ROOM

    def free_room(self) -> bool:
        """Let go of that room; False when it was gone before."""
        try:
            self.reserve.unlink()
        except OSError:
            return False
        return True

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """
        Yield a private folder for the working files of one run; it is gone afterwards.

        A killed run leaves its folder behind; the next one removes folders that no process holds.

        Raises:
            StorageError: the folder cannot be made, or the disk failed the work that was done meanwhile.
        """
        with working_in(self.root / "tmp"):
            folder, lock = self._made()
            try:
                self.sweep(keep=folder)
                yield folder
            finally:
                # The work is done: what cannot be cleaned up is left to the next run.
                with suppress(OSError):
                    lock.release()
                shutil.rmtree(folder, ignore_errors=True)

    def _made(self) -> tuple[Path, BaseFileLock]:
        """Make a folder with a lock in it that is held."""
        while True:
            folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.root / "tmp"))
            lock = lock_file(folder / ".lock")
            try:
                lock.acquire()
            except FileNotFoundError:
                continue  # taken for an orphan before it had its lock
            except OSError:
                folder.rmdir()
                raise
            return folder, lock

    def clear(self) -> None:
        """
        Remove all working files; those who call this hold the cache's lock, as its own lie there too.

        Raises:
            StateInUse: a process that lives has some: they hold its list.
        """
        self.sweep()
        for left in (self.root / "tmp").iterdir():
            if (left / ".lock").exists():
                raise StateInUse(f"another kvk-enrich uses the home {self.root}; try again when it has finished")
            if not left.is_dir():
                left.unlink(missing_ok=True)
            elif not left.name.startswith("run-") or any(left.iterdir()):  # an empty one is about to get its lock
                shutil.rmtree(left, ignore_errors=True)

    def set_aside(self) -> list[Path]:
        """Return the damaged files that were set aside: they hold what those they were taken for held."""
        return sorted(self.root.glob("*.quarantine-*"))

    def sweep(self, keep: Path | None = None) -> None:
        """
        Remove the folders of processes that died, but *keep*.

        Raises:
            StorageError: what is there cannot be listed.
        """
        with working_in(self.root / "tmp"):
            for folder in (self.root / "tmp").iterdir():
                # Looked at before its lock is: no run has a file before it has that.
                has_files = _has_files(folder)
                if folder == keep:
                    continue
                if (folder / ".lock").exists():
                    _remove_unless_held(folder)
                elif has_files and folder.name.startswith("run-"):  # half removed by its run
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    with suppress(OSError):  # of a run that died before it had its lock, if it is empty
                        folder.rmdir()


def _has_files(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:  # gone by now, or no folder
        return False


def _remove_unless_held(folder: Path) -> None:
    lock = lock_file(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()


def open_home(root: Path) -> Home:
    """
    Return the home at *root*, made if absent, readable by its owner only.

    Raises:
        StorageError: the folder cannot be made, is not a folder, holds other things, or belongs to somebody else.
    """
    home = Home(root)
    try:
        if not _is_ours(home):
            raise StorageError(
                f"{root} holds other files: a home is a folder of its own; name one with --home that is empty or new"
            )
        for folder in (root, home.locks, root / "tmp"):
            folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        if root.stat().st_uid != os.getuid():
            raise StorageError(f"the home folder {root} belongs to another user; name your own with --home")
        root.chmod(_OWNER_ONLY)
    except OSError as error:
        raise StorageError(
            f"the home folder {root} cannot be used: {error.strerror}; name another with --home"
        ) from error
    return home


def _is_ours(home: Home) -> bool:
    """Say whether the folder is not there yet, empty, or a home: what is not needed in a home is removed."""
    if not home.root.is_dir():
        return True
    names = {path.name for path in home.root.iterdir()} - {"lost+found"}  # a disk of its own has that
    return not names or any(name.startswith(("journal.", "cache.duckdb", home.locks.name)) for name in names)


def set_aside_name(path: Path) -> Path:
    """Return where the damaged file *path* is kept: see :meth:`Home.set_aside`."""
    return path.with_name(f"{path.name}.quarantine-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")


def lock_file(path: Path) -> BaseFileLock:
    """Return the lock at *path*, not yet taken: the kernel's own, readable by the owner only, of no one thread."""
    return FileLock(path, mode=0o600, thread_local=False)


@contextmanager
def held(path: Path, *, seconds: float, what: str) -> Iterator[None]:
    """
    Hold the lock file at *path*; the kernel frees it when the process dies.

    Raises:
        StateInUse: another process still held it after *seconds*; *what* names it to the user.
        StorageError: the lock file cannot be made.
    """
    lock = lock_file(path)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        raise StateInUse(f"{what} is in use by another run; try again when it has finished") from None
    except OSError as error:
        raise StorageError(f"{what} cannot be locked: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
