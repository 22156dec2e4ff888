"""
Text lists: comma, semicolon or tab between the cells, everything kept as text.

The list is parsed once, into Parquet in the run's folder: so every fault shows before anything
is paid, and later stages can take slices of any size from anywhere.
"""

import csv
import io
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from kvk_enrich.errors import ConfigError, InputRefused, StorageError
from kvk_enrich.readers.encodings import Utf8, as_utf8
from kvk_enrich.readers.faults import first_fault, odd_quotes
from kvk_enrich.readers.rows import NAMED_BY_PLACE, ROW, Rows, named, refuse_data, refuse_names
from kvk_enrich.readers.snapshots import Snapshot, create

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
_NO_DELIMITER: Final = "\x1c"
"""Between the cells of a list with one column: a character that no list holds."""

_HEAD_BYTES: Final = 1 << 20
_HEAD_RECORDS: Final = 50
_ROWS_PER_GROUP: Final = 100_000
_SEP_LINE = re.compile('\ufeff?"?sep=(.)"?\r?\n', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Layout:
    """
    How a text list is laid out.

    Args:
        text: The list as UTF-8, and how it was written.
        separator: Between its cells.
        skip: Lines before the header.
        header: The names as they stand there.
        notes: What was decided on the way, a sentence each.
    """

    text: Utf8
    separator: str
    skip: int
    header: list[str]
    notes: list[str]


def read_csv(taken: Snapshot, *, folder: Path, encoding: str, delimiter: str | None, reserved: Collection[str]) -> Rows:
    """Return the rows of a text file; see :func:`kvk_enrich.readers.read`."""
    found = layout(taken, folder=folder, encoding=encoding, delimiter=delimiter)
    columns = named(taken.original, found.header)
    refuse_names(taken.original, columns, reserved)
    notes = [*found.notes, *([NAMED_BY_PLACE] if columns != found.header else [])]
    parsed = _parsed(found.text.path, taken.original, found.separator, columns, folder, skip=found.skip)
    return Rows(pl.scan_parquet(parsed, glob=False), columns, notes)


def layout(taken: Snapshot, *, folder: Path, encoding: str, delimiter: str | None) -> Layout:
    """
    Return how the text list that was *taken* is laid out; see :func:`kvk_enrich.readers.read`.

    Raises:
        ConfigError: *encoding* or *delimiter* is not a possible one.
        InputRefused: that cannot be said without guessing.
        StorageError: no room in *folder*.
    """
    text = as_utf8(taken.path, taken.original, encoding, folder)
    head = _head(text.path)
    notes = list(text.notes)
    sep_line = _SEP_LINE.match(head)
    if sep_line:
        head = head[sep_line.end() :]
        notes.append(f"The first line says what parts the cells ({_spoken(sep_line[1])}); it is not a row.")
    separator = _given(delimiter) or (sep_line[1] if sep_line else None)
    if separator is None:
        separator = _found(head, taken.original)
        notes.append(
            f"Columns are separated by {_spoken(separator)}."
            if separator != _NO_DELIMITER
            else "The list has one column."
        )
    header = _header(head, separator, taken.original)
    return Layout(text, separator, 1 if sep_line else 0, header, notes)


def _head(path: Path) -> str:
    """Return the first lines, whole ones unless a single line is longer than the limit."""
    with path.open("rb") as source:
        head = source.read(_HEAD_BYTES)
    if len(head) == _HEAD_BYTES and b"\n" in head:
        head = head[: head.rindex(b"\n") + 1]
    return head.decode("utf-8", "ignore").removeprefix("\ufeff")


def _given(delimiter: str | None) -> str | None:
    if delimiter is None:
        return None
    separator = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise ConfigError(f"input.delimiter: {delimiter!r} is not one ASCII character (a tab may be written as tab)")
    return separator


def _found(head: str, original: Path) -> str:
    """Return the delimiter that makes the first records as wide as the header."""
    records = {delimiter: _records(head, delimiter) for delimiter in _DELIMITERS}
    splitting = [delimiter for delimiter, rows in records.items() if rows and len(rows[0]) > 1]
    if not splitting:
        # Rows may be wider than a header of one name: then the delimiter shows in most of them.
        wide = [d for d, rows in records.items() if sum(len(row) > 1 for row in rows[1:]) * 2 > len(rows)]
        return wide[0] if len(wide) == 1 else _NO_DELIMITER
    if len(splitting) == 1:
        return splitting[0]
    even = [d for d in splitting if all(len(row) == len(records[d][0]) for row in records[d])]
    if len(even) == 1:
        return even[0]
    raise InputRefused(
        f"{original}: columns could be separated by {' or '.join(_spoken(d) for d in splitting)}. "
        "Say which with --delimiter ';' (or another character, or tab)."
    )


def _records(head: str, delimiter: str) -> list[list[str]]:
    """Return the first records that are not blank, the header first; as far as they can be read."""
    records: list[list[str]] = []
    try:
        for record in csv.reader(_lines(head), delimiter=delimiter):
            if record:
                records.append(record)
            if len(records) == _HEAD_RECORDS:
                break
    except csv.Error:  # a cell beyond the module's limit
        pass
    return records


def _lines(head: str) -> io.StringIO:
    """Return the text such that lines end where polars ends them: a carriage return alone is no end."""
    return io.StringIO(head, newline="\n")


def _header(head: str, separator: str, original: Path) -> list[str]:
    # polars would take what follows an open quote for the name of a column.
    lines = csv.reader(_lines(head), delimiter=separator, strict=True)
    try:
        header = next((record for record in lines if record), None)
    except csv.Error as error:
        raise InputRefused(f"{original}: the header line {_header_fault(error)}") from None
    if header is None:
        raise InputRefused(f"{original} has no header line: there is nothing but blank lines.")
    refuse_data(original, header, "line")
    return header


def _header_fault(error: csv.Error) -> str:
    if "end of data" in str(error):
        return "opens a quote that is never closed."
    if "new-line" in str(error):
        return "has a carriage return inside a cell: end all lines alike, or quote the cell."
    return "has text after a closing quote. Double the quotation marks inside a cell."


def _parsed(path: Path, original: Path, separator: str, columns: list[str], folder: Path, *, skip: int) -> Path:
    parsed = folder / "list.parquet"
    fault: Exception | None = None
    try:
        create(parsed).close()
        scan = pl.scan_csv(
            path,
            separator=separator,
            infer_schema=False,
            glob=False,
            skip_lines=skip,
            row_index_name=ROW,
            row_index_offset=1,
        )
        found = scan.collect_schema().names()[1:]
        if len(found) == len(columns):
            named = scan.rename(dict(zip(found, columns, strict=True)))
            named.sink_parquet(parsed, compression="lz4", row_group_size=_ROWS_PER_GROUP)
            if odd := odd_quotes(path, separator, len(columns), skip):
                raise InputRefused(f"{original}: {odd}")
            return parsed
    except OSError as error:
        raise StorageError(f"{parsed} cannot be written: {error}.") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if "os error" in str(error):  # polars tells a full disk as an error of its own
            raise StorageError(f"{parsed} cannot be written: {error}.") from error
        fault = error
    raise InputRefused(f"{original}: {first_fault(path, separator, len(columns), skip)}") from fault


def _spoken(delimiter: str) -> str:
    return _DELIMITERS.get(delimiter, f"character {delimiter!r}")
