"""The pace of three processes that are killed, started again and stopped for a while: never over the limit."""

import random
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from tests import figures
from tests.harness import Server, environment, existing, judging, most_in_a_second, started, write_list
from tests.simulators.fault_server import AUTHORITY, CERTIFICATES

PROCESSES: Final = 3
LIMIT: Final = 100


class Worker:
    """One process with a list of its own; killed, it is started again with the same list."""

    def __init__(self, folder: Path, server: Server, place: int, numbers: Sequence[str]) -> None:
        listed = write_list(folder / f"list-{place}.csv", numbers)
        self._command = ("run", listed, "--source", "practice", "--home", folder / "home")
        self._environment = environment(server, KVK_ENRICH_SOURCE_PRACTICE_CA_BUNDLE=str(AUTHORITY))
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return started(*self._command, env=self._environment)

    @property
    def is_at_work(self) -> bool:
        return self._process.poll() is None

    def be_killed(self) -> None:
        """Die without a word; another process goes on with the list."""
        self._process.kill()
        self._process.wait()
        self._process = self._started()

    def stand_still(self, seconds: float) -> None:
        """Be stopped, wherever it is, for *seconds*."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """Return the exit code; a test that failed leaves no process behind."""
        self._process.send_signal(signal.SIGCONT)
        return self._process.wait(300)


def disturb(server: Server, workers: Sequence[Worker], numbers: int, kills: int) -> tuple[int, int]:
    """Kill and stop *workers* at random until most *numbers* have been asked; return how often each was done."""
    dice, done, stalls = random.Random(numbers), 0, 0
    while (arrived := len(server.arrivals())) < 0.9 * numbers and any(worker.is_at_work for worker in workers):
        worker = dice.choice([worker for worker in workers if worker.is_at_work])
        if done < kills and arrived > numbers * (done + 1) / (kills + 2):
            worker.be_killed()
            done += 1
        elif arrived:
            worker.stand_still(dice.choice([0.02, 0.1, 0.3, 1.5]) * dice.uniform(0.5, 1.5))
            stalls += 1
        time.sleep(dice.uniform(0.05, 0.3))
    return done, stalls


@pytest.mark.trials(fast=1, torture=3)
def test_no_second_holds_more_than_the_limit(tmp_path: Path, trials: int, record: figures.Record):
    """By the kernel's stamps of what reached the server, over all kills and stalls; the first round is over TLS."""
    each, kills = (120, 1) if trials == 1 else (2_000, 12)
    totals, most = [0, 0], 0
    for trial in range(trials):
        folder = tmp_path / str(trial)
        folder.mkdir()
        listed = existing(PROCESSES * each)
        parts = [listed[begin : begin + each] for begin in range(0, len(listed), each)]
        with judging(folder, certificate=None if trial else CERTIFICATES / "right.pem") as server:
            workers = [Worker(folder, server, n, part) for n, part in enumerate(parts)]
            try:
                done = disturb(server, workers, len(listed), kills)
            finally:
                codes = [worker.end() for worker in workers]
            assert codes == [0] * PROCESSES
            assert server.counts().keys() == set(listed)
            most = max(most, most_in_a_second(server.arrivals()))
        totals = [total + one for total, one in zip(totals, done, strict=True)]
    assert most <= LIMIT
    assert min(totals) > 0
    record("pace", most=most, processes=PROCESSES, kills=totals[0], stalls=totals[1], tls=1)
