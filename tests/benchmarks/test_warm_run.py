"""
A run in which everything is known, against a script that does just read, join, write.

Bars, both measured in one go: 1,000,000 rows with 300,000 distinct numbers take at most 2 times the
script's time and at most 1.5 times its peak memory.
"""

import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
from tests.harness import COMMAND, environment

from kvk_enrich.clock import SystemClock
from kvk_enrich.knowing import TYPING
from kvk_enrich.model import Attempt, Found, Secret
from kvk_enrich.practice.population import basisprofiel, numbers
from kvk_enrich.state.cache import open_cache
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import Settlement, open_journal

pytestmark = pytest.mark.benchmark

ROWS, DISTINCT = 1_000_000, 300_000
BY_HAND = Path(__file__).parent / "warm_run" / "by_hand.py"
TIMES = 3


def measured(arguments: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Run a command; return its seconds and its peak memory in MB, as the kernel counted them."""
    began = time.perf_counter()
    process = subprocess.Popen(arguments, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def fill(root: Path, known: list[str]) -> None:
    """Put an answer for each of *known* into journal and cache, as runs would have."""
    import json

    home, clock = open_home(root), SystemClock()
    journal = open_journal(home, clock)
    account = journal.account(
        "practice", "default", Secret("practice"), requests_per_second=100, allowance=10**7, micro_eur=20_000
    )
    run = journal.begin("fill", account, ceiling=None, source="fill")
    now = datetime.now(UTC) - timedelta(days=1)
    for start in range(0, len(known), 1_000):
        part = known[start : start + 1_000]
        permits = journal.lease(run, account, len(part)).permits
        bodies = [json.dumps(basisprofiel(number, link_style="links")).encode() for number in part]
        journal.settle(
            run,
            account,
            [
                Settlement(Attempt(permit, now, 0.5, 200, None), "basisprofiel", "kvk", number, Found(number, body))
                for permit, number, body in zip(permits, part, bodies, strict=True)
            ],
        )
    journal.finish(run, "complete", b"{}")
    with open_cache(home, journal, TYPING, print) as cache:
        cache.absorb(journal, TYPING, keep=timedelta(0))
    journal.close()


@pytest.mark.timeout(1200)
def test_a_warm_run_costs_little_more_than_reading_joining_and_writing(tmp_path: Path):
    """Alternating runs of both; the medians decide."""
    chance = random.Random(7)
    known = list(islice(numbers(), DISTINCT))
    home = tmp_path / "home"
    fill(home, known)
    listed = tmp_path / "list.csv"
    picked = known + chance.choices(known, k=ROWS - DISTINCT)
    chance.shuffle(picked)
    pl.DataFrame(
        {
            "id": [f"C{place:07}" for place in range(ROWS)],
            "kvk": picked,
            "plaats": [f"Plaats {place % 977}" for place in range(ROWS)],
        }
    ).write_csv(listed)
    ours, theirs = [], []
    for turn in range(TIMES):
        out, hand = tmp_path / f"ours-{turn}.parquet", tmp_path / f"hand-{turn}.parquet"
        theirs.append(
            measured([sys.executable, str(BY_HAND), str(listed), str(home / "cache.duckdb"), str(hand)], environment())
        )
        ours.append(
            measured(
                [*COMMAND, "run", str(listed), "--source", "practice", "--home", str(home), "-o", str(out)],
                environment(),
            )
        )
    print(f"\nours   {[(round(s, 1), round(mb)) for s, mb in ours]}")
    print(f"script {[(round(s, 1), round(mb)) for s, mb in theirs]}")
    times, peaks = (
        sorted(one[part] for one in ours)[TIMES // 2] / sorted(one[part] for one in theirs)[TIMES // 2]
        for part in (0, 1)
    )
    print(f"time {times:.2f} times, peak memory {peaks:.2f} times")
    same = pl.read_parquet(tmp_path / "ours-0.parquet")["kvk_name"] == pl.read_parquet(hand)["kvk_name"]
    assert same.all()
    assert times <= 2.0
    assert peaks <= 1.5
