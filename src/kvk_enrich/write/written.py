"""What a writer says of the file it made."""

from dataclasses import dataclass
from pathlib import Path

from kvk_enrich import disk


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written: *sha256* of its bytes in hex, and its data *rows* (None for a page)."""

    path: Path
    sha256: str
    rows: int | None


def described(path: Path, rows: int | None) -> Written:
    """Read the file at *path* back and return what it is. Raises OSError."""
    return Written(path, disk.sha256(path), rows)
