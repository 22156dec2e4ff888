from datetime import UTC, datetime

from kvk_enrich.practice.tokens import TokenAccount

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = 1_000_000_000


def test_no_more_than_the_rate_in_any_sliding_minute():
    """Who waits as long as told comes in; who knocks meanwhile loses nothing by it."""
    account = TokenAccount(100, 2)

    waits = [account.seconds_to_wait(at * SECOND, 1) for at in (0, 30, 40, 50, 59, 60, 61, 90)]

    assert waits == [0, 0, 20, 10, 1, 0, 29, 0]


def test_a_request_may_count_for_many():
    """All of its places are free, or it takes none."""
    account = TokenAccount(100, 10)

    assert [account.seconds_to_wait(0, many) for many in (8, 3, 2, 1)] == [0, 60, 0, 60]
    assert account.requests_left == 0


def test_a_request_that_never_fits_has_to_wait_all_the_same():
    """No division by nothing when the minute is empty."""
    assert TokenAccount(100, 10).seconds_to_wait(0, 11) == 1


def test_tokens_begin_anew_each_month_in_amsterdam():
    """What was left of the old month is gone."""
    account = TokenAccount(50, 10)

    account.spend(45, NOON)
    account.spend(-5, NOON)

    assert (account.spent(NOON), account.left(NOON)) == (40, 10)
    december = datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert (account.spent(december), account.left(december)) == (0, 50)
    account.spend(5, december)
    assert account.left(december) == 45
