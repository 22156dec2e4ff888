"""
What differs between the list's own columns and the register: marked on every row, listed, and as a patch.

The list is staged anew with a column per comparison, slice by slice; all that follows reads those verdicts.
"""

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
_WORKING = {"place": pl.Int32(), "shielded": pl.Boolean(), "stale": pl.Boolean()}
_TO_PATCH = (compare.CHANGED, compare.MISSING_HERE)
_CELL = ("row", "column")
_PART = ("row", "part")


_SHIELDED = pl.col("kvk_address_shielded").fill_null(value=False)
_STALE = pl.col("enrich_flags").list.contains("stale").fill_null(value=False)


def columns(comparisons: Sequence[Comparison]) -> tuple[Column, ...]:
    """Return the columns that *comparisons* add to every row."""
    return tuple(
        Column(each.verdict, compare.VERDICT, f"how {each.column!r} differs from the register's {each.field.name!r}")
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
    found.drop("shielded", "stale").write_parquet(path, compression="zstd")
    return described(path, found.height)


def differences(marks: Path, answers: pl.DataFrame, comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """
    Return every difference, a line each: by row, then in the order of *comparisons*.

    Its columns: ``row`` (1 = first data row), ``value`` (the cell with the number, as found), ``kind``, ``number``,
    ``field`` and ``column`` (what was compared), ``ours`` (as found) and ``theirs``, ``verdict`` (never *same*),
    ``similarity`` (of names; 0 to 1), ``fetched_at`` (UTC), ``shielded`` (whether the register shields an address),
    ``stale`` (whether an older answer was told).
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
            _STALE.alias("stale"),
        )
        if each.field.is_name:
            lines = lines.with_columns(compare.similarity(lines["ours"], lines["theirs"]).alias("similarity"))
        yield lines.select(pl.col(name).cast(dtype) for name, dtype in (_CHANGES | _WORKING).items())


def to_patch(
    found: pl.DataFrame,
    comparisons: Sequence[Comparison],
    fields: Collection[str],
    lacking: Collection[tuple[int, str]] = (),
) -> pl.DataFrame:
    """
    Return the lines of *found* (:func:`differences`) that a patch is made of, one per cell.

    A good value is never blanked: a cell is changed only where the register has a value, and never by an older
    answer, as the list may be ahead of it. A column that is compared with several fields is patched where it agrees
    with none of them, with the first. An address is patched whole or not at all: not where the list has a part that
    the register has not, nor where the register shields an address, nor where a part stays as it is or becomes
    another's because the column is compared with another address as well.

    Args:
        found: All differences.
        comparisons: What was compared.
        fields: Those that may be patched.
        lacking: Cells (row and column) that are not there, as their row is short.
    """
    short = pl.DataFrame([*lacking], {"row": pl.UInt32(), "column": pl.String()}, orient="row")
    lines = (
        found.filter(~pl.col("stale"))
        .join(_parts(comparisons, fields), on="field", how="left", maintain_order="left")
        .join(short.with_columns(lacking=True), on=_CELL, how="left", maintain_order="left")
    )
    absent = (pl.col("verdict") == compare.MISSING_THERE) | pl.col("lacking").fill_null(value=False)
    wanted = (
        lines.with_columns(
            torn=absent.any().over(_PART) | (pl.col("shielded") & pl.col("in_address")),
            torn_elsewhere=(absent & ~pl.col("shared")).any().over(_PART),
            differs=pl.col("verdict").cast(pl.String).is_in(_TO_PATCH),
        )
        .filter("allowed")
        .with_columns(agrees=_agrees(_CELL, "of_cell"), agrees_within=_agrees([*_CELL, "part"], "of_part"))
    )
    cells = wanted.filter(~_is_left(wanted)).filter(pl.col("differs") & ~pl.col("agrees"))
    return cells.unique(_CELL, keep="first", maintain_order=True).select(found.columns)


def _is_left(wanted: pl.DataFrame) -> pl.Series:
    """Return of each line whether its part stays as it is, as it could be changed only in part."""
    first = wanted.select(pl.col("part", "theirs").filter("differs").first().over(_CELL).name.prefix("first_"))
    # A cell that agrees with another address stays, and so does one of an address that stays.
    of_one_that_stays = (pl.col("torn") & pl.col("differs")) | pl.col("torn_elsewhere")
    agrees_with_another = pl.col("differs") & pl.col("agrees") & ~pl.col("agrees_within")
    stays = (of_one_that_stays | agrees_with_another).any().over(_CELL)
    another_decides = (pl.col("part") != pl.col("first_part")) & (pl.col("theirs") != pl.col("first_theirs"))
    told = wanted.hstack(first).with_columns(stays=stays, becomes_another=another_decides)
    cannot_change = pl.col("differs") & (pl.col("stays") | pl.col("becomes_another"))
    return told.select((pl.col("torn") | cannot_change).any().over(_PART)).to_series()


def _parts(comparisons: Sequence[Comparison], fields: Collection[str]) -> pl.DataFrame:
    """
    Return what each field is a part of: a line per comparison.

    ``field``, ``part`` (its address; itself, if of none), ``in_address``, ``allowed`` (whether in *fields*),
    ``of_cell`` and ``of_part`` (allowed fields, and those of its part, that its column is compared with), ``shared``
    (whether these are of several parts).
    """
    told = pl.DataFrame(
        [
            (each.field.name, each.column, each.field.group or each.field.name, bool(each.field.group))
            for each in comparisons
        ],
        ["field", "column", "part", "in_address"],
        orient="row",
    ).with_columns(allowed=pl.col("field").is_in([*fields]))
    of_cell, of_part = (pl.col("allowed").sum().over(keys) for keys in ("column", ["column", "part"]))
    return told.with_columns(of_cell=of_cell, of_part=of_part, shared=of_part < of_cell).drop("column")


def _agrees(keys: Sequence[str], fields: str) -> pl.Expr:
    """
    Return whether a value of the list is that of one of its *fields*, or is it written otherwise.

    What is the same has no line; nor has a blank cell beside nothing, which is no agreement.
    """
    is_blank = (pl.col("verdict") == compare.MISSING_HERE).any()
    in_form = (pl.col("verdict") == compare.FORMAT_ONLY).any()
    return (in_form | (~is_blank & (pl.len() < pl.col(fields).first()))).over(keys)


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
    names = ["enrich_outcome", "enrich_reason", "enrich_flags", "enrich_fetched_at", *needed(comparisons)]
    known = answers.lazy()
    if "kvk_address_shielded" not in answers.columns:
        known = known.with_columns(kvk_address_shielded=pl.lit(None, pl.Boolean))
    return settled(rows, known.select(*key(answers.columns), "kvk_address_shielded", *names))
