"""The tables of the journal, and how those of older versions become the present ones."""

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Final

from kvk_enrich.errors import StateInUse, StateTooNew, StorageError

VERSION: Final = 5

_MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {
    # Registers that count by the day, or in tokens; ceilings in money; calls for many numbers.
    1: (
        "ALTER TABLE account ADD COLUMN period TEXT NOT NULL DEFAULT 'month'",
        "ALTER TABLE ledger RENAME COLUMN month TO period",
        "ALTER TABLE ledger RENAME COLUMN calls TO units",
        "ALTER TABLE ledger ADD COLUMN told INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE call RENAME COLUMN month TO period",
        "ALTER TABLE call RENAME COLUMN number TO vain",
        "ALTER TABLE call ADD COLUMN units INTEGER NOT NULL DEFAULT 1",
        "UPDATE call SET vain = iif(state = 'failed', json_array(vain), NULL) WHERE vain IS NOT NULL",
        "ALTER TABLE run ADD COLUMN price INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE run ADD COLUMN ceiling_micro_eur INTEGER",
        "ALTER TABLE run ADD COLUMN counted INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE run ADD COLUMN micro_eur INTEGER NOT NULL DEFAULT 0",
        """
        UPDATE run SET counted = calls, micro_eur = spent, price = priciest
        FROM (SELECT run, sum(micro_eur) AS spent, max(micro_eur) AS priciest FROM call GROUP BY run) AS paid
        WHERE run.id = paid.run
        """,
    ),
    # A slot that is used late delays its successor; the last calls of the older version are not known.
    2: (
        "ALTER TABLE account RENAME COLUMN next_slot_ns TO due_ns",
        "UPDATE account SET boot_id = 'unknown' WHERE boot_id <> ''",
        """
        CREATE TABLE turn (
            account INTEGER NOT NULL REFERENCES account,
            place   INTEGER NOT NULL,
            slot_ns INTEGER NOT NULL DEFAULT 0,
            free_ns INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (account, place)
        ) STRICT, WITHOUT ROWID
        """,
    ),
    # Answers that are damaged are noticed.
    3: ("ALTER TABLE answer ADD COLUMN crc INTEGER",),
    # Named jobs have shares of the allowance; what was used before is nobody's.
    4: (
        "ALTER TABLE run ADD COLUMN share TEXT",
        """
        CREATE TABLE share (
            account INTEGER NOT NULL REFERENCES account,
            period  TEXT NOT NULL,
            name    TEXT NOT NULL,
            units   INTEGER NOT NULL,
            PRIMARY KEY (account, period, name)
        ) STRICT, WITHOUT ROWID
        """,
    ),
}
"""Version to the statements that lead to the next one."""


def ensure(connection: sqlite3.Connection, is_in_use: Callable[[str], bool]) -> None:
    """
    Make the tables, or bring them to the present version, in one transaction.

    Args:
        connection: To the file.
        is_in_use: Says whether the process of a run lives.

    Raises:
        StateTooNew: the file was made by a newer version of this program.
        StateInUse: a run of an older version is under way: it could not go on after the change.
        DatabaseError: it is damaged.
    """
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StateTooNew(
            f"the journal was made by a newer kvk-enrich (format {version}, this one knows {VERSION}): update it"
        )
    if version == 0:
        _create(connection)
    elif version < VERSION:
        runs = connection.execute("SELECT id FROM run WHERE state = 'running'").fetchall()
        if any(is_in_use(run) for (run,) in runs):
            raise StateInUse("a run of an older kvk-enrich is under way; try again when it has finished")
        for step in range(version, VERSION):
            for statement in _MIGRATIONS[step]:
                connection.execute(statement)
    if version < VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    if connection.execute("SELECT 1 FROM meta WHERE key = 'id'").fetchone() is None:
        raise sqlite3.DatabaseError("its id is missing")
    connection.execute("COMMIT")


def refuse_other(connection: sqlite3.Connection) -> None:
    """Raise StorageError where the file is a database of another program."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
        raise StorageError(
            "the file journal.sqlite in this home is a database of another program; move it away, or name another home"
            " with --home"
        )


def _create(connection: sqlite3.Connection) -> None:
    for statement in _statements():
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('id', ?)", (secrets.token_hex(16),))


def _statements() -> Iterator[str]:
    """Yield the statements of schema.sql one by one: executescript would commit the transaction."""
    pending = ""
    for line in (files(__package__) / "schema.sql").read_text(encoding="utf-8").splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
