"""One call by itself, outside the stream of a run: with account, permit and journal like any other."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, closing
from functools import partial
from http import HTTPStatus
from typing import Literal, TypeVar

import anyio

from kvk_enrich.asking import Desk
from kvk_enrich.clock import Clock
from kvk_enrich.config import Source
from kvk_enrich.errors import NotSent, RegisterError
from kvk_enrich.fetch.breaker import Breaker, Patience
from kvk_enrich.fetch.gate import Gate
from kvk_enrich.fetch.policies import paced
from kvk_enrich.fetch.recorder import Recorder
from kvk_enrich.fetch.stop import Halted, Stop
from kvk_enrich.model import Call, Reply
from kvk_enrich.progress import Progress
from kvk_enrich.reasons import REASONS
from kvk_enrich.registers.interface import AtSend
from kvk_enrich.sources import account_of
from kvk_enrich.state.home import Home
from kvk_enrich.state.journal import CHECK, open_journal

T = TypeVar("T")
Send = Callable[[AtSend], Awaitable[T]]


def ask_once(
    service: Source,
    register: AbstractAsyncContextManager[object],
    send: Send[T],
    *,
    call: Call,
    home: Home,
    clock: Clock,
    why: str,
    micro_eur: int = 0,
) -> T:
    """
    Make one call, never a second attempt, and return what *send* made of the answer; nothing of it is kept.

    Args:
        service: Who is asked, and on whose account.
        register: The same, ready to be entered.
        send: Its method that makes the request.
        call: How the journal knows the call. One number, which may be empty.
        home: Where the journal is.
        clock: Where the time comes from.
        why: What the list of runs says of it.
        micro_eur: Price of a unit; the call costs one.

    Raises:
        RegisterError: the call brought no answer, or the allowance is used up.
    """
    with closing(open_journal(home, clock)) as journal:
        account = account_of(service, journal, micro_eur=micro_eur)
        run = journal.begin(CHECK, account, ceiling=1, share=service.job, source=why)
        state: Literal["complete", "stopped"] = "stopped"
        try:
            desk = Desk(journal, account, run, clock, Progress())
            told = anyio.run(partial(_asked, desk, register, send, call, deadline=service.timeout_seconds))
            state = "complete"
        except RegisterError as error:
            said = f"the register at {service.base_url} cannot be asked: {REASONS[error.reason].sentence} ({error})"
            raise type(error)(error.reason, said) from None
        finally:
            journal.finish(run, state, b"{}")
    return told


async def _asked(
    desk: Desk, register: AbstractAsyncContextManager[object], send: Send[T], call: Call, *, deadline: float
) -> T:
    stop, told = Stop(), list[T]()
    breaker = Breaker(stop, Patience(), desk.progress.state)
    gate = Gate(desk, breaker, stop, desk.clock, demand=lambda: 1, per_second=desk.account.requests_per_second)

    async def fetch(_call: Call, at_send: AtSend) -> Reply:
        told.append(await send(at_send))
        return Reply((), HTTPStatus.OK)

    ask = paced(fetch, gate, breaker, Recorder(desk.commit).record, deadline=deadline)
    async with register:
        try:
            await ask(call)
        except Halted:
            assert stop.cause is not None  # noqa: S101 - nothing else halts
            raise NotSent(stop.cause.reason, stop.cause.sentence) from None
        finally:
            await gate.close()
    return told[0]
