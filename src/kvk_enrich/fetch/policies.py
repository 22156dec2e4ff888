"""
What surrounds a call: functions from fetch to fetch, each knowing nothing of the others.

``settled(retrying(paced(fetch)))``: pacing sits inside retrying, so that each attempt takes its
own permit; recording sits with pacing, so that each attempt is in the journal before anything
else happens.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import anyio
import stamina

from kvk_enrich.errors import AccessRefused, AllowanceSpent, ExitCode, NotSent, RegisterError, Transient
from kvk_enrich.fetch.breaker import Breaker
from kvk_enrich.fetch.gate import Gate, Place, TurnedAway
from kvk_enrich.fetch.stop import Cause, Halted, Stop
from kvk_enrich.model import Attempt, Call, Deferred, Failed, Outcome, Reply
from kvk_enrich.reasons import REASONS

ATTEMPTS: Final = 3
"""Per number; Site Reliability Engineering, "Handling Overload"."""

RETRY_SHARE: Final = 0.1
RETRY_FLOOR: Final = 10
"""Extra calls of a run: at most a tenth of its calls, but always ten: they are paid like any other."""


@dataclass(frozen=True, slots=True)
class Done:
    """One attempt that was sent: how it went, and what came back if anything did."""

    call: Call
    attempt: Attempt
    reply: Reply | None


Fetch = Callable[[Call, Callable[[], Awaitable[None]]], Awaitable[Reply]]
"""A register's fetch."""

Ask = Callable[[Call], Awaitable[Reply]]


def paced(
    fetch: Fetch,
    gate: Gate,
    breaker: Breaker,
    record: Callable[[Done], Awaitable[None]],
    *,
    deadline: float,
    units: Callable[[Call], int] = lambda _: 1,
    part: Callable[[Call], str | None] = lambda _: None,
) -> Ask:
    """
    Return an ask that sends when breaker and gate allow, within *deadline* seconds, and records.

    A call takes *units* of the allowance; *part* names the part of the service that it is about.

    The deadline counts from sending to the last byte of the body: a dripping answer never trips
    a read timeout. A call turned away at the gate was not sent; it lines up again.
    """

    async def ask(call: Call) -> Reply:
        while True:
            trial = await breaker.admit()
            async with gate.place(units(call)) as place:
                try:
                    reply = await _within(deadline, fetch, call, place, part(call))
                except TurnedAway:
                    breaker.turned_away(trial=trial)
                    continue
                except RegisterError as error:
                    await _recorded(record, call, place, _said_of_allowance(error), error.reason)
                    breaker.failed(error, trial=trial)
                    raise
                await _recorded(record, call, place, reply, None)
                breaker.succeeded()
                return reply

    return ask


async def _within(deadline: float, fetch: Fetch, call: Call, place: Place, part: str | None) -> Reply:
    with anyio.CancelScope() as scope:

        async def at_send() -> None:
            await place.at_send()
            scope.deadline = anyio.current_time() + deadline

        return await fetch(call, at_send)
    raise Transient("timeout", f"no complete answer within {deadline:g} s", part=part)


def _said_of_allowance(error: RegisterError) -> Reply | None:
    """Return what a refusal for want of units tells: how many are left."""
    return Reply((), HTTPStatus.TOO_MANY_REQUESTS, error.left) if isinstance(error, AllowanceSpent) else None


async def _recorded(
    record: Callable[[Done], Awaitable[None]],
    call: Call,
    place: Place,
    reply: Reply | None,
    code: str | None,
) -> None:
    if place.permit is not None and place.sent_at is not None:
        status = reply.http_status if reply else None
        attempt = Attempt(place.permit, place.sent_at, place.seconds, status, code)
        await record(Done(call, attempt, reply))


class RetryBudget:
    """Extra calls that a run may make. An outage must not multiply the bill."""

    def __init__(self, sent: Callable[[], int]) -> None:
        """*sent* tells how many calls the run has made so far."""
        self._sent = sent
        self.spent = 0

    def spend(self) -> bool:
        """Take one retry; False when the budget is used up."""
        if self.spent >= max(RETRY_FLOOR, RETRY_SHARE * self._sent()):
            return False
        self.spent += 1
        return True


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds between attempts: the first wait, the longest, and the random part added to each."""

    initial: float = 0.5
    longest: float = 10.0
    jitter: float = 1.0


@contextmanager
def quiet_retries() -> Iterator[None]:
    """Keep stamina from printing each retry on standard output: progress and journal tell of them."""
    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks(())
    try:
        yield
    finally:
        stamina.instrumentation.set_on_retry_hooks(hooks)


def retrying(ask: Ask, budget: RetryBudget, stop: Stop, backoff: Backoff) -> Ask:
    """
    Return an ask that sends up to three times, within *budget*; a stop ends the waiting, never a call.

    What could not be sent says nothing of the number and costs nothing: how long that is borne is the breaker's matter.
    """

    async def ask_again(call: Call) -> Reply:
        sent = 0

        def is_worth_another(error: Exception) -> bool:
            nonlocal sent
            if isinstance(error, NotSent):
                return True
            sent += 1
            return isinstance(error, Transient) and sent < ATTEMPTS and (stop.requested or budget.spend())

        with stop.interrupts():
            async for attempt in stamina.retry_context(
                on=is_worth_another,
                attempts=None,
                timeout=None,
                wait_initial=backoff.initial,
                wait_max=backoff.longest,
                wait_jitter=backoff.jitter,
            ):
                with attempt, anyio.CancelScope(shield=True):
                    return await ask(call)
        raise Halted

    return ask_again


def settled(ask: Ask, stop: Stop) -> Callable[[Call], Awaitable[tuple[Outcome, ...]]]:
    """Return an ask that always ends in one outcome per number: errors become values, or stop the run."""

    async def outcomes(call: Call) -> tuple[Outcome, ...]:
        try:
            return (await ask(call)).answers
        except Halted:
            reason = stop.cause.reason if stop.cause else "stopped"
            return tuple(Deferred(number, reason) for number in call.numbers)
        except AllowanceSpent as error:
            stop.request(Cause(error.reason, ExitCode.CEILING, REASONS[error.reason].sentence))
            return tuple(Deferred(number, error.reason) for number in call.numbers)
        except AccessRefused as error:
            stop.request(Cause("stopped", ExitCode.ACCESS_REFUSED, f"The register cannot be asked: {error}."))
            return tuple(Failed(number, error.reason, error.detail) for number in call.numbers)
        except RegisterError as error:
            return tuple(Failed(number, error.reason, error.detail) for number in call.numbers)

    return outcomes
