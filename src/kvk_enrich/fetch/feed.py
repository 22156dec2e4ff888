"""The feed: which question is asked next, shared fairly with other runs on the same home."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import anyio
import anyio.to_thread

from kvk_enrich.fetch.stop import Stop
from kvk_enrich.model import Call, Question

_CHUNK: Final = 50
"""Numbers claimed at once: half a second's work at full pace."""

_LOOK_AGAIN_SECONDS: Final = 0.5


class Claimed(NamedTuple):
    """The fate of a wish to ask about numbers: ours to ask, another live run's, or answered meanwhile."""

    mine: Sequence[str]
    taken: Sequence[str]
    answered: Sequence[str]


class Feed:
    """
    An async iterator of calls, each for numbers that no other live run is asking.

    Two runs over the same list split it: what one has claimed the other passes over, and comes
    back to at the end, when it is either answered or free again because its run died.
    """

    def __init__(
        self,
        questions: Iterable[Question],
        claim: Callable[[str, Sequence[str]], Claimed],
        stop: Stop,
        say: Callable[[str | None], None],
        *,
        most: Mapping[str, int],
    ) -> None:
        """
        Begin with the first of *questions*.

        Args:
            questions: Distinct, in the order in which to ask.
            claim: Takes a product and numbers; blocks for some milliseconds; called in a thread.
            stop: Ends the waiting for other runs.
            say: Told what is waited for, None when nothing is.
            most: Numbers in one call, per product.
        """
        self._open = deque(questions)
        self._mine: deque[Question] = deque()
        self._taken: list[Question] = []
        self._claim = claim
        self._stop = stop
        self._say = say
        self._most = most
        self._chunk = max(_CHUNK, *most.values())
        self.answered: list[Question] = []

    def __len__(self) -> int:
        """Return how many calls may still come, at most."""
        return len(self._open) + len(self._mine) + len(self._taken)

    def __aiter__(self) -> "Feed":
        """Return itself: there is one feed per service and round."""
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
        first = self._mine.popleft()
        numbers = [first.number]
        while len(numbers) < self._most[first.product] and self._mine and self._mine[0][:2] == first[:2]:
            numbers.append(self._mine.popleft().number)
        return Call(first.product, first.kind, tuple(numbers))

    async def _wait_for_others(self) -> None:
        self._say(f"another run is asking for {len(self._taken)} of these numbers")
        await self._stop.sleep(_LOOK_AGAIN_SECONDS)
        self._open.extend(self._taken)
        self._taken.clear()

    async def _claim_some(self) -> None:
        chunk = [self._open.popleft() for _ in range(min(self._chunk, len(self._open)))]
        by_product: dict[str, list[str]] = {}
        for question in chunk:
            by_product.setdefault(question.product, []).append(question.number)
        claimed = {
            product: await anyio.to_thread.run_sync(self._claim, product, numbers)
            for product, numbers in by_product.items()
        }
        for question in chunk:
            mine, taken, _ = claimed[question.product]
            fate = self._mine if question.number in mine else self._taken if question.number in taken else self.answered
            fate.append(question)
