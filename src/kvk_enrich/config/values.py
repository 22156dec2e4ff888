"""What the rest of the program is given: one register, one run. Plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, NamedTuple

from kvk_enrich.compare import Comparison
from kvk_enrich.config.sections import Sections
from kvk_enrich.model import Kind, Secret
from kvk_enrich.shares import Share

PRACTICE_URL: Final = "http://practice.localhost/api"
"""Where the practice register answers when it runs inside this process; no port is opened."""

VIES: Final = "vies"
PRACTICE_VIES: Final = "practice-vies"
"""A name of its own: what it says of numbers must never pass for the word of VIES."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    One register as it will be asked: whose key, how fast, at what price.

    Args:
        name: ``kvk``, ``kvk-test``, ``kvkbase``, ``practice``, ``vies`` or ``practice-vies``.
        base_url: Without a slash at the end.
        api_key: Empty when the source was made for planning only, and where none is needed.
        account: The name of this key: its own ledger, pace and allowance.
        requests_per_second: May be less than one.
        allowance: Units that may be used in a period: calls; at kvkbase tokens. Of a month it is the
            lower of the source's and ``budget.calls_per_month``.
        period: How long the allowance is for, in Amsterdam's calendar.
        job: The name of the job that asks, if it has one.
        shares: What named jobs may use of the allowance.
        price_eur: Of one unit, on the day the source was made.
        requester: The user's own VAT number, canonical; VIES then gives a consultation number.
        dialect: Which of its two interfaces VIES is asked by.
        per_state: Calls under way at most to one member state; VIES only.
        retry_windows: Seconds before each further round over states that were away; VIES only.
        latency_seconds: Mean time of an answer; practice only.
        faults: Scripted faults, in the practice register's own words; practice only.
        moving_since: From which day on companies change; practice only.
        moves_a_year: How often each of them does; practice only.
        in_process: The practice register runs inside this process instead of at *base_url*.
    """

    name: str
    base_url: str
    api_key: Secret
    account: str = "default"
    requests_per_second: float = 100
    allowance: int = 300_000
    period: Literal["month", "day"] = "month"
    job: str | None = None
    shares: tuple[Share, ...] = ()
    price_eur: Decimal = Decimal("0.02")
    monthly_fee_eur: Decimal = Decimal("6.40")
    timeout_seconds: float = 20.0
    workers: int = 100
    ca_bundle: Path | None = None
    requester: str | None = None
    dialect: Literal["post", "get"] = "post"
    per_state: int = 1
    retry_windows: tuple[float, ...] = ()
    latency_seconds: float = 0.5
    faults: tuple[str, ...] = ()
    moving_since: date | None = None
    moves_a_year: float = 0.3
    in_process: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run, fully decided: nothing below reads a flag, a file of settings or the environment."""

    input: Path
    output: Path
    home: Path
    source: Source
    vies: Source
    products: tuple[str, ...] = ("basisprofiel",)
    geo_data: bool = False
    columns: tuple[str, ...] = ()  # none: found by content
    country_column: str | None = None
    kind: Kind | None = None  # None: auto
    strict: bool = False
    encoding: str = "utf-8"
    delimiter: str | None = None  # None: found by looking
    sheet: str | None = None  # None: the first visible one
    csv_dialect: str = "standard"
    lang: str = "en"
    max_calls: int | None = None
    max_micro_eur: int | None = None
    max_age_found: timedelta = timedelta(days=30)
    max_age_not_found: timedelta = timedelta(days=7)
    retention: timedelta = timedelta(days=400)
    refresh: bool = False
    offline: bool = False
    only_missing: str | None = None
    compare: tuple[Comparison, ...] = ()
    patch: tuple[str, ...] = ()  # fields that the patch may change
    diff: bool = False
    evidence: Path | None = None
    metrics: Path | None = None
    notify_url: Secret | None = None  # it may hold a token
    serve_stale: bool = False
    priority_column: str | None = None
    sample: int | None = None
    max_runtime: timedelta | None = None
    deadline: time | None = None
    yes: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The configuration as given, checked key by key, before it is about one list.

    Args:
        sections: The values, defaults filled in.
        origins: Where each given key comes from; a key that is not here has its default.
        home: The folder of cache, journal and run records; absolute.
        lang: The language in which people are told things: as set, else that of the locale.
    """

    sections: Sections
    origins: Mapping[str, str]
    home: Path
    lang: str = "en"

    def origin(self, key: str) -> str:
        """Return where *key* comes from: a flag, a variable, the file or ``default``."""
        return self.origins.get(key, "default")


class Setting(NamedTuple):
    """One line of ``config show``: *value* as text, *origin* a flag, a variable, the file or ``default``."""

    key: str
    value: str
    origin: str
