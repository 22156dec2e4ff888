"""The journal: money, moments, answers, claims and runs, over threads, processes and kills."""

import secrets
import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from tests.state.parts import (
    KEY,
    NOON,
    Desk,
    HandClock,
    account_of,
    as_nobody,
    child,
    desk,
    failure,
    found,
    modes,
    not_found,
    said,
    settlement,
)

from kvk_enrich.errors import ConfigError, StateTooNew, StorageError
from kvk_enrich.model import NotFound, Permit, Secret
from kvk_enrich.pace import Pace
from kvk_enrich.state.home import Home, open_home
from kvk_enrich.state.journal import Journal, MonthUse, open_journal

# -- money --------------------------------------------------------------------------------------


def test_a_lease_counts_against_the_month(opened: Desk):
    """Permits count from the moment they are taken, before anything is sent."""
    opened.journal.lease(opened.run, opened.account, 16)
    assert opened.used == 16


def test_the_ledger_has_calls_and_money(opened: Desk):
    """The ledger says calls and micro-euro per account and month."""
    opened.journal.lease(opened.run, opened.account, 3)
    assert opened.journal.ledger() == [MonthUse("kvk", "main", "2026-11", 3, 60_000)]


def test_the_month_ends_within_a_lease(tmp_path: Path):
    """A lease grants what is left of the month, and says what ended it."""
    with desk(tmp_path, month=5) as it:
        first, second = it.journal.lease(it.run, it.account, 8), it.journal.lease(it.run, it.account, 8)
    assert (len(first.permits), first.refused) == (5, "month_ceiling")
    assert (len(second.permits), second.refused) == (0, "month_ceiling")


def test_the_run_s_ceiling_ends_within_a_lease(opened: Desk):
    """A lease grants what the run's ceiling leaves, whatever the month has left."""
    run = opened.begin(ceiling=3)
    lease = opened.journal.lease(run, opened.account, 8)
    assert (len(lease.permits), lease.refused) == (3, "run_ceiling")
    assert opened.journal.lease(run, opened.account, 1).refused == "run_ceiling"


def test_a_full_grant_gives_no_reason(tmp_path: Path):
    """Exactly what is left is granted without a refusal; the next lease has one."""
    with desk(tmp_path, month=4) as it:
        assert it.journal.lease(it.run, it.account, 4).refused is None
        assert it.journal.lease(it.run, it.account, 1).refused == "month_ceiling"


def test_the_nearer_ceiling_is_named(tmp_path: Path):
    """With both ceilings in reach the month is named, unless the run's own comes first."""
    with desk(tmp_path, month=10) as it:
        assert it.journal.lease(it.begin(ceiling=2), it.account, 5).refused == "run_ceiling"
        assert it.journal.lease(it.begin(ceiling=8), it.account, 9).refused == "month_ceiling"
        assert it.journal.lease(it.begin(ceiling=50), it.account, 9).refused == "month_ceiling"


def test_a_run_s_ceiling_is_its_own(opened: Desk):
    """What one run took is not held against another's ceiling."""
    opened.journal.lease(opened.begin(ceiling=3), opened.account, 3)
    assert len(opened.journal.lease(opened.begin(ceiling=3), opened.account, 3).permits) == 3


def test_a_lowered_month_is_not_negative(tmp_path: Path):
    """A month set below what was used already grants nothing."""
    with desk(tmp_path) as it:
        it.journal.lease(it.run, it.account, 10)
        assert it.journal.lease(it.run, account_of(it.journal, month=4), 1).permits == ()


def test_permits_given_back_free_month_and_run(tmp_path: Path):
    """What was surely not sent is no call of the month and none of the run."""
    with desk(tmp_path, month=4) as it:
        run = it.begin(ceiling=4)
        it.journal.give_back(it.journal.lease(run, it.account, 4).permits)
        assert it.used == 0
        assert len(it.journal.lease(run, it.account, 4).permits) == 4


def test_permits_are_given_back_once(opened: Desk):
    """Giving back twice returns one unit, not two."""
    lease = opened.journal.lease(opened.run, opened.account, 2)
    opened.journal.give_back(lease.permits[:1])
    opened.journal.give_back(lease.permits[:1])
    opened.journal.give_back([Permit(999, 0)])
    assert opened.used == 1


@pytest.mark.parametrize("code", [None, "server_error"])
def test_a_settled_permit_is_not_given_back(opened: Desk, code: str | None):
    """A call that was sent stays counted, answered or not."""
    (permit,) = opened.journal.lease(opened.run, opened.account, 1).permits
    made = settlement(permit, found("12345678")) if code is None else failure(permit, "12345678", code=code)
    opened.journal.settle(opened.run, opened.account, [made])
    opened.journal.give_back([permit])
    assert opened.used == 1


def test_permits_go_back_to_their_own_month(opened: Desk):
    """A permit of November given back in December is a unit of November."""
    lease = opened.journal.lease(opened.run, opened.account, 2)
    opened.clock.moment = datetime(2026, 12, 1, 12, tzinfo=UTC)
    opened.journal.lease(opened.run, opened.account, 1)
    opened.journal.give_back(lease.permits)
    assert [(use.period, use.units) for use in opened.journal.ledger()] == [("2026-12", 1), ("2026-11", 0)]


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        ("2026-11-30T22:58:59.999999Z", "2026-11"),
        ("2026-11-30T23:01:00Z", "2026-12"),
        ("2026-11-30T23:30:00Z", "2026-12"),
        ("2026-12-31T23:30:00Z", "2027-01"),
        ("2026-03-31T21:58:59Z", "2026-03"),
        ("2026-03-31T22:01:00Z", "2026-04"),
        ("2026-10-25T00:30:00Z", "2026-10"),
        ("2026-10-31T22:58:00Z", "2026-10"),
        ("2028-02-29T22:58:00Z", "2028-02"),
    ],
)
def test_months_are_those_of_amsterdam(tmp_path: Path, moment: str, month: str):
    """A call counts in the month that it is in Amsterdam, in winter and in summer time."""
    with desk(tmp_path, clock=HandClock(datetime.fromisoformat(moment))) as it:
        it.journal.lease(it.run, it.account, 1)
        assert [use.period for use in it.journal.ledger()] == [month]


def test_a_new_month_begins_anew(tmp_path: Path):
    """What November used up is no ceiling for December."""
    with desk(tmp_path, month=2) as it:
        it.journal.lease(it.run, it.account, 2)
        it.clock.moment = datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
        assert len(it.journal.lease(it.run, it.account, 2).permits) == 2


PACE = Pace.of(100)

LEASING = """
import sys
from pathlib import Path
from kvk_enrich.clock import SystemClock
from kvk_enrich.state.home import Home, open_home
from kvk_enrich.state.journal import open_journal
from tests.state.parts import account_of
journal = open_journal(open_home(Path(sys.argv[1])), SystemClock())
account = account_of(journal, month=int(sys.argv[2]))
run = journal.begin("job", account, ceiling=None, source="list.csv")
print("ready", flush=True)
sys.stdin.readline()
while permits := journal.lease(run, account, 7).permits:
    print(*(permit.slot_ns for permit in permits), flush=True)
print("end", flush=True)
"""


def test_three_processes_never_exceed_the_month_nor_share_a_slot(tmp_path: Path):
    """Three processes that open a new home and lease at once keep one ledger and one schedule."""
    with (
        child(LEASING, tmp_path / "home", 300) as one,
        child(LEASING, tmp_path / "home", 300) as two,
        child(LEASING, tmp_path / "home", 300) as three,
    ):
        processes = [one, two, three]
        assert [said(process) for process in processes] == ["ready"] * 3
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        taken = []
        for process in processes:
            while (line := said(process)) != "end":
                taken += [int(slot) for slot in line.split()]
    taken.sort()
    assert len(taken) == 300
    assert all(later - first >= PACE.window_ns for first, later in zip(taken, taken[PACE.places :], strict=False))
    assert min(after - before for before, after in pairwise(taken)) >= PACE.closest_ns
    journal = open_journal(open_home(tmp_path / "home"), HandClock())
    assert [use.units for use in journal.ledger()] == [300]
    journal.close()


# -- accounts -----------------------------------------------------------------------------------


def test_one_key_is_one_account(opened: Desk):
    """The same key under another name is refused, and the message names the account that has it."""
    with pytest.raises(ConfigError, match="'main'"):
        account_of(opened.journal, "crm")


def test_another_register_may_know_the_same_key(opened: Desk):
    """The key of a test register says nothing about the account of another."""
    other = opened.journal.account(
        "kvk@http://127.0.0.1/api", "crm", KEY, requests_per_second=1, allowance=1, micro_eur=0
    )
    assert other.id != opened.account.id


def test_a_rotated_key_keeps_its_ledger(opened: Desk):
    """A new key under the old name goes on with the month of the old one."""
    opened.journal.lease(opened.run, opened.account, 7)
    again = account_of(opened.journal, "main", Secret("new-key"))
    assert (again.id, opened.used) == (opened.account.id, 7)


def test_rotating_onto_another_account_s_key_is_refused(opened: Desk):
    """An account cannot take over the key of another."""
    account_of(opened.journal, "crm", Secret("second-key"))
    with pytest.raises(ConfigError, match="'crm'"):
        account_of(opened.journal, "main", Secret("second-key"))


def test_a_run_without_a_key_leaves_the_account_as_it_is(opened: Desk):
    """An empty key is nobody's: it is refused nowhere, and the known key stays known."""
    account_of(opened.journal, "main", Secret(""))
    account_of(opened.journal, "crm", Secret(""))
    with pytest.raises(ConfigError):
        account_of(opened.journal, "crm")


def test_the_key_is_in_no_file(opened: Desk):
    """Neither the key nor its plain hash is anywhere below the home folder."""
    opened.answer(found("12345678"))
    opened.journal.mark_absorbed(0, keep=timedelta(days=1))
    files = [path for path in opened.home.root.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not any(KEY.reveal().encode() in path.read_bytes() for path in files)


# -- answers ------------------------------------------------------------------------------------


def test_settled_answers_are_read_back_as_received(opened: Desk):
    """Bodies, outcomes and moments come back unchanged, oldest first."""
    opened.answer(found("12345678", naam="Café ÆØÅ €"), not_found("90000749"))
    first, second = opened.journal.answers(after=0, most=10)
    assert first == (
        1,
        opened.run,
        "kvk",
        "basisprofiel",
        "kvk",
        "12345678",
        "found",
        None,
        NOON,
        found("12345678", naam="Café ÆØÅ €").body,
    )
    assert second[5:9] == ("90000749", "not_found", "not_registered", NOON)


def test_a_call_without_an_answer_leaves_none(opened: Desk):
    """A failed call is counted and kept as a try, not as an answer."""
    permits = opened.journal.lease(opened.run, opened.account, 3).permits
    moments = [NOON, NOON + timedelta(seconds=9), NOON + timedelta(seconds=2)]
    opened.journal.settle(
        opened.run,
        opened.account,
        [failure(permit, "12345678", at=at) for permit, at in zip(permits, moments, strict=True)],
    )
    assert opened.journal.answers(after=0, most=9) == []
    assert opened.journal.tries(opened.run) == [("12345678", 3, NOON + timedelta(seconds=9))]


def test_answers_come_in_pages(opened: Desk):
    """*after* and *most* walk through all answers once."""
    opened.answer(*(found(f"{10000000 + place}") for place in range(5)))
    pages = [opened.journal.answers(after=after, most=2) for after in (0, 2, 4, 5)]
    assert [[answer.seq for answer in page] for page in pages] == [[1, 2], [3, 4], [5], []]


def test_absorbed_answers_are_dropped_when_they_are_old(opened: Desk):
    """Of what the cache holds the journal keeps the recent; what the cache has not is kept at any age."""
    opened.answer(found("10000001"), at=NOON - timedelta(days=31))
    opened.answer(found("10000002"), at=NOON - timedelta(days=29))
    opened.answer(found("10000003"), at=NOON - timedelta(days=40))
    opened.journal.mark_absorbed(2, keep=timedelta(days=30))
    assert opened.journal.absorbed() == 2
    assert [answer.number for answer in opened.journal.answers(after=0, most=9)] == ["10000002", "10000003"]


def test_numbers_of_dropped_answers_are_not_used_again(opened: Desk):
    """After all answers were dropped the newest is still the newest, and the next one comes after it."""
    opened.answer(found("10000001"), found("10000002"), at=NOON - timedelta(days=9))
    opened.journal.mark_absorbed(2, keep=timedelta(days=1))
    assert opened.journal.newest() == 2
    opened.answer(found("10000003"))
    assert [answer.seq for answer in opened.journal.answers(after=0, most=9)] == [3]


def test_settling_is_all_or_nothing(opened: Desk):
    """When one of several settlements cannot be written none is."""
    first, second = opened.journal.lease(opened.run, opened.account, 2).permits
    broken = replace(settlement(second, found("10000002")), kind=None)  # type: ignore[arg-type]
    with pytest.raises(StorageError):
        opened.journal.settle(opened.run, opened.account, [settlement(first, found("10000001")), broken])
    assert opened.journal.answers(after=0, most=9) == []
    opened.journal.give_back([first])
    assert opened.used == 1


def test_many_threads_may_settle_at_once(opened: Desk):
    """The journal may be called from any thread."""

    def work(place: int) -> None:
        for step in range(5):
            opened.answer(found(f"{10000000 + place * 10 + step}"))

    threads = [threading.Thread(target=work, args=(place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.number for answer in opened.journal.answers(after=0, most=99)}) == opened.used == 30


# -- claims -------------------------------------------------------------------------------------


def claimed(it: Desk, run: str, *numbers: str, since: int = 0) -> tuple[list[str], list[str], list[str]]:
    """Claim *numbers*: which are mine, taken, answered."""
    mine, taken, answered = it.journal.claim(run, "kvk", "basisprofiel", numbers, since=since)
    return mine, taken, answered


def test_claims_split_the_numbers_between_two_runs(opened: Desk):
    """Of several runs one asks; claiming again what is one's own changes nothing."""
    other = opened.begin()
    assert claimed(opened, opened.run, "1", "2") == (["1", "2"], [], [])
    assert claimed(opened, other, "2", "3") == (["3"], ["2"], [])
    assert claimed(opened, opened.run, "1", "3") == (["1"], ["3"], [])


def test_registers_and_products_are_claimed_apart(opened: Desk):
    """A number claimed for one register is free for another."""
    other = opened.begin()
    claimed(opened, opened.run, "1")
    assert opened.journal.claim(other, "kvk-test", "basisprofiel", ["1"], since=0).mine == ["1"]
    assert opened.journal.claim(other, "kvk", "vestigingen", ["1"], since=0).mine == ["1"]


def test_an_answer_frees_its_claim_and_is_reported(opened: Desk):
    """A number that another run answered since the plan is neither asked nor waited for."""
    other = opened.begin()
    claimed(opened, opened.run, "12345678")
    opened.answer(found("12345678"))
    assert claimed(opened, other, "12345678", since=0) == ([], [], ["12345678"])
    assert claimed(opened, other, "12345678", since=1) == (["12345678"], [], [])


def test_a_withdrawn_answer_never_was(opened: Desk):
    """Only this run's, only "not found", only as this product; the calls stay counted, and anybody may ask again."""
    for number in ("1", "2"):
        opened.answer(NotFound(number, "not_registered", b"{}"))
    opened.answer(found("3"))
    before, other = opened.journal.newest(), opened.begin()
    opened.journal.withdraw(other, opened.account, "basisprofiel", ["1"])
    opened.journal.withdraw(opened.run, opened.account, "vestigingen", ["1"])
    opened.journal.withdraw(opened.run, opened.account, "basisprofiel", ["2", "3"])
    assert [answer.number for answer in opened.journal.answers(after=0, most=9)] == ["1", "3"]
    assert opened.journal.newest() == before, "a number taken is never given again"
    assert claimed(opened, other, "1", "2", "3") == (["2"], [], ["1", "3"])


def test_unclaimed_numbers_are_free(opened: Desk):
    """A run lets go of its own claims only."""
    other = opened.begin()
    claimed(opened, opened.run, "1", "2")
    opened.journal.unclaim(other, ["1"])
    opened.journal.unclaim(opened.run, ["2"])
    assert claimed(opened, other, "1", "2") == (["2"], ["1"], [])


def test_the_end_of_a_run_frees_its_claims(opened: Desk):
    """A finished run holds nothing back."""
    other = opened.begin()
    claimed(opened, other, "1")
    opened.journal.finish(other, "partial", b"{}")
    assert claimed(opened, opened.run, "1") == (["1"], [], [])


# -- runs ---------------------------------------------------------------------------------------


DYING = """
import sys
from pathlib import Path
from kvk_enrich.clock import SystemClock
from kvk_enrich.state.home import Home, open_home
from kvk_enrich.state.journal import open_journal
from tests.state.parts import HandClock, account_of, found, settlement
journal = open_journal(open_home(Path(sys.argv[1])), HandClock())
account = account_of(journal)
run = journal.begin("job", account, ceiling=None, source="list.csv")
journal.claim(run, "kvk", "basisprofiel", ["10000001", "10000002"], since=journal.newest())
permits = journal.lease(run, account, 5).permits
journal.settle(run, account, [settlement(permits[0], found("10000001"))])
journal.give_back(permits[4:])
print(run, flush=True)
sys.stdin.readline()
"""


def test_a_killed_run_is_buried_by_the_next(opened: Desk):
    """After kill -9 claims are free, answers are there, calls under way are in doubt and stay counted."""
    with child(DYING, opened.home.root) as process:
        run = said(process)
        assert opened.journal.sweep() == 0
        assert claimed(opened, opened.run, "10000001", "10000002") == ([], ["10000002"], ["10000001"])
    assert opened.journal.sweep() == 3
    assert opened.journal.sweep() == 0
    assert claimed(opened, opened.run, "10000002") == (["10000002"], [], [])
    assert [answer.number for answer in opened.journal.answers(after=0, most=9)] == ["10000001"]
    (line,) = opened.journal.runs(run)
    assert (line.state, line.calls, line.in_doubt, line.record) == ("died", 4, 3, None)
    assert opened.used == 4
    assert not (opened.home.locks / run).exists()


def test_a_live_run_is_not_buried(opened: Desk):
    """Neither its own process nor another open journal takes a live run for dead."""
    opened.journal.lease(opened.run, opened.account, 2)
    other = open_journal(opened.home, opened.clock)
    assert (opened.journal.sweep(), other.sweep()) == (0, 0)
    other.close()
    assert [line.state for line in opened.journal.runs()] == ["running"]


def test_a_run_that_ended_on_the_way_is_not_buried(opened: Desk):
    """A run that ends between a sweeper's question and its answer keeps its own end."""
    ended = opened.begin()

    class Slow(Journal):
        def _is_dead(self, run: str) -> bool:
            if run == ended:
                opened.journal.finish(ended, "complete", b"{}")
            return super()._is_dead(run)

    other = open_journal(opened.home, opened.clock)
    other.__class__ = Slow
    other.sweep()
    other.close()
    assert opened.journal.runs(ended)[0].state == "complete"


def test_a_run_ended_in_another_thread_lets_go_of_its_lock(opened: Desk):
    """Which thread ends a run, or closes the journal, makes no difference."""
    thread = threading.Thread(target=opened.journal.close)
    thread.start()
    thread.join()
    other = open_journal(opened.home, opened.clock)
    other.sweep()
    assert [line.state for line in other.runs()] == ["died"]
    other.close()


def test_a_finished_run_keeps_its_record(opened: Desk):
    """The record comes back as it was written; permits left open are in doubt."""
    opened.journal.lease(opened.run, opened.account, 2)
    opened.clock.moment += timedelta(minutes=2)
    opened.journal.finish(opened.run, "stopped", '{"naam": "é"}'.encode())
    (line,) = opened.journal.runs()
    assert line[:2] == (opened.run, "stopped")
    assert line[2:4] == ("2026-11-21T12:00:00.000000Z", "2026-11-21T12:02:00.000000Z")
    assert line[4:] == ("list.csv", 2, 40_000, 2, {"naam": "é"})


def test_runs_come_newest_first(opened: Desk):
    """The list of runs begins with the latest; an unknown id gives none."""
    opened.clock.moment += timedelta(seconds=1)
    later = opened.begin()
    assert [line.id for line in opened.journal.runs()] == [later, opened.run]
    assert opened.journal.runs("20000101T000000-000000") == []


def test_a_job_begins_with_the_first_of_its_interrupted_runs(tmp_path: Path):
    """What was paid since the first interrupted run counts, until a run completes the job."""
    with desk(tmp_path) as it:
        starts, seen = [], []
        states: list[Literal["complete", "partial", "stopped"]] = [
            "stopped",
            "partial",
            "complete",
            "stopped",
            "complete",
        ]
        for state in states:
            it.clock.moment += timedelta(hours=1)
            starts.append(it.clock.moment)
            seen.append(it.journal.begun("refresh"))
            it.journal.finish(it.begin(job="refresh"), state, b"{}")
        seen.append(it.journal.begun("refresh"))
        assert it.journal.begun("never") is None
    assert seen == [None, starts[0], starts[0], None, starts[3], None]


# -- the file -----------------------------------------------------------------------------------


def test_the_journal_is_the_owner_s_alone(opened: Desk):
    """Folders are 0700 and files 0600, the side files of a busy journal and the locks too."""
    opened.answer(found("12345678"))
    found_modes = dict(modes(opened.home.root))
    assert {"home", "locks", "tmp", "journal.sqlite", "journal.sqlite-wal", opened.run} <= found_modes.keys()
    wrong = {
        path.name: oct(path.stat().st_mode)
        for path in opened.home.root.rglob("*")
        if path.stat().st_mode & 0o777 != (0o700 if path.is_dir() else 0o600)
    }
    assert wrong == {}


def test_a_journal_is_opened_again_as_it_was(tmp_path: Path):
    """Closing and opening changes nothing, and the journal stays itself."""
    with desk(tmp_path) as it:
        ident = it.journal.id
        it.journal.lease(it.run, it.account, 3)
    with desk(tmp_path) as it:
        assert (it.journal.id, it.used) == (ident, 3)


def test_a_newer_journal_is_refused_untouched(tmp_path: Path):
    """A journal of a newer version is not written to; the message says what to do."""
    with desk(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "journal.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / "journal.sqlite").read_bytes()
    with pytest.raises(StateTooNew, match=r"format 99.*update"), desk(tmp_path):
        pass
    assert (tmp_path / "journal.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"row;kvk\n1;12345678\n" * 99, b"\x00" * 4096, b"SQLite format 3\x00" + b"\xff" * 4096]
)
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes):
    """Another file in its place is neither used nor overwritten."""
    home = open_home(tmp_path)
    home.journal.write_bytes(content)
    with pytest.raises(StorageError, match=r"journal\.sqlite"):
        open_journal(home, HandClock())
    assert home.journal.read_bytes() == content


def test_a_database_of_another_program_is_refused(tmp_path: Path):
    """Somebody else's SQLite file is not filled with our tables."""
    home = open_home(tmp_path)
    with sqlite3.connect(home.journal) as connection:
        connection.execute("CREATE TABLE recipes (title TEXT)")
    connection.close()
    with pytest.raises(StorageError, match="another program"):
        open_journal(home, HandClock())
    connection = sqlite3.connect(home.journal)
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("recipes",)]
    connection.close()


def test_a_damaged_journal_is_refused(tmp_path: Path):
    """A journal cut in the middle gives an error of storage, not a bug's traceback."""
    with desk(tmp_path) as it:
        it.answer(*(found(f"{10000000 + place}") for place in range(200)))
        home = it.home
    whole = home.journal.read_bytes()
    home.journal.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StorageError):
        _read_all(home)


@pytest.mark.parametrize(
    "damage",
    [
        "body = CAST(substr(body, 1, 9) || x'00' || substr(body, 11) AS BLOB)",
        "number = '12345679'",
        "number = CAST(x'3132b334' AS TEXT)",
        "status = 'not_found'",
        "body = x'00', crc = NULL",
        "fetched_at = '2o26', crc = NULL",
    ],
)
def test_a_damaged_answer_is_left_out_and_told(opened: Desk, damage: str):
    """An answer that was changed on disk is not handed over, those beside it are, and somebody is told once."""
    opened.answer(found("11111111"), found("12345678"), found("33333333"))
    with closing(sqlite3.connect(opened.home.journal)) as connection, connection:
        connection.execute(f"UPDATE answer SET {damage} WHERE number = '12345678'")
    told: list[str] = []
    for _ in range(2):
        assert [each.number for each in opened.journal.answers(after=0, most=9)] == ["11111111", "33333333"]
        assert [each.number for each in opened.journal.answers(after=1, most=1)] == ["33333333"]
        opened.journal.tell_losses(told.append)
    assert told == ["Answers of the journal that are damaged (1) are asked again."]


CROWDED = """
import resource, signal, sys
from pathlib import Path
from kvk_enrich.errors import StorageError
from tests.state.parts import desk, found
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with desk(Path(sys.argv[1])) as it:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    kept = 0
    try:
        while kept < 5000:
            it.answer(found(f"{10000000 + kept}"))
            kept += 1
    except StorageError:
        print(kept, flush=True)
"""


def test_a_full_disk_loses_no_settled_answer(tmp_path: Path):
    """What was settled before the disk was full is there afterwards; what could not be settled was refused."""
    with child(CROWDED, tmp_path) as process:
        kept = int(said(process))
    assert kept > 10
    with desk(tmp_path) as it:
        numbers = [answer.number for answer in it.journal.answers(after=0, most=9999)]
    assert numbers == [f"{10000000 + place}" for place in range(kept)]


def test_answers_under_way_are_kept_on_a_disk_that_has_become_full(opened: Desk, monkeypatch: pytest.MonkeyPatch):
    """They get the room that was reserved for them; there are no more permits until a run has found room again."""
    permits = opened.journal.lease(opened.run, opened.account, 2).permits
    sql = opened.journal._answers._sql
    sql.execute(f"PRAGMA max_page_count = {sql.execute('PRAGMA page_count').fetchone()[0]}")
    free = Home.free_room

    def freed(home: Home) -> bool:
        sql.execute("PRAGMA max_page_count = 100000")
        return free(home)

    monkeypatch.setattr(Home, "free_room", freed)
    large = found("12345678", text=secrets.token_hex(20_000))
    opened.journal.settle(opened.run, opened.account, [settlement(permits[0], large)])
    opened.journal.settle(opened.run, opened.account, [settlement(permits[1], found("12345679"))])
    assert [answer.number for answer in opened.journal.answers(after=0, most=9)] == ["12345678", "12345679"]
    with pytest.raises(StorageError, match="Make room"):
        opened.journal.lease(opened.run, opened.account, 1)
    assert len(opened.journal.lease(opened.begin(), opened.account, 1).permits) == 1


def _read_all(home):
    journal = open_journal(home, HandClock())
    try:
        journal.answers(after=0, most=999)
    finally:
        journal.close()


def test_a_folder_in_its_place_is_refused(tmp_path: Path):
    """A folder named like the journal is an error of storage."""
    home = open_home(tmp_path)
    home.journal.mkdir()
    with pytest.raises(StorageError):
        open_journal(home, HandClock())


def test_a_home_that_cannot_be_written_is_refused():
    """A journal in a read-only folder is an error of storage, before anything is asked."""
    outer = Path(tempfile.mkdtemp())  # tmp_path is closed to all but its owner
    home = open_home(outer / "home")
    try:
        outer.chmod(0o755)
        home.root.chmod(0o555)
        with as_nobody(), pytest.raises(StorageError):
            open_journal(home, HandClock())
    finally:
        shutil.rmtree(outer)


def test_a_kill_half_way_through_a_checkpoint_is_no_damage(tmp_path: Path):
    """The log still has every page; the file without it looks damaged, and is not judged."""
    with desk(tmp_path) as it:
        it.answer(*(found(f"{10000000 + place}") for place in range(40)))
        kept = {path.name: path.read_bytes() for path in tmp_path.glob("journal.sqlite*")}
        it.journal._now._sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = it.home.journal.read_bytes()
    half = tmp_path / "half"
    home = open_home(half)
    for name, data in kept.items():
        (half / name).write_bytes(data)
    home.journal.write_bytes(whole[:-4096])
    with closing(open_journal(home, HandClock())) as journal:
        assert len(journal.answers(after=0, most=999)) == 40
