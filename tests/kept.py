"""A home with real companies of the practice register in it, and a look at every byte of its files."""

import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from tests.harness import Drawn, environment, mixed
from tests.here import command
from tests.state.parts import failure

from kvk_enrich.clock import SystemClock
from kvk_enrich.columns import PRODUCTS
from kvk_enrich.model import Secret
from kvk_enrich.state.home import Home, open_home
from kvk_enrich.state.journal import open_journal

ASKED = "basisprofiel,vestigingen,vestigingsprofiel,naamgeving,vat"
Answer = tuple[str, str, str, str, str]
"""Register, product, kind, number, body."""


@dataclass(frozen=True)
class Kept:
    """A home that a run has filled, and the numbers that its list was made of."""

    home: Path
    drawn: Sequence[Drawn]

    def copy(self, folder: Path) -> Home:
        """Return a copy of the home in *folder*, to do with as a test likes."""
        return open_home(Path(shutil.copytree(self.home, folder / "home")))

    def one(self, kind: str, place: int = 0) -> str:
        """Return a number of that kind."""
        return [each.number for each in self.drawn if each.kind == kind][place]


def fill(folder: Path) -> Kept:
    """Run a list of all kinds of number, all products, against the practice register in the same process."""
    drawn = mixed(kvk=2, rsin=1, branch=1, legal=2, sole=1, abroad=1)
    listed = folder / "list.csv"
    listed.write_text("nummer\n" + "".join(f"{each.number}\n" for each in drawn))
    home = folder / "home"
    done = command(
        *("run", listed, "--source", "practice", "--products", ASKED, "--home", home, "-o", folder / "out.parquet"),
        env=environment() | {"KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"},
    )
    assert done.returncode == 0, done.stderr
    return Kept(home, drawn)


def fail(home: Home, *numbers: str, register: str = "practice") -> None:
    """Let a run die that asked for *numbers* and got no answer."""
    with closing(open_journal(home, SystemClock())) as journal:
        account = journal.account(
            register, "default", Secret(""), requests_per_second=100, allowance=1_000, micro_eur=20_000
        )
        run = journal.begin("another job", account, ceiling=None, source="list.csv")
        permits = journal.lease(run, account, len(numbers)).permits
        settled = [failure(permit, number) for permit, number in zip(permits, numbers, strict=True)]
        journal.settle(run, account, settled)
        journal.claim(run, register, "basisprofiel", numbers, since=journal.newest())


def answers(home: Home) -> list[Answer]:
    """Return all answers in the cache, read by other eyes."""
    with closing(duckdb.connect(str(home.cache), read_only=True)) as sql:
        return sorted(sql.execute("SELECT register, product, kind, number, raw FROM answers").fetchall())


def copies(home: Home) -> list[Answer]:
    """Return all answers in the journal, read by other eyes."""
    with closing(sqlite3.connect(home.journal)) as sql:
        rows = sql.execute("SELECT register, product, kind, number, body FROM answer").fetchall()
    return sorted((*row[:4], zlib.decompress(row[4]).decode()) for row in rows)


def typed(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """Return register, kind and number of all typed rows, by product."""
    with closing(duckdb.connect(str(home.cache), read_only=True)) as sql:
        tables = {product for (product,) in sql.execute("SELECT DISTINCT product FROM answers").fetchall()}
        return {
            table: sorted(sql.execute(f'SELECT register, kind, number FROM "{table}"').fetchall())
            for table in sorted(tables)
        }


def ledger(home: Home) -> list[tuple[Any, ...]]:
    """Return the money: the ledger, and the lines of calls without their numbers."""
    with closing(sqlite3.connect(home.journal)) as sql:
        calls = sql.execute("SELECT count(*), sum(units), sum(micro_eur) FROM call").fetchall()
        return [*sql.execute("SELECT * FROM ledger ORDER BY 1, 2"), *calls]


def traces(gone: Sequence[Answer], left: Sequence[Answer]) -> dict[str, bytes]:
    """
    Return what must not be found of the answers *gone*: numbers, names and streets that *left* have not.

    Each as UTF-8 and UTF-16, and each answer as the journal deflates it.
    """
    others = {text for *_, number, raw in left for text in (number, *_texts(json.loads(raw)))} | set(PRODUCTS)
    found: dict[str, bytes] = {}
    for *_, number, raw in gone:
        for text in (number, *_texts(json.loads(raw))):
            if len(text) >= 8 and text not in others and not any(text in other for other in others):
                found[text] = text.encode()
                found[f"{text} in UTF-16"] = text.encode("utf-16-le")
                found[f"{text} in UTF-16, high byte first"] = text.encode("utf-16-be")
        found[f"{number}, deflated"] = zlib.compress(raw.encode(), 1)[:64]
    return found


def _texts(tree: object) -> Iterator[str]:
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from _texts(each)
    elif isinstance(tree, str):
        yield tree


def seen(home: Home, what: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """Return where something of *what* stands: file and trace."""
    places = set()
    for path in home.root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            places |= {(path.name, name) for name, needle in what.items() if needle in data}
    return places


def look_again(home: Home) -> None:
    """Let the next run look for old answers, whatever the day."""
    with closing(sqlite3.connect(home.journal)) as sql, sql:
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        sql.execute("INSERT OR REPLACE INTO meta VALUES ('pruned', ?)", (yesterday.isoformat(),))
