"""
The enriched list: every row of the input, in its order, and what the register knows of it.

Row order survives neither a DuckDB join nor a streaming one unless paid for, so the list is joined in memory, slice by
slice, and the slices are fed to one streaming sink. Measured on 2 cores, 1M rows x 300k answers (4M x 1M), 52 columns
to zstd Parquet: this way 4.6 s (22 s); one ordered streaming join 7.5 s (29 s); in memory at once 4.0 s (31 s, and its
memory grows with the list); pyarrow's writer 6.2 s. Slices of 250k instead of 1M rows: a tenth longer, 500 MB less.
Side by side with tests/benchmarks/warm_run/by_hand.py, reading and joining included: the same time, four fifths of its
memory.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import polars as pl

from kvk_enrich.columns import Column, schema
from kvk_enrich.disk import os_errors
from kvk_enrich.errors import StorageError
from kvk_enrich.own import column
from kvk_enrich.write.cells import as_cell, fits, inert, inert_but_numbers, inert_names
from kvk_enrich.write.dialects import STANDARD, Dialect
from kvk_enrich.write.settle import KEY, key, settled
from kvk_enrich.write.slices import count, sliced
from kvk_enrich.write.written import Written, described

_DECIMALS: Final = r"^(-?\d+)\.(\d+)$"


def enriched(
    staged: Path,
    answers: pl.DataFrame,
    columns: Sequence[Column],
    output: Path,
    dialect: Dialect = STANDARD,
    *,
    decimals: Collection[str] = (),
) -> Written:
    """
    Write all rows of the list with *columns* added, as Parquet or CSV by the suffix of *output*.

    The list's own columns come first and are untouched: a CSV written from a CSV has their very texts. So a text in
    them that a spreadsheet would run as a formula stays as it was, in a standard CSV too: it came with the list, and
    whoever joins on that column later must find it again. In a CSV for spreadsheets it is made inert, and so is the
    name of a column; in our own columns such texts are made inert in every CSV (see :mod:`kvk_enrich.write.cells`).

    Args:
        staged: Parquet with, in input order, ``enrich_row`` (u32 from 1), the list's own columns, ``enrich_raw``,
            ``enrich_number``, ``enrich_kind``, ``enrich_reason``, ``enrich_note`` (all String).
        answers: One line per distinct (``enrich_kind``, ``enrich_number``), with every one of *columns* but the note.
        columns: What to add, in this order; enum columns stay enums and nested ones nested in Parquet.
        output: ``.parquet`` (zstd) or ``.csv`` (UTF-8, in *dialect*); an existing file is overwritten in place,
            so give it a draft of :mod:`kvk_enrich.write.publish`.
        dialect: Of a CSV.
        decimals: The list's own columns of numbers that are written out as text; see
            :class:`kvk_enrich.readers.Rows`.

    Raises:
        ValueError: A row has neither reason nor answer, a number has two answers, or the suffix is another one.
        StorageError: The written file does not hold all rows.
        OSError: It cannot be written.
    """
    suffix = output.suffix.lower()
    if suffix not in {".parquet", ".csv"}:
        raise ValueError(f"{suffix} is no format of the enriched list")
    if answers.select(pl.struct(*key(answers.columns)).n_unique()).item() != answers.height:
        raise ValueError("a number has two answers")
    lines = pl.scan_parquet(staged, glob=False)
    rows = count(lines)
    with os_errors():
        if suffix == ".csv":
            written = _csv(_with_commas(lines, dialect, decimals), answers, schema(columns), output, dialect)
        else:
            written = _parquet(lines, answers, schema(columns), output)
    if written != rows:  # pragma: no cover  takes a disk that lies
        raise StorageError(f"{output} holds {written} of {rows} rows: the disk lost some")
    return described(output, rows)


def _parquet(staged: pl.LazyFrame, answers: pl.DataFrame, added: dict[str, pl.DataType], output: Path) -> int:
    _in_slices(staged, answers, added).sink_parquet(output, compression="zstd", maintain_order=True)
    return count(pl.scan_parquet(output, glob=False))


def _csv(
    staged: pl.LazyFrame, answers: pl.DataFrame, added: dict[str, pl.DataType], output: Path, dialect: Dialect
) -> int:
    # Once per answer, not once per row: of our columns only the note differs between rows of one number.
    known = [name for name in answers.columns if name in added and name not in KEY]
    cells = answers.with_columns(as_cell(pl.col(name), added[name]).alias(name) for name in known)
    types = {name: cells.schema[name] if name in known else dtype for name, dtype in added.items()}
    texts = staged.with_columns(inert(pl.col("enrich_note")), *_own_cells(staged.collect_schema(), added, dialect))
    rows = _in_slices(texts, cells, types)
    if dialect.is_for_spreadsheets:
        rows = rows.rename(inert_names(rows.collect_schema()))
    rows.sink_csv(output, maintain_order=True, **asdict(dialect))
    return count(pl.scan_csv(output, infer_schema=False, glob=False, separator=dialect.separator))


def _with_commas(staged: pl.LazyFrame, dialect: Dialect, decimals: Collection[str]) -> pl.LazyFrame:
    """Return *staged* with numbers that are text as *dialect* writes those that are none."""
    if not dialect.decimal_comma:
        return staged
    return staged.with_columns(column(name).str.replace(_DECIMALS, "$1,$2") for name in decimals)


def _own_cells(staged: pl.Schema, added: Iterable[str], dialect: Dialect) -> Iterator[pl.Expr]:
    """Yield what a CSV cannot hold as text, and what a spreadsheet could run of the list's own as inert text."""
    for name, dtype in staged.items():
        if not fits(dtype):
            yield as_cell(column(name), dtype).alias(name)
    if dialect.is_for_spreadsheets:
        for name in _own(staged, added):
            if staged[name] in (pl.String, pl.Categorical, pl.Enum):
                yield inert_but_numbers(column(name).cast(pl.String)).alias(name)


def _own(staged: Iterable[str], added: Iterable[str]) -> list[str]:
    """Return the columns of the list itself."""
    ours = {"enrich_row", "enrich_raw", *KEY, *added}
    return [name for name in staged if name not in ours]


def _in_slices(staged: pl.LazyFrame, answers: pl.DataFrame, added: dict[str, pl.DataType]) -> pl.LazyFrame:
    """Return the enriched rows as a source that joins one slice at a time."""
    return sliced(staged, joining(staged, answers, added), filled="enrich_outcome")


def joining(
    staged: pl.LazyFrame, answers: pl.DataFrame, added: Mapping[str, pl.DataType]
) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    """
    Return how lines of *staged* become enriched rows: the list's own columns, then *added* with these dtypes.

    A line with neither reason nor answer has a null ``enrich_outcome``.
    """
    own = _own(staged.collect_schema(), added)
    keys = key(answers.columns)
    known = answers.lazy().select(*keys, *(name for name in added if name in answers.columns and name not in keys))

    def joined(rows: pl.LazyFrame) -> pl.LazyFrame:
        return settled(rows, known).select(
            *map(column, own), *(pl.col(name).cast(dtype) for name, dtype in added.items())
        )

    return joined
