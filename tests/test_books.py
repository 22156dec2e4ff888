"""What is told afterwards: runs, and the ledger per account and month."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.state.parts import HandClock, child, said

from kvk_enrich.books import ledger, past_runs
from kvk_enrich.config import Settings
from kvk_enrich.config import read as settings_of
from kvk_enrich.model import Secret
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import open_journal

NOON_21 = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
"""Twelve o'clock in Amsterdam: 20.5 of November's 30 days have passed."""


def take(
    home: Path, register: str, account: str, calls: int, *, at: datetime = NOON_21, micro_eur: int = 20_000
) -> None:
    """Take *calls* permits on an account, and end the run."""
    with closing(open_journal(open_home(home), HandClock(at))) as journal:
        owner = journal.account(
            register,
            account,
            Secret(f"key of {account}"),
            requests_per_second=100,
            calls_per_month=10**6,
            micro_eur=micro_eur,
        )
        run = journal.begin("job", owner, ceiling=None, source="list.csv")
        journal.lease(run, owner, calls)
        journal.finish(run, "complete", b'{"schema": 1}')


def settings(home: Path, text: str = "") -> Settings:
    """Return the settings that the TOML *text* makes, for *home*."""
    file = home.parent / "settings.toml"
    file.write_text(text)
    return settings_of({"home": str(home)}, config_file=file, environ={})


def test_a_new_home_has_no_runs_and_no_ledger(tmp_path: Path):
    """Nothing done, nothing told."""
    assert past_runs(tmp_path / "home") == []
    assert ledger(settings(tmp_path / "home")) == []


def test_the_ledger_says_what_an_account_used_and_has_left(tmp_path: Path):
    """Calls, limit, money with the fee, and what the month will come to at this pace."""
    take(tmp_path / "home", "kvk", "crm", 1025)
    (line,) = ledger(settings(tmp_path / "home"), clock=HandClock(NOON_21))
    assert line._asdict() == {
        "month": "2026-11",
        "register": "kvk",
        "account": "crm",
        "calls": 1025,
        "limit": 300_000,
        "left": 298_975,
        "calls_eur": Decimal("20.50"),
        "fee_eur": Decimal("6.40"),
        "total_eur": Decimal("26.90"),
        "forecast_eur": Decimal("36.40"),
    }


def test_accounts_and_months_have_lines_of_their_own(tmp_path: Path):
    """Two keys and two months are four lines, newest month first; past months have no limit and no forecast."""
    home = tmp_path / "home"
    for account, calls in (("crm", 3), ("audit", 5)):
        take(home, "kvk", account, calls)
        take(home, "kvk", account, 2 * calls, at=NOON_21 - timedelta(days=31))
    lines = ledger(settings(home), clock=HandClock(NOON_21))
    assert [(line.month, line.account, line.calls, line.left, line.forecast_eur is None) for line in lines] == [
        ("2026-11", "audit", 5, 299_995, False),
        ("2026-11", "crm", 3, 299_997, False),
        ("2026-10", "audit", 10, None, True),
        ("2026-10", "crm", 6, None, True),
    ]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("[source.kvk]\ncalls_per_month = 500", 500),
        ("[budget]\ncalls_per_month = 400", 400),
        ("[source.kvk]\ncalls_per_month = 500\n[budget]\ncalls_per_month = 600", 500),
    ],
    ids=["source", "budget", "lower of both"],
)
def test_the_limit_is_the_configured_one(tmp_path: Path, text: str, limit: int):
    """The lower of the source's month and the budget's counts; less than nothing is never left."""
    take(tmp_path / "home", "kvk", "crm", 450)
    (line,) = ledger(settings(tmp_path / "home", text), clock=HandClock(NOON_21))
    assert (line.limit, line.left) == (limit, max(0, limit - 450))


def test_another_address_of_a_register_has_that_register_s_limit(tmp_path: Path):
    """A register under an address of its own is still told by its section's settings."""
    take(tmp_path / "home", "kvk@http://127.0.0.1:8000/api", "crm", 1)
    (line,) = ledger(settings(tmp_path / "home", "[source.kvk]\ncalls_per_month = 77"), clock=HandClock(NOON_21))
    assert line.limit == 77


def test_the_price_is_that_of_the_day_of_the_call(tmp_path: Path):
    """Calls made at different prices add up to what they cost then."""
    take(tmp_path / "home", "kvk", "crm", 10, micro_eur=19_000)
    take(tmp_path / "home", "kvk", "crm", 10, micro_eur=20_000)
    (line,) = ledger(settings(tmp_path / "home"), clock=HandClock(NOON_21))
    assert line.calls_eur == Decimal("0.39")


@pytest.mark.parametrize(
    ("now", "forecast"),
    [
        ("2026-10-31T23:30:00+00:00", "306.40"),
        ("2026-11-01T22:59:00+00:00", "306.40"),
        ("2026-11-15T23:00:00+00:00", "26.40"),
        ("2026-11-30T22:59:59+00:00", "16.40"),
    ],
)
def test_the_forecast_counts_the_days_of_amsterdam(tmp_path: Path, now: str, forecast: str):
    """The first day counts as a whole one, the last as nearly all of the month."""
    moment = datetime.fromisoformat(now)
    take(tmp_path / "home", "kvk", "crm", 500, at=moment)
    (line,) = ledger(settings(tmp_path / "home"), clock=HandClock(moment))
    assert line.month == "2026-11"
    assert line.forecast_eur == Decimal(forecast)


def test_past_runs_come_newest_first_with_their_records(tmp_path: Path):
    """Runs are listed with state, calls and record; one is found by its id, an unknown one is not."""
    home = tmp_path / "home"
    take(home, "kvk", "crm", 2)
    take(home, "kvk", "crm", 3, at=NOON_21 + timedelta(hours=1))
    newer, older = past_runs(home)
    assert [(run.state, run.calls, run.record) for run in (newer, older)] == [
        ("complete", 3, {"schema": 1}),
        ("complete", 2, {"schema": 1}),
    ]
    assert past_runs(home, older.id) == [older]
    assert past_runs(home, "nothing-like-it") == []


LIVING = """
import sys
from pathlib import Path
from tests.state.parts import desk
with desk(Path(sys.argv[1])) as it:
    it.journal.lease(it.run, it.account, 4)
    print(it.run, flush=True)
    sys.stdin.readline()
"""


def test_a_run_whose_process_died_is_told_as_such(tmp_path: Path):
    """A live run is running; killed, it died, and its calls are in doubt."""
    home = tmp_path / "home"
    with child(LIVING, home) as process:
        run = said(process)
        assert [(line.id, line.state) for line in past_runs(home)] == [(run, "running")]
    assert [(line.id, line.state, line.in_doubt) for line in past_runs(home)] == [(run, "died", 4)]
