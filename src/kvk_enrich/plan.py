"""
Decide what to ask, before anything is asked. Pure: planning is free, and resuming is planning again.

A killed run is continued by planning once more against what is known now: numbers that were
answered are hits, so they are not in the calls.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

KEY: Final = ["kind", "number"]


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    How many calls may be made: None means no ceiling.

    Args:
        run: This run's own ceiling.
        month: What is left of the month.
    """

    run: int | None = None
    month: int | None = None

    def grants(self, wanted: int) -> int:
        """Return how many of *wanted* calls are allowed."""
        return min(wanted, *(limit for limit in (self.run, self.month) if limit is not None), wanted)

    @property
    def reason(self) -> str:
        """The reason code of the ceiling that binds first."""
        binds_run = self.run is not None and (self.month is None or self.run < self.month)
        return "run_ceiling" if binds_run else "month_ceiling"


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What will happen to each distinct number; every number is in exactly one of the three frames.

    Args:
        hits: ``kind, number, status``: known and fresh.
        asks: ``kind, number``: one call each, in first-seen order.
        deferred: ``kind, number, reason``: not asked in this run.
        price: Micro-euro per call.
    """

    hits: pl.DataFrame
    asks: pl.DataFrame
    deferred: pl.DataFrame
    price: int

    @property
    def distinct(self) -> int:
        """Numbers in all."""
        return len(self.hits) + len(self.asks) + len(self.deferred)

    @property
    def cost(self) -> int:
        """Micro-euro for all calls, if none has to be repeated."""
        return len(self.asks) * self.price


def make_plan(
    numbers: pl.DataFrame,
    fresh: pl.DataFrame,
    allowance: Allowance,
    *,
    price: int,
    sample: int | None = None,
    offline: bool = False,
) -> Plan:
    """
    Return what to do about *numbers*.

    Args:
        numbers: ``kind, number``, distinct, in first-seen order.
        fresh: ``kind, number, status``: those that need no call.
        allowance: Ceilings on calls.
        price: Micro-euro per call.
        sample: Only the first so many numbers count; the rest is deferred.
        offline: Ask nothing.
    """
    chosen = numbers.head(sample) if sample is not None else numbers
    hits = chosen.join(fresh, on=KEY, how="inner", maintain_order="left")
    missing = chosen.join(fresh, on=KEY, how="anti", maintain_order="left")
    granted = 0 if offline else allowance.grants(len(missing))
    return Plan(
        hits=hits,
        asks=missing.head(granted),
        deferred=pl.concat(
            [
                _deferred(missing.slice(granted), "offline" if offline else allowance.reason),
                _deferred(numbers.slice(len(chosen)), "not_sampled"),
            ]
        ),
        price=price,
    )


def _deferred(numbers: pl.DataFrame, reason: str) -> pl.DataFrame:
    return numbers.select(*KEY, pl.lit(reason).alias("reason"))
