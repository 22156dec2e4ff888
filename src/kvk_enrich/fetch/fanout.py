"""A bounded number of workers over one shared feed of calls."""

import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import anyio
from aiolimiter import AsyncLimiter

from kvk_enrich.fetch.stop import Stop
from kvk_enrich.model import Call, Found, NotFound, Outcome

_RAMP_SECONDS: Final = 0.02
"""Workers start this far apart: a hundred TLS handshakes at once would hold the loop."""


_OTHER_FILES: Final = 100
"""Files that a run has open beside its connections: libraries, stores, the list, outputs, and connections to VIES."""

Ask = Callable[[Call], Awaitable[tuple[Outcome, ...]]]


def affordable(workers: int) -> int:
    """Return how many of *workers* this process can have: each needs a connection, and so an open file."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return workers if most == resource.RLIM_INFINITY else max(1, min(workers, most - _OTHER_FILES))


async def fan_out(
    feed: AsyncIterator[Call], ask: Ask, on_outcome: Callable[[Call, Outcome], None], stop: Stop, *, workers: int
) -> None:
    """
    Ask for every call of *feed*.

    Calls go one at a time until one was answered: a wrong key, a wrong address or a register
    that is away costs a call or two, not a hundred. A stop ends the feeding; calls under way
    are received. Outcomes arrive in the order of the answers.

    Args:
        feed: The calls; asked for the next one only when a worker is free.
        ask: Ends in one outcome per number of the call.
        on_outcome: Told each outcome once, with its call.
        stop: Looked at before each call.
        workers: Calls under way at most.
    """
    desk = _Shared(feed, ask, on_outcome, stop)
    while not desk.answered:
        if not await desk.step():
            return
    ramp = AsyncLimiter(1, _RAMP_SECONDS)
    async with anyio.create_task_group() as group:
        for _ in range(workers):
            async with ramp:
                if desk.is_done:
                    break
                group.start_soon(desk.work)


class _Shared:
    """What the workers share: the feed, and whether there is more to do."""

    def __init__(
        self, feed: AsyncIterator[Call], ask: Ask, on_outcome: Callable[[Call, Outcome], None], stop: Stop
    ) -> None:
        self._feed = feed
        self._ask = ask
        self._on_outcome = on_outcome
        self._stop = stop
        self._taking = anyio.Lock()
        self._exhausted = False
        self.answered = False

    @property
    def is_done(self) -> bool:
        return self._exhausted or self._stop.requested

    async def work(self) -> None:
        with self._stop.told_of_errors():
            while await self.step():
                pass

    async def step(self) -> bool:
        """Take one call and see it through; False when there is none."""
        async with self._taking:
            call = None if self.is_done else await anext(self._feed, None)
            self._exhausted |= call is None
        if call is None:
            return False
        for outcome in await self._ask(call):
            self.answered |= isinstance(outcome, Found | NotFound)
            self._on_outcome(call, outcome)
        return True
