"""
The pace at the server: never over the limit, hardly under it.

Bars: at least 97 calls a second after the first 2 s, at most 100 in any sliding second, by the kernel's
stamps of what reached the server; the same with three processes that share one home, and over a kill and a restart.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import (
    Arrival,
    Server,
    environment,
    existing,
    judging,
    most_in_a_second,
    rate_after,
    started,
    write_list,
)

pytestmark = pytest.mark.benchmark

NUMBERS = 3_000


def begin(tmp_path: Path, server: Server, name: str, numbers: list[str]):
    """Start a run over *numbers*."""
    listed = write_list(tmp_path / f"{name}.csv", numbers)
    return started(
        "run",
        listed,
        "--source",
        "practice",
        "--home",
        tmp_path / "home",
        "-o",
        tmp_path / f"{name}.parquet",
        env=environment(server),
    )


@pytest.fixture(autouse=True)
def _steal() -> Iterator[None]:
    """Print for how much of the time other machines had our processors."""
    before, began = stolen_seconds(), time.monotonic()
    yield
    share = (stolen_seconds() - before) / (time.monotonic() - began)
    print(f"stolen: {share:.1%} of one processor; load {os.getloadavg()[0]:.1f}")


def stolen_seconds() -> float:
    """Return the time that a hypervisor has taken from all processors since the machine started."""
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def judged(what: str, arrivals: list[Arrival]) -> tuple[float, int]:
    """Print and return the rate after 2 s and the most arrivals in any second."""
    rate, most = rate_after(arrivals, 2.0), most_in_a_second(arrivals)
    print(f"\n{what}: {len(arrivals)} calls, {rate:.2f}/s after 2 s, at most {most} in any second")
    return rate, most


def test_one_process(tmp_path: Path):
    """3,000 numbers by one process at a mean latency of 500 ms."""
    with judging(tmp_path) as server:
        assert begin(tmp_path, server, "one", existing(NUMBERS)).wait(300) == 0
        rate, most = judged("one process", server.arrivals())
    assert most <= 100
    assert rate >= 97


def test_three_processes_share_one_home(tmp_path: Path):
    """Three processes, each with a list of its own, are together as fast as one."""
    with judging(tmp_path) as server:
        third = NUMBERS // 3
        runs = [begin(tmp_path, server, f"list-{n}", existing(third, skip=n * third)) for n in range(3)]
        assert [run.wait(300) for run in runs] == [0, 0, 0]
        rate, most = judged("three processes", server.arrivals())
    assert most <= 100
    assert rate >= 97


def test_over_a_kill_and_a_restart(tmp_path: Path):
    """A process killed at full pace and started again at once never makes the two together too fast."""
    with judging(tmp_path) as server:
        run = begin(tmp_path, server, "killed", existing(NUMBERS))
        while len(server.arrivals()) < NUMBERS // 2:
            time.sleep(0.05 + random.random() / 10)
        run.send_signal(signal.SIGKILL)
        run.wait()
        killed_at = server.arrivals()[-1].at_ns
        assert begin(tmp_path, server, "killed", existing(NUMBERS)).wait(300) == 0
        arrivals = server.arrivals()
    before = [arrival for arrival in arrivals if arrival.at_ns <= killed_at]
    after = [arrival for arrival in arrivals if arrival.at_ns > killed_at]
    judged("before the kill", before)
    judged("after the restart", after)
    _, most = judged("over both", arrivals)
    assert most <= 100
    assert min(rate_after(before, 2.0), rate_after(after, 2.0)) >= 97
