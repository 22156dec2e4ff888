"""What became of every row: the list's rows, each with the answer to its number."""

from pathlib import Path

import polars as pl

from kvk_enrich.columns import ENRICH, schema
from kvk_enrich.reasons import REASONS
from kvk_enrich.record import Rows

KEY = ("enrich_kind", "enrich_number")
"""What ties a row to its answer."""

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
    return (
        rows.join(answers, on=KEY, how="left", suffix="_answered", maintain_order="left")
        .with_columns(
            enrich_outcome=pl.coalesce(pl.col("enrich_outcome").cast(_OUTCOME), own_outcome),
            enrich_reason=pl.coalesce("enrich_reason", "enrich_reason_answered"),
        )
        .drop("enrich_reason_answered")
    )


def tally(staged: Path, answers: pl.DataFrame) -> pl.DataFrame:
    """
    Count the rows of each outcome and reason.

    Returns:
        ``enrich_outcome`` (enum), ``enrich_reason`` (String, null where found), ``rows`` (u32); most rows first.
    """
    return (
        settled(pl.scan_parquet(staged, glob=False).select(*KEY, "enrich_reason"), _outcomes(answers))
        .group_by("enrich_outcome", "enrich_reason")
        .agg(pl.len().alias("rows"))
        .sort("rows", "enrich_outcome", "enrich_reason", descending=[True, False, False])
        .collect(engine="streaming")
    )


def counts(staged: Path, answers: pl.DataFrame) -> Rows:
    """Return how many rows have each outcome. Raises ValueError for a row that has none."""
    by_outcome = tally(staged, answers).group_by("enrich_outcome").agg(pl.col("rows").sum())
    if by_outcome["enrich_outcome"].null_count():
        raise ValueError("rows of the list have neither a reason nor an answer")
    return Rows.of(dict(by_outcome.iter_rows()))


def _outcomes(answers: pl.DataFrame) -> pl.LazyFrame:
    return answers.lazy().select(*KEY, "enrich_outcome", "enrich_reason")
