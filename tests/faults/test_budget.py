"""What can go wrong with the money: 146 to 153."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests import here
from tests.faults.catalogue import Row, fault
from tests.faults.practised import MovedClock, User
from tests.harness import existing

from kvk_enrich.clock import SystemClock, month_of
from kvk_enrich.model import Secret
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import open_journal

FEW = existing(12)
MANY = existing(103)


def present() -> str:
    """Return the month it is."""
    return month_of(datetime.now(UTC))


@pytest.mark.parametrize(
    ("flags", "most"),
    [
        (["--max-calls", "0"], 0),
        (["--max-eur", "0.02"], 1),
        (["--max-calls", "99"], 99),
        (["--max-eur", "2.019999"], 100),
        (["--max-calls", "101"], 101),
    ],
    ids=["0", "1", "99", "100", "101"],
)
@fault(146, "The budget is smaller than the work", "Not a call more; the rest is deferred, with what to do", ends=4)
def test_small_budget(row: Row, user: User, flags: list[str], most: int):
    """The run stops at the call, and the register has seen no more."""
    done = user.run(user.has(MANY), *flags)
    assert done.returncode == row.ends
    assert user.asked().total() == user.used() == most
    assert user.record["rows"]["deferred"] == 103 - most
    assert "Run again with a higher ceiling." in done.stderr
    assert user.out.with_suffix(".failed.csv").read_text().count("run_ceiling") == 103 - most


@fault(
    147,
    "The month ends during a run",
    "Calls count in the month they are made in, each with its own allowance; budget shows both",
    ends=0,
)
def test_month_ends(row: Row, user: User):
    """What is left over is asked in the new month, by the same run or the next."""
    user.set(SOURCE_PRACTICE_WORKERS="2", SOURCE_PRACTICE_CALLS_PER_MONTH="30")
    clock, listed = MovedClock.at("2026-11-30T12:00:00+00:00"), user.has(existing(50))

    def pass_the_night() -> None:
        clock.wall += timedelta(hours=12)

    with user.when(20, pass_the_night):
        ends = user.flow(listed, clock).exit_code
    assert ends in {row.ends, 4}
    assert user.flow(listed, clock).exit_code == row.ends
    assert user.asked() == dict.fromkeys(existing(50), 1)
    units = user.ledger()
    assert units["2026-11"] <= 30
    assert units["2026-12"] <= 30
    assert units["2026-11"] + units["2026-12"] == 50


@fault(
    148,
    "The ledger is lost or damaged",
    "Lost: what was spent is known from its second copy. Damaged: the run ends and says what to do",
    ends=7,
)
def test_lost_ledger(row: Row, user: User):
    """Never does a month begin anew in silence."""
    listed = user.has(FEW[:5])
    assert user.run(listed).returncode == 0
    for part in user.home.glob("journal.sqlite*"):
        part.unlink()
    done = user.run(user.has(FEW[:6], "more.csv"))
    assert done.returncode == 0, done.stderr
    assert "The journal is not the one of this home" in done.stderr
    assert user.used() == user.asked().total() == 6
    (user.home / "journal.sqlite-wal").unlink(missing_ok=True)
    (user.home / "journal.sqlite").write_bytes(b"this is no journal" * 500)
    done = user.run(user.has(FEW, "still-more.csv"))
    assert done.returncode == row.ends
    assert "Restore it from a backup, or move it away" in done.stderr
    assert user.asked().total() == 6


@fault(
    149,
    "The same key is used on another machine, with a ledger of its own",
    "Ledgers are not merged: enter what was used elsewhere with budget adjust; it counts from then on",
    ends=4,
)
def test_used_elsewhere(row: Row, user: User):
    """Of a month of 100 calls, 95 were made elsewhere."""
    user.set(SOURCE_PRACTICE_CALLS_PER_MONTH="100")
    told = here.command(
        *("budget", "adjust", "95", "--reason", "the other machine", "--source", "practice", "--home", user.home)
    )
    assert told.returncode == 0, told.stderr
    done = user.run(user.has(FEW))
    assert done.returncode == row.ends
    assert user.asked().total() == 5
    assert user.used() == 100
    assert "calls" in done.stderr


@fault(
    150,
    "The ledger has more than the invoice",
    "budget adjust sets it right; reason and former figures stay among the runs",
)
def test_invoice_says_less(row: Row, user: User):
    """A correction is never silent, and not made while a run counts."""
    assert row.ends is None
    user.run(user.has(FEW[:6]))
    adjust: list[str | Path] = ["budget", "adjust", "4", "--eur", "0.08", "--source", "practice", "--home", user.home]
    assert here.command(*adjust, "--reason", " ").returncode == 2
    with closing(open_journal(open_home(user.home), SystemClock())) as journal:
        account = journal.account("practice", "x", Secret("y"), requests_per_second=1, allowance=1, micro_eur=0)
        run = journal.begin("job", account, ceiling=None, source="list.csv")
        assert here.command(*adjust, "--reason", "invoice 2026-11").returncode == 8
        journal.finish(run, "complete", b"{}")
    assert user.used() == 6
    assert here.command(*adjust, "--reason", "invoice 2026-11").returncode == 0
    assert user.used() == 4
    (line,) = [
        line
        for line in json.loads(here.command("runs", "list", "--json", "--home", user.home).stdout)
        if line["input"] == "invoice 2026-11"
    ]
    assert (line["record"]["from"]["units"], line["record"]["to"]["units"]) == (6, 4)
    assert (line["record"]["from"]["micro_eur"], line["record"]["to"]["micro_eur"]) == (120_000, 80_000)


@fault(151, "The price changes in the middle of a month", "Each call costs what it cost on its day", ends=0)
def test_new_price(row: Row, user: User):
    """The list of prices has dates; what was spent is not reckoned anew."""
    settings = user.folder / "settings.toml"
    old, new = '{from="2020-01-01", price_eur="0.02"}', f'{{from="{datetime.now(UTC):%Y-%m-%d}", price_eur="0.03"}}'
    for prices, numbers in ((old, FEW[:3]), (f"{old}, {new}", FEW[:5])):
        settings.write_text(f"[source.practice]\nprice_eur = [{prices}]\n")
        assert user.run(user.has(numbers), "--config", settings).returncode == row.ends
    assert user.record["cost_eur"] == "0.06"
    told = json.loads(here.command("budget", "--json", "--home", user.home).stdout)
    assert [line["calls_eur"] for line in told if line["units"]] == ["0.12"]


@fault(
    152,
    "A run dies with permits that it had taken",
    "They stay spent, as the calls may have been made; runs and the next run's end say how many are in doubt",
    ends=0,
)
def test_permits_of_the_dead(row: Row, user: User):
    """Rather a call too many in the ledger than one too few."""
    with closing(open_journal(open_home(user.home), SystemClock())) as journal:
        account = journal.account(
            f"practice@{user.server.url}",
            "default",
            Secret("practice-default"),
            requests_per_second=100,
            allowance=300_000,
            micro_eur=20_000,
        )
        dead = journal.begin("another job", account, ceiling=None, source="list.csv")
        journal.lease(dead, account, 7)
    done = user.run(user.has(FEW[:2]))
    assert done.returncode == row.ends
    assert "7 calls of a killed run may have been paid without an answer" in done.stderr
    assert user.used() == 7 + user.asked().total()
    (line,) = json.loads(here.command("runs", "list", "--json", "--home", user.home).stdout)[1:]
    assert (line["state"], line["in_doubt"]) == ("died", 7)


@pytest.mark.parametrize("amount", ["-1", "1e9", "NaN", "inf", "0.0000001", "ten"])
@fault(
    153, "--max-eur is negative, absurd or no amount", "Refused before anything is read, with what it must be", ends=2
)
def test_absurd_ceiling(row: Row, user: User, amount: str):
    """Nothing is made of it, not even a home."""
    done = user.run(user.has(FEW), f"--max-eur={amount}")
    assert done.returncode == row.ends
    assert "budget.max_eur" in done.stderr
    assert not user.home.exists()
    assert user.asked().total() == 0
