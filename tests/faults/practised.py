"""A user with a list, a home and a practice register in another process, whose log is the judge."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from tests import here
from tests.harness import Arrival, Server, existing, record_of, write_list

from kvk_enrich import flow
from kvk_enrich.clock import SystemClock
from kvk_enrich.config import load
from kvk_enrich.finishing import Finished

SLOW: Final = existing(24, skip=600)
"""Numbers whose first answer takes fifteen seconds; a test takes some that no other takes."""


class MovedClock(SystemClock):
    """The machine's clocks, moved at will: the wall clock by *wall*, the boot clock by *boot_seconds*."""

    def __init__(self, wall: timedelta = timedelta(), boot_seconds: float = 0) -> None:
        """Begin so."""
        self.wall = wall
        self.boot_seconds = boot_seconds

    @classmethod
    def at(cls, moment: str) -> "MovedClock":
        """Return a clock whose wall clock begins at *moment*."""
        return cls(datetime.fromisoformat(moment) - datetime.now(UTC))

    def now(self) -> datetime:
        """Return the wall clock as it was moved."""
        return super().now() + self.wall

    def boot_ns(self) -> int:
        """Return the boot clock as it was moved."""
        return super().boot_ns() + round(self.boot_seconds * 1e9)


class User:
    """Runs lists; counts only what arrives at the register from now on."""

    def __init__(self, folder: Path, server: Server, patch: pytest.MonkeyPatch) -> None:
        """Have an empty home."""
        self.folder = folder
        self.home = folder / "home"
        self.out = folder / "out.csv"
        self.server = server
        self._patch = patch
        self._before = len(server.arrivals())
        self.set(SOURCE_PRACTICE_BASE_URL=server.url, SOURCE_PRACTICE_REQUESTS_PER_SECOND="1000")

    def set(self, **variables: str) -> None:
        """Set variables ``KVK_ENRICH_...``."""
        for name, value in variables.items():
            self._patch.setenv(f"KVK_ENRICH_{name}", value)

    def has(self, numbers: Sequence[str], name: str = "list.csv") -> Path:
        """Have a list of *numbers*."""
        return write_list(self.folder / name, numbers)

    def arguments(self, listed: Path, *flags: str | Path) -> list[str | Path]:
        """Return the arguments of the command."""
        return ["run", listed, "--source", "practice", "--home", self.home, "-o", self.out, *flags]

    def run(self, listed: Path, *flags: str | Path) -> here.Said:
        """Give the command, in this process."""
        return here.command(*self.arguments(listed, *flags))

    def flow(self, listed: Path, clock: SystemClock, **flags: object) -> Finished:
        """Run as a program does, with a clock of its own."""
        given = {"input": listed, "source": "practice", "home": self.home, "output": self.out}
        return flow.run(load(given | flags), clock=clock)

    def arrivals(self) -> list[Arrival]:
        """Return what has arrived at the register."""
        return self.server.arrivals()[self._before :]

    def asked(self) -> Counter[str]:
        """Return how often each number was asked for."""
        return Counter(arrival.number for arrival in self.arrivals())

    def wait_for(self, arrivals: int) -> None:
        """Return when so many requests have arrived."""
        until = time.monotonic() + 120
        while len(self.arrivals()) < arrivals:
            assert time.monotonic() < until, "nothing arrives"
            time.sleep(0.01)

    @contextmanager
    def when(self, arrivals: int, do: Callable[[], None]) -> Iterator[None]:
        """Let *do* happen beside the block as soon as so many requests have arrived."""

        def wait_and_do() -> None:
            self.wait_for(arrivals)
            do()

        thread = threading.Thread(target=wait_and_do)
        thread.start()
        try:
            yield
        finally:
            thread.join(120)

    @property
    def record(self) -> dict[str, Any]:
        """The record of the last run."""
        return record_of(self.out)

    def ledger(self) -> dict[str, int]:
        """Return the units used, by month."""
        told = json.loads(here.command("budget", "--json", "--home", self.home).stdout)
        return {line["period"]: line["units"] for line in told if line["register"].startswith("practice")}

    def used(self) -> int:
        """Return the units used, over all months."""
        return sum(self.ledger().values())


def tell(*numbers: int) -> Callable[[], None]:
    """Return what sends this process signals, half a second apart."""

    def send() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0.5)

    return send
