"""Pacing, deadline, retries and settling, around a register that does as it is told."""

from typing import Any

import anyio
import pytest
import stamina
from tests.fetch.parts import answering, call, found, office
from tests.simulators.virtual_time import run

from kvk_enrich.errors import (
    AccessRefused,
    AllowanceSpent,
    Blocked,
    ExitCode,
    NotSent,
    StorageError,
    Transient,
    Unusable,
)
from kvk_enrich.fetch.policies import (
    ATTEMPTS,
    RETRY_FLOOR,
    Backoff,
    RetryBudget,
    paced,
    quiet_retries,
    retrying,
    settled,
)
from kvk_enrich.fetch.stop import Cause
from kvk_enrich.model import Deferred, Failed, NotFound, Reply
from kvk_enrich.reasons import REASONS

STOPPED = Cause("stopped", ExitCode.INTERRUPTED, "Stopped.")


def raising(*errors, sent=True):
    """Return a fetch that raises *errors* in turn, then answers."""
    left = list(errors)

    async def fetch(asked, at_send):
        if sent:
            await at_send()
        if left:
            raise left.pop(0)
        return await answering(asked, at_send if not sent else _nothing)

    return fetch


async def _nothing():
    return


class Asking:
    """All policies around a fetch, and what was recorded."""

    def __init__(self, clock, fetch, *, units=lambda _: 1, **options):
        self.it = office(clock, **options)
        self.done = []
        self.budget = RetryBudget(lambda: self.it.gate.sent)
        self.paced = paced(fetch, self.it.gate, self.it.breaker, self._record, deadline=20, units=units)
        backoff = Backoff(jitter=0)
        self.ask = settled(retrying(self.paced, self.budget, self.it.stop, backoff), self.it.stop)

    async def _record(self, done):
        await anyio.sleep(0.01)
        self.done.append(done)

    async def balanced(self):
        """Assert that every permit taken belongs to an attempt that was recorded, once."""
        await self.it.gate.close()
        ids = [done.attempt.permit.id for done in self.done]
        assert len(ids) == len(set(ids))
        assert self.it.ledger.out.keys() == set(ids)


def test_an_answer_is_recorded_before_it_counts():
    """When ask returns, the attempt with its permit, time and answer is in the journal."""

    async def main(clock):
        asking = Asking(clock, answering)
        assert await asking.ask(call()) == (found(),)
        (done,) = asking.done
        assert (done.reply, done.attempt.http_status, done.attempt.code) == (Reply((found(),), 200), 200, None)
        assert done.attempt.seconds == pytest.approx(0.5)
        await asking.balanced()

    run(main)


def test_an_answer_that_cannot_be_recorded_is_not_told():
    """A full disk comes out as what it is."""

    async def main(clock):
        async def record(_done):
            raise StorageError("the disk is full")

        it = office(clock)
        ask = settled(paced(answering, it.gate, it.breaker, record, deadline=20), it.stop)
        with pytest.raises(StorageError):
            await ask(call())

    run(main)


def test_a_call_that_was_not_sent_costs_nothing():
    """A name that does not resolve for a minute: no permit stays taken, and the number has its answer afterwards."""

    async def main(clock):
        asking = Asking(clock, raising(*[NotSent("unreachable")] * 8, sent=False))
        asking.it.breaker.succeeded()
        assert await asking.ask(call()) == (found(),)
        assert (len(asking.done), asking.budget.spent, asking.it.gate.sent) == (1, 0, 1)
        await asking.balanced()

    run(main)


def test_when_patience_ends_what_was_not_sent_is_deferred():
    """It did not fail: it was never asked."""

    async def main(clock):
        asking = Asking(clock, raising(*[NotSent("unreachable")] * 1_000, sent=False))
        asking.it.breaker.succeeded()
        assert await asking.ask(call()) == (Deferred("69599084", "unavailable"),)
        assert asking.done == []
        await asking.balanced()

    run(main)


def test_a_failure_after_sending_is_recorded_with_its_code():
    """It may have been paid: the journal knows each attempt."""

    async def main(clock):
        asking = Asking(clock, raising(Transient("timeout"), Transient("connection_lost")))
        assert await asking.ask(call()) == (found(),)
        assert [done.attempt.code for done in asking.done] == ["timeout", "connection_lost", None]
        assert asking.budget.spent == 2
        await asking.balanced()

    run(main)


def test_the_deadline_counts_from_sending_to_the_last_byte():
    """An answer that drips for ever ends after the deadline, however long the call waited at the gate."""

    async def main(clock):
        async def drip(asked, at_send):
            await anyio.sleep(100)
            await at_send()
            await anyio.sleep_forever()

        asking = Asking(clock, drip)
        began = anyio.current_time()
        with pytest.raises(Transient) as raised:
            await asking.paced(call())
        assert anyio.current_time() - began == pytest.approx(120, abs=0.1)
        assert raised.value.reason == "timeout"
        assert asking.done[0].attempt.seconds == pytest.approx(20)
        await asking.balanced()

    run(main)


def test_a_call_turned_away_lines_up_again_and_is_sent_once():
    """A pause that begins while the call is at the gate costs time, no money."""

    async def main(clock):
        first = True

        async def fetch(asked, at_send):
            nonlocal first
            if first:
                first = False
                asking.it.breaker.failed(Transient("rate_limited", retry_after=30))
            return await answering(asked, at_send)

        asking = Asking(clock, fetch)
        began = anyio.current_time()
        assert await asking.ask(call()) == (found(),)
        assert anyio.current_time() - began >= 30
        assert asking.it.gate.sent == 1
        await asking.balanced()

    run(main)


def test_three_attempts_and_no_more():
    """A number that always fails fails its own row; two of its calls were retries."""

    async def main(clock):
        asking = Asking(clock, raising(*[Transient("server_error", "500")] * 9))
        assert await asking.ask(call()) == (Failed("69599084", "server_error", "500"),)
        assert (len(asking.done), asking.budget.spent) == (ATTEMPTS, ATTEMPTS - 1)
        await asking.balanced()

    run(main)


@pytest.mark.parametrize("error", [Unusable("wrong_company"), Unusable("in_process"), Unusable("unexpected_answer")])
def test_an_unusable_answer_is_not_asked_for_again(error):
    """It would be paid again and say the same."""

    async def main(clock):
        asking = Asking(clock, raising(error))
        assert await asking.ask(call()) == (Failed("69599084", error.reason, error.detail),)
        assert len(asking.done) == 1
        await asking.balanced()

    run(main)


def test_an_outage_does_not_multiply_the_bill():
    """When every call fails, retries are a tenth of the calls, or ten."""

    async def main(clock):
        asking = Asking(clock, raising(*[Transient("server_error", "500")] * 10_000))
        for place in range(200):
            asking.it.breaker.succeeded()
            await asking.ask(call(f"{place:08}"))
        assert asking.it.gate.sent == 200 + asking.budget.spent
        assert RETRY_FLOOR < asking.budget.spent <= 0.1 * asking.it.gate.sent + 1
        await asking.balanced()

    run(main)


@pytest.mark.parametrize(("sent", "most"), [(0, 10), (100, 10), (101, 11), (1_000, 100)])
def test_a_run_may_retry_a_tenth_of_its_calls_but_always_ten(sent, most):
    """The budget grows with what was sent."""
    budget = RetryBudget(lambda: sent)
    assert sum(budget.spend() for _ in range(500)) == most


def test_a_refused_key_stops_the_run():
    """The item fails, and the run is asked to end with the code for credentials."""

    async def main(clock):
        asking = Asking(clock, raising(AccessRefused("access_refused", "it answered 401")))
        assert await asking.ask(call()) == (Failed("69599084", "access_refused", "it answered 401"),)
        assert asking.it.cause.exit_code == ExitCode.ACCESS_REFUSED
        await asking.balanced()

    run(main)


@pytest.mark.parametrize(("numbers", "taken"), [(1, (1, 5)), (3, (1, 15)), (100, (1, 500))])
def test_a_call_takes_what_its_numbers_cost(numbers, taken):
    """One permit for the request, with as many units as the service will count."""

    async def main(clock):
        asking = Asking(clock, answering, units=lambda asked: 5 * len(asked.numbers))
        asked = call(*(f"{place:08}" for place in range(numbers)))
        assert await asking.ask(asked) == tuple(found(number) for number in asked.numbers)
        assert asking.it.ledger.taken == [taken]
        await asking.balanced()

    run(main)


def test_each_attempt_takes_its_units_again():
    """The service counted the first one too."""

    async def main(clock):
        asking = Asking(clock, raising(Transient("server_error"), Transient("timeout")), units=lambda _: 7)
        assert await asking.ask(call()) == (found(),)
        assert asking.it.ledger.taken == [(1, 7)] * 3
        assert len(asking.done) == 3
        await asking.balanced()

    run(main)


def test_an_answer_in_part_is_an_answer():
    """What a batch brought is told, what it did not has failed; it is recorded once and not asked for again."""
    brought = (
        found("00000001"),
        Failed("00000002", "missing_in_answer"),
        NotFound("00000003", "not_registered", b"{}"),
    )

    async def main(clock):
        async def fetch(asked, at_send):
            await at_send()
            return Reply(brought, 200, left=17)

        asking = Asking(clock, fetch)
        for _ in range(10):
            assert await asking.ask(call("00000001", "00000002", "00000003")) == brought
        assert [(done.reply, done.attempt.code) for done in asking.done] == [(Reply(brought, 200, left=17), None)] * 10
        assert asking.budget.spent == 0
        assert not asking.it.breaker.is_open
        await asking.balanced()

    run(main)


@pytest.mark.parametrize("error", [Unusable("unreadable_answer", "200"), Blocked("vies_blocked", "403")])
def test_an_error_is_that_of_every_number_of_the_call(error):
    """Nothing is known of any, and the run goes on."""

    async def main(clock):
        asking = Asking(clock, raising(error))
        expected = tuple(Failed(number, error.reason, error.detail) for number in ("00000001", "00000002"))
        assert await asking.ask(call("00000001", "00000002")) == expected
        assert not asking.it.stop.requested
        await asking.balanced()

    run(main)


def test_an_allowance_that_the_register_calls_spent_defers_and_stops():
    """It is no failure of the number; the attempt is recorded, not made again, and the end is that of a ceiling."""

    async def main(clock):
        asking = Asking(clock, raising(AllowanceSpent("month_ceiling", "429 QUOTA_EXCEEDED", left=7)))
        outcomes = await asking.ask(call("00000001", "00000002"))
        assert outcomes == (Deferred("00000001", "month_ceiling"), Deferred("00000002", "month_ceiling"))
        assert asking.it.cause == Cause("month_ceiling", ExitCode.CEILING, REASONS["month_ceiling"].sentence)
        (done,) = asking.done
        assert (done.reply, done.attempt.code) == (Reply((), 429, left=7), "month_ceiling")
        assert await asking.ask(call("00000003")) == (Deferred("00000003", "month_ceiling"),)
        assert asking.it.gate.sent == 1
        await asking.balanced()

    run(main)


@pytest.mark.parametrize("error", [AccessRefused("access_refused"), Unusable("wrong_company"), NotSent("unreachable")])
def test_a_trial_that_ends_badly_holds_nobody_for_ever(error):
    """Whatever the trial runs into, the next call gets its turn or is told of the stop."""

    async def main(clock):
        asking = Asking(clock, raising(error, sent=not isinstance(error, NotSent)))
        asking.it.breaker.succeeded()
        for _ in range(5):
            asking.it.breaker.failed(Transient("server_error"))
        outcomes: list[Any] = []
        with anyio.fail_after(120):
            async with anyio.create_task_group() as group:

                async def ask(number):
                    outcomes.extend(await asking.ask(call(number)))

                for place in range(10):
                    group.start_soon(ask, f"{place:08}")
        assert len(outcomes) == 10
        await asking.balanced()

    run(main)


def test_a_stop_lets_calls_under_way_be_received():
    """A call already sent is answered, recorded and told, although the end was asked for meanwhile."""

    async def main(clock):
        asking = Asking(clock, answering)
        async with anyio.create_task_group() as group:

            async def stop():
                await anyio.sleep(0.2)
                asking.it.stop.request(STOPPED)

            group.start_soon(stop)
            assert await asking.ask(call()) == (found(),)
        assert len(asking.done) == 1

    run(main)


def test_a_stop_ends_the_wait_for_another_attempt():
    """The number is deferred with the stop's reason, and no retry is charged."""

    async def main(clock):
        async def fetch(asked, at_send):
            await at_send()
            asking.it.stop.request(STOPPED)
            raise Transient("server_error")

        asking = Asking(clock, fetch)
        began = anyio.current_time()
        assert await asking.ask(call()) == (Deferred("69599084", "stopped"),)
        assert anyio.current_time() - began < 0.2
        assert asking.budget.spent == 0
        await asking.balanced()

    run(main)


def test_nothing_starts_after_a_stop():
    """A call that has not begun is deferred, with all its numbers, without a permit."""

    async def main(clock):
        asking = Asking(clock, answering)
        asking.it.stop.request(Cause("time_ceiling", ExitCode.CEILING, "Late."))
        assert await asking.ask(call()) == (Deferred("69599084", "time_ceiling"),)
        assert await asking.ask(call("00000001", "00000002")) == (
            Deferred("00000001", "time_ceiling"),
            Deferred("00000002", "time_ceiling"),
        )
        assert asking.it.ledger.leases == 0

    run(main)


def test_an_answer_of_nothing_is_an_answer():
    """Not found is told as the register told it."""

    async def main(clock):
        async def fetch(asked, at_send):
            await at_send()
            return Reply((NotFound("69599084", "not_registered", b"{}"),), 404)

        asking = Asking(clock, fetch)
        assert await asking.ask(call()) == (NotFound("69599084", "not_registered", b"{}"),)

    run(main)


def test_retries_print_nothing(capfd):
    """Standard output belongs to the run record; the hooks of other users of stamina come back afterwards."""
    hooks = stamina.instrumentation.get_on_retry_hooks()

    async def main(clock):
        asking = Asking(clock, raising(Transient("timeout"), Transient("timeout")))
        with quiet_retries():
            await asking.ask(call())
        assert len(asking.done) == 3

    run(main)
    assert capfd.readouterr() == ("", "")
    assert stamina.instrumentation.get_on_retry_hooks() == hooks
