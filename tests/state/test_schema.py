"""Journals of older versions: brought along with everything in them, or left alone."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.state.parts import HandClock, account_of, desk, found

from kvk_enrich.errors import StateInUse, StorageError
from kvk_enrich.pace import Pace
from kvk_enrich.state import schema
from kvk_enrich.state.home import Home, lock_file, open_home
from kvk_enrich.state.journal import MonthUse, open_journal

OLDEST = (Path(__file__).parent / "journal-1.sql").read_text(encoding="utf-8")
DIED, ENDED = "20261121T110000-aaaaaa", "20261121T100000-bbbbbb"


@pytest.fixture
def old(tmp_path: Path) -> Home:
    """Return a home whose journal is of version 1."""
    home = open_home(tmp_path)
    with closing(sqlite3.connect(home.journal)) as connection:
        connection.executescript(OLDEST)
    return home


def layout(home: Home) -> dict[str, set[tuple[object, ...]]]:
    """Return the columns of every table: name, type, not null, default, place in the key."""
    with closing(sqlite3.connect(home.journal)) as sql:
        tables = [name for (name,) in sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: {row[1:] for row in sql.execute(f"PRAGMA table_info({table})")} for table in tables}


def test_an_old_journal_gets_the_tables_of_a_new_one(old: Home, tmp_path: Path):
    """Brought along or made anew, the tables are the same."""
    open_journal(old, HandClock()).close()
    new = open_home(tmp_path / "new")
    open_journal(new, HandClock()).close()
    assert layout(old) == layout(new)
    with closing(sqlite3.connect(old.journal)) as sql:
        assert sql.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


def test_an_old_journal_keeps_what_it_knows(old: Home):
    """Money, runs, doubts, tries, answers and claims are as they were."""
    journal = open_journal(old, HandClock())
    account = account_of(journal)
    assert journal.ledger() == [
        MonthUse("kvk", "main", "2026-11", 5, 100_000),
        MonthUse("kvk", "main", "2026-10", 7, 140_000),
    ]
    assert journal.sweep() == 1
    assert [(line.id, line.state, line.calls, line.micro_eur, line.in_doubt) for line in journal.runs()] == [
        (DIED, "died", 4, 80_000, 2),
        (ENDED, "complete", 1, 20_000, 0),
    ]
    assert journal.doubtful(account) == 2
    assert journal.tries(DIED) == [("10000002", 2, datetime(2026, 11, 21, 11, 0, 2, tzinfo=UTC))]
    assert journal.tries(ENDED) == []
    assert [answer.body for answer in journal.answers(after=0, most=9)] == [b'{"kvkNummer":"10000001"}']
    journal.close()


def test_an_old_run_s_ceiling_still_holds(old: Home):
    """A run that was begun before has taken what it took."""
    old.keep_room()
    journal = open_journal(old, HandClock())
    assert len(journal.lease(DIED, account_of(journal), 9).permits) == 5
    journal.close()


def test_the_calls_of_an_older_version_are_waited_for(old: Home):
    """When they were sent is not known, so the first call after the change comes a window later."""
    clock = HandClock()
    old.keep_room()
    journal = open_journal(old, clock)
    (permit,) = journal.lease(DIED, account_of(journal), 1).permits
    assert permit.slot_ns == clock.ns + Pace.of(100).window_ns
    journal.close()


def test_an_old_journal_in_use_is_left_alone(old: Home):
    """A run under way of the older version could not write its answers into other tables."""
    lock = lock_file(old.locks / DIED)
    lock.acquire()
    before = layout(old)
    with pytest.raises(StateInUse, match="older"):
        open_journal(old, HandClock())
    assert layout(old) == before
    lock.release()
    open_journal(old, HandClock()).close()


def test_a_change_of_tables_is_whole_or_not_at_all(old: Home, monkeypatch: pytest.MonkeyPatch):
    """A statement that fails leaves the older version as it was."""
    statements = schema._MIGRATIONS[1]
    monkeypatch.setitem(schema._MIGRATIONS, 1, (*statements, "UPDATE nowhere SET nothing = 0"))
    before = layout(old)
    with pytest.raises(StorageError):
        open_journal(old, HandClock())
    assert layout(old) == before
    monkeypatch.undo()
    open_journal(old, HandClock()).close()


def test_a_journal_brought_along_takes_new_answers(old: Home):
    """The next run goes on in it."""
    with desk(old.root) as it:
        it.answer(found("10000003"))
        assert [answer.seq for answer in it.journal.answers(after=0, most=9)] == [1, 2]
