"""
Lists in, rows out: every format becomes a lazy frame with the list's own columns untouched.

::

    taken = readers.snapshot(Path("suppliers.csv"), folder)
    rows = readers.read(taken, folder=folder)
    rows.frame    # enrich_row (UInt32, from 1), then the list's own columns

A list that could only be read by guessing is refused before anything is asked or paid.
"""

from collections.abc import Collection
from pathlib import Path

from kvk_enrich.readers.csv import Layout, layout, read_csv
from kvk_enrich.readers.parquet import read_parquet
from kvk_enrich.readers.rows import Rows, named
from kvk_enrich.readers.snapshots import Snapshot, take
from kvk_enrich.readers.xlsx import read_xlsx

__all__ = ["TEXT_SUFFIXES", "Layout", "Rows", "Snapshot", "layout", "named", "read", "snapshot"]

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".xlsx")
"""What can be read."""


def snapshot(path: Path, folder: Path) -> Snapshot:
    """
    Copy the list at *path* into *folder*; all reading is done from the copy.

    Args:
        path: A regular file or a link to one, with a suffix of :data:`SUFFIXES`.
        folder: Private folder of this run, made when missing; the copy has mode 0600.

    Raises:
        InputRefused: not a readable regular file, empty, of another kind, or changing meanwhile.
        StorageError: the copy cannot be written.
    """
    return take(path, folder, SUFFIXES)


def read(
    taken: Snapshot,
    *,
    folder: Path,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    sheet: str | None = None,
    reserved: Collection[str] = (),
) -> Rows:
    """
    Read the list that was *taken*.

    Args:
        taken: What :func:`snapshot` returned.
        folder: Where intermediate files go; the rows are read from there, so keep it until they are written.
        encoding: Of a text file: utf-8, windows-1252, iso-8859-1, iso-8859-15, cp850 or utf-16.
        delimiter: Of a text file: one character; None finds out.
        sheet: Of a workbook: the sheet's name; None takes the first visible one.
        reserved: Names of the columns that will be added; the list may not have them.

    Returns:
        ``enrich_row`` (UInt32, 1 = first data row) and the list's own columns: text (String) from a
        text file or workbook, their own dtypes from Parquet. Every data row and every blank line is a row.

    Raises:
        ConfigError: *encoding* or *delimiter* is not a possible one.
        InputRefused: the list cannot be read without guessing.
        StorageError: no room in *folder*.
    """
    if taken.path.suffix == ".parquet":
        return read_parquet(taken, reserved=reserved)
    if taken.path.suffix == ".xlsx":
        return read_xlsx(taken, folder=folder, sheet=sheet, reserved=reserved)
    return read_csv(taken, folder=folder, encoding=encoding, delimiter=delimiter, reserved=reserved)
