"""What is told afterwards: runs, and the ledger per account and month."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.state.parts import HandClock, child, said

from kvk_enrich import telling
from kvk_enrich.books import JobUse, adjust, ledger, past_runs
from kvk_enrich.config import Settings
from kvk_enrich.config import load_settings as settings_of
from kvk_enrich.errors import ConfigError, StateInUse
from kvk_enrich.model import Secret
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import open_journal
from kvk_enrich.state.ledger import Period

NOON_21 = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
"""Twelve o'clock in Amsterdam: 20.5 of November's 30 days have passed."""


def take(
    home: Path,
    register: str,
    account: str,
    calls: int,
    *,
    at: datetime = NOON_21,
    micro_eur: int = 20_000,
    units: int = 1,
    period: Period = "month",
    share: str | None = None,
) -> None:
    """Take permits for *calls* of so many *units* on an account, and end the run."""
    with closing(open_journal(open_home(home), HandClock(at))) as journal:
        owner = journal.account(
            register,
            account,
            Secret(f"key of {account}"),
            requests_per_second=100,
            allowance=10**6,
            period=period,
            micro_eur=micro_eur,
        )
        run = journal.begin("job", owner, ceiling=None, share=share, source="list.csv")
        journal.lease(run, owner, calls, units)
        journal.finish(run, "complete", b'{"schema": 1}')


def check_vat(home: Path, calls: int, *, at: datetime = NOON_21, register: str = "vies") -> None:
    """Make *calls* to VIES: free, and counted by the day."""
    take(home, register, "default", calls, at=at, micro_eur=0, period="day")


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
        "period": "2026-11",
        "register": "kvk",
        "account": "crm",
        "units": 1025,
        "limit": 300_000,
        "left": 298_975,
        "calls_eur": Decimal("20.50"),
        "fee_eur": Decimal("6.40"),
        "total_eur": Decimal("26.90"),
        "forecast_eur": Decimal("36.40"),
        "per_day": Decimal("50.0"),
        "ends_on": None,
        "warning": None,
        "jobs": (),
    }


def test_the_ledger_burns_down(tmp_path: Path):
    """At this pace the allowance ends before the month does; the warnings that were passed are told."""
    home = tmp_path / "home"
    take(home, "kvk", "crm", 1025)
    take(home, "kvk", "crm", 7, at=NOON_21 - timedelta(days=31))
    check_vat(home, 9)
    lines = ledger(settings(home, "[budget]\ncalls_per_month = 1190"), clock=HandClock(NOON_21))
    assert [(line.register, line.ends_on, line.warning) for line in lines] == [
        ("vies", None, None),
        ("kvk", date(2026, 11, 24), 80),
        ("kvk", None, None),
    ]
    told = telling.ledger(lines)
    assert told[-2:] == [
        "kvk (crm): 86 % of 1,190 used, 50.0 a day, so that it ends on 2026-11-24",
        "  80 % or more of the month's allowance is used",
    ]


def test_the_ledger_tells_what_each_job_used_of_its_share(tmp_path: Path):
    """Those that used some, and those that may; in past months without the shares of today."""
    home = tmp_path / "home"
    for at in (NOON_21, NOON_21 - timedelta(days=31)):
        take(home, "kvk", "crm", 30, at=at, share="nightly")
    text = (
        "[source.kvk]\ncalls_per_month = 100\n[budget.share.nightly]\nfloor = 0.6\n[budget.share.adhoc]\nceiling = 0.2"
    )
    lines = ledger(settings(home, text), clock=HandClock(NOON_21))
    assert [line.jobs for line in lines] == [
        (JobUse("adhoc", 0, 0, 20), JobUse("nightly", 30, 60, 100)),
        (JobUse("nightly", 30),),
    ]
    assert "  job nightly: 30 used (kept for it 60, at most 100)" in telling.ledger(lines)


def test_accounts_and_months_have_lines_of_their_own(tmp_path: Path):
    """Two keys and two months are four lines, newest month first; past months have no limit and no forecast."""
    home = tmp_path / "home"
    for account, calls in (("crm", 3), ("audit", 5)):
        take(home, "kvk", account, calls)
        take(home, "kvk", account, 2 * calls, at=NOON_21 - timedelta(days=31))
    lines = ledger(settings(home), clock=HandClock(NOON_21))
    assert [(line.period, line.account, line.units, line.left, line.forecast_eur is None) for line in lines] == [
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


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("", 5_000),
        ("[source.kvkbase]\ntokens_per_month = 500", 500),
        ("[source.kvkbase]\ntokens_per_month = 500\n[budget]\ncalls_per_month = 400", 400),
    ],
    ids=["default", "source", "lower of both"],
)
def test_kvkbase_is_counted_in_tokens(tmp_path: Path, text: str, limit: int):
    """A batch of sixty enriched lookups takes three hundred tokens; what is left of the month is tokens too."""
    take(tmp_path / "home", "kvkbase", "default", 1, units=300, micro_eur=0)
    take(tmp_path / "home", "kvkbase", "default", 3, units=5, micro_eur=0)
    (line,) = ledger(settings(tmp_path / "home", text), clock=HandClock(NOON_21))
    assert (line.period, line.units, line.limit, line.left) == ("2026-11", 315, limit, limit - 315)


def test_tokens_have_the_price_that_was_set_for_one(tmp_path: Path):
    """Five tokens cost five times as much, and the fee is kvkbase's own."""
    take(tmp_path / "home", "kvkbase", "default", 1, units=5, micro_eur=10_000)
    text = '[source.kvkbase]\nmonthly_fee_eur = "49"'
    (line,) = ledger(settings(tmp_path / "home", text), clock=HandClock(NOON_21))
    assert (line.calls_eur, line.fee_eur, line.total_eur) == (Decimal("0.05"), Decimal(49), Decimal("49.05"))


@pytest.mark.parametrize("register", ["vies", "practice-vies", "vies@http://127.0.0.1:8000/vies"])
def test_vies_is_counted_by_the_day(tmp_path: Path, register: str):
    """Today has its limit and what is left; the days before are added up to months, which have neither."""
    home = tmp_path / "home"
    for days, calls in ((0, 7), (1, 5), (2, 3), (20, 2), (21, 11), (52, 13)):
        check_vat(home, calls, at=NOON_21 - timedelta(days=days), register=register)
    lines = ledger(settings(home, "[source.vies]\ncalls_per_day = 100"), clock=HandClock(NOON_21))
    assert [(line.period, line.units, line.limit, line.left) for line in lines] == [
        ("2026-11-21", 7, 100, 93),
        ("2026-11", 10, None, None),
        ("2026-10", 11, None, None),
        ("2026-09", 13, None, None),
    ]
    assert {line.register for line in lines} == {register}
    assert {line.total_eur for line in lines} == {Decimal(0)}


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-11-20T22:59:00+00:00", [("2026-11-21", 0, 30_000), ("2026-11", 9, None)]),
        ("2026-11-20T23:01:00+00:00", [("2026-11-21", 9, 29_991)]),
    ],
    ids=["yesterday", "today"],
)
def test_a_day_is_one_of_amsterdam(tmp_path: Path, at: str, told: list[tuple[str, int, int | None]]):
    """It begins at midnight there, and begins with the whole limit."""
    check_vat(tmp_path / "home", 9, at=datetime.fromisoformat(at))
    lines = ledger(settings(tmp_path / "home"), clock=HandClock(NOON_21))
    assert [(line.period, line.units, line.left) for line in lines] == told


def test_what_a_day_had_too_much_is_not_left(tmp_path: Path):
    """A limit that was lowered during the day leaves nothing, not less."""
    check_vat(tmp_path / "home", 9)
    (line,) = ledger(settings(tmp_path / "home", "[source.vies]\ncalls_per_day = 5"), clock=HandClock(NOON_21))
    assert (line.units, line.limit, line.left) == (9, 5, 0)


def test_every_service_has_its_lines(tmp_path: Path):
    """Days stand before the month they are of; within a period registers and accounts are in order."""
    home = tmp_path / "home"
    for days in (0, 1):
        check_vat(home, 2, at=NOON_21 - timedelta(days=days))
    take(home, "kvkbase", "default", 1, units=5, micro_eur=0)
    for account in ("main", "crm"):
        take(home, "kvk", account, 3)
    lines = ledger(settings(home), clock=HandClock(NOON_21))
    assert [(line.period, line.register, line.account, line.units) for line in lines] == [
        ("2026-11-21", "vies", "default", 2),
        ("2026-11", "kvk", "crm", 3),
        ("2026-11", "kvk", "main", 3),
        ("2026-11", "kvkbase", "default", 5),
        ("2026-11", "vies", "default", 2),
    ]


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
        ("2026-11-30T22:58:00+00:00", "16.40"),
    ],
)
def test_the_forecast_counts_the_days_of_amsterdam(tmp_path: Path, now: str, forecast: str):
    """The first day counts as a whole one, the last as nearly all of the month."""
    moment = datetime.fromisoformat(now)
    take(tmp_path / "home", "kvk", "crm", 500, at=moment)
    (line,) = ledger(settings(tmp_path / "home"), clock=HandClock(moment))
    assert line.period == "2026-11"
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


def test_the_ledger_is_corrected_by_hand(tmp_path: Path):
    """Units and money are what was said; the calls that come on top count as ever."""
    home = tmp_path / "home"
    take(home, "kvk", "default", 10)
    adjusted = adjust(settings(home), 4, "invoice", spent=Decimal("0.07"), clock=HandClock(NOON_21))
    assert [(use.units, use.micro_eur) for use in adjusted] == [(10, 200_000), (4, 70_000)]
    take(home, "kvk", "default", 2)
    (line,) = ledger(settings(home), clock=HandClock(NOON_21))
    assert (line.units, line.calls_eur) == (6, Decimal("0.11"))
    assert "invoice" in [run.input for run in past_runs(home)]


def test_a_past_month_is_corrected_without_its_money(tmp_path: Path):
    """Money stays as it was counted unless it is said; a new home takes an opening figure."""
    home = tmp_path / "home"
    adjusted = adjust(settings(home), 9, "made elsewhere", month="2026-10", clock=HandClock(NOON_21))
    assert (adjusted.before.units, adjusted.after.units, adjusted.after.micro_eur) == (0, 9, 0)
    assert [(line.period, line.units) for line in ledger(settings(home), clock=HandClock(NOON_21))] == [
        ("2026-11", 0),
        ("2026-10", 9),
    ]


@pytest.mark.parametrize(
    ("why", "month", "named"),
    [(" ", None, "--reason"), ("x", "2026-12", "--month"), ("x", "2026-13", "--month"), ("x", "now", "--month")],
)
def test_a_correction_needs_a_reason_and_a_month_that_has_begun(
    tmp_path: Path, why: str, month: str | None, named: str
):
    """What is wrong is told by its flag, and nothing is changed."""
    with pytest.raises(ConfigError, match=named):
        adjust(settings(tmp_path / "home"), 1, why, month=month, clock=HandClock(NOON_21))
    assert past_runs(tmp_path / "home") == []


def test_nothing_is_corrected_under_a_run(tmp_path: Path):
    """It has taken units that it may yet give back."""
    home = tmp_path / "home"
    with child(LIVING, home) as process:
        said(process)
        with pytest.raises(StateInUse, match="under way"):
            adjust(settings(home), 1, "invoice", clock=HandClock(NOON_21))
