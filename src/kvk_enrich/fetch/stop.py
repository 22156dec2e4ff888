"""The end of a run is a request: feeding stops, what is in flight is received and recorded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from kvk_enrich.errors import EnrichError, ExitCode


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
    """
    The one place where a run's early end is asked for and known. Use within one event loop.

    A part of a run has a stop of its own below the run's: the run's end is its end too, but not
    every end of a part ends the whole.
    """

    def __init__(self, above: "Stop | None" = None, ends_all: Callable[[Cause], bool] = lambda _: True) -> None:
        """
        Begin with nothing requested, or with what was requested *above*.

        Args:
            above: The stop of the whole, for a part.
            ends_all: Which causes of the part end the whole.
        """
        self.cause: Cause | None = None
        self._event = anyio.Event()
        self._waiting: set[anyio.CancelScope] = set()
        self._below: list[Stop] = []
        self._above = above
        self._ends_all = ends_all
        if above is not None:
            above._below.append(self)  # noqa: SLF001 - of the same kind
            if above.cause is not None:
                self.request(above.cause)

    def request(self, cause: Cause) -> None:
        """Ask for the end. The first cause stands."""
        if self.cause is not None:
            return
        self.cause = cause
        self._event.set()
        for scope in self._waiting:
            scope.cancel()
        for part in self._below:
            part.request(cause)
        if self._above is not None and self._ends_all(cause):
            self._above.request(cause)

    @contextmanager
    def told_of_errors(self) -> Iterator[None]:
        """Ask for the end when what is within breaks: the others are to come to theirs, not to wait for a register."""
        try:
            yield
        except Exception as error:
            code = error.exit_code if isinstance(error, EnrichError) else ExitCode.BUG
            self.request(Cause("stopped", code, str(error)))
            raise

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
