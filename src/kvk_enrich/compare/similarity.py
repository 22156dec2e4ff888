"""How alike two names are."""

from collections.abc import Sequence

import polars as pl
from rapidfuzz import fuzz, process

from kvk_enrich.compare import forms


def similarity(ours: pl.Series, theirs: pl.Series) -> pl.Series:
    """
    Return how alike names are, pair by pair: from 0 (nothing in common) to 1 (the same words, in any order).

    Writing does not count: names are compared by the words of :func:`~kvk_enrich.compare.forms.plain`. Null where
    either is.
    """
    pairs = pl.DataFrame({"ours": ours, "theirs": theirs}).select(forms.plain(pl.all()))
    known = pairs.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    told = pairs.filter(known)
    scores = pl.Series(_scores(told["ours"].to_list(), told["theirs"].to_list()), dtype=pl.Float64)
    places = known.cum_sum().cast(pl.Int64) - 1
    return pl.select(pl.when(known).then(scores.gather(places) if len(scores) else None)).to_series().cast(pl.Float64)


def _scores(ours: Sequence[str], theirs: Sequence[str]) -> Sequence[float]:
    if not ours:
        return []
    found: Sequence[float] = (process.cpdist(ours, theirs, scorer=fuzz.token_sort_ratio) / 100).round(3).tolist()
    return found
