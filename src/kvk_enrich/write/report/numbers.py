"""
The distinct numbers of a list with what the page needs to know of each: everything on it is counted from these.

A list may be long and its columns wide; of it only the keys are read, and each number is one line from there on.
"""

from pathlib import Path
from typing import Final

import polars as pl

from kvk_enrich.identifiers import vat
from kvk_enrich.write.settle import KEY, key

_NEEDED: Final = {
    "enrich_outcome": pl.String(),
    "enrich_reason": pl.String(),
    "enrich_flags": pl.List(pl.String()),
    "kvk_number": pl.String(),
    "branch_kvk_number": pl.String(),
    "kvk_rsin": pl.String(),
    "kvk_name": pl.String(),
    "branch_name": pl.String(),
    "vat_name": pl.String(),
    "kvk_legal_form": pl.String(),
    "kvk_active": pl.Boolean(),
    "kvk_start_date": pl.Date(),
    "kvk_end_date": pl.Date(),
    "kvk_sbi_code": pl.String(),
    "kvk_insolvency": pl.String(),
    "kvk_visit_street": pl.String(),
    "kvk_visit_house_number": pl.String(),
    "kvk_visit_house_letter": pl.String(),
    "kvk_visit_house_addition": pl.String(),
    "kvk_visit_postcode": pl.String(),
    "kvk_visit_city": pl.String(),
    "vat_number": pl.String(),
    "vat_status": pl.String(),
    "vat_checked_at": pl.Datetime("us", "UTC"),
}


def numbers(staged: Path, answers: pl.DataFrame) -> pl.DataFrame:
    """
    Return each number of the list once, by the row where it first stands.

    Args:
        staged: As for :func:`kvk_enrich.write.enriched.enriched`.
        answers: One line per distinct number; columns that are not there are null.

    Returns:
        ``key`` (u32, its place), the columns of :data:`~kvk_enrich.write.settle.KEY`, ``rows`` (how many name it),
        ``first`` (the first of them), ``company`` (its KVK number, as far as known), ``name``, ``shown`` (the number
        as it may be shown), and what is needed of its answer.
    """
    rows = pl.scan_parquet(staged, glob=False)
    keys = key(rows.collect_schema())
    counted = (
        rows.select("enrich_row", *keys)
        .filter(pl.col("enrich_number").is_not_null())
        .group_by(keys)
        .agg(pl.len().alias("rows"), pl.col("enrich_row").min().alias("first"))
        .collect(engine="streaming")
    )
    known = answers.select(*keys, *(_as(answers, name, dtype) for name, dtype in _NEEDED.items()))
    lines = counted.join(known, on=keys, how="left", nulls_equal=True).sort("first")
    absent = [pl.lit(None, pl.String).alias(name) for name in KEY if name not in keys]
    return lines.with_columns(
        *absent,
        company=pl.coalesce("kvk_number", "branch_kvk_number"),
        name=pl.coalesce("kvk_name", "branch_name", "vat_name"),
        shown=vat.shown_column(pl.col("enrich_kind"), pl.col("enrich_number")),
    ).with_row_index("key")


def rows_of(staged: Path, shown_keys: pl.DataFrame, most: int) -> dict[int, list[int]]:
    """Return the first *most* rows of each of *shown_keys* (lines of :func:`numbers`), by its ``key``."""
    rows = pl.scan_parquet(staged, glob=False)
    keys = key(rows.collect_schema())
    found = (
        rows.select("enrich_row", *keys)
        .join(shown_keys.lazy().select("key", *keys), on=keys, how="inner", nulls_equal=True)
        .group_by("key")
        .agg(pl.col("enrich_row").bottom_k(most).sort())
        .collect(engine="streaming")
    )
    return dict(found.iter_rows())


def _as(answers: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    known = pl.col(name) if name in answers.columns else pl.lit(None)
    return known.cast(dtype).alias(name)
