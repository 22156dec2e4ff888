"""
Erasing for good: from journal and cache, and from what lies beside them.

A row that is deleted is still in the file. So the journal is vacuumed and its log cut off, and the cache
is made anew. The cache comes last and in one step: until then it knows all of what is to go, so after a
kill at any moment the same can be asked again and finds the rest.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from kvk_enrich.errors import StateInUse
from kvk_enrich.state.cache import Cache
from kvk_enrich.state.connection import Connection
from kvk_enrich.state.home import Home
from kvk_enrich.state.journal import Journal
from kvk_enrich.state.related import Related
from kvk_enrich.state.rewriting import KEY, rewrite

_EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
_PRUNED: Final = "pruned"


class Pruned(NamedTuple):
    """What was erased because of its age: answers, lines of calls, files that were set aside."""

    answers: int
    calls: int
    files: int


class Attempt(NamedTuple):
    """A call that brought no answer for *number*."""

    register: str
    number: str
    sent_at: datetime
    reason: str
    run: str


def forget(home: Home, journal: Journal, cache: Cache, company: Related) -> int:
    """
    Erase *company*; return how many files that were set aside are gone with it.

    The lines of its calls stay, as they are money, and lose the number. *cache* is closed by this.

    Raises:
        StateInUse: a run lives: it may hold what is to go, and write it back.
        StorageError: a file cannot be written; the same can be asked again.
    """
    _require_alone(home, journal)
    home.clear()
    files = _remove_set_aside(home, datetime.max.replace(tzinfo=UTC))
    with closing(Connection(home.journal)) as connection:
        connection.rows("PRAGMA secure_delete = ON")  # should it end before all is written anew
        with connection.transaction() as sql:
            _forget_in_journal(sql, company)
        _compact(connection)
    rewrite(home, cache, gone=company.keys, since=_EVER)
    return files


def _forget_in_journal(sql: sqlite3.Connection, company: Related) -> None:
    for table in ("answer", "claim"):
        sql.executemany(f"DELETE FROM {table} WHERE number = ?", ((name,) for name in company.names))
    sql.executemany(
        "DELETE FROM answer WHERE register = ? AND product = ? AND kind = ? AND number = ?",
        company.keys.select(*KEY).iter_rows(),
    )
    for ident, vain in sql.execute("SELECT id, vain FROM call WHERE vain IS NOT NULL").fetchall():
        numbers = json.loads(vain)
        left = [number for number in numbers if number not in company.names]
        if left != numbers:
            sql.execute("UPDATE call SET vain = ? WHERE id = ?", (json.dumps(left) if left else None, ident))


def prune(home: Home, journal: Journal, cache: Cache, *, before: datetime, set_aside_before: datetime) -> Pruned:
    """
    Erase answers and lines of calls from *before*, and files set aside before then; runs and money stay.

    *cache* may be closed by this.

    Raises:
        StateInUse: a run lives: it needs the journal more than once in the time that this takes.
        StorageError: a file cannot be written; the same can be asked again.
    """
    _require_alone(home, journal)
    home.sweep()
    files = _remove_set_aside(home, set_aside_before)
    moment = before.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    ((answers,),) = cache.connection.execute(
        "SELECT count(*) FROM answers WHERE fetched_at < ?", [before.astimezone(UTC).replace(tzinfo=None)]
    ).fetchall()
    with closing(Connection(home.journal)) as connection:
        connection.rows("PRAGMA secure_delete = ON")  # should it end before all is written anew
        with connection.transaction() as sql:
            copies = sql.execute("DELETE FROM answer WHERE fetched_at < ?", (moment,)).rowcount
            calls = sql.execute(
                "DELETE FROM call WHERE state IN ('answered', 'failed') AND sent_at < ?", (moment,)
            ).rowcount
        if answers or copies or calls:
            _compact(connection)
    if answers:
        rewrite(home, cache, gone=pl.DataFrame(schema=KEY), since=before.astimezone(UTC))
    return Pruned(answers, calls, files)


def pruned_on(home: Home) -> date | None:
    """Return the day that was last given to :func:`enter_pruned`."""
    with closing(Connection(home.journal)) as connection:
        rows = connection.rows("SELECT value FROM meta WHERE key = ?", (_PRUNED,))
    return date.fromisoformat(str(rows[0][0])) if rows else None


def enter_pruned(home: Home, day: date) -> None:
    """Enter that nothing is left to prune on *day*."""
    with closing(Connection(home.journal)) as connection, connection.transaction() as sql:
        sql.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_PRUNED, day.isoformat()))


def attempts(home: Home, names: Collection[str]) -> list[Attempt]:
    """Return the calls that brought no answer for any of *names*, oldest first."""
    with closing(Connection(home.journal)) as connection:
        rows = connection.rows(
            "SELECT account.register, value, sent_at, code, run FROM call JOIN account ON account.id = call.account,"
            " json_each(call.vain) WHERE value IN (SELECT value FROM json_each(?)) ORDER BY sent_at, call.id",
            (json.dumps(sorted(names)),),
        )
    return [
        Attempt(str(register), str(number), datetime.fromisoformat(str(sent_at)), str(code), str(run))
        for register, number, sent_at, code, run in rows
    ]


def _require_alone(home: Home, journal: Journal) -> None:
    journal.sweep()
    with closing(Connection(home.journal)) as connection:
        runs = connection.rows("SELECT id FROM run WHERE state = 'running'")
    if runs:
        raise StateInUse(f"run {runs[0][0]} is under way; try again when it has finished")


def _remove_set_aside(home: Home, before: datetime) -> int:
    """Remove what was set aside before that moment; return how many files."""
    old = _older(home.set_aside(), before)
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _older(paths: Iterable[Path], before: datetime) -> list[Path]:
    return [path for path in paths if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before]


def _compact(connection: Connection) -> None:
    """Write the journal anew without what was deleted, and cut off its log."""
    connection.rows("VACUUM")
    ((is_busy, *_),) = connection.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    if is_busy:
        raise StateInUse("the journal is being read by another program; try again later")
