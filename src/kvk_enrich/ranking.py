"""
What to ask first when not all can be asked: what is not known at all, then what has most likely changed.

How often companies change is learnt from the answers that are kept: each number's own history, shrunk
to that of its group (legal form, active or ended), shrunk to that of all.
"""

from datetime import datetime
from typing import Final

import polars as pl

HISTORY: Final = {"number": pl.String(), "group": pl.String(), "years": pl.Float64(), "changes": pl.UInt32()}
"""A number's past: over how many years it was looked at more than once, and in how many looks it had changed."""

_PRIOR_A_YEAR: Final = 0.3
"""How often a company changes in a year, as long as nothing is known: an address or a name every few years."""

_WEIGHT_OF_ALL: Final = 2.0
_WEIGHT_OF_GROUP: Final = 2.0
_WEIGHT_OF_PRIOR: Final = 2.0
"""How many years of looking one of these is worth, against a number's own years."""

_YEAR: Final = 365.25 * 86_400


def ordered(
    questions: pl.DataFrame, older: pl.DataFrame, history: pl.DataFrame, priorities: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """
    Return *questions* in the order in which they are worth asking.

    First those that were never answered, by priority. Of the others every second place goes to the chance that the
    answer has changed since, times the number's priority, and every second one to the oldest answer: nothing waits
    for longer than it takes half the calls to go round. Of equals, the order stays.

    Args:
        questions: ``product, kind, number``.
        older: ``product, number, fetched_at`` (Datetime us UTC): the newest answer of each, however old.
        history: :data:`HISTORY` of numbers; others have the rate of all.
        priorities: ``product, number, priority`` (Float64); the higher, the sooner. Numbers without one come last.
        now: To which answers have aged.
    """
    weights = priorities.with_columns(weight=pl.col("priority").rank("average") / pl.len()).drop("priority")
    told = questions.join(older, on=["product", "number"], how="left", maintain_order="left")
    told = told.join(rates(history), on="number", how="left", maintain_order="left")
    told = told.join(weights, on=["product", "number"], how="left", maintain_order="left")
    years = (pl.lit(now) - pl.col("fetched_at")).dt.total_seconds() / _YEAR
    chance = 1 - (-pl.col("rate").fill_null(_rate_of_all(history)) * years).exp()
    weight = pl.col("weight").fill_null(0.0 if priorities.height else 1.0)
    ranked = told.with_columns(
        known=pl.col("fetched_at").is_not_null(), score=pl.coalesce(chance, pl.lit(1.0)) * (weight + 1e-9)
    )
    likely, oldest = pl.col("score").rank("ordinal", descending=True), pl.col("fetched_at").rank("ordinal")
    place = pl.when("known").then(pl.min_horizontal(2 * likely, 2 * oldest + 1).over("known")).otherwise(likely)
    return ranked.with_columns(place=place).sort("known", "place").select(questions.columns)


def rates(history: pl.DataFrame) -> pl.DataFrame:
    """Return ``number, rate``: how often each changes in a year, as far as its past and that of its like tell."""
    of_all = _rate_of_all(history)
    changes, years = pl.col("changes"), pl.col("years")
    group = (changes.sum() + of_all * _WEIGHT_OF_ALL) / (years.sum() + _WEIGHT_OF_ALL)
    own = (changes + pl.col("of_group") * _WEIGHT_OF_GROUP) / (years + _WEIGHT_OF_GROUP)
    rated = history.with_columns(of_group=group.over("group")).select("number", rate=own)
    return rated.unique("number", keep="first", maintain_order=True)


def _rate_of_all(history: pl.DataFrame) -> float:
    changes, years = float(history["changes"].sum()), float(history["years"].sum())
    return (changes + _PRIOR_A_YEAR * _WEIGHT_OF_PRIOR) / (years + _WEIGHT_OF_PRIOR)
