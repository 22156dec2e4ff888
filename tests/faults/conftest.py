"""Who plays in the rows of the catalogue; and a count of those that passed, for the figures of a full run."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest
from tests import figures
from tests.faults.catalogue import PARTS, ROWS, Row
from tests.faults.practised import SLOW, User
from tests.harness import Server, judging, serving

_SEEN: Final[dict[int, bool]] = {}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One practice register for all: quick, but for the first answer about the numbers that are slow."""
    options = ["--latency", "0.03", "--per-second", "10000", "--fault", f"number={','.join(SLOW)} delay=15 times=1"]
    with serving(tmp_path_factory.mktemp("register"), *options) as register:
        yield register


@pytest.fixture
def user(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> User:
    """Somebody with an empty home."""
    return User(tmp_path, server, monkeypatch)


@pytest.fixture
def timed_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    """Somebody whose register tells arrivals by the kernel's own stamps: it may stand still itself."""
    with judging(tmp_path, latency=0.03) as register:
        yield User(tmp_path, register, monkeypatch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether every test of a row passed."""
    report = yield
    row = item.callspec.params.get("row") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    if isinstance(row, Row) and (report.when == "call" or not report.passed):
        _SEEN[row.number] = _SEEN.get(row.number, True) and report.passed
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep the count of a full run of the whole catalogue."""
    if session.config.getoption("--torture") and len(ROWS) == sum(map(len, PARTS.values())):
        applies = [number for number, row in ROWS.items() if not row.why_not]
        figures.record("catalogue", applies=len(applies), passed=sum(_SEEN.get(number, False) for number in applies))
