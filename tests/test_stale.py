"""--serve-stale: what is not asked anew is told as it was, marked; what could not be asked never passes for it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.e2e.test_nights import Shifted, no_page
from tests.harness import existing

from kvk_enrich import flow, telling, write
from kvk_enrich.config import Job, load
from kvk_enrich.progress import Progress

COMPANY, RSIN, UNKNOWN = "68750110", "857587973", "12345678"
LEGAL = f"NL{RSIN}B01"
NIGHT = 45
"""In another month, and older than any answer may be."""

Make = Callable[..., Job]


@pytest.fixture
def job_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make jobs that serve older answers, over a list of numbers, all with one home."""
    monkeypatch.setattr(write, "report", no_page)

    def made(*numbers: str, variables: dict[str, str] | None = None, **flags: Any) -> Job:
        path = tmp_path / "list.csv"
        pl.DataFrame({"nr": numbers, "omzet": [f"{place}.000,50" for place in range(len(numbers))]}).write_csv(path)
        environ = {
            "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0",
            "KVK_ENRICH_SOURCE_VIES_REQUESTS_PER_SECOND": "100",
            "KVK_ENRICH_SOURCE_VIES_RETRY_WINDOWS": "0.01",
        }
        given = {"input": path, "source": "practice", "home": tmp_path / "home", "serve_stale": True}
        return load(given | flags, environ=environ | (variables or {}))

    return made


def rows_of(job: Job) -> list[tuple[str, str | None, bool]]:
    """Return outcome, reason, and whether an older answer is told."""
    rows = pl.read_parquet(job.output).to_dicts()
    return [(row["enrich_outcome"], row["enrich_reason"], "stale" in (row["enrich_flags"] or [])) for row in rows]


def later(job: Job, clock: Shifted, progress: Progress | None = None) -> tuple[flow.Forecast, flow.Finished]:
    """Plan and run *job* at night, and check that the plan tells what the run does."""
    clock.night = NIGHT
    planned, done = flow.forecast(job, clock=clock), flow.run(job, clock=clock, progress=progress)
    assert planned.record.numbers == done.record.numbers
    assert (planned.record.forecast.calls_paid, planned.record.forecast.calls_free) == (
        done.record.calls.paid,
        done.record.calls.free,
    )
    return planned, done


def test_offline_everything_is_told_as_it_was(job_for: Make):
    """By all ways, also that a number was not found; the plan says how many."""
    clock, numbers = Shifted(), (COMPANY, RSIN, LEGAL, UNKNOWN)
    flow.run(job_for(*numbers), clock=clock)
    before = rows_of(job_for(*numbers))
    job = job_for(*numbers, offline=True)
    planned, done = later(job, clock)
    assert rows_of(job) == [(outcome, reason, True) for outcome, reason, _ in before]
    assert (done.record.numbers.stale, int(done.exit_code), int(done.record.cost_eur)) == (4, 0, 0)
    assert any("4 numbers with an older answer" in line for line in telling.forecast(planned))


def test_when_the_month_ends_the_rest_is_older(job_for: Make):
    """The money goes to the most important; what was never known is a gap, and says why."""
    clock, (first, second, third, new) = Shifted(), existing(4)
    flow.run(job_for(first, second, third), clock=clock)
    month = {"KVK_ENRICH_SOURCE_PRACTICE_CALLS_PER_MONTH": "1"}
    job = job_for(first, second, third, priority_column="omzet", variables=month)
    planned, done = later(job, clock)
    assert rows_of(job) == [("found", None, True), ("found", None, True), ("found", None, False)]
    assert (done.record.numbers.cached, done.record.numbers.asked, done.record.numbers.stale) == (2, 1, 2)
    job = job_for(first, new, variables=month)
    planned, done = later(job, clock)
    assert rows_of(job) == [("found", None, True), ("deferred", "month_ceiling", False)]
    assert int(done.exit_code) == 4
    assert planned.plan.deferred["number"].to_list() == [new]


def test_what_is_fresh_is_not_marked(job_for: Make):
    """A second run on the same night serves nothing that is old."""
    clock = Shifted()
    job = job_for(COMPANY, UNKNOWN, offline=False)
    flow.run(job, clock=clock)
    flow.run(job, clock=clock)
    assert rows_of(job) == [("found", None, False), ("not_found", "not_registered", False)]


def test_one_part_that_is_older_marks_the_row(job_for: Make):
    """What is free is asked anew, and covers up nothing; in a list of pairs each number counts once."""
    clock = Shifted()
    flow.run(job_for(RSIN, LEGAL), clock=clock)
    clock.night = NIGHT
    job = job_for(RSIN, LEGAL, max_eur="0")
    done = flow.run(job, clock=clock)
    assert rows_of(job) == [("found", None, True)] * 2
    assert (done.record.numbers.stale, done.record.calls.paid, done.record.calls.free) == (2, 0, 2)
    assert pl.read_parquet(job.output)["enrich_cached"].to_list() == [False, False]
    job.input.write_text(f"kvk,btw\n{COMPANY},{LEGAL}\n{COMPANY},\n,{LEGAL}\n", "utf-8")
    pairs = replace(job, columns=("kvk", "btw"))
    done = flow.run(pairs, clock=clock)
    assert [stale for *_, stale in rows_of(pairs)] == [True] * 3
    assert done.record.numbers.stale == 2


def test_a_call_that_failed_is_never_covered_up(job_for: Make):
    """Asked and not answered is failed, whatever was known before."""
    clock, (first, second) = Shifted(), existing(2)
    flow.run(job_for(first, second), clock=clock)
    job = job_for(first, second, variables={"KVK_ENRICH_SOURCE_PRACTICE_FAULTS": f"number={first} status=400"})
    _, done = later(job, clock)
    assert [row[::2] for row in rows_of(job)] == [("failed", False), ("found", False)]
    assert int(done.exit_code) == 3


def test_when_time_ends_what_was_under_way_is_older_too(job_for: Make):
    """Whether a question was waiting, or just being asked."""
    clock, numbers = Shifted(), existing(12)
    flow.run(job_for(*numbers), clock=clock)
    slow = {"KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0.4", "KVK_ENRICH_SOURCE_PRACTICE_WORKERS": "1"}
    job = job_for(*numbers, max_runtime="1s", variables=slow)
    clock.night = NIGHT
    done = flow.run(job, clock=clock)
    rows = rows_of(job)
    assert {row[:2] for row in rows} == {("found", None)}
    assert 0 < done.record.calls.paid < len(numbers)
    assert sum(stale for *_, stale in rows) == done.record.numbers.stale == len(numbers) - done.record.calls.paid
    assert (int(done.exit_code), done.record.stop_reason) == (0, "time_ceiling")


def test_the_run_that_passes_a_warning_says_so(job_for: Make):
    """Half the month's allowance, told once."""

    class Noted(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    notes: list[str] = []
    clock = Shifted()
    for numbers in (existing(2), existing(3), existing(4)):
        job = job_for(*numbers, variables={"KVK_ENRICH_SOURCE_PRACTICE_CALLS_PER_MONTH": "6"})
        flow.run(job, clock=clock, progress=Noted())
    assert [note for note in notes if "of the allowance" in note] == [
        "50 % or more of the allowance of 2027-01 (account default) is used: 3 left."
    ]
