"""Answers are on disk before they count: many callers, one commit for all that wait together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


@dataclass(slots=True)
class _Batch(Generic[T]):
    items: list[T] = field(default_factory=list)
    committed: bool = False


class Recorder(Generic[T]):
    """
    Groups what arrives while a commit is under way into the next one.

    On a fast disk every item is its own commit; on a slow one the batches grow and the pace holds.
    """

    def __init__(self, commit: Callable[[Sequence[T]], None]) -> None:
        """*commit* blocks until its items are durable; it is called in a thread, never twice at once."""
        self._commit = commit
        self._lock = anyio.Lock()
        self._batch: _Batch[T] = _Batch()

    async def record(self, item: T) -> None:
        """Return when *item* is on disk. Not cancelled half-way: an answer received is kept."""
        batch = self._batch
        batch.items.append(item)
        with anyio.CancelScope(shield=True):
            async with self._lock:
                if not batch.committed:
                    self._batch = _Batch()
                    await anyio.to_thread.run_sync(self._commit, batch.items)
                    batch.committed = True
