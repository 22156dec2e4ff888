"""Sections become services: whose key, how fast, at what price."""

import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

from kvk_enrich.clock import AMSTERDAM
from kvk_enrich.config import keys
from kvk_enrich.config.sections import Budget, Kvkbase, KvkTest, Practice, Price, Register, Sources
from kvk_enrich.config.values import PRACTICE_URL, PRACTICE_VIES, VIES, Settings, Source
from kvk_enrich.config.words import did_you_mean
from kvk_enrich.errors import ConfigError
from kvk_enrich.model import Secret
from kvk_enrich.shares import Share

_VIES_BASE_URL: Final = "source.vies.base_url"


def source(
    settings: Settings,
    *,
    environ: MutableMapping[str, str] | None = None,
    today: date | None = None,
    need_key: bool = True,
) -> Source:
    """
    Return the register that ``run.source`` names, with its key.

    The key comes from *environ* and its variable is taken out: :mod:`kvk_enrich.config.keys`.

    Raises:
        ConfigError: no key, a key file that others can read, no price for *today*, no CA bundle, no share of that name.
    """
    environ = os.environ if environ is None else environ
    today = datetime.now(UTC).astimezone(AMSTERDAM).date() if today is None else today
    name = settings.sections.run.source
    section = _companies(settings.sections.source)[name]
    allowances = (section.allowance, settings.sections.budget.calls_per_month)
    made = Source(
        name=name,
        base_url=section.base_url or PRACTICE_URL,
        api_key=_key(name, section, environ, need_key=need_key),
        account=section.account,
        requests_per_second=section.pace,
        allowance=min(allowance for allowance in allowances if allowance is not None),
        job=_job(settings.sections.budget),
        shares=shares(settings.sections.budget),
        price_eur=_price_on(today, section.price_eur, f"source.{name}.price_eur"),
        monthly_fee_eur=section.monthly_fee_eur,
        timeout_seconds=section.timeout_seconds,
        workers=section.workers,
        ca_bundle=_ca_bundle(settings, name, section.ca_bundle),
    )
    if not isinstance(section, Practice):
        return made
    return replace(
        made,
        latency_seconds=section.latency_seconds,
        faults=section.faults,
        moving_since=section.moving_since,
        moves_a_year=section.moves_a_year,
        in_process=section.base_url is None,
    )


def vies(settings: Settings) -> Source:
    """
    Return VIES, or the practice register's in its place where ``run.source`` is practice.

    Raises:
        ConfigError: no CA bundle.
    """
    section, practice = settings.sections.source.vies, settings.sections.source.practice
    made = Source(
        name=VIES,
        base_url=section.base_url,
        api_key=Secret(""),
        requests_per_second=section.requests_per_second,
        allowance=section.calls_per_day,
        period="day",
        price_eur=Decimal(0),
        monthly_fee_eur=Decimal(0),
        timeout_seconds=section.timeout_seconds,
        workers=section.workers,
        ca_bundle=_ca_bundle(settings, VIES, section.ca_bundle),
        requester=section.requester,
        dialect=section.dialect,
        per_state=section.per_state,
        retry_windows=section.retry_windows,
    )
    if settings.sections.run.source != "practice" or _VIES_BASE_URL in settings.origins:
        return made
    return replace(
        made,
        name=PRACTICE_VIES,
        base_url=urljoin(practice.base_url or PRACTICE_URL, "/vies"),
        latency_seconds=practice.latency_seconds,
        faults=practice.vies_faults,
        in_process=practice.base_url is None,
    )


def shares(budget: Budget) -> tuple[Share, ...]:
    """Return what named jobs may use of the month's allowance."""
    return tuple(Share(name, share.floor, share.ceiling) for name, share in budget.share.items())


def _job(budget: Budget) -> str | None:
    """Return the name of the job. Where there are shares, a slip in it would let it do without its own."""
    if budget.job is not None and budget.share and budget.job not in budget.share:
        meant = did_you_mean(budget.job, budget.share)
        raise ConfigError(
            f"budget.job: there is no budget.share.{budget.job}{meant or '; add it, even if it is empty'}"
        )
    return budget.job


def _companies(sources: Sources) -> Mapping[str, Register | Kvkbase]:
    """Return the sections that ``run.source`` may name."""
    return {
        "kvk": sources.kvk,
        "kvk-test": sources.kvk_test,
        "kvkbase": sources.kvkbase,
        "practice": sources.practice,
    }


def _ca_bundle(settings: Settings, name: str, own: Path | None) -> Path | None:
    """Return the authorities of one service: its own, else those of the run."""
    file, key = (settings.sections.run.ca_bundle, "run.ca_bundle") if own is None else (own, f"source.{name}.ca_bundle")
    if file is not None and not file.is_file():
        raise ConfigError(f"{key}: there is no file {file}")
    return file


def _price_on(today: date, prices: Sequence[Price], key: str) -> Decimal:
    price = next((price.price_eur for price in reversed(prices) if price.since <= today), None)
    if price is None:
        raise ConfigError(f"{key}: no price for {today}; the first is from {prices[0].since}")
    return price


def _key(name: str, section: Register | Kvkbase, environ: MutableMapping[str, str], *, need_key: bool) -> Secret:
    match section:
        case Practice():
            return Secret(f"practice-{section.account}")
        case KvkTest():
            return Secret(keys.KVK_TEST_KEY)
        case _ if need_key or keys.variable(name, section.account, environ):
            return keys.take(name, section.account, environ)
        case _:
            return Secret("")
