"""The log of arrivals: the register's own account of who asked what, and when."""

import os
import weakref
from functools import lru_cache
from hashlib import sha256
from pathlib import Path


class ArrivalLog:
    """
    Appends one line for each request: boot-clock ns, number asked, path, start of the key's hash; tabs between.

    A line is one write on a descriptor opened for appending, so several registers may share a
    file, and a reader sees whole lines. The key itself is never written.
    """

    def __init__(self, path: Path) -> None:
        """Open *path*, made when it is not there."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        weakref.finalize(self, os.close, self._descriptor)

    def add(self, arrived_ns: int, number: str, path: str, key: str) -> None:
        """Append one line; *number* is empty where none was asked, *path* is as sent (percent-encoded)."""
        os.write(self._descriptor, f"{arrived_ns}\t{number}\t{path}\t{key_mark(key)}\n".encode())


@lru_cache(maxsize=64)
def key_mark(key: str) -> str:
    """Return what a key is called in the log: the first 8 hex digits of its SHA-256."""
    return sha256(key.encode()).hexdigest()[:8]
