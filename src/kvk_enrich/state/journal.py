"""
The journal: permits, calls, answers, claims and runs, in one SQLite file.

Every method is one transaction and may be called from any thread; several processes share the
file. What a method returned stays true after kill -9; answers are synced to the disk before
:meth:`Journal.settle` returns and so survive a power cut too. Permits do not wait for the disk,
which may be slower than the pace: a power cut may forget a lease that no answer followed. The
journal decides nothing about registers: it counts, hands out moments and keeps answers.

Pace is a log of the last calls on the boot clock, shared by all processes (state/turns.py): a
permit carries the slot from which it may be used. The units of the allowance are taken in the same
transaction as the slot.
"""

import errno
import hmac
import json
import secrets
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from filelock import BaseFileLock, Timeout

from kvk_enrich.clock import Clock
from kvk_enrich.errors import ConfigError, StateInUse, StorageError
from kvk_enrich.model import Answer, Attempt, Found, NotFound, Permit, Secret, Status
from kvk_enrich.shares import Share
from kvk_enrich.state import ledger, schema, tally, turns
from kvk_enrich.state.connection import BUSY_SECONDS, Connection, storage_errors
from kvk_enrich.state.home import Home, lock_file, set_aside_name
from kvk_enrich.state.ledger import Account, MonthUse, Period, Refusal, ShareUse

__all__ = [
    "CHECK",
    "Account",
    "Claims",
    "Journal",
    "Lease",
    "MonthUse",
    "RunLine",
    "Settlement",
    "StoredAnswer",
    "Tries",
    "open_journal",
]

CHECK: Final = "check"
"""The job of a run that only looks whether the register answers."""

_ADJUSTMENT: Final = "adjustment"
"""The job of what stands among the runs because somebody corrected the ledger by hand."""

_CONTINUED_WITHIN: Final = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Lease:
    """Permits handed out; *refused* says why there are fewer than asked for (a reason code)."""

    permits: tuple[Permit, ...]
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """
    How a call went for one number. *answer* is None when it gave none to keep: the money is spent all the same.

    A call for several numbers has one for each, one after the other, with the same attempt.
    """

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


class LastTry(NamedTuple):
    """A call that brought no answer: when it was sent, and what came instead, where anything did."""

    at: datetime
    http_status: int | None
    code: str | None


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


class Journal:
    """The open journal of one home. Use :func:`open_journal`."""

    def __init__(self, home: Home, clock: Clock, losses: Iterable[str] = ()) -> None:
        """Open the connections; the file is there and checked. *losses* are told with those that the tally proves."""
        self._home = home
        self._clock = clock
        self._now = Connection(home.journal)
        self._answers = Connection(home.journal)
        self._run_locks: dict[str, BaseFileLock] = {}
        self._id = str(self._rows("SELECT value FROM meta WHERE key = 'id'")[0][0])
        with storage_errors(home.tally):
            self._told = tally.read(home.tally)
        self._losses = [*losses, *self._compared()]
        self._damaged: set[int] = set()

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._now.transaction()

    def _rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[object, ...]]:
        return self._now.rows(sql, parameters)

    def close(self) -> None:
        """Close the file and let go of the runs this process still holds."""
        if self._now.is_inherited:
            return  # the locks belong to the process that this one was forked from
        self._now.close()
        self._answers.close()
        for lock in self._run_locks.values():
            lock.release()

    @property
    def id(self) -> str:
        """What tells this journal from any other, for the cache that is derived from it."""
        return self._id

    # -- accounts and money ---------------------------------------------------------------------

    def account(
        self,
        register: str,
        name: str,
        key: Secret,
        *,
        requests_per_second: float,
        allowance: int,
        period: Period = "month",
        micro_eur: int,
        shares: tuple[Share, ...] = (),
    ) -> Account:
        """
        Return the account *name* of *register*, entered on first use.

        An empty *key* (a run that makes no call) leaves the account as it is known.

        Args:
            register: Whose key it is.
            name: What people call it.
            key: The key itself; only a mark of it is kept.
            requests_per_second: The pace.
            allowance: Units that may be used in a *period*.
            period: What the allowance is for.
            micro_eur: Price of a unit.
            shares: What named jobs may use of the allowance.

        Raises:
            ConfigError: the same key is already entered under another name: two accounts would
                each use the whole pace and the whole allowance of one key.
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
                "INSERT INTO account (register, name, fingerprint, period) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (register, name) DO UPDATE SET period = excluded.period,"
                " fingerprint = iif(excluded.fingerprint = '', fingerprint, excluded.fingerprint)",
                (register, name, fingerprint, period),
            )
            (ident,) = sql.execute(
                "SELECT id FROM account WHERE register = ? AND name = ?", (register, name)
            ).fetchone()
        return Account(ident, register, name, requests_per_second, allowance, micro_eur, period, shares)

    def used(self, register: str, name: str, period: str) -> int:
        """
        Return the units of an account that count against *period* (``2026-11``, ``2026-11-22``).

        These are permits taken and not given back, or more where the register itself told more.
        """
        rows = self._rows(
            "SELECT l.units FROM ledger l JOIN account a ON a.id = l.account"
            " WHERE a.register = ? AND a.name = ? AND l.period = ?",
            (register, name, period),
        )
        return int(str(rows[0][0])) if rows else 0

    def ledger(self) -> list[MonthUse]:
        """Return the use of every account in every period, newest first; in the present one also those unused."""
        with self._transaction() as sql:
            return ledger.uses(sql, self._clock.now())

    def shares(self) -> list[ShareUse]:
        """Return what named jobs used of every account in every period, newest first."""
        with self._transaction() as sql:
            return ledger.share_uses(sql)

    def lease(self, run: str, account: Account, wanted: int, units: int = 1) -> Lease:
        """
        Take up to *wanted* permits of *units* each for *run*: slots of the pace and units of the allowance, at once.

        Fewer come back when the run's ceiling, its job's share or the allowance ends within them, none when it has
        been reached. After a boot the pace starts anew a window from now, as nothing is known of
        what was sent before. At the turn of a month units count against both months, and against the
        other one even when the permit is given back.

        Raises:
            StorageError: the disk is full or fails. What is under way is still kept (:meth:`settle`).
        """
        if not self._home.has_room():
            raise StorageError(
                f"the disk of the home {self._home.root} is full or fails: the answers under way were kept, and no more"
                " is asked. Make room, then give the same command again"
            )
        with self._transaction() as sql:
            now, boot_ns = self._clock.now(), self._clock.boot_ns()
            left, ended_by = ledger.room(sql, run, account, now, units)
            granted = min(wanted, left)
            cost = units * account.micro_eur
            permits, periods = list[Permit](), Counter[tuple[str, ...]]()
            for slot in turns.take(sql, account, granted, self._clock):
                own, *others = account.periods_of(now + timedelta(microseconds=(slot - boot_ns) // 1_000))
                periods[own, *others] += 1
                made = sql.execute(
                    "INSERT INTO call (run, account, period, units, micro_eur, slot_ns, state)"
                    " VALUES (?, ?, ?, ?, ?, ?, 'open')",
                    (run, account.id, own, units, cost, slot),
                )
                permits.append(Permit(made.lastrowid or 0, slot))
            for (own, *others), calls in periods.items():
                ledger.enter(sql, run, account.id, own, calls=calls, units=calls * units, micro_eur=calls * cost)
                ledger.count_too(sql, run, account.id, others, calls * units)
            told = tally.take(sql, now)
        self._write(told)
        return Lease(tuple(permits), ended_by if granted < wanted else None)

    def give_back(self, permits: Iterable[Permit]) -> None:
        """Return permits that were surely not used: allowance and run get their units again."""
        with self._transaction() as sql:
            for permit in permits:
                row = sql.execute(
                    "DELETE FROM call WHERE id = ? AND state = 'open' "
                    " RETURNING run, account, period, units, micro_eur, slot_ns",
                    (permit.id,),
                ).fetchone()
                if row is not None:
                    run, account, period, units, micro_eur, slot = row
                    ledger.enter(sql, run, account, period, calls=-1, units=-units, micro_eur=-micro_eur)
                    turns.free(sql, account, slot)
            self._write(tally.take(sql, self._clock.now()))  # not after the commit: it is never ahead

    def sent(self, account: Account, moments: Iterable[tuple[Permit, int]]) -> None:
        """
        Enter at which moments of the boot clock permits were used.

        What is not reported is taken to have been used as late as it may be: the sooner the report,
        the sooner another call may follow.
        """
        with self._transaction() as sql:
            turns.sent(sql, account, ((permit.slot_ns, moment) for permit, moment in moments))

    def correct(self, account: Account, left: int, at: datetime | None = None) -> None:
        """
        Heed a register that says how many units are *left*: from now on no more than that are.

        It may know of less than the ledger, as others use the key too. Of more it is not believed: calls
        under way are not in its count yet. Nor is it at the turn of a month: it may speak of the other one.

        Args:
            account: Whose units.
            left: What the register says.
            at: When the call was sent that brought this; now, if not given.
        """
        period, *others = account.periods_of(at or self._clock.now())
        if not others:
            with self._transaction() as sql:
                ledger.correct(sql, account.id, period, max(0, account.allowance - left))

    def adjust(self, account: Account, period: str, units: int, micro_eur: int | None, why: str) -> MonthUse:
        """
        Enter by hand what *account* has used in *period*; stands among the runs from then on, with *why*.

        Args:
            account: Whose units.
            period: ``2026-11``, or a day where the account counts by the day.
            units: What is used, whatever was counted.
            micro_eur: What that cost; None leaves the money as it was counted.
            why: The reason, in the user's words.

        Returns:
            What had been counted.

        Raises:
            StateInUse: a run is under way: it has taken units that it may yet give back.
        """
        self.sweep()
        now = self._clock.now()
        with self._transaction() as sql:
            if sql.execute("SELECT 1 FROM run WHERE state = 'running'").fetchone():
                raise StateInUse("a run is under way and still counts; adjust the ledger when it has finished")
            before = ledger.use(sql, account, period)
            ledger.put(sql, account.id, period, units, micro_eur)
            after = ledger.use(sql, account, period)
            record = {"adjusted": period, "from": before._asdict(), "to": after._asdict()}
            sql.execute(
                "INSERT INTO run (id, job, account, state, started_at, finished_at, input, record)"
                " VALUES (?, ?, ?, 'complete', ?, ?, ?, ?)",
                (_run_id(now), _ADJUSTMENT, account.id, _text(now), _text(now), why, json.dumps(record)),
            )
            spent = tally.take(sql, now)
            # What was lost is still to be told.
            with storage_errors(self._home.tally):
                tally.write(self._home.tally, replace(self._told or spent, spent=spent.spent))
        return before

    def settle(self, run: str, account: Account, settlements: Sequence[Settlement]) -> None:
        """
        Write down how calls went, with their answers, in one transaction.

        When this returns, the answers are on disk: only now do they count. A disk that is full gets its
        reserve back for them; after that there are no more permits.
        """
        try:
            told = self._settle(run, account, settlements)
        except StorageError:
            if not self._home.free_room():
                raise
            told = self._settle(run, account, settlements)
        self._answers.sync()
        self._write(told)

    def _settle(self, run: str, account: Account, settlements: Sequence[Settlement]) -> tally.Tally:
        with self._answers.transaction() as sql:
            for attempt, parts in groupby(settlements, key=lambda each: each.attempt):
                done = tuple(parts)
                vain = [each.number for each in done if each.answer is None]
                sql.execute(
                    "UPDATE call SET state = ?, vain = ?, sent_at = ?, seconds = ?, http_status = ?, code = ?"
                    " WHERE id = ?",
                    (
                        "failed" if attempt.code else "answered",
                        json.dumps(vain) if vain else None,
                        _text(attempt.sent_at),
                        attempt.seconds,
                        attempt.http_status,
                        attempt.code,
                        attempt.permit.id,
                    ),
                )
                for each in done:
                    if each.answer is not None:
                        _keep(sql, run, account, each, each.answer)
            return tally.take(sql, self._clock.now())

    def withdraw(self, run: str, account: Account, product: str, numbers: Iterable[str]) -> None:
        """Take back that *numbers* were not found, as *run* was told and no longer believes. The calls stay counted."""
        with self._answers.transaction() as sql:
            sql.executemany(
                "DELETE FROM answer WHERE run = ? AND register = ? AND product = ? AND number = ? AND status = ?",
                ((run, account.register, product, number, Status.NOT_FOUND.value) for number in numbers),
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

    def unclaim(self, run: str, numbers: Iterable[str], *, product: str | None = None) -> None:
        """Let go of numbers that *run* has given up on, as *product* or (None) as any, so that another run may ask."""
        with self._transaction() as sql:
            sql.executemany(
                "DELETE FROM claim WHERE run = ?1 AND number = ?2 AND (?3 IS NULL OR product = ?3)",
                ((run, number, product) for number in numbers),
            )

    # -- runs -----------------------------------------------------------------------------------

    def begin(
        self,
        job: str,
        account: Account,
        *,
        ceiling: int | None,
        ceiling_micro_eur: int | None = None,
        share: str | None = None,
        source: str,
    ) -> str:
        """
        Enter a run of *job* and return its id; it counts as alive while this process lives.

        Args:
            job: What was asked: the same for the same list and configuration.
            account: Who is paid. The run may use other accounts too.
            ceiling: Calls this run may take at most of this account; None for its allowance alone. Where its calls
                have a price, free ones (a search) and those to other accounts (VIES) do not count.
            ceiling_micro_eur: Money this run may take at most, of all accounts; None for any.
            share: The name of the job whose share of the allowance the run uses; None for none.
            source: The list, as people know it.
        """
        self._home.keep_room()
        now = self._clock.now()
        run = _run_id(now)
        lock = lock_file(self._home.locks / run)
        with storage_errors(self._home.journal):
            lock.acquire(timeout=0)
        self._run_locks[run] = lock
        with self._transaction() as sql:
            sql.execute(
                "INSERT INTO run (id, job, account, price, ceiling, ceiling_micro_eur, share, state, started_at, input)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?, ?)",
                (run, job, account.id, account.micro_eur, ceiling, ceiling_micro_eur, share, _text(now), source),
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
            told = tally.take(sql, self._clock.now())
        self._write(told)
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
                    sql.execute("UPDATE run SET finished_at = ? WHERE id = ?", (_text(self._clock.now()), run))
            with suppress(OSError):
                (self._home.locks / str(run)).unlink()
        return doubtful

    def doubtful(self, account: Account) -> int:
        """
        Return how many calls are in doubt of those runs of *account* that died and that no run has told of yet.

        A run tells, at its end, of those that were known to be dead when it began. Free calls of a run that pays for
        others cost nothing, and are in no doubt that matters.
        """
        rows = self._rows(
            f"""
            SELECT count(*) FROM call JOIN run ON run.id = call.run
            WHERE {ledger.COUNTED} AND call.state = 'in_doubt' AND run.state = 'died' AND run.account = :account
                AND NOT EXISTS (
                    SELECT 1 FROM run told
                    WHERE told.account = :account AND told.state NOT IN ('running', 'died')
                        AND told.job NOT IN (:check, :adjustment)
                        AND told.started_at >= coalesce(run.finished_at, run.started_at)
                )
            """,
            {"account": account.id, "check": CHECK, "adjustment": _ADJUSTMENT},
        )
        return int(str(rows[0][0]))

    def _is_dead(self, run: str) -> bool:
        return not _is_in_use(self._home, run)

    def _release(self, run: str) -> None:
        lock = self._run_locks.pop(run, None)
        if lock is not None:
            with suppress(OSError):  # a name that stays is in nobody's way
                (self._home.locks / run).unlink()
            lock.release()

    def tries(self, run: str) -> list[Tries]:
        """Return, for each number that a call of *run* brought no answer for, how often it was tried and when last."""
        rows = self._rows(
            "SELECT value, count(*), max(sent_at) FROM call, json_each(call.vain) WHERE run = ? GROUP BY value", (run,)
        )
        return [Tries(str(number), int(str(count)), _moment(str(last))) for number, count, last in rows]

    def last_try(self, product: str, number: str) -> LastTry | None:
        """Return the last call about *number* that brought no answer; None where one came since, or there is none."""
        rows = self._rows(
            """
            SELECT sent_at, http_status, code FROM call, json_each(call.vain)
            WHERE value = :number AND sent_at > coalesce(
                (SELECT max(fetched_at) FROM answer WHERE number = :number AND product = :product), ''
            )
            ORDER BY call.id DESC LIMIT 1
            """,
            {"number": number, "product": product},
        )
        return LastTry(_moment(str(rows[0][0])), *rows[0][1:]) if rows else None  # type: ignore[arg-type]

    def written(self, source: str) -> datetime | None:
        """Return when outputs of the list *source* were last written; None if never."""
        rows = self._rows(
            "SELECT max(finished_at) FROM run WHERE input = ? AND state IN ('complete', 'partial')", (source,)
        )
        ((moment,),) = rows
        return None if moment is None else datetime.fromisoformat(str(moment))

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
            "SELECT id, state, started_at, finished_at, input, calls, micro_eur,"
            " (SELECT count(*) FROM call WHERE call.run = run.id AND call.state = 'in_doubt'), record"
            " FROM run WHERE ?1 IS NULL OR id = ?1 ORDER BY started_at DESC",
            (run,),
        )
        return [RunLine(*row[:8], _record(row[8])) for row in rows]  # type: ignore[arg-type, call-arg]

    # -- what must not be forgotten in silence --------------------------------------------------

    @property
    def has_tally(self) -> bool:
        """Say whether the ledger was compared with its second copy, when it was opened."""
        return self._told is not None

    def tell_losses(self, notes: Callable[[str], None]) -> None:
        """Say what the journal has lost, by its tally; that is renewed from now on."""
        for loss in self._losses:
            notes(loss)
        self._losses.clear()

    def _write(self, told: tally.Tally) -> None:
        """Renew the tally, unless somebody is still to be told what it proves."""
        if not self._losses:
            with storage_errors(self._home.tally):
                tally.write(self._home.tally, told)

    def _compared(self) -> Iterator[str]:
        """Raise the ledger to the tally, and say in sentences what was lost."""
        told = self._told
        if told is None:
            return
        with self._transaction() as sql:
            raised = tally.restore(sql, told)
        if told.journal != self.id:
            yield "The journal is not the one of this home: that was lost or exchanged, with its list of past runs."
        elif lost := max(0, told.newest - self.newest()):
            yield (
                f"The journal has lost its newest answers ({lost:,}): it is an older copy, or its write-ahead log is"
                " damaged or gone. Those that the cache does not have are asked again."
            )
        for line in raised:
            yield (
                f"The ledger of {line.register} ({line.account}) had forgotten what was spent in {line.period}: it is"
                f" {line.units:,} again, as {self._home.tally.name} says."
            )

    # -- answers --------------------------------------------------------------------------------

    def newest(self) -> int:
        """Return the sequence number of the newest answer ever received, 0 if there was none."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'answer'")
        return int(str(rows[0][0])) if rows else 0

    def answers(self, *, after: int, most: int) -> list[StoredAnswer]:
        """
        Return up to *most* answers with a sequence number above *after*, oldest first.

        They are on disk: another process may have written them a moment ago. Those that are damaged are left
        out, and count as lost.
        """
        self._answers.sync()
        sound: list[StoredAnswer] = []
        while not sound:
            rows = self._rows(
                "SELECT seq, run, register, product, kind, number, status, reason, fetched_at, body, crc"
                " FROM answer WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, most),
            )
            if not rows:
                break
            after = int(str(rows[-1][0]))
            sound = [answer for answer in (_sound(*row) for row in rows) if answer is not None]
            damaged = {int(str(row[0])) for row in rows} - {answer.seq for answer in sound} - self._damaged
            if damaged:
                self._damaged |= damaged
                self._losses.append(f"Answers of the journal that are damaged ({len(damaged):,}) are asked again.")
        return sound

    def absorbed(self) -> int:
        """Return up to which answer a cache has taken over: less in a cache means that it lost some."""
        rows = self._rows("SELECT value FROM meta WHERE key = 'absorbed'")
        # What is no number is damaged; a cache that has less than the newest is then made anew.
        return int(str(rows[0][0])) if rows and str(rows[0][0]).isdecimal() else self.newest() if rows else 0

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
        StateInUse: it was made by an older one, and a run of that is under way.
        StorageError: it cannot be opened, or is no journal.
    """
    with storage_errors(home.journal):
        if home.journal.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        stray = _stray_log(home.journal)
        home.journal.touch(mode=0o600)
        connection = sqlite3.connect(home.journal, timeout=BUSY_SECONDS, isolation_level=None)
        with closing(connection):
            schema.refuse_other(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if health != "ok":
                raise sqlite3.DatabaseError(health.replace("\n", " "))
            schema.ensure(connection, partial(_is_in_use, home))
    return Journal(home, clock, stray)


def _stray_log(path: Path) -> list[str]:
    """Set the write-ahead log of a journal that is gone aside, and say so: SQLite would remove it."""
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or (path.exists() and path.stat().st_size):
        return []
    aside = log.replace(set_aside_name(log))
    return [f"The journal is gone; its write-ahead log was set aside as {aside}."]


def _is_in_use(home: Home, run: str) -> bool:
    """Say whether the process of *run* lives."""
    lock = lock_file(home.locks / run)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _run_id(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def _keep(sql: sqlite3.Connection, run: str, account: Account, done: Settlement, answer: Answer) -> None:
    received_at = done.attempt.sent_at + timedelta(seconds=done.attempt.seconds)
    columns = (
        run,
        account.register,
        done.product,
        done.kind,
        done.number,
        *_fate(answer),
        _text(received_at),
        zlib.compress(answer.body, 1),
    )
    sql.execute(
        "INSERT INTO answer (run, register, product, kind, number, status, reason, fetched_at, body, crc)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*columns, _crc(*columns)),
    )
    sql.execute(
        "DELETE FROM claim WHERE register = ? AND product = ? AND number = ?",
        (account.register, done.product, done.number),
    )


def _crc(*columns: object) -> int:
    *texts, body = columns
    return zlib.crc32(json.dumps(texts).encode() + bytes(body))  # type: ignore[call-overload]


def _sound(seq: Any, *row: Any) -> StoredAnswer | None:
    """Return a line of ``answer`` as it was settled; None if it is damaged."""
    *columns, crc = row
    if crc is not None and crc != _crc(*columns):  # None: kept by an older version
        return None
    *texts, fetched_at, body = columns
    try:
        return StoredAnswer(seq, *texts, _moment(fetched_at), zlib.decompress(body))  # type: ignore[call-arg]
    except (ValueError, zlib.error):
        return None


def _record(text: object) -> dict[str, object] | None:
    try:
        record: dict[str, object] | None = json.loads(str(text)) if text else None
    except ValueError:
        return None  # damaged: the rest of the line still tells of the run
    return record


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
