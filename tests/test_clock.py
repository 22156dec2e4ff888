"""Time: months as they are billed, a boot clock that all processes share."""

import time
from datetime import UTC, datetime, timedelta, timezone
from datetime import time as time_of_day

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.clock import SystemClock, coming, month_of


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        ("2026-11-30T23:30:00+00:00", "2026-12"),
        ("2026-11-30T22:59:59.999999+00:00", "2026-11"),
        ("2026-12-31T23:00:00+00:00", "2027-01"),
        ("2026-03-29T01:30:00+00:00", "2026-03"),
        ("2026-06-30T21:59:59+00:00", "2026-06"),
        ("2026-06-30T22:00:00+00:00", "2026-07"),
        ("2026-10-25T00:59:59+00:00", "2026-10"),
        ("2028-02-29T23:00:00+00:00", "2028-03"),
        ("2026-12-01T00:30:00+14:00", "2026-11"),
    ],
)
def test_months_are_those_of_amsterdam(moment: str, month: str):
    """A month begins at midnight in Amsterdam: 23:00 UTC in winter, 22:00 in summer."""
    assert month_of(datetime.fromisoformat(moment)) == month


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001 - made aware below
def test_the_month_does_not_depend_on_the_zone_of_the_moment(naive: datetime, hours: int):
    """The same moment written in another zone is the same month."""
    moment = naive.replace(tzinfo=UTC)
    assert month_of(moment.astimezone(timezone(timedelta(hours=hours)))) == month_of(moment)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(0, 86_400))  # noqa: DTZ001 - made aware below
def test_months_never_go_back(naive: datetime, seconds: int):
    """Later is never an earlier month, the doubled hour of October included."""
    moment = naive.replace(tzinfo=UTC)
    assert month_of(moment) <= month_of(moment + timedelta(seconds=seconds))


def test_the_wall_clock_is_aware_and_in_utc():
    """The wall clock carries its zone."""
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_the_boot_clock_goes_on():
    """The boot clock counts nanoseconds and never goes back."""
    clock = SystemClock()
    first = clock.boot_ns()
    time.sleep(0.002)
    assert 2_000_000 <= clock.boot_ns() - first < 60_000_000_000


def test_a_boot_has_one_id():
    """Every process of this boot reads the same id, without white space."""
    first, second = SystemClock().boot_id(), SystemClock().boot_id()
    assert first == second == first.strip() != ""


@pytest.mark.parametrize(
    ("now", "at", "expected"),
    [
        ("2026-11-21T02:00+00:00", "06:00", "2026-11-21T05:00+00:00"),
        ("2026-11-20T22:00+00:00", "06:00", "2026-11-21T05:00+00:00"),  # across midnight
        ("2026-11-21T05:00+00:00", "06:00", "2026-11-22T05:00+00:00"),  # the very moment is over
        ("2026-10-24T21:00+00:00", "06:00", "2026-10-25T05:00+00:00"),  # clocks go back: an hour more
        ("2027-03-27T22:00+00:00", "06:00", "2027-03-28T04:00+00:00"),  # forward: an hour less
        ("2027-03-27T22:00+00:00", "02:30", "2027-03-28T01:30+00:00"),  # there is no half past two
        ("2026-10-25T00:00+00:00", "02:30", "2026-10-25T00:30+00:00"),  # the first of two
        ("2026-10-25T00:45+00:00", "02:30", "2026-10-25T01:30+00:00"),  # the second
    ],
)
def test_the_next_time_of_day_is_one_of_amsterdam(now, at, expected):
    """Across midnight, and in the nights when clocks are changed."""
    moment = coming(time_of_day.fromisoformat(at), datetime.fromisoformat(now))
    assert moment == datetime.fromisoformat(expected)
