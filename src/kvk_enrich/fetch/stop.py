"""The end of a run is a request: feeding stops, what is in flight is received and recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from kvk_enrich.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Cause:
    """
    Why a run ends early.

    Args:
        reason: The code (kvk_enrich.reasons) of the numbers that were not asked any more.
        exit_code: What the process will say.
        sentence: What people are told.
    """

    reason: str
    exit_code: ExitCode
    sentence: str


class Halted(Exception):
    """No call is started any more."""


class Stop:
    """The one place where a run's early end is asked for and known. Use within one event loop."""

    def __init__(self) -> None:
        """Nothing is requested yet."""
        self.cause: Cause | None = None
        self._event = anyio.Event()
        self._waiting: set[anyio.CancelScope] = set()

    def request(self, cause: Cause) -> None:
        """Ask for the end. The first cause stands."""
        if self.cause is None:
            self.cause = cause
            self._event.set()
            for scope in self._waiting:
                scope.cancel()

    @property
    def requested(self) -> bool:
        """Say whether the end was asked for."""
        return self.cause is not None

    async def wait(self) -> None:
        """Return when the end is asked for."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds*, or at once when the end is asked for."""
        with anyio.move_on_after(seconds):
            await self._event.wait()

    @contextmanager
    def interrupts(self) -> Iterator[None]:
        """Cancel what is awaited within as soon as the end is asked for; shield what must go on."""
        with anyio.CancelScope() as scope:
            if self.requested:
                scope.cancel()
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)
