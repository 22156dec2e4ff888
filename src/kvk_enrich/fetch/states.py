"""
The order in which VIES is asked: state by state, side by side, the failing ones last.

VIES passes each question on to the member state of the number, and states come and go by
themselves. So each state has a queue of its own, with few calls under way; one that fails
several times in a row is left alone until all others are through, and then asked in a few
rounds with growing waits between. It stands where the plain feed stands in a fan-out::

    async with by_state(questions, feed_of, stop, say) as feed:
        ask = settled(retrying(feed.watched(attempt)))
        await fan_out(feed, feed.judged(ask), on_outcome, stop, workers=4)

Some states say "not valid" of good numbers while they are failing. What a state said so before
its first failure is recalled when that comes, and the number is asked once more.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
import anyio.to_thread

from kvk_enrich.errors import Transient
from kvk_enrich.fetch.fanout import Ask
from kvk_enrich.fetch.policies import Ask as Attempt
from kvk_enrich.fetch.stop import Stop
from kvk_enrich.model import Call, Failed, Found, NotFound, Outcome, Question, Reply

PER_STATE: Final = 1
FAILURES: Final = 3
WINDOWS: Final = (15.0, 60.0, 120.0)

_PASSING: Final = frozenset(
    {
        "vies_busy",
        "vies_unavailable",
        "timeout",
        "connection_lost",
        "server_error",
        "unreachable",
        "rate_limited",
        "unreadable_answer",
    }
)
"""Failures that say nothing about the number and may be over in a minute."""

_DOUBTED: Final = "invalid_doubted"
_BLOCKED: Final = "vies_blocked"


class Claiming(Protocol):
    """A feed of calls for one number each, such as :class:`~kvk_enrich.fetch.feed.Feed`."""

    answered: list[Question]
    """What it passed over because another run has the answer."""

    def __aiter__(self) -> AsyncIterator[Call]:
        """Return itself."""
        ...

    async def __anext__(self) -> Call:
        """Return the next call."""
        ...


@dataclass(slots=True)
class _State:
    """One member state in one round."""

    places: anyio.Semaphore
    failures: int = 0


class StateFeed:
    """
    An async iterator of calls; :meth:`judged` sees what came of them. Made by :func:`by_state`.

    Every question ends in one outcome, or in :attr:`answered`; after a stop, those not reached in neither.
    The first outcome told of those in :attr:`recalled` does not count.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        feed_of: Callable[[Sequence[Question]], Claiming],
        stop: Stop,
        say: Callable[[str | None], None],
        *,
        per_state: int,
        failures: int,
        windows: Sequence[float],
        let_go: Callable[[Sequence[str]], None],
        withdraw: Callable[[Sequence[Question]], None],
    ) -> None:
        """Begin with nothing asked. See :func:`by_state`."""
        self._feed_of = feed_of
        self._stop = stop
        self._say = say
        self._per_state = per_state
        self._patience = failures
        self._waits = (0.0, *windows, 0.0)  # the last round is for those doubted in the last window
        self._let_go = let_go
        self._withdraw = withdraw
        self._again = list(questions)
        self._open = len(questions)
        self._round = 0
        self._states: dict[str, _State] = {}
        self._failed: dict[str, Failed] = {}
        self._failing: set[str] = set()
        self._not_valid: dict[str, list[Question]] = {}
        self._doubted: set[str] = set()
        self._blocked: Failed | None = None
        self._broken: Exception | None = None
        self._sending, self._calls = anyio.create_memory_object_stream[Call](0)
        self.answered: list[Question] = []
        self.recalled: set[Question] = set()

    def __len__(self) -> int:
        """Return how many questions may still be asked."""
        return self._open

    def __aiter__(self) -> "StateFeed":
        """Return itself: there is one feed per run."""
        return self

    async def __anext__(self) -> Call:
        """Return the next call of any state that has a place free."""
        try:
            return await self._calls.receive()
        except anyio.EndOfStream:
            if self._broken is not None:
                broken, self._broken = self._broken, None
                raise broken from None
            raise StopAsyncIteration from None

    def watched(self, attempt: Attempt) -> Attempt:
        """Return *attempt*, heeding each failure, also one that is retried: its state has failed."""

        async def watch(call: Call) -> Reply:
            try:
                return await attempt(call)
            except Transient:
                await self._recall(_state_of(call.numbers[0]))
                raise

        return watch

    async def _recall(self, state: str) -> None:
        """Ask again what *state* called not valid before it failed for the first time."""
        self._failing.add(state)
        if questions := self._not_valid.pop(state, None):
            for question in questions:
                self._failed[question.number] = self._doubt(question)
            self.recalled.update(questions)
            self._again += questions
            self._open += len(questions)
            await anyio.to_thread.run_sync(self._withdraw, questions)

    def _doubt(self, question: Question) -> Failed:
        self._doubted.add(question.number)
        return Failed(question.number, _DOUBTED)

    async def _believed(self, question: Question, outcome: Outcome) -> Outcome:
        """Return *outcome*, or a doubt where it is a first "not valid" that was under way while its state failed."""
        state = _state_of(question.number)
        if not isinstance(outcome, NotFound) or question.number in self._doubted:
            return outcome
        if state in self._failing:
            await anyio.to_thread.run_sync(self._withdraw, [question])
            return self._doubt(question)
        self._not_valid.setdefault(state, []).append(question)
        return outcome

    def judged(self, ask: Ask) -> Ask:
        """Return *ask*, keeping back what is to be asked again: such a call ends in no outcome yet."""

        async def judge(call: Call) -> tuple[Outcome, ...]:
            state = self._states[_state_of(call.numbers[0])]
            try:
                (outcome,) = self._given_up(call, state) or await ask(call)
                outcome = await self._believed(call.questions[0], outcome)
                if self._is_for_later(outcome, state):
                    self._again += call.questions
                    return ()
                self._open -= 1
                return (outcome,)
            finally:
                state.places.release()

        return judge

    def _given_up(self, call: Call, state: _State) -> tuple[Outcome, ...]:
        """Return the outcome of *call* if it is not to be asked any more."""
        (number,) = call.numbers
        if self._blocked is not None:
            return (Failed(number, self._blocked.reason, self._blocked.detail),)
        if state.failures >= self._patience and self._has_no_window_left:
            return (self._failed.get(number, Failed(number, "vies_unavailable", "the member state stayed away")),)
        return ()

    def _is_for_later(self, outcome: Outcome, state: _State) -> bool:
        """Enter what *outcome* says of the state, and say whether its number is to be asked again."""
        if isinstance(outcome, Found | NotFound):
            state.failures = 0
        if not isinstance(outcome, Failed):
            return False
        self._failed[outcome.number] = outcome
        if outcome.reason == _BLOCKED:
            self._blocked = outcome
        if outcome.reason == _DOUBTED:
            self._doubted.add(outcome.number)
            return self._round < len(self._waits) - 1
        if outcome.reason not in _PASSING:
            return False
        state.failures += 1
        return not self._has_no_window_left

    @property
    def _has_no_window_left(self) -> bool:
        return self._round >= len(self._waits) - 2

    async def run(self) -> None:
        """Hand out all calls, round after round."""
        with self._sending, self._stop.interrupts():
            try:
                for place, wait in enumerate(self._waits):
                    self._round = place
                    await self._pause(wait)
                    questions, self._again = self._again, []
                    async with anyio.create_task_group() as states:
                        for own in _by_state(questions):
                            states.start_soon(self._ask_state, own)
                    if not self._again:
                        break
            except ExceptionGroup as group:  # told to who asks for the next call, as any feed would
                self._broken = group.exceptions[0]

    async def _pause(self, seconds: float) -> None:
        if seconds and self._blocked is None:
            states = ", ".join(sorted({_state_of(question.number) for question in self._again}))
            self._say(f"VIES: {len(self._again)} numbers of {states} are asked again in {seconds:.0f} s")
            await self._stop.sleep(seconds)
            self._say(None)

    async def _ask_state(self, questions: Sequence[Question]) -> None:
        """Hand out the calls of one state while it answers; what is left then waits for the next round."""
        left = {question.number: question for question in questions}
        state = _State(anyio.Semaphore(self._per_state))
        self._states[_state_of(questions[0].number)] = state
        feed = self._feed_of(questions)
        await state.places.acquire()
        while self._is_to_be_asked(state) and (call := await anext(feed, None)) is not None:
            del left[call.numbers[0]]
            await self._sending.send(call)
            await state.places.acquire()
        for _ in range(self._per_state - 1):  # the calls under way may have to be asked again
            await state.places.acquire()
        for question in feed.answered:
            del left[question.number]
        self.answered += feed.answered
        self._open -= len(feed.answered)
        if left:
            await anyio.to_thread.run_sync(self._let_go, list(left))
            self._again += left.values()

    def _is_to_be_asked(self, state: _State) -> bool:
        return state.failures < self._patience or self._has_no_window_left or self._blocked is not None


@asynccontextmanager
async def by_state(
    questions: Sequence[Question],
    feed_of: Callable[[Sequence[Question]], Claiming],
    stop: Stop,
    say: Callable[[str | None], None],
    *,
    per_state: int = PER_STATE,
    failures: int = FAILURES,
    windows: Sequence[float] = WINDOWS,
    let_go: Callable[[Sequence[str]], None] = lambda _: None,
    withdraw: Callable[[Sequence[Question]], None] = lambda _: None,
) -> AsyncIterator[StateFeed]:
    """
    Give a feed of calls for *questions*, to be used with its :meth:`~StateFeed.watched` and :meth:`~StateFeed.judged`.

    Args:
        questions: Distinct VAT numbers with their country prefix.
        feed_of: Makes the feed that claims some of them: once per state, and again for each round.
        stop: Ends the handing out and the waiting.
        say: Told what is waited for, None when nothing is.
        per_state: Calls under way for one state at most.
        failures: So many in a row, and a state is left alone until the next round.
        windows: Seconds to wait before each further round; what fails in the last one has failed.
        let_go: Told the numbers that are left for later, so that another run may ask; called in a thread.
        withdraw: Told for which questions "not valid" is no longer believed, nor to be kept; called in a thread.
    """
    feed = StateFeed(
        questions,
        feed_of,
        stop,
        say,
        per_state=per_state,
        failures=failures,
        windows=windows,
        let_go=let_go,
        withdraw=withdraw,
    )
    async with anyio.create_task_group() as group:
        group.start_soon(feed.run)
        with feed._calls:  # noqa: SLF001 - of this module
            yield feed
        group.cancel_scope.cancel()


def _by_state(questions: Iterable[Question]) -> Iterable[list[Question]]:
    states: dict[str, list[Question]] = {}
    for question in questions:
        states.setdefault(_state_of(question.number), []).append(question)
    return states.values()


def _state_of(number: str) -> str:
    return number[:2]
