"""
A patch: single cells of a list, with their old values and their new ones.

A line names the row, the column, what stands there now and what is to stand there. It is applied only where
the old value is met, and every other byte of the list stays as it was. The undo of a patch is a patch, too.
"""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import polars as pl

from kvk_enrich.errors import InputRefused
from kvk_enrich.own import SIGNS

COLUMNS: Final = ("row", "value", "number", "field", "column", "old", "new", "quoted")
"""Of a patch file: where, whose (as found, and as asked), what, and how the new cell was written in the list before."""

# What a spreadsheet takes for the beginning of a formula, and our guard itself.
_RISKY: Final = rf"((?:^|[;\r\n])[\s\"]*)([{SIGNS}'])"
_GUARDED: Final = re.compile(r"((?:^|[;\r\n])(?:[^\S\x1c-\x1f]|\")*)'")  # Python counts more signs as space than polars

_Record = tuple[list[str], str]


class Change(NamedTuple):
    """One line: *quoted* says whether the new cell is written in quotation marks; None: only where it must be."""

    row: int
    column: str
    old: str
    new: str
    quoted: bool | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """The text with its changes, and those whose old value was not met."""

    text: str
    done: int
    left: tuple[Change, ...]


def guarded(text: pl.Expr) -> pl.Expr:
    """Return *text* such that no spreadsheet runs it; :func:`read` takes the guard off again."""
    return text.str.replace_all(_RISKY, "$1'$2")


def read(text: str, separator: str = ",", *, skip: int = 0) -> list[Change]:
    """
    Return the changes of a patch file; *skip* is how many lines stand before its header.

    Raises:
        InputRefused: it is no patch.
    """
    # Lines end at line feeds only: a form feed or a carriage return may stand in a cell.
    lines = islice(io.StringIO(text, newline="\n"), skip, None)
    found = csv.DictReader(lines, delimiter=separator, strict=True)
    if not {"row", "column", "old", "new"} <= set(found.fieldnames or ()):
        raise InputRefused("this is no patch: a patch has the columns row, column, old and new")
    try:
        return [_change(line) for line in found]
    except (ValueError, TypeError, csv.Error) as error:
        raise InputRefused(f"line {found.line_num} of the patch cannot be read: {error}") from None


def _change(line: Mapping[str, str]) -> Change:
    old, new = (_GUARDED.sub(r"\1", line[name]) for name in ("old", "new"))
    return Change(
        int(line["row"]),
        _GUARDED.sub(r"\1", line["column"]),
        old,
        new,
        {"yes": True, "no": False}.get(line.get("quoted") or ""),
    )


def applied(text: str, separator: str, columns: Sequence[str], changes: Iterable[Change], *, skip: int = 0) -> Applied:
    """
    Return *text* with *changes* made where their old values stand.

    Args:
        text: A CSV with a header line; line ends and quotation marks are kept.
        separator: Between its cells.
        columns: What its columns are called.
        changes: At most one per cell.
        skip: Lines before the header.
    """
    by_row: dict[int, list[Change]] = {}
    for change in changes:
        by_row.setdefault(change.row, []).append(change)
    places = {column: place for place, column in enumerate(columns)}
    left, done = [], 0
    head, rows = _rows(text, separator, skip)
    parts = [head]
    for row, (cells, end) in enumerate(rows, 1):
        for change in by_row.pop(row, ()):
            place = places.get(change.column, len(cells))
            if place < len(cells) and cell_text(cells[place]) == change.old:
                cells[place] = _written(change.new, separator, quoted=_is_quoted(change, cells[place]))
                done += 1
            else:
                left.append(change)
        parts.append(separator.join(cells) + end)
    beyond = [change for rest in by_row.values() for change in rest]
    return Applied("".join(parts), done, (*left, *beyond))


def written(
    text: str, separator: str, columns: Sequence[str], changed: Collection[tuple[int, str]], *, skip: int = 0
) -> dict[tuple[int, str], bool]:
    """Return which of the cells *changed* (row and column) a list has, and whether in quotation marks."""
    places = {name: place for place, name in enumerate(columns) if name in {column for _, column in changed}}
    _, rows = _rows(text, separator, skip)
    return {
        (row, column): cells[place].startswith('"')
        for row, (cells, _) in enumerate(rows, 1)
        for column, place in places.items()
        if (row, column) in changed and place < len(cells)
    }


def cell_text(cell: str) -> str:
    """Return what a cell says that is written as *cell*."""
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _is_quoted(change: Change, cell: str) -> bool:
    """Return whether to write the new value in quotation marks: one that holds any is read without guessing then."""
    return change.quoted if change.quoted is not None else cell.startswith('"') or '"' in change.new


def _written(value: str, separator: str, *, quoted: bool) -> str:
    if quoted or value.startswith('"') or any(sign in value for sign in (separator, "\r", "\n")):
        return '"' + value.replace('"', '""') + '"'
    return value


def _rows(text: str, separator: str, skip: int) -> tuple[str, Iterator[_Record]]:
    """Return all up to the end of the header, as it is, and the rows below it."""
    records = _records(text, separator)
    above = [separator.join(cells) + end for cells, end in islice(records, skip)]
    for cells, end in records:
        above.append(separator.join(cells) + end)
        if above[-1].strip("\ufeff\r\n"):
            break
    return "".join(above), records


def _records(text: str, separator: str) -> Iterator[_Record]:
    """Yield the cells of each record as they are written, and its line end; a carriage return alone is none."""
    sign = re.escape(separator)
    cell = re.compile(rf'("(?:[^"]|"")*"|(?:[^{sign}\r\n]|\r(?!\n))*)({sign}|\r?\n|\Z)')
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end]
        if '"' not in line:
            bare = line.removesuffix("\n").removesuffix("\r") if line.endswith("\n") else line
            yield bare.split(separator), line[len(bare) :]
            at = end
            continue
        cells = []
        for found in cell.finditer(text, at):
            cells.append(found[1])
            at = found.end()
            if found[2] != separator:
                break
        yield cells, found[2]
