"""Real parts for tests of the state: a clock that is set by hand, an open journal, other processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kvk_enrich.model import Answer, Attempt, Found, NotFound, Permit, Secret
from kvk_enrich.state.home import Home, open_home
from kvk_enrich.state.journal import Account, Journal, Settlement, open_journal

KEY = Secret("canary-key-0123456789")
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass
class HandClock:
    moment: datetime = NOON
    ns: int = 5_000_000_000
    boot: str = "boot-1"

    def now(self) -> datetime:
        return self.moment

    def boot_ns(self) -> int:
        return self.ns

    def boot_id(self) -> str:
        return self.boot


@dataclass
class Desk:
    """A journal with an account and a run that has begun."""

    home: Home
    clock: HandClock
    journal: Journal
    account: Account
    run: str

    def begin(self, *, ceiling: int | None = None, ceiling_micro_eur: int | None = None, job: str = "job") -> str:
        return self.journal.begin(
            job, self.account, ceiling=ceiling, ceiling_micro_eur=ceiling_micro_eur, source="list.csv"
        )

    def answer(self, *answers: Answer, at: datetime | None = None, run: str | None = None) -> None:
        """Take a permit for each of *answers* and settle it."""
        run = run or self.run
        permits = self.journal.lease(run, self.account, len(answers)).permits
        self.journal.settle(
            run, self.account, [settlement(*pair, at=at) for pair in zip(permits, answers, strict=True)]
        )

    @property
    def used(self) -> int:
        return self.journal.used("kvk", "main", "2026-11")


def account_of(
    journal: Journal, name: str = "main", key: Secret = KEY, *, month: int = 300_000, rps: int = 100
) -> Account:
    """Enter the account *name* of the register ``kvk``."""
    return journal.account("kvk", name, key, requests_per_second=rps, allowance=month, micro_eur=20_000)


@contextmanager
def desk(root: Path, *, month: int = 300_000, rps: int = 100, clock: HandClock | None = None) -> Iterator[Desk]:
    """Open the journal in *root* and begin a run."""
    home, clock = open_home(root), clock or HandClock()
    journal = open_journal(home, clock)
    try:
        account = account_of(journal, month=month, rps=rps)
        run = journal.begin("job", account, ceiling=None, source="list.csv")
        yield Desk(home, clock, journal, account, run)
    finally:
        journal.close()


def profile(number: str, **fields: object) -> bytes:
    """Return the smallest answer about *number*, with *fields* of the register added."""
    return json.dumps({"kvkNummer": number, "naam": f"Bedrijf {number}"} | fields).encode()


def found(number: str, **fields: object) -> Found:
    """Return a found answer about *number*."""
    return Found(number, profile(number, **fields))


def not_found(number: str) -> NotFound:
    """Return the register's own word that it has nothing about *number*."""
    body = b'{"fout":[{"code":"IPD0005","omschrijving":"kan niet worden geleverd"}]}'
    return NotFound(number, "not_registered", body)


def settlement(permit: Permit, answer: Answer, *, at: datetime | None = None) -> Settlement:
    """Return *answer* as received at the moment *at*, half a second after it was asked for."""
    status = 200 if isinstance(answer, Found) else 404
    sent_at = (at or NOON) - timedelta(seconds=0.5)
    return Settlement(Attempt(permit, sent_at, 0.5, status, None), "basisprofiel", "kvk", answer.number, answer)


def failure(permit: Permit, number: str, *, code: str = "server_error", at: datetime = NOON) -> Settlement:
    """Return a call for *number* that was sent and gave no answer."""
    return Settlement(Attempt(permit, at, 0.1, 500, code), "basisprofiel", "kvk", number, None)


@contextmanager
def child(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run *code* in a process of its own; it is killed at the end if it still lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    """Return the next line that *process* prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to write anywhere, where the tests have it."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def modes(root: Path) -> Sequence[tuple[str, int]]:
    """Return every file and folder at and below *root* with its permission bits."""
    return [(path.name, path.stat().st_mode & 0o777) for path in [root, *sorted(root.rglob("*"))]]
