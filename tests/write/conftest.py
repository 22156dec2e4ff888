"""A small staged list and its answers: companies that do not exist."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from kvk_enrich.columns import output, schema

MOMENT = datetime(2026, 11, 21, 10, 30, 15, 250_000, tzinfo=UTC)

STAGED = {
    "enrich_row": pl.UInt32(),
    "name": pl.String(),
    "kvk nr": pl.String(),
    "enrich_raw": pl.String(),
    "enrich_number": pl.String(),
    "enrich_kind": pl.String(),
    "enrich_reason": pl.String(),
    "enrich_note": pl.String(),
    "enrich_flags": pl.List(pl.String()),
}

Row = Mapping[str, object]
Stage = Callable[[Sequence[Row]], Path]
Answered = Callable[..., pl.DataFrame]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return a function that stages rows: those with a ``number``, and those with a ``reason``."""

    def staged(rows: Sequence[Row]) -> Path:
        lines = [
            {
                "enrich_row": row_number,
                "name": row.get("name", f"Bedrijf {row_number}"),
                "kvk nr": row.get("raw", row.get("number")),
                "enrich_raw": row.get("raw", row.get("number")),
                "enrich_number": row.get("number"),
                "enrich_kind": "kvk" if "number" in row else None,
                "enrich_reason": row.get("reason"),
                "enrich_note": row.get("note"),
                "enrich_flags": row.get("flags"),
            }
            for row_number, row in enumerate(rows, start=1)
        ]
        path = tmp_path / "staged.parquet"
        pl.DataFrame(lines, schema=STAGED).write_parquet(path)
        return path

    return staged


def answer_lines(*lines: Row) -> pl.DataFrame:
    """Return answers with the given values; what is not given is null, the outcome found."""
    names = {"enrich_kind": pl.String(), "enrich_number": pl.String(), "enrich_outcome": pl.String()}
    extra = {"detail": pl.String(), "attempts": pl.Int32(), "last_tried_at": pl.Datetime("us", "UTC")}
    added = schema(output(["basisprofiel"])) | names | extra
    del added["enrich_note"]
    defaults = {
        "enrich_kind": "kvk",
        "enrich_outcome": "found",
        "enrich_source": "practice",
        "enrich_fetched_at": MOMENT,
        "enrich_cached": False,
    }
    return pl.DataFrame([defaults | dict(line) for line in lines], schema=added)


MIXED_ROWS: Sequence[Row] = (
    {"number": "10000001", "name": "=1+1"},
    {"raw": "n.v.t.", "reason": "placeholder"},
    {"number": "10000002"},
    {"number": "10000001", "note": "zero put in front"},
    {"number": "10000003"},
    {"number": "10000004"},
    {"raw": "10000009", "reason": "not_selected"},
)
MIXED_ANSWERS = answer_lines(
    {
        "enrich_number": "10000004",
        "enrich_outcome": "deferred",
        "enrich_reason": "month_ceiling",
        "enrich_fetched_at": None,
    },
    {
        "enrich_number": "10000003",
        "enrich_outcome": "failed",
        "enrich_reason": "timeout",
        "detail": "After 20 s.",
        "attempts": 4,
        "last_tried_at": MOMENT,
        "enrich_fetched_at": None,
    },
    {"enrich_number": "10000002", "enrich_outcome": "not_found", "enrich_reason": "not_registered"},
    {
        "enrich_number": "10000001",
        "kvk_number": "10000001",
        "kvk_name": "Fictief B.V.",
        "kvk_trade_names": ["Fictief", "=2+2"],
        "kvk_start_date": MOMENT.date(),
        "kvk_active": True,
        "kvk_sbi": [
            {"code": "6201", "description": "Software", "main": True},
            {"code": "6202", "description": None, "main": False},
        ],
    },
)


@pytest.fixture
def answered() -> Answered:
    """Return the function that makes answers."""
    return answer_lines


@pytest.fixture
def mixed(stage: Stage) -> tuple[Path, pl.DataFrame]:
    """Return seven rows with every outcome, and their answers in another order."""
    return stage(MIXED_ROWS), MIXED_ANSWERS
