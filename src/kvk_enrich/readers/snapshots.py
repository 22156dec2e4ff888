"""The copy of the input that a run works on, so that a later change of the file cannot matter."""

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from kvk_enrich.errors import InputRefused, StorageError

_CHUNK: Final = 1 << 20

_KINDS = (
    (b"\x1f\x8b", "gzip-compressed: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed: unpack it first"),
    (b"BZh", "bzip2-compressed: unpack it first"),
    (b"\xfd7zXZ\x00", "xz-compressed: unpack it first"),
    (
        b"PK\x03\x04",
        "a spreadsheet (xlsx, ods) or a zip archive: give a spreadsheet the suffix .xlsx, or save it as CSV",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "an old (.xls) or encrypted Office file: save the sheet as XLSX without a password, or as CSV",
    ),
    (b"%PDF", "a PDF: ask for the list as CSV or Parquet"),
    (b"SQLite format 3", "an SQLite database: export the table as CSV or Parquet"),
    (b"ARROW1", "an Arrow file: save it as Parquet"),
    (b"PAR1", "Parquet: give it the suffix .parquet"),
)

_EXPECTED = {".parquet": (b"PAR1", "a Parquet file"), ".xlsx": (b"PK\x03\x04", "an XLSX workbook")}
"""How files of these suffixes begin; all others are text."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    A private copy of a list.

    Args:
        path: The copy, with the original's suffix in lower case.
        original: Where it came from, links followed.
        sha256: Of its bytes, in hexadecimal.
        size: In bytes.
    """

    path: Path
    original: Path
    sha256: str
    size: int


def take(path: Path, folder: Path, suffixes: Collection[str]) -> Snapshot:
    """Copy the file at *path*, with one of *suffixes*, into *folder*; see :func:`kvk_enrich.readers.snapshot`."""
    with _opened(path) as source:
        if path.suffix.lower() not in suffixes:
            raise InputRefused(
                f"{path}: only {', '.join(suffixes)} files can be read. Save the list as XLSX, CSV or Parquet."
            )
        before = os.fstat(source.fileno())
        _refuse_kind(path, before, source.read(16))
        source.seek(0)
        copy = folder / f"input{path.suffix.lower()}"
        sha256, size = _copied(source, copy)
        after = os.fstat(source.fileno())
    if size != before.st_size or _identity(before) != _identity(after) or _identity(after) != _identity_at(path):
        copy.unlink()
        raise InputRefused(f"{path} changed while it was read. Run again when nothing writes to it.")
    return Snapshot(copy, path.resolve(), sha256, size)


def _opened(path: Path) -> BinaryIO:
    try:
        # Not blocking: opening a pipe would wait for its writer, and it is refused anyway.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InputRefused(f"{path} cannot be opened: {error.strerror}.") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise InputRefused(f"{path} is a folder: name a file in it.")
    raise InputRefused(f"{path} is not a regular file but a pipe or device. Name a file.")


def _refuse_kind(path: Path, status: os.stat_result, beginning: bytes) -> None:
    if status.st_size == 0:
        raise InputRefused(f"{path} is empty.")
    magic, expected = _EXPECTED.get(path.suffix.lower(), (b"", "a text file"))
    if magic and beginning.startswith(magic):
        return
    kind = next((kind for known, kind in _KINDS if beginning.startswith(known)), None)
    if magic or kind:
        raise InputRefused(f"{path} is not {expected}; it is {kind or 'something else, perhaps a text file'}.")


def _copied(source: BinaryIO, copy: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    try:
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with create(copy) as target:
            for chunk in chunks(source):
                digest.update(chunk)
                target.write(chunk)
                size += len(chunk)
    except OSError as error:
        raise StorageError(f"{copy} cannot be written: {error.strerror}.") from error
    return digest.hexdigest(), size


def create(path: Path) -> BinaryIO:
    """Open a new file that only its owner can read."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def chunks(source: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of *source*, a megabyte at a time."""
    return iter(lambda: source.read(_CHUNK), b"")


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _identity_at(path: Path) -> tuple[int, ...]:
    try:
        return _identity(path.stat())
    except OSError:
        return ()
