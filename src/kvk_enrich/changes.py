"""
What happened in the register between two looks at it.

A look is a line per number with the output's columns. Pure; ``kvk-enrich diff`` and ``run --diff`` use it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from kvk_enrich.compare import forms

KINDS: Final = {
    "new": "the number was not known before",
    "removed": "the number is no longer on the list",
    "lost": "found before, not found now",
    "found": "not found before, found now",
    "company": "the number leads to another company: merged, or moved to it",
    "ended": "the company has ended",
    "revived": "the company had ended, and is active again",
    "name": "another name",
    "address": "another visiting address",
    "legal_form": "another legal form",
    "sbi": "another main activity",
}
"""The changes that are told, in the order in which they are told."""

KEY: Final = ("enrich_kind", "enrich_number")
LOOK: Final = (
    "enrich_kind",
    "enrich_number",
    "enrich_outcome",
    "enrich_fetched_at",
    "kvk_number",
    "kvk_name",
    "kvk_active",
    "kvk_end_date",
    "kvk_visit_full",
    "kvk_legal_form",
    "kvk_sbi_code",
)
"""What is looked at, all as text; a column that is not there is null."""

ANSWERED: Final = pl.col("enrich_outcome").is_in(["found", "not_found"])
"""Of whom a look tells what the register says."""

CHANGES: Final = {
    "kind": pl.String(),
    "number": pl.String(),
    "kvk_number": pl.String(),
    "change": pl.Enum(list(KINDS)),
    "before": pl.String(),
    "after": pl.String(),
    "fetched_before": pl.String(),
    "fetched_at": pl.String(),
}
"""The columns of the changes: whose, what, from what to what, as of when (ISO 8601, UTC)."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """A column that is watched in companies found both times: *form* says what counts as the same."""

    change: str
    column: str
    form: forms.Form


_WATCHED: Final = (
    _Watched("name", "kvk_name", lambda text: text.str.replace_all(r"\s+", " ")),
    _Watched("address", "kvk_visit_full", forms.text),
    _Watched("legal_form", "kvk_legal_form", forms.legal_form),
    _Watched("sbi", "kvk_sbi_code", forms.activity),
)


def look(rows: pl.LazyFrame) -> pl.DataFrame:
    """Return the look that *rows* of an enriched list give: each number once, in the order of the list."""
    known = rows.collect_schema()
    columns = [(_text(known[name], name) if name in known else pl.lit(None, pl.String)).alias(name) for name in LOOK]
    numbered = rows.select(columns).filter(pl.col("enrich_number").is_not_null())
    return numbered.unique(list(KEY), keep="first", maintain_order=True).collect()


def _text(dtype: pl.DataType, name: str) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pl.col(name).cast(pl.String).str.replace("^True$", "true").str.replace("^False$", "false")


def between(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """
    Return what changed from *before* to *after*, two :func:`look`.

    Who cannot be asked now has not changed; of whom *before* has no answer, nothing was known: they are new. Values
    that only one look has (an address that is shielded by now) count as changed.

    Returns:
        :data:`CHANGES`, in the order of *after*, those no longer on the list last.
    """
    then = before.filter(ANSWERED).rename(lambda name: name if name in KEY else f"{name}_before")
    now = after.filter(ANSWERED).with_row_index("place")
    both = now.join(then, on=list(KEY), how="left", maintain_order="left")
    lines = [part.select(*CHANGES, "place") for part in _parts(both)]
    removed = then.join(after, on=list(KEY), how="anti").with_row_index("place", offset=after.height)
    gone = removed.filter(pl.col("enrich_outcome_before") == "found").with_columns(
        pl.lit(None, pl.String).alias(name) for name in LOOK if name not in KEY
    )
    lines.append(_told(gone, "removed", pl.col("kvk_name_before"), pl.lit(None)).select(*CHANGES, "place"))
    return pl.concat(lines).sort("place", "change").drop("place")


def _parts(both: pl.DataFrame) -> Iterator[pl.DataFrame]:
    was, now = pl.col("enrich_outcome_before"), pl.col("enrich_outcome")
    yield _told(both.filter((now == "found") & was.is_null()), "new", pl.lit(None), pl.col("kvk_name"))
    yield _told(both.filter((now == "not_found") & (was == "found")), "lost", pl.col("kvk_name_before"), pl.lit(None))
    yield _told(both.filter((now == "found") & (was == "not_found")), "found", pl.lit(None), pl.col("kvk_name"))
    known = both.filter((now == "found") & (was == "found"))
    moved = (pl.col("kvk_number") != pl.col("kvk_number_before")).fill_null(value=False)
    yield _told(known.filter(moved), "company", pl.col("kvk_number_before"), pl.col("kvk_number"))
    same = known.filter(~moved)
    active, was_active = pl.col("kvk_active"), pl.col("kvk_active_before")
    ended = (active == "false") & (was_active == "true")
    yield _told(same.filter(ended), "ended", pl.lit(None), pl.col("kvk_end_date"))
    revived = (active == "true") & (was_active == "false")
    yield _told(same.filter(revived), "revived", pl.col("kvk_end_date_before"), pl.lit(None))
    for watched in _WATCHED:
        column, earlier = pl.col(watched.column), pl.col(f"{watched.column}_before")
        differs = watched.form(column).ne_missing(watched.form(earlier))
        yield _told(same.filter(differs), watched.change, earlier, column)


def _told(rows: pl.DataFrame, change: str, before: pl.Expr, after: pl.Expr) -> pl.DataFrame:
    return rows.select(
        "place",
        pl.col("enrich_kind").alias("kind"),
        pl.col("enrich_number").alias("number"),
        pl.coalesce("kvk_number", "kvk_number_before").alias("kvk_number"),
        pl.lit(change, CHANGES["change"]).alias("change"),
        before.cast(pl.String).alias("before"),
        after.cast(pl.String).alias("after"),
        pl.col("enrich_fetched_at_before").alias("fetched_before"),
        pl.col("enrich_fetched_at").alias("fetched_at"),
    )
