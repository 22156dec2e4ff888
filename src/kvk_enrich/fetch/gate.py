"""
The gate: every call passes it at the moment of sending, with a permit of its own.

A permit carries a slot of the pace and units of the allowance, taken together from the journal in
small leases. Calls pass one after the other, when the connection is already up and the next bytes
are the request's, each from its slot on; a call held up goes a little later, and a slot missed for long (a stopped
machine) is given back. When each was really sent is reported with the next lease, as the call that
follows in the same place may come a window later and no sooner: kvk_enrich/pace.py. That is what keeps any sliding
second at the server within the limit, whatever this process does.
"""

import asyncio
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
from kvk_enrich.pace import SECOND_NS, TOLERANCE_NS, Pace
from kvk_enrich.reasons import REASONS

LEASE: Final = 16
"""Permits held at most, so what a kill can waste; a run that sends slower holds as many as it sends in as long."""

ROOM: Final = 24
"""
Calls that may wait at the gate with a connection up, at 100 calls a second.

At a slower pace fewer, as a connection must not grow old while it waits: a request sent on one that
the server is closing is lost, and paid.
"""

_FULL_PACE: Final = 100

_CROWDED: Final = 1.5
"""Others use the pace too when the slots of a lease lie so many times as far apart as they would for one alone."""

_CROWDED_LEASES: Final = 4
"""Leases in a row that say so before people are told."""

_CROWDED_SECONDS: Final = 0.5
"""A run alone never waits that long for its turn at 100 calls a second."""


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
    """Where permits come from. The methods block for some milliseconds; they are called in a thread."""

    def lease(self, wanted: int, units: int = 1) -> Leased:
        """Take up to *wanted* permits of *units* each."""
        ...

    def give_back(self, permits: list[Permit]) -> None:
        """Return permits that were not used."""
        ...

    def sent(self, moments: list[tuple[Permit, int]]) -> None:
        """Report when permits were used, in nanoseconds of the boot clock."""
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
        self._pace = Pace.of(per_second)
        self._room = anyio.Semaphore(max(1, min(ROOM, int(ROOM * per_second / _FULL_PACE))))
        self._turn = anyio.Lock()
        self._booking = anyio.Lock()
        self._leased: deque[Permit] = deque()
        self._unused: list[Permit] = []
        self._used: list[tuple[Permit, int]] = []
        self._crowded: deque[bool] = deque(maxlen=_CROWDED_LEASES)
        self._has_said = False
        self._longest_ns = _CROWDED_SECONDS * SECOND_NS * _FULL_PACE / per_second
        self._refused: str | None = None
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
        """Return a permit at its slot or a little later. Raises TurnedAway."""
        self._heed()
        if units == 1:
            await self._book_ahead()
        async with self._turn:
            while True:
                self._heed()
                permit = await self._next(units)
                try:
                    await self._wait_for(permit)
                    self._heed()
                except BaseException:
                    self._unused.append(permit)
                    raise
                now = self._clock.boot_ns()
                if now <= permit.slot_ns + TOLERANCE_NS:
                    self._count(permit, now, units)
                    return permit
                self._unused.append(permit)

    def _heed(self) -> None:
        if self._stop.requested or self._breaker.is_open:
            raise TurnedAway

    async def _wait_for(self, permit: Permit) -> None:
        earliest = max(permit.slot_ns, self._recent[-1] + self._pace.closest_ns if self._recent else 0)
        self._tell(max(0, permit.slot_ns - self._clock.boot_ns()))
        while not self._stop.requested and (wait := earliest - self._clock.boot_ns()) > 0:
            await self._stop.sleep(wait / SECOND_NS)

    async def _next(self, units: int) -> Permit:
        """Return the first permit. Where there is none, the end of the run is asked for."""
        if units > 1:  # what the calls after it will cost is not known, so nothing is leased ahead
            self._unused += self._leased
            self._leased.clear()
            permits = deque[Permit]()
            async with self._booking:
                await self._lease(permits, 1, units)
        else:
            permits = self._leased
            if not permits:
                async with self._booking:
                    if not permits:
                        await self._lease(permits, self._wanted(), units)
        if not permits:
            reason = str(self._refused)
            self._stop.request(Cause(reason, ExitCode.CEILING, REASONS[reason].sentence))
            raise TurnedAway
        return permits.popleft()

    async def _book_ahead(self) -> None:
        """Lease before the last permit is used, so that nobody at the gate waits for the journal."""
        wanted = self._wanted()
        missing = wanted - 1 - len(self._leased)  # one more may be with the call whose turn it is
        if missing >= max(1, wanted // 2) and not self._booking.locked():
            async with self._booking:
                await self._lease(self._leased, missing, 1)

    def _wanted(self) -> int:
        """Return how many permits to take: for the next sixth of a second, if it goes on like the last one."""
        second = self._clock.boot_ns() - SECOND_NS
        sent = sum(moment > second for moment in self._recent)
        return max(1, min(LEASE, 1 + sent * LEASE // _FULL_PACE, self._demand()))

    async def _lease(self, permits: deque[Permit], wanted: int, units: int) -> None:
        used, self._used = self._used, []
        unused, self._unused = self._unused, []
        try:
            leased = await anyio.to_thread.run_sync(self._renew, used, unused, wanted, units)
        except BaseException:
            # Told again by close: what is told or given back twice is so once.
            self._used += used
            self._unused += unused
            raise
        permits.extend(leased.permits)
        self._refused = leased.refused
        if leased.permits:
            ahead = leased.permits[-1].slot_ns - self._clock.boot_ns()
            self._crowded.append(ahead > _CROWDED * self._pace.step_ns * len(permits))

    def _renew(self, used: list[tuple[Permit, int]], unused: list[Permit], wanted: int, units: int) -> Leased:
        self._tell_journal(used, unused)
        return self._permits.lease(wanted, units)

    def _tell_journal(self, used: list[tuple[Permit, int]], unused: list[Permit]) -> None:
        if used:
            self._permits.sent(used)
        if unused:
            self._permits.give_back(unused)

    async def close(self) -> None:
        """Report what was used, and give back what was leased and not used."""
        used, unused = self._used, [*self._leased, *self._unused]
        self._used, self._unused = [], []
        self._leased.clear()
        if used or unused:
            await anyio.to_thread.run_sync(self._tell_journal, used, unused)

    def _tell(self, wait_ns: int) -> None:
        """Say so when others use the pace too: slots lie farther ahead than a run alone would book."""
        crowded = wait_ns > self._longest_ns or sum(self._crowded) == _CROWDED_LEASES
        if crowded != self._has_said:
            self._has_said = crowded
            self._say("waiting for pace: other runs use the same key" if crowded else None)

    def _count(self, permit: Permit, now: int, units: int) -> None:
        _after_writing(lambda: self._used.append((permit, self._clock.boot_ns())))
        self.sent += 1
        self.units += units
        self._recent.append(now)
        while self._recent[0] <= now - SECOND_NS:
            self._recent.popleft()
        self.most_in_a_second = max(self.most_in_a_second, len(self._recent))


def _after_writing(note: Callable[[], None]) -> None:
    """
    Do *note* when what is sent now has been written.

    The transport writes in this turn of the loop or the next. A machine that stands still in between would make
    the call arrive later than the gate knows, and the one that takes its place too soon.
    """
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, note)


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
