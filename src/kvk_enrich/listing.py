"""The list as a run sees it: staged with what each cell is, and the distinct numbers in it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from kvk_enrich import amounts, identify, own, readers, write
from kvk_enrich.columns import Column, schema
from kvk_enrich.compare import Comparison
from kvk_enrich.config import Job
from kvk_enrich.model import Kind
from kvk_enrich.progress import Progress

_PAIR = ("enrich_kind", "enrich_number", "enrich_other_kind", "enrich_other_number")


@dataclass(frozen=True, slots=True)
class Listed:
    """
    The list as it was read.

    Args:
        snapshot: The file it came from.
        staged: A private Parquet file: its rows, and what :func:`identify.identify` said of them.
        columns: Those that hold the numbers.
        rows: How many.
        numbers: ``kind, number, wanted``: distinct, in first-seen order; *wanted* is whether its row wants to know
            about the company of this number, or has a better one for that; in lists with pairs also ``profile``,
            the same of a branch's profile.
        layout: Of a text list that is compared, how its text is laid out.
        priorities: ``kind, number, priority`` (Float64): the highest of a number's rows; None: all are alike.
        comparisons: Which of its columns is compared with what, named as the list names them.
        pairs: The distinct ``enrich_*`` columns of rows, where two columns hold numbers.
        decimals: Of a workbook: the columns of numbers with decimals.
    """

    snapshot: readers.Snapshot
    staged: Path
    columns: tuple[str, ...]
    rows: int
    numbers: pl.DataFrame
    pairs: pl.DataFrame | None
    layout: readers.Layout | None = None
    comparisons: tuple[Comparison, ...] = ()
    priorities: pl.DataFrame | None = None
    decimals: Collection[str] = ()


def read(job: Job, added: tuple[Column, ...], folder: Path, progress: Progress) -> Listed:
    """
    Read the list of *job* into *folder*.

    Args:
        job: Which list, and what its columns mean.
        added: The columns that the outputs will have beside the list's own.
        folder: For the staged file.
        progress: Told what people should know of the list.

    Raises:
        InputRefused: it cannot be read without guessing.
    """
    snapshot = readers.snapshot(job.input, folder)
    rows = readers.read(
        snapshot,
        folder=folder,
        encoding=job.encoding,
        delimiter=job.delimiter,
        sheet=job.sheet,
        reserved=schema(added).keys(),
    )
    for note in rows.notes:
        progress.note(note)
    named = [identify.named_column(rows.columns, name) for name in job.columns]
    country = identify.named_column(rows.columns, job.country_column) if job.country_column else None
    comparisons = tuple(replace(each, column=identify.named_column(rows.columns, each.column)) for each in job.compare)
    columns = named or [identify.find_column(rows.frame, rows.columns, job.kind, country_column=country)]
    identified = identify.identify(rows.frame, columns, job.kind, country_column=country, strict=job.strict)
    priority = identify.named_column(rows.columns, job.priority_column) if job.priority_column else None
    if job.only_missing is not None:
        identified = _unselect(identified, identify.named_column(rows.columns, job.only_missing))
    staged = folder / "staged.parquet"
    identified.sink_parquet(staged, compression="lz4")
    if job.output.suffix.lower() != ".parquet":
        write.check_cells(pl.read_parquet_schema(staged))
    if job.output.suffix.lower() == ".xlsx":
        write.check_sheet(staged, added)
    lines = pl.scan_parquet(staged, glob=False)
    numbers, pairs = _numbers(lines)
    if named and numbers.is_empty():
        those = " and ".join(repr(name) for name in named)
        progress.note(f"No cell of column {those} holds a number: is it the right one?")
    return Listed(
        snapshot=snapshot,
        staged=staged,
        columns=tuple(columns),
        rows=int(lines.select(pl.len()).collect().item()),
        numbers=numbers,
        pairs=pairs,
        layout=_layout(job, snapshot, folder) if job.compare else None,
        comparisons=comparisons,
        priorities=_priorities(lines, priority) if priority else None,
        decimals=rows.decimals,
    )


def _priorities(lines: pl.LazyFrame, column: str) -> pl.DataFrame:
    """Return the highest value of *column* of each number; text that is no amount counts as blank."""
    read = lines.select(kind="enrich_kind", number="enrich_number", priority=own.column(column))
    cells = read.drop_nulls().collect(engine="streaming")
    values = cells.with_columns(priority=amounts.parsed(cells["priority"]))
    return values.drop_nulls().group_by("kind", "number").agg(pl.max("priority")).sort("kind", "number")


def _layout(job: Job, snapshot: readers.Snapshot, folder: Path) -> readers.Layout | None:
    if snapshot.path.suffix not in readers.TEXT_SUFFIXES:
        return None
    return readers.layout(snapshot, folder=folder, encoding=job.encoding, delimiter=job.delimiter)


def _unselect(identified: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """Take rows out of the job whose *column* is filled already."""
    schema = identified.collect_schema()
    cell = own.column(column)
    filled = cell.is_not_null()
    if schema[column] in (pl.String, pl.Categorical, pl.Enum):
        filled &= cell.cast(pl.String).str.strip_chars().fill_null("") != ""
    held = [name for name in _PAIR if name in schema]
    return identified.with_columns(
        *(pl.when(~filled).then(pl.col(name)).alias(name) for name in held),
        enrich_reason=pl.when(filled).then(pl.lit("not_selected")).otherwise("enrich_reason"),
    )


def _numbers(lines: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    if "enrich_other_number" not in lines.collect_schema():
        found = identify.distinct(lines).rename({"enrich_kind": "kind", "enrich_number": "number"})
        return found.with_columns(wanted=pl.lit(value=True)), None
    # Engines do not promise row order in a grouping; the row number does.
    pairs = (
        lines.filter(pl.col("enrich_number").is_not_null())
        .group_by(_PAIR)
        .agg(pl.col("enrich_row").min())
        .sort("enrich_row")
        .collect(engine="streaming")
    )
    kvk, branch = (
        [(pl.col(side) == kind).fill_null(value=False) for side in ("enrich_kind", "enrich_other_kind")]
        for kind in (Kind.KVK, Kind.BRANCH)
    )
    # The company is bought by its KVK number where the row has one, a branch's profile by the row's own branch.
    wanted = (kvk[0] | ~kvk[1], kvk[1])
    profile = (branch[0] | ~branch[1], branch[1])
    sides = [
        pairs.select("enrich_row", kind=kind, number=number, wanted=wanted[place], profile=profile[place])
        for place, (kind, number) in enumerate((_PAIR[:2], _PAIR[2:]))
    ]
    numbers = (
        pl.concat(sides)
        .drop_nulls("number")
        .group_by("kind", "number")
        .agg(pl.col("wanted").any(), pl.col("profile").any(), pl.col("enrich_row").min())
        .sort("enrich_row", "kind", "number")
        .drop("enrich_row")
    )
    return numbers, pairs.drop("enrich_row")
