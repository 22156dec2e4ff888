"""What the charts of the page show: counts of companies and of VAT numbers. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from kvk_enrich.write.report.provinces import province_column
from kvk_enrich.write.report.sbi import section_column

MOST: Final = 9
"""How many bars a chart has before the rest is one."""

OTHER: Final = "other"
UNKNOWN: Final = "unknown"
VAT_STATES: Final = ("valid", "invalid", "unknown")

_AGES: Final = ((1, "<1"), (3, "1-2"), (6, "3-5"), (11, "6-10"), (21, "11-20"), (51, "21-50"))
_OLDEST: Final = ">50"
_DAYS_A_YEAR: Final = 365.25

Counts = Sequence[tuple[str, int]]


def companies(numbers: pl.DataFrame) -> pl.DataFrame:
    """Return each company once, of those of which more is known than the number."""
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in ("kvk_active", "kvk_name", "kvk_legal_form"))
    return numbers.filter(pl.col("company").is_not_null() & known).unique("company", keep="first", maintain_order=True)


def states(those: pl.DataFrame) -> Counts:
    """Return how many of *those* companies are active, ended, and neither known."""
    active = those["kvk_active"]
    counts = ("active", int(active.sum())), ("ended", int((~active).sum())), (UNKNOWN, active.null_count())
    return [(state, count) for state, count in counts if count]


def ages(those: pl.DataFrame, today: date) -> Counts:
    """Return how many of *those* companies that are active are how many years old, the youngest first."""
    started = those.filter("kvk_active")["kvk_start_date"].drop_nulls()
    if started.is_empty():
        return []
    years = pl.select(pl.lit(today) - started).to_series().dt.total_days() / _DAYS_A_YEAR
    names = [*(name for _, name in _AGES), _OLDEST]
    places = pl.Series([limit for limit, _ in _AGES]).search_sorted(years, side="right")
    found = Counter(places.to_list())
    return [(name, found[place]) for place, name in enumerate(names)]


def legal_forms(those: pl.DataFrame) -> Counts:
    """Return how many of *those* companies have which legal form, by its words: spellings vary."""
    spelled = pl.col("kvk_legal_form").str.replace_all(r"(\p{Ll})(\p{Lu})", "$1 $2").str.to_lowercase()
    return _counted(those.select(spelled.str.slice(0, 1).str.to_uppercase() + spelled.str.slice(1)).to_series())


def sectors(those: pl.DataFrame) -> Counts:
    """Return how many of *those* companies are in which section of SBI, the common ones first."""
    return _counted(those.select(section_column(pl.col("kvk_sbi_code"))).to_series())


def provinces(those: pl.DataFrame) -> Counts:
    """Return how many of *those* companies are in which province, by its letters."""
    counts = province_column(those["kvk_visit_postcode"]).drop_nulls().value_counts(name="count")
    return counts.sort("count", "province", descending=[True, False]).rows()


def vat_states(numbers: pl.DataFrame) -> Sequence[tuple[str, tuple[int, ...]]]:
    """
    Return how many VAT numbers of each member state are valid, invalid and unknown; most numbers first.

    A number that could not be asked, or not yet, is unknown.
    """
    own = pl.when(pl.col("enrich_kind").cast(pl.String) == "vat").then("enrich_number")
    other = pl.when(pl.col("enrich_other_kind").cast(pl.String) == "vat").then("enrich_other_number")
    listed = numbers.select(
        number=pl.coalesce("vat_number", own, other), status=pl.col("vat_status").fill_null(UNKNOWN)
    ).drop_nulls()
    counted = (
        listed.unique("number", keep="first", maintain_order=True)
        .group_by(pl.col("number").str.slice(0, 2).alias("state"))
        .agg((pl.col("status") == status).sum().alias(status) for status in VAT_STATES)
        .with_columns(total=pl.sum_horizontal(VAT_STATES))
        .sort("total", "state", descending=[True, False])
        .select("state", *VAT_STATES)
        .rows()
    )
    rest = counted[MOST:]
    shown = [(state, tuple(counts)) for state, *counts in counted[:MOST]]
    return [*shown, (OTHER, tuple(map(sum, zip(*(line[1:] for line in rest), strict=True))))] if rest else shown


def _counted(values: pl.Series) -> Counts:
    """Return how often each of *values* occurs: the most common ones, then the others and the unknown together."""
    named = values.drop_nulls().alias("value").value_counts(name="count")
    if named.is_empty():
        return []
    ordered = named.sort("count", "value", descending=[True, False]).rows()
    rest = sum(count for _, count in ordered[MOST:])
    ends = ((OTHER, rest), (UNKNOWN, values.null_count()))
    return [*ordered[:MOST], *((name, count) for name, count in ends if count)]
