"""
Decide what to ask, before anything is asked. Pure: planning is free, and resuming is planning again.

A killed run is continued by planning once more against what is known now: questions that were
answered are not open any more, so they are not in the plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl


@dataclass(frozen=True, slots=True)
class Tariff:
    """
    What asking for one product takes.

    Args:
        payer: The account whose allowance it counts against.
        units: Of that allowance, per number.
        micro_eur: Per number; 0: free.
        batch: Numbers in one call at most.
        unit: What people call a unit.
    """

    payer: str
    units: int = 1
    micro_eur: int = 0
    batch: int = 1
    unit: Literal["call", "token"] = "call"


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    How much may be asked on one account: None means no ceiling.

    Args:
        units: What is left of its month or day.
        calls: What is left of the run's own ceiling on calls: paid ones, or all where none has a price.
        micro_eur: What is left of the run's own ceiling on money.
        counts_free: Nothing has a price, so the ceiling on calls counts them all.
        spent: The reason code for questions that the month or day has no units for.
    """

    units: int | None = None
    calls: int | None = None
    micro_eur: int | None = None
    spent: str = "month_ceiling"
    counts_free: bool = False

    def grants(self, wanted: int, tariff: Tariff) -> tuple[int, str]:
        """Return how many of *wanted* questions may be asked at *tariff*, and the reason code for the rest."""
        run = [self.calls * tariff.batch] if self.calls is not None and self._counts(tariff) else []
        if tariff.micro_eur and self.micro_eur is not None:
            run.append(self.micro_eur // tariff.micro_eur)
        of_run = min(run, default=None)
        of_month = None if self.units is None else self.units // tariff.units
        limits = [limit for limit in (of_run, of_month) if limit is not None]
        binds_run = of_run is not None and (of_month is None or of_run < of_month)
        return min(wanted, *limits, wanted), "run_ceiling" if binds_run else self.spent

    def _counts(self, tariff: Tariff) -> bool:
        return tariff.micro_eur > 0 or self.counts_free

    def less(self, count: int, tariff: Tariff) -> "Allowance":
        """Return what is left after *count* questions at *tariff*."""

        def rest(limit: int | None, taken: int) -> int | None:
            return None if limit is None else max(0, limit - taken)

        return replace(
            self,
            units=rest(self.units, count * tariff.units),
            calls=rest(self.calls, -(-count // tariff.batch) if self._counts(tariff) else 0),
            micro_eur=rest(self.micro_eur, count * tariff.micro_eur),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What will be asked; every open question is in exactly one of the two frames.

    Args:
        asks: ``product, kind, number``: to be asked now, in the order of the list.
        deferred: ``product, kind, number, reason``: not asked in this run.
        later: Per product, further questions that the answers may lead to, at most.
        tariffs: What each product takes.
    """

    asks: pl.DataFrame
    deferred: pl.DataFrame
    later: Mapping[str, int] = field(default_factory=dict)
    tariffs: Mapping[str, Tariff] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Questions per product, those that may come later included."""
        now = dict(self.asks["product"].value_counts().iter_rows())
        both = {product: now.get(product, 0) + self.later.get(product, 0) for product in self.tariffs}
        return {product: count for product, count in both.items() if count}

    @property
    def cost(self) -> int:
        """Micro-euro for all of them, if none has to be repeated."""
        return sum(count * self.tariffs[product].micro_eur for product, count in self.counts.items())


def make_plan(
    open_questions: pl.DataFrame,
    later: Mapping[str, int],
    tariffs: Mapping[str, Tariff],
    allowances: Mapping[str, Allowance],
    *,
    offline: bool = False,
) -> Plan:
    """
    Return what to do about the questions that have no answer yet.

    What is free is granted first, what is dear last: an answer may show that a paid question need not be asked.

    Args:
        open_questions: ``product, kind, number``, distinct, in the order of the list.
        later: Further questions per product that the answers may lead to, at most.
        tariffs: What each product takes.
        allowances: Ceilings, per payer.
        offline: Ask nothing.
    """
    left = dict(allowances)
    rows = open_questions.with_row_index("place")
    asks, deferred = [], []
    for tariff in sorted(set(tariffs.values()), key=_dearness):
        products = [name for name, each in tariffs.items() if each == tariff]
        payer = tariff.payer
        group = rows.filter(pl.col("product").is_in(products))
        allowance = left.get(payer, Allowance())
        granted, reason = (0, "offline") if offline else allowance.grants(len(group), tariff)
        left[payer] = allowance.less(granted, tariff)
        asks.append(group.head(granted))
        deferred.append(group.slice(granted).with_columns(pl.lit(reason).alias("reason")))
    possible = {} if offline else {name: _possible(count, tariffs[name], left) for name, count in later.items()}
    return Plan(
        asks=_in_order([rows.clear(), *asks]),
        deferred=_in_order([rows.clear().with_columns(pl.lit("").alias("reason")), *deferred]),
        later={name: count for name, count in possible.items() if count},
        tariffs=tariffs,
    )


def _dearness(tariff: Tariff) -> tuple[str, int, int, int]:
    """Return what tariffs are ordered by: large batches first, as they take the fewest calls."""
    return tariff.payer, tariff.micro_eur, tariff.units, -tariff.batch


def _possible(count: int, tariff: Tariff, left: dict[str, Allowance]) -> int:
    granted, _ = left.get(tariff.payer, Allowance()).grants(count, tariff)
    left[tariff.payer] = left.get(tariff.payer, Allowance()).less(granted, tariff)
    return granted


def _in_order(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames).sort("place").drop("place")
