"""
A patch: single cells of a list, with their old values and their new ones.

A line names the row, the column, what stands there now and what is to stand there. It is applied only where
the old value is met, and every other byte of the list stays as it was. The undo of a patch is a patch, too.
"""

import csv
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import polars as pl

from kvk_enrich.errors import InputRefused

COLUMNS: Final = ("row", "value", "number", "field", "column", "old", "new", "quoted")
"""Of a patch file: where, whose (as found, and as asked), what, and how the new cell was written in the list before."""

_RISKY: Final = r"(^|[;\r\n]\s*)([=+\-@\t\r\n'＝＋－＠])"  # noqa: RUF001  the full-width forms are meant
_GUARDED: Final = re.compile(r"(^|[;\r\n]\s*)'")


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


def read(lines: Iterable[str], separator: str = ",") -> list[Change]:
    """
    Return the changes of a patch file.

    Raises:
        InputRefused: it is no patch.
    """
    found = csv.DictReader(lines, delimiter=separator, strict=True)
    if not {"row", "column", "old", "new"} <= set(found.fieldnames or ()):
        raise InputRefused("this is no patch: a patch has the columns row, column, old and new")
    try:
        return [_change(line) for line in found]
    except (ValueError, TypeError, csv.Error) as error:
        raise InputRefused(f"line {found.line_num} of the patch cannot be read: {error}") from None


def _change(line: Mapping[str, str]) -> Change:
    old, new = (_GUARDED.sub(r"\1", line[name]) for name in ("old", "new"))
    return Change(int(line["row"]), line["column"], old, new, {"yes": True, "no": False}.get(line.get("quoted") or ""))


def applied(text: str, separator: str, changes: Iterable[Change], *, skip: int = 0) -> Applied:
    """
    Return *text* with *changes* made where their old values stand.

    Args:
        text: A CSV with a header line; line ends and quotation marks are kept.
        separator: Between its cells.
        changes: At most one per cell.
        skip: Lines before the header.
    """
    by_row: dict[int, list[Change]] = {}
    for change in changes:
        by_row.setdefault(change.row, []).append(change)
    parts, left, done = [], [], 0
    records = _records(text, separator)
    parts += [_joined(*next(records), separator) for _ in range(skip)]
    header, end = next(records, ([], ""))
    parts.append(_joined(header, end, separator))
    places = {cell_text(cell).removeprefix("\ufeff"): place for place, cell in enumerate(header)}
    row = 0
    for row, (cells, end) in enumerate(records, 1):
        for change in by_row.pop(row, ()):
            place = places.get(change.column, len(cells))
            if place < len(cells) and cell_text(cells[place]) == change.old:
                quoted = cells[place].startswith('"') if change.quoted is None else change.quoted
                cells[place] = _written(change.new, separator, quoted=quoted)
                done += 1
            else:
                left.append(change)
        parts.append(_joined(cells, end, separator))
    beyond = [change for rest in by_row.values() for change in rest]
    return Applied("".join(parts), done, (*left, *beyond))


def quoted_cells(
    text: str, separator: str, rows: Collection[int], columns: Collection[str], *, skip: int = 0
) -> Callable[[int, str], bool]:
    """Return whether the cell of a row (of *rows*) and column (of *columns*) is written in quotation marks."""
    if '"' not in text:
        return lambda _row, _column: False
    records = _records(text, separator)
    for _ in range(skip):
        next(records)
    header, _ = next(records)
    places = {cell_text(cell).removeprefix("\ufeff"): place for place, cell in enumerate(header)}
    wanted = [(column, places[column]) for column in columns if column in places]
    quoted = {
        (row, column)
        for row, (cells, _) in enumerate(records, 1)
        if row in rows
        for column, place in wanted
        if place < len(cells) and cells[place].startswith('"')
    }
    return lambda row, column: (row, column) in quoted


def cell_text(cell: str) -> str:
    """Return what a cell says that is written as *cell*."""
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _written(value: str, separator: str, *, quoted: bool) -> str:
    if quoted or value.startswith('"') or any(sign in value for sign in (separator, "\r", "\n")):
        return '"' + value.replace('"', '""') + '"'
    return value


def _records(text: str, separator: str) -> Iterator[tuple[list[str], str]]:
    """Yield the cells of each record as they are written, and its line end."""
    cell = re.compile(rf'("(?:[^"]|"")*"|[^{re.escape(separator)}\r\n]*)({re.escape(separator)}|\r\n|\n|\r|\Z)')
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end]
        if '"' not in line:
            bare = line.rstrip("\r\n")
            yield bare.split(separator), line[len(bare) :]
            at = end
            continue
        cells = []
        while True:
            found = cell.match(text, at)
            if found is None:
                raise InputRefused(f"the list cannot be read near {text[at : at + 40]!r}")
            cells.append(found[1])
            at = found.end()
            if found[2] != separator:
                break
        yield cells, found[2]


def _joined(cells: list[str], end: str, separator: str) -> str:
    return separator.join(cells) + end
