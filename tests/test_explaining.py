"""One number explained: how it is read, what is known of it, what it would take; and no citizen's number shown."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from kvk_enrich import explaining, flow, telling
from kvk_enrich.config import Job, load

COMPANY, RSIN, BRANCH = "68750110", "857587973", "000037178598"
SOLE, GERMAN = "NL000099998B57", "DE123456788"
DELICATE = "NL123456782B01"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job against a practice register in this process."""
    flags = {"input": tmp_path / "list.csv", "source": "practice", "home": tmp_path / "home"}
    return load(flags, environ={"KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"})


def steps(told: explaining.Explanation) -> list[tuple[str, str | None, str]]:
    """Return product, number and status of each step."""
    return [(step.product, step.number, step.status) for step in told.steps]


@pytest.mark.parametrize(
    ("text", "expected", "cost"),
    [
        (COMPANY, [("basisprofiel", COMPANY, "ask")], "0.02"),
        (RSIN, [("zoeken", RSIN, "ask"), ("basisprofiel", None, "later")], "0.02"),
        (BRANCH, [("zoeken", BRANCH, "ask"), ("basisprofiel", None, "later")], "0.02"),
        (SOLE, [("vies", SOLE, "ask")], "0.00"),
        (GERMAN, [("vies", GERMAN, "ask")], "0.00"),
        ("n.v.t.", [], "0.00"),
    ],
)
def test_it_tells_the_way_and_what_it_costs_at_most(job: Job, text: str, expected: list[object], cost: str):
    """Steps that depend on answers to come are told as such; a text that is no number has none."""
    told = explaining.explain(job, text)
    assert (steps(told), told.cost_eur) == (expected, Decimal(cost))
    assert (told.reason is None) == bool(expected)


def test_what_is_known_is_told_with_its_verdict(job: Job):
    """After a run: what was found, what not, and that nothing is left to ask."""
    pl.DataFrame({"nr": [f"NL{RSIN}B01", "12345678"]}).write_csv(job.input)
    flow.run(job)
    told = explaining.explain(job, f"NL{RSIN}B01")
    assert [(step.product, step.status) for step in told.steps] == [
        ("vies", "found"),
        ("zoeken", "found"),
        ("basisprofiel", "found"),
    ]
    assert told.steps[2].number == COMPANY
    assert told.cost_eur == 0
    assert all(step.fetched_at for step in told.steps)
    (unknown,) = explaining.explain(job, "12345678").steps
    assert (unknown.status, unknown.reason) == ("not_found", "not_registered")


@pytest.mark.parametrize(
    "text",
    [
        DELICATE,
        "btw 1234.56.782.B.01",
        "BSN 123456782",
        "NL123456782B001",
        "NL123456782 B01 (oud)",
        "BTW nummer 1234.56.782",
    ],
)
def test_what_may_be_a_citizens_number_is_not_shown(job: Job, text: str):
    """Neither as it was typed nor as it was read, in no field and no line."""
    told = explaining.explain(job, text)
    said = repr(told) + "".join(telling.explanation(told))
    assert "123456782" not in said
    assert "1234.56.782" not in said


@pytest.mark.parametrize("text", [DELICATE, DELICATE.lower(), "NL 1234.56.782 B01"])
def test_what_is_starred_looks_alike_as_typed_and_as_read(job: Job, text: str):
    """Nine digits are hidden, and what follows them in neither."""
    told = explaining.explain(job, text)
    assert told.text.upper().replace(" ", "").replace(".", "") == told.number == "NL*********B01"


@pytest.mark.parametrize("text", [COMPANY, RSIN, "NL123456789B001", "1234567 / 7654321"])
def test_any_other_text_is_shown_as_given(job: Job, text: str):
    """Also where no number is read from it: what could be nobody's number helps to mend the cell."""
    assert explaining.explain(job, text).text == text
