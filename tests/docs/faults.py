"""
docs/faults.md: every fault of the catalogue, what the user gets, and whether a test plays it.

``python -m tests.docs.faults`` writes the file anew from the rows beside the tests (tests/faults).
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Final

from tests.docs import readme
from tests.faults.catalogue import PARTS, ROWS, Row

FILE: Final = readme.ROOT / "docs" / "faults.md"

_HEAD: Final = """\
# What can go wrong, and what you get then

Each fault has a number. *Tested* means that a test of the suite plays it and looks at what comes out; where a run ends
by it, *exit* is its code ([all codes](../README.md)). A fault that cannot happen here says why.

This page is made from the tests (`python -m tests.docs.faults`).
"""

_TITLES: Final = {
    "input": "The list",
    "network": "The network and the registers",
    "storage": "The disk",
    "process": "The process and the clock",
    "budget": "The money",
}


def rendered() -> str:
    """Return the page."""
    return "\n".join(_lines())


def rows() -> dict[int, Row]:
    """Return the rows of all parts, by number."""
    for part in PARTS:
        import_module(f"tests.faults.test_{part}")
    return ROWS


def _lines() -> Iterator[str]:
    known = rows()
    left_out = sum(1 for row in known.values() if row.why_not)
    yield _HEAD
    yield f"{len(known)} faults: {len(known) - left_out} tested, {left_out} that do not apply."
    for part, numbers in PARTS.items():
        yield f"\n## {_TITLES[part]}\n\n`tests/faults/test_{part}.py`\n"
        yield "| # | fault | what you get | exit | state |"
        yield "|---|---|---|---|---|"
        yield from (_line(known[number]) for number in numbers if number in known)
    yield ""


def _line(row: Row) -> str:
    ends = "" if row.ends is None else str(row.ends)
    if row.why_not:
        return f"| {row.number} | {_cell(row.fault)} | {_cell(row.why_not)} | | does not apply |"
    return f"| {row.number} | {_cell(row.fault)} | {_cell(row.expected)} | {ends} | tested |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(rendered(), encoding="utf-8")
