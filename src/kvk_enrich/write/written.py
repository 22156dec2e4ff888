"""What a writer says of the file it made."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written: *sha256* of its bytes in hex, and its data *rows* (None for a page)."""

    path: Path
    sha256: str
    rows: int | None


def described(path: Path, rows: int | None) -> Written:
    """Read the file at *path* back and return what it is. Raises OSError."""
    with path.open("rb") as file:
        return Written(path, hashlib.file_digest(file, "sha256").hexdigest(), rows)


@contextlib.contextmanager
def os_errors() -> Iterator[None]:
    """Raise as OSError, errno and all, what polars 2.1 makes of one (a full disk: ComputeError for Parquet)."""
    try:
        yield
    except (pl.exceptions.ComputeError, OSError) as error:
        told = re.search(r"\(os error (\d+)\)", str(error))
        if told is None:
            raise
        number = int(told[1])
        raise OSError(number, os.strerror(number)) from error
