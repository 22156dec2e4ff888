"""What is asked first: what is not known, what has likely changed, what is old; and what lists say of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich import amounts, ranking

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OLDER: dict[str, pl.DataType] = {"product": pl.String(), "number": pl.String(), "fetched_at": pl.Datetime("us", "UTC")}
PRIORITY: dict[str, pl.DataType] = {"product": pl.String(), "number": pl.String(), "priority": pl.Float64()}


def order(
    numbers: list[str],
    days: dict[str, float],
    *,
    history: Sequence[tuple[str, str, float, int]] = (),
    priorities: dict[str, float] | None = None,
) -> list[str]:
    """Return *numbers* as they are asked; *days* is how old what is known of them is."""
    asked = pl.DataFrame({"product": "p", "kind": "kvk", "number": numbers})
    older = [("p", number, NOW - timedelta(days=age)) for number, age in days.items()]
    wanted = [("p", number, value) for number, value in (priorities or {}).items()]
    ordered = ranking.ordered(
        asked,
        pl.DataFrame(older, OLDER, orient="row"),
        pl.DataFrame(list(history), ranking.HISTORY, orient="row"),
        pl.DataFrame(wanted, PRIORITY, orient="row"),
        NOW,
    )
    assert ordered.columns == asked.columns
    return ordered["number"].to_list()


def test_what_is_not_known_comes_first_in_the_order_of_the_list():
    """Nothing is served to them but a gap."""
    assert order(["a", "b", "c", "d"], {"a": 100, "c": 400}) == ["b", "d", "c", "a"]


def test_without_a_past_the_oldest_come_first():
    """All are thought to change alike."""
    assert order(["a", "b", "c"], {"a": 10, "b": 30, "c": 20}) == ["b", "c", "a"]


def test_of_equals_the_order_stays():
    """Lists are asked from the top."""
    names = [f"{place}" for place in range(9)]
    assert order(names, dict.fromkeys(names, 5.0)) == names


def test_what_changes_often_is_asked_before_what_is_a_little_older():
    """Its own past counts."""
    past = [("lively", "BV", 2.0, 8), ("quiet", "BV", 2.0, 0)]
    assert order(["quiet", "lively"], {"quiet": 40, "lively": 30}, history=past) == ["lively", "quiet"]


def test_a_number_is_thought_to_be_as_its_like():
    """One look back says little: its group says more."""
    past = [(f"s{place}", "stichting", 3.0, 0) for place in range(50)]
    past += [(f"b{place}", "BV", 3.0, 6) for place in range(50)]
    past += [("a", "stichting", 0.1, 0), ("z", "BV", 0.1, 0)]
    rates = dict(ranking.rates(pl.DataFrame(past, ranking.HISTORY, orient="row")).iter_rows())
    assert rates["z"] > 5 * rates["a"]


def test_a_number_that_stands_in_the_past_twice_is_asked_once():
    """As two kinds of number, say."""
    past = [("a", "BV", 2.0, 8), ("a", "NV", 2.0, 0)]
    assert order(["a", "b"], {"a": 10, "b": 10}, history=past) == ["a", "b"]


def test_priorities_weigh():
    """Higher first, blank last, whatever the unit of the column."""
    names = ["blank", "low", "high"]
    for unit in (1, 1_000_000):
        wanted = {"low": 2.0 * unit, "high": 90.0 * unit}
        assert order(names, {}, priorities=wanted) == ["high", "low", "blank"]
        assert order(names, dict.fromkeys(names, 9.0), priorities=wanted)[0] == "high"


@given(st.lists(st.tuples(st.floats(1, 900), st.integers(0, 40), st.floats(0, 100)), min_size=2, max_size=40))
def test_nobody_waits_for_longer_than_half_the_calls_take_to_go_round(known: list[tuple[float, int, float]]):
    """However little it changes and matters: of the first 2 n are the n oldest."""
    names = [f"{place}" for place in range(len(known))]
    ages = {name: age for name, (age, _, _) in zip(names, known, strict=True)}
    past = [(name, "BV", 2.0, changes) for name, (_, changes, _) in zip(names, known, strict=True)]
    wanted = {name: priority for name, (*_, priority) in zip(names, known, strict=True)}
    asked = order(names, ages, history=past, priorities=wanted)
    assert sorted(asked) == sorted(names)
    for most in range(2, len(names) + 1, 2):
        oldest = sorted(ages.values(), reverse=True)[: most // 2]
        assert set(oldest) <= {ages[name] for name in asked[:most]}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["€ 1.234,50", "12", "€ 5,-", "-3,5"], [1234.5, 12, 5, -3.5]),
        (["1.234", "12", "1.234.567"], [1234, 12, 1_234_567]),
        (["1.5", "12", "0.123"], [1.5, 12, 0.123]),
        (["1,234.50", "7", "1,234"], [1234.5, 7, 1234]),
        (["EUR 12", "12 EUR", "12 %", "1 234,5", " 9 "], [12, 12, 12, 1234.5, 9]),
        (["hoog", "", "A12", "n.v.t.", "-", "12"], [None, None, None, None, None, 12]),
    ],
)
def test_amounts_are_read_as_their_column_writes_them(cells: list[str], expected: list[float | None]):
    """Dutch and English signs; what is no amount is blank."""
    assert amounts.parsed(pl.Series(cells)).to_list() == expected


def test_columns_of_numbers_are_taken_as_they_are():
    """Great ones, small ones, and none."""
    assert amounts.parsed(pl.Series([1e16, 0.5, float("nan"), None])).to_list() == [1e16, 0.5, None, None]
    assert amounts.parsed(pl.Series([7, -2])).to_list() == [7.0, -2.0]
