"""
The run record: what a run did, in the shape that ``out.run.json`` and ``--json`` publish.

Keys and their order are public. The values are checked where they are made: counts add up, times are
UTC, money has at least two decimals; a record that contradicts itself is a bug and raises ValueError.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, Self

import msgspec

from kvk_enrich.model import Status

SCHEMA: Final = 1
"""Version of the record's shape; a change that readers could notice raises it."""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of the rows of the list. Each row is counted once.

    In a planned record nothing has been asked yet, so the rows that wait for a call count as deferred.
    """

    total: int
    found: int
    not_found: int
    invalid: int
    failed: int
    deferred: int

    def __post_init__(self) -> None:
        """Refuse counts that do not add up."""
        counted = self.found + self.not_found + self.invalid + self.failed + self.deferred
        if counted != self.total:
            raise ValueError(f"the outcomes count {counted} rows, the list has {self.total}")

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Self:
        """Return *counts* by outcome (:class:`~kvk_enrich.model.Status`; a missing one is 0) with their total."""
        by_status = {status.value: counts.get(status.value, 0) for status in Status}
        return cls(total=sum(counts.values()), **by_status)


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """The list: *sha256* of its bytes, data *rows*, and the *columns* that held the numbers."""

    path: str
    sha256: str
    rows: int
    columns: tuple[str, ...]


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """Distinct numbers: in the list, answered by the cache, asked in this run; and served with an older answer."""

    distinct: int
    cached: int
    asked: int
    stale: int | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        """Refuse more known and asked numbers than there are."""
        if self.cached + self.asked > self.distinct:
            raise ValueError(f"{self.cached} cached and {self.asked} asked numbers, but only {self.distinct} distinct")


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Requests: all *sent*, how many of them are billed and not, repeats, and those whose answer never came."""

    sent: int
    paid: int
    free: int
    retries: int
    in_doubt: int


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The month of one key, in calls, after the run. *month* as ``2026-11``, Europe/Amsterdam."""

    account: str
    month: str
    used: int
    left: int
    limit: int


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """The pace: allowed and held, in calls per second, and the most calls in any sliding second."""

    limit_per_s: float
    mean_per_s: float
    max_in_any_second: int


class OutputFile(msgspec.Struct, frozen=True, kw_only=True):
    """One published file; *rows* is null for a page."""

    path: str
    sha256: str
    rows: int | None


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """
    The files of a run.

    *report* is null only in the record that the report is made from; what was not wanted is absent: *branches*, and
    what --compare and --diff leave, and *evidence*, whose hash is that of its manifest.
    """

    enriched: OutputFile
    failed: OutputFile
    report: OutputFile | None = None
    branches: OutputFile | msgspec.UnsetType = msgspec.UNSET
    changes: OutputFile | msgspec.UnsetType = msgspec.UNSET
    patch: OutputFile | msgspec.UnsetType = msgspec.UNSET
    undo: OutputFile | msgspec.UnsetType = msgspec.UNSET
    diff: OutputFile | msgspec.UnsetType = msgspec.UNSET
    evidence: OutputFile | msgspec.UnsetType = msgspec.UNSET


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would take: calls, euro, seconds at the allowed pace, and the calls *left_after* in the month."""

    calls_paid: int
    calls_free: int
    cost_eur: Decimal
    seconds: float
    left_after: int

    def __post_init__(self) -> None:
        """Refuse money that would print oddly."""
        _require_cents(self.cost_eur)


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """
    One finished run.

    *state* is complete when every row has its final answer, partial when some could not be asked, stopped
    when the run ended early for *stop_reason*; *outputs* is null when it ended without writing any.
    *cost_eur* counts what this run paid, *saved_eur* what the numbers answered by the cache would have cost.
    """

    schema: Literal[1] = SCHEMA
    run_id: str
    state: Literal["complete", "partial", "stopped"]
    stop_reason: str | None
    input: Input
    config_sha256: str
    version: str
    rows: Rows
    numbers: Numbers
    calls: Calls
    cost_eur: Decimal
    saved_eur: Decimal
    budget: Budget
    rate: Rate
    outputs: Outputs | None
    started_at: datetime
    finished_at: datetime
    seconds: float

    def __post_init__(self) -> None:
        """Refuse a record that contradicts itself."""
        for amount in (self.cost_eur, self.saved_eur):
            _require_cents(amount)
        for moment in (self.started_at, self.finished_at):
            _require_utc(moment)
        if self.input.rows != self.rows.total:
            raise ValueError(f"the input has {self.input.rows} rows, the outcomes count {self.rows.total}")
        if self.outputs is not None and self.outputs.enriched.rows != self.rows.total:
            raise ValueError(f"the output has {self.outputs.enriched.rows} rows, the list has {self.rows.total}")


class EndedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run that ended before it had anything to count, as machines are told of it: why, and what the process said."""

    schema: Literal[1] = SCHEMA
    state: Literal["failed", "stopped"]
    exit_code: int
    message: str
    input: dict[str, str]
    version: str
    started_at: datetime
    finished_at: datetime
    seconds: float


class PlannedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """
    What ``plan --json`` prints: the keys of :class:`RunRecord` that are known beforehand, and the forecast.

    *numbers.asked* are the numbers that the run would ask for; *budget* is the month as it stands now.
    """

    schema: Literal[1] = SCHEMA
    state: Literal["planned"] = "planned"
    input: Input
    config_sha256: str
    version: str
    rows: Rows
    numbers: Numbers
    saved_eur: Decimal
    budget: Budget
    forecast: Forecast

    def __post_init__(self) -> None:
        """Refuse a record that contradicts itself."""
        _require_cents(self.saved_eur)
        if self.input.rows != self.rows.total:
            raise ValueError(f"the input has {self.input.rows} rows, the outcomes count {self.rows.total}")


def to_json(record: RunRecord | PlannedRecord) -> bytes:
    """Return *record* as indented UTF-8 JSON with a final newline: money as strings, times as ISO 8601 with Z."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def from_json(data: bytes) -> RunRecord:
    """Return the record of a finished run from its JSON. Raises msgspec.ValidationError when it is none."""
    return msgspec.json.decode(data, type=RunRecord)


def _require_cents(amount: Decimal) -> None:
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent > -2:  # noqa: PLR2004  two decimals: cents
        raise ValueError(f"{amount} euro has fewer than two decimals; make it with model.euro()")


def _require_utc(moment: datetime) -> None:
    if moment.utcoffset() != timedelta(0):
        raise ValueError(f"{moment} is not in UTC")
