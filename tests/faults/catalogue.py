"""
The catalogue of faults: what can go wrong, and what the user gets then.

A row is written beside the test that plays it, so that one cannot change without the other::

    @fault(17, "The list has no bytes, or line ends only", "Refused: the list is empty", ends=9)
    def test_empty(row: Row, home: Path): ...
        assert done.returncode == row.ends

A test that plays several faults is given several rows (``@faults(Row(...), Row(...))``). Rows that do not
apply here say why (``left_out``). ``python -m tests.docs.faults`` makes docs/faults.md from all of them.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

import pytest

PARTS: Final = {"input": range(1, 53), "network": range(53, 102), "storage": range(102, 128)} | {
    "process": range(128, 146),
    "budget": range(146, 154),
}
"""The parts of the catalogue and their numbers; each part is a test file here."""


class Row(NamedTuple):
    """
    One fault.

    Args:
        number: Its place in the catalogue.
        fault: What goes wrong, as a noun or a short sentence.
        expected: What the user gets.
        ends: Exit code of the run; None where no run ends by it.
        why_not: Why it cannot happen here or is not handled; empty: a test plays it.
    """

    number: int
    fault: str
    expected: str
    ends: int | None = None
    why_not: str = ""


ROWS: Final[dict[int, Row]] = {}
"""All rows of the test files imported so far, by number."""


def fault(number: int, what: str, expected: str, ends: int | None = None) -> pytest.MarkDecorator:
    """Say that the test plays this fault; it gets the row as its argument ``row``."""
    return faults(Row(number, what, expected, ends))


def faults(*rows: Row, slow: Collection[int] = ()) -> pytest.MarkDecorator:
    """Say that the test plays each of these faults in turn; those that take long and show little more are *slow*."""
    for row in rows:
        _enter(row)
    return pytest.mark.parametrize(
        "row",
        [
            pytest.param(row, id=f"B{row.number}", marks=[pytest.mark.slow] if row.number in slow else [])
            for row in rows
        ],
    )


def left_out(number: int, what: str, why: str) -> None:
    """Say why a fault of the catalogue is not played."""
    _enter(Row(number, what, "", why_not=why))


def _enter(row: Row) -> None:
    if ROWS.setdefault(row.number, row) != row:
        raise ValueError(f"two tests claim fault {row.number}")
