"""
The tally: a second copy of what must never be forgotten in silence, in a small file beside the journal.

A journal that was lost, replaced by an older copy, or has no write-ahead log any more opens without an error and
knows less. So whenever permits are taken or settled the present lines of the ledger and the number of the newest
answer are also written here, over what stood here before. They are never ahead of the journal: written after it
where they rise, before it where they fall. A journal that is behind them has lost something.
"""

import json
import os
import sqlite3
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from kvk_enrich.state import ledger

_BLOCK: Final = 4096
"""Written at one go, so that a kill leaves it old or new."""


class Spent(NamedTuple):
    """A line of the ledger."""

    register: str
    account: str
    counted_per: ledger.Period
    period: str
    units: int
    micro_eur: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What the journal *journal* (its id) knew: the number of its *newest* answer, and what was *spent*."""

    journal: str
    newest: int
    spent: tuple[Spent, ...]


def take(sql: sqlite3.Connection, now: datetime) -> Tally:
    """Return what the journal knows, within a transaction of it."""
    (journal,) = sql.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()
    (newest,) = sql.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'answer'").fetchone()
    spent = sql.execute(
        """
        SELECT a.register, a.name, a.period, l.period, l.units, l.micro_eur
        FROM ledger l JOIN account a ON a.id = l.account WHERE l.period IN (?, ?)
        """,
        (ledger.label("month", now), ledger.label("day", now)),
    )
    return Tally(journal, newest, tuple(Spent(*line) for line in spent))


def write(path: Path, tally: Tally) -> None:
    """Put *tally* in the place of what the file holds. It may be lost in a power cut: an older one is no lie."""
    text = json.dumps([tally.journal, tally.newest, tally.spent]).encode()
    line = b"%08x %s\n" % (zlib.crc32(text), text)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(file, line.ljust(-(-len(line) // _BLOCK) * _BLOCK), 0)
    finally:
        os.close(file)


def read(path: Path) -> Tally | None:
    """Return what the file holds; None if there is none, or if it is damaged: it proves nothing. Raises OSError."""
    try:
        mark, _, text = path.read_bytes().partition(b"\n")[0].partition(b" ")
        if int(mark, 16) != zlib.crc32(text):
            return None
        journal, newest, spent = json.loads(text)
        return Tally(journal, newest, tuple(Spent(*line) for line in spent))
    except (FileNotFoundError, ValueError):
        return None


def restore(sql: sqlite3.Connection, tally: Tally) -> list[Spent]:
    """Raise the ledger to *tally* where it knows less; return those lines."""
    behind = [line for line in tally.spent if _known(sql, line) < (line.units, line.micro_eur)]
    for line in behind:
        sql.execute(
            "INSERT INTO account (register, name, fingerprint, period) VALUES (?, ?, '', ?) ON CONFLICT DO NOTHING",
            line[:3],
        )
        sql.execute(
            "INSERT INTO ledger (account, period, units, micro_eur)"
            " SELECT id, ?, ?, ? FROM account WHERE register = ? AND name = ? ON CONFLICT DO UPDATE"
            " SET units = max(units, excluded.units), micro_eur = max(micro_eur, excluded.micro_eur)",
            (line.period, line.units, line.micro_eur, line.register, line.account),
        )
    return behind


def _known(sql: sqlite3.Connection, line: Spent) -> tuple[int, int]:
    row = sql.execute(
        "SELECT l.units, l.micro_eur FROM ledger l JOIN account a ON a.id = l.account"
        " WHERE a.register = ? AND a.name = ? AND l.period = ?",
        (line.register, line.account, line.period),
    ).fetchone()
    return row or (0, 0)
