"""Shares of the allowance where permits are leased: whoever asks, in the same transaction as the money."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.state.parts import Desk, desk

from kvk_enrich.shares import Share
from kvk_enrich.state.journal import Account
from kvk_enrich.state.ledger import ShareUse

SHARES = (Share("nightly", floor=Decimal("0.6")), Share("adhoc", ceiling=Decimal("0.2")))


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Desk]:
    """Return a journal with an account of 100 calls a month."""
    with desk(tmp_path, month=100) as opened:
        yield opened


def shared(it: Desk) -> Account:
    """Return the account with the shares of two jobs."""
    return replace(it.account, shares=SHARES)


def take(it: Desk, share: str | None, wanted: int = 100) -> tuple[int, str | None]:
    """Return how many permits a run of the job *share* gets, and what ended them."""
    run = it.journal.begin("job", it.account, ceiling=None, share=share, source="list.csv")
    lease = it.journal.lease(run, shared(it), wanted)
    return len(lease.permits), lease.refused


def test_no_job_takes_more_than_its_share(it: Desk):
    """The ceiling is that of the job over all its runs; floors are kept until their job comes."""
    assert take(it, "adhoc", 15) == (15, None)
    assert take(it, "adhoc") == (5, "share_ceiling")
    assert take(it, "adhoc") == (0, "share_ceiling")
    assert take(it, None) == (20, "share_ceiling")
    assert take(it, "nightly", 59) == (59, None)
    assert take(it, None) == (0, "share_ceiling")
    assert take(it, "nightly") == (1, "month_ceiling")
    assert it.used == 100
    uses = [ShareUse("kvk", "main", "2026-11", name, units) for name, units in (("adhoc", 20), ("nightly", 60))]
    assert it.journal.shares() == uses


def test_what_is_given_back_is_the_job_s_again(it: Desk):
    """Unused permits count against no share."""
    run = it.journal.begin("job", it.account, ceiling=None, share="adhoc", source="list.csv")
    permits = it.journal.lease(run, shared(it), 20).permits
    it.journal.give_back(permits[:8])
    assert take(it, "adhoc") == (8, "share_ceiling")


def test_the_run_s_own_ceiling_may_be_nearer(it: Desk):
    """The reason is that of what ended it."""
    run = it.journal.begin("job", it.account, ceiling=3, share="adhoc", source="list.csv")
    assert it.journal.lease(run, shared(it), 9).refused == "run_ceiling"


def test_a_month_has_shares_of_its_own(it: Desk):
    """In December all is as at the beginning; near the turn both months count."""
    it.clock.moment = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    assert take(it, "adhoc")[0] == 20
    it.clock.moment = datetime(2026, 11, 30, 22, 59, 30, tzinfo=UTC)
    assert take(it, None, 5)[0] == 5
    it.clock.moment += timedelta(days=1)
    assert take(it, "adhoc")[0] == 20
    assert [use[2:] for use in it.journal.shares()] == [("2026-12", "adhoc", 20), ("2026-11", "adhoc", 20)]


def test_runs_that_lease_at_the_same_time_share_one_ceiling(it: Desk):
    """The share is read and taken in one transaction."""
    runs = [it.journal.begin("job", it.account, ceiling=None, share="adhoc", source="list.csv") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        granted = [
            len(lease.permits)
            for lease in pool.map(lambda place: it.journal.lease(runs[place % 4], shared(it), 3), range(40))
        ]
    assert sum(granted) == 20
