"""Counts the faults that passed, for the figures of a full run."""

from collections.abc import Generator
from typing import Final

import pytest
from tests import figures
from tests.faults.catalogue import PARTS, ROWS, Row

_SEEN: Final[dict[int, bool]] = {}


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
