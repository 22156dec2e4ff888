"""The feed: each question once, shared with other runs, several numbers to a call where the service takes them."""

from collections import Counter
from itertools import cycle

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulators.virtual_time import run

from kvk_enrich.errors import ExitCode, StorageError
from kvk_enrich.fetch.feed import Claimed, Feed
from kvk_enrich.fetch.stop import Cause, Stop
from kvk_enrich.model import Call, Kind, Question

NUMBERS = [f"{place:08}" for place in range(1, 121)]
MOST = {"basisprofiel": 1, "zoeken": 1, "lookup": 3, "enriched": 100}


def all_mine(product, numbers):
    """Nobody else asks."""
    return Claimed(numbers, [], [])


def questions(numbers, product="basisprofiel", kind=Kind.KVK):
    """Return a question about each of *numbers*."""
    return [Question(product, kind, number) for number in numbers]


def feed_of(asked, claim, stop=None, said=None, most=MOST):
    """Return a feed of *asked*."""
    return Feed(asked, claim, stop or Stop(), (said if said is not None else []).append, most=most)


async def drained(feed):
    """Return the numbers of all calls, in order."""
    return [number async for call in feed for number in call.numbers]


def test_numbers_come_once_and_in_order():
    """A list longer than one claim comes as it is, one number a call."""

    async def main(clock):
        feed = feed_of(questions(NUMBERS), all_mine)
        assert len(feed) == 120
        assert await anext(feed) == Call("basisprofiel", Kind.KVK, ("00000001",))
        assert await drained(feed) == NUMBERS[1:]
        assert len(feed) == 0

    run(main)


def test_an_empty_list_claims_nothing():
    """There is nothing to ask."""

    async def main(clock):
        assert await drained(feed_of([], None)) == []

    run(main)


def test_what_another_run_asks_is_passed_over_and_looked_at_again():
    """Its numbers come last: those it answered are not asked, those it let go are."""
    rounds = []

    def claim(product, numbers):
        rounds.append(list(numbers))
        if len(rounds) < 4:
            return Claimed([n for n in numbers if n > "00000004"], [n for n in numbers if n <= "00000004"], [])
        return Claimed(["00000001"], [], ["00000002", "00000003", "00000004"])

    async def main(clock):
        said: list[str | None] = []
        began = clock.seconds
        feed = feed_of(questions(NUMBERS[:6]), claim, said=said)
        assert await drained(feed) == ["00000005", "00000006", "00000001"]
        assert feed.answered == questions(["00000002", "00000003", "00000004"])
        assert clock.seconds - began == pytest.approx(1.5, abs=1e-3)
        assert said[0] == "another run is asking for 4 of these numbers"
        assert said[-1] is None

    run(main)


def test_a_stop_ends_the_wait_for_another_run():
    """It would be waited for without end otherwise; at most one more call is fed, which is not started any more."""

    async def main(clock):
        stop = Stop()
        feed = feed_of(questions(NUMBERS[:3]), lambda product, numbers: Claimed([], numbers, []), stop)
        async with anyio.create_task_group() as group:

            async def request():
                await anyio.sleep(60.2)
                stop.request(Cause("stopped", ExitCode.INTERRUPTED, "Stopped."))

            group.start_soon(request)
            assert await drained(feed) == []
        assert clock.seconds == pytest.approx(1060.2)
        assert len(feed) == 3

    run(main)


def test_a_claim_that_breaks_comes_out():
    """A full disk is no end of the list."""

    def claim(product, numbers):
        raise StorageError("the disk is full")

    async def main(clock):
        with pytest.raises(StorageError):
            await anext(feed_of(questions(NUMBERS), claim))

    run(main)


@pytest.mark.parametrize(("most", "sizes"), [(1, [1] * 120), (25, [25] * 4 + [20]), (100, [100, 20])])
def test_calls_are_as_full_as_the_service_takes_them(most, sizes):
    """Also where a call takes more numbers than are claimed at once otherwise: each call costs its moment."""

    async def main(clock):
        feed = feed_of(questions(NUMBERS), all_mine, most={"basisprofiel": most})
        assert [len(call.numbers) async for call in feed] == sizes

    run(main)


def test_a_call_holds_one_product_and_one_kind():
    """What stands between two questions in the list parts them in the calls; the order stays."""
    asked = [
        *questions(NUMBERS[:4], "lookup"),
        *questions(NUMBERS[:1], "zoeken"),
        *questions(NUMBERS[4:6], "lookup"),
        *questions(["NL123456782B90"], "lookup", Kind.VAT),
        *questions(NUMBERS[6:7], "lookup"),
    ]

    async def main(clock):
        assert [call async for call in feed_of(asked, all_mine)] == [
            Call("lookup", Kind.KVK, tuple(NUMBERS[:3])),
            Call("lookup", Kind.KVK, tuple(NUMBERS[3:4])),
            Call("zoeken", Kind.KVK, tuple(NUMBERS[:1])),
            Call("lookup", Kind.KVK, tuple(NUMBERS[4:6])),
            Call("lookup", Kind.VAT, ("NL123456782B90",)),
            Call("lookup", Kind.KVK, tuple(NUMBERS[6:7])),
        ]

    run(main)


def test_a_number_has_a_fate_per_product():
    """Answered as one, asked by another run as the second, ours as the third: the same eight digits."""
    rounds: Counter[str] = Counter()

    def claim(product, numbers):
        rounds[product] += 1
        match product:
            case "basisprofiel":
                return Claimed([], [], numbers)
            case "zoeken" if rounds[product] < 3:
                return Claimed([], numbers, [])
            case _:
                return Claimed(numbers, [], [])

    async def main(clock):
        asked = [Question(product, Kind.KVK, NUMBERS[0]) for product in ("basisprofiel", "zoeken", "lookup")]
        feed = feed_of(asked, claim)
        calls = [call async for call in feed]
        assert [call.product for call in calls] == ["lookup", "zoeken"]
        assert feed.answered == asked[:1]
        assert rounds == {"basisprofiel": 1, "zoeken": 3, "lookup": 1}

    run(main)


kinds = st.sampled_from([Kind.KVK, Kind.VAT])
any_questions = st.lists(
    st.builds(
        lambda product, kind, place: Question(product, kind, f"{kind}{place:08}"),
        st.sampled_from(sorted(MOST)),
        kinds,
        st.integers(1, 400),
    ),
    unique=True,
    max_size=220,
)


@given(asked=any_questions, fates=st.lists(st.sampled_from(["mine", "taken", "answered"]), min_size=1, max_size=9))
def test_every_question_comes_once_or_is_answered(asked, fates):
    """Whatever other runs do, in calls of one product and kind that no service finds too large."""
    turns, claimed = cycle(fates), Counter[Question]()
    of_number = {(question.product, question.number): question for question in asked}

    def claim(product, numbers):
        claims: dict[str, list[str]] = {"mine": [], "taken": [], "answered": []}
        for number in numbers:
            question = of_number[product, number]
            claimed[question] += 1
            claims[next(turns) if claimed[question] < 4 else "mine"].append(number)
        return Claimed(**claims)

    async def main(clock):
        feed, come = feed_of(asked, claim), list[Question]()
        left = len(feed)
        async for call in feed:
            assert 1 <= len(call.numbers) <= MOST[call.product]
            assert len(feed) < left
            left = len(feed)
            come += call.questions
        assert sorted(come + feed.answered) == sorted(asked)
        assert len(feed) == 0
        first = [question for question in come if claimed[question] == 1]
        assert first == [question for question in asked if question in set(first)]

    run(main)
