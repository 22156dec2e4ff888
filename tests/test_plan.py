"""The plan: pure, complete, in order, and never above a ceiling."""

from itertools import chain

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvk_enrich.plan import Allowance, Plan, Tariff, make_plan

PRICE = 20_000
TARIFFS = {
    "zoeken": Tariff("company"),
    "basisprofiel": Tariff("company", micro_eur=PRICE),
    "naamgeving": Tariff("company", micro_eur=PRICE),
    "vies": Tariff("vat"),
}
QUESTION = {"product": pl.String, "kind": pl.String, "number": pl.String}


def questions_of(pairs: list[tuple[str, str]]) -> pl.DataFrame:
    """Return *pairs* of product and number as open questions."""
    return pl.DataFrame([(product, "kvk", number) for product, number in pairs], schema=QUESTION, orient="row")


def listed(frame: pl.DataFrame) -> list[tuple[str, str]]:
    """Return product and number of each line of *frame*, in order."""
    return frame.select("product", "number").rows()


wishes = st.lists(
    st.tuples(st.sampled_from(list(TARIFFS)), st.integers(0, 60).map(lambda value: f"{value:08}")),
    max_size=40,
    unique=True,
)
ceilings = st.one_of(st.none(), st.integers(0, 50))


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[tuple[str, str]], Allowance, bool, dict[str, int], Plan]:
    """Return what was open and allowed, and the plan that was made of it."""
    pairs, offline = draw(wishes), draw(st.booleans())
    allowance = Allowance(draw(ceilings), draw(ceilings), draw(st.one_of(st.none(), st.integers(0, 50 * PRICE))))
    later = draw(st.dictionaries(st.sampled_from(list(TARIFFS)), st.integers(1, 30), max_size=3))
    made = make_plan(questions_of(pairs), later, TARIFFS, {"company": allowance, "vat": Allowance(9)}, offline=offline)
    return pairs, allowance, offline, later, made


@settings(max_examples=100)
@given(plans())
def test_every_question_is_in_exactly_one_frame_and_in_order(drawn):
    """Asked or left out, none twice, each frame in the order of the list."""
    pairs, *_, made = drawn
    frames = [listed(made.asks), listed(made.deferred)]
    assert sorted(chain(*frames)) == sorted(pairs)
    for frame in frames:
        assert frame == [pair for pair in pairs if pair in frame]
    assert made.deferred.columns == [*QUESTION, "reason"]


@settings(max_examples=100)
@given(plans())
def test_no_ceiling_is_passed_and_nothing_is_left_out_without_one(drawn):
    """Paid calls keep to the run's ceilings, all calls to the allowance; later ones are counted in."""
    _, allowance, offline, later, made = drawn
    counts = made.counts
    company = sum(count for product, count in counts.items() if TARIFFS[product].payer == "company")
    paid = sum(count for product, count in counts.items() if TARIFFS[product].micro_eur)
    assert allowance.units is None or company <= allowance.units
    assert allowance.calls is None or paid <= allowance.calls
    assert allowance.micro_eur is None or made.cost <= allowance.micro_eur
    assert counts.get("vies", 0) <= 9
    assert made.cost == paid * PRICE
    if offline:
        assert (made.asks.height, made.later) == (0, {})
        assert set(made.deferred["reason"]) <= {"offline"}
    elif allowance == Allowance():
        assert set(made.deferred["product"]) <= {"vies"}
        assert all(made.later[product] == count for product, count in later.items() if product != "vies")


def test_what_is_free_is_granted_before_what_is_paid():
    """It may show that the paid call need not be made."""
    pairs = [("basisprofiel", "00000001"), ("zoeken", "00000002"), ("zoeken", "00000003")]
    made = make_plan(questions_of(pairs), {}, TARIFFS, {"company": Allowance(2)})
    assert listed(made.asks) == pairs[1:]
    assert made.deferred.rows() == [("basisprofiel", "kvk", "00000001", "month_ceiling")]


@pytest.mark.parametrize(
    ("allowance", "reason"),
    [
        (Allowance(9, 1), "run_ceiling"),
        (Allowance(9, None, PRICE + 1), "run_ceiling"),
        (Allowance(1, 9), "month_ceiling"),
        (Allowance(1), "month_ceiling"),
        (Allowance(1, 1), "month_ceiling"),
        (Allowance(1, spent="day_ceiling"), "day_ceiling"),
    ],
)
def test_the_reason_names_the_ceiling_that_binds(allowance, reason):
    """The month where both would: a higher ceiling of the run would not help."""
    pairs = [("basisprofiel", "00000001"), ("naamgeving", "00000001")]
    made = make_plan(questions_of(pairs), {}, TARIFFS, {"company": allowance})
    assert listed(made.asks) == pairs[:1]
    assert made.deferred["reason"].to_list() == [reason]


def test_units_count_per_number():
    """A lookup of five tokens takes five of the allowance."""
    tariffs = {"enriched": Tariff("company", 5, 0, 100)}
    pairs = [("enriched", f"{number:08}") for number in range(5)]
    made = make_plan(questions_of(pairs), {"enriched": 9}, tariffs, {"company": Allowance(12)})
    assert listed(made.asks) == pairs[:2]
    assert made.later == {}


def test_each_product_takes_its_own_units():
    """What costs one token is not counted as what costs five, though neither has a price; the cheap ones go first."""
    tariffs = {"enriched": Tariff("company", 5, 0, 100), "validate-vat": Tariff("company")}
    pairs = [("enriched", "00000001"), *(("validate-vat", f"{number:08}") for number in range(10))]
    assert make_plan(questions_of(pairs), {}, tariffs, {"company": Allowance(15)}).deferred.is_empty()
    made = make_plan(questions_of(pairs), {}, tariffs, {"company": Allowance(14)})
    assert listed(made.deferred) == pairs[:1]


def test_a_ceiling_on_calls_counts_batches_of_each_product_apart() -> None:
    """Seventeen that fit one call take one of five; products without batches have the other four."""
    tariffs = {
        "lookup": Tariff("company", batch=100, unit="token"),
        "vestigingen": Tariff("company", batch=1, unit="token"),
    }
    pairs = [(product, f"{number:08}") for number in range(17) for product in tariffs]
    made = make_plan(questions_of(pairs), {}, tariffs, {"company": Allowance(calls=5, counts_free=True)})
    assert made.counts == {"lookup": 17, "vestigingen": 4}
