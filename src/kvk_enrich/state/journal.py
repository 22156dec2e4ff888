"""
The journal: permits, calls, answers, claims and runs, in one SQLite file.

Every method is one transaction and may be called from any thread; several processes share the
file. What a method returned stays true after kill -9; answers are synced to the disk before
:meth:`Journal.settle` returns and so survive a power cut too. Permits do not wait for the disk,
as a slot would be over by then: a power cut may forget a lease that no answer followed. The
journal decides nothing about registers: it counts, hands out moments and keeps answers.

Pace is a schedule of slots on the boot clock, one every ``1.02 / requests_per_second`` seconds, shared by
all processes: a permit carries the slot it may be used at, and slots are never handed out
twice or caught up. The month's unit is taken in the same transaction as the slot.
"""

import hmac
import json
import os
import secrets
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, NamedTuple

from filelock import BaseFileLock, Timeout

from kvk_enrich.clock import Clock, month_of
from kvk_enrich.errors import ConfigError, StateInUse, StateTooNew, StorageError
from kvk_enrich.model import Answer, Attempt, Found, NotFound, Permit, Secret, Status
from kvk_enrich.state.home import Home, lock_file

SCHEMA_VERSION: Final = 1
CHECK: Final = "check"
"""The job of a run that only looks whether the register answers."""
_BUSY_SECONDS: Final = 30
_SECOND_NS: Final = 1_000_000_000
_FARTHEST_NS: Final = 3600 * _SECOND_NS
"""No live runs book slots an hour ahead: the clock started anew on a machine whose boots have no id."""

LEAD_NS: Final = 20_000_000
"""A slot lies at least so far ahead: what a lease may take to come back on a busy machine."""

_CONTINUED_WITHIN: Final = timedelta(hours=12)

HEADROOM: Final = 0.02
"""
Share by which slots lie further apart than the limit asks.

101 sends span 1.02 s, so the limit holds at the server as long as calls arrive within 20 ms of
each other's schedule: 5 ms are allowed to the sender (fetch/gate.py), the rest is the network's
and the server's. It costs two calls a second: a month's 300,000 take 51 minutes instead of 50.
"""


@dataclass(frozen=True, slots=True)
class Account:
    """One key of one register, as the journal knows it."""

    id: int
    register: str
    name: str
    requests_per_second: int
    calls_per_month: int
    micro_eur: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Permits handed out; *refused* says why there are fewer than asked for (a reason code)."""

    permits: tuple[Permit, ...]
    refused: Literal["run_ceiling", "month_ceiling"] | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one call went. *answer* is None when it gave none to keep: the money is spent all the same."""

    attempt: Attempt
    product: str
    kind: str
    number: str
    answer: Answer | None


class Claims(NamedTuple):
    """What became of a wish to ask for numbers: *mine* to ask, *taken* by a live run, *answered* since."""

    mine: list[str]
    taken: list[str]
    answered: list[str]


class StoredAnswer(NamedTuple):
    """An answer as the cache takes it over; *body* is JSON text."""

    seq: int
    run: str
    register: str
    product: str
    kind: str
    number: str
    status: str
    reason: str | None
    fetched_at: datetime
    body: bytes


class MonthUse(NamedTuple):
    """One line of the ledger."""

    register: str
    account: str
    month: str
    calls: int
    micro_eur: int


class Tries(NamedTuple):
    """The vain attempts at one number."""

    number: str
    attempts: int
    last_tried_at: datetime


class RunLine(NamedTuple):
    """One past or present run."""

    id: str
    state: str
    started_at: str
    finished_at: str | None
    input: str
    calls: int
    micro_eur: int
    in_doubt: int
    record: dict[str, object] | None


class _Connection:
    """
    One connection to the file, used by one thread at a time.

    A commit is written but not synced (it survives kill -9): so nobody who holds the lock waits for
    the disk. What must survive a power cut as well is synced afterwards, outside all locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with _storage_errors(path):
            self._sql = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._sql.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _storage_errors(self._path):
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                yield self._sql
            except BaseException:
                self._sql.execute("ROLLBACK")
                raise
            self._sql.execute("COMMIT")

    def rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[object, ...]]:
        with self._lock, _storage_errors(self._path):
            return self._sql.execute(sql, parameters).fetchall()

    def sync(self) -> None:
        """
        Return when all that was committed is on disk.

        The write-ahead log is synced through a descriptor of our own; SQLite keeps its locks on the
        other two files. What a checkpoint has moved out of the log SQLite has synced itself.
        """
        with _storage_errors(self._path):
            log = os.open(f"{self._path}-wal", os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)

    def close(self) -> None:
        self._sql.close()


class Journal:
    """The open journal of one home. Use :func:`open_journal`."""

    def __init__(self, home: Home, clock: Clock) -> None:
        """Open the connections; the file is there and checked."""
        self._home = home
        self._clock = clock
        self._now = _Connection(home.journal)
        self._answers = _Connection(home.journal)
        self._run_locks: dict[str, BaseFileLock] = {}

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._now.transaction()

    def _rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[object, ...]]:
        return self._now.rows(sql, parameters)

    def close(self) -> None:
        """Close the file and let go of the runs this process still holds."""
        self._now.close()
        self._answers.close()
        for lock in self._run_locks.values():
            lock.release()

    @property
    def id(self) -> str:
        """What tells this journal from any other, for the cache that is derived from it."""
        return str(self._rows("SELECT value FROM meta WHERE key = 'id'")[0][0])

    # -- accounts and money ---------------------------------------------------------------------

    def account(
        self,
        register: str,
        name: str,
        key: Secret,
        *,
        requests_per_second: int,
        calls_per_month: int,
        micro_eur: int,
    ) -> Account:
        """
        Return the account *name* of *register*, entered on first use.

        An empty *key* (a run that makes no call) leaves the account as it is known.

        Raises:
            ConfigError: the same key is already entered under another name: two accounts would
                each use the whole pace and the whole month of one key.
        """
        mark = hmac.digest(self.id.encode(), key.reveal().encode(), "sha256").hex()[:16]
        fingerprint = mark if key.reveal() else ""
        with self._transaction() as sql:
            other = sql.execute(
                "SELECT name FROM account WHERE register = ? AND fingerprint = ? AND fingerprint <> '' AND name <> ?",
                (register, fingerprint, name),
            ).fetchone()
            if other is not None:
                raise ConfigError(
                    f"account: this key is already known as account {other[0]!r}; use that name, or another key"
                )
            sql.execute(
                "INSERT INTO account (register, name, fingerprint) VALUES (?, ?, ?)"
                " ON CONFLICT (register, name) DO UPDATE SET fingerprint = excluded.fingerprint"
                " WHERE excluded.fingerprint <> ''",
                (register, name, fingerprint),
            )
            (ident,) = sql.execute(
                "SELECT id FROM account WHERE register = ? AND name = ?", (register, name)
            ).fetchone()
        return Account(ident, register, name, requests_per_second, calls_per_month, micro_eur)

    def used(self, register: str, name: str, month: str) -> int:
        """Return the calls of an account that count against *month*: permits taken and not given back."""
        rows = self._rows(
            "SELECT l.calls FROM ledger l JOIN account a ON a.id = l.account"
            " WHERE a.register = ? AND a.name = ? AND l.month = ?",
            (register, name, month),
        )
        return int(str(rows[0][0])) if rows else 0

    def ledger(self) -> list[MonthUse]:
        """Return the use of every account in every month, newest month first; in this month also those unused."""
        rows = self._rows(
            """
            SELECT a.register, a.name, l.month, l.calls, l.micro_eur FROM ledger l JOIN account a ON a.id = l.account
            UNION ALL
            SELECT a.register, a.name, :month, 0, 0 FROM account a
            WHERE NOT EXISTS (SELECT 1 FROM ledger l WHERE l.account = a.id AND l.month = :month)
            ORDER BY 3 DESC, 1, 2
            """,
            {"month": month_of(self._clock.now())},
        )
        return [MonthUse(*row) for row in rows]  # type: ignore[arg-type]

    def lease(self, run: str, account: Account, wanted: int) -> Lease:
        """
        Take up to *wanted* permits for *run*: slots of the pace and units of the month, at once.

        Fewer come back when the run's ceiling or the month ends within them, none when it has
        been reached. The first slot lies 20 ms ahead at least; after a boot the pace starts anew one
        second from now, as nothing is known of what was sent before.
        """
        with self._transaction() as sql:
            month = month_of(self._clock.now())
            ceiling, taken = sql.execute("SELECT ceiling, calls FROM run WHERE id = ?", (run,)).fetchone()
            left_of_month = max(0, account.calls_per_month - _used(sql, account.id, month))
            left_of_run = left_of_month if ceiling is None else max(0, ceiling - taken)
            granted = min(wanted, left_of_month, left_of_run)
            slots = self._take_slots(sql, account, granted)
            permits = tuple(
                Permit(
                    sql.execute(
                        "INSERT INTO call (run, account, month, micro_eur, slot_ns, state)"
                        " VALUES (?, ?, ?, ?, ?, 'open')",
                        (run, account.id, month, account.micro_eur, slot),
                    ).lastrowid
                    or 0,
                    slot,
                )
                for slot in slots
            )
            _count(sql, run, account.id, month, granted, granted * account.micro_eur)
        if granted == wanted:
            return Lease(permits)
        return Lease(permits, "run_ceiling" if left_of_run < left_of_month else "month_ceiling")

    def _take_slots(self, sql: sqlite3.Connection, account: Account, count: int) -> list[int]:
        boot_id, now = self._clock.boot_id(), self._clock.boot_ns()
        known_boot, next_slot = sql.execute(
            "SELECT boot_id, next_slot_ns FROM account WHERE id = ?", (account.id,)
        ).fetchone()
        same_boot = known_boot == boot_id and next_slot - now < _FARTHEST_NS
        first = max(next_slot, now + LEAD_NS) if same_boot else now + (_SECOND_NS if known_boot else LEAD_NS)
        step = round(_SECOND_NS * (1 + HEADROOM) / account.requests_per_second)
        if count:
            sql.execute(
                "UPDATE account SET boot_id = ?, next_slot_ns = ? WHERE id = ?",
                (boot_id, first + count * step, account.id),
            )
        return [first + place * step for place in range(count)]

    def give_back(self, permits: Iterable[Permit]) -> None:
        """Return permits that were surely not used: month and run get their units again."""
        with self._transaction() as sql:
            for permit in permits:
                row = sql.execute(
                    "DELETE FROM call WHERE id = ? AND state = 'open' RETURNING run, account, month, micro_eur",
                    (permit.id,),
                ).fetchone()
                if row is not None:
                    run, account, month, micro_eur = row
                    _count(sql, run, account, month, -1, -micro_eur)

    def settle(self, run: str, account: Account, settlements: Sequence[Settlement]) -> None:
        """
        Write down how calls went, with their answers, in one transaction.

        When this returns, the answers are on disk: only now do they count.
        """
        with self._answers.transaction() as sql:
            for done in settlements:
                attempt = done.attempt
                sql.execute(
                    "UPDATE call SET state = ?, number = ?, sent_at = ?, seconds = ?, http_status = ?, code = ?"
                    " WHERE id = ?",
                    (
                        "failed" if attempt.code else "answered",
                        done.number,
                        _text(attempt.sent_at),
                        attempt.seconds,
                        attempt.http_status,
                        attempt.code,
                        attempt.permit.id,
                    ),
                )
                if done.answer is not None:
                    sql.execute(
                        "INSERT INTO answer (run, register, product, kind, number, status, reason, fetched_at, body)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (
                            run,
                            account.register,
                            done.product,
                            done.kind,
                            done.number,
                            *_fate(done.answer),
                            _text(attempt.sent_at + timedelta(seconds=attempt.seconds)),
                            zlib.compress(done.answer.body, 1),
                        ),
                    )
                    sql.execute(
                        "DELETE FROM claim WHERE register = ? AND product = ? AND number = ?",
                        (account.register, done.product, done.number),
                    )
        self._answers.sync()

    # -- claims ---------------------------------------------------------------------------------

    def claim(self, run: str, register: str, product: str, numbers: Sequence[str], *, since: int) -> Claims:
        """
        Claim *numbers* for *run*, so that of several runs only one asks.

        Args:
            run: The claiming run.
            register: Whose numbers they are.
            product: What is to be asked about them.
            numbers: At most a few hundred.
            since: The newest answer that the run's plan knew of (:meth:`newest`); numbers
                answered later, by another run, are not claimed but reported.
        """
        claims = Claims([], [], [])
        with self._transaction() as sql:
            for number in numbers:
                if sql.execute(
                    "SELECT 1 FROM answer WHERE number = ? AND seq > ? AND register = ? AND product = ?",
                    (number, since, register, product),
                ).fetchone():
                    claims.answered.append(number)
                    continue
                sql.execute("INSERT OR IGNORE INTO claim VALUES (?, ?, ?, ?)", (register, product, number, run))
                (holder,) = sql.execute(
                    "SELECT run FROM claim WHERE register = ? AND product = ? AND number = ?",
                    (register, product, number),
                ).fetchone()
                (claims.mine if holder == run else claims.taken).append(number)
        return claims

    def unclaim(self, run: str, numbers: Iterable[str]) -> None:
        """Let go of numbers that *run* has given up on, so that another run may ask."""
        with self._transaction() as sql:
            sql.executemany("DELETE FROM claim WHERE run = ? AND number = ?", ((run, number) for number in numbers))

    # -- runs -----------------------------------------------------------------------------------

    def begin(self, job: str, account: Account, *, ceiling: int | None, source: str) -> str:
        """
        Enter a run of *job* and return its id; it counts as alive while this process lives.

        Args:
            job: What was asked: the same for the same list and configuration.
            account: Who pays.
            ceiling: Calls this run may take at most; None for the month's allowance alone.
            source: The list, as people know it.
        """
        now = self._clock.now()
        run = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        lock = lock_file(self._home.locks / run)
        with _storage_errors(self._home.journal):
            lock.acquire(timeout=0)
        self._run_locks[run] = lock
        with self._transaction() as sql:
            sql.execute(
                "INSERT INTO run (id, job, account, ceiling, state, started_at, input)"
                " VALUES (?, ?, ?, ?, 'running', ?, ?)",
                (run, job, account.id, ceiling, _text(now), source),
            )
        return run

    def finish(self, run: str, state: Literal["complete", "partial", "stopped"], record: bytes) -> None:
        """Enter the end of *run*. Permits it left open count as possibly spent; its claims are free."""
        with self._transaction() as sql:
            _bury(sql, run, state)
            sql.execute(
                "UPDATE run SET finished_at = ?, record = ? WHERE id = ?",
                (_text(self._clock.now()), record.decode(), run),
            )
        self._release(run)

    def sweep(self) -> int:
        """
        Enter the end of runs whose process is gone; return how many calls of theirs are in doubt.

        A call in doubt was permitted, perhaps sent and paid, and no answer of it was received.
        """
        doubtful = 0
        for (run,) in self._rows("SELECT id FROM run WHERE state = 'running'"):
            if str(run) in self._run_locks or not self._is_dead(str(run)):
                continue
            with self._transaction() as sql:
                # It may have ended, and let go of its lock, since the question above.
                if sql.execute("SELECT 1 FROM run WHERE id = ? AND state = 'running'", (run,)).fetchone():
                    doubtful += _bury(sql, str(run), "died")
            (self._home.locks / str(run)).unlink(missing_ok=True)
        return doubtful

    def doubtful(self, account: Account) -> int:
        """Return how many calls are in doubt of the runs that died since a run of *account* last came to its end."""
        rows = self._rows(
            """
            SELECT count(*) FROM call JOIN run ON run.id = call.run
            WHERE call.state = 'in_doubt' AND run.state = 'died' AND run.account = :account AND run.started_at >
                coalesce((
                    SELECT max(started_at) FROM run
                    WHERE account = :account AND finished_at IS NOT NULL AND job <> :check
                ), '')
            """,
            {"account": account.id, "check": CHECK},
        )
        return int(str(rows[0][0]))

    def _is_dead(self, run: str) -> bool:
        lock = lock_file(self._home.locks / run)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        return True

    def _release(self, run: str) -> None:
        lock = self._run_locks.pop(run, None)
        if lock is not None:
            (self._home.locks / run).unlink(missing_ok=True)
            lock.release()

    def tries(self, run: str) -> list[Tries]:
        """Return, for each number that a call of *run* failed for, how often it was tried and when last."""
        rows = self._rows(
            "SELECT number, count(*), max(sent_at) FROM call WHERE run = ? AND state = 'failed' GROUP BY number", (run,)
        )
        return [Tries(str(number), int(str(count)), _moment(str(last))) for number, count, last in rows]

    def begun(self, job: str) -> datetime | None:
        """
        Return when the unfinished attempt at *job* began, over all the runs that continue it; None if there is none.

        An attempt is finished by a run that is complete, and by one that asked for all and got no
        answer for some, unless it is continued within half a day, or left some out because it was told to.
        """
        rows = self._rows(
            """
            SELECT min(started_at) FROM run WHERE job = :job AND state <> 'complete' AND started_at > coalesce((
                SELECT max(started_at) FROM run WHERE job = :job AND (
                    state = 'complete'
                    OR json_extract(record, '$.stop_reason') IN ('not_sampled', 'offline')
                    OR (state = 'partial' AND json_extract(record, '$.rows.deferred') = 0 AND finished_at < :long_ago)
                )
            ), '')
            """,
            {"job": job, "long_ago": _text(self._clock.now() - _CONTINUED_WITHIN)},
        )
        return _moment(str(rows[0][0])) if rows[0][0] else None

    def runs(self, run: str | None = None) -> list[RunLine]:
        """Return all runs, or the one named, newest first."""
        rows = self._rows(
            "SELECT id, state, started_at, finished_at, input, calls,"
            " (SELECT coalesce(sum(micro_eur), 0) FROM call WHERE call.run = run.id),"
            " (SELECT count(*) FROM call WHERE call.run = run.id AND call.state = 'in_doubt'), record"
            " FROM run WHERE ?1 IS NULL OR id = ?1 ORDER BY started_at DESC",
            (run,),
        )
        return [RunLine(*row[:8], json.loads(str(row[8])) if row[8] else None) for row in rows]  # type: ignore[arg-type, call-arg]

    # -- answers --------------------------------------------------------------------------------

    def newest(self) -> int:
        """Return the sequence number of the newest answer ever received, 0 if there was none."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'answer'")
        return int(str(rows[0][0])) if rows else 0

    def answers(self, *, after: int, most: int) -> list[StoredAnswer]:
        """
        Return up to *most* answers with a sequence number above *after*, oldest first.

        They are on disk: another process may have written them a moment ago.
        """
        self._answers.sync()
        rows = self._rows(
            "SELECT seq, run, register, product, kind, number, status, reason, fetched_at, body"
            " FROM answer WHERE seq > ? ORDER BY seq LIMIT ?",
            (after, most),
        )
        with _storage_errors(self._home.journal):
            return [
                StoredAnswer(*row[:8], _moment(str(row[8])), zlib.decompress(row[9]))  # type: ignore[arg-type, call-arg]
                for row in rows
            ]

    def absorbed(self) -> int:
        """Return up to which answer a cache has taken over: less in a cache means that it lost some."""
        rows = self._rows("SELECT value FROM meta WHERE key = 'absorbed'")
        return int(str(rows[0][0])) if rows else 0

    def mark_absorbed(self, seq: int, *, keep: timedelta) -> None:
        """Enter that a cache holds all answers up to *seq*; drop those of them that are older than *keep*."""
        with self._transaction() as sql:
            sql.execute("INSERT OR REPLACE INTO meta VALUES ('absorbed', ?)", (str(seq),))
            sql.execute("DELETE FROM answer WHERE seq <= ? AND fetched_at < ?", (seq, _text(self._clock.now() - keep)))


def open_journal(home: Home, clock: Clock) -> Journal:
    """
    Open the journal of *home*, made if absent, mode 0600.

    Raises:
        StateTooNew: it was made by a newer version of this program.
        StorageError: it cannot be opened, or is no journal.
    """
    with _storage_errors(home.journal):
        home.journal.touch(mode=0o600)
        connection = sqlite3.connect(home.journal, timeout=_BUSY_SECONDS, isolation_level=None)
        with closing(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            _ensure_schema(connection)
    return Journal(home, clock)


def _ensure_schema(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StateTooNew(
            f"the journal was made by a newer kvk-enrich (format {version}, this one knows {SCHEMA_VERSION}): update it"
        )
    if version == 0:
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
            raise StorageError("the journal is a database of another program; name another home with --home")
        for statement in _statements():
            connection.execute(statement)
        connection.execute("INSERT INTO meta VALUES ('id', ?)", (secrets.token_hex(16),))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _statements() -> Iterator[str]:
    """Yield the statements of schema.sql one by one: executescript would commit the transaction."""
    pending = ""
    for line in (files(__package__) / "schema.sql").read_text(encoding="utf-8").splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def _used(sql: sqlite3.Connection, account: int, month: str) -> int:
    rows = sql.execute("SELECT calls FROM ledger WHERE account = ? AND month = ?", (account, month)).fetchall()
    return int(rows[0][0]) if rows else 0


def _count(sql: sqlite3.Connection, run: str, account: int, month: str, calls: int, micro_eur: int) -> None:
    sql.execute(
        "INSERT INTO ledger VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, micro_eur = micro_eur + excluded.micro_eur",
        (account, month, calls, micro_eur),
    )
    sql.execute("UPDATE run SET calls = calls + ? WHERE id = ?", (calls, run))


def _bury(sql: sqlite3.Connection, run: str, state: str) -> int:
    doubtful = sql.execute("UPDATE call SET state = 'in_doubt' WHERE run = ? AND state = 'open'", (run,)).rowcount
    sql.execute("DELETE FROM claim WHERE run = ?", (run,))
    sql.execute("UPDATE run SET state = ? WHERE id = ?", (state, run))
    return doubtful


def _fate(answer: Answer) -> tuple[str, str | None]:
    match answer:
        case Found():
            return Status.FOUND.value, None
        case NotFound(reason=reason):
            return Status.NOT_FOUND.value, reason


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise StateInUse(f"the journal {path} is held by another program; try again later") from error
        raise StorageError(f"the journal {path} cannot be used: {error}") from error
    except (sqlite3.Error, zlib.error) as error:
        raise StorageError(
            f"the journal {path} cannot be used: {error}. Restore it from a backup, or move it away:"
            " the cache keeps what was answered, but not what was spent this month"
        ) from error
    except OSError as error:
        raise StorageError(f"the journal {path} cannot be used: {error.strerror}") from error
