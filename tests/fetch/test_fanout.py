"""The fan-out: bounded, one at a time until an answer, drained at the end."""

import itertools
from typing import Any

import anyio
import pytest
from tests.fetch.parts import call, found
from tests.simulators.virtual_time import run

from kvk_enrich.errors import ExitCode, StorageError
from kvk_enrich.fetch.fanout import fan_out
from kvk_enrich.fetch.stop import Cause, Stop
from kvk_enrich.model import Failed, NotFound

STOPPED = Cause("stopped", ExitCode.INTERRUPTED, "Stopped.")


async def calls(count):
    """Feed *count* calls."""
    for place in range(count):
        yield call(f"{place:08}")


class Told(list[Any]):
    """The outcomes told, in order."""

    def tell(self, asked, outcome):
        assert outcome.number in asked.numbers
        self.append(outcome)


class Watched:
    """An ask that takes a second and counts who is under way."""

    def __init__(self, outcome=found):
        self.under_way = self.most = self.asked = 0
        self._outcome = outcome

    async def __call__(self, asked):
        self.asked += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await anyio.sleep(1)
        self.under_way -= 1
        return tuple(self._outcome(number) for number in asked.numbers)


def test_every_call_has_its_outcome_told_once():
    """Nothing is lost or told twice between many workers."""

    async def main(clock):
        ask, told = Watched(), Told()
        await fan_out(calls(200), ask, told.tell, Stop(), workers=30)
        assert sorted(outcome.number for outcome in told) == [f"{place:08}" for place in range(200)]
        assert ask.most == 30

    run(main)


@pytest.mark.parametrize("outcome", [found, lambda number: NotFound(number, "not_registered", b"")])
def test_the_first_answer_opens_the_work_to_all(outcome):
    """Not found is an answer too: the register speaks to us."""

    async def main(clock):
        ask = Watched(outcome)
        await fan_out(calls(100), ask, lambda *_: None, Stop(), workers=100)
        assert ask.most > 40

    run(main)


def test_until_something_is_answered_calls_go_one_at_a_time():
    """A wrong key or a wrong address costs a call or two, not a hundred."""

    async def main(clock):
        ask = Watched(lambda number: Failed(number, "unexpected_answer"))
        await fan_out(calls(20), ask, lambda *_: None, Stop(), workers=100)
        assert (ask.asked, ask.most) == (20, 1)

    run(main)


def test_a_call_for_many_has_each_outcome_told_with_it():
    """One answer among them is enough to open the work: the register speaks to us."""

    async def batches():
        for place in range(0, 40, 4):
            yield call(*(f"{number:08}" for number in range(place, place + 4)))

    async def main(clock):
        ask = Watched(lambda number: found(number) if number.endswith("2") else Failed(number, "failed_in_batch"))
        told = Told()
        await fan_out(batches(), ask, told.tell, Stop(), workers=100)
        assert sorted(outcome.number for outcome in told) == [f"{place:08}" for place in range(40)]
        assert (ask.asked, ask.most) == (10, 9)

    run(main)


def test_a_call_without_an_outcome_yet_tells_nothing():
    """What is to be asked again comes once more from the feed."""

    async def main(clock):
        told, asked = Told(), list[Any]()

        async def ask(one):
            asked.append(one)
            return () if len(asked) <= 3 else (found(one.numbers[0]),)

        await fan_out(calls(5), ask, told.tell, Stop(), workers=2)
        assert (len(asked), [outcome.number for outcome in told]) == (5, ["00000003", "00000004"])

    run(main)


@pytest.mark.parametrize("moment", [0.5, 1.5, 3.5])
def test_a_stop_ends_the_feeding_and_receives_what_is_under_way(moment):
    """Within one answer's time the fan-out is over, and every call begun has its outcome."""

    async def main(clock):
        ask, told, stop = Watched(), Told(), Stop()
        async with anyio.create_task_group() as group:

            async def request():
                await anyio.sleep(moment)
                stop.request(STOPPED)

            group.start_soon(request)
            await fan_out(calls(10_000), ask, told.tell, stop, workers=10)
        assert len(told) == ask.asked < 50
        assert clock.seconds <= 1000 + moment + 1.1

    run(main)


def test_one_worker_that_breaks_ends_the_work_of_all():
    """The error comes out; the others are asked to come to their end and what they received is told."""

    async def main(clock):
        stop, told, under_way = Stop(), Told(), []

        async def ask(asked):
            (number,) = asked.numbers
            if number == "00000020":
                raise StorageError("the disk is full")
            under_way.append(number)
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
            return (found(number),)

        with pytest.raises(ExceptionGroup) as raised:
            await fan_out(calls(1_000), ask, told.tell, stop, workers=50)
        assert [str(error) for error in raised.value.exceptions] == ["the disk is full"]
        assert stop.cause is not None
        assert stop.cause.exit_code == ExitCode.STORAGE
        assert [outcome.number for outcome in told] == under_way

    run(main)


def test_a_feed_that_breaks_is_not_asked_again():
    """An error of the journal while claiming comes out once."""

    async def main(clock):
        async def broken():
            yield call("00000001")
            yield call("00000002")
            raise StorageError("the disk is full")

        with pytest.raises(ExceptionGroup) as raised:
            await fan_out(broken(), Watched(), lambda *_: None, Stop(), workers=5)
        assert len(raised.value.exceptions) == 1

    run(main)


def test_workers_start_apart():
    """A hundred TLS handshakes at once would hold the loop: the hundredth begins two seconds later."""

    async def main(clock):
        began: list[Any] = []

        async def ask(asked):
            began.append(anyio.current_time())
            await anyio.sleep(3)
            return (found(asked.numbers[0]),)

        await fan_out(calls(101), ask, lambda *_: None, Stop(), workers=100)
        gaps = [b - a for a, b in itertools.pairwise(began)]
        assert min(gaps) == pytest.approx(0.02, abs=1e-4)

    run(main)
