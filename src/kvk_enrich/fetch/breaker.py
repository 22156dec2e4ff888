"""
May a call start now? One answer for the whole client.

No, while the register has asked for a pause (Retry-After), and while it seems to be away: after
several failures in a row nothing is sent for a while, then a single call tries the water. When
patience ends, the run is asked to stop; the numbers not asked are deferred, not failed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio

from kvk_enrich.errors import ExitCode, NotSent, RegisterError, Transient
from kvk_enrich.fetch.stop import Cause, Halted, Stop
from kvk_enrich.reasons import REASONS

_FIRST_TRIES: Final = 3
"""Attempts at the very first call that may fail to leave this machine before the run ends."""

_OF_THE_NUMBER: Final = frozenset({"in_process", "several_companies", "vat_unconfirmed"})
"""Failures by which a register that is well says that it cannot tell of this number."""

_LOOK_AGAIN_SECONDS: Final = 1.0
"""An answer to a call of before ends a rest early."""


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How much is borne. All times in seconds.

    Args:
        failures: So many in a row mean that the register is away.
        first_rest: Silence before the first single try; doubles with each that fails.
        longest_rest: Silence between tries at most.
        give_up: Time without any answer after which the run is asked to stop.
        shortest_pause: A register's wish for a pause counts as at least this.
        longest_pause: A wish beyond this ends the run: another hour is better.
        pauses: So many pauses in a row without an answer between them end the run.
    """

    failures: int = 5
    first_rest: float = 5.0
    longest_rest: float = 60.0
    give_up: float = 300.0
    shortest_pause: float = 1.0
    longest_pause: float = 300.0
    pauses: int = 5


class Breaker:
    """Closed: calls pass. Open: nobody passes until a time. Then one passes, and its fate decides."""

    def __init__(self, stop: Stop, patience: Patience, say: Callable[[str | None], None]) -> None:
        """
        Begin closed.

        Args:
            stop: Asked when patience ends.
            patience: How much is borne.
            say: Told what is waited for, None when nothing is.
        """
        self._stop = stop
        self._patience = patience
        self._say = say
        self._door = anyio.Lock()
        self._paused_until = 0.0
        self._resting_until = 0.0
        self._has_said = False
        self._failures = 0
        self._pauses = 0
        self._rest = patience.first_rest
        self._has_answered = False
        self._away_since: float | None = None
        self._verdict: anyio.Event | None = None

    @property
    def is_open(self) -> bool:
        """Say whether calls are held back at this moment."""
        return self._shut_until > anyio.current_time()

    @property
    def _shut_until(self) -> float:
        return max(self._paused_until, self._resting_until)

    async def admit(self) -> bool:
        """
        Return when a call may start.

        Returns:
            Whether this is the single call that tries the water; tell it with the call's fate.

        Raises:
            Halted: the run is to stop.
        """
        async with self._door:
            while not self._stop.requested:
                wait = self._shut_until - anyio.current_time()
                if wait > 0:
                    await self._stop.sleep(min(wait, _LOOK_AGAIN_SECONDS))
                elif self._verdict is not None:
                    with anyio.move_on_after(_LOOK_AGAIN_SECONDS):
                        await self._verdict.wait()
                else:
                    if self._away_since is not None:
                        self._verdict = anyio.Event()
                    return self._verdict is not None
            raise Halted

    def succeeded(self) -> None:
        """Enter that the register answered."""
        self._has_answered = True
        self._failures = self._pauses = 0
        self._rest = self._patience.first_rest
        self._resting_until = 0.0
        self._away_since = None
        if self._has_said:
            self._has_said = False
            self._say(None)
        self._settle_verdict()

    def failed(self, error: RegisterError, *, trial: bool = False) -> None:
        """Enter that a call brought no answer, and whether it was the one that tried the water."""
        if error.reason in _OF_THE_NUMBER or (isinstance(error, Transient) and error.part is not None):
            self.succeeded()  # the service is there: it is about this number, or a part of the service, only
            return
        if isinstance(error, Transient) and (error.reason == "rate_limited" or error.retry_after is not None):
            self._pause(error.retry_after)
        self._failures += 1
        if trial:
            self._settle_verdict()
        if not self._has_answered and self._is_hopeless(error):
            self._give_up(f"The register cannot be asked: {REASONS[error.reason].sentence} ({error})")
        elif trial or (self._away_since is None and self._failures >= self._patience.failures):
            self._rest_a_while(error)

    def _is_hopeless(self, error: RegisterError) -> bool:
        """Say whether waiting would not help: nothing was ever answered, and this is not a passing trouble."""
        limit = _FIRST_TRIES if isinstance(error, NotSent) else self._patience.failures
        return self._failures >= limit and not isinstance(error, Transient)

    def turned_away(self, *, trial: bool) -> None:
        """Enter that an admitted call was not sent after all: it proves nothing."""
        if trial:
            self._settle_verdict()

    def _settle_verdict(self) -> None:
        if self._verdict is not None:
            self._verdict.set()
            self._verdict = None

    def _rest_a_while(self, error: RegisterError) -> None:
        now = anyio.current_time()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since + self._rest > self._patience.give_up:
            self._give_up(f"The register has not answered for {self._patience.give_up:.0f} s ({error}).")
            return
        self._resting_until = now + self._rest
        self._tell(f"register unavailable, trying again in {self._rest:.0f} s")
        self._rest = min(2 * self._rest, self._patience.longest_rest)

    def _pause(self, wish: float | None) -> None:
        now = anyio.current_time()
        seconds = max(wish or 0.0, self._patience.shortest_pause)
        if seconds > self._patience.longest_pause:
            self._give_up(f"The register asked for a pause of {seconds:.0f} s.")
            return
        if not self.is_open:
            self._pauses += 1
        if self._pauses > self._patience.pauses:
            self._give_up(
                "The register keeps asking for pauses:"
                " other programs may use the same key, its month may be used up, or it is overloaded."
            )
            return
        self._paused_until = max(self._paused_until, now + seconds)
        self._tell(f"the register asked for a pause of {seconds:.0f} s")

    def _tell(self, state: str) -> None:
        self._has_said = True
        self._say(state)

    def _give_up(self, sentence: str) -> None:
        self._stop.request(Cause("unavailable", ExitCode.UNAVAILABLE, sentence))
