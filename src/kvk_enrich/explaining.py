"""One number, explained: how it is read, what is known of it, which calls it would take, at what cost. Makes none."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

import polars as pl

from kvk_enrich import identify
from kvk_enrich.clock import Clock
from kvk_enrich.config import Job
from kvk_enrich.identifiers import masking, vat
from kvk_enrich.knowing import Freshness, Knowledge, books_of
from kvk_enrich.model import Kind, euro
from kvk_enrich.progress import Progress
from kvk_enrich.state.journal import LastTry

_CELL: Final = "number"
_DIGITS: Final = re.compile("[0-9]{9}")


class Step(NamedTuple):
    """
    One call on the way.

    *status* is found or not_found where the answer is known, ``ask`` where it would be asked now, ``later``
    where it depends on answers to come, and a reason code where it would be left out. *last_try* is the call of an
    earlier run that brought no answer, where none has come since.
    """

    product: str
    number: str | None
    status: str
    reason: str | None
    fetched_at: datetime | None
    cost_eur: Decimal
    last_try: LastTry | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    What there is to say of one text.

    Args:
        text: As given, without digits that may be a citizen service number.
        number: Canonical, None where none can be read; Dutch VAT numbers that may hold a citizen service number
            are masked.
        kind: What it is.
        reason: Why it cannot be asked for.
        note: Repairs made, in words.
        flags: What to know of it.
        steps: The calls that lead to what is wanted.
        cost_eur: Of the calls still to be made, at most.
    """

    text: str
    number: str | None
    kind: str | None
    reason: str | None
    note: str | None
    flags: tuple[str, ...]
    steps: tuple[Step, ...]
    cost_eur: Decimal


def explain(job: Job, text: str, *, progress: Progress | None = None, clock: Clock | None = None) -> Explanation:
    """
    Explain *text* as a cell of a list that is enriched by *job*.

    Raises:
        EnrichError: the state cannot be used.
    """
    cell = pl.LazyFrame({_CELL: [text]}, schema={_CELL: pl.String})
    read = identify.identify(cell, [_CELL], job.kind, strict=job.strict).collect().row(0, named=True)
    number, kind = read["enrich_number"], read["enrich_kind"]
    hidden = kind == Kind.VAT and vat.may_hold_bsn(number)
    shown = text if number else masking.refused(text, read["enrich_reason"])
    steps, cost = ((), 0) if number is None else _steps(job, kind, number, progress, clock, hidden=hidden)
    return Explanation(
        text=_starred(text, number[11:]) if hidden else shown,
        number=vat.masked(number) if hidden else number,
        kind=kind,
        reason=read["enrich_reason"],
        note=read["enrich_note"],
        flags=tuple(read["enrich_flags"] or ()),
        steps=steps,
        cost_eur=euro(cost),
    )


def _starred(text: str, ending: str) -> str:
    """Return *text* without its digits; with the *ending* of the number that is shown beside it, if it has that too."""
    if text[-len(ending) :].upper() != ending:
        return masking.starred(text)
    return masking.starred(text[: -len(ending)]) + text[-len(ending) :]


def _steps(
    job: Job, kind: str, number: str, progress: Progress | None, clock: Clock | None, *, hidden: bool
) -> tuple[tuple[Step, ...], int]:
    numbers = pl.DataFrame({"kind": [kind], "number": [number], "wanted": [True]})
    with books_of(job.home, progress, clock) as books:
        now = books.clock.now()
        known = Knowledge(job, books, numbers, Freshness(now - job.max_age_found, now - job.max_age_not_found))
        plan = known.plan()
        left_out = {(product, one): reason for product, _, one, reason in plan.deferred.iter_rows()}
        steps = []
        for product, _, one, status, reason, fetched_at in known.standing().iter_rows():
            fate = status or left_out.get((product, one), "ask")
            cost = euro(plan.tariffs[product].micro_eur if fate == "ask" else 0)
            shown = _DIGITS.sub("*" * 9, one) if hidden else one
            tried = None if hidden else books.journal.last_try(product, one)
            steps.append(Step(product, shown, fate, reason, fetched_at, cost, tried))
        for product, count in plan.later.items():
            steps.append(Step(product, None, "later", None, None, euro(count * plan.tariffs[product].micro_eur)))
        return tuple(steps), plan.cost
