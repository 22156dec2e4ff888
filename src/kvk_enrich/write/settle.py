"""What became of every row: the list's rows, each with the answer to its number."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl
import polars.selectors as cs

from kvk_enrich.columns import ENRICH, schema
from kvk_enrich.reasons import REASONS
from kvk_enrich.record import Rows

KEY = ("enrich_kind", "enrich_number", "enrich_other_kind", "enrich_other_number")
"""What may tie a row to its answer: its number, and a second one in lists with two columns of numbers."""


def key(names: Iterable[str]) -> list[str]:
    """Return which of the columns *names* tie a row to its answer."""
    return [name for name in KEY if name in names]


_OUTCOME = schema(ENRICH)["enrich_outcome"]
_STATUS = {reason.code: reason.status.value for reason in REASONS.values()}


def settled(rows: pl.LazyFrame, answers: pl.LazyFrame) -> pl.LazyFrame:
    """
    Join *answers* to *rows*, in the order of *rows*.

    Args:
        rows: Lines of the staged list: ``enrich_kind``, ``enrich_number``, ``enrich_reason`` and any others;
            a row has a number or a reason, never both.
        answers: One line per distinct key, with at least ``enrich_outcome`` and ``enrich_reason``.

    Returns:
        The columns of both. A row with a reason of its own has that reason and the outcome it leads to; a row whose
        number has no line in *answers* has a null ``enrich_outcome``.
    """
    own_outcome = pl.col("enrich_reason").replace_strict(_STATUS, default=None, return_dtype=_OUTCOME)
    names = rows.collect_schema()
    joined = rows.join(
        answers,
        on=key(names),
        how="left",
        suffix="_answered",
        maintain_order="left",
        nulls_equal="enrich_other_number" in names,
    )
    return joined.with_columns(
        enrich_outcome=pl.coalesce(pl.col("enrich_outcome").cast(_OUTCOME), own_outcome),
        enrich_reason=pl.coalesce("enrich_reason", "enrich_reason_answered"),
        **_flags(names, answers.collect_schema()),
    ).drop("enrich_reason_answered", cs.by_name("enrich_flags_answered", require_all=False))


def _flags(rows: Mapping[str, pl.DataType], answers: Mapping[str, pl.DataType]) -> dict[str, pl.Expr]:
    """Return what is to know of the cell and of the answer as one; null when there is nothing."""
    if "enrich_flags" not in rows or "enrich_flags" not in answers:
        return {}
    both = {"enrich_flags": rows["enrich_flags"], "enrich_flags_answered": answers["enrich_flags"]}
    if pl.String in both.values():  # cells of a CSV or a workbook
        texts = [pl.col(name) if dtype == pl.String else pl.col(name).list.join("; ") for name, dtype in both.items()]
        listed = pl.concat_str(texts, separator="; ", ignore_nulls=True)
    else:
        listed = pl.concat_list([pl.col(name).fill_null([]) for name in both])
    return {"enrich_flags": pl.when(pl.any_horizontal(pl.col(name).is_not_null() for name in both)).then(listed)}


def tally(staged: Path, answers: pl.DataFrame) -> pl.DataFrame:
    """
    Count the rows of each outcome and reason.

    Returns:
        ``enrich_outcome`` (enum), ``enrich_reason`` (String, null where found), ``rows`` (u32); most rows first.
    """
    return (
        settled(_keyed(staged), _outcomes(answers))
        .group_by("enrich_outcome", "enrich_reason")
        .agg(pl.len().alias("rows"))
        .sort("rows", "enrich_outcome", "enrich_reason", descending=[True, False, False])
        .collect(engine="streaming")
    )


def flagged(staged: Path, answers: pl.DataFrame) -> list[tuple[str, int]]:
    """Return how many rows bear each flag, most rows first."""
    rows = pl.scan_parquet(staged, glob=False)
    told = answers.lazy().select(*key(answers.columns), "enrich_outcome", "enrich_reason", "enrich_flags")
    flags = (
        settled(rows.select(*key(rows.collect_schema()), "enrich_reason", "enrich_flags"), told)
        .select(pl.col("enrich_flags").explode(empty_as_null=False, keep_nulls=False))
        .group_by("enrich_flags")
        .len()
        .sort("len", "enrich_flags", descending=[True, False])
    )
    return flags.collect(engine="streaming").rows()


def counts(staged: Path, answers: pl.DataFrame) -> Rows:
    """Return how many rows have each outcome. Raises ValueError for a row that has none."""
    by_outcome = tally(staged, answers).group_by("enrich_outcome").agg(pl.col("rows").sum())
    if by_outcome["enrich_outcome"].null_count():
        raise ValueError("rows of the list have neither a reason nor an answer")
    return Rows.of(dict(by_outcome.iter_rows()))


def worth(staged: Path, answers: pl.DataFrame) -> int:
    """Return what the answers of all rows would have cost, had each row been asked by itself (micro-euro)."""
    known = answers.lazy().select(*key(answers.columns), "worth")
    rows = _keyed(staged)
    joined = rows.join(known, on=key(rows.collect_schema()), how="left", nulls_equal=True)
    return int(joined.select(pl.col("worth").sum()).collect(engine="streaming").item())


def _keyed(staged: Path) -> pl.LazyFrame:
    rows = pl.scan_parquet(staged, glob=False)
    return rows.select(*key(rows.collect_schema()), "enrich_reason")


def _outcomes(answers: pl.DataFrame) -> pl.LazyFrame:
    return answers.lazy().select(*key(answers.columns), "enrich_outcome", "enrich_reason")
