"""When a call counts as sent: not before it really was, by the kernel's stamp at the other end."""

import itertools
import time

import anyio
import pytest
from tests.fetch.parts import Lease, call
from tests.harness import judging
from tests.simulators.fault_server import AUTHORITY, CERTIFICATES

from kvk_enrich.clock import SystemClock
from kvk_enrich.fetch.breaker import Breaker, Patience
from kvk_enrich.fetch.gate import Gate
from kvk_enrich.fetch.stop import Stop
from kvk_enrich.model import Permit, Secret
from kvk_enrich.registers.kvk import Kvk

CALLS = 12


class Book:
    """Permits for now, and when they were used."""

    def __init__(self) -> None:
        self.moments: list[int] = []
        self._ids = itertools.count()

    def lease(self, wanted: int, units: int = 1) -> Lease:
        return Lease(tuple(Permit(next(self._ids), SystemClock().boot_ns()) for _ in range(wanted)))

    def give_back(self, permits: list[Permit]) -> None:
        """Keep no account of them."""

    def sent(self, moments: list[tuple[Permit, int]]) -> None:
        self.moments += [moment for _, moment in moments]


async def asking(url: str, book: Book, stalled: float) -> None:
    """Make calls one by one; the machine stands still each time between the gate and the wire."""
    stop = Stop()
    gate = Gate(book, Breaker(stop, Patience(), lambda _: None), stop, SystemClock(), lambda: 1, per_second=100)
    async with Kvk(url, Secret("key"), ca_bundle=AUTHORITY, timeout_seconds=5) as register:
        for _ in range(CALLS):
            async with gate.place() as place:

                async def at_send(at_send=place.at_send) -> None:
                    await at_send()
                    time.sleep(stalled)  # noqa: ASYNC251 - the machine stands still

                await register.fetch(call(), at_send)
    await gate.close()


@pytest.mark.parametrize("stalled", [0.0, 0.02])
@pytest.mark.parametrize("tls", [False, True])
def test_a_call_is_noted_after_it_has_been_written(tmp_path, tls, stalled):
    """The one that takes its place comes a window after it, also when the machine stood still before the write."""
    book = Book()
    with judging(tmp_path, certificate=CERTIFICATES / "right.pem" if tls else None, latency=0) as server:
        anyio.run(asking, server.url, book, stalled)
        arrived = [arrival.at_ns for arrival in server.arrivals()]
    earlier_than_boot = min(time.time_ns() - SystemClock().boot_ns() for _ in range(9))
    late = [noted + earlier_than_boot - at for noted, at in zip(book.moments, arrived, strict=True)]
    assert len(late) == CALLS
    assert min(late) > -50_000
