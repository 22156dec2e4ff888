"""
The process that reads a workbook: ``python -m kvk_enrich.readers.xlsx_child WORKBOOK PARQUET NAME [SHEET]``.

It writes the rows of one sheet to PARQUET and says on standard output, as JSON, which ``columns`` it found, which of
them hold numbers with ``decimals``, and what it decided (``notes``), or why not: ``refused``, with NAME for the
workbook, or ``no_room``. Anything else, and any other end than exit code 0, means that the workbook could not be read.

The cells are read by calamine (through fastexcel): it runs no formula, follows no link and expands no entity.
"""

import contextlib
import json
import resource
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import fastexcel
import polars as pl

from kvk_enrich.errors import InputRefused
from kvk_enrich.readers.rows import NAMED_BY_PLACE, named, refuse_data

MEMORY_BYTES: Final = 4 << 30
"""Of address space. A sheet of 200,000 rows and 50 columns takes a half, 1.1 GB of it used."""

UNPACKED_BYTES: Final = 2 << 30
"""What the parts of a workbook may come to; that of the sheet above has 0.5 GB."""

_CPU_SECONDS: Final = 600
"""For a child whose parent was killed."""

_OTHERS = {
    "xl/workbook.bin": "a binary workbook (.xlsb)",
    "content.xml": "an OpenDocument file (.ods)",
    "word/document.xml": "a text document (.docx)",
}
_MIDNIGHT: Final = r"^(\d{4}-\d\d-\d\d) 00:00:00$"
_TIME_OF_DAY: Final = r"^1899-12-31 (\d\d:\d\d:\d\d(\.\d+)?)$"
"""A time without a day is on day 0."""

_FRACTION: Final = r"^-?\d+\.\d+$"


class Read(NamedTuple):
    """
    What is in a sheet.

    Args:
        rows: All String, empty ones kept.
        notes: What was decided on the way.
        decimals: The columns of numbers with decimals.
    """

    rows: pl.DataFrame
    notes: list[str]
    decimals: list[str]


class _Sheet(NamedTuple):
    name: str
    cells: pl.DataFrame
    notes: list[str]


def read(workbook: Path, original: Path, sheet: str | None) -> Read:
    """
    Return what is in a sheet.

    The first row that holds anything is the header. Numbers are written out without exponent and without ``.0``; dates
    and times are ISO 8601, midnight is the date alone. A formula is its last value; without one, or with an error such
    as #N/A, the cell is empty.

    Args:
        workbook: The file.
        original: What the user calls it.
        sheet: Its name; None for the first visible one.

    Raises:
        InputRefused: it is no workbook, is damaged or too large, or the sheet or its header are not clear.
    """
    _refuse_archive(workbook, original)
    try:
        book = fastexcel.read_excel(workbook)
        found = _sheet(book, original, sheet)
    except fastexcel.FastExcelError as error:
        raise InputRefused(f"{original} cannot be read as XLSX: it is cut off or damaged.") from error
    cells = found.cells.select(cell for cell in found.cells if cell.null_count() < len(cell))
    if cells.is_empty():
        raise InputRefused(f"{original}: sheet {found.name!r} is empty. Name another one with --sheet.")
    first = cells.select(pl.any_horizontal(pl.all().is_not_null()).arg_max()).item()
    header = [name or "" for name in cells.row(first)]
    refuse_data(original, header, "row")
    _refuse_title(original, header)
    columns = named(original, header)
    rows = cells.slice(first + 1).rename(dict(zip(cells.columns, columns, strict=True)))
    notes = found.notes + ([NAMED_BY_PLACE] if columns != header else [])
    decimals = _decimals(book, found, dict(zip(cells.columns, columns, strict=True)), first + 1)
    return Read(rows.select(_in_iso(column) for column in rows), notes, decimals)


def _refuse_archive(workbook: Path, original: Path) -> None:
    try:
        with zipfile.ZipFile(workbook) as archive:
            sizes = {part.filename.lower(): part.file_size for part in archive.infolist()}
            unpacked = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        raise InputRefused(f"{original} cannot be read as XLSX: it is cut off or damaged.") from None
    if "xl/workbook.xml" not in sizes:
        kind = next((kind for part, kind in _OTHERS.items() if part in sizes), "some other zip archive")
        raise InputRefused(f"{original} is not an XLSX workbook; it is {kind}. Save the sheet as XLSX, or as CSV.")
    if unpacked > UNPACKED_BYTES:
        raise InputRefused(
            f"{original} unpacks to {unpacked:,} bytes; {UNPACKED_BYTES:,} is the most that is read. "
            "Save the sheet as CSV or Parquet."
        )


def _sheet(workbook: fastexcel.ExcelReader, original: Path, wanted: str | None) -> _Sheet:
    names = workbook.sheet_names
    if wanted is not None:
        name = _named(names, original, wanted)
        return _Sheet(name, _loaded(workbook, name).to_polars(), [])
    for name in names:
        sheet = _loaded(workbook, name)
        if sheet.visible == "visible":
            others = [other for other in names if other != name]
            note = f"The list was read from sheet {name!r}; --sheet names another ({_quoted(others)})."
            return _Sheet(name, sheet.to_polars(), [note] if others else [])
    raise InputRefused(f"{original} has no visible sheet. Name one with --sheet: {_quoted(names)}.")


def _loaded(workbook: fastexcel.ExcelReader, name: str) -> fastexcel.ExcelSheet:
    return workbook.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")


def _named(names: Sequence[str], original: Path, wanted: str) -> str:
    alike = [name for name in names if name.strip().casefold() == wanted.strip().casefold()]
    if wanted in names:
        return wanted
    if len(alike) == 1:
        return alike[0]
    raise InputRefused(f"{original} has no sheet {wanted!r}; it has {_quoted(names)}. Name one with --sheet.")


def _refuse_title(original: Path, header: Sequence[str]) -> None:
    """One name above several columns is not their header."""
    names = [name for name in header if name]
    if len(names) == 1 and len(header) > 2:  # noqa: PLR2004  one column of two may well have no name
        raise InputRefused(
            f"{original}: the first row that is filled, {names[0]!r}, has one cell for {len(header)} columns: it looks "
            "like a title. Remove what stands above the header."
        )


def _in_iso(texts: pl.Series) -> pl.Series:
    """Return *texts* with bare dates and bare times where calamine wrote moments."""
    return texts.str.replace(_MIDNIGHT, "$1").str.replace(_TIME_OF_DAY, "$1")


def _decimals(
    workbook: fastexcel.ExcelReader, found: _Sheet, columns: Mapping[str, str], header_rows: int
) -> list[str]:
    """Return which of *columns*, named by their places, hold nothing but numbers, some of them with decimals."""
    likely = [name for name in columns if found.cells[name].str.contains(_FRACTION).any()]
    if not likely:
        return []
    # As text, a number and a text that looks like one are the same: so these columns are read once more.
    typed = workbook.load_sheet(
        found.name, header_row=None, skip_rows=header_rows, schema_sample_rows=None, use_columns=likely
    )
    return [columns[column.name] for column in typed.selected_columns if column.dtype == "float"]


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    with contextlib.suppress(ValueError):  # a lower limit holds already, or (macOS) none can be set
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main(workbook: str, parquet: str, original: str, sheet: str | None = None) -> None:
    """Read, write, and say what came of it."""
    _limit()
    told: dict[str, object]
    try:
        found = read(Path(workbook), Path(original), sheet)
        found.rows.write_parquet(parquet, compression="lz4")
        told = {"columns": found.rows.columns, "decimals": found.decimals, "notes": found.notes}
    except InputRefused as refusal:
        told = {"refused": str(refusal)}
    except (OSError, pl.exceptions.ComputeError) as error:
        told = {"no_room": str(error)}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
