"""Real parts for end-to-end tests: the practice register in a process of its own, the command line in another."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from kvk_enrich.practice.population import numbers

COMMAND = [sys.executable, "-m", "kvk_enrich"]
SECOND_NS = 1_000_000_000


class Arrival(NamedTuple):
    """One request as the server saw it, before it answered."""

    at_ns: int
    number: str


@dataclass(frozen=True)
class Server:
    """A practice register on a port; its log is the judge."""

    url: str
    log: Path
    process: subprocess.Popen[str]

    def arrivals(self) -> list[Arrival]:
        """Return all requests so far, in order of arrival."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sorted(Arrival(int(at), number) for at, number, *_ in (line.split("\t") for line in lines))

    def counts(self) -> Counter[str]:
        """Return how often each number was asked for."""
        return Counter(arrival.number for arrival in self.arrivals())


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """Yield a practice register in another process, logging to *folder*."""
    log = folder / "arrivals.log"
    process = subprocess.Popen(
        [*COMMAND, "practice", "serve", "--port", "0", "--log", str(log), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert process.stderr is not None
    try:
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None, "the practice register did not start"
        yield Server(found[0], log, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        process.stderr.close()


def environment(server: Server | None = None, **more: str) -> dict[str, str]:
    """Return a clean environment in which the source ``practice`` is *server*."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KVK_API_KEY", "KVK_ENRICH_"))}
    if server is not None:
        clean["KVK_ENRICH_SOURCE_PRACTICE_BASE_URL"] = server.url
    return clean | more


def command(*arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(env) if env is not None else environment(),
        stdin=subprocess.DEVNULL,
    )


def started(*arguments: str | Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the command line and return its process."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def existing(count: int, *, skip: int = 0) -> list[str]:
    """Return *count* numbers that the practice register knows."""
    return list(islice(numbers(), skip, skip + count))


def write_list(path: Path, values: Sequence[str | None]) -> Path:
    """Write a CSV list with a column of its own beside the numbers."""
    frame = pl.DataFrame({"klant": [f"klant {place}" for place in range(len(values))], "kvk": values})
    frame.write_csv(path)
    return path


def record_of(output: Path) -> dict[str, Any]:
    """Return the run record beside *output*."""
    found: dict[str, Any] = json.loads(output.with_name(f"{output.stem}.run.json").read_text())
    return found


def answered(home: Path) -> set[str]:
    """Return the numbers whose answer the journal of *home* has, read by another program's eyes."""
    if not (home / "journal.sqlite").exists():
        return set()
    with sqlite3.connect(f"file:{home / 'journal.sqlite'}?mode=ro", uri=True, timeout=30) as sql:
        try:
            found = {number for (number,) in sql.execute("SELECT DISTINCT number FROM answer")}
        except sqlite3.OperationalError:
            found = set()
    sql.close()
    return found


def most_in_a_second(arrivals: Sequence[Arrival]) -> int:
    """Return the most arrivals in any sliding second."""
    most = first = 0
    for last, arrival in enumerate(arrivals):
        while arrival.at_ns - arrivals[first].at_ns >= SECOND_NS:
            first += 1
        most = max(most, last - first + 1)
    return most


def rate_after(arrivals: Sequence[Arrival], seconds: float) -> float:
    """Return arrivals per second, leaving out the first *seconds*."""
    steady = [arrival.at_ns for arrival in arrivals if arrival.at_ns - arrivals[0].at_ns > seconds * SECOND_NS]
    return (len(steady) - 1) / ((steady[-1] - steady[0]) / SECOND_NS)
