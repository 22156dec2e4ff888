"""An open journal for each test that wants one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.state.parts import Desk, desk


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Desk]:
    """Return an open journal with an account and a run."""
    with desk(tmp_path / "home") as it:
        yield it
