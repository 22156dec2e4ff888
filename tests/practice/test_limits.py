from datetime import UTC, datetime

from kvk_enrich.practice.limits import Allowance, Excess

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MS = 1_000_000


def test_no_more_than_the_rate_in_any_sliding_second():
    """A second that began within the last one counts, down to the nanosecond."""
    allowance = Allowance(2, 100)

    answers = [allowance.take(at, NOON) for at in (0, 900 * MS, 999 * MS, 1_899_999_999, 2_900 * MS)]

    assert answers == [None, None, Excess.RATE, Excess.RATE, None]


def test_a_call_exactly_one_second_later_is_in_time():
    """The window is a second, its first moment not included."""
    allowance = Allowance(1, 100)

    assert [allowance.take(at, NOON) for at in (0, 1_000 * MS)] == [None, None]


def test_who_keeps_knocking_stays_out():
    """Refused calls are arrivals too."""
    allowance = Allowance(1, 100)

    answers = [allowance.take(at * 900 * MS, NOON) for at in range(5)]

    assert answers == [None] + [Excess.RATE] * 4


def test_the_month_runs_out_and_begins_anew_in_amsterdam():
    """The new month begins at midnight there, an hour (in winter) before UTC; refused calls take nothing."""
    allowance = Allowance(10, 2)
    moments = [
        datetime(2026, 11, 30, 12, tzinfo=UTC),
        datetime(2026, 11, 30, 13, tzinfo=UTC),
        datetime(2026, 11, 30, 22, 59, tzinfo=UTC),
        datetime(2026, 11, 30, 23, 0, tzinfo=UTC),
    ]

    answers = [allowance.take(hour * 3_600 * 1_000 * MS, moment) for hour, moment in enumerate(moments)]

    assert answers == [None, None, Excess.QUOTA, None]
