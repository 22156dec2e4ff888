"""What the journal can tell afterwards: past runs, and the month's ledger per account."""

import calendar
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from kvk_enrich.clock import AMSTERDAM, Clock, SystemClock, month_of
from kvk_enrich.config import Settings
from kvk_enrich.model import euro
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import MonthUse, RunLine, open_journal


class LedgerLine(NamedTuple):
    """
    One account in one month, as the register's own portal shows it per key.

    *calls* are permits taken: sent, or possibly sent by a run that was killed. *limit*, *left* and
    *forecast_eur* (what the month will come to at the present pace) are given for the present month.
    """

    month: str
    register: str
    account: str
    calls: int
    limit: int | None
    left: int | None
    calls_eur: Decimal
    fee_eur: Decimal
    total_eur: Decimal
    forecast_eur: Decimal | None


def past_runs(home: Path, run_id: str | None = None, *, clock: Clock | None = None) -> list[RunLine]:
    """Return all runs of *home*, or the one named, newest first; those whose process died are marked so."""
    with closing(open_journal(open_home(home), clock or SystemClock())) as journal:
        journal.sweep()
        return journal.runs(run_id)


def ledger(settings: Settings, *, clock: Clock | None = None) -> list[LedgerLine]:
    """Return the ledger, newest month first. Fees and limits are those of the present configuration."""
    clock = clock or SystemClock()
    with closing(open_journal(open_home(settings.home), clock)) as journal:
        journal.sweep()
        return _lines(journal.ledger(), settings, clock.now())


def _lines(uses: Sequence[MonthUse], settings: Settings, now: datetime) -> list[LedgerLine]:
    return [_line(use, settings, now) for use in uses]


def _line(use: MonthUse, settings: Settings, now: datetime) -> LedgerLine:
    sources = settings.sections.source
    section = {"kvk": sources.kvk, "kvk-test": sources.kvk_test}.get(use.register.split("@")[0], sources.practice)
    calls_eur, fee = euro(use.micro_eur), section.monthly_fee_eur
    is_now = use.month == month_of(now)
    allowed = settings.sections.budget.calls_per_month
    limit = section.calls_per_month if allowed is None else min(allowed, section.calls_per_month)
    return LedgerLine(
        month=use.month,
        register=use.register,
        account=use.account,
        calls=use.calls,
        limit=limit if is_now else None,
        left=max(0, limit - use.calls) if is_now else None,
        calls_eur=calls_eur,
        fee_eur=fee,
        total_eur=calls_eur + fee,
        forecast_eur=(calls_eur / _share_of_month(now) + fee).quantize(Decimal("0.01")) if is_now else None,
    )


def _share_of_month(now: datetime) -> Decimal:
    """Return how much of the month has passed in Amsterdam, at least one day."""
    local = now.astimezone(AMSTERDAM)
    days = calendar.monthrange(local.year, local.month)[1]
    passed = Decimal(local.day - 1) + Decimal(local.hour * 60 + local.minute) / (24 * 60)
    return max(Decimal(1), passed) / days
