"""The plan: pure, complete, in order, and never above a ceiling."""

from itertools import chain

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvk_enrich.plan import KEY, Allowance, Plan, make_plan

PRICE = 20_000
NUMBERS = {"kind": pl.String, "number": pl.String}
FRESH = NUMBERS | {"status": pl.String}


def numbers_of(names: list[str]) -> pl.DataFrame:
    """Return *names* as KVK numbers."""
    return pl.DataFrame({"kind": ["kvk"] * len(names), "number": names}, schema=NUMBERS)


def fresh_of(names: list[str]) -> pl.DataFrame:
    """Return *names* as found and fresh."""
    return numbers_of(names).with_columns(status=pl.lit("found")).select(*FRESH)


def listed(frame: pl.DataFrame) -> list[str]:
    """Return the numbers of *frame*, in order."""
    return frame["number"].to_list()


digits = st.lists(st.integers(0, 60).map(lambda value: f"{value:08}"), max_size=40, unique=True)
ceilings = st.one_of(st.none(), st.integers(0, 50))


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[str], set[str], Allowance, int | None, bool, Plan]:
    """Return what was asked for, and the plan that was made of it."""
    names, cached = draw(digits), draw(digits)
    allowance = Allowance(draw(ceilings), draw(ceilings))
    sample, offline = draw(st.one_of(st.none(), st.integers(0, 50))), draw(st.booleans())
    made = make_plan(numbers_of(names), fresh_of(cached), allowance, price=PRICE, sample=sample, offline=offline)
    return names, set(cached), allowance, sample, offline, made


@settings(max_examples=60)
@given(plans())
def test_every_number_is_in_exactly_one_frame_and_in_order(drawn):
    """Hits, asks and deferred are disjoint, together all numbers, each in first-seen order."""
    names, *_, made = drawn
    frames = [listed(made.hits), listed(made.asks), listed(made.deferred)]
    assert sorted(chain(*frames)) == sorted(names)
    assert made.distinct == len(names)
    for frame in frames[:2]:
        assert frame == [name for name in names if name in frame]
    assert (made.hits.columns, made.asks.columns, made.deferred.columns) == ([*KEY, "status"], KEY, [*KEY, "reason"])


@settings(max_examples=60)
@given(plans())
def test_no_plan_goes_over_a_ceiling(drawn):
    """Asks are at most what the run and the month allow, and as many as they allow."""
    names, cached, allowance, sample, offline, made = drawn
    chosen = names if sample is None else names[:sample]
    missing = [name for name in chosen if name not in cached]
    limits = [limit for limit in (allowance.run, allowance.month) if limit is not None]
    expected = 0 if offline else min([len(missing), *limits])
    assert listed(made.asks) == missing[:expected]
    assert made.cost == expected * PRICE


@settings(max_examples=60)
@given(plans())
def test_every_deferred_number_has_its_reason(drawn):
    """Outside the sample, offline, or beyond the ceiling that binds first: each is told apart."""
    names, _, allowance, sample, offline, made = drawn
    beyond = set(names[sample:]) if sample is not None else set()
    run_first = allowance.run is not None and (allowance.month is None or allowance.run < allowance.month)
    ceiling = "offline" if offline else "run_ceiling" if run_first else "month_ceiling"
    reasons = dict(made.deferred.select("number", "reason").iter_rows())
    assert reasons == {name: "not_sampled" if name in beyond else ceiling for name in listed(made.deferred)}


@settings(max_examples=50)
@given(plans())
def test_planning_again_after_the_answers_asks_nothing_new(drawn):
    """What was asked and answered is a hit the next time, and is not asked again."""
    names, cached, *_, made = drawn
    again = make_plan(numbers_of(names), fresh_of(sorted(cached | set(listed(made.asks)))), Allowance(), price=PRICE)
    assert not set(listed(again.asks)) & set(listed(made.asks))
    full = make_plan(numbers_of(names), fresh_of(names), Allowance(run=0), price=PRICE)
    assert (listed(full.hits), len(full.asks), len(full.deferred), full.cost) == (names, 0, 0, 0)


@settings(max_examples=50)
@given(digits, digits, st.integers(1, 12))
def test_a_list_is_finished_in_as_many_runs_as_its_ceiling_needs(names: list[str], cached: list[str], ceiling: int):
    """Run after run with a ceiling asks every number once."""
    known, asked = list(cached), []
    for _ in range(len(names) // ceiling + 1):
        made = make_plan(numbers_of(names), fresh_of(known), Allowance(run=ceiling), price=PRICE)
        asked += listed(made.asks)
        known += listed(made.asks)
    assert asked == [name for name in names if name not in cached]


def test_kinds_are_told_apart():
    """The same digits of another kind are another number."""
    numbers = pl.DataFrame({"kind": ["kvk", "rsin"], "number": ["1", "1"]}, schema=NUMBERS)
    made = make_plan(numbers, fresh_of(["1"]), Allowance(), price=PRICE)
    assert made.asks.rows() == [("rsin", "1")]


def test_order_is_kept_at_size():
    """Order does not get lost where joins are done in parallel."""
    names = [f"{(place * 7919) % 200_003:08}" for place in range(200_000)]
    made = make_plan(numbers_of(names), fresh_of(names[::3]), Allowance(run=100_000), price=PRICE)
    assert listed(made.hits) == names[::3]
    missing = [name for place, name in enumerate(names) if place % 3]
    assert (listed(made.asks), listed(made.deferred)) == (missing[:100_000], missing[100_000:])


@pytest.mark.parametrize(
    ("run", "month", "reason"),
    [
        (5, 9, "run_ceiling"),
        (9, 5, "month_ceiling"),
        (5, 5, "month_ceiling"),
        (5, None, "run_ceiling"),
        (None, 5, "month_ceiling"),
    ],
)
def test_the_ceiling_that_binds_first_is_named(run: int | None, month: int | None, reason: str):
    """With both in reach the lower one is the reason; the journal's leases say the same."""
    assert Allowance(run, month).reason == reason
