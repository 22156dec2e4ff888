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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import anyio
import anyio.to_thread

from kvk_enrich.clock import Clock
from kvk_enrich.errors import EnrichError, ExitCode, NotSent
from kvk_enrich.fetch.breaker import Breaker, Patience
from kvk_enrich.fetch.fanout import fan_out
from kvk_enrich.fetch.feed import Claimed, Feed
from kvk_enrich.fetch.gate import Gate, Leased
from kvk_enrich.fetch.policies import (
    Answers,
    Backoff,
    Done,
    Fetch,
    RetryBudget,
    paced,
    quiet_retries,
    retrying,
    settled,
)
from kvk_enrich.fetch.recorder import Recorder
from kvk_enrich.fetch.stop import Cause, Halted, Stop
from kvk_enrich.model import Answer, Call, Deferred, Failed, Found, Kind, NotFound, Outcome, Permit, Status
from kvk_enrich.progress import Progress
from kvk_enrich.registers.interface import Register
from kvk_enrich.registers.kvk import PROBED, Kvk
from kvk_enrich.state.journal import Account, Journal, Settlement

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
    """What came of asking, number by number (those not reached before a stop are in none), and the record's figures."""

    answered: list[str] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    deferred: list[Deferred] = field(default_factory=list)
    sent: int = 0
    retries: int = 0
    most_in_a_second: int = 0
    seconds: float = 0.0
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Who asks, on whose account, and into which journal."""

    journal: Journal
    account: Account
    run: str
    clock: Clock
    progress: Progress

    def lease(self, wanted: int) -> Leased:
        """Take permits. See :meth:`Journal.lease`."""
        return self.journal.lease(self.run, self.account, wanted)

    def give_back(self, permits: list[Permit]) -> None:
        """Return unused permits."""
        self.journal.give_back(permits)

    def commit(self, done: Sequence[Done]) -> None:
        """Write attempts and answers to the journal."""
        self.journal.settle(
            self.run,
            self.account,
            [
                Settlement(each.attempt, each.call.product, each.call.kind, number, _kept(answer))
                for each in done
                for number, answer in zip(
                    each.call.numbers, each.answers or [None] * len(each.call.numbers), strict=True
                )
            ],
        )

    def claim(self, product: str, since: int) -> Callable[[Sequence[str]], Claimed]:
        """Return how numbers are claimed; the claims of runs that died are freed on the way."""

        def claim(numbers: Sequence[str]) -> Claimed:
            claims = self.journal.claim(self.run, self.account.register, product, numbers, since=since)
            if claims.taken:
                self.journal.sweep()
            return Claimed(*claims)

        return claim


async def ask_all(
    desk: Desk,
    register: Register,
    numbers: Sequence[str],
    *,
    product: str,
    kind: Kind,
    since: int,
    workers: int,
    deadline: float,
    max_runtime: timedelta | None,
    patience: Patience = _PATIENCE,
    backoff: Backoff = _BACKOFF,
) -> Asked:
    """
    Ask *register* for *numbers*, in their order, until all are settled or a stop is requested.

    The first SIGINT, SIGTERM or SIGHUP requests the stop: calls under way are received and
    recorded. A second one ends the process at once; what was recorded is safe.

    Args:
        desk: Who asks.
        register: Who is asked.
        numbers: Distinct.
        product: What is asked.
        kind: What the numbers are.
        since: The newest answer that the plan knew of.
        workers: Calls under way at most.
        deadline: Seconds from sending a request to the last byte of its answer.
        max_runtime: After this time the stop is requested.
        patience: When a register counts as away.
        backoff: Waits between attempts.
    """
    stop, asked = Stop(), Asked()
    breaker = Breaker(stop, patience, desk.progress.state)
    feed = Feed(product, kind, numbers, desk.claim(product, since), stop, desk.progress.state)
    pace = desk.account.requests_per_second
    gate = Gate(
        desk,
        breaker,
        stop,
        desk.clock,
        demand=lambda: len(feed) + workers,
        per_second=pace,
        say=desk.progress.state,
    )
    budget = RetryBudget(lambda: gate.sent)
    recorder = Recorder(desk.commit)
    began = anyio.current_time()
    async with _one_error(), register, anyio.create_task_group() as watch:
        watch.start_soon(_heed_signals, stop, desk.progress)
        watch.start_soon(_heed_the_time, stop, max_runtime)
        attempt = paced(_answers_of(register), gate, breaker, recorder.record, deadline=deadline)
        ask = settled(retrying(attempt, budget, stop, backoff), stop)
        try:
            with quiet_retries(), _prompt_loop():
                await fan_out(feed, _freeing(ask, desk), _tally(asked, desk, gate), stop, workers=workers)
        finally:
            with anyio.CancelScope(shield=True):
                await gate.close()
        watch.cancel_scope.cancel()
    asked.answered += feed.answered
    asked.cause, asked.seconds = stop.cause, anyio.current_time() - began
    asked.sent, asked.retries, asked.most_in_a_second = gate.sent, budget.spent, gate.most_in_a_second
    return asked


async def probe(desk: Desk, register: Kvk, *, deadline: float) -> timedelta:
    """
    Make one free call, with a permit like any other.

    Args:
        desk: Who asks.
        register: Who is asked.
        deadline: Seconds from sending the request to the last byte of its answer.

    Returns:
        By how much the register's clock is ahead of ours.

    Raises:
        RegisterError: the call brought no answer, or the month's allowance is used up.
    """
    stop, skew = Stop(), timedelta()
    breaker = Breaker(stop, _PATIENCE, desk.progress.state)
    gate = Gate(desk, breaker, stop, desk.clock, demand=lambda: 1, per_second=desk.account.requests_per_second)

    async def fetch(_call: Call, at_send: Callable[[], Awaitable[None]]) -> tuple[Answers, int]:
        nonlocal skew
        skew = await register.probe(at_send)
        return (), HTTPStatus.OK

    ask = paced(fetch, gate, breaker, Recorder(desk.commit).record, deadline=deadline)
    async with register:
        try:
            await ask(Call("zoeken", Kind.KVK, (PROBED,)))
        except Halted:
            assert stop.cause is not None  # noqa: S101 - nothing else halts
            raise NotSent(stop.cause.reason, stop.cause.sentence) from None
        finally:
            await gate.close()
    return skew


@contextmanager
def _prompt_loop() -> Iterator[None]:
    """Wake on time: a slot missed is lost, and the threads that commit must not hold the interpreter for long."""
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


def _kept(answer: Answer | Failed | None) -> Answer | None:
    return None if isinstance(answer, Failed) else answer


def _answers_of(register: Register) -> Fetch:
    async def fetch(call: Call, at_send: Callable[[], Awaitable[None]]) -> tuple[Answers, int]:
        reply = await register.fetch(call, at_send)
        return reply.answers, reply.http_status

    return fetch


def _freeing(
    ask: Callable[[Call], Awaitable[tuple[Outcome, ...]]], desk: Desk
) -> Callable[[Call], Awaitable[tuple[Outcome, ...]]]:
    """Return *ask*, letting go of what it gave up on: another run may wait for it."""

    async def freeing(call: Call) -> tuple[Outcome, ...]:
        outcomes = await ask(call)
        given_up = [outcome.number for outcome in outcomes if isinstance(outcome, Failed | Deferred)]
        if given_up:
            await anyio.to_thread.run_sync(desk.journal.unclaim, desk.run, given_up)
        return outcomes

    return freeing


def _tally(asked: Asked, desk: Desk, gate: Gate) -> Callable[[Outcome], None]:
    told = 0

    def tally(outcome: Outcome) -> None:
        nonlocal told
        match outcome:
            case Found() | NotFound():
                asked.answered.append(outcome.number)
            case Failed():
                asked.failed.append(outcome)
            case Deferred():
                asked.deferred.append(outcome)
        desk.progress.advance(_STATUS[type(outcome)], spent_micro=(gate.sent - told) * desk.account.micro_eur)
        told = gate.sent

    return tally


async def _heed_signals(stop: Stop, progress: Progress) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    with anyio.open_signal_receiver(*_SIGNALS) as received:
        is_second = False
        async for number in received:
            if is_second:
                os._exit(_SIGNALS[number])
            is_second = True
            progress.state("stopping; again to stop at once")
            stop.request(Cause("stopped", _SIGNALS[number], f"Stopped by {number.name}."))


async def _heed_the_time(stop: Stop, most: timedelta | None) -> None:
    if most is not None:
        await anyio.sleep(most.total_seconds())
        stop.request(Cause("time_ceiling", ExitCode.CEILING, "--max-runtime was reached."))
