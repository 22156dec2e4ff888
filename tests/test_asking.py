"""Asking, with a real journal: every permit accounted for, every answer kept, one error out, an end that comes."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.parts import CANARY, NUMBERS, Desked, Here, in_rounds, numbers_of
from tests.simulators.fault_server import Step, misbehaving
from tests.simulators.virtual_time import run

from kvk_enrich.asking import Asked
from kvk_enrich.clock import SystemClock
from kvk_enrich.errors import AccessRefused, ExitCode, StorageError, Transient
from kvk_enrich.fetch.breaker import Patience
from kvk_enrich.model import Failed, Kind, Question, Secret
from kvk_enrich.registers.kvk import Kvk
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import Journal, open_journal


@pytest.fixture
def at(tmp_path):
    """A function that opens a home with a journal, closed at the end."""
    opened: list[Desked] = []

    def make(**options):
        desked = Desked(tmp_path / f"home{len(opened)}", **options)
        opened.append(desked)
        return desked

    yield make
    for desked in opened:
        desked.journal.close()


def test_every_number_is_asked_once_and_every_permit_is_settled(at):
    """All answers are in the journal, the ledger is the number of calls, nothing stays open."""
    it, register = at(), Here()
    asked = it.ask(register)
    assert numbers_of(asked.answered) == sorted(it.answered()) == sorted(register.sent) == NUMBERS
    assert (asked.failed, asked.deferred, asked.cause) == ([], [], None)
    assert (asked.sent, asked.paid, asked.free, asked.retries) == (400, 400, 0, 0)
    assert (it.progress.ends, it.progress.micro) == (["found"] * 400, 400 * 20_000)
    assert it.calls() == {"answered": 400}


def test_faults_on_the_wire_leave_the_ledger_and_the_servers_log_equal(at, tmp_path, caplog, capfd):
    """Resets, silence, garbage, 5xx: each request that the server saw is in the ledger; no print, no leaked key."""
    caplog.set_level(logging.DEBUG)
    steps = [Step(), Step(status=500), Step(), Step(reset=True), Step(cut=90), Step(), Step(delay=0.3), Step(layers=1)]
    steps += [
        Step(status=404, body=f"<html>{CANARY}</html>"),
        Step(body="{"),
        Step(),
        Step(drip=0.01),
        Step(zeros=2 << 20),
    ]
    with misbehaving(tmp_path, [*steps * 3, Step(headers={"X-Echo": CANARY})]) as server:
        it = at(per_second=1_000)
        asked = it.ask(Kvk(server.url, Secret(CANARY), timeout_seconds=0.2), NUMBERS[:80], deadline=0.2)
        seen = Counter(number for _, number, _ in server.requests())
    assert sum(it.calls().values()) == seen.total() == asked.sent
    assert set(it.calls()) == {"answered", "failed"}
    assert it.used() == seen.total()
    assert len(asked.answered) + len(asked.failed) + len(asked.deferred) == 80
    assert max(seen.values()) <= 3
    assert asked.retries == seen.total() - len(seen)
    assert capfd.readouterr() == ("", "")
    assert CANARY not in caplog.text
    assert CANARY not in repr(asked)


def test_an_outage_from_the_beginning_costs_a_handful_of_calls(at, tmp_path):
    """With 503 for everything, the run ends as unavailable within its retries, and the rest is untouched."""
    with misbehaving(tmp_path, [Step(status=503)]) as server:
        it = at()
        asked = it.ask(Kvk(server.url, Secret(CANARY), timeout_seconds=1))
        assert len(server) == asked.sent <= 25
    assert asked.cause is not None
    assert asked.cause.exit_code == ExitCode.UNAVAILABLE
    assert set(it.calls()) == {"failed"}


@pytest.mark.parametrize("number", [NUMBERS[0], NUMBERS[50]])
@pytest.mark.parametrize("error", [AccessRefused("access_refused", "it answered 401")])
def test_a_refused_key_ends_the_run_at_once(at, number, error):
    """At the first call or in the middle: what is under way is received, nothing new is sent."""
    it, register = at(), Here({number: error})
    asked = it.ask(register)
    assert asked.cause is not None
    assert asked.cause.exit_code == ExitCode.ACCESS_REFUSED
    assert [(question.number, outcome.number) for question, outcome in asked.failed] == [(number, number)]
    assert len(register.sent) <= NUMBERS.index(number) + 31
    assert sorted(it.answered()) == numbers_of(asked.answered) == sorted(set(register.sent) - {number})
    assert set(it.calls()) <= {"failed", "answered"}


@pytest.mark.parametrize("place", [0, 1, 100])
def test_a_full_disk_comes_out_as_itself(at, place):
    """Alone or among a hundred workers: one StorageError, and no answer counts that is not kept."""
    it = at()

    def fill():
        it.journal.settle = _full

    register = Here({NUMBERS[place]: fill})
    with pytest.raises(StorageError, match="disk is full"):
        it.ask(register)
    assert len(register.sent) < len(NUMBERS)


def _full(*_arguments: object) -> None:
    raise StorageError("the disk is full")


@pytest.mark.parametrize("place", [0, 100])
def test_a_bug_comes_out_as_itself(at, place):
    """Also when the disk fails at the same time: a bug has no sentence to hide behind."""
    it = at()
    with pytest.raises(ZeroDivisionError):
        it.ask(Here({NUMBERS[place]: ZeroDivisionError()}))
    assert set(it.calls()) <= {"answered", "open"}
    assert it.calls()["open"] == 1, "sent, and its fate unknown: in doubt"


def test_a_worker_that_breaks_does_not_wait_for_a_register_that_is_away(at):
    """The others are told to come to their end, although the breaker would make them wait for minutes."""
    it = at()

    class Late(Here):
        async def fetch(self, call, at_send):
            reply = await super().fetch(call, at_send)
            if call.numbers == (NUMBERS[100],):
                await anyio.sleep(0.3)
                raise ZeroDivisionError
            return reply

    events: dict[str, Any] = {number: Transient("rate_limited", retry_after=200) for number in NUMBERS[101:]}
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        it.ask(Late(events), patience=Patience())
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("ceiling", "month", "reason"), [(25, 1_000, "run_ceiling"), (None, 25, "month_ceiling")])
def test_a_ceiling_is_reached_to_the_call_and_never_passed(at, ceiling, month, reason):
    """Exactly so many calls are sent; then the run is asked to stop."""

    async def main(clock):
        it, register = at(ceiling=ceiling, month=month, clock=clock), Here()
        asked = await it.asking(in_rounds([it.lane(register)]))
        assert (len(register.sent), it.calls()) == (25, {"answered": 25})
        assert asked.cause is not None
        assert (asked.cause.reason, asked.cause.exit_code) == (reason, ExitCode.CEILING)

    run(main)


def test_the_time_allowed_ends_the_run(at):
    """What was sent is received; the rest is not asked."""
    it, register = at(), Here(seconds=0.02)
    asked = it.ask(register, workers=2, max_runtime=timedelta(seconds=0.1))
    assert asked.cause is not None
    assert (asked.cause.reason, asked.cause.exit_code) == ("time_ceiling", ExitCode.CEILING)
    assert sorted(it.answered()) == sorted(register.sent)
    assert set(it.calls()) == {"answered"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains_what_is_under_way(at, number):
    """Calls sent are answered and kept, nothing new is sent, the permits left are given back."""
    it = at()
    register = Here({NUMBERS[100]: lambda: os.kill(os.getpid(), number)}, seconds=0.01)
    asked = it.ask(register)
    assert asked.cause is not None
    assert asked.cause.exit_code == (ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED)
    assert sorted(it.answered()) == numbers_of(asked.answered) == sorted(register.sent)
    assert len(register.sent) < 300
    assert it.calls() == {"answered": len(register.sent)}


SECOND_SIGNAL = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from tests.parts import Desked, Here, NUMBERS
import anyio

class Stuck(Here):
    async def fetch(self, call, at_send):
        if call.numbers[0] > NUMBERS[0]:
            await at_send()
            await anyio.sleep(0.5)
            if call.numbers[0] == NUMBERS[1]:
                os.kill(os.getpid(), signal.SIGTERM)
                await anyio.sleep(0.1)
                os.kill(os.getpid(), signal.SIGTERM)
            await anyio.sleep(60)
        return await super().fetch(call, at_send)

Desked(Path(sys.argv[1]), ceiling={ceiling}).ask(Stuck(), deadline=60)
"""


@pytest.mark.parametrize("ceiling", [None, 6])
def test_a_second_signal_ends_the_process_at_once(tmp_path, ceiling):
    """Also when a ceiling had asked for the end before; what was answered is in the journal."""
    root = Path(__file__).parents[1]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SECOND_SIGNAL.format(ceiling=ceiling), str(tmp_path / "home"), str(root)], check=False
    )
    assert done.returncode == ExitCode.TERMINATED
    assert time.monotonic() - began < 20
    with closing(open_journal(open_home(tmp_path / "home"), SystemClock())) as journal:
        assert {answer.number for answer in journal.answers(after=0, most=99)} == {NUMBERS[0]}
        assert journal.sweep() > 0


def test_two_runs_over_one_list_share_it(tmp_path):
    """Each number is asked by one of them; both know at the end that all are answered."""
    first, second = Desked(tmp_path / "home"), Desked(tmp_path / "home")
    mine, theirs = Here(), Here()
    told: list[Asked] = []

    async def main():
        async with anyio.create_task_group() as group:
            for it, register in ((first, mine), (second, theirs)):

                async def ask(it=it, register=register):
                    told.append(await it.asking(in_rounds([it.lane(register, workers=5)])))

                group.start_soon(ask)

    anyio.run(main)
    assert sorted(mine.sent + theirs.sent) == NUMBERS
    assert all(numbers_of(asked.answered) == NUMBERS for asked in told)
    first.journal.close()
    second.journal.close()


def test_a_number_given_up_is_free_for_another_run(at):
    """What failed here is not held back from a run beside this one."""
    it = at()
    it.ask(Here({NUMBERS[1]: Transient("timeout")}), NUMBERS[:3])
    other = it.journal.begin("other", it.account, ceiling=None, source="list.csv")
    assert it.journal.claim(other, "practice", "basisprofiel", NUMBERS[1:2], since=0).mine == NUMBERS[1:2]


def test_a_journal_is_what_the_desk_needs(at):
    """Attempts without an answer are money spent all the same."""
    it = at()
    assert isinstance(it.journal, Journal)
    asked = it.ask(Here({NUMBERS[1]: Transient("timeout")}), NUMBERS[:2])
    assert asked.failed == [(Question("basisprofiel", Kind.KVK, NUMBERS[1]), Failed(NUMBERS[1], "timeout"))]
    assert it.calls() == {"answered": 1, "failed": 3}
    assert [(line.number, line.attempts) for line in it.journal.tries(it.run)] == [(NUMBERS[1], 3)]
