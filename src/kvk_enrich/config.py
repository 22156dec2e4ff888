"""SEAM DRAFT: what the stages are given. The loader (TOML + environment + flags -> Job) is still to come."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from kvk_enrich.model import Kind, Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One register as it will be asked: whose key, how fast, at what price."""

    name: str  # kvk, kvk-test, practice
    base_url: str
    api_key: Secret
    account: str = "default"
    requests_per_second: int = 100
    calls_per_month: int = 300_000
    price_eur: Decimal = Decimal("0.02")
    monthly_fee_eur: Decimal = Decimal("6.40")
    timeout_seconds: float = 20.0
    workers: int = 100
    ca_bundle: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run, fully decided: nothing below reads a flag, a file of settings or the environment."""

    input: Path
    output: Path
    home: Path
    source: Source
    products: tuple[str, ...] = ("basisprofiel",)
    column: str | None = None
    kind: Kind | None = None  # None: auto
    encoding: str = "utf-8"
    delimiter: str | None = None  # None: found by looking
    max_calls: int | None = None  # the lower of --max-calls and --max-eur at the source's price
    max_age_found: timedelta = timedelta(days=30)
    max_age_not_found: timedelta = timedelta(days=7)
    refresh: bool = False
    offline: bool = False
    only_missing: str | None = None
    sample: int | None = None
    max_runtime: timedelta | None = None
