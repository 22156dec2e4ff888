"""
Kill -9 and signals at random instants of whole jobs: reading, asking, writing.

The practice register runs in another process, and its log is the judge: no number is asked again whose answer was
in the journal, a kill repeats at most the calls that were in flight, and the ledger is never below what arrived. The
rows are read back by other programs and held against an uninterrupted run.
"""

import csv
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import cycle, repeat
from pathlib import Path
from typing import Final

import openpyxl
import pyarrow.parquet as pq
import pytest
from tests.figures import Record
from tests.harness import Server, answered, command, environment, existing, serving, started, write_list

from kvk_enrich.fetch.gate import LEASE

KILLS_PER_JOB: Final = 10
IN_FLIGHT: Final = 100
"""The workers of a run, unless told otherwise."""

SERVED: Final = ("--latency", "0.4", "--per-second", "1000")
"""Answers take their time, so that many calls are under way; the pace is judged elsewhere."""

ASKING_SECONDS: Final = 1.5
"""How long the asking takes at least, but for lists that are short."""

TIMES: Final = {"enrich_fetched_at", "enrich_cached"}

Row = Mapping[str, object]


def from_csv(path: Path) -> list[dict[str, object]]:
    """Read with the standard library."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def from_xlsx(path: Path) -> list[dict[str, object]]:
    """Read with openpyxl."""
    book = openpyxl.load_workbook(path, read_only=True)
    head, *rows = book.worksheets[0].iter_rows(values_only=True)
    book.close()
    return [dict(zip(map(str, head), row, strict=True)) for row in rows]


def from_parquet(path: Path) -> list[dict[str, object]]:
    """Read with pyarrow."""
    rows: list[dict[str, object]] = pq.read_table(path).to_pylist()
    return rows


READERS: Final[dict[str, Callable[[Path], list[dict[str, object]]]]] = {
    "csv": from_csv,
    "xlsx": from_xlsx,
    "parquet": from_parquet,
}


def rows_of(path: Path) -> list[Row]:
    """Return the rows of an output, without what differs between any two runs."""
    rows = READERS[path.suffix[1:]](path)
    return [{name: cell for name, cell in row.items() if name not in TIMES} for row in rows]


def wrong(rows: Sequence[Row], right: Sequence[Row]) -> int:
    """Return how many rows are lost, doubled, out of order or not as they should be."""
    return sum(one != other for one, other in zip(rows, right, strict=False)) + abs(len(rows) - len(right))


def units(home: Path) -> int:
    """Return what the ledger of *home* has counted, read by another program's eyes."""
    if not (home / "journal.sqlite").exists():
        return 0
    with closing(sqlite3.connect(home / "journal.sqlite", timeout=30)) as sql:
        if not sql.execute("SELECT 1 FROM sqlite_schema WHERE name = 'ledger'").fetchone():
            return 0
        return int(sql.execute("SELECT coalesce(sum(units), 0) FROM ledger").fetchone()[0])


@dataclass
class Job:
    """One list, one home, one output; every run of it is the same command."""

    listed: Path
    home: Path
    out: Path
    server: Server

    @property
    def arguments(self) -> list[str | Path]:
        """The command."""
        return ["run", self.listed, "--source", "practice", "--home", self.home, "-o", self.out]

    @property
    def env(self) -> dict[str, str]:
        """Its environment."""
        return environment(self.server)

    def finish(self) -> str | None:
        """Run to the end; return what went wrong."""
        done = command(*self.arguments, env=self.env)
        return None if done.returncode == 0 else f"exit {done.returncode}: {done.stderr}"

    def interrupted(self, seconds: float, sent: signal.Signals, *, asking: bool = False) -> tuple[int, float]:
        """
        Start a run and send it a signal; return its exit code and how long it took.

        Args:
            seconds: After which time.
            sent: The signal.
            asking: The time is counted from the first call on.
        """
        arrived = self.server.counts().total() if asking else -1
        began = since = time.monotonic()
        run = started(*self.arguments, env=self.env)
        while run.poll() is None and time.monotonic() - since < seconds:
            if asking and self.server.counts().total() == arrived:
                since = time.monotonic()
            time.sleep(0.01)
        run.send_signal(sent)
        code, seconds = run.wait(120), time.monotonic() - began
        self._let_settle()
        return code, seconds

    def _let_settle(self) -> None:
        """Wait until the server has taken what was still in its sockets: it logs a little after it was asked."""
        before = -1
        while before < (arrived := self.server.counts().total()):
            before = arrived
            time.sleep(0.1)


@contextmanager
def job(folder: Path, suffix: str, trials: int) -> Iterator[Job]:
    """Yield a job in a fresh home, with a register of its own; few *trials* have a short list."""
    folder.mkdir()
    numbers = existing(200 if trials >= KILLS_PER_JOB else 60)
    listed = write_list(folder / "list.csv", [*numbers, "12345678", "n.v.t.", numbers[0]])
    with serving(folder, *SERVED) as server:
        yield Job(listed, folder / "home", folder / f"out.{suffix}", server)


@dataclass(frozen=True)
class Calm:
    """An uninterrupted run: how long it takes, and what comes out."""

    seconds: float
    rows: Sequence[Row]


class Calms(dict[str, Calm]):
    """Uninterrupted runs by suffix, made when first asked for."""

    def __init__(self, folder: Path, trials: int) -> None:
        super().__init__()
        self._folder = folder
        self._trials = trials

    def __missing__(self, suffix: str) -> Calm:
        with job(self._folder / f"calm-{suffix}", suffix, self._trials) as it:
            began = time.monotonic()
            assert it.finish() is None
            self[suffix] = Calm(time.monotonic() - began, rows_of(it.out))
        return self[suffix]


@dataclass
class Seen:
    """What is to be judged, over all jobs."""

    kills: int = 0
    failed: list[str] = field(default_factory=list)
    asked_again: int = 0
    repeated: list[int] = field(default_factory=list)
    above: list[int] = field(default_factory=list)
    above_per_kill: list[float] = field(default_factory=list)
    rows_wrong: int = 0


def killed_often(it: Job, calm: Calm, most: int, chance: random.Random, seen: Seen) -> None:
    """
    Kill runs of one job at random instants, finish it, and enter what there was to see.

    Every other one lies within the asking, the rest anywhere in a run. Up to *most* kills; two at most after a run
    has come to its end, as later ones have nothing to ask.
    """
    longest, done, lost = calm.seconds, 0, 0
    while done < most:
        before, known = it.server.counts(), answered(it.home)
        asking = done % 2 == 0 and longest == calm.seconds
        instant = chance.uniform(0, ASKING_SECONDS) if asking else chance.uniform(0.1, longest)
        code, seconds = it.interrupted(instant, signal.SIGKILL, asking=asking)
        sent = it.server.counts() - before
        seen.asked_again += sum(sent[number] for number in known)
        seen.above.append(units(it.home) - it.server.counts().total())
        if code == -signal.SIGKILL:
            done += 1
            lost += len(unanswered := set(sent) - answered(it.home))
            seen.repeated.append(len(unanswered))
        else:
            longest = seconds  # what is known is not asked again, so the next one is shorter
            most = min(most, done + 2)
            if code:
                seen.failed.append(f"exit {code}")
        if it.out.exists():
            seen.rows_wrong += wrong(rows_of(it.out), calm.rows)
    before, known = it.server.counts(), answered(it.home)
    failure = it.finish()
    seen.failed += [failure] if failure else []
    seen.asked_again += sum((it.server.counts() - before)[number] for number in known)
    seen.rows_wrong += wrong(rows_of(it.out), calm.rows)
    counts = it.server.counts()
    assert counts.total() - len(counts) == lost, "more calls were repeated than kills had left without an answer"
    seen.above.append(units(it.home) - counts.total())
    seen.above_per_kill.append(seen.above[-1] / done)
    seen.kills += done


@pytest.mark.trials(fast=1, torture=300)
def test_random_kills(tmp_path: Path, trials: int, record: Record):
    """Whatever the instant, the next run goes on, pays for nothing that was in the journal, and the rows are right."""
    seed = random.randrange(10**6)
    chance, calms, seen = random.Random(seed), Calms(tmp_path, trials), Seen()
    suffixes = cycle(READERS) if trials >= KILLS_PER_JOB else repeat("xlsx")
    for place, suffix in enumerate(suffixes):
        with job(tmp_path / f"job-{place}", suffix, trials) as it:
            killed_often(it, calms[suffix], min(KILLS_PER_JOB, trials - seen.kills), chance, seen)
        if seen.kills >= trials:
            break
    assert seen.failed == [], f"seed {seed}"
    assert seen.asked_again == seen.rows_wrong == 0
    assert max(seen.repeated) <= IN_FLIGHT
    assert min(seen.above) >= 0
    assert max(seen.above_per_kill) <= LEASE
    record(
        "random-kills",
        kills=seen.kills,
        survived=seen.kills - len(seen.failed),
        asked_again=seen.asked_again,
        most_repeated=max(seen.repeated),
        in_flight=IN_FLIGHT,
        rows_wrong=seen.rows_wrong,
        ledger_least=min(seen.above),
        ledger_most_per_kill=round(max(seen.above_per_kill), 1),
        lease=LEASE,
    )


@pytest.mark.slow
@pytest.mark.trials(fast=1, torture=30)
def test_a_drained_stop_repeats_nothing(tmp_path: Path, trials: int):
    """A signal at any instant: what is under way is received, so that no number is ever asked twice."""
    chance = random.Random(seed := random.randrange(10**6))
    codes = {signal.SIGTERM: 143, signal.SIGHUP: 143, signal.SIGINT: 130}
    for place in range(-(-trials // KILLS_PER_JOB)):
        with job(tmp_path / f"job-{place}", "parquet", trials) as it:
            for _ in range(min(KILLS_PER_JOB, trials - place * KILLS_PER_JOB)):
                sent = chance.choice(list(codes))
                seconds = chance.uniform(0.1, 4.0)
                code, _ = it.interrupted(seconds, sent)
                told = {0, codes[sent]} if it.home.exists() else {-sent, codes[sent]}  # Python itself begins
                assert code in told, f"seed {seed}, {sent!r} after {seconds} s: exit {code}"
            assert it.finish() is None
            assert set(it.server.counts().values()) == {1}, f"seed {seed}"
            assert units(it.home) == it.server.counts().total()
