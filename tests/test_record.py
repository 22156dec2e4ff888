"""The run record: its keys are public, and it cannot contradict itself."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest

from kvk_enrich.record import (
    Budget,
    Calls,
    Forecast,
    Input,
    Numbers,
    OutputFile,
    Outputs,
    PlannedRecord,
    Rate,
    Rows,
    RunRecord,
    from_json,
    to_json,
)

FILE = OutputFile(path="out.parquet", sha256="2" * 64, rows=3)
LIST = Input(path="list.csv", sha256="0" * 64, rows=3, columns=("kvk",))
ROWS = Rows(total=3, found=1, not_found=1, invalid=1, failed=0, deferred=0)
BUDGET = Budget(account="default", month="2026-11", used=2, left=8, limit=10)
FORECAST = Forecast(calls_paid=1, calls_free=0, cost_eur=Decimal("0.02"), seconds=0.1, left_after=7)

RECORD = RunRecord(
    run_id="r1",
    state="complete",
    stop_reason=None,
    input=LIST,
    config_sha256="1" * 64,
    version="0.1.0",
    rows=ROWS,
    numbers=Numbers(distinct=2, cached=1, asked=1),
    calls=Calls(sent=1, paid=1, free=0, retries=0, in_doubt=0),
    cost_eur=Decimal("0.02"),
    saved_eur=Decimal("12.00"),
    budget=BUDGET,
    rate=Rate(limit_per_s=100, mean_per_s=98.5, max_in_any_second=99),
    outputs=Outputs(enriched=FILE, failed=FILE, report=None),
    started_at=datetime(2026, 11, 21, 10, tzinfo=UTC),
    finished_at=datetime(2026, 11, 21, 10, 0, 1, 500_000, tzinfo=UTC),
    seconds=1.5,
)

PLANNED = PlannedRecord(
    input=LIST,
    config_sha256="1" * 64,
    version="0.1.0",
    rows=ROWS,
    numbers=Numbers(distinct=2, cached=1, asked=1),
    saved_eur=Decimal("0.00"),
    budget=BUDGET,
    forecast=FORECAST,
)


def test_keys_and_their_order_are_the_contracts() -> None:
    """The record has the published keys, in the published order, all the way down."""
    record = json.loads(to_json(RECORD))

    assert {key: [*value] if isinstance(value, dict) else None for key, value in record.items()} == {
        "schema": None,
        "run_id": None,
        "state": None,
        "stop_reason": None,
        "input": ["path", "sha256", "rows", "columns"],
        "config_sha256": None,
        "version": None,
        "rows": ["total", "found", "not_found", "invalid", "failed", "deferred"],
        "numbers": ["distinct", "cached", "asked"],
        "calls": ["sent", "paid", "free", "retries", "in_doubt"],
        "cost_eur": None,
        "saved_eur": None,
        "budget": ["account", "month", "used", "left", "limit"],
        "rate": ["limit_per_s", "mean_per_s", "max_in_any_second"],
        "outputs": ["enriched", "failed", "report"],
        "started_at": None,
        "finished_at": None,
        "seconds": None,
    }
    assert [*record] == [*RunRecord.__struct_fields__]
    assert [*record["outputs"]["enriched"]] == ["path", "sha256", "rows"]


def test_values_are_written_as_published() -> None:
    """Money is a string with cents, times are UTC with Z, the text is indented and ends its last line."""
    text = to_json(RECORD)

    record = json.loads(text)
    assert (record["schema"], record["cost_eur"], record["saved_eur"]) == (1, "0.02", "12.00")
    assert (record["started_at"], record["finished_at"]) == ("2026-11-21T10:00:00Z", "2026-11-21T10:00:01.500000Z")
    assert text.startswith(b'{\n  "schema": 1,\n  "run_id"')
    assert text.endswith(b"}\n")


def test_it_reads_its_own_writing() -> None:
    """A record read back is the record written."""
    assert from_json(to_json(RECORD)) == RECORD


def test_a_plan_prints_the_same_keys_as_far_as_known() -> None:
    """A planned record adds the forecast and nothing else of its own."""
    planned = json.loads(to_json(PLANNED))

    assert {*planned} - {*json.loads(to_json(RECORD))} == {"forecast"}
    assert planned["state"] == "planned"
    assert planned["forecast"] == {
        "calls_paid": 1,
        "calls_free": 0,
        "cost_eur": "0.02",
        "seconds": 0.1,
        "left_after": 7,
    }


def test_rows_from_counts() -> None:
    """Outcomes that did not occur count as zero."""
    assert Rows.of({"found": 2, "failed": 1}) == Rows(total=3, found=2, not_found=0, invalid=0, failed=1, deferred=0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input": msgspec.structs.replace(LIST, rows=4)}, "the input has 4 rows, the outcomes count 3"),
        (
            {"outputs": Outputs(enriched=msgspec.structs.replace(FILE, rows=2), failed=FILE)},
            "the output has 2 rows, the list has 3",
        ),
        ({"cost_eur": Decimal("0.4")}, "fewer than two decimals"),
        ({"saved_eur": Decimal("NaN")}, "fewer than two decimals"),
        ({"started_at": datetime(2026, 11, 21, 10)}, "not in UTC"),  # noqa: DTZ001
        ({"finished_at": datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=1)))}, "not in UTC"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(changes: dict[str, object], told: str) -> None:
    """Counts that disagree, odd money and local times do not become a record."""
    with pytest.raises(ValueError, match=told):
        msgspec.structs.replace(RECORD, **changes)


def test_counts_that_do_not_add_up_are_refused() -> None:
    """Each row is counted once."""
    with pytest.raises(ValueError, match="the outcomes count 2 rows, the list has 3"):
        Rows(total=3, found=2, not_found=0, invalid=0, failed=0, deferred=0)


def test_more_numbers_than_there_are_is_refused() -> None:
    """Cached and asked numbers are among the distinct ones."""
    with pytest.raises(ValueError, match="only 2 distinct"):
        Numbers(distinct=2, cached=2, asked=1)


def test_a_plan_that_contradicts_itself_is_refused() -> None:
    """A plan counts all rows too, and its money has cents."""
    with pytest.raises(ValueError, match="the input has 4 rows"):
        msgspec.structs.replace(PLANNED, input=msgspec.structs.replace(LIST, rows=4))
    with pytest.raises(ValueError, match="fewer than two decimals"):
        msgspec.structs.replace(FORECAST, cost_eur=Decimal(1))
