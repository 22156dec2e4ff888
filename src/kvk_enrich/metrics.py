"""
The end of a run as figures that Prometheus collects: a textfile for the node exporter.

All are gauges: they tell of the last run of the list, not of all of them. A run that counted nothing (its list
was refused, say) leaves no counts, so that old ones are not taken for new.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from kvk_enrich.config import Job
from kvk_enrich.errors import ExitCode
from kvk_enrich.model import Status
from kvk_enrich.record import EndedRecord, RunRecord
from kvk_enrich.write import publish

STATES: Final = ("complete", "partial", "stopped", "failed")

_READABLE: Final = 0o644
"""The exporter is another user, and nothing here is about a company."""

_Put = Callable[..., None]


def write(path: Path, job: Job, told: RunRecord | EndedRecord, exit_code: ExitCode) -> None:
    """
    Write the figures of *told*, the end of *job*, to *path*: whole or not at all.

    Raises:
        OSError: it cannot be written; an older one is as it was.
    """
    # The exporter reads names that end in .prom. Others may write in its folder: a link of theirs is not followed.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
    descriptor = publish.Disk().create(draft)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _READABLE)
            file.write(text(job, told, exit_code))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def text(job: Job, told: RunRecord | EndedRecord, exit_code: ExitCode) -> bytes:
    """Return the figures of *told*, in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    name = os.fsencode(job.input.name).decode(errors="replace")
    labels = {"source": job.source.name, "account": job.source.account, "list": name}

    def put(metric: str, about: str, value: float | dict[str, float], by: str = "") -> None:
        gauge = Gauge(f"kvk_enrich_{metric}", about, [*labels, *([by] if by else [])], registry=registry)
        for label, each in (value if isinstance(value, dict) else {"": value}).items():
            gauge.labels(**labels, **({by: label} if by else {})).set(each)

    put("run_state", "1 for how the last run ended.", {each: float(each == told.state) for each in STATES}, "state")
    put("run_exit_code", "Exit code of the last run.", exit_code)
    put("run_end_timestamp_seconds", "When the last run ended.", told.finished_at.timestamp())
    put("run_duration_seconds", "How long the last run took.", told.seconds)
    if isinstance(told, RunRecord):
        _put_counts(put, told)
    return generate_latest(registry)


def _put_counts(put: _Put, told: RunRecord) -> None:
    rows, numbers, calls = (msgspec.structs.asdict(each) for each in (told.rows, told.numbers, told.calls))
    put("run_rows", "Rows of the list by outcome.", {each.value: rows[each.value] for each in Status}, "outcome")
    put("run_numbers", "Distinct numbers by where answers came from.", _named(numbers, "cached asked stale"), "from")
    put("run_calls", "Calls sent, by whether they are paid.", _named(calls, "paid free"), "price")
    put("run_retries", "Calls that were repeats.", told.calls.retries)
    put("run_calls_in_doubt", "Calls of killed runs that may be paid without an answer.", told.calls.in_doubt)
    put("run_cost_euros", "What the last run paid.", float(told.cost_eur))
    put("run_saved_euros", "What was not paid, as it was known.", float(told.saved_eur))
    put("budget_used_units", "Calls (kvkbase: tokens) of the month that are used.", told.budget.used)
    put("budget_left_units", "Calls (kvkbase: tokens) of the month that are left.", told.budget.left)
    put("budget_limit_units", "Calls (kvkbase: tokens) of a month.", told.budget.limit)


def _named(counts: Mapping[str, object], names: str) -> dict[str, float]:
    """Return those of *counts* that are there: what a run had nothing to do with is absent from its record."""
    return {name: count for name in names.split() if isinstance(count := counts[name], int)}
