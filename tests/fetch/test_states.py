"""The feed by member state: bounded, patient with a state that is away, and every number settled once."""

from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulators.virtual_time import run

from kvk_enrich.errors import ExitCode, StorageError, Transient
from kvk_enrich.fetch.fanout import fan_out
from kvk_enrich.fetch.feed import Claimed, Feed
from kvk_enrich.fetch.policies import settled
from kvk_enrich.fetch.states import by_state
from kvk_enrich.fetch.stop import Cause, Stop
from kvk_enrich.model import Call, Deferred, Failed, Found, Kind, NotFound, Question, Reply
from kvk_enrich.reasons import REASONS

STOPPED = Cause("stopped", ExitCode.INTERRUPTED, "Stopped.")


def questions(**counts: int) -> list[Question]:
    """Return that many questions per state, state after state."""
    return [Question("vies", Kind.VAT, f"{state}{place:09}") for state, many in counts.items() for place in range(many)]


@dataclass
class Calls:
    """A feed without claims; what *answered* names is passed over."""

    asked: list[Question]
    known: frozenset[str] = frozenset()
    answered: list[Question] = field(default_factory=list)

    def __aiter__(self):
        return self

    async def __anext__(self):
        while self.asked:
            question = self.asked.pop(0)
            if question.number not in self.known:
                return Call(question.product, question.kind, (question.number,))
            self.answered.append(question)
        raise StopAsyncIteration


@dataclass
class Service:
    """
    A VIES that takes a second per answer; *away* says whether a state fails at that moment.

    A number of *hiccups* fails once, and its call is made again at once.
    """

    away: Any = lambda state, seconds: False
    invalid: frozenset[str] = frozenset()
    hiccups: frozenset[str] = frozenset()
    asked: list[tuple[float, str]] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    most: int = 0
    most_of_a_state: int = 0
    failing: set[str] = field(default_factory=set)
    said_invalid: dict[str, int] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    async def attempt(self, call):
        """Answer as a register does; what was answered is kept."""
        (outcome,) = await self.ask(call)
        if isinstance(outcome, Failed) and outcome.reason in {"vies_busy", "connection_lost"}:
            raise Transient(outcome.reason)
        if isinstance(outcome, Found | NotFound):
            self.kept[outcome.number] = outcome
        return Reply((outcome,), 200)

    def withdraw(self, questions):
        """Forget what is no longer believed."""
        for question in questions:
            assert isinstance(self.kept.pop(question.number), NotFound)

    async def ask(self, call):
        (number,) = call.numbers
        state = number[:2]
        self.asked.append((anyio.current_time() - 1_000, number))
        self.under_way.append(state)
        self.most = max(self.most, len(self.under_way))
        self.most_of_a_state = max(self.most_of_a_state, self.under_way.count(state))
        with anyio.CancelScope(shield=True):  # as the retrying policy does
            await anyio.sleep(1)
        self.under_way.remove(state)
        return (self.outcome(number, state),)

    def outcome(self, number, state):
        if self.away(state, anyio.current_time() - 1_000):
            self.failing.add(state)
            return Failed(number, "vies_busy")
        if number in self.hiccups:
            self.hiccups -= {number}
            self.failing.add(state)
            return Failed(number, "connection_lost")
        if number not in self.invalid:
            return Found(number, b"{}")
        self.said_invalid[number] = self.said_invalid.get(number, 0) + 1
        if state in self.failing and self.said_invalid[number] == 1:
            return Failed(number, "invalid_doubted")
        return NotFound(number, "vat_not_valid", b"{}")

    def moments(self, state):
        """When numbers of *state* were asked, in seconds from the start."""
        return [moment for moment, number in self.asked if number.startswith(state)]


def retrying(attempt):
    """Return *attempt*, made again after a hiccup."""

    async def ask_again(call):
        try:
            return await attempt(call)
        except Transient as error:
            if error.reason != "connection_lost":
                raise
            return await attempt(call)

    return ask_again


async def asked_all(service, wanted, stop=None, *, workers=4, feed_of=Calls, said=None, **options):
    """Ask *wanted* and return what was told and not recalled, number -> outcome, and the feed."""
    stop = stop or Stop()
    told: dict[str, list[Any]] = {}
    say = (said if said is not None else []).append
    options = {"withdraw": service.withdraw} | options
    async with by_state(wanted, lambda own: feed_of(list(own)), stop, say, **options) as feed:
        ask = feed.judged(settled(retrying(feed.watched(service.attempt)), stop))
        await fan_out(feed, ask, lambda _, one: told.setdefault(one.number, []).append(one), stop, workers=workers)
    for question in feed.recalled:
        assert isinstance(told[question.number].pop(0), NotFound)
    assert {len(outcomes) for outcomes in told.values()} <= {0, 1}
    final = {number: outcome for number, outcomes in told.items() for outcome in outcomes}
    assert service.kept == {number: one for number, one in final.items() if isinstance(one, Found | NotFound)}
    return final, feed


def reasons(told):
    """Return what became of each number, in a word."""
    return {number: "found" if isinstance(outcome, Found) else outcome.reason for number, outcome in told.items()}


@pytest.mark.parametrize(
    ("wanted", "per_state", "most", "most_of_a_state"),
    [
        (questions(DE=20, FR=20, NL=20, AT=20, BE=20), 1, 4, 1),
        (questions(DE=20, FR=20), 1, 2, 1),
        (questions(DE=20, FR=20, NL=20), 2, 4, 2),
        (questions(DE=20), 2, 2, 2),
    ],
)
def test_calls_are_bounded_per_state_and_overall(wanted, per_state, most, most_of_a_state):
    """Four workers: each state gets its share and no more."""

    async def main(clock):
        service = Service()
        told, feed = await asked_all(service, wanted, per_state=per_state)
        assert set(reasons(told).values()) == {"found"}
        assert len(told) == len(wanted) == len(service.asked)
        assert (service.most, service.most_of_a_state) == (most, most_of_a_state)
        assert len(feed) == 0

    run(main)


def test_a_state_that_is_away_does_not_slow_the_others():
    """Its first numbers fail, the rest wait for the end; the other state is asked without a gap."""

    async def main(clock):
        service = Service(away=lambda state, seconds: state == "DE" and seconds < 60)
        told, _ = await asked_all(service, questions(DE=50, FR=50))
        assert set(reasons(told).values()) == {"found"}
        assert len(service.moments("FR")) == 50
        assert max(service.moments("FR")) < 55
        assert len([moment for moment in service.moments("DE") if moment < 60]) <= 4
        assert service.most_of_a_state == 1

    run(main)


def test_a_state_that_stays_away_ends_as_unavailable():
    """After the last window nothing more is asked; its numbers have failed, the others are found."""

    async def main(clock):
        said: list[str | None] = []
        service = Service(away=lambda state, seconds: state == "DE")
        told, _ = await asked_all(service, questions(DE=100, FR=1), said=said, windows=(15, 60))
        results = reasons(told)
        assert len(results) == 101
        assert results.pop("FR000000000") == "found"
        assert set(results.values()) == {"vies_busy", "vies_unavailable"}
        assert all(REASONS[reason].retryable for reason in results.values())
        assert len(service.moments("DE")) == 9  # three a round
        assert said == [
            "VIES: 100 numbers of DE are asked again in 15 s", None,
            "VIES: 100 numbers of DE are asked again in 60 s", None,
        ]  # fmt: skip

    run(main)


def test_a_single_failure_is_asked_again_and_a_row_is_broken_by_an_answer():
    """A state that fails now and then is not left alone."""

    async def main(clock):
        service = Service(away=lambda state, seconds: seconds < 55 and round(seconds) % 3 != 0)
        told, _ = await asked_all(service, questions(DE=30), windows=(30,))
        assert set(reasons(told).values()) == {"found"}
        assert len(service.moments("DE")) == 50

    run(main)


@pytest.mark.parametrize("back", [4, 60, 200])
def test_not_valid_from_a_failing_state_is_asked_once_more(back):
    """At the end, also where the state came back in the last window only."""
    bad = frozenset({"DE000000002", "DE000000005", "FR000000001"})

    async def main(clock):
        service = Service(away=lambda state, seconds: state == "DE" and seconds < back, invalid=bad)
        told, _ = await asked_all(service, questions(DE=8, FR=3))
        assert {number for number, outcome in told.items() if isinstance(outcome, NotFound)} == bad
        asked = [number for _, number in service.asked]
        assert (asked.count("FR000000001"), asked.count("DE000000005")) == (1, 2)

    run(main)


@pytest.mark.parametrize("per_state", [1, 2])
@pytest.mark.parametrize("windows", [(), (15, 60)])
def test_not_valid_before_the_first_failure_is_recalled(per_state, windows):
    """A failure that the retry made good is one too; each number is asked once more, and its second word counts."""
    false, bad = "DE000000000", frozenset({"DE000000001", "DE000000006", "FR000000001"})

    async def main(clock):
        service = Service(invalid=bad | {false}, hiccups=frozenset({"DE000000004"}))

        def withdraw(questions):
            service.invalid -= {false}
            service.withdraw(questions)

        told, feed = await asked_all(
            service, questions(DE=8, FR=3), per_state=per_state, windows=windows, withdraw=withdraw
        )
        assert len(told) == 11
        assert {number for number, outcome in told.items() if isinstance(outcome, NotFound)} == bad
        assert {question.number for question in feed.recalled} == {false, "DE000000001"}
        asked = [number for _, number in service.asked]
        assert {number: asked.count(number) for number in (false, *bad)} == {
            false: 2,
            "DE000000001": 2,
            "DE000000006": 2,
            "FR000000001": 1,
        }
        assert len(feed) == 0

    run(main)


def test_not_valid_under_way_while_its_state_fails_is_doubted():
    """It was sent before the failure and came after it: it is not told, and asked once more."""
    slow, failing = "DE000000001", "DE000000002"

    async def main(clock):
        service = Service(invalid=frozenset({slow}), hiccups=frozenset({failing}))
        ask = service.ask

        async def asked(call):
            outcomes = await ask(call)
            if call.numbers == (slow,) and len(service.asked) < 6:
                await anyio.sleep(10)
            return outcomes

        service.ask = asked  # type: ignore[method-assign]
        told, feed = await asked_all(service, questions(DE=4), per_state=2)
        assert reasons(told).pop(slow) == "vat_not_valid"
        assert [number for _, number in service.asked].count(slow) == 2
        assert (len(told), feed.recalled) == (4, set())

    run(main)


@pytest.mark.parametrize("stopped", [False, True])
def test_recalled_and_not_asked_again_is_no_answer(stopped):
    """The state stays away, or the run is stopped while it waits: not valid is neither told nor kept."""

    async def main(clock):
        stop, first = Stop(), "DE000000000"
        service = Service(away=lambda state, seconds: seconds > 2.5, invalid=frozenset({first}))
        async with anyio.create_task_group() as group:

            async def request():
                await anyio.sleep(10)
                if stopped:
                    stop.request(STOPPED)

            group.start_soon(request)
            told, feed = await asked_all(service, questions(DE=12), stop, windows=(15,))
        assert {question.number for question in feed.recalled} == {first}
        assert reasons(told).get(first) in ({None} if stopped else {"vies_busy", "invalid_doubted"})
        assert len(told) == (1 if stopped else 12)

    run(main)


def test_blocked_ends_all_states_at_once():
    """What is under way is received, nothing more is asked, and nothing is waited for."""

    async def main(clock):
        asked = []

        async def ask(call):
            asked.append(call)
            await anyio.sleep(1)
            (number,) = call.numbers
            return (Failed(number, "vies_blocked", "200 IP_BLOCKED") if len(asked) > 10 else Found(number, b"{}"),)

        service = Service()
        service.ask = ask  # type: ignore[method-assign]
        began = clock.seconds
        told, feed = await asked_all(service, questions(DE=100, FR=100, NL=100))
        assert len(told) == 300
        assert len(asked) < 16
        assert sum(reason == "vies_blocked" for reason in reasons(told).values()) > 280
        assert (clock.seconds - began, len(feed)) < (15, 1)

    run(main)


def test_failures_that_will_not_pass_are_final():
    """A refused request is not asked again."""

    async def main(clock):
        service = Service()
        service.outcome = lambda number, state: Failed(number, "request_refused")  # type: ignore[method-assign]
        told, _ = await asked_all(service, questions(DE=5))
        assert set(reasons(told).values()) == {"request_refused"}
        assert len(service.asked) == 5

    run(main)


@pytest.mark.parametrize("moment", [0.5, 5.5, 20.5, 70])
def test_a_stop_ends_asking_and_waiting(moment):
    """Within a call's time; numbers not reached, and those that were to be asked again, are told nothing."""

    async def main(clock):
        stop, service = Stop(), Service(away=lambda state, seconds: state == "DE")
        async with anyio.create_task_group() as group:

            async def request():
                await anyio.sleep(moment)
                stop.request(STOPPED)

            group.start_soon(request)
            told, _ = await asked_all(service, questions(DE=10, FR=10), stop)
            assert clock.seconds - 1_000 < moment + 1.1
        assert all(number.startswith("FR") for number in told)

    run(main)


def test_deferred_is_final():
    """What the policies defer under a stop comes out as it is."""

    async def main(clock):
        stop, service = Stop(), Service()

        def outcome(number, state):
            stop.request(STOPPED)
            return Deferred(number, "stopped")

        service.outcome = outcome  # type: ignore[method-assign]
        told, _ = await asked_all(service, questions(DE=10), stop)
        assert reasons(told) == {"DE000000000": "stopped"}

    run(main)


def test_what_another_run_answered_is_reported_once():
    """The inner feed passed it over, in this round or in a later one."""

    async def main(clock):
        known = frozenset(f"DE{place:09}" for place in (1, 7, 30))
        service = Service(away=lambda state, seconds: seconds < 5)
        told, feed = await asked_all(service, questions(DE=31), feed_of=lambda own: Calls(own, known))
        assert len(told) == 28
        assert sorted(question.number for question in feed.answered) == sorted(known)
        assert len(feed) == 0

    run(main)


def test_two_runs_that_share_a_list_do_not_wait_for_each_other():
    """A state left for later is let go of: the other run, which waits for its numbers, may ask."""
    wanted, holders, answers = questions(DE=60, FR=60), dict[str, str](), set[str]()

    async def main(clock):
        async def one(name):
            service = Service(away=lambda state, seconds: seconds < 10)

            def claim(product, numbers):
                answered = [number for number in numbers if number in answers]
                free = [number for number in numbers if number not in answers]
                mine = [number for number in free if holders.setdefault(number, name) == name]
                return Claimed(mine, [number for number in free if number not in mine], answered)

            def let_go(numbers):
                for number in numbers:
                    if holders.get(number) == name:
                        del holders[number]

            stop = Stop()

            async def asking(call):
                (outcome,) = await service.ask(call)
                if isinstance(outcome, Found):
                    answers.add(outcome.number)
                else:
                    let_go(call.numbers)
                return (outcome,)

            told: list[str] = []
            async with by_state(
                wanted,
                lambda own: Feed(own, claim, stop, lambda _: None, most={"vies": 1}),
                stop,
                lambda _: None,
                let_go=let_go,
            ) as feed:
                await fan_out(
                    feed, feed.judged(asking), lambda _, outcome: told.append(outcome.number), stop, workers=4
                )
            results[name] = told + [question.number for question in feed.answered]

        results: dict[str, list[str]] = {}
        async with anyio.create_task_group() as group:
            group.start_soon(one, "first")
            group.start_soon(one, "second")
        every = sorted(question.number for question in wanted)
        assert sorted(results["first"]) == sorted(results["second"]) == every
        assert clock.seconds < 1_200

    run(main)


def test_a_feed_that_breaks_is_told_as_itself():
    """An error of the journal while claiming comes out of the fan-out; what was under way is received."""

    class Broken(Calls):
        async def __anext__(self):
            if self.asked[0].number == "FR000000002":
                raise StorageError("the disk is full")
            return await super().__anext__()

    async def main(clock):
        told: list[Any] = []
        stop, service = Stop(), Service()
        with pytest.raises(ExceptionGroup) as raised:
            async with by_state(questions(FR=9, DE=9), lambda own: Broken(list(own)), stop, lambda _: None) as feed:
                await fan_out(feed, feed.judged(service.ask), lambda _, one: told.append(one), stop, workers=4)
        assert raised.group_contains(StorageError, match="the disk is full")
        assert stop.cause is not None
        assert stop.cause.exit_code == ExitCode.STORAGE
        assert len(told) == len(service.asked)

    run(main)


outages = st.dictionaries(
    st.sampled_from(["DE", "FR", "NL", "IT"]),
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 200)), max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.dictionaries(st.sampled_from(["DE", "FR", "NL", "IT"]), st.integers(1, 12), min_size=1),
    outages=outages,
    invalid=st.sets(st.integers(0, 11)),
    hiccups=st.sets(st.integers(0, 11), max_size=3),
    per_state=st.integers(1, 2),
    workers=st.integers(1, 6),
    windows=st.lists(st.integers(1, 120), max_size=3),
    stop_after=st.none() | st.integers(0, 200),
)
def test_whatever_fails_every_number_is_settled_once(
    counts, outages, invalid, hiccups, per_state, workers, windows, stop_after
):
    """Within the bounds; of a state that failed, not valid is told when it was said twice, and never of others."""
    wanted = questions(**counts)
    bad = frozenset(question.number for question in wanted if int(question.number[2:]) in invalid)
    odd = frozenset(question.number for question in wanted if int(question.number[2:]) in hiccups)

    def away(state, seconds):
        return any(start <= seconds < start + length for start, length in outages.get(state, ()))

    async def main(clock):
        service, stop = Service(away=away, invalid=bad, hiccups=odd), Stop()
        async with anyio.create_task_group() as group:

            async def request():
                if stop_after is not None:
                    await anyio.sleep(stop_after)
                    stop.request(STOPPED)

            group.start_soon(request)
            told, feed = await asked_all(
                service, wanted, stop, per_state=per_state, workers=workers, windows=tuple(windows)
            )
            group.cancel_scope.cancel()
        assert service.most <= workers
        assert service.most_of_a_state <= per_state
        assert not service.under_way
        assert {number for number, outcome in told.items() if isinstance(outcome, NotFound)} <= bad
        assert not any(isinstance(outcome, Found) for number, outcome in told.items() if number in bad)
        assert all(
            service.said_invalid[number] == (2 if number[:2] in service.failing else 1)
            for number, outcome in told.items()
            if isinstance(outcome, NotFound)
        )
        if not stop.requested:
            assert sorted(told) == sorted(question.number for question in wanted)
            assert len(feed) == 0

    run(main)
