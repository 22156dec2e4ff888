"""
Clocks that jump, months that end, machines that stand still: pace, months and ages hold.

Whole runs in virtual time, judged by the register's own log. What single parts make of the time is in
tests/state/test_ledger.py and tests/test_clock.py, what the user sees of it in tests/faults/test_process.py.
"""

import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from tests.harness import Arrival, environment, existing, judging, most_in_a_second, started, write_list
from tests.proofs.world import World

from kvk_enrich.clock import AMSTERDAM

NUMBERS: Final = [f"{place:08}" for place in range(90_000_001, 90_000_151)]
WORKERS: Final = 30
NEW_YEAR: Final = datetime(2026, 12, 31, 23, tzinfo=UTC)
"""Midnight in Amsterdam."""

HOUR: Final = timedelta(hours=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A register that knows a hundred and fifty companies."""
    return World(tmp_path, dict.fromkeys(NUMBERS, 1), {})


def go_to(world: World, moment: datetime) -> None:
    """Let it be *moment*."""
    world.clock.ahead += moment - world.clock.now()


def enrich(world: World) -> int:
    """Run the list; all is found. Return how many calls it took."""
    before = len(world.log)
    job = world.job(NUMBERS, workers=WORKERS)
    finished = world.play(job)
    assert finished is not None
    assert finished[0].exit_code == 0
    assert set(pl.read_parquet(job.output)["enrich_outcome"]) == {"found"}
    return len(world.log) - before


def pace(world: World) -> int:
    """Return the most calls in any second of the boot clock."""
    return most_in_a_second([Arrival(sent.at_ns, sent.key[1]) for sent in world.log])


def money(world: World) -> int:
    """Return what the ledger says was spent in all, in micro-euro."""
    with closing(sqlite3.connect(world.home.journal)) as sql:
        (spent,) = sql.execute("SELECT sum(micro_eur) FROM ledger").fetchone()
    return int(spent)


def test_the_year_ends_while_a_run_is_under_way(world: World) -> None:
    """The ledger of no month is below what the register counts, be its clock ahead or behind; no money counts twice."""
    go_to(world, NEW_YEAR - timedelta(seconds=1))
    assert enrich(world) == len(NUMBERS)
    assert len({sent.at.astimezone(AMSTERDAM).year for sent in world.log}) == 2
    for apart in (-30, 0, 30):
        theirs = Counter(f"{(sent.at + timedelta(seconds=apart)).astimezone(AMSTERDAM):%Y-%m}" for sent in world.log)
        assert all(world.units()[month] >= count for month, count in theirs.items())
    assert money(world) == len(NUMBERS) * 20_000
    assert pace(world) <= 100


@pytest.mark.slow
@pytest.mark.parametrize("began", ["2026-10-20T12:00+00:00", "2026-03-20T12:00+00:00", "2028-02-20T12:00+00:00"])
def test_an_answer_is_as_old_as_it_is(world: World, began: str) -> None:
    """Thirty days are thirty times 24 hours, with 25 October, 29 March or 29 February among them."""
    go_to(world, datetime.fromisoformat(began))
    assert enrich(world) == len(NUMBERS)
    world.clock.ahead += timedelta(days=30) - timedelta(minutes=2)
    assert enrich(world) == 0
    world.clock.ahead += timedelta(minutes=4)
    assert enrich(world) == len(NUMBERS)


def _by(span: timedelta) -> Callable[[World], None]:
    def move(world: World) -> None:
        world.clock.ahead += span

    return move


def _to_1970(world: World) -> None:
    go_to(world, datetime(1970, 1, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize("move", [_by(HOUR), _by(-HOUR), _to_1970], ids=["ahead", "back", "1970"])
def test_the_clock_is_set_in_the_middle_of_a_run(world: World, move: Callable[[World], None]) -> None:
    """Pace goes on, every number is asked once, every answer is used, whatever it is dated; the next run asks none."""
    world.events[50] = lambda: move(world)
    assert enrich(world) == len(NUMBERS)
    assert 90 <= pace(world) <= 100
    assert world.units().total() == len(NUMBERS)
    assert enrich(world) == 0


def test_the_clock_goes_back_between_runs(world: World) -> None:
    """What was answered in a future that has not come yet is known all the same, and not paid again."""
    assert enrich(world) == len(NUMBERS)
    for back in (HOUR, timedelta(days=400), timedelta(days=20_000)):
        world.clock.ahead -= back
        assert enrich(world) == 0
        world.clock.ahead += back
    assert enrich(world) == 0


def test_a_machine_that_slept_has_no_haste(world: World) -> None:
    """An hour of missed turns is not caught up; what was under way is asked again at most."""
    world.events[20] = lambda: world.clock.pass_seconds(3_600)
    calls = enrich(world)
    assert len(NUMBERS) <= calls <= len(NUMBERS) + WORKERS
    assert pace(world) <= 100


@pytest.mark.slow
@pytest.mark.trials(fast=1, torture=3)
def test_a_process_that_stood_still_has_no_haste(tmp_path: Path, trials: int) -> None:
    """Stopped with calls under way and continued: by the kernel's stamps no second holds more than the limit."""
    seconds = 1.5 if trials == 1 else 5.0
    numbers = existing(150 * trials)
    with judging(tmp_path) as server:
        variables = environment(server)
        listed, home = write_list(tmp_path / "list.csv", numbers), tmp_path / "home"
        run = started("run", listed, "--source", "practice", "--home", home, env=variables)
        for trial in range(trials):
            while run.poll() is None and len(server.arrivals()) < 150 * trial + 50:
                time.sleep(0.01)
            run.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            run.send_signal(signal.SIGCONT)
        assert run.wait(120) == 0
        assert server.counts().keys() == set(numbers)
        assert most_in_a_second(server.arrivals()) <= 100
