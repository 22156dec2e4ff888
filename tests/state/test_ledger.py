"""Accounts that count in units of their own, ceilings of runs that use several, and what registers tell themselves."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.state.parts import NOON, Desk, child, desk, failure, found, said, settlement

from kvk_enrich.model import Attempt, Permit, Secret
from kvk_enrich.state.journal import Account, MonthUse, Settlement

NIGHT = datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC)
"""One second before December in Amsterdam."""


def tokens(it: Desk, *, month: int = 5_000, micro_eur: int = 4_000) -> Account:
    """Enter an account that is counted in tokens, at five calls a second."""
    return it.journal.account(
        "kvkbase", "main", Secret("tokens"), requests_per_second=5, allowance=month, micro_eur=micro_eur
    )


def daily(it: Desk, *, day: int = 10) -> Account:
    """Enter a free account that is counted by the day, at one call in six seconds."""
    return it.journal.account(
        "vies", "main", Secret(""), requests_per_second=1 / 6, allowance=day, period="day", micro_eur=0
    )


def free(it: Desk) -> Account:
    """Return the account of the desk for its free products."""
    return replace(it.account, micro_eur=0)


def use(it: Desk, register: str) -> list[tuple[str, int, int]]:
    """Return period, units and money of a register's account."""
    return [line[2:] for line in it.journal.ledger() if line.register == register]


# -- units and periods --------------------------------------------------------------------------


def test_a_call_costs_its_units(opened: Desk):
    """A batch of a hundred numbers at five tokens each is five hundred units, at the price of a unit each."""
    account = tokens(opened)
    opened.journal.lease(opened.run, account, 1, 500)
    opened.journal.lease(opened.run, account, 2)
    assert use(opened, "kvkbase") == [("2026-11", 502, 2_008_000)]


def test_an_allowance_that_does_not_hold_a_call_grants_none(opened: Desk):
    """Fewer units than the call costs are left for cheaper ones."""
    account = tokens(opened, month=250)
    lease = opened.journal.lease(opened.run, account, 9, 100)
    assert (len(lease.permits), lease.refused) == (2, "month_ceiling")
    assert opened.journal.lease(opened.run, account, 1, 100).refused == "month_ceiling"
    assert len(opened.journal.lease(opened.run, account, 60).permits) == 50


def test_units_come_back_with_their_permit(opened: Desk):
    """A call of a hundred units that was not sent frees a hundred."""
    account = tokens(opened)
    first, second = opened.journal.lease(opened.run, account, 2, 100).permits
    opened.journal.give_back([first])
    opened.journal.settle(opened.run, account, [failure(second, "12345678")])
    opened.journal.give_back([second])
    assert use(opened, "kvkbase") == [("2026-11", 100, 400_000)]


def test_days_are_those_of_amsterdam(opened: Desk):
    """An account by the day begins anew at midnight in Amsterdam, and says so when the day is used up."""
    account = replace(daily(opened), requests_per_second=100)
    opened.clock.moment = NIGHT
    lease = opened.journal.lease(opened.run, account, 11)
    assert (len(lease.permits), lease.refused) == (10, "day_ceiling")
    opened.clock.moment += timedelta(seconds=1)
    assert len(opened.journal.lease(opened.run, account, 3).permits) == 3
    assert use(opened, "vies") == [("2026-12-01", 3, 0), ("2026-11-30", 10, 0)]
    assert opened.journal.used("vies", "main", account.period_of(NIGHT)) == 10


def test_unused_accounts_are_told_for_the_present_period(opened: Desk):
    """The ledger has a line for each account, of its day or its month."""
    tokens(opened)
    daily(opened)
    assert opened.journal.ledger() == [
        MonthUse("vies", "main", "2026-11-21", 0, 0),
        MonthUse("kvk", "main", "2026-11", 0, 0),
        MonthUse("kvkbase", "main", "2026-11", 0, 0),
    ]


@pytest.mark.parametrize(("per_second", "step"), [(5, 204_000_000), (1 / 6, 6_120_000_000)])
def test_a_pace_by_the_minute_is_a_share_of_a_second(opened: Desk, per_second: float, step: int):
    """Three hundred or ten a minute are spread over the minute."""
    account = replace(tokens(opened), requests_per_second=per_second)
    slots = []
    for _ in range(3):
        (permit,) = opened.journal.lease(opened.run, account, 1).permits
        opened.journal.sent(account, [(permit, permit.slot_ns)])
        slots.append(permit.slot_ns)
    assert [after - before for before, after in pairwise(slots)] == [step, step]


# -- several accounts, one run ------------------------------------------------------------------


def test_free_products_share_pace_and_allowance(opened: Desk):
    """A search of the same key takes the next slot and a unit of the month, and no money."""
    (paid,) = opened.journal.lease(opened.run, opened.account, 1).permits
    (search,) = opened.journal.lease(opened.run, free(opened), 1).permits
    assert search.slot_ns > paid.slot_ns
    opened.journal.settle(opened.run, free(opened), [settlement(search, found("12345678"))])
    assert use(opened, "kvk") == [("2026-11", 2, 20_000)]


def test_a_ceiling_of_calls_is_for_those_that_are_paid(opened: Desk):
    """Free calls and those to others do not count, and are made when the ceiling is reached."""
    run = opened.begin(ceiling=2)
    vies = daily(opened)
    for account in (free(opened), vies):
        assert len(opened.journal.lease(run, account, 5).permits) == 5
    lease = opened.journal.lease(run, opened.account, 5)
    assert (len(lease.permits), lease.refused) == (2, "run_ceiling")
    for account in (free(opened), vies):
        assert len(opened.journal.lease(run, account, 5).permits) == 5
    opened.journal.give_back(lease.permits[:1])
    assert len(opened.journal.lease(run, opened.account, 5).permits) == 1
    assert opened.journal.runs(run)[0][5:7] == (22, 40_000)


def test_a_ceiling_of_calls_holds_where_nothing_has_a_price(opened: Desk):
    """At a register that is free all calls to it count."""
    run = opened.journal.begin("job", free(opened), ceiling=2, source="list.csv")
    assert len(opened.journal.lease(run, free(opened), 5).permits) == 2
    assert len(opened.journal.lease(run, daily(opened), 5).permits) == 5


def test_a_ceiling_of_money_is_for_all_that_costs(opened: Desk):
    """Money is counted over all accounts, to the last call that fits; free calls are not money."""
    run = opened.begin(ceiling_micro_eur=100_000)
    assert len(opened.journal.lease(run, opened.account, 3).permits) == 3
    base = tokens(opened)
    lease = opened.journal.lease(run, base, 9, 5)
    assert (len(lease.permits), lease.refused) == (2, "run_ceiling")
    assert opened.journal.lease(run, opened.account, 1).refused == "run_ceiling"
    assert len(opened.journal.lease(run, free(opened), 5).permits) == 5
    opened.journal.give_back(lease.permits)
    assert len(opened.journal.lease(run, opened.account, 9).permits) == 2
    assert opened.journal.runs(run)[0].micro_eur == 100_000


@pytest.mark.parametrize(("calls", "micro_eur", "granted"), [(3, 50_000, 2), (3, 70_000, 3), (None, 19_999, 0)])
def test_the_nearer_of_both_ceilings_holds(opened: Desk, calls: int | None, micro_eur: int, granted: int):
    """A run may have a ceiling of calls and one of money."""
    run = opened.begin(ceiling=calls, ceiling_micro_eur=micro_eur)
    lease = opened.journal.lease(run, opened.account, 9)
    assert (len(lease.permits), lease.refused) == (granted, "run_ceiling")


DYING = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.state.parts import desk
from tests.state.test_ledger import daily, tokens
with desk(Path(sys.argv[1])) as it:
    it.journal.lease(it.run, it.account, 3)
    it.journal.lease(it.run, replace(it.account, micro_eur=0), 5)
    it.journal.lease(it.run, daily(it), 7)
    it.journal.lease(it.run, tokens(it), 2, 100)
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_what_a_killed_run_held_is_spent_with_its_units(opened: Desk):
    """Only calls that may have been paid are in doubt; units stay taken in every account."""
    with child(DYING, opened.home.root) as process:
        assert said(process) == "ready"
    assert opened.journal.sweep() == 17
    assert opened.journal.doubtful(opened.account) == 3
    assert [use(opened, name)[0][1] for name in ("kvk", "vies", "kvkbase")] == [8, 7, 200]
    (died,) = (line for line in opened.journal.runs() if line.state == "died")
    assert (died.calls, died.micro_eur, died.in_doubt) == (17, 860_000, 17)


def test_a_run_beside_it_does_not_tell_of_a_killed_one(opened: Desk):
    """What is in doubt is told by a run that begins when the death is known, whoever ends before."""
    with child(DYING, opened.home.root) as process:
        assert said(process) == "ready"
        beside = opened.begin()
    opened.clock.moment += timedelta(minutes=1)
    opened.journal.sweep()
    opened.journal.finish(beside, "complete", b"{}")
    assert opened.journal.doubtful(opened.account) == 3
    opened.journal.finish(opened.begin(), "complete", b"{}")
    assert opened.journal.doubtful(opened.account) == 0


# -- calls for several numbers ------------------------------------------------------------------


def test_a_call_for_several_numbers_is_one_call(opened: Desk):
    """Its answers are kept, and the numbers it brought none for have been tried once."""
    account = tokens(opened)
    (permit,) = opened.journal.lease(opened.run, account, 1, 4).permits
    attempt = Attempt(permit, NOON, 0.5, 200, None)
    answers = [found("10000001"), None, found("10000003"), None]
    opened.journal.settle(
        opened.run,
        account,
        [Settlement(attempt, "basic", "kvk", f"{10000001 + place}", answer) for place, answer in enumerate(answers)],
    )
    assert [answer.number for answer in opened.journal.answers(after=0, most=9)] == ["10000001", "10000003"]
    assert opened.journal.tries(opened.run) == [("10000002", 1, NOON), ("10000004", 1, NOON)]
    assert opened.journal.runs(opened.run)[0][5:8] == (1, 16_000, 0)


def test_a_failed_call_for_several_numbers_is_a_try_for_each(opened: Desk):
    """Each of them has been tried as often as the call was made."""
    account = tokens(opened)
    for permit in opened.journal.lease(opened.run, account, 2, 2).permits:
        made = failure(permit, "10000001")
        opened.journal.settle(opened.run, account, [made, replace(made, number="10000002")])
    assert opened.journal.tries(opened.run) == [("10000001", 2, NOON), ("10000002", 2, NOON)]


# -- what the register tells --------------------------------------------------------------------


def test_a_register_is_believed_when_it_has_less(opened: Desk):
    """What others used of the same key counts, and no money of ours."""
    account = tokens(opened, month=1_000)
    opened.journal.lease(opened.run, account, 1, 100)
    opened.journal.correct(account, 400)
    assert use(opened, "kvkbase") == [("2026-11", 600, 400_000)]
    lease = opened.journal.lease(opened.run, account, 9, 100)
    assert (len(lease.permits), lease.refused) == (4, "month_ceiling")


@pytest.mark.parametrize("left", [900, 950, 5_000])
def test_a_register_is_not_believed_when_it_has_more(opened: Desk, left: int):
    """Calls under way are not in its count."""
    account = tokens(opened, month=1_000)
    opened.journal.lease(opened.run, account, 1, 100)
    opened.journal.correct(account, left)
    assert use(opened, "kvkbase") == [("2026-11", 100, 400_000)]


def test_what_was_told_outlasts_what_is_given_back(opened: Desk):
    """Permits given back do not bring more than the register has."""
    account = tokens(opened, month=1_000)
    permits = opened.journal.lease(opened.run, account, 2, 100).permits
    opened.journal.correct(account, 850)
    opened.journal.give_back(permits)
    assert use(opened, "kvkbase") == [("2026-11", 150, 0)]


def test_what_is_told_late_is_of_the_month_it_was_asked_in(opened: Desk):
    """The last answer of November uses up no December."""
    account = tokens(opened, month=1_000)
    opened.clock.moment = NIGHT + timedelta(minutes=3)
    opened.journal.correct(account, 0, at=NIGHT - timedelta(minutes=1))
    assert use(opened, "kvkbase") == [("2026-12", 0, 0), ("2026-11", 1_000, 0)]


# -- the turn of a month ------------------------------------------------------------------------

MIDNIGHT = NIGHT + timedelta(seconds=1)


@pytest.mark.parametrize("seconds", [-59, -0.1, 0.1, 59])
def test_calls_at_the_turn_count_against_both_months(opened: Desk, seconds: float):
    """Nobody knows by whose clock it is December; the money is spent once."""
    opened.clock.moment = MIDNIGHT + timedelta(seconds=seconds)
    opened.journal.lease(opened.run, opened.account, 3)
    money = [60_000, 0] if seconds > 0 else [0, 60_000]
    assert use(opened, "kvk") == [("2026-12", 3, money[0]), ("2026-11", 3, money[1])]
    assert opened.journal.runs(opened.run)[0][5:7] == (3, 60_000)


def test_a_permit_belongs_where_its_slot_lies(opened: Desk):
    """Taken a minute and a moment before midnight, used within the minute: it counts for both."""
    account = replace(tokens(opened), requests_per_second=1)
    opened.clock.moment = MIDNIGHT - timedelta(seconds=61.5)
    opened.journal.lease(opened.run, account, 3)
    assert use(opened, "kvkbase") == [("2026-12", 1, 0), ("2026-11", 3, 12_000)]


def test_before_the_turn_both_months_must_have_room(opened: Desk):
    """What may arrive in December must fit there."""
    account = tokens(opened, month=5)
    opened.clock.moment = MIDNIGHT + timedelta(days=1)
    assert len(opened.journal.lease(opened.run, account, 4).permits) == 4
    opened.clock.moment = MIDNIGHT - timedelta(seconds=1)  # somebody set the clock back
    lease = opened.journal.lease(opened.run, account, 4)
    assert (len(lease.permits), lease.refused) == (1, "month_ceiling")


def test_after_the_turn_a_month_that_was_used_up_holds_up_nothing(opened: Desk):
    """The job of the first of the month, at midnight sharp, is done."""
    account = tokens(opened, month=5)
    assert len(opened.journal.lease(opened.run, account, 5).permits) == 5
    opened.clock.moment = MIDNIGHT
    assert len(opened.journal.lease(opened.run, account, 5).permits) == 5


@pytest.mark.parametrize("seconds", [-30, 0, 30])
def test_at_the_turn_a_register_is_not_believed(opened: Desk, seconds: float):
    """That nothing is left of November must not use up December."""
    account = tokens(opened, month=1_000)
    opened.journal.correct(account, 0, at=MIDNIGHT + timedelta(seconds=seconds))
    assert use(opened, "kvkbase") == [("2026-11", 0, 0)]


EVENTS = st.one_of(
    st.tuples(st.just("lease"), st.integers(0, 3), st.integers(1, 4), st.integers(1, 7)),
    st.tuples(st.just("give back"), st.integers(0, 3), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("correct"), st.integers(0, 3), st.integers(0, 200), st.just(0)),
)


@settings(max_examples=60)
@given(st.lists(EVENTS, max_size=25))
def test_ledger_run_and_permits_always_agree(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int, int, int]]
):
    """Whatever is leased, given back and told: no ceiling is passed, and what is counted are the permits out."""
    root = tmp_path_factory.mktemp("home")
    with desk(root, month=120) as it:
        run = it.begin(ceiling=12, ceiling_micro_eur=400_000)
        accounts = [it.account, free(it), tokens(it, month=60), daily(it, day=9)]
        out = dict[Permit, tuple[Account, int]]()
        told = dict.fromkeys((account.id for account in accounts), 0)
        for event, place, first, second in events:
            account = accounts[place]
            match event:
                case "lease":
                    out |= dict.fromkeys(it.journal.lease(run, account, first, second).permits, (account, second))
                case "give back":
                    back = [permit for permit, (owner, _) in out.items() if owner == account][:first]
                    it.journal.give_back(back)
                    out = {permit: taken for permit, taken in out.items() if permit not in back}
                case "correct":
                    it.journal.correct(account, first)
                    told[account.id] = max(told[account.id], account.allowance - first)
            (line,) = it.journal.runs(run)
            assert line.calls == len(out)
            assert line.micro_eur == sum(owner.micro_eur * units for owner, units in out.values()) <= 400_000
            assert sum(owner == it.account for owner, _ in out.values()) <= 12
            for each in accounts:
                held = sum(units for owner, units in out.values() if owner.id == each.id)
                (used, *_) = [line.units for line in it.journal.ledger() if line.register == each.register]
                assert max(held, told[each.id]) <= used <= each.allowance
    shutil.rmtree(root)
