"""The tally: a journal that was lost, exchanged or shortened forgets no money, and says what it lost."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.state.parts import NOON, Desk, HandClock, account_of, desk, found

from kvk_enrich.state import tally
from kvk_enrich.state.home import Home
from kvk_enrich.state.journal import open_journal


def losses(it: Desk) -> list[str]:
    """Return what the journal says it has lost."""
    told: list[str] = []
    it.journal.tell_losses(told.append)
    return told


@pytest.fixture
def spent(tmp_path: Path) -> Home:
    """Return a closed home where three answers were received and two permits were given back."""
    with desk(tmp_path / "home") as it:
        it.answer(*(found(f"1000000{place}") for place in range(3)))
        it.journal.give_back(it.journal.lease(it.run, it.account, 2).permits)
        it.journal.finish(it.run, "complete", b"{}")
    return it.home


def test_a_whole_journal_has_lost_nothing(spent: Home):
    """Neither permits given back nor those of a killed run make it differ from its tally."""
    with desk(spent.root) as it:
        assert (it.used, losses(it)) == (3, [])
        it.journal.lease(it.run, it.account, 2)
        it.journal.close()
    with desk(spent.root) as it:
        assert (it.used, losses(it)) == (5, [])


def test_a_lost_journal_leaves_its_ledger(spent: Home):
    """The month's use is in the new journal too, with its money, and is said to come from the tally."""
    spent.journal.unlink()
    with desk(spent.root) as it:
        gone, raised = losses(it)
        assert "lost or exchanged" in gone
        assert "it is 3 again" in raised
        assert it.used == 3
        assert [(use.units, use.micro_eur) for use in it.journal.ledger()] == [(3, 60_000)]
        it.answer(found("10000009"))
    with desk(spent.root) as it:
        assert (it.used, losses(it)) == (4, [])


def test_an_older_copy_is_raised(spent: Home, tmp_path: Path):
    """A restored journal does not know the newest answers: it says how many, and the ledger knows them."""
    shutil.copy2(spent.journal, tmp_path / "older")
    with desk(spent.root) as it:
        it.answer(found("10000004"), found("10000005"))
    shutil.copy2(tmp_path / "older", spent.journal)
    with desk(spent.root) as it:
        older, _ = losses(it)
        assert "newest answers (2)" in older
        assert it.used == 5


def test_a_missing_log_is_noticed(spent: Home, tmp_path: Path):
    """Without the write-ahead log of a killed run its answers and its calls are missing, and only the tally knows."""
    with desk(spent.root) as it:
        it.answer(found("10000004"))
        killed = Path(shutil.copytree(spent.root, tmp_path / "killed"))
    (killed / "journal.sqlite-wal").unlink()
    with desk(killed) as it:
        assert "newest answers (1)" in losses(it)[0]
        assert it.used == 4


def test_an_account_under_another_name_is_found_again(spent: Home):
    """A damaged name does not hide what was spent under it."""
    with closing(sqlite3.connect(spent.journal)) as sql, sql:
        sql.execute("UPDATE account SET register = 'kvj'")
    with desk(spent.root) as it:
        assert it.used == 3


def test_what_was_not_told_is_still_to_be_told(spent: Home):
    """A command that says nothing of it (one call to look whether the register answers) leaves the proof."""
    spent.journal.unlink()
    with desk(spent.root) as it:
        it.answer(found("10000004"))
        it.journal.finish(it.run, "complete", b"{}")
    with desk(spent.root) as it:
        assert "lost or exchanged" in losses(it)[0]


def test_an_adjusted_ledger_stays_as_it_was_adjusted(spent: Home):
    """What was entered by hand is lower than what was counted, and is not raised again."""
    with closing(open_journal(spent, HandClock())) as journal:
        journal.adjust(account_of(journal), "2026-11", 1, None, "invoice")
    with desk(spent.root) as it:
        assert (it.used, losses(it)) == (1, [])


@pytest.mark.parametrize("content", [b"", b"00000000 {}", b"nothing", b"\xff" * 5000])
def test_a_damaged_tally_proves_nothing(spent: Home, content: bytes):
    """It is made anew with the next call; the journal is as good as before."""
    spent.tally.write_bytes(content)
    with desk(spent.root) as it:
        assert (it.used, losses(it), it.journal.has_tally) == (3, [], False)
        it.answer(found("10000004"))
    told = tally.read(spent.tally)
    assert told is not None
    assert (told.newest, [line.units for line in told.spent]) == (4, [4])


def test_only_the_present_is_told(spent: Home):
    """Lines of past months do not limit anything any more: the tally stays small."""
    with desk(spent.root) as it, closing(sqlite3.connect(spent.journal)) as sql:
        sql.execute("INSERT INTO ledger VALUES (?, '2026-10', 7, 0, 7)", [it.account.id])
        assert [line.period for line in tally.take(sql, NOON).spent] == ["2026-11"]
    assert (spent.tally.stat().st_size, spent.tally.stat().st_mode & 0o777) == (4096, 0o600)
