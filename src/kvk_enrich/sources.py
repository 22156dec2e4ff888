"""From configured services to the registers that are asked, and what asking them takes."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Final, TypeVar

from kvk_enrich.clock import Clock, SystemClock
from kvk_enrich.config import Job, Source
from kvk_enrich.config.values import PRACTICE_VIES
from kvk_enrich.errors import ConfigError
from kvk_enrich.model import micro
from kvk_enrich.plan import Tariff
from kvk_enrich.practice import app, faults, vies, vies_faults
from kvk_enrich.practice.moving import Moving
from kvk_enrich.practice.settings import Practice
from kvk_enrich.practice.settings import Vies as PracticeVies
from kvk_enrich.registers._http import AsgiApp
from kvk_enrich.registers.interface import Register
from kvk_enrich.registers.kvk import Kvk
from kvk_enrich.registers.kvkbase import TOKENS, Kvkbase
from kvk_enrich.registers.vies import Vies
from kvk_enrich.routes import Wish
from kvk_enrich.state.journal import Account, Journal

T = TypeVar("T")

COMPANY: Final = "company"
VAT: Final = "vat"
"""Whom a question goes to: the register of companies, or VIES."""

_OFFICIAL: Final = {
    "kvk": "https://api.kvk.nl/api",
    "kvk-test": "https://api.kvk.nl/test/api",
    "kvkbase": "https://api.kvkbase.nl/v1",
    "vies": "https://ec.europa.eu/taxation_customs/vies/rest-api",
}


class Services:
    """The registers of one job. Each is one object as long as the job lives: VIES's remembers which states failed."""

    def __init__(self, job: Job, clock: Clock | None = None) -> None:
        """Take the services of *job*; *clock* is that of a practice register in this process."""
        self._job = job
        self._clock = clock
        self._open: dict[str, Register] = {}

    @cached_property
    def wish(self) -> Wish:
        """What the job wants to know, and who says so."""
        job = self._job
        products = tuple(product for product in job.products if product != "none")
        return Wish(job.source.name, job.vies.name, products, is_kvk=job.source.name != "kvkbase")

    @cached_property
    def tariffs(self) -> Mapping[str, Tariff]:
        """What each product that may be asked for takes."""
        return {product: self._tariff(product) for product in self.wish.services}

    def _tariff(self, product: str) -> Tariff:
        if product == "vies":
            return Tariff(VAT)
        price = micro(self._job.source.price_eur)
        if self.wish.is_kvk:
            return Tariff(COMPANY, micro_eur=0 if product == "zoeken" else price)
        units = TOKENS[product]
        return Tariff(COMPANY, units, units * price, Kvkbase.products[product], "token")

    def source(self, payer: str) -> Source:
        """Return who is asked."""
        return self._job.vies if payer == VAT else self._job.source

    def open(self, payer: str) -> Register:
        """Return the register, ready to be entered. Raises ConfigError as :func:`open_register`."""
        if payer not in self._open:
            job = self._job
            self._open[payer] = (
                open_vies(job.vies)
                if payer == VAT
                else open_register(job.source, geo_data=job.geo_data, clock=self._clock)
            )
        return self._open[payer]


def register_id(source: Source) -> str:
    """Return what answers and money belong to: other addresses than the official ones are kept apart."""
    official = source.in_process or _OFFICIAL.get(source.name) == source.base_url
    return source.name if official else f"{source.name}@{source.base_url}"


def account_of(source: Source, journal: Journal, micro_eur: int) -> Account:
    """Return the account that pays for calls to *source*, at *micro_eur* a unit. See :meth:`Journal.account`."""
    return journal.account(
        register_id(source),
        source.account,
        source.api_key,
        requests_per_second=source.requests_per_second,
        allowance=source.allowance,
        period=source.period,
        micro_eur=micro_eur,
        shares=source.shares,
    )


def open_register(source: Source, *, geo_data: bool = False, clock: Clock | None = None) -> Kvk | Kvkbase:
    """
    Return the register of companies that *source* is, ready to be entered.

    Args:
        source: Who is asked.
        geo_data: Ask KVK for coordinates too.
        clock: Of a practice register in this process.

    Raises:
        ConfigError: a scripted fault or a certificate file cannot be read.
    """
    reached: dict[str, Any] = {"timeout_seconds": source.timeout_seconds, "ca_bundle": source.ca_bundle}
    if source.name == "kvkbase":
        return Kvkbase(source.base_url, source.api_key, **reached)
    inside = _app(source, clock) if source.in_process else None
    return Kvk(source.base_url, source.api_key, geo_data=geo_data, app=inside, **reached)


def open_vies(source: Source) -> Vies:
    """Return VIES, ready to be entered. See :func:`open_register`."""
    return Vies(
        source.base_url,
        requester=source.requester,
        dialect=source.dialect,
        timeout_seconds=source.timeout_seconds,
        ca_bundle=source.ca_bundle,
        app=_app(source) if source.in_process else None,
    )


def _app(source: Source, clock: Clock | None = None) -> AsgiApp:
    """Return a practice register in this process."""
    latency = source.latency_seconds
    if source.name == PRACTICE_VIES:
        scripted = _parsed(vies_faults.parse, source.faults, "vies_faults")
        behaviour = PracticeVies(faults=scripted, calls_per_day=source.allowance)
        return vies.create(Practice(latency_seconds=latency, vies=behaviour))
    return app.create(
        Practice(
            latency_seconds=latency,
            requests_per_second=round(source.requests_per_second),
            calls_per_month=source.allowance,
            faults=_parsed(faults.parse, source.faults, "faults"),
            moving=Moving(source.moving_since, source.moves_a_year) if source.moving_since else None,
            clock=clock or SystemClock(),
        )
    )


def _parsed(read: Callable[[str], T], texts: Iterable[str], key: str) -> tuple[T, ...]:
    try:
        return tuple(read(text) for text in texts)
    except ValueError as error:
        raise ConfigError(f"source.practice.{key}: {error}") from None
