"""What is known of a list's numbers and what is asked for them, in one process with the practice register."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.harness import mixed

from kvk_enrich import flow
from kvk_enrich.config import Job, load
from kvk_enrich.practice import vat_numbers

COMPANY, RSIN, BRANCH = "68750110", "857587973", "000037178598"
LEGAL = f"NL{RSIN}B01"

Make = Callable[..., Job]


@pytest.fixture
def job_for(tmp_path: Path) -> Make:
    """Make jobs over a list of numbers, all with one home and a practice register in this process."""

    def made(*numbers: str, variables: dict[str, str] | None = None, **flags: Any) -> Job:
        path = tmp_path / "list.csv"
        pl.DataFrame({"nr": numbers}).write_csv(path)
        environ = {
            "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0",
            "KVK_ENRICH_SOURCE_VIES_REQUESTS_PER_SECOND": "100",
            "KVK_ENRICH_SOURCE_VIES_RETRY_WINDOWS": "0.01",
        }
        given = {"input": path, "source": "practice", "home": tmp_path / "home"} | flags
        return load(given, environ=environ | (variables or {}))

    return made


def rows_of(job: Job) -> list[dict[str, Any]]:
    """Return the enriched rows."""
    return pl.read_parquet(job.output).to_dicts()


def calls(finished: flow.Finished) -> tuple[int, int]:
    """Return the calls of a run, paid and free."""
    return finished.record.calls.paid, finished.record.calls.free


def test_one_company_by_four_numbers_is_bought_once(job_for: Make):
    """Its KVK number, RSIN, a branch and its VAT number lead to one profile; two searches, and a third after VIES."""
    job = job_for(COMPANY, RSIN, BRANCH, LEGAL)
    planned, finished = flow.forecast(job), flow.run(job)
    assert calls(finished) == (1, 3)  # the RSIN is searched for once, whoever names it
    assert [row["kvk_number"] for row in rows_of(job)] == [COMPANY] * 4
    assert planned.record.forecast.calls_paid >= 1
    assert finished.record.cost_eur <= planned.record.forecast.cost_eur


def test_what_an_earlier_run_learnt_on_the_way_is_not_asked_again(job_for: Make):
    """A search of yesterday leads on today: only what is new of the way is asked."""
    flow.run(job_for(RSIN, products="none"))
    assert calls(flow.run(job_for(RSIN))) == (1, 0)
    assert calls(flow.run(job_for(LEGAL))) == (0, 1)  # VIES; its RSIN and its company are known


def test_a_sample_leaves_the_rest_out_whatever_its_kind(job_for: Make):
    """The first distinct numbers are asked to their end, the others not at all."""
    job = job_for(RSIN, LEGAL, COMPANY, BRANCH, sample="1")
    finished = flow.run(job)
    assert [row["enrich_reason"] for row in rows_of(job)] == [None, "not_sampled", "not_sampled", "not_sampled"]
    assert calls(finished) == (1, 1)


def test_vies_has_a_day_of_its_own(job_for: Make):
    """Its allowance ends with the day, and holds up no company."""
    job = job_for(*vat_numbers.numbers("DE", 4), COMPANY, variables={"KVK_ENRICH_SOURCE_VIES_CALLS_PER_DAY": "1"})
    finished = flow.run(job)
    assert Counter(row["enrich_reason"] for row in rows_of(job)) == {None: 2, "day_ceiling": 3}
    assert finished.exit_code == 4


def test_offline_follows_the_ways_that_are_known(job_for: Make):
    """Without a call: what was answered leads on, what is open says so."""
    flow.run(job_for(RSIN))
    job = job_for(LEGAL, RSIN, offline=True)
    finished = flow.run(job)
    assert [(row["enrich_outcome"], row["enrich_reason"]) for row in rows_of(job)] == [
        ("deferred", "offline"),
        ("found", None),
    ]
    assert calls(finished) == (0, 0)


def test_the_plan_is_the_most_that_a_run_asks(job_for: Make):
    """Numbers that nobody has lead nowhere: a run never asks more than was planned."""
    unknown = vat_numbers.numbers("NL", 3, valid=False)
    job = job_for(
        *(one.number for one in mixed(kvk=3, rsin=3, branch=3, legal=3)),
        *unknown,
        "111222333",
        products="basisprofiel,vat",
    )
    ahead = flow.forecast(job).record.forecast
    paid, free = calls(flow.run(job))
    assert paid <= ahead.calls_paid
    assert free <= ahead.calls_free
    assert ahead.calls_paid == paid + 4  # the three VAT numbers and the RSIN might have been a company's


def test_a_proof_that_is_wanted_since_makes_nothing_new(job_for: Make):
    """What was known before was known, with or without a consultation number."""
    flow.run(job_for(LEGAL, products="none"))
    job = job_for(LEGAL, products="none", diff=True, variables={"KVK_ENRICH_SOURCE_VIES_REQUESTER": LEGAL})
    assert calls(flow.run(job)) == (0, 1)
    assert pl.read_parquet(job.output.with_suffix(".diff.parquet")).is_empty()
