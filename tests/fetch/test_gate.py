"""The gate: one permit for each call that is sent, at its moment, and none lost."""

import itertools
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fetch.parts import STEP_NS, office
from tests.simulators.virtual_time import run

from kvk_enrich.errors import ExitCode, StorageError, Transient
from kvk_enrich.fetch.gate import LEASE, ROOM, TurnedAway
from kvk_enrich.fetch.stop import Cause
from kvk_enrich.pace import TOLERANCE_NS, Pace

STOPPED = Cause("stopped", ExitCode.INTERRUPTED, "Stopped.")


async def send(place_of, used):
    """Pass the gate once and note the permit."""
    async with place_of.gate.place() as place:
        await place.at_send()
        used.append((place.permit, place_of.clock.boot_ns()))


async def many(place_of, count, used):
    """Pass the gate with *count* calls at once."""
    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(send, place_of, used)


PACE = Pace.of(100)


def test_every_call_has_a_permit_of_its_own_at_its_moment():
    """No permit is used twice, none before its slot, none later than the tolerance."""

    async def main(clock):
        it, used = office(clock), list[Any]()
        await many(it, 300, used)
        await it.gate.close()
        assert len({permit.id for permit, _ in used}) == 300
        assert all(0 <= now - permit.slot_ns <= TOLERANCE_NS for permit, now in used)
        assert it.ledger.out.keys() == {permit.id for permit, _ in used}
        assert it.gate.sent == 300

    run(main)


def test_no_sliding_second_is_over_the_pace():
    """Three hundred waiting calls leave one slot apart, give or take what a lease takes."""

    async def main(clock):
        it, used = office(clock), list[Any]()
        await many(it, 300, used)
        moments = sorted(now for _, now in used)
        assert min(b - a for a, b in itertools.pairwise(moments)) >= STEP_NS - 1_000_000
        assert it.gate.most_in_a_second <= 100

    run(main)


def test_a_call_held_up_goes_late_and_loses_nothing():
    """After a loop was blocked for a moment its permits are still used, one shortly after the other."""

    async def main(clock):
        it, used = office(clock), list[Any]()
        async with anyio.create_task_group() as group:
            group.start_soon(many, it, 150, used)
            await anyio.sleep(1)
            clock.pass_seconds(0.1)
        late = [now for permit, now in used if now - permit.slot_ns > 10_000_000]
        assert len(late) > 5
        assert it.ledger.returned == []
        assert min(b - a for a, b in itertools.pairwise(now for _, now in used)) >= PACE.closest_ns

    run(main)


def test_missed_slots_are_given_back():
    """A loop that was blocked for long uses no slot of that time, and its permits return to the ledger."""

    async def main(clock):
        it, used = office(clock), list[Any]()
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(send, it, used)
            await anyio.sleep(0.05)
            clock.pass_seconds(0.3)
        await it.gate.close()
        assert len(used) == 40
        assert all(now - permit.slot_ns <= TOLERANCE_NS for permit, now in used)
        assert it.ledger.returned
        assert it.ledger.out.keys() == {permit.id for permit, _ in used}

    run(main)


@pytest.mark.parametrize(("seconds", "demand"), [(0.007, 1), (0.02, 100), (0.1, 100)])
def test_a_slow_journal_does_not_lose_every_slot(seconds, demand):
    """Slots that were over when the lease came back are passed over; the first that is not is used."""

    async def main(clock):
        it, used = office(clock, demand=lambda: demand, disk_seconds=seconds), list[Any]()
        with anyio.fail_after(10):
            await send(it, used)
        await it.gate.close()
        assert it.ledger.leases == 1
        assert len(it.ledger.out) == 1

    run(main)


@pytest.mark.parametrize("ceiling", [0, 1, 15, 16, 17, 40])
def test_a_ceiling_is_used_to_its_last_permit(ceiling):
    """With more calls than permits, exactly the permits are used and the run is asked to stop."""

    async def main(clock):
        it, used, turned = office(clock, ceiling=ceiling), list[Any](), []

        async def attempt():
            try:
                await send(it, used)
            except TurnedAway:
                turned.append(1)

        async with anyio.create_task_group() as group:
            for _ in range(ceiling + 10):
                group.start_soon(attempt)
        await it.gate.close()
        assert (len(used), len(turned)) == (ceiling, 10)
        assert it.stop.cause is not None
        assert (it.cause.reason, it.cause.exit_code) == ("run_ceiling", ExitCode.CEILING)
        assert len(it.ledger.out) == ceiling

    run(main)


def test_a_stop_turns_away_who_waits():
    """A call at the gate is not sent once the end was asked for; nothing stays taken."""

    async def main(clock):
        it = office(clock)
        it.stop.request(STOPPED)
        with pytest.raises(TurnedAway):
            await send(it, [])
        await it.gate.close()
        assert (it.ledger.out, it.gate.sent) == ({}, 0)

    run(main)


def test_an_open_breaker_turns_away_who_waits():
    """A pause that begins while calls wait at the gate holds for them too."""

    async def main(clock):
        it = office(clock)
        it.breaker.failed(Transient("rate_limited", retry_after=30))
        with pytest.raises(TurnedAway):
            await send(it, [])
        await it.gate.close()
        assert it.ledger.out == {}

    run(main)


def test_a_slow_pace_has_few_waiting_and_leases_little():
    """At one call a second one connection waits at the gate, and one slot is booked ahead."""

    async def main(clock):
        it, used = office(clock, per_second=1, step_ns=1_020_000_000), list[Any]()
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(send, it, used)
            await anyio.sleep(0.5)
            assert (len(used), len(it.ledger.out)) == (1, 2)

    run(main)


def test_no_more_than_the_room_hold_a_connection_open():
    """The others wait before they connect."""

    async def main(clock):
        it, inside = office(clock), []

        async def stand():
            async with it.gate.place():
                inside.append(1)
                await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            for _ in range(ROOM + 5):
                group.start_soon(stand)
            await anyio.sleep(1)
            assert len(inside) == ROOM
            group.cancel_scope.cancel()

    run(main)


def test_no_more_permits_are_leased_than_calls_may_come():
    """The last calls of a list do not take a whole lease."""

    async def main(clock):
        it = office(clock, demand=lambda: 3)
        await many(it, 3, [])
        assert sum(wanted for wanted, _ in it.ledger.taken) <= 5
        await it.gate.close()
        assert len(it.ledger.out) == 3

    run(main)


def test_permits_held_grow_with_the_pace_that_is_kept(monkeypatch):
    """A run that begins, or has a share of the pace only, holds few permits; one at full pace a lease at most."""

    async def main(clock):
        it, held = office(clock), list[int]()
        lease = it.ledger.lease

        def noted(wanted, units=1):
            leased = lease(wanted, units)
            held.append(len(it.ledger.out) - it.gate.sent)
            return leased

        monkeypatch.setattr(it.ledger, "lease", noted)
        await many(it, 150, [])
        assert (held[0], max(held)) == (1, LEASE)
        assert max(held[: len(held) // 2]) < LEASE
        await anyio.sleep(2)
        await send(it, [])
        assert it.ledger.taken[-1] == (1, 1)
        await it.gate.close()

    run(main)


def test_moments_of_sending_are_reported():
    """With the next lease, or at the end, the ledger knows when what a permit was for had been written."""

    async def main(clock):
        it, used = office(clock), list[Any]()
        await many(it, 200, used)
        assert len(it.ledger.used) > 170
        await it.gate.close()
        assert it.ledger.used.keys() == {permit.id for permit, _ in used}
        assert all(0 < it.ledger.used[permit.id] - now < 1_000 for permit, now in used)

    run(main)


def test_a_journal_that_fails_keeps_no_permit_secretly():
    """Permits that were to be given back when the disk failed are given back at the end."""

    async def main(clock):
        it = office(clock)
        await send(it, [])
        clock.pass_seconds(1)
        it.ledger.broken = True
        with pytest.raises(StorageError):
            await send(it, [])
        it.ledger.broken = False
        await it.gate.close()
        assert len(it.ledger.out) == 1

    run(main)


def test_a_call_of_several_units_takes_one_permit_of_as_many():
    """What such a call costs is known when it stands at the gate."""

    async def main(clock):
        it, used = office(clock), list[Any]()

        async def costly(units):
            async with it.gate.place(units) as place:
                await place.at_send()
                used.append((place.permit, clock.boot_ns()))

        async with anyio.create_task_group() as group:
            for units in (100, 37, 2):
                group.start_soon(costly, units)
        await it.gate.close()
        assert it.ledger.taken == [(1, 100), (1, 37), (1, 2)]
        assert it.ledger.out.keys() == {permit.id for permit, _ in used}
        assert all(0 <= now - permit.slot_ns <= TOLERANCE_NS for permit, now in used)

    run(main)


def test_calls_of_one_and_of_several_units_may_be_mixed():
    """Each has a permit of its own cost; what was leased ahead of a costly one is given back or used."""

    async def main(clock):
        it, used = office(clock), list[Any]()

        async def costly():
            async with it.gate.place(100) as place:
                await place.at_send()
                used.append((place.permit, clock.boot_ns()))

        async with anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(send, it, used)
                group.start_soon(costly)
        await it.gate.close()
        assert it.ledger.taken.count((1, 100)) == 60
        assert it.ledger.out.keys() == {permit.id for permit, _ in used}
        assert len(used) == 120

    run(main)


def test_a_call_that_the_allowance_does_not_hold_asks_for_the_end():
    """A batch for which too few units are left is not sent."""

    async def main(clock):
        it = office(clock, ceiling=0)
        with pytest.raises(TurnedAway):
            async with it.gate.place(100) as place:
                await place.at_send()
        assert it.cause.reason == "run_ceiling"

    run(main)


def test_a_pace_by_the_minute_may_be_below_one_a_second():
    """At ten calls a minute one is sent every six seconds."""

    async def main(clock):
        it, used = office(clock, per_second=1 / 6, step_ns=6_120_000_000), list[Any]()
        await many(it, 4, used)
        moments = [now for _, now in used]
        assert [round((b - a) / 1e9, 2) for a, b in itertools.pairwise(moments)] == [6.12] * 3

    run(main)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["send", "cancel", "block", "pause"]), st.floats(0, 0.2)), min_size=1, max_size=30
    )
)
def test_whatever_happens_each_permit_is_used_once_or_given_back(events):
    """Calls cancelled, turned away, late and sent: at the end the ledger holds the permits that were sent, no other."""

    async def main(clock):
        it, used = office(clock, disk_seconds=0.001), list[Any]()

        async def attempt(patience):
            with anyio.move_on_after(patience):
                try:
                    await send(it, used)
                except TurnedAway:
                    return

        async with anyio.create_task_group() as group:
            for event, seconds in events:
                match event:
                    case "send":
                        group.start_soon(attempt, 60)
                    case "cancel":
                        group.start_soon(attempt, seconds / 4)
                    case "block":
                        clock.pass_seconds(seconds)
                    case "pause":
                        it.breaker.failed(Transient("rate_limited", retry_after=1))
                        it.breaker.succeeded()
                await anyio.sleep(seconds / 8)
        await it.gate.close()
        ids = [permit.id for permit, _ in used]
        assert len(ids) == len(set(ids))
        assert it.ledger.out.keys() == set(ids)
        assert it.gate.most_in_a_second <= 100

    run(main)


def test_a_pace_that_is_shared_is_said():
    """Slots three steps apart mean that others use the key; slots that follow a hold-up do not."""

    async def main(clock):
        it = office(clock, step_ns=3 * STEP_NS)
        await many(it, 40, [])
        await it.gate.close()
        assert it.said == ["waiting for pace: other runs use the same key"]

    run(main)


@pytest.mark.parametrize(("ahead", "said"), [(0.3, []), (2.0, ["waiting for pace: other runs use the same key", None])])
def test_waiting_for_others_is_said(ahead, said):
    """A run that has to wait because others use the pace too says so, and when that is over."""

    async def main(clock):
        it, used = office(clock), list[Any]()
        it.ledger.book_for_others(ahead)
        await send(it, used)
        await anyio.sleep(5)
        await send(it, used)
        await it.gate.close()
        assert it.said == said

    run(main)
