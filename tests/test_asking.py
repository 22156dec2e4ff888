"""Asking, with a real journal: every permit accounted for, every answer kept, one error out, an end that comes."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.parts import CANARY, NUMBERS, Desked, Here, in_rounds, numbers_of, questions
from tests.simulators.fault_server import Step, misbehaving
from tests.simulators.virtual_time import run

from kvk_enrich.asking import Asked
from kvk_enrich.clock import SystemClock
from kvk_enrich.errors import AccessRefused, AllowanceSpent, ExitCode, StorageError, Transient, Unusable
from kvk_enrich.fetch.breaker import Patience
from kvk_enrich.model import Deferred, Failed, Found, Kind, NotFound, Question, Secret
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


def test_signals_are_heeded_as_before_when_asking_is_over(at):
    """What comes while outputs are written is for whom it was for before."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        own = [signal.getsignal(number) for number in before]
        at().ask(Here(), NUMBERS[:2])
        assert [signal.getsignal(number) for number in before] == own
    finally:
        for number, heeding in before.items():
            signal.signal(number, heeding)


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

    class Late(Here):
        async def fetch(self, call, at_send):
            reply = await super().fetch(call, at_send)
            if call.numbers == (NUMBERS[100],):
                await anyio.sleep(0.3)
                raise ZeroDivisionError
            return reply

    async def main(clock):
        it, began = at(clock=clock), clock.seconds
        events: dict[str, Any] = {number: Transient("rate_limited", retry_after=200) for number in NUMBERS[101:]}
        with pytest.raises(ZeroDivisionError):
            await it.asking(in_rounds([it.lane(Late(events))]), patience=Patience())
        assert clock.seconds - began < 5

    run(main)


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
    asked = it.ask(register, workers=2, max_runtime=timedelta(seconds=0.8))
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


# -- lanes side by side, round after round ------------------------------------------------------

VIES = {"vies": 1}
AWAY = Transient("vies_busy", "200 MS_MAX_CONCURRENT_REQ", part="DE")


def vat_numbers(**counts):
    """Return so many VAT numbers per state, state after state."""
    return [f"{state}{place:09}" for state, many in counts.items() for place in range(many)]


def vat_lane(it, register, numbers, *, account=None, **options):
    """Return a lane of its own account, that asks state by state."""
    options = {"desk": it.desk_of(account or it.free_account()), "workers": 4, "per_state": 1} | options
    return it.lane(register, questions(numbers, "vies", Kind.VAT), **options)


def test_two_services_are_asked_side_by_side(at):
    """Each on its own account; a member state that is away costs its own numbers, and nobody else's time."""

    async def main(clock):
        it, vat = at(clock=clock), vat_numbers(DE=5, FR=5, IT=5)
        of_state = {state: [number for number in vat if number.startswith(state)] for state in ("DE", "FR", "IT")}

        def away_at_first():
            if clock.seconds < began + 20:
                raise AWAY

        began = clock.seconds
        companies = Here(seconds=0.5)
        troubles: dict[str, Any] = dict.fromkeys(of_state["DE"], AWAY) | dict.fromkeys(of_state["IT"], away_at_first)
        vies = Here(troubles, seconds=0.5, products=VIES)
        lanes = [it.lane(companies), vat_lane(it, vies, vat, windows=(15.0, 60.0))]
        asked = await it.asking(in_rounds(lanes))

        assert numbers_of(asked.answered) == sorted(NUMBERS + of_state["FR"] + of_state["IT"]) == sorted(it.answered())
        assert {question.number: outcome.reason for question, outcome in asked.failed} == {
            number: "vies_busy" if number in vies.sent else "vies_unavailable" for number in of_state["DE"]
        }
        assert (asked.deferred, asked.cause) == ([], None)
        last = {number[:2]: moment - began for number, moment in zip(vies.sent, vies.moments, strict=True)}
        assert max(companies.moments) - began < 15
        assert last["FR"] < 15
        assert last["DE"] > 75
        assert (asked.paid, asked.free) == (400, len(vies.sent))
        assert (it.used(), it.used(it.free_account())) == (400, len(vies.sent))
        assert Counter(it.progress.ends) == {"found": 410, "failed": 5}
        assert it.progress.micro == 400 * 20_000

    run(main)


@pytest.mark.parametrize("second", ["found", "not_found", "failed"])
def test_not_valid_before_the_first_failure_of_its_state_is_asked_once_more(at, second):
    """Its first word is neither counted nor kept; the progress hears of every number once."""

    async def main(clock):
        it, vat = at(clock=clock), vat_numbers(DE=4, FR=2)
        absent = {number: NotFound(number, "vat_not_valid", b'{"valid":false}') for number in (vat[0], vat[4])}

        class Vies(Here):
            def _answer(self, number):
                times = self.sent.count(number)
                if number == vat[2] and times == 1:
                    raise AWAY
                if number == vat[0] and times > 1 and second != "not_found":
                    if second == "failed":
                        raise AWAY
                    return Found(number, b"{}")
                return absent.get(number) or super()._answer(number)

        vies = Vies(products=VIES)
        asked = await it.asking(in_rounds([vat_lane(it, vies, vat, windows=(15.0,))]))
        failed = [vat[0]] if second == "failed" else []
        assert numbers_of(asked.answered) == sorted(it.answered()) == sorted(set(vat) - set(failed))
        assert [question.number for question, _ in asked.failed] == failed
        stands = {answer.number: answer.status for answer in it.stored()}
        assert stands.get(vat[0], "failed") == second
        assert stands[vat[4]] == "not_found"
        assert vies.sent.count(vat[4]) == 1
        assert len(it.progress.ends) == 6
        assert (it.used(it.free_account()), asked.free) == (len(vies.sent), len(vies.sent))

    run(main)


def test_rounds_go_on_until_there_is_nothing_to_ask(at):
    """Each is told what came of those before, in a thread of its own; what they brought adds up."""

    async def main(clock):
        it, seen = at(clock=clock), list[Any]()
        registers = [Here({NUMBERS[3]: Failed(NUMBERS[3], "timeout")}), Here(), Here()]

        def next_lanes(asked):
            seen.append((threading.current_thread(), numbers_of(asked.answered), len(asked.failed), asked.sent))
            numbers = NUMBERS[5 * (len(seen) - 1) : 5 * len(seen)]
            return [it.lane(registers[len(seen) - 1], questions(numbers))] if len(seen) <= 3 else []

        asked = await it.asking(next_lanes)
        answered = [number for number in NUMBERS[:15] if number != NUMBERS[3]]
        assert [tuple(told) for _, *told in seen] == [
            ([], 0, 0),
            (answered[:4], 1, 5),
            (answered[:9], 1, 10),
            (answered, 1, 15),
        ]
        assert threading.main_thread() not in {thread for thread, *_ in seen}
        assert numbers_of(asked.answered) == answered
        assert asked.sent == it.used() == 15

    run(main)


def test_without_lanes_nothing_is_asked(at):
    """The end comes at once."""
    asked = at().ask_lanes(lambda _: [])
    assert (asked.answered, asked.sent, asked.cause) == ([], 0, None)


@pytest.mark.parametrize("refused", ["company", "vat"])
def test_a_stop_ends_all_lanes_and_all_rounds(at, refused):
    """A refused key of either: what is under way is received, nothing is begun, no further round is planned."""

    async def main(clock):
        it, vat = at(clock=clock), vat_numbers(FR=200)
        refusal = AccessRefused("access_refused", "it answered 401")
        companies = Here({NUMBERS[20]: refusal} if refused == "company" else {}, seconds=0.5)
        vies = Here({vat[20]: refusal} if refused == "vat" else {}, seconds=0.5, products=VIES)
        rounds = [[it.lane(companies, workers=2), vat_lane(it, vies, vat)]]
        asked = await it.asking(lambda _: rounds.pop())
        assert asked.cause is not None
        assert asked.cause.exit_code == ExitCode.ACCESS_REFUSED
        assert len(companies.sent) < 120
        assert len(vies.sent) < 60
        assert numbers_of(asked.answered) == sorted(it.answered())
        assert len(it.answered()) == len(companies.sent) + len(vies.sent) - 1
        assert set(it.calls()) == {"answered", "failed"}

    run(main)


def test_the_time_allowed_ends_all_lanes(at):
    """It is the whole run's."""

    async def main(clock):
        it = at(clock=clock)
        companies, vies = Here(seconds=0.5), Here(seconds=0.5, products=VIES)
        lanes = [it.lane(companies, workers=1), vat_lane(it, vies, vat_numbers(FR=200))]
        asked = await it.asking(in_rounds(lanes), max_runtime=timedelta(seconds=10))
        assert asked.cause is not None
        assert asked.cause.reason == "time_ceiling"
        assert 10 <= asked.seconds < 12
        assert len(companies.sent) < 25
        assert len(vies.sent) < 25

    run(main)


@pytest.mark.parametrize("spent", ["ours", "theirs"])
def test_a_ceiling_of_one_lane_ends_no_other(at, spent):
    """Reached in our ledger or told by the register: the other lane and the next round are asked to their ends."""

    async def main(clock):
        it, vat = at(ceiling=25 if spent == "ours" else None, clock=clock), vat_numbers(FR=30)
        events = {} if spent == "ours" else {NUMBERS[25]: AllowanceSpent("month_ceiling", "429 QUOTA_EXCEEDED")}
        companies, vies = Here(events), Here(seconds=0.5, products=VIES)
        lanes = [it.lane(companies, workers=1), vat_lane(it, vies, vat)]
        later = Here(products=VIES)
        asked = await it.asking(in_rounds(lanes, [vat_lane(it, later, vat_numbers(ES=3))]))
        assert numbers_of(asked.answered) == sorted(NUMBERS[:25] + vat + vat_numbers(ES=3))
        assert [outcome for _, outcome in asked.deferred] == [Deferred(NUMBERS[25], asked.cause.reason)]
        assert asked.cause.exit_code == ExitCode.CEILING
        assert asked.cause.reason == ("run_ceiling" if spent == "ours" else "month_ceiling")
        assert len(companies.sent) == (25 if spent == "ours" else 26)

    run(main)


@pytest.mark.parametrize("down", ["company", "vat"])
def test_only_the_side_service_may_be_away_without_the_run_ending(at, down):
    """The companies are what the run is for; VAT numbers are not, and their lane ends alone."""

    async def main(clock):
        it, vat = at(clock=clock), vat_numbers(FR=100)
        events = {number: Transient("server_error", "503") for number in NUMBERS + vat}
        companies = Here(events if down == "company" else {}, seconds=0.5)
        vies = Here(events if down == "vat" else {}, seconds=0.5, products=VIES)
        asked = await it.asking(in_rounds([it.lane(companies, workers=2), vat_lane(it, vies, vat)]))
        if down == "vat":
            assert asked.cause is None
            assert sorted(question.number for question, _ in asked.failed) == vat
            assert "vies_unavailable" in {outcome.reason for _, outcome in asked.failed}
            assert asked.deferred == []
        else:
            assert asked.cause is not None
            assert (asked.cause.reason, asked.cause.exit_code) == ("unavailable", ExitCode.UNAVAILABLE)
        assert (len(companies.sent) == 400) == (down == "vat")
        assert len(vies.sent) < 100

    run(main)


def test_a_lane_that_breaks_does_not_wait_for_a_service_that_is_away(at):
    """Its first call meets a full disk: the other lane is told to come to its end, and its calls are received."""

    async def main(clock):
        it = at(clock=clock)
        broken = StorageError("the disk is full")
        companies = Here({NUMBERS[0]: lambda: fail(broken)}, seconds=10)
        pause = Transient("rate_limited", "429", retry_after=200)
        vies = Here(dict.fromkeys(vat_numbers(FR=9), pause), seconds=0.5, products=VIES)
        began = clock.seconds
        lanes = [it.lane(companies, deadline=60), vat_lane(it, vies, vat_numbers(FR=9))]
        with pytest.raises(StorageError):
            await it.asking(in_rounds(lanes), patience=Patience())
        assert clock.seconds - began < 15

    run(main)


def fail(error):
    """Raise *error*."""
    raise error


# -- what stands in journal and ledger ----------------------------------------------------------


def test_a_batch_is_one_call_with_the_units_of_its_numbers(at):
    """Ledger and money count units, the pace counts calls."""

    async def main(clock):
        it, register = at(clock=clock), Here(products={"enriched": 100})
        lane = it.lane(register, questions(product="enriched"), units={"enriched": 5})
        asked = await it.asking(in_rounds([lane]))
        assert [len(call.numbers) for call in register.calls] == [100] * 4
        assert numbers_of(asked.answered) == sorted(it.answered()) == NUMBERS
        assert (asked.sent, it.calls(), it.used()) == (4, {"answered": 4}, 2_000)
        (line,) = it.journal.runs()
        assert (line.calls, line.micro_eur) == (4, 2_000 * 20_000)
        assert it.progress.micro == line.micro_eur

    run(main)


def test_a_batch_answered_in_part_keeps_what_it_brought(at):
    """A number that it left out has failed, is no answer, counts as tried, and is free for another run."""

    async def main(clock):
        it = at(clock=clock)
        lost = {
            NUMBERS[1]: Failed(NUMBERS[1], "missing_in_answer"),
            NUMBERS[8]: Failed(NUMBERS[8], "failed_in_batch", "no code"),
        }
        absent = NotFound(NUMBERS[5], "not_registered", b'{"code":"NOT_FOUND"}')
        register = Here(lost | {NUMBERS[5]: absent}, products={"lookup": 4})
        asked = await it.asking(in_rounds([it.lane(register, questions(NUMBERS[:10], "lookup"))]))
        assert sorted(register.sent) == NUMBERS[:10]
        assert asked.failed == [(Question("lookup", Kind.KVK, number), failed) for number, failed in lost.items()]
        assert sorted(it.answered()) == numbers_of(asked.answered) == sorted(set(NUMBERS[:10]) - set(lost))
        assert [(answer.number, answer.reason) for answer in it.stored() if answer.status == "not_found"] == [
            (NUMBERS[5], "not_registered")
        ]
        assert sorted((tried.number, tried.attempts) for tried in it.journal.tries(it.run)) == [
            (NUMBERS[1], 1),
            (NUMBERS[8], 1),
        ]
        other = it.journal.begin("other", it.account, ceiling=None, source="list.csv")
        claims = it.journal.claim(other, "practice", "lookup", NUMBERS[:10], since=0)
        assert claims.mine == sorted(lost)
        assert it.calls() == {"answered": 3}

    run(main)


def test_a_number_given_up_as_one_product_is_kept_as_the_other(at):
    """Another run must not ask what this one still asks: it would be paid twice."""

    async def main(clock):
        it = at(clock=clock)
        other = it.journal.begin("other", it.account, ceiling=None, source="list.csv")
        claims = []

        def claim():
            claims.append(it.journal.claim(other, "practice", "basisprofiel", NUMBERS[:1], since=0))

        class Slow(Here):
            async def fetch(self, call, at_send):
                if call.product == "vestigingen":
                    await at_send()
                    raise Unusable("unreadable_answer")
                await anyio.sleep(5)
                return await super().fetch(call, at_send)

        register = Slow({NUMBERS[0]: claim}, products={"basisprofiel": 1, "vestigingen": 1})
        wanted = [Question(product, Kind.KVK, NUMBERS[0]) for product in ("vestigingen", "basisprofiel")]
        asked = await it.asking(in_rounds([it.lane(register, wanted)]))
        assert [claim.taken for claim in claims] == [NUMBERS[:1]]
        assert (numbers_of(asked.answered), len(asked.failed)) == (NUMBERS[:1], 1)

    run(main)


def test_what_the_register_says_is_left_corrects_the_ledger(at):
    """Others use the same key: when the register says that seven are left, no more than seven are asked."""

    async def main(clock):
        it, left = at(month=1_000, clock=clock), iter(range(7, -1, -1))
        register = Here(left=lambda: max(0, next(left, 0)))
        asked = await it.asking(in_rounds([it.lane(register, workers=1)]))
        assert it.used() == 1_000
        assert asked.cause is not None
        assert asked.cause.reason == "month_ceiling"
        assert len(register.sent) <= 1 + 16, "the first, and what was leased before it was known"

    run(main)


def test_what_is_left_belongs_to_the_month_of_the_call(at):
    """An answer that comes after midnight, to a call from before it, says nothing of the new month."""

    async def main(clock):
        clock.seconds += (datetime(2026, 11, 30, 23, tzinfo=UTC) - clock.now()).total_seconds() - 70
        it = at(month=1_000, clock=clock)
        register = Here(seconds=75, left=lambda: 7)
        await it.asking(in_rounds([it.lane(register, questions(NUMBERS[:1]), deadline=120)]))
        assert it.journal.used("practice", "default", "2026-11") == 993
        assert it.used() == 0

    run(main)
