"""
The page of a long list.

Bars: 100,000 rows with 60,000 companies in under 5 s, loading the plotting library included; a page under 2 MB.
"""

import random
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from kvk_enrich import write
from kvk_enrich.columns import output, schema
from kvk_enrich.record import Budget, Calls, Input, Numbers, Rate, Rows, RunRecord

pytestmark = pytest.mark.benchmark

ROWS, COMPANIES = 100_000, 60_000
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def answers(chance: random.Random) -> pl.DataFrame:
    """Return what is known of companies that do not exist."""
    told = schema(output(["basisprofiel", "vies"])) | {"detail": pl.String(), "attempts": pl.Int32()}
    told |= {"last_tried_at": pl.Datetime("us", "UTC"), "enrich_kind": pl.String(), "enrich_number": pl.String()}
    del told["enrich_note"]
    lines = [
        {
            "enrich_kind": "kvk",
            "enrich_number": f"{10_000_000 + place}",
            "enrich_outcome": "found",
            "kvk_number": f"{10_000_000 + place}",
            "kvk_rsin": f"{chance.randrange(10**9):09}",
            "kvk_name": f"Fictief {place} B.V.",
            "kvk_legal_form": chance.choice(["BeslotenVennootschap", "Eenmanszaak", "Stichting"]),
            "kvk_active": chance.random() > 0.03,
            "kvk_start_date": date(2026, 1, 1) - timedelta(days=chance.randrange(20_000)),
            "kvk_sbi_code": f"{chance.randrange(1, 100):02}100",
            "kvk_visit_street": "Zilverschoon",
            "kvk_visit_house_number": str(chance.randrange(1, 400)),
            "kvk_visit_postcode": f"{chance.randrange(1000, 10_000)}AB",
            "kvk_visit_city": "Zilverzijl",
            "vat_number": f"{chance.choice(['NL', 'BE', 'DE'])}{place:010}",
            "vat_status": chance.choice(["valid", "valid", "invalid", None]),
        }
        for place in range(COMPANIES)
    ]
    return pl.DataFrame(lines, schema=told)


def staged(chance: random.Random, path: Path) -> Path:
    """Stage a list that names each company, some of them twice."""
    numbers = [f"{10_000_000 + chance.randrange(COMPANIES)}" for _ in range(ROWS)]
    text = pl.Series([None] * ROWS, dtype=pl.String)
    pl.DataFrame(
        {
            "enrich_row": pl.Series(range(1, ROWS + 1), dtype=pl.UInt32),
            "enrich_raw": numbers,
            "enrich_number": numbers,
            "enrich_kind": ["kvk"] * ROWS,
            "enrich_reason": text,
            "enrich_note": text,
            "enrich_flags": pl.Series([None] * ROWS, dtype=pl.List(pl.String)),
        }
    ).write_parquet(path)
    return path


@pytest.mark.timeout(300)
def test_a_page_of_100_000_rows(tmp_path: Path, record) -> None:
    """Made from what a run has at its end."""
    chance = random.Random(5)
    rows, known = staged(chance, tmp_path / "staged.parquet"), answers(chance)
    run = RunRecord(
        run_id="20261121-103015-7f3a",
        state="complete",
        stop_reason=None,
        input=Input(path="suppliers.csv", sha256="0" * 64, rows=ROWS, columns=("kvk",)),
        config_sha256="1" * 64,
        version="0.1.0",
        rows=Rows(total=ROWS, found=ROWS, not_found=0, invalid=0, failed=0, deferred=0),
        numbers=Numbers(distinct=COMPANIES, cached=COMPANIES, asked=0),
        calls=Calls(sent=0, paid=0, free=0, retries=0, in_doubt=0),
        cost_eur=Decimal("0.00"),
        saved_eur=Decimal("2000.00"),
        budget=Budget(account="crm", month="2026-11", used=0, left=300_000, limit=300_000),
        rate=Rate(limit_per_s=100, mean_per_s=0, max_in_any_second=0),
        outputs=None,
        started_at=NOW,
        finished_at=NOW,
        seconds=0.0,
    )
    path = tmp_path / "out.report.html"

    began, busy = time.perf_counter(), time.process_time()
    write.report(run, rows, known, path)
    seconds, cpu = time.perf_counter() - began, time.process_time() - busy

    size = path.stat().st_size
    print(f"\n{ROWS:,} rows: {seconds:.2f} s ({cpu:.2f} s of CPU), {size / 1e3:.0f} kB")
    record("report", rows=ROWS, seconds=round(seconds, 2), bytes=size)
    assert seconds < 5
    assert size < 2_000_000
