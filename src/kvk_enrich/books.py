"""What the journal can tell afterwards: past runs, and the month's ledger per account."""

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kvk_enrich import burndown
from kvk_enrich.clock import Clock, SystemClock
from kvk_enrich.config import Settings, source
from kvk_enrich.config.sections import Kvkbase, Register
from kvk_enrich.config.services import shares
from kvk_enrich.errors import ConfigError
from kvk_enrich.model import euro, micro
from kvk_enrich.sources import account_of
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import MonthUse, RunLine, open_journal
from kvk_enrich.state.ledger import ShareUse, label


@dataclass(frozen=True, slots=True)
class JobUse:
    """What runs of a named *job* used; *floor* and *ceiling* are the units of its share, as configured now."""

    job: str
    units: int
    floor: int | None = None
    ceiling: int | None = None


class LedgerLine(NamedTuple):
    """
    One account in one month, as the register's own portal shows it per key; VIES is counted per day too.

    *units* are calls, at kvkbase tokens: those sent, or possibly sent by a run that was killed. *limit*, *left* and
    *forecast_eur* (what the month will come to at the present pace) are given for the present month or day; for the
    present month also the units *per_day* so far, *ends_on* (the day on which the allowance ends at that pace; None: it
    lasts) and *warning* (50, 80 or 95: the percent that have been reached). *jobs* are those with a name or a share.
    """

    period: str
    register: str
    account: str
    units: int
    limit: int | None
    left: int | None
    calls_eur: Decimal
    fee_eur: Decimal
    total_eur: Decimal
    forecast_eur: Decimal | None
    per_day: Decimal | None = None
    ends_on: date | None = None
    warning: int | None = None
    jobs: tuple[JobUse, ...] = ()


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
        return _lines(journal.ledger(), journal.shares(), settings, clock.now())


class Adjusted(NamedTuple):
    """A line of the ledger that was corrected by hand: as it was counted, and as it is now."""

    before: MonthUse
    after: MonthUse


def adjust(
    settings: Settings,
    units: int,
    why: str,
    *,
    spent: Decimal | None = None,
    month: str | None = None,
    clock: Clock | None = None,
) -> Adjusted:
    """
    Correct the ledger by hand: what the register's invoice or portal says, or what other software used of the same key.

    Args:
        settings: Their source and its account say whose ledger it is.
        units: What was used: calls, at kvkbase tokens.
        why: Stands with it among the runs.
        spent: What the calls cost, in euro; None leaves the money as it was counted.
        month: Such as ``2026-11``; the present one, if not given.
        clock: Where the time comes from.

    Raises:
        ConfigError: no reason is given, or *month* is none that has begun.
        StateInUse: a run is under way.
    """
    clock = clock or SystemClock()
    register = source(settings, need_key=False)
    month = _begun(month, label(register.period, clock.now()))
    if not why.strip():
        raise ConfigError("--reason: say why; it stands with the adjustment among the runs")
    with closing(open_journal(open_home(settings.home), clock)) as journal:
        account = account_of(register, journal, micro(register.price_eur))
        money = None if spent is None else micro(spent)
        before = journal.adjust(account, month, units, money, why.strip())
    return Adjusted(before, before._replace(units=units, micro_eur=before.micro_eur if money is None else money))


def _begun(month: str | None, present: str) -> str:
    """Return *month*, or the present one. Months are ``2026-11``, so that later ones are greater."""
    if month is None:
        return present
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", month) or month > present:
        raise ConfigError(f"--month: must be a month that has begun, such as {present}, got {month!r}")
    return month


def _lines(uses: Sequence[MonthUse], by_job: Sequence[ShareUse], settings: Settings, now: datetime) -> list[LedgerLine]:
    return [_line(use, by_job, settings, now) for use in _days_as_months(uses, now)]


def _days_as_months(uses: Sequence[MonthUse], now: datetime) -> list[MonthUse]:
    """Return *uses* with the days before today added up to months."""
    months: dict[tuple[str, str, str], MonthUse] = {}
    for use in uses:
        period = use.period if use.period == label("day", now) else use.period[: len("2026-11")]
        key = (period, use.register, use.account)
        before = months.get(key, use._replace(units=0, micro_eur=0))
        months[key] = use._replace(
            period=period, units=before.units + use.units, micro_eur=before.micro_eur + use.micro_eur
        )
    by_name = sorted(months.values(), key=lambda use: (use.register, use.account))
    return sorted(by_name, key=lambda use: use.period, reverse=True)


def _line(use: MonthUse, by_job: Sequence[ShareUse], settings: Settings, now: datetime) -> LedgerLine:
    allowance, fee, counted_per = _terms(use.register.split("@")[0], settings)
    calls_eur = euro(use.micro_eur)
    is_now = use.period == label(counted_per, now)
    return LedgerLine(
        period=use.period,
        register=use.register,
        account=use.account,
        units=use.units,
        limit=allowance if is_now else None,
        left=max(0, allowance - use.units) if is_now else None,
        calls_eur=calls_eur,
        fee_eur=fee,
        total_eur=calls_eur + fee,
        forecast_eur=_cents(calls_eur / burndown.passed(now) * burndown.days(now) + fee) if is_now else None,
        **(_pace(use.units, allowance, now) if is_now and counted_per == "month" else {}),
        jobs=_jobs(use, by_job, settings, allowance if is_now and counted_per == "month" else None),
    )


def _pace(units: int, allowance: int, now: datetime) -> dict[str, Any]:
    return {
        "per_day": (units / burndown.passed(now)).quantize(Decimal("0.1")),
        "ends_on": burndown.ends_on(units, allowance, now),
        "warning": burndown.reached(units, allowance),
    }


def _jobs(use: MonthUse, by_job: Sequence[ShareUse], settings: Settings, allowance: int | None) -> tuple[JobUse, ...]:
    """Return what each job used of a line; in the present month (of *allowance* units) with their shares."""
    used = {each.name: each.units for each in by_job if each[:3] == use[:3]}
    if allowance is None:
        return tuple(JobUse(job, units) for job, units in sorted(used.items()))
    shared = {share.job: share for share in shares(settings.sections.budget)}
    return tuple(
        JobUse(job, used.get(job, 0), *((share.kept(allowance), share.most(allowance)) if share else ()))
        for job, share in ((job, shared.get(job)) for job in sorted(used.keys() | shared.keys()))
    )


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def _terms(register: str, settings: Settings) -> tuple[int, Decimal, Literal["month", "day"]]:
    """Return the allowance of *register*, its monthly fee, and what the allowance is for."""
    sources = settings.sections.source
    if register in {"vies", "practice-vies"}:
        return sources.vies.calls_per_day, Decimal(0), "day"
    if register == "kvkbase":
        section: Register | Kvkbase = sources.kvkbase
    else:
        section = {"kvk": sources.kvk, "kvk-test": sources.kvk_test}.get(register, sources.practice)
    allowed = settings.sections.budget.calls_per_month
    return (section.allowance if allowed is None else min(allowed, section.allowance)), section.monthly_fee_eur, "month"
