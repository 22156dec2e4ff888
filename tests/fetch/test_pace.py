"""Gate and journal together, in virtual time: the pace holds and is kept, whatever holds the program up."""

import random
import shutil
from contextlib import closing
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulators.virtual_time import VirtualClock, run

from kvk_enrich.fetch.breaker import Breaker, Patience
from kvk_enrich.fetch.gate import Gate, TurnedAway
from kvk_enrich.fetch.stop import Stop
from kvk_enrich.model import Permit, Secret
from kvk_enrich.pace import SECOND_NS, Pace
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import Account, Journal, Lease, open_journal

PACE = Pace.of(100)


@dataclass
class Process:
    """One process that shares the journal."""

    journal: Journal
    account: Account
    clock: VirtualClock
    sends: list[int]
    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self.run = self.journal.begin("job", self.account, ceiling=None, source="list.csv")
        stop = Stop()
        breaker = Breaker(stop, Patience(), lambda _: None)
        self.gate = Gate(self, breaker, stop, self.clock, lambda: 1_000, per_second=self.account.requests_per_second)

    def lease(self, wanted: int, units: int = 1) -> Lease:
        return self.journal.lease(self.run, self.account, wanted, units)

    def give_back(self, permits: list[Permit]) -> None:
        self.journal.give_back(permits)

    def sent(self, moments: list[tuple[Permit, int]]) -> None:
        self.journal.sent(self.account, moments)

    async def work(self, latency: float) -> None:
        """Send and wait, over and over."""
        while True:
            async with self.gate.place() as place:
                try:
                    await place.at_send()
                except TurnedAway:
                    return
                self.sends.append(self.clock.boot_ns())
            await anyio.sleep(latency)

    async def live(self, seconds: float, *, is_killed: bool = False, latency: float = 0.5) -> None:
        """Work with sixty workers; killed, it reports and gives back nothing."""
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as group:
                for _ in range(60):
                    group.start_soon(self.work, latency)
        if not is_killed:
            await self.gate.close()


def most_in_a_window(sends: list[int], window_ns: int) -> int:
    """Return the most sends in any half-open window."""
    sends, most, first = sorted(sends), 0, 0
    for last, moment in enumerate(sends):
        while moment - sends[first] >= window_ns:
            first += 1
        most = max(most, last - first + 1)
    return most


def rate(sends: list[int]) -> float:
    """Return sends per second after the first two."""
    steady = sorted(moment for moment in sends if moment > sends[0] + 2 * SECOND_NS)
    return (len(steady) - 1) * SECOND_NS / (steady[-1] - steady[0])


async def stalls(clock: VirtualClock, seconds: float, every: float, dice: random.Random) -> None:
    """Now and then the machine stands still for *seconds*."""
    while True:
        await anyio.sleep(every * dice.uniform(0.5, 1.5))
        clock.pass_seconds(seconds)


def account_of(journal: Journal, per_second: float = 100) -> Account:
    """Enter the account that all processes share."""
    return journal.account(
        "kvk", "main", Secret("key"), requests_per_second=per_second, allowance=10**6, micro_eur=20_000
    )


@pytest.mark.parametrize(("seconds", "least"), [(0.0, 97.9), (0.05, 97.2), (0.1, 95.5)])
@pytest.mark.parametrize("processes", [1, 3])
def test_the_pace_is_kept_through_stalls(tmp_path, processes, seconds, least):
    """Standing still for 5 per cent of the time costs less than one per cent of the calls, for 10 less than three."""

    async def main(clock):
        sends = list[int]()
        with closing(open_journal(open_home(tmp_path), clock)) as journal:
            account = account_of(journal)
            async with anyio.create_task_group() as group:
                if seconds:
                    group.start_soon(stalls, clock, seconds, 1.0, random.Random(1))
                async with anyio.create_task_group() as working:
                    for _ in range(processes):
                        working.start_soon(Process(journal, account, clock, sends).live, 15)
                group.cancel_scope.cancel()
        assert most_in_a_window(sends, PACE.window_ns) <= PACE.places
        assert rate(sends) >= least

    run(main)


LIVES = st.lists(
    st.tuples(st.floats(0, 2), st.floats(0.05, 3), st.booleans(), st.floats(0.01, 1)), min_size=1, max_size=6
)


@settings(max_examples=15, deadline=None)
@given(LIVES, st.sampled_from([1, 7, 30]), st.floats(0.01, 0.4), st.integers(0, 999))
def test_no_window_holds_more_than_it_may(tmp_path_factory, lives, per_second, seconds, seed):
    """Processes that come, go and are killed, at a machine that stands still at any time: the bound is kept."""

    async def main(clock):
        root, sends = tmp_path_factory.mktemp("home"), list[int]()
        with closing(open_journal(open_home(root), clock)) as journal:

            async def live(begins, lasts, is_killed, latency):
                await anyio.sleep(begins)
                process = Process(journal, account_of(journal, per_second), clock, sends)
                await process.live(lasts, is_killed=is_killed, latency=latency)

            async with anyio.create_task_group() as group:
                group.start_soon(stalls, clock, seconds, 0.3, random.Random(seed))
                async with anyio.create_task_group() as working:
                    for each in lives:
                        working.start_soon(live, *each)
                group.cancel_scope.cancel()
        shutil.rmtree(root)
        pace = Pace.of(per_second)
        assert most_in_a_window(sends, pace.window_ns) <= pace.places

    run(main)
