"""
Kill -9 at random instants of one job, then let it finish.

Bars: the output is that of an uninterrupted run (times apart); no number is asked again whose
answer was in the journal; a kill repeats at most the calls that were in flight; the ledger is never
below the server's count.
"""

import json
import random
import time
from pathlib import Path

import polars as pl
import pytest
from tests.harness import (
    Server,
    answered,
    command,
    environment,
    existing,
    record_of,
    serving,
    started,
    write_list,
)

WORKERS = 100
LEASE = 16
TIMES = ["enrich_fetched_at", "enrich_cached"]


def enrich(listed: Path, home: Path, out: Path) -> list[str | Path]:
    """Return the arguments of the job."""
    return ["run", listed, "--source", "practice", "--home", home, "-o", out]


def killed_often(tmp_path: Path, server: Server, listed: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill *kills* runs of one job at random instants, finish it, and return what is to be judged."""
    chance = random.Random(seed)
    home, out = tmp_path / "killed", tmp_path / "killed.parquet"
    asked_again = most_repeated = done = 0
    for _ in range(kills):
        before, known = server.counts(), answered(home)
        run = started(*enrich(listed, home, out), env=environment(server))
        time.sleep(chance.uniform(0.1, 2.5))
        done += run.poll() is None
        run.kill()
        run.wait()
        after = server.counts() - before
        asked_again += sum(after[number] for number in known)
        most_repeated = max(most_repeated, sum(1 for number in after if before[number]))
    last = answered(home)
    before = server.counts()
    finished = command(*enrich(listed, home, out), env=environment(server))
    assert finished.returncode == 0, finished.stderr
    asked_again += sum((server.counts() - before)[number] for number in last)
    (ledger,) = json.loads(command("budget", "--json", "--home", home).stdout)
    return {
        "kills": done,
        "asked_again": asked_again,
        "most_repeated": most_repeated,
        "repeated": sum(server.counts().values()) - len(server.counts()),
        "ledger_above_server": ledger["calls"] - sum(server.counts().values()),
        "said_in_doubt": record_of(out)["calls"]["in_doubt"],
    }


def judge(tmp_path: Path, listed: Path, figures: dict[str, int]) -> None:
    """Compare with an uninterrupted run, print the figures and hold them against the bars."""
    calm = tmp_path / "calm.parquet"
    with serving(tmp_path / "calm-server", "--latency", "0.05") as server:
        assert command(*enrich(listed, tmp_path / "calm", calm), env=environment(server)).returncode == 0
    one, other = (pl.read_parquet(path).drop(TIMES) for path in (calm, tmp_path / "killed.parquet"))
    print("\n", figures | {"output_identical": one.equals(other)})
    assert one.equals(other)
    assert figures["asked_again"] == 0
    assert figures["most_repeated"] <= WORKERS
    assert 0 <= figures["ledger_above_server"] <= LEASE * figures["kills"]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A folder with a place for each server's log."""
    for name in ("server", "calm-server"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_six_kills(folders: Path):
    """A short version of the promise."""
    listed = write_list(folders / "list.csv", [*existing(400), "12345678", "n.v.t."])
    with serving(folders / "server", "--latency", "0.2") as server:
        figures = killed_often(folders, server, listed, 6, seed=1)
    judge(folders, listed, figures)


@pytest.mark.benchmark
def test_forty_kills(folders: Path):
    """Forty kills within one job of 3,500 numbers."""
    listed = write_list(folders / "list.csv", [*existing(3_500), "12345678", "n.v.t."])
    with serving(folders / "server", "--latency", "0.5") as server:
        figures = killed_often(folders, server, listed, 40, seed=random.randrange(10**6))
    assert figures["kills"] == 40
    judge(folders, listed, figures)
