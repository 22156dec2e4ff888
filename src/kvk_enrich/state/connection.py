"""One connection to a SQLite file: short transactions, a sync of its own, and errors in the program's words."""

import os
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from kvk_enrich.disk import AGAIN, why
from kvk_enrich.errors import StateInUse, StorageError

BUSY_SECONDS: Final = 30


class Connection:
    """
    One connection to the file, used by one thread at a time.

    A commit is written but not synced (it survives kill -9): so nobody who holds the lock waits for
    the disk. What must survive a power cut as well is synced afterwards, outside all locks.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; it is there and checked."""
        self._path = path
        self._process = os.getpid()
        self._lock = threading.Lock()
        with storage_errors(path):
            self._sql = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._sql.execute("PRAGMA synchronous = NORMAL")
            # Text that is damaged is for those to notice who know what it should be.
            self._sql.text_factory = partial(str, encoding="utf-8", errors="replace")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for writing; all that is done within counts, or nothing."""
        self._check_process()
        with self._lock, storage_errors(self._path):
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                yield self._sql
                self._sql.execute("COMMIT")
            except BaseException:
                if self._sql.in_transaction:  # a disk that is full or fails may have rolled back by itself
                    self._sql.execute("ROLLBACK")
                raise

    def rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[object, ...]]:
        """Return what a question brings."""
        self._check_process()
        with self._lock, storage_errors(self._path):
            return self._sql.execute(sql, parameters).fetchall()

    def sync(self) -> None:
        """
        Return when all that was committed is on disk.

        The write-ahead log is synced through a descriptor of our own; SQLite keeps its locks on the
        other two files. What a checkpoint has moved out of the log SQLite has synced itself.
        """
        with storage_errors(self._path):
            log = os.open(f"{self._path}-wal", os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)

    @property
    def is_inherited(self) -> bool:
        """Say whether this process was forked from the one that opened the file: its locks are not ours."""
        return os.getpid() != self._process

    def close(self) -> None:
        """Let go of the file."""
        if not self.is_inherited:
            self._sql.close()

    def _check_process(self) -> None:
        if self.is_inherited:
            raise StorageError(
                f"the journal {self._path} was opened by process {self._process}, of which this one is a fork;"
                " start a run in the process that does it"
            )


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Raise what goes wrong with the file at *path* as StateInUse or StorageError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise StateInUse(f"the journal {path} is held by another program; try again later") from error
        raise StorageError(f"the journal {path} cannot be used: {error}. {AGAIN}") from error
    except (sqlite3.Error, zlib.error) as error:
        raise StorageError(
            f"the journal {path} cannot be used: {error}. Restore it from a backup, or move it away, and"
            " what lies beside it as -wal and -shm: the cache keeps what it has taken over, and the ledger of this"
            " month is made anew from its second copy"
        ) from error
    except OSError as error:
        raise StorageError(f"the journal {path} cannot be used: {why(error)}. {AGAIN}") from error
