"""How fast an allowance goes."""

from datetime import UTC, date, datetime

import pytest

from kvk_enrich import burndown

NOON_21 = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
"""20.5 days of November have passed in Amsterdam."""


@pytest.mark.parametrize(
    ("used", "allowance", "expected"),
    [
        (0, 100, None),
        (205, 300, None),
        (205, 299, date(2026, 11, 30)),
        (205, 210, date(2026, 11, 22)),
        (205, 206, date(2026, 11, 21)),
        (300, 300, date(2026, 11, 21)),
        (0, 0, date(2026, 11, 21)),
    ],
)
def test_the_day_on_which_an_allowance_ends(used: int, allowance: int, expected: date | None):
    """At ten a day; None where it lasts the month."""
    assert burndown.ends_on(used, allowance, NOON_21) == expected


def test_the_first_day_counts_as_a_whole_one():
    """A run in the first hour of a month says nothing about the rest of it."""
    assert burndown.ends_on(10, 300, datetime(2026, 10, 31, 23, 30, tzinfo=UTC)) == date(2026, 11, 30)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [(0, 49, None), (49, 50, 50), (50, 79, None), (0, 96, 95), (79, 81, 80), (95, 100, None), (5, 5, None)],
)
def test_a_warning_is_given_once(before: int, after: int, expected: int | None):
    """By the run that reaches it."""
    assert burndown.crossed(before, after, 100) == expected


def test_nothing_warns_where_nothing_is_allowed():
    """Half of nothing is not used."""
    assert burndown.reached(0, 0) is None
