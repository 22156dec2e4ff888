"""
What differs between the list's own columns and the register: marked on every row, listed, and as a patch.

The list is staged anew with a column per comparison, slice by slice; all that follows reads those verdicts.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from kvk_enrich import compare, own, patch
from kvk_enrich.columns import Column
from kvk_enrich.compare import Comparison
from kvk_enrich.write.settle import key, settled
from kvk_enrich.write.slices import ROWS, count, sliced
from kvk_enrich.write.written import Written, described

_CHANGES = {
    "row": pl.UInt32(),
    "value": pl.String(),
    "kind": pl.String(),
    "number": pl.String(),
    "field": pl.String(),
    "column": pl.String(),
    "ours": pl.String(),
    "theirs": pl.String(),
    "verdict": compare.VERDICT,
    "similarity": pl.Float64(),
    "fetched_at": pl.Datetime("us", "UTC"),
}
_TO_PATCH = (compare.CHANGED, compare.MISSING_HERE)


def columns(comparisons: Sequence[Comparison]) -> tuple[Column, ...]:
    """Return the columns that *comparisons* add to every row."""
    return tuple(
        Column(each.verdict, compare.VERDICT, f"how {each.column!r} differs from the register's {each.field.name}")
        for each in comparisons
    )


def needed(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the output columns that *comparisons* are made from."""
    return list(dict.fromkeys(name for each in comparisons for name in each.field.needs))


def marked(staged: Path, answers: pl.DataFrame, comparisons: Sequence[Comparison], path: Path) -> Path:
    """
    Stage the list anew at *path*, with a ``cmp_`` column per comparison.

    Args:
        staged: As for :func:`kvk_enrich.write.enriched.enriched`.
        answers: One line per distinct number, with the columns :func:`needed`.
        comparisons: Which own column goes with which field.
        path: The file to write.

    Raises:
        OSError: It cannot be written.
    """
    rows = pl.scan_parquet(staged, glob=False)
    verdicts = [compare.verdict(each).alias(each.verdict) for each in comparisons]
    names = rows.collect_schema().names()

    def joined(part: pl.LazyFrame) -> pl.LazyFrame:
        told = _known(part, answers, comparisons).select("enrich_row", *verdicts)
        return pl.concat([part.select(own.columns(names)), told.drop("enrich_row")], how="horizontal")

    sliced(rows, joined).sink_parquet(path, compression="lz4", maintain_order=True)
    return path


def changes(found: pl.DataFrame, path: Path) -> Written:
    """
    Write every difference as Parquet (zstd).

    Raises:
        OSError: It cannot be written.
    """
    found.write_parquet(path, compression="zstd")
    return described(path, found.height)


def differences(marks: Path, answers: pl.DataFrame, comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """
    Return every difference, a line each: by row, then in the order of *comparisons*.

    Its columns: ``row`` (1 = first data row), ``value`` (the cell with the number, as found), ``kind``, ``number``,
    ``field`` and ``column`` (what was compared), ``ours`` (as found) and ``theirs``, ``verdict`` (never *same*),
    ``similarity`` (of names; 0 to 1), ``fetched_at`` (UTC).
    """
    rows = pl.scan_parquet(marks, glob=False)
    differing = pl.any_horizontal(pl.col(each.verdict) != compare.SAME for each in comparisons)
    found = [
        line
        for start in range(0, count(rows), ROWS)
        for line in _lines(rows.slice(start, ROWS).filter(differing.fill_null(value=False)), answers, comparisons)
    ]
    together = pl.concat([pl.DataFrame(schema=_CHANGES | {"place": pl.Int32()}), *found])
    return together.sort("row", "place").drop("place")


def _lines(rows: pl.LazyFrame, answers: pl.DataFrame, comparisons: Sequence[Comparison]) -> Iterator[pl.DataFrame]:
    known = _known(rows, answers, comparisons).collect()
    for place, each in enumerate(comparisons):
        differing = known.filter((pl.col(each.verdict) != compare.SAME).fill_null(value=False))
        lines = differing.select(
            pl.col("enrich_row").alias("row"),
            pl.col("enrich_raw").alias("value"),
            pl.col("enrich_kind").alias("kind"),
            pl.col("enrich_number").alias("number"),
            pl.lit(each.field.name).alias("field"),
            pl.lit(each.column).alias("column"),
            own.column(each.column).cast(pl.String).alias("ours"),
            compare.theirs(each).alias("theirs"),
            pl.col(each.verdict).alias("verdict"),
            pl.lit(None, pl.Float64).alias("similarity"),
            pl.col("enrich_fetched_at").alias("fetched_at"),
            pl.lit(place, pl.Int32).alias("place"),
        )
        if each.field.is_name:
            lines = lines.with_columns(compare.similarity(lines["ours"], lines["theirs"]).alias("similarity"))
        yield lines.select(pl.col(name).cast(dtype) for name, dtype in (_CHANGES | {"place": pl.Int32()}).items())


def patches(
    found: pl.DataFrame, fields: Sequence[str], quoted: Callable[[int, str], bool], there: Path, back: Path
) -> tuple[Written, Written]:
    """
    Write the patch that brings the list to the register's values, and the one that undoes it, as CSV.

    A good value is never blanked: only cells that are changed or missing here, and only where the register has
    a value.

    Args:
        found: :func:`differences`.
        fields: Those that may be patched.
        quoted: Whether the cell of a row and column is written in quotation marks in the list.
        there: The patch.
        back: Its undo.

    Raises:
        OSError: One cannot be written.
    """
    patched = found.filter(
        pl.col("verdict").cast(pl.String).is_in(_TO_PATCH)
        & pl.col("field").is_in(list(fields))
        & pl.col("theirs").is_not_null()
    ).with_columns(pl.col("ours").fill_null(""))
    marks = [quoted(row, column) for row, column in patched.select("row", "column").iter_rows()]
    written = patched.with_columns(
        pl.Series("quoted", ["yes" if mark else "no" for mark in marks], dtype=pl.String),
        old=patch.guarded(pl.col("ours")),
        new=patch.guarded(pl.col("theirs")),
        value=patch.guarded(pl.col("value")),
    )
    written.with_columns(quoted=pl.lit("")).select(patch.COLUMNS).write_csv(there)
    written.select(pl.exclude("old", "new"), old="new", new="old").select(patch.COLUMNS).write_csv(back)
    return described(there, patched.height), described(back, patched.height)


def _known(rows: pl.LazyFrame, answers: pl.DataFrame, comparisons: Sequence[Comparison]) -> pl.LazyFrame:
    """Return *rows* with what the register says of them."""
    names = ["enrich_outcome", "enrich_reason", "enrich_fetched_at", *needed(comparisons)]
    return settled(rows, answers.lazy().select(*key(answers.columns), *names))
