from collections.abc import Callable
from pathlib import Path

import pytest

from kvk_enrich import readers


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., readers.Rows]:
    """Write bytes to a file, take it and read it."""

    def read(content: bytes, name: str = "list.csv", **options) -> readers.Rows:
        path = tmp_path / name
        path.write_bytes(content)
        return readers.read(readers.snapshot(path, tmp_path / "run"), folder=tmp_path / "run", **options)

    return read
