"""
What differs between the list's own columns and the register: marked on every row, listed, and as a patch.

The list is staged anew with a column per comparison, slice by slice; all that follows reads those verdicts.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
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
_WORKING = {"place": pl.Int32(), "shielded": pl.Boolean()}
_TO_PATCH = (compare.CHANGED, compare.MISSING_HERE)


_SHIELDED = pl.col("kvk_address_shielded").fill_null(value=False)


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
    names = rows.collect_schema().names()

    def joined(part: pl.LazyFrame) -> pl.LazyFrame:
        known = _known(part, answers, comparisons).collect(engine="in-memory")
        verdicts = [_verdicts(known, each) for each in comparisons]
        return pl.concat([part.select(own.columns(names)).collect(), pl.DataFrame(verdicts)], how="horizontal").lazy()

    sliced(rows, joined).sink_parquet(path, compression="lz4", maintain_order=True)
    return path


def _verdicts(known: pl.DataFrame, comparison: Comparison) -> pl.Series:
    """Return the verdicts on the rows of *known*: reflection is dear, and most rows need none."""
    sight = known.select(compare.at_sight(comparison).alias(comparison.verdict)).to_series()
    open_rows = sight.is_null().arg_true()
    reflected = known[open_rows].select(compare.on_reflection(comparison)).to_series()
    return sight.scatter(open_rows, reflected)


def changes(found: pl.DataFrame, path: Path) -> Written:
    """
    Write every difference as Parquet (zstd).

    Raises:
        OSError: It cannot be written.
    """
    found.drop("shielded").write_parquet(path, compression="zstd")
    return described(path, found.height)


def differences(marks: Path, answers: pl.DataFrame, comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """
    Return every difference, a line each: by row, then in the order of *comparisons*.

    Its columns: ``row`` (1 = first data row), ``value`` (the cell with the number, as found), ``kind``, ``number``,
    ``field`` and ``column`` (what was compared), ``ours`` (as found) and ``theirs``, ``verdict`` (never *same*),
    ``similarity`` (of names; 0 to 1), ``fetched_at`` (UTC), ``shielded`` (whether the register shields an address).
    """
    rows = pl.scan_parquet(marks, glob=False)
    differing = pl.any_horizontal(pl.col(each.verdict) != compare.SAME for each in comparisons)
    found = [
        line
        for start in range(0, count(rows), ROWS)
        for line in _lines(rows.slice(start, ROWS).filter(differing.fill_null(value=False)), answers, comparisons)
    ]
    together = pl.concat([pl.DataFrame(schema=_CHANGES | _WORKING), *found])
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
            _SHIELDED.alias("shielded"),
        )
        if each.field.is_name:
            lines = lines.with_columns(compare.similarity(lines["ours"], lines["theirs"]).alias("similarity"))
        yield lines.select(pl.col(name).cast(dtype) for name, dtype in (_CHANGES | _WORKING).items())


def to_patch(found: pl.DataFrame, comparisons: Sequence[Comparison], fields: Collection[str]) -> pl.DataFrame:
    """
    Return the lines of *found* (:func:`differences`) that a patch is made of, one per cell.

    A good value is never blanked: a cell is changed only where the register has a value. An address is patched
    whole: not where the list has a part that the register has not, nor where the register shields an address. A
    column that is compared with several fields is patched where it agrees with none of them, with the first.

    Args:
        found: All differences.
        comparisons: What was compared.
        fields: Those that may be patched.
    """
    allowed = [each for each in comparisons if each.field.name in fields]
    times = Counter(each.column for each in allowed)
    address = pl.col("field").replace_strict({each.field.name: each.field.group for each in comparisons}, default="")
    torn = (pl.col("verdict") == compare.MISSING_THERE).any().over("row", address) | pl.col("shielded")
    wanted = found.filter(~((address != "") & torn)).filter(
        pl.col("verdict").cast(pl.String).is_in(_TO_PATCH)
        & pl.col("field").is_in([each.field.name for each in allowed])
    )
    agreed = pl.len().over("row", "column") == pl.col("column").replace_strict(times, default=0)
    return wanted.filter(agreed).unique(["row", "column"], keep="first", maintain_order=True)


def patches(
    cells: pl.DataFrame, quoted: Collection[tuple[int, str]], there: Path, back: Path
) -> tuple[Written, Written]:
    """
    Write the patch that brings the list to the register's values, and the one that undoes it, as CSV.

    Args:
        cells: :func:`to_patch`.
        quoted: Those (row and column) that are written in quotation marks in the list.
        there: The patch.
        back: Its undo.

    Raises:
        OSError: One cannot be written.
    """
    marks = ["yes" if cell in quoted else "no" for cell in cells.select("row", "column").iter_rows()]
    written = cells.with_columns(
        pl.Series("quoted", marks, dtype=pl.String),
        old=patch.guarded(pl.col("ours").fill_null("")),
        new=patch.guarded(pl.col("theirs")),
        value=patch.guarded(pl.col("value")),
        column=patch.guarded(pl.col("column")),
    )
    written.with_columns(quoted=pl.lit("")).select(patch.COLUMNS).write_csv(there)
    written.select(pl.exclude("old", "new"), old="new", new="old").select(patch.COLUMNS).write_csv(back)
    return described(there, cells.height), described(back, cells.height)


def _known(rows: pl.LazyFrame, answers: pl.DataFrame, comparisons: Sequence[Comparison]) -> pl.LazyFrame:
    """Return *rows* with what the register says of them."""
    names = ["enrich_outcome", "enrich_reason", "enrich_fetched_at", *needed(comparisons)]
    known = answers.lazy()
    if "kvk_address_shielded" not in answers.columns:
        known = known.with_columns(kvk_address_shielded=pl.lit(None, pl.Boolean))
    return settled(rows, known.select(*key(answers.columns), "kvk_address_shielded", *names))
