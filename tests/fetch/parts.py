"""Parts that stand in for the journal and the register in tests of fetch/: small, and honest about permits."""

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
from tests.simulators.virtual_time import VirtualClock

from kvk_enrich.errors import StorageError
from kvk_enrich.fetch.breaker import Breaker, Patience
from kvk_enrich.fetch.gate import Gate
from kvk_enrich.fetch.stop import Cause, Stop
from kvk_enrich.model import Call, Found, Kind, Permit, Reply

STEP_NS = 10_200_000


@dataclass(frozen=True)
class Lease:
    """What a lease brought."""

    permits: tuple[Permit, ...]
    refused: str | None = None


@dataclass
class Ledger:
    """Permits as the journal hands them out: slots in order, a ceiling, and who has what."""

    clock: VirtualClock
    ceiling: int = 1_000_000
    disk_seconds: float = 0.0
    step_ns: int = STEP_NS
    out: dict[int, Permit] = field(default_factory=dict)
    returned: list[int] = field(default_factory=list)
    used: dict[int, int] = field(default_factory=dict)
    leases: int = 0
    broken: bool = False
    taken: list[tuple[int, int]] = field(default_factory=list)
    _last: int = 0
    _next_ns: int = 0

    def lease(self, wanted: int, units: int = 1) -> Lease:
        if self.broken:
            raise StorageError("the disk is full")
        self.leases += 1
        self.taken.append((wanted, units))
        granted = min(wanted, self.ceiling - len(self.out))
        first = max(self._next_ns, self.clock.boot_ns())
        self._next_ns = first + granted * self.step_ns if granted else self._next_ns
        self.clock.pass_seconds(self.disk_seconds)
        permits = tuple(Permit(self._last + 1 + place, first + place * self.step_ns) for place in range(granted))
        self._last += granted
        self.out |= {permit.id: permit for permit in permits}
        return Lease(permits, None if granted == wanted else "run_ceiling")

    def book_for_others(self, seconds: float) -> None:
        """Other runs have taken all slots of the next *seconds*."""
        self._next_ns = self.clock.boot_ns() + round(seconds * 1_000_000_000)

    def sent(self, moments: list[tuple[Permit, int]]) -> None:
        if self.broken:
            raise StorageError("the disk is full")
        self.clock.pass_seconds(self.disk_seconds)
        self.used |= {permit.id: moment for permit, moment in moments}

    def give_back(self, permits: list[Permit]) -> None:
        self.clock.pass_seconds(self.disk_seconds)
        for permit in permits:
            if self.out.pop(permit.id, None) is not None:
                self.returned.append(permit.id)


@dataclass
class Office:
    """Stop, breaker and gate around a ledger."""

    clock: VirtualClock
    ledger: Ledger
    stop: Stop
    breaker: Breaker
    gate: Gate
    said: list[str | None]

    @property
    def cause(self) -> Cause:
        """Why the run was asked to end; a run that was not fails the test."""
        assert self.stop.cause is not None
        return self.stop.cause


def office(
    clock: VirtualClock,
    *,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    demand: Callable[[], int] = lambda: 1_000,
    per_second: float = 100,
    **ledger: float,
) -> Office:
    """Return everything that surrounds a call."""
    said: list[str | None] = []
    stop = Stop()
    breaker = Breaker(stop, patience, said.append)
    book = Ledger(clock, **ledger)  # type: ignore[arg-type]
    gate = Gate(book, breaker, stop, clock, demand, per_second=per_second, say=said.append)
    return Office(clock, book, stop, breaker, gate, said)


def call(*numbers: str) -> Call:
    """Return a call for *numbers*; for one that KVK published, if none are given."""
    return Call("basisprofiel", Kind.KVK, numbers or ("69599084",))


def found(number: str = "69599084") -> Found:
    """Return an answer."""
    return Found(number, b'{"kvkNummer":"%s"}' % number.encode())


async def answering(asked: Call, at_send) -> Reply:
    """A register that answers after half a second."""
    await at_send()
    await anyio.sleep(0.5)
    return Reply(tuple(found(number) for number in asked.numbers), 200)
