"""What a writer says of the file it made."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


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
