"""
Runs side by side, each in a process of its own, on one home: they share the work and get in nobody's way.

The judge is the log of a practice register in yet another process.
"""

import hashlib
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest
from tests.harness import COMMAND, Server, answered, command, environment, existing, record_of, serving, write_list

from kvk_enrich.errors import ExitCode

WORKERS = 10

Run = tuple[Path, Path]
"""A list and its output."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A practice register that takes a tenth of a second; each test has numbers of its own."""
    with serving(tmp_path_factory.mktemp("server"), "--latency", "0.1") as one:
        yield one


def asked(server: Server, runs: Sequence[Run]) -> Counter[str]:
    """Return how often each number of the lists was asked for."""
    numbers = {number for listed, _ in runs for number in pl.read_csv(listed, infer_schema=False)["kvk"]}
    return Counter({number: count for number, count in server.counts().items() if number in numbers})


def begin(server: Server, home: Path, run: Run) -> subprocess.Popen[bytes]:
    """Start a run in a process of its own; what it says is shown if the test fails."""
    env = environment(server, KVK_ENRICH_SOURCE_PRACTICE_WORKERS=f"{WORKERS}")
    return subprocess.Popen([*COMMAND, *map(str, arguments(home, run))], env=env, stdin=subprocess.DEVNULL)


def arguments(home: Path, run: Run) -> list[str | Path]:
    """Return the command line of a run."""
    listed, out = run
    return ["run", listed, "--source", "practice", "--home", home, "-o", out]


def ended(processes: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Wait for all; return their exit codes. A test that fails leaves no process behind."""
    try:
        return [process.wait(120) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def judge(run: Run) -> None:
    """The output has every row in order, each found, and its record is about these very files."""
    listed, out = run
    rows, told = pl.read_csv(listed, infer_schema=False), pl.read_parquet(out)
    assert told["kvk"].to_list() == told["kvk_number"].to_list() == rows["kvk"].to_list()
    assert set(told["enrich_outcome"]) == {"found"}
    record = record_of(out)
    assert record["rows"]["total"] == record["rows"]["found"] == rows.height
    for each in record["outputs"].values():
        assert hashlib.sha256(Path(each["path"]).read_bytes()).hexdigest() == each["sha256"]


def lists(folder: Path, count: int, each: int, apart: int, *, skip: int) -> list[Run]:
    """Write lists of *each* numbers, after *skip* others; every one begins *apart* later than the one before."""
    return [
        (
            write_list(folder / f"list{place}.csv", existing(each, skip=skip + place * apart)),
            folder / f"out{place}.parquet",
        )
        for place in range(count)
    ]


def wait_for(server: Server, runs: Sequence[Run], requests: int) -> None:
    """Wait until so many requests have arrived."""
    give_up = time.monotonic() + 120
    while asked(server, runs).total() < requests:
        assert time.monotonic() < give_up
        time.sleep(0.02)


@pytest.mark.trials(fast=2, torture=4)
def test_the_same_list_at_once_is_paid_once(tmp_path: Path, server: Server, trials: int) -> None:
    """Runs that begin at the same moment in a home that is not there yet split the list; each has all of it."""
    ((listed, _),) = lists(tmp_path, 1, 150, 0, skip=0)
    runs = [(listed, tmp_path / f"out{place}.parquet") for place in range(trials)]
    assert ended([begin(server, tmp_path / "home", run) for run in runs]) == [0] * trials
    for run in runs:
        judge(run)
    assert set(asked(server, runs).values()) == {1}
    paid = [record_of(out)["calls"]["paid"] for _, out in runs]
    assert sum(paid) == 150


@pytest.mark.slow
@pytest.mark.trials(fast=2, torture=4)
def test_one_that_is_killed_leaves_its_share_to_the_others(tmp_path: Path, server: Server, trials: int) -> None:
    """Lists overlap; what the killed run had claimed is free again, and only what it had in flight is paid twice."""
    home, runs = tmp_path / "home", lists(tmp_path, trials, 150, 50, skip=1_000)
    processes = [begin(server, home, run) for run in runs]
    wait_for(server, runs, 40)
    processes[0].kill()
    kept = answered(home)
    assert ended(processes)[1:] == [0] * (trials - 1)
    for run in runs[1:]:
        judge(run)
    assert not {number for number, count in asked(server, runs).items() if count > 1} & kept
    assert command(*arguments(home, runs[0]), env=environment(server)).returncode == 0
    judge(runs[0])
    counts = asked(server, runs)
    twice = [number for number, count in counts.items() if count > 1]
    assert len(twice) <= WORKERS
    assert set(counts.values()) <= {1, 2}
    assert record_of(runs[0][1])["calls"]["in_doubt"] >= len(twice)


@pytest.mark.slow
@pytest.mark.trials(fast=1, torture=20)
def test_two_that_write_the_same_files_do_not_mix_them(tmp_path: Path, server: Server, trials: int) -> None:
    """Two lists, one output, at once and again: the files are those of one of them, and nothing else is left."""
    lists_ = lists(tmp_path, 2, 30, 30, skip=2_000)
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "out.parquet"
    for _ in range(trials):
        processes = [begin(server, tmp_path / "home", (listed, out)) for listed, _ in lists_]
        assert ended(processes) == [ExitCode.COMPLETE] * 2
        judge((Path(record_of(out)["input"]["path"]), out))
        assert {path.name for path in folder.iterdir()} == {
            f"out.{ending}" for ending in ("parquet", "failed.csv", "report.html", "run.json")
        }
    assert set(asked(server, lists_).values()) == {1}
