"""From a configured source to the register that is asked."""

from typing import Final

from kvk_enrich.config import Source
from kvk_enrich.errors import ConfigError
from kvk_enrich.practice import app
from kvk_enrich.practice.faults import parse
from kvk_enrich.practice.settings import Practice
from kvk_enrich.registers.kvk import Kvk
from kvk_enrich.state.journal import Account, Journal

_OFFICIAL: Final = {
    "kvk": "https://api.kvk.nl/api",
    "kvk-test": "https://api.kvk.nl/test/api",
}


def register_id(source: Source) -> str:
    """Return what answers and money belong to: other addresses than the official ones are kept apart."""
    official = source.in_process or _OFFICIAL.get(source.name) == source.base_url
    return source.name if official else f"{source.name}@{source.base_url}"


def account_of(source: Source, journal: Journal, micro_eur: int) -> Account:
    """Return the account that pays for calls to *source*, at *micro_eur* each. See :meth:`Journal.account`."""
    return journal.account(
        register_id(source),
        source.account,
        source.api_key,
        requests_per_second=source.requests_per_second,
        calls_per_month=source.calls_per_month,
        micro_eur=micro_eur,
    )


def open_register(source: Source) -> Kvk:
    """
    Return the register of *source*, ready to be entered.

    Raises:
        ConfigError: a scripted fault or a certificate file cannot be read.
    """
    return Kvk(
        source.base_url,
        source.api_key,
        timeout_seconds=source.timeout_seconds,
        ca_bundle=source.ca_bundle,
        app=app.create(_practice(source)) if source.in_process else None,
    )


def _practice(source: Source) -> Practice:
    try:
        faults = tuple(parse(text) for text in source.faults)
    except ValueError as error:
        raise ConfigError(f"source.practice.faults: {error}") from None
    return Practice(
        latency_seconds=source.latency_seconds,
        requests_per_second=source.requests_per_second,
        calls_per_month=source.calls_per_month,
        faults=faults,
    )
