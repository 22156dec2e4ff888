"""The feed: each number once, shared with other runs."""

import anyio
import pytest
from tests.simulators.virtual_time import run

from kvk_enrich.errors import ExitCode
from kvk_enrich.fetch.feed import Claimed, Feed
from kvk_enrich.fetch.stop import Cause, Stop
from kvk_enrich.model import Call, Kind

NUMBERS = [f"{place:08}" for place in range(1, 121)]


def all_mine(numbers):
    """Nobody else asks."""
    return Claimed(numbers, [], [])


def feed_of(numbers, claim, stop, said=None):
    """Return a feed of *numbers*."""
    return Feed("basisprofiel", Kind.KVK, numbers, claim, stop, (said if said is not None else []).append)


async def drained(feed):
    """Return the numbers of all calls, in order."""
    return [number async for call in feed for number in call.numbers]


def test_numbers_come_once_and_in_order():
    """A list longer than one claim comes as it is, one number a call."""

    async def main(clock):
        feed = feed_of(NUMBERS, all_mine, Stop())
        assert len(feed) == 120
        assert await anext(feed) == Call("basisprofiel", Kind.KVK, ("00000001",))
        assert await drained(feed) == NUMBERS[1:]
        assert len(feed) == 0

    run(main)


def test_an_empty_list_claims_nothing():
    """There is nothing to ask."""

    async def main(clock):
        assert await drained(feed_of([], None, Stop())) == []

    run(main)


def test_what_another_run_asks_is_passed_over_and_looked_at_again():
    """Its numbers come last: those it answered are not asked, those it let go are."""
    rounds = []

    def claim(numbers):
        rounds.append(list(numbers))
        if len(rounds) < 4:
            return Claimed([n for n in numbers if n > "00000004"], [n for n in numbers if n <= "00000004"], [])
        return Claimed(["00000001"], [], ["00000002", "00000003", "00000004"])

    async def main(clock):
        said: list[str | None] = []
        began = clock.seconds
        feed = feed_of(NUMBERS[:6], claim, Stop(), said)
        assert await drained(feed) == ["00000005", "00000006", "00000001"]
        assert feed.answered == ["00000002", "00000003", "00000004"]
        assert clock.seconds - began == pytest.approx(1.5, abs=1e-3)
        assert said[0] == "another run is asking for 4 of these numbers"
        assert said[-1] is None

    run(main)


def test_a_stop_ends_the_wait_for_another_run():
    """It would be waited for without end otherwise; at most one more call is fed, which is not started any more."""

    async def main(clock):
        stop = Stop()
        feed = feed_of(NUMBERS[:3], lambda numbers: Claimed([], numbers, []), stop)
        async with anyio.create_task_group() as group:

            async def request():
                await anyio.sleep(60.2)
                stop.request(Cause("stopped", ExitCode.INTERRUPTED, "Stopped."))

            group.start_soon(request)
            assert await drained(feed) == []
        assert clock.seconds == pytest.approx(1060.2)
        assert len(feed) == 3

    run(main)
