"""The breaker: when calls may start, for the whole client."""

import math
from typing import Any

import anyio
import pytest
from tests.fetch.parts import office
from tests.simulators.virtual_time import run

from kvk_enrich.errors import ExitCode, NotSent, Transient, Unusable
from kvk_enrich.fetch.breaker import Patience
from kvk_enrich.fetch.stop import Cause, Halted

OVERLOADED = Transient("server_error", "503")
STOPPED = Cause("stopped", ExitCode.INTERRUPTED, "Stopped.")


async def admitted(breaker):
    """Return the seconds until a call may start, and whether it is the trial."""
    began = anyio.current_time()
    trial = await breaker.admit()
    return round(anyio.current_time() - began, 3), trial


def away(it, failures=5):
    """Make the register seem away, after it had answered before."""
    it.breaker.succeeded()
    for _ in range(failures):
        it.breaker.failed(OVERLOADED)


def test_four_failures_in_a_row_hold_nobody():
    """Single failures are the business of retries."""

    async def main(clock):
        it = office(clock)
        away(it, 4)
        assert await admitted(it.breaker) == (0, False)

    run(main)


def test_five_failures_in_a_row_rest_and_then_one_call_tries():
    """Nobody passes for five seconds; then one does, and the next waits for its fate."""

    async def main(clock):
        it = office(clock)
        away(it)
        assert it.breaker.is_open
        assert await admitted(it.breaker) == (5, True)
        with anyio.move_on_after(60) as waited:
            await it.breaker.admit()
        assert waited.cancelled_caught

    run(main)


def test_a_trial_that_succeeds_opens_the_door_for_all():
    """After an answer there is no single file."""

    async def main(clock):
        it = office(clock)
        away(it)
        await it.breaker.admit()
        it.breaker.succeeded()
        assert [await admitted(it.breaker) for _ in range(3)] == [(0, False)] * 3
        assert it.said[-1] is None

    run(main)


def test_trials_that_fail_rest_twice_as_long_until_patience_ends():
    """5, 10, 20, 40, 60, 60 seconds, and before five minutes are over the run is asked to stop."""

    async def main(clock):
        it, rests = office(clock), list[Any]()
        away(it)
        while not it.stop.requested:
            seconds, trial = await admitted(it.breaker)
            rests.append(seconds)
            assert trial
            it.breaker.failed(OVERLOADED, trial=True)
        assert rests == [5, 10, 20, 40, 60, 60, 60]
        assert (it.cause.reason, it.cause.exit_code) == ("unavailable", ExitCode.UNAVAILABLE)

    run(main)


@pytest.mark.parametrize("fate", ["failed", "turned_away"])
def test_a_straggler_does_not_end_the_trial(fate):
    """A call sent before the outage and failing now says nothing new: still only one call tries the water."""

    async def main(clock):
        it = office(clock)
        away(it)
        assert await it.breaker.admit()
        if fate == "failed":
            it.breaker.failed(OVERLOADED, trial=False)
        else:
            it.breaker.turned_away(trial=False)
        with anyio.move_on_after(60) as waited:
            await it.breaker.admit()
        assert waited.cancelled_caught

    run(main)


def test_a_trial_turned_away_leaves_its_turn_to_the_next():
    """A trial that was not sent proves nothing, and blocks nobody."""

    async def main(clock):
        it = office(clock)
        away(it)
        assert await it.breaker.admit()
        it.breaker.turned_away(trial=True)
        assert await admitted(it.breaker) == (0, True)

    run(main)


def test_an_answer_to_an_earlier_call_ends_the_rest():
    """When the register answers after all, nobody sleeps the rest out."""

    async def main(clock):
        it = office(clock)
        away(it)
        async with anyio.create_task_group() as group:

            async def answer():
                await anyio.sleep(1.5)
                it.breaker.succeeded()

            group.start_soon(answer)
            assert await admitted(it.breaker) == (2, False)

    run(main)


@pytest.mark.parametrize(("wish", "pause"), [(None, 1), (0, 1), (-5, 1), (0.2, 1), (1, 1), (30, 30), (300, 300)])
@pytest.mark.parametrize("reason", ["rate_limited", "server_error"])
def test_a_wish_for_a_pause_holds_the_whole_client(wish, pause, reason):
    """Retry-After counts between a second and five minutes, whichever status it came with."""

    async def main(clock):
        it = office(clock)
        it.breaker.failed(Transient(reason, retry_after=wish))
        expected = pause if reason == "rate_limited" or wish is not None else 0
        assert await admitted(it.breaker) == (expected, False)
        assert not it.stop.requested

    run(main)


@pytest.mark.parametrize("wish", [300.5, 3600, 1e9, math.inf])
def test_a_wish_beyond_five_minutes_ends_the_run(wish):
    """Another hour is better than a process that sleeps for one."""

    async def main(clock):
        it = office(clock)
        it.breaker.failed(Transient("rate_limited", retry_after=wish))
        assert it.cause.exit_code == ExitCode.UNAVAILABLE

    run(main)


def test_an_answer_does_not_cut_a_pause_short():
    """What the register asked for holds, although calls sent before are answered."""

    async def main(clock):
        it = office(clock)
        it.breaker.failed(Transient("rate_limited", retry_after=10))
        it.breaker.succeeded()
        assert await admitted(it.breaker) == (10, False)

    run(main)


def test_a_burst_of_refusals_is_one_pause_and_six_pauses_are_the_end():
    """A hundred 429 at once count once; pauses without an answer between them are not endured for ever."""

    async def main(clock):
        it, pauses = office(clock), 0
        while not it.stop.requested:
            for _ in range(100):
                it.breaker.failed(Transient("rate_limited", retry_after=10))
            pauses += 1
            await anyio.sleep(60)
        assert pauses == 6
        assert "pauses" in it.cause.sentence

    run(main)


@pytest.mark.parametrize("reason", ["in_process", "several_companies", "vat_unconfirmed"])
def test_a_number_that_cannot_be_told_of_counts_as_an_answer(reason):
    """IPD1002 and IPD1003 come from a register that is well, and so do the others."""

    async def main(clock):
        it = office(clock)
        for _ in range(20):
            it.breaker.failed(Unusable(reason))
        assert await admitted(it.breaker) == (0, False)

    run(main)


STATE_AWAY = Transient("vies_busy", "200 MS_MAX_CONCURRENT_REQ", retry_after=30, part="DE")


def test_trouble_in_a_part_holds_nobody():
    """The service passes on what a member state says: it is there, and its other states answer."""

    async def main(clock):
        it = office(clock)
        for _ in range(20):
            it.breaker.failed(STATE_AWAY)
        assert await admitted(it.breaker) == (0, False)
        assert not it.stop.requested
        assert it.said == []

    run(main)


def test_trouble_in_a_part_breaks_a_row_of_failures():
    """Four failures of the whole, one of a part, four of the whole: never five in a row."""

    async def main(clock):
        it = office(clock)
        for error in [*[OVERLOADED] * 4, STATE_AWAY, *[OVERLOADED] * 4]:
            it.breaker.failed(error)
        assert await admitted(it.breaker) == (0, False)
        it.breaker.failed(OVERLOADED)
        assert await admitted(it.breaker) == (5, True)

    run(main)


def test_a_trial_that_meets_trouble_in_a_part_opens_the_door_for_all():
    """The service was away and speaks again, if only for another's trouble."""

    async def main(clock):
        it = office(clock)
        away(it)
        assert await it.breaker.admit()
        it.breaker.failed(STATE_AWAY, trial=True)
        assert [await admitted(it.breaker) for _ in range(3)] == [(0, False)] * 3
        assert it.said[-1] is None

    run(main)


@pytest.mark.parametrize(("error", "calls"), [(NotSent("unreachable"), 3), (Unusable("unexpected_answer"), 5)])
def test_a_run_that_never_had_an_answer_gives_up_soon(error, calls):
    """A wrong address ends the run after three tries, a portal that answers everything with 200 after five."""

    async def main(clock):
        it, made = office(clock), 0
        while not it.stop.requested:
            it.breaker.failed(error)
            made += 1
        assert made == calls
        assert it.cause.exit_code == ExitCode.UNAVAILABLE

    run(main)


def test_a_register_down_from_the_beginning_is_waited_for():
    """503 from the first call on is an outage, not a wrong address."""

    async def main(clock):
        it = office(clock)
        for _ in range(5):
            it.breaker.failed(OVERLOADED)
        assert not it.stop.requested
        assert await admitted(it.breaker) == (5, True)

    run(main)


@pytest.mark.parametrize("trial", [False, True])
def test_a_stop_ends_all_waiting_at_once(trial):
    """Whoever waits for a rest or for a trial's fate is told that no call is started any more."""

    async def main(clock):
        it, halted = office(clock, patience=Patience(first_rest=60)), list[Any]()
        away(it)
        if trial:
            assert await it.breaker.admit()

        async def wait():
            with pytest.raises(Halted):
                await it.breaker.admit()
            halted.append(anyio.current_time())

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(wait)
            await anyio.sleep(3)
            it.stop.request(STOPPED)
            asked = anyio.current_time()
        assert len(halted) == 10
        assert max(halted) - asked <= 1

    run(main)


def test_people_are_told_of_waiting_and_of_its_end():
    """Each rest and pause is said, and taken back when the register answers."""

    async def main(clock):
        it = office(clock)
        it.breaker.failed(Transient("rate_limited", retry_after=7))
        it.breaker.succeeded()
        it.breaker.succeeded()
        assert it.said == ["the register asked for a pause of 7 s", None]

    run(main)
