"""
What the state machine plays with: a home and its outputs, a register whose log is the judge, a clock.

The real flow runs in this process, on real files; only the register is ours, and time is virtual: one loop, in
which any number of runs ask side by side. A kill is what a kill leaves: the files as they are at that instant.
"""

import shutil
import sqlite3
import subprocess
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Self, TypeVar

import anyio
import anyio.to_thread
import polars as pl
import pytest
from tests.simulators import virtual_time
from tests.simulators.virtual_time import VirtualClock

from kvk_enrich import flow, sources
from kvk_enrich.clock import AMSTERDAM
from kvk_enrich.config import Job, Source, load
from kvk_enrich.errors import RegisterError, StorageError
from kvk_enrich.flow import Finished
from kvk_enrich.model import Answer, Call, Found, NotFound, Reply
from kvk_enrich.registers.interface import AtSend
from kvk_enrich.state.home import Home, held, open_home

PROFILE: Final = "basisprofiel"
SEARCH: Final = "zoeken"
PLENTY: Final = 300_000

T = TypeVar("T")
Key = tuple[str, str]
"""Product and number."""


class Killed(BaseException):
    """The process is gone from here on."""


class MovingClock(VirtualClock):
    """A wall clock that can be moved, beside a boot clock that cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    @property
    def here(self) -> datetime:
        """The time in Amsterdam, as people there read it."""
        return self.now().astimezone(AMSTERDAM)


@dataclass(eq=False, slots=True)
class Sent:
    """
    A request as the register saw it.

    Args:
        at: When, by the wall clock.
        at_ns: When, by the boot clock.
        run: Which of the runs at the time sent it.
        key: What was asked.
        version: What was answered: None if the register has nothing; 0: no answer.
    """

    at: datetime
    at_ns: int
    run: int
    key: Key
    version: int | None = 0

    @property
    def is_answered(self) -> bool:
        """Say whether an answer left the register."""
        return self.version != 0


@dataclass
class World:
    """
    One machine and one register.

    Args:
        folder: Where everything is.
        truth: Companies by KVK number: which version of its data the register has; None: it has nothing.
        owners: RSIN to KVK number.
        failing: Numbers that the register fails to answer about, and how.
        log: All that was ever asked.
        events: What happens when so many requests have arrived.
    """

    folder: Path
    truth: dict[str, int | None]
    owners: dict[str, str]
    failing: dict[str, type[RegisterError]] = field(default_factory=dict)
    log: list[Sent] = field(default_factory=list)
    events: dict[int, Callable[[], None]] = field(default_factory=dict)
    clock: MovingClock = field(default_factory=MovingClock)
    _kill_at: int | None = None
    _is_dead: bool = False
    _jobs: Sequence[Job] = ()

    def __post_init__(self) -> None:
        (self.folder / "disk").mkdir()

    @property
    def home(self) -> Home:
        """The home, made if absent."""
        return open_home(self.folder / "disk" / "home")

    # -- the runs -------------------------------------------------------------------------------

    def job(
        self,
        texts: Sequence[str],
        *,
        place: int = 0,
        form: str = "csv",
        ceiling: int | None = None,
        allowance: int = PLENTY,
        workers: int = 30,
    ) -> Job:
        """Write a list with *texts* in its column ``nr`` and return the job to run it."""
        frame = pl.DataFrame({"nr": texts}).with_row_index("klant")
        listed = self.folder / f"list{place}.{form}"
        frame.write_csv(listed) if form == "csv" else frame.write_parquet(listed)
        given = {
            "input": listed,
            "output": str(self.folder / "disk" / f"out{place}.parquet"),
            "home": str(self.home.root),
            "source": "practice",
            "column": ["nr"],
            "max_calls": None if ceiling is None else str(ceiling),
        }
        variables = {"CALLS_PER_MONTH": str(allowance), "WORKERS": str(workers)}
        return load(given, environ={f"KVK_ENRICH_SOURCE_PRACTICE_{name}": value for name, value in variables.items()})

    def play(self, *jobs: Job, kill_at: int | None = None) -> list[Finished] | None:
        """
        Run *jobs* side by side; return how they ended.

        With *kill_at* the machine dies when so many requests have arrived; then None is returned, unless
        all had ended before.
        """
        self._jobs, self._is_dead = jobs, False
        self._kill_at = None if kill_at is None else len(self.log) + kill_at
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sources, "open_register", lambda source, **_: _Register(self, self._place(source)))
            try:
                return virtual_time.run(lambda _: self._side_by_side(jobs, patched), self.clock)
            except BaseException:
                if not self._is_dead:
                    raise
                shutil.rmtree(self.folder / "disk")
                (self.folder / "killed").rename(self.folder / "disk")
                return None

    def _place(self, source: Source) -> int:
        return next(place for place, job in enumerate(self._jobs) if job.source is source)

    async def _side_by_side(self, jobs: Sequence[Job], patched: pytest.MonkeyPatch) -> list[Finished]:
        """Run each job in a thread; their asking is done in this loop, and begins when all have come so far."""
        clock, limiter, together = self.clock, anyio.CapacityLimiter(len(jobs)), _Meeting(len(jobs))
        ended: dict[int, Finished] = {}

        async def asking(ask: partial[Any]) -> Any:
            clock.at_work -= 1
            try:
                await together.come()
                return await ask()
            finally:
                clock.at_work += 1

        def story(place: int) -> None:
            try:
                ended[place] = obeying(partial(flow.run, jobs[place], clock=clock))
            finally:
                anyio.from_thread.run_sync(together.leave_out)
                clock.at_work -= 1

        patched.setattr(flow, "anyio", SimpleNamespace(run=lambda ask: anyio.from_thread.run(asking, ask)))
        clock.at_work = len(jobs)
        async with anyio.create_task_group() as group:
            for place in range(len(jobs)):
                group.start_soon(partial(anyio.to_thread.run_sync, story, place, limiter=limiter))
        return [ended[place] for place in range(len(jobs))]

    # -- the register ---------------------------------------------------------------------------

    async def answer(self, run: int, call: Call) -> Reply:
        """Receive a request, and answer it a moment later."""
        (number,) = call.numbers
        self._live()
        sent = Sent(self.clock.now(), self.clock.boot_ns(), run, (call.product, number))
        self.log.append(sent)
        self.events.get(len(self.log), lambda: None)()
        if self._kill_at is not None and len(self.log) >= self._kill_at:
            self._die()
        await anyio.sleep(0.05)
        self._live()
        if number in self.failing:
            raise self.failing[number]("server_error")
        answer, sent.version = self._said(*sent.key)
        return Reply((answer,), 200)

    def _said(self, product: str, number: str) -> tuple[Answer, int | None]:
        owner = self.owners.get(number) if product == SEARCH else number
        version = self.truth.get(owner or "")
        if version is None:
            return NotFound(number, "not_registered", b'{"fout":[{"code":"IPD0005"}]}'), None
        return Found(number, body(product, str(owner), number, version)), version

    def _live(self) -> None:
        if self._is_dead:
            raise Killed

    def _die(self) -> None:
        """Keep the files as they are now, between two transactions, and end all that runs."""
        self._is_dead = True
        home = self.home
        with (
            held(home.locks / "cache", seconds=60, what="the cache"),
            closing(sqlite3.connect(home.journal, timeout=60, isolation_level=None)) as sql,
        ):
            sql.execute("BEGIN IMMEDIATE")
            subprocess.run(["cp", "-a", self.folder / "disk", self.folder / "killed"], check=True)
            sql.execute("ROLLBACK")
        raise Killed

    # -- what other eyes see --------------------------------------------------------------------

    def units(self) -> Counter[str]:
        """Return the ledger: units by month."""
        return Counter(dict(self._rows("SELECT period, sum(units) FROM ledger GROUP BY period")))

    def arrived(self) -> Counter[str]:
        """Return the requests by month, as the register counts them."""
        return Counter(sent.at.astimezone(AMSTERDAM).strftime("%Y-%m") for sent in self.log)

    def journalled(self) -> dict[Key, bytes]:
        """Return the newest answer that the journal has to each question."""
        rows = self._rows("SELECT product, number, body FROM answer ORDER BY seq")
        return {(product, number): zlib.decompress(raw) for product, number, raw in rows}

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        journal = self.folder / "disk" / "home" / "journal.sqlite"
        if not journal.exists():
            return []
        with closing(sqlite3.connect(journal)) as sql:
            return sql.execute(query).fetchall()

    def places_of(self, needles: Sequence[bytes]) -> list[tuple[str, bytes]]:
        """Return which of *needles* stand in which file of the home."""
        files = [path for path in (self.folder / "disk" / "home").rglob("*") if path.is_file()]
        return [(path.name, needle) for path in files for needle in needles if needle in path.read_bytes()]


def obeying(story: Callable[[], T]) -> T:
    """Do it; damage of the cache may only be found out in the middle, and then the same is to be done again."""
    try:
        return story()
    except StorageError as error:
        if "give the same command again" not in str(error):
            raise
        return story()


def name(number: str, version: int) -> str:
    """Return what a company is called."""
    return f"Bedrijf {number} van {version}"


def body(product: str, owner: str, number: str, version: int) -> bytes:
    """Return what the register says of *number*, which belongs to the company *owner*."""
    if product == SEARCH:
        row = f'"kvkNummer":"{owner}","rsin":"{number}","type":"rechtspersoon","actief":"Ja"'
        return f'{{"resultaten":[{{{row}}}],"totaal":1}}'.encode()
    return f'{{"kvkNummer":"{owner}","naam":"{name(owner, version)}"}}'.encode()


@dataclass(frozen=True, slots=True)
class _Register:
    """The register as one run sees it."""

    world: World
    run: int
    products = {PROFILE: 1, SEARCH: 1}  # noqa: RUF012 - as registers have it

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_details: object) -> None:
        return

    async def fetch(self, call: Call, at_send: AtSend) -> Reply:
        await at_send()
        return await self.world.answer(self.run, call)


class _Meeting:
    """Those who come wait until all have come or are known not to."""

    def __init__(self, missing: int) -> None:
        self._missing = missing
        self._met = anyio.Event()

    async def come(self) -> None:
        """Arrive, and wait for the others."""
        self.leave_out()
        await self._met.wait()

    def leave_out(self) -> None:
        """Wait for one less."""
        self._missing -= 1
        if self._missing <= 0:
            self._met.set()
