"""Files on the disk: written for good, what their bytes are, and what goes wrong, in words."""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kvk_enrich.errors import StorageError

AGAIN: Final = "Make room or mend the disk, then give the same command again: what was answered is kept"

_WHY: Final = {
    errno.ENOENT: "its folder does not exist",
    errno.ENOTDIR: "its folder is a file",
    errno.EISDIR: "there is a folder of that name",
    errno.EACCES: "its folder is not writable for this user",
    errno.EPERM: "its folder is not writable for this user",
    errno.EROFS: "the disk is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "this user's share of the disk is full",
    errno.EFBIG: "this user may not write files of that size",
    errno.EIO: "the disk fails (input/output error)",
    errno.ENAMETOOLONG: "the name is too long",
}


def sync(path: Path) -> None:
    """Wait until the content of the file or folder *path* is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the SHA-256 of the file at *path*, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def why(error: OSError) -> str:
    """Return what is wrong."""
    return _WHY.get(error.errno or 0) or error.strerror or str(error)


@contextmanager
def os_errors() -> Iterator[None]:
    """Raise as OSError, errno and all, what polars 2.1 makes of one (a full disk: ComputeError for Parquet)."""
    try:
        yield
    except Exception as error:
        told = re.search(r"\(os error (\d+)\)|thrift: transport error", str(error))
        if told is None:
            raise
        number = int(told[1] or errno.EIO)
        raise OSError(number, os.strerror(number)) from error


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Raise as StorageError what goes wrong with the working files in *folder*."""
    try:
        with os_errors():
            yield
    except OSError as error:
        raise StorageError(f"{error.filename or folder} cannot be used: {why(error)}. {AGAIN}") from error


def is_same(path: Path, other: Path) -> bool:
    """Say whether both name one file: the same path, a link, another spelling."""
    return path == other or (path.exists() and other.exists() and path.samefile(other))
