"""
The asking part of a run: what the plan wants to know is fetched, recorded and reported.

This is where the pieces of fetch/, registers/ and state/ are joined; flow.py tells the story
around it.
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import anyio
import anyio.to_thread

from kvk_enrich.aliases import without_digits
from kvk_enrich.clock import Clock
from kvk_enrich.errors import EnrichError, ExitCode
from kvk_enrich.fetch.breaker import Breaker, Patience
from kvk_enrich.fetch.fanout import fan_out
from kvk_enrich.fetch.feed import Claimed, Feed
from kvk_enrich.fetch.gate import Gate, Leased
from kvk_enrich.fetch.policies import (
    Backoff,
    Done,
    RetryBudget,
    paced,
    quiet_retries,
    retrying,
    settled,
)
from kvk_enrich.fetch.recorder import Recorder
from kvk_enrich.fetch.states import StateFeed, by_state
from kvk_enrich.fetch.stop import Cause, Stop
from kvk_enrich.model import (
    Call,
    Deferred,
    Failed,
    Found,
    NotFound,
    Outcome,
    Permit,
    Question,
    Status,
)
from kvk_enrich.progress import Progress
from kvk_enrich.registers.interface import Register
from kvk_enrich.state.journal import Account, Journal, Settlement
from kvk_enrich.tracing import span

_SIGNALS: Final = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,
}

_STATUS: Final[dict[type[Outcome], Status]] = {
    Found: Status.FOUND,
    NotFound: Status.NOT_FOUND,
    Failed: Status.FAILED,
    Deferred: Status.DEFERRED,
}


_SWITCH_SECONDS: Final = 0.0005
"""A tenth of Python's own: how long one thread may keep another waiting."""

_PATIENCE: Final = Patience()
_BACKOFF: Final = Backoff()


@dataclass(slots=True)
class Asked:
    """What came of asking, question by question (not those that a stop left unasked), and the record's figures."""

    answered: list[Question] = field(default_factory=list)
    failed: list[tuple[Question, Failed]] = field(default_factory=list)
    deferred: list[tuple[Question, Deferred]] = field(default_factory=list)
    paid: int = 0
    free: int = 0
    spent_micro: int = 0
    retries: int = 0
    most_in_a_second: int = 0
    seconds: float = 0.0
    cause: Cause | None = None

    @property
    def sent(self) -> int:
        """Requests in all."""
        return self.paid + self.free

    def enter(self, lane: "Lane", gate: Gate, budget: RetryBudget) -> None:
        """Add the figures of a lane that has come to its end."""
        if lane.desk.account.micro_eur:
            self.paid += gate.sent
            self.spent_micro += gate.units * lane.desk.account.micro_eur
        else:
            self.free += gate.sent
        self.retries += budget.spent
        self.most_in_a_second = max(self.most_in_a_second, gate.most_in_a_second)

    def recall(self, questions: set[Question]) -> None:
        """Forget the first answer to each of *questions*; there may be a second one."""
        recalled, answered = set(questions), self.answered
        self.answered = []
        for question in answered:
            if question in recalled:
                recalled.remove(question)
            else:
                self.answered.append(question)

    def give_up(self, lane: "Lane", cause: Cause) -> None:
        """Enter as failed what a side service that stayed away has not answered: the run goes on without it."""
        met, own = {*self.answered, *(question for question, _ in self.failed)}, set(lane.questions)
        self.deferred = [line for line in self.deferred if line[0] not in own]
        self.failed += [
            (question, Failed(question.number, "vies_unavailable", cause.sentence))
            for question in lane.questions
            if question not in met
        ]


@dataclass(frozen=True, slots=True)
class Desk:
    """
    Who asks, on whose account, and into which journal.

    *aliases* are names for numbers that must not lie there in clear; an answer that says no more than
    that such a number is not valid is kept without its digits.
    """

    journal: Journal
    account: Account
    run: str
    clock: Clock
    progress: Progress
    aliases: Mapping[str, str] = field(default_factory=dict)

    def lease(self, wanted: int, units: int = 1) -> Leased:
        """Take permits. See :meth:`Journal.lease`."""
        return self.journal.lease(self.run, self.account, wanted, units)

    def give_back(self, permits: list[Permit]) -> None:
        """Return unused permits."""
        self.journal.give_back(permits)

    def sent(self, moments: list[tuple[Permit, int]]) -> None:
        """Report when permits were used."""
        self.journal.sent(self.account, moments)

    def commit(self, done: Sequence[Done]) -> None:
        """Write attempts and answers to the journal, and what the register says of the allowance."""
        self.journal.settle(self.run, self.account, [line for each in done for line in self._settlements(each)])
        told = [
            (each.reply.left, each.attempt.sent_at)
            for each in done
            if each.reply is not None and each.reply.left is not None
        ]
        if told:
            self.journal.correct(self.account, *min(told))

    def _settlements(self, done: Done) -> Iterator[Settlement]:
        call = done.call
        answers = done.reply.answers if done.reply and done.reply.answers else [None] * len(call.numbers)
        for number, answer in zip(call.numbers, answers, strict=True):
            alias = self.aliases.get(number)
            if alias is not None and isinstance(answer, NotFound):
                answer = replace(answer, body=without_digits(answer.body, number))  # noqa: PLW2901
            kept = None if isinstance(answer, Failed) else answer
            yield Settlement(done.attempt, call.product, call.kind, alias or number, kept)

    def claim(self, since: int) -> Callable[[str, Sequence[str]], Claimed]:
        """Return how numbers are claimed; the claims of runs that died are freed on the way."""

        def claim(product: str, numbers: Sequence[str]) -> Claimed:
            known_as = {self.aliases.get(number, number): number for number in numbers}
            claims = self.journal.claim(self.run, self.account.register, product, list(known_as), since=since)
            if claims.taken:
                self.journal.sweep()
            return Claimed(*([known_as[name] for name in names] for names in claims))

        return claim

    def withdraw(self, questions: Sequence[Question]) -> None:
        """Take back that the numbers of *questions* were not found: nobody is to keep that."""
        for product in {question.product for question in questions}:
            numbers = [question.number for question in questions if question.product == product]
            named = [self.aliases.get(number, number) for number in numbers]
            self.journal.withdraw(self.run, self.account, product, named)

    def unclaim(self, numbers: Sequence[str], product: str | None = None) -> None:
        """Let go of numbers that were given up, as *product* or (None) as any: another run may wait for them."""
        self.journal.unclaim(self.run, [self.aliases.get(number, number) for number in numbers], product=product)


@dataclass(frozen=True, slots=True)
class Lane:
    """
    The questions for one service that are on one account.

    Args:
        desk: Who asks.
        register: Who is asked.
        questions: Distinct, in the order in which to ask.
        workers: Calls under way at most.
        deadline: Seconds from sending a request to the last byte of its answer.
        units: What a number takes of the allowance, per product; 1 where nothing is said.
        per_state: Calls under way for one member state at most, where the service has such.
        windows: Seconds before each further round over states that were away.
    """

    desk: Desk
    register: Register
    questions: Sequence[Question]
    workers: int
    deadline: float
    units: Mapping[str, int] = field(default_factory=dict)
    per_state: int | None = None
    windows: Sequence[float] = ()

    def units_of(self, call: Call) -> int:
        """Return what *call* takes of the allowance."""
        return self.units.get(call.product, 1) * len(call.numbers)

    def part_of(self, call: Call) -> str | None:
        """Return which part of the service *call* is about: at VIES the member state."""
        return call.numbers[0][:2] if self.per_state else None

    def ends_all(self, cause: Cause) -> bool:
        """Say whether the end of this lane is the end of the run: a ceiling or a side service's outage is not."""
        return cause.exit_code != ExitCode.CEILING and not self.is_side_outage(cause)

    def is_side_outage(self, cause: Cause) -> bool:
        """Say whether *cause* is that VIES is away: its own questions fail, nothing else does."""
        return self.per_state is not None and cause.exit_code == ExitCode.UNAVAILABLE


async def ask_all(
    next_lanes: Callable[[Asked], Sequence[Lane]],
    *,
    since: int,
    progress: Progress,
    max_runtime: timedelta | None = None,
    patience: Patience = _PATIENCE,
    backoff: Backoff = _BACKOFF,
) -> Asked:
    """
    Ask round after round, the lanes of a round side by side, until nothing is left or a stop is requested.

    The first SIGINT, SIGTERM or SIGHUP requests the stop: calls under way are received and
    recorded. A second one ends the process at once; what was recorded is safe.

    Args:
        next_lanes: Given what came of all rounds so far, says what to ask next; nothing ends the asking.
            It may block; it is called in a thread.
        since: The newest answer that the plan knew of.
        progress: Told how it goes.
        max_runtime: After this time the stop is requested.
        patience: When a register counts as away.
        backoff: Waits between attempts.
    """
    stop, asked, began = Stop(), Asked(), anyio.current_time()

    async def ask(lane: Lane) -> None:
        with stop.told_of_errors(), span(f"ask {lane.desk.account.register}", questions=len(lane.questions)):
            await _ask(lane, asked, stop, since, patience, backoff)

    async with _one_error(), anyio.create_task_group() as watch:
        watch.start_soon(_heed_signals, stop, progress)
        watch.start_soon(_heed_the_time, stop, max_runtime)
        with quiet_retries(), _prompt_loop():
            while lanes := await anyio.to_thread.run_sync(next_lanes, asked):
                async with anyio.create_task_group() as round_:
                    for lane in lanes:
                        round_.start_soon(ask, lane)
                if stop.requested:
                    break
        watch.cancel_scope.cancel()
    asked.cause, asked.seconds = stop.cause or asked.cause, anyio.current_time() - began
    return asked


async def _ask(lane: Lane, asked: Asked, above: Stop, since: int, patience: Patience, backoff: Backoff) -> None:
    """Ask the questions of one lane."""
    desk, stop = lane.desk, Stop(above, lane.ends_all)
    breaker = Breaker(stop, patience, desk.progress.state)
    async with lane.register, _feed(lane, stop, since) as feed:
        gate = Gate(
            desk,
            breaker,
            stop,
            desk.clock,
            demand=lambda: len(feed) + lane.workers,
            per_second=desk.account.requests_per_second,
            say=desk.progress.state,
        )
        budget = RetryBudget(lambda: gate.sent)
        recorder = Recorder(desk.commit)
        attempt = paced(
            lane.register.fetch,
            gate,
            breaker,
            recorder.record,
            deadline=lane.deadline,
            units=lane.units_of,
            part=lane.part_of,
        )
        recalled: set[Question] = set()
        if isinstance(feed, StateFeed):
            attempt, recalled = feed.watched(attempt), feed.recalled
        ask = _freeing(settled(retrying(attempt, budget, stop, backoff), stop), desk)
        if isinstance(feed, StateFeed):
            ask = feed.judged(ask)
        try:
            await fan_out(feed, ask, _tally(asked, lane, gate, recalled), stop, workers=lane.workers)
        finally:
            with anyio.CancelScope(shield=True):
                await gate.close()
            asked.recall(recalled)
            asked.enter(lane, gate, budget)
    asked.answered += feed.answered
    if stop.cause is not None and stop.cause is not above.cause and lane.is_side_outage(stop.cause):
        asked.give_up(lane, stop.cause)
    else:
        asked.cause = asked.cause or stop.cause


@asynccontextmanager
async def _feed(lane: Lane, stop: Stop, since: int) -> AsyncIterator[Feed | StateFeed]:
    """Give the order in which the questions of *lane* are asked."""
    desk = lane.desk
    say = desk.progress.state

    def feed_of(questions: Sequence[Question]) -> Feed:
        return Feed(questions, desk.claim(since), stop, say, most=lane.register.products)

    if lane.per_state is None:
        yield feed_of(lane.questions)
        return
    async with by_state(
        lane.questions,
        feed_of,
        stop,
        say,
        per_state=lane.per_state,
        windows=lane.windows,
        let_go=desk.unclaim,
        withdraw=desk.withdraw,
    ) as feed:
        yield feed


@contextmanager
def _prompt_loop() -> Iterator[None]:
    """Wake on time: calls that leave late come in crowds, so threads that commit must not hold the interpreter long."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)


@asynccontextmanager
async def _one_error() -> AsyncIterator[None]:
    """Raise one error where the workers raised several: a bug if there is one, else the first."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_single(group))
        bugs = (error for error in errors if not isinstance(error, EnrichError))
        raise next(bugs, errors[0]) from None


def _single(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _single(inner)
    else:
        yield error


def _freeing(
    ask: Callable[[Call], Awaitable[tuple[Outcome, ...]]], desk: Desk
) -> Callable[[Call], Awaitable[tuple[Outcome, ...]]]:
    """Return *ask*, letting go of what it gave up on: another run may wait for it."""

    async def freeing(call: Call) -> tuple[Outcome, ...]:
        outcomes = await ask(call)
        given_up = [outcome.number for outcome in outcomes if isinstance(outcome, Failed | Deferred)]
        if given_up:
            await anyio.to_thread.run_sync(desk.unclaim, given_up, call.product)
        return outcomes

    return freeing


def _tally(asked: Asked, lane: Lane, gate: Gate, recalled: set[Question]) -> Callable[[Call, Outcome], None]:
    """Return what enters each outcome; the progress hears once of every number, also of those *recalled*."""
    told = 0
    price = lane.desk.account.micro_eur

    def tally(call: Call, outcome: Outcome) -> None:
        nonlocal told
        question = Question(call.product, call.kind, outcome.number)
        match outcome:
            case Found() | NotFound():
                asked.answered.append(question)
            case Failed():
                asked.failed.append((question, outcome))
            case Deferred():
                asked.deferred.append((question, outcome))
        if question not in recalled:
            lane.desk.progress.advance(_STATUS[type(outcome)], spent_micro=(gate.units - told) * price)
            told = gate.units

    return tally


async def _heed_signals(stop: Stop, progress: Progress) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN or number != signal.SIGHUP]
    with _restored(heeded), anyio.open_signal_receiver(*heeded) as received:  # nohup: a closed terminal ends nothing
        is_second = False
        async for number in received:
            if is_second:
                os._exit(_SIGNALS[number])
            is_second = True
            progress.state("stopping; again to stop at once")
            stop.request(Cause("stopped", _SIGNALS[number], f"Stopped by {number.name}."))


@contextmanager
def _restored(signals: Sequence[signal.Signals]) -> Iterator[None]:
    """Put back who heeded the *signals* before; asyncio would leave them to the system."""
    before = {number: signal.getsignal(number) for number in signals}
    try:
        yield
    finally:
        for number, heeding in before.items():
            signal.signal(number, signal.SIG_DFL if heeding is None else heeding)


async def _heed_the_time(stop: Stop, most: timedelta | None) -> None:
    if most is not None:
        if most:
            await anyio.sleep(most.total_seconds())
        stop.request(Cause("time_ceiling", ExitCode.CEILING, "The time allowed (--max-runtime, --deadline) is over."))
