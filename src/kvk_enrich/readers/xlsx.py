"""
Workbooks: one sheet becomes rows of text, read by a process of its own.

A workbook is a zip archive of XML, and a few kilobytes of it may stand for more cells than any memory holds. So a child
process reads it, under limits of memory and time, and leaves the rows as Parquet; when it dies, only this list is
refused.
"""

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from kvk_enrich import children
from kvk_enrich.errors import InputRefused, StorageError
from kvk_enrich.readers.rows import ROW, Rows, refuse_names
from kvk_enrich.readers.snapshots import Snapshot, create

SECONDS: Final = 300.0
"""How long a workbook may take; one of 200,000 rows and 50 columns takes a quarter of a minute."""

_CHILD: Final = "kvk_enrich.readers.xlsx_child"
_REMEDY: Final = "Copy the list into a new workbook, or save it as CSV."


class _Told(msgspec.Struct, frozen=True):
    """What :mod:`kvk_enrich.readers.xlsx_child` prints."""

    columns: list[str] = []
    notes: list[str] = []
    decimals: list[str] = []
    refused: str | None = None
    no_room: str | None = None


def read_xlsx(
    taken: Snapshot, *, folder: Path, sheet: str | None, reserved: Collection[str], seconds: float = SECONDS
) -> Rows:
    """Return the rows of a sheet; see :func:`kvk_enrich.readers.read`."""
    parsed = folder / "list.parquet"
    try:
        create(parsed).close()
    except OSError as error:
        raise StorageError(f"{parsed} cannot be written: {error.strerror}.") from error
    told = _told(taken, parsed, sheet, seconds)
    refuse_names(taken.original, told.columns, reserved)
    rows = pl.scan_parquet(parsed, glob=False, row_index_name=ROW, row_index_offset=1)
    return Rows(rows, told.columns, told.notes, told.decimals)


def _told(taken: Snapshot, parsed: Path, sheet: str | None, seconds: float) -> _Told:
    """Let the child read the workbook and return what it says."""
    asked = [str(taken.path), str(parsed), str(taken.original), *([] if sheet is None else [sheet])]
    try:
        child = subprocess.run(  # noqa: S603  our own interpreter and module, none of the folder it is started in
            [sys.executable, "-P", "-m", _CHILD, *asked],
            env=children.environment() | {"POLARS_MAX_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise InputRefused(f"{taken.original} took longer than {seconds:g} s to read. {_REMEDY}") from None
    if child.returncode:
        raise InputRefused(
            f"{taken.original} cannot be read: it is damaged, or far larger than it looks "
            f"(a cell far away from the others is enough). {_REMEDY}"
        )
    told = msgspec.json.decode(child.stdout, type=_Told)
    if told.no_room is not None:
        raise StorageError(f"{parsed} cannot be written: {told.no_room}.")
    if told.refused is not None:
        raise InputRefused(told.refused)
    return told
