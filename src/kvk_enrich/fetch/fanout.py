"""A bounded number of workers over one shared feed of calls."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import anyio
from aiolimiter import AsyncLimiter

from kvk_enrich.fetch.stop import Stop
from kvk_enrich.model import Call, Found, NotFound, Outcome

_RAMP_SECONDS: Final = 0.02
"""Workers start this far apart: a hundred TLS handshakes at once would hold the loop."""


async def fan_out(
    feed: AsyncIterator[Call],
    ask: Callable[[Call], Awaitable[tuple[Outcome, ...]]],
    on_outcome: Callable[[Outcome], None],
    stop: Stop,
    *,
    workers: int,
) -> None:
    """
    Ask for every call of *feed*.

    Calls go one at a time until one was answered: a wrong key, a wrong address or a register
    that is away costs a call or two, not a hundred. A stop ends the feeding; calls under way are received. Outcomes arrive in the order
    of the answers.

    Args:
        feed: The calls; asked for the next one only when a worker is free.
        ask: Ends in one outcome per number of the call.
        on_outcome: Told each outcome once.
        stop: Looked at before each call.
        workers: Calls under way at most.
    """
    taking = anyio.Lock()
    exhausted = answered = False

    async def next_call() -> Call | None:
        nonlocal exhausted
        async with taking:
            if exhausted or stop.requested:
                return None
            call = await anext(feed, None)
            exhausted = call is None
            return call

    async def step() -> bool:
        nonlocal answered
        call = await next_call()
        if call is None:
            return False
        for outcome in await ask(call):
            answered |= isinstance(outcome, Found | NotFound)
            on_outcome(outcome)
        return True

    async def work() -> None:
        while await step():
            pass

    while not answered:
        if not await step():
            return
    ramp = AsyncLimiter(1, _RAMP_SECONDS)
    async with anyio.create_task_group() as group:
        for _ in range(workers):
            async with ramp:
                if exhausted or stop.requested:
                    break
                group.start_soon(work)
