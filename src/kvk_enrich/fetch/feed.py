"""The feed: which number is asked next, shared fairly with other runs on the same home."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import anyio
import anyio.to_thread

from kvk_enrich.fetch.stop import Stop
from kvk_enrich.model import Call, Kind

_CHUNK: Final = 50
"""Numbers claimed at once: half a second's work at full pace."""

_LOOK_AGAIN_SECONDS: Final = 0.5


class Claimed(NamedTuple):
    """The fate of a wish to ask: ours to ask, another live run's, or answered meanwhile."""

    mine: Sequence[str]
    taken: Sequence[str]
    answered: Sequence[str]


class Feed:
    """
    An async iterator of calls, each for a number that no other live run is asking.

    Two runs over the same list split it: what one has claimed the other passes over, and comes
    back to at the end, when it is either answered or free again because its run died.
    """

    def __init__(
        self,
        product: str,
        kind: Kind,
        numbers: Iterable[str],
        claim: Callable[[Sequence[str]], Claimed],
        stop: Stop,
        say: Callable[[str | None], None],
    ) -> None:
        """
        Begin with the first of *numbers*.

        Args:
            product: What is asked about them.
            kind: What they are.
            numbers: Distinct, in the order in which to ask.
            claim: Blocks for some milliseconds; called in a thread.
            stop: Ends the waiting for other runs.
            say: Told what is waited for, None when nothing is.
        """
        self._product = product
        self._kind = kind
        self._open = deque(numbers)
        self._mine: deque[str] = deque()
        self._taken: list[str] = []
        self._claim = claim
        self._stop = stop
        self._say = say
        self.answered: list[str] = []

    def __len__(self) -> int:
        """Return how many calls may still come."""
        return len(self._open) + len(self._mine) + len(self._taken)

    def __aiter__(self) -> "Feed":
        """Return itself: there is one feed per run."""
        return self

    async def __anext__(self) -> Call:
        """Return the next call, waiting for other runs only when nothing else is left."""
        while not self._mine:
            if self._stop.requested or not len(self):
                self._say(None)
                raise StopAsyncIteration
            if not self._open:
                await self._wait_for_others()
            await self._claim_some()
        return Call(self._product, self._kind, (self._mine.popleft(),))

    async def _wait_for_others(self) -> None:
        self._say(f"another run is asking for {len(self._taken)} of these numbers")
        await self._stop.sleep(_LOOK_AGAIN_SECONDS)
        self._open.extend(self._taken)
        self._taken.clear()

    async def _claim_some(self) -> None:
        chunk = [self._open.popleft() for _ in range(min(_CHUNK, len(self._open)))]
        claimed = await anyio.to_thread.run_sync(self._claim, chunk)
        self._mine.extend(claimed.mine)
        self._taken.extend(claimed.taken)
        self.answered.extend(claimed.answered)
