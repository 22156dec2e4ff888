"""The sections of the file, key by key: the one place that knows names, defaults and bounds."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kvk_enrich.config.checks import (
    AccountName,
    BaseUrl,
    Columns,
    Comparisons,
    Delimiter,
    DialectName,
    Duration,
    Encoding,
    Euro,
    Fields,
    FilePath,
    FormatName,
    KindName,
    LangName,
    NotifyUrl,
    Number,
    Products,
    ShareOfAll,
    SourceName,
    Text,
    TimeOfDay,
    VatNumber,
    ViesDialect,
    Whole,
    as_variable,
)

_Allowance = Annotated[Whole, Field(ge=0, le=10_000_000)]
_Timeout = Annotated[Number, Field(ge=0.1, le=600)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Input(_Section):
    """How the list is read."""

    column: Columns | None = None
    country_column: Text | None = None
    kind: KindName = "auto"
    strict: bool = False
    encoding: Encoding = "utf-8"
    delimiter: Delimiter | None = None
    sheet: Text | None = None


class Output(_Section):
    """Where the rows go."""

    file: FilePath | None = None
    format: FormatName | None = None
    patch: Fields | None = None
    evidence: FilePath | None = None
    metrics: FilePath | None = None
    csv_dialect: DialectName = "standard"
    lang: LangName | None = None


class Run(_Section):
    """What a run does."""

    source: SourceName = "kvk"
    products: Products | None = None
    geo_data: bool = False
    refresh: bool = False
    offline: bool = False
    only_missing: Text | None = None
    compare: Comparisons = ()
    diff: bool = False
    serve_stale: bool = False
    priority_column: Text | None = None
    sample: Annotated[Whole, Field(ge=1, le=1_000_000_000)] | None = None
    max_runtime: Annotated[Duration, Field(gt=timedelta())] | None = None
    deadline: TimeOfDay | None = None
    notify_url: NotifyUrl | None = None
    ca_bundle: FilePath | None = None
    yes: bool = False


class Price(_Section):
    """What a paid call costs from a day on (Amsterdam)."""

    since: date = Field(default=date.min, alias="from")
    price_eur: Euro


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else ({"price_eur": value},)


def _as_texts(value: object) -> object:
    """A variable is one text: several are separated by semicolons."""
    return tuple(part.strip() for part in value.split(";") if part.strip()) if isinstance(value, str) else value


def _in_order(prices: tuple[Price, ...]) -> tuple[Price, ...]:
    if len({price.since for price in prices}) < len(prices):
        raise ValueError("must not give two prices from the same day")
    return tuple(sorted(prices, key=lambda price: price.since))


_Texts = Annotated[tuple[Text, ...], BeforeValidator(_as_texts)]
Prices = Annotated[tuple[Price, ...], BeforeValidator(_as_list), AfterValidator(_in_order), Field(min_length=1)]


class Register(_Section):
    """
    A register and one key to it.

    100 calls a second and 300,000 a month are KVK's own limits, EUR 0.02 a call and EUR 6.40 a
    month and key its prices. Source: developers.kvk.nl, read 2026-11.
    """

    base_url: BaseUrl | None
    requests_per_second: Annotated[Whole, Field(ge=1, le=100)] = 100
    calls_per_month: _Allowance = 300_000
    price_eur: Prices = (Price(price_eur=Decimal("0.02")),)
    monthly_fee_eur: Euro = Decimal("6.40")
    timeout_seconds: _Timeout = 20.0
    account: AccountName = "default"
    workers: Annotated[Whole, Field(ge=1, le=1000)] = 100
    ca_bundle: FilePath | None = None

    @property
    def pace(self) -> float:
        """Calls a second."""
        return self.requests_per_second

    @property
    def allowance(self) -> int:
        """Calls a month."""
        return self.calls_per_month


class Kvk(Register):
    """KVK itself."""

    base_url: BaseUrl = "https://api.kvk.nl/api"


class KvkTest(Register):
    """KVK's test environment: fictional companies, a public key, no cost."""

    base_url: BaseUrl = "https://api.kvk.nl/test/api"
    price_eur: Prices = (Price(price_eur=Decimal(0)),)
    monthly_fee_eur: Euro = Decimal(0)


class Practice(Register):
    """The practice register: inside this process, or where *base_url* says."""

    base_url: BaseUrl | None = None
    requests_per_second: Annotated[Whole, Field(ge=1, le=10_000)] = 100
    latency_seconds: Annotated[Number, Field(ge=0, le=60)] = 0.5
    moving_since: date | None = None
    moves_a_year: Annotated[Number, Field(ge=0, le=365)] = 0.3
    faults: _Texts = ()
    vies_faults: _Texts = ()


class Kvkbase(_Section):
    """
    The service kvkbase and one key to it, paid in tokens: one for a lookup, five for an enriched one.

    300 requests a minute and 5,000 tokens a month are its largest tier; no price in euro is published.
    Source: docs/api-reference of the vendor, read 2026-11.
    """

    base_url: BaseUrl = "https://api.kvkbase.nl/v1"
    requests_per_minute: Annotated[Whole, Field(ge=1, le=6_000)] = 300
    tokens_per_month: _Allowance = 5_000
    price_eur: Prices = (Price(price_eur=Decimal(0)),)
    monthly_fee_eur: Euro = Decimal(0)
    timeout_seconds: _Timeout = 30.0
    account: AccountName = "default"
    workers: Annotated[Whole, Field(ge=1, le=100)] = 4
    ca_bundle: FilePath | None = None

    @property
    def pace(self) -> float:
        """Calls a second."""
        return self.requests_per_minute / 60

    @property
    def allowance(self) -> int:
        """Tokens a month."""
        return self.tokens_per_month


_Seconds = Annotated[
    tuple[Annotated[Number, Field(ge=0, le=86_400)], ...], BeforeValidator(_as_texts), Field(max_length=10)
]


class Vies(_Section):
    """
    The European Commission's VAT register: free, without a key, and easily overrun.

    It limits what is under way over all its users, per member state and in all, at thresholds that it
    keeps to itself; about 40,000 calls a day from one address got clients blocked.
    """

    base_url: BaseUrl = "https://ec.europa.eu/taxation_customs/vies/rest-api"
    requester: VatNumber | None = None
    dialect: ViesDialect = "post"
    requests_per_second: Annotated[Number, Field(ge=0.01, le=100)] = 4.0
    calls_per_day: _Allowance = 30_000
    per_state: Annotated[Whole, Field(ge=1, le=2)] = 1
    retry_windows: _Seconds = (15, 60, 120)
    timeout_seconds: _Timeout = 30.0
    workers: Annotated[Whole, Field(ge=1, le=8)] = 4
    ca_bundle: FilePath | None = None


class Sources(_Section):
    """The registers."""

    kvk: Kvk = Kvk()
    kvk_test: KvkTest = Field(default=KvkTest(), alias="kvk-test")
    kvkbase: Kvkbase = Kvkbase()
    vies: Vies = Vies()
    practice: Practice = Practice()


class Cache(_Section):
    """How long an answer is good for, and how long it is kept."""

    max_age_found: Duration = timedelta(days=30)
    max_age_not_found: Duration = timedelta(days=7)
    retention: Annotated[Duration, Field(gt=timedelta())] = timedelta(days=400)


class JobShare(_Section):
    """What is kept of the month's allowance for a job, and what it may use of it at most; 0.6 is 60 %."""

    floor: ShareOfAll = Decimal(0)
    ceiling: ShareOfAll = Decimal(1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.floor > self.ceiling:
            raise ValueError(f"the floor {self.floor} is above the ceiling {self.ceiling}")
        return self


def _as_shares(value: object) -> object:
    """A variable is one text: ``nightly floor=0.6; adhoc ceiling=0.2``."""
    if not isinstance(value, str):
        return value
    parts = (part.split() for part in value.split(";") if part.strip())
    return {name: dict(_bound(bound) for bound in bounds) for name, *bounds in parts}


def _bound(text: str) -> tuple[str, str]:
    name, sign, bound = text.partition("=")
    if not sign:
        raise ValueError(f"must be text such as 'nightly floor=0.6; adhoc ceiling=0.2', got {text!r}")
    return name, bound


def _within_the_whole(shares: dict[str, JobShare]) -> dict[str, JobShare]:
    whole = sum(share.floor for share in shares.values())
    if whole > 1:
        raise ValueError(f"the floors are {whole} together, more than there is; make them 1 at most")
    return shares


_Shares = Annotated[dict[AccountName, JobShare], BeforeValidator(_as_shares), AfterValidator(_within_the_whole)]


class Budget(_Section):
    """What may be spent: by all runs in a month, by the runs of a named job, by one run."""

    calls_per_month: _Allowance | None = None
    job: AccountName | None = None
    share: _Shares = {}
    max_eur: Euro | None = None
    max_calls: _Allowance | None = None


class Sections(_Section):
    """Everything a configuration can say."""

    home: FilePath | None = None
    input: Input = Input()
    output: Output = Output()
    run: Run = Run()
    source: Sources = Sources()
    cache: Cache = Cache()
    budget: Budget = Budget()


def _leaves(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        path = prefix + (field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Section):
            yield from _leaves(field.annotation, f"{path}.")
        else:
            yield path


KEYS: Final[tuple[str, ...]] = tuple(_leaves(Sections))
"""The path of every key, in the order of the sections."""

LATER: Final = frozenset({"output.failed", "output.report"})
"""Keys that are decided upon and not there yet."""

VARIABLE_PREFIX: Final = "KVK_ENRICH_"

VARIABLES: Final[Mapping[str, str]] = {VARIABLE_PREFIX + as_variable(key): key for key in KEYS}
"""The environment variable of every key, and the key it sets."""

FLAGS: Final[Mapping[str, str]] = {
    "output": "output.file",
    "column": "input.column",
    "country_column": "input.country_column",
    "kind": "input.kind",
    "strict": "input.strict",
    "encoding": "input.encoding",
    "delimiter": "input.delimiter",
    "sheet": "input.sheet",
    "csv_dialect": "output.csv_dialect",
    "lang": "output.lang",
    "source": "run.source",
    "products": "run.products",
    "geo_data": "run.geo_data",
    "job": "budget.job",
    "max_eur": "budget.max_eur",
    "max_calls": "budget.max_calls",
    "max_age": "cache.max_age_found",
    "refresh": "run.refresh",
    "offline": "run.offline",
    "only_missing": "run.only_missing",
    "compare": "run.compare",
    "patch": "output.patch",
    "diff": "run.diff",
    "evidence": "output.evidence",
    "metrics": "output.metrics",
    "notify_url": "run.notify_url",
    "sample": "run.sample",
    "max_runtime": "run.max_runtime",
    "deadline": "run.deadline",
    "serve_stale": "run.serve_stale",
    "priority_column": "run.priority_column",
    "ca_bundle": "run.ca_bundle",
    "yes": "run.yes",
    "home": "home",
}
"""Flags of ``run`` and ``plan`` (``max_eur`` is ``--max-eur``) and the key each of them sets."""
