"""Slots: as many calls in a window as it may hold, whoever sends, however late, and whatever is never reported."""

import shutil
from collections import deque
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.state.parts import Desk, account_of, desk

from kvk_enrich.model import Permit, Secret
from kvk_enrich.pace import SECOND_NS, TOLERANCE_NS, Pace
from kvk_enrich.state.journal import open_journal

PACE = Pace.of(100)


def slots(permits: tuple[Permit, ...]) -> list[int]:
    """Return the moments of *permits*."""
    return [permit.slot_ns for permit in permits]


def taken(it: Desk, count: int) -> list[int]:
    """Lease *count* slots, use each at its moment and report it."""
    permits = it.journal.lease(it.run, it.account, count).permits
    it.journal.sent(it.account, ((permit, permit.slot_ns) for permit in permits))
    return slots(permits)


# -- the even schedule --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rps", "places", "step"),
    [
        (100, 99, 10_200_000),
        (50, 50, 20_400_000),
        (1, 1, 1_020_000_000),
        (5, 5, 204_000_000),
        (2.5, 2, 408_000_000),
        (150, 75, 6_800_000),
        (5_000, 99, 204_000),
    ],
)
def test_a_window_holds_a_second_s_calls_in_a_little_more(rps: float, places: int, step: int):
    """The window is two per cent longer than the limit asks; its calls follow at 1.02 / requests_per_second."""
    pace = Pace.of(rps)
    assert (pace.places, pace.step_ns) == (places, step)
    assert pace.window_ns == places * step > places / rps * SECOND_NS


@pytest.mark.parametrize(("rps", "step"), [(100, PACE.step_ns), (50, 20_400_000), (5, 204_000_000)])
def test_slots_are_spread_evenly(tmp_path: Path, rps: int, step: int):
    """An account that was idle begins at once and without a crowd, also from lease to lease."""
    with desk(tmp_path, rps=rps) as it:
        assert taken(it, 3) + taken(it, 2) == [it.clock.ns + place * step for place in range(5)]


def test_slots_are_never_in_the_past(opened: Desk):
    """Time that passed unused is not made good for: after a pause the schedule begins anew."""
    taken(opened, 2)
    opened.clock.ns += 60 * SECOND_NS
    assert taken(opened, 2) == [opened.clock.ns, opened.clock.ns + PACE.step_ns]


def test_two_journals_share_one_schedule(opened: Desk):
    """Two runs of one account hand out different moments."""
    other = open_journal(opened.home, opened.clock)
    run = other.begin("other", account_of(other), ceiling=None, source="other.csv")
    both = []
    for _ in range(5):
        both += slots(opened.journal.lease(opened.run, opened.account, 3).permits)
        both += slots(other.lease(run, account_of(other), 2).permits)
    other.close()
    assert [after - before for before, after in pairwise(both)] == [PACE.step_ns] * 24


def test_accounts_have_schedules_of_their_own(opened: Desk):
    """Two keys are two paces: neither waits for the other."""
    second = account_of(opened.journal, "second", Secret("another-key"))
    opened.journal.lease(opened.run, opened.account, 50)
    assert slots(opened.journal.lease(opened.run, second, 1).permits) == [opened.clock.ns]


def test_a_refused_lease_moves_no_slot(tmp_path: Path):
    """Asking in vain books no moments."""
    with desk(tmp_path, month=1) as it:
        it.journal.lease(it.run, it.account, 1)
        it.journal.lease(it.run, it.account, 9)
        raised = account_of(it.journal, month=9)
        assert slots(it.journal.lease(it.run, raised, 1).permits) == [it.clock.ns + PACE.step_ns]


# -- a place is taken again a window after it was used ------------------------------------------


def test_a_late_call_delays_its_own_successor(tmp_path: Path):
    """What was sent late holds its place for a window from then; the others are not delayed."""
    with desk(tmp_path, rps=4) as it:
        pace = Pace.of(4)
        permits = it.journal.lease(it.run, it.account, 4).permits
        late = 40_000_000
        it.journal.sent(it.account, [(permits[0], permits[0].slot_ns + late), *((p, p.slot_ns) for p in permits[1:])])
        first, *others = taken(it, 4)
        assert first == permits[0].slot_ns + late + pace.window_ns
        assert others == [permit.slot_ns + pace.window_ns for permit in permits[1:]]


def test_calls_follow_closer_for_a_while_after_a_hold_up(opened: Desk):
    """Slots that fell behind their schedule follow at a quarter of the step, never closer, until it is made good."""
    permits = opened.journal.lease(opened.run, opened.account, 100).permits
    held_up = permits[40].slot_ns
    opened.journal.sent(opened.account, ((permit, max(permit.slot_ns, held_up)) for permit in permits))
    gaps = [after - before for before, after in pairwise(taken(opened, 100))]
    assert min(gaps) == PACE.closest_ns
    assert gaps[:40] == [PACE.closest_ns] * 40


def test_what_was_not_reported_may_have_been_sent_at_the_last_moment(tmp_path: Path):
    """A call of which nothing is known holds its place as if it had been sent as late as it may be."""
    with desk(tmp_path, rps=4) as it:
        first = slots(it.journal.lease(it.run, it.account, 4).permits)
        assert slots(it.journal.lease(it.run, it.account, 1).permits) == [
            first[0] + TOLERANCE_NS + Pace.of(4).window_ns
        ]


def test_a_report_that_comes_too_late_changes_nothing(tmp_path: Path):
    """When the place has gone to another call already, the one before it no longer matters."""
    with desk(tmp_path, rps=1) as it:
        (first,) = it.journal.lease(it.run, it.account, 1).permits
        (second,) = it.journal.lease(it.run, it.account, 1).permits
        it.journal.sent(it.account, [(first, first.slot_ns)])
        (third,) = it.journal.lease(it.run, it.account, 1).permits
        assert third.slot_ns == second.slot_ns + TOLERANCE_NS + Pace.of(1).window_ns


def test_slots_given_back_are_lost_but_not_their_places(tmp_path: Path):
    """A call that was not sent leaves its place to another, at a later moment and without a window's wait."""
    with desk(tmp_path, rps=4) as it:
        permits = it.journal.lease(it.run, it.account, 4).permits
        it.journal.give_back(permits)
        again = taken(it, 4)
        assert min(again) > max(slots(permits))
        assert max(again) < min(slots(permits)) + 2 * Pace.of(4).window_ns


def test_a_lower_limit_counts_what_was_sent_under_the_higher(tmp_path: Path):
    """A run with a slower pace on the same account looks at the last calls, whoever sent them."""
    with desk(tmp_path, rps=10) as it:
        before = taken(it, 10)
        slower = account_of(it.journal, rps=3)
        assert slots(it.journal.lease(it.run, slower, 1).permits) == [before[-3] + Pace.of(3).window_ns]
        assert it.journal.lease(it.run, it.account, 1).permits[0].slot_ns > before[-3] + Pace.of(3).window_ns


# -- boots --------------------------------------------------------------------------------------


def test_after_a_boot_a_window_is_left_free(opened: Desk):
    """What the machine sent before it went down is not known."""
    opened.clock.ns = 900 * SECOND_NS
    taken(opened, 100)
    opened.clock.boot, opened.clock.ns = "boot-2", 40 * SECOND_NS
    first = 40 * SECOND_NS + PACE.window_ns
    assert taken(opened, 1) + taken(opened, 1) == [first, first + PACE.step_ns]


def test_a_boot_without_an_id_is_noticed(opened: Desk):
    """Where boots have no id, a clock that went back does not make a run wait for days."""
    opened.clock.ns = 5 * 86_400 * SECOND_NS
    taken(opened, 5)
    opened.clock.ns = 40 * SECOND_NS
    assert taken(opened, 1) == [40 * SECOND_NS + PACE.window_ns]


# -- whatever happens ---------------------------------------------------------------------------


class Sender:
    """One process: it holds permits, sends late or never, reports when it likes, is stopped for a while or killed."""

    def __init__(self, it: Desk) -> None:
        self._it = it
        self._run = it.begin()
        self._held = deque[Permit]()
        self._used: list[tuple[Permit, int]] = []
        self._goes_on_ns = 0

    @property
    def is_stopped(self) -> bool:
        return self._it.clock.ns < self._goes_on_ns

    def do(self, deed: str, amount: int) -> None:
        """Do what a process may do; one that is stopped can only be killed."""
        match deed:
            case "kill":
                self.be_killed()
            case "stop":
                self._goes_on_ns = self._it.clock.ns + amount * SECOND_NS // 4
            case "lease" if not self.is_stopped:
                self.lease(amount)
            case "report" if not self.is_stopped:
                self.report()
            case "give back" if not self.is_stopped:
                self.give_back()

    def lease(self, count: int) -> None:
        self._held.extend(self._it.journal.lease(self._run, self._it.account, count).permits)

    def send(self) -> list[int]:
        """Use what is due; what is too late is given back."""
        now, moments = self._it.clock.ns, []
        while not self.is_stopped and self._held and self._held[0].slot_ns <= now:
            permit = self._held.popleft()
            if now <= permit.slot_ns + TOLERANCE_NS:
                self._used.append((permit, now))
                moments.append(now)
            else:
                self._it.journal.give_back([permit])
        return moments

    def report(self) -> None:
        self._it.journal.sent(self._it.account, self._used)
        self._used = []

    def give_back(self) -> None:
        self._it.journal.give_back(self._held)
        self._held.clear()

    def be_killed(self) -> None:
        """Nobody will ever know what was sent since the last report; another process starts in its place."""
        self._held.clear()
        self._used, self._goes_on_ns = [], 0
        self._run = self._it.begin()


DEEDS = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["lease", "lease", "lease", "report", "give back", "kill", "stop", "stall", "boot"]),
    st.integers(1, 8),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(DEEDS, min_size=5, max_size=120), st.integers(1, 12))
def test_no_window_holds_more_than_it_may(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[int, str, int]], rps: int
):
    """Three processes, stopped, killed, late with reports; stalls and boots: the sends in any window are few enough."""
    root = tmp_path_factory.mktemp("home")
    sends, earlier_boots_ns = list[int](), 0
    with desk(root, rps=rps) as it:
        senders = [Sender(it) for _ in range(3)]
        for place, deed, amount in deeds:
            if deed == "stall":
                it.clock.ns += amount * 37_000_000
            elif deed == "boot":
                earlier_boots_ns += it.clock.ns - amount
                it.clock.boot, it.clock.ns = f"boot after {len(sends)} calls", amount
                for each in senders:
                    each.be_killed()
            else:
                senders[place].do(deed, amount)
            for _ in range(20):
                it.clock.ns += 5_000_000
                sends += [earlier_boots_ns + moment for each in senders for moment in each.send()]
    shutil.rmtree(root)
    pace = Pace.of(rps)
    assert all(later - first >= pace.window_ns for first, later in zip(sends, sends[pace.places :], strict=False))
