"""
The gate: every call passes it at the moment of sending, with a permit of its own.

A permit carries a slot of the pace and a unit of the month, taken together from the journal in
small leases. It is used within a few milliseconds of its slot, when the connection is already
up and the next bytes are the request's; a slot missed (a blocked loop, a stopped machine) is
lost and replaced by a later one, never caught up. That is what keeps any sliding second at the
server within the limit, whatever this process does; the figures are in state/journal.py.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, Protocol

import anyio
import anyio.to_thread

from kvk_enrich.clock import Clock
from kvk_enrich.errors import EnrichError, ExitCode
from kvk_enrich.fetch.breaker import Breaker
from kvk_enrich.fetch.stop import Cause, Stop
from kvk_enrich.model import Permit
from kvk_enrich.reasons import REASONS

LEASE: Final = 16
"""Permits taken at once, at 100 calls a second: what a kill can waste, and a sixth of a second of pace."""

ROOM: Final = 24
"""
Calls that may wait at the gate with a connection up, at 100 calls a second.

At a slower pace fewer, as a connection must not grow old while it waits: a request sent on one that
the server is closing is lost, and paid.
"""

_FULL_PACE: Final = 100

_CROWDED_SECONDS: Final = 0.5
"""A run alone books less than this ahead at 100 calls a second; longer means that others book too."""

TOLERANCE_NS: Final = 5_000_000
"""How late a slot may be used. See HEADROOM in state/journal.py for the other half of the sum."""

_SECOND_NS: Final = 1_000_000_000


class Leased(Protocol):
    """What the journal gives: permits, and why there are fewer than asked for."""

    @property
    def permits(self) -> tuple[Permit, ...]:
        """The permits, by slot."""
        ...

    @property
    def refused(self) -> str | None:
        """Reason code of the ceiling that was reached, if one was."""
        ...


class Permits(Protocol):
    """Where permits come from. Both methods block for some milliseconds; they are called in a thread."""

    def lease(self, wanted: int, units: int = 1) -> Leased:
        """Take up to *wanted* permits of *units* each."""
        ...

    def give_back(self, permits: list[Permit]) -> None:
        """Return permits that were not used."""
        ...


class TurnedAway(EnrichError):
    """The call was not sent: the gate closed while it waited. Ask at the gate again."""


class Gate:
    """Hands one permit to each call at the moment of sending. One per run."""

    def __init__(
        self,
        permits: Permits,
        breaker: Breaker,
        stop: Stop,
        clock: Clock,
        demand: Callable[[], int],
        *,
        per_second: float,
        say: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """
        Begin with no lease.

        Args:
            permits: Where they come from.
            breaker: Turns calls away while it is open.
            stop: Asked when a ceiling is reached; turns calls away once requested.
            clock: Slots are moments of its boot clock.
            demand: How many calls may still come: no more permits than that are leased.
            per_second: The pace that the permits follow.
            say: Told when calls wait for the pace because others use it too, None when that is over.
        """
        self._permits = permits
        self._breaker = breaker
        self._stop = stop
        self._clock = clock
        self._demand = demand
        self._say = say
        self._crowded_after = _CROWDED_SECONDS * _FULL_PACE / per_second
        self._is_crowded = False
        self._lock = anyio.Lock()
        self._room = anyio.Semaphore(_share_of(ROOM, per_second))
        self._most = _share_of(LEASE, per_second)
        self._is_used_up = False
        self._leased: deque[Permit] = deque()
        self._unused: list[Permit] = []
        self._recent: deque[int] = deque()
        self.sent = 0
        self.units = 0
        self.most_in_a_second = 0

    @asynccontextmanager
    async def place(self, units: int = 1) -> AsyncIterator["Place"]:
        """Yield a place at the gate for one call that costs *units* of the allowance, when there is room."""
        await self._room.acquire()
        place = Place(self, units)
        try:
            yield place
        finally:
            place.leave()

    async def _pass(self, units: int) -> Permit:
        """Return a permit within the tolerance of its slot. Raises TurnedAway."""
        while True:
            if self._stop.cause is not None:
                raise TurnedAway
            permit = await self._next(units)
            wait = max(0, permit.slot_ns - self._clock.boot_ns()) / _SECOND_NS
            self._tell(wait)
            try:
                await self._stop.sleep(wait)
                if self._is_used_up:
                    await anyio.sleep(max(0, permit.slot_ns - self._clock.boot_ns()) / _SECOND_NS)
            except anyio.get_cancelled_exc_class():
                self._unused.append(permit)
                raise
            if self._breaker.is_open or (self._stop.requested and not self._is_used_up):
                self._unused.append(permit)
                raise TurnedAway
            now = self._clock.boot_ns()
            if now - permit.slot_ns <= TOLERANCE_NS:
                self._count(now, units)
                return permit
            self._unused.append(permit)

    async def _next(self, units: int) -> Permit:
        async with self._lock:
            if units > 1:  # how many are next is not known beforehand, so these are not taken in advance
                (permit,) = await self._lease(1, units)
                return permit
            while True:
                while self._leased:
                    permit = self._leased.popleft()
                    if self._clock.boot_ns() - permit.slot_ns <= TOLERANCE_NS:
                        return permit
                    self._unused.append(permit)
                self._leased.extend(await self._lease(max(1, min(self._most, self._demand())), units))

    async def _lease(self, wanted: int, units: int) -> tuple[Permit, ...]:
        unused, self._unused = self._unused, []
        try:
            leased = await anyio.to_thread.run_sync(self._renew, unused, wanted, units)
        except BaseException:
            self._unused += unused  # returned again by close: what is given back twice is given back once
            raise
        if not leased.permits:
            self._is_used_up = True  # those who hold a permit may still use it: the ceiling counts them
            reason = str(leased.refused)
            self._stop.request(Cause(reason, ExitCode.CEILING, REASONS[reason].sentence))
            raise TurnedAway
        return leased.permits

    def _renew(self, unused: list[Permit], wanted: int, units: int) -> Leased:
        if unused:
            self._permits.give_back(unused)
        return self._permits.lease(wanted, units)

    async def close(self) -> None:
        """Give back what was leased and not used."""
        unused = [*self._leased, *self._unused]
        self._leased.clear()
        self._unused = []
        if unused:
            await anyio.to_thread.run_sync(self._permits.give_back, unused)

    def _tell(self, wait: float) -> None:
        """Say so when the turn is farther ahead than a run alone would book."""
        is_crowded = wait > self._crowded_after
        if is_crowded != self._is_crowded:
            self._is_crowded = is_crowded
            self._say("waiting for pace: other runs use the same key" if is_crowded else None)

    def _count(self, now: int, units: int) -> None:
        self.sent += 1
        self.units += units
        self._recent.append(now)
        while self._recent[0] <= now - _SECOND_NS:
            self._recent.popleft()
        self.most_in_a_second = max(self.most_in_a_second, len(self._recent))


def _share_of(number: int, per_second: float) -> int:
    return max(1, min(number, int(number * per_second / _FULL_PACE)))


class Place:
    """One call's place at the gate."""

    def __init__(self, gate: Gate, units: int) -> None:
        """Stand in the room; no permit yet."""
        self._gate = gate
        self._units = units
        self._in_room = True
        self.permit: Permit | None = None
        self.sent_at: datetime | None = None
        self._sent = 0.0

    async def at_send(self) -> None:
        """Return at the moment when the request may leave; from then on its permit is spent."""
        self.permit = await self._gate._pass(self._units)  # noqa: SLF001 - two halves of one thing
        self.sent_at, self._sent = self._gate._clock.now(), anyio.current_time()  # noqa: SLF001
        self.leave()

    @property
    def seconds(self) -> float:
        """Seconds since the request left."""
        return anyio.current_time() - self._sent

    def leave(self) -> None:
        """Make room for the next call."""
        if self._in_room:
            self._in_room = False
            self._gate._room.release()  # noqa: SLF001
