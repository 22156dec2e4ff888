"""Homes as runs leave them, and ways to damage their files, each at a place drawn by chance."""

import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import duckdb
import polars as pl
from tests.harness import Server, answered, environment, started
from tests.state.parts import child

from kvk_enrich.config import Job, load
from kvk_enrich.progress import Progress
from kvk_enrich.state.home import Home


class Foreign(NamedTuple):
    """Homes to take files from that do not belong: *closed* as a run leaves it, *killed* with logs."""

    closed: Home
    killed: Home


@dataclass(frozen=True)
class Damage:
    """What is done to a home, and which homes have nothing there to damage."""

    do: Callable[[Home, Random, Foreign], None]
    not_of: tuple[str, ...] = ()


Change = Callable[[Path, Random], None]


# -- homes --------------------------------------------------------------------------------------


@dataclass
class Heard(Progress):
    """What a run told of its state."""

    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep it, but for what is said of the list."""
        if not text.startswith("Columns are separated"):
            self.notes.append(text)


def job(listed: Path, home: Home) -> Job:
    """Return the job of a list, its output in the home."""
    flags = {"input": str(listed), "source": "practice", "home": str(home.root), "yes": True}
    home.root.mkdir(exist_ok=True)
    return load(flags | {"output": str(home.root / "out.parquet")})


def kill_a_run(server: Server, listed: Path, home: Home) -> None:
    """Kill a run when it has had some of its answers."""
    before = len(answered(home.root))
    slowly = environment(server, KVK_ENRICH_SOURCE_PRACTICE_REQUESTS_PER_SECOND="8")
    arguments = ("run", listed, "--source", "practice", "--home", home.root, "-o", home.root / "out.parquet")
    run = started(*arguments, env=slowly)
    until = time.monotonic() + 120
    while len(answered(home.root)) < before + 3:
        assert run.poll() is None, "the run ended before it was killed"
        assert time.monotonic() < until
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait(120)


ABSORBING: Final = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from kvk_enrich.clock import SystemClock
from kvk_enrich.knowing import TYPING
from kvk_enrich.state.cache import Cache, open_cache
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import open_journal
home = open_home(Path(sys.argv[1]))
journal = open_journal(home, SystemClock())
taken_over = Cache._take_over
def dying(*arguments):
    taken_over(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
Cache._take_over = dying
with open_cache(home, journal, TYPING, print) as cache:
    cache.absorb(journal, TYPING, keep=timedelta(days=30))
"""


def kill_while_absorbing(home: Home) -> None:
    """Let a process take over the journal's answers and die before the cache's log is written back."""
    with child(ABSORBING, home.root) as process:
        assert process.wait(120) == -signal.SIGKILL
    assert home.cache.with_name("cache.duckdb.wal").stat().st_size > 1000


# -- changes of one file ------------------------------------------------------------------------


def missing(path: Path, _chance: Random) -> None:
    """Take it away."""
    path.unlink()


def emptied(path: Path, _chance: Random) -> None:
    """Leave nothing but the name."""
    path.write_bytes(b"")


def cut(path: Path, chance: Random) -> None:
    """Cut it off at a byte."""
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(1, len(content))])


def zero_tail(path: Path, chance: Random) -> None:
    """Have zeros from a byte on, as after a power cut."""
    content = path.read_bytes()
    kept = chance.randrange(len(content))
    path.write_bytes(content[:kept].ljust(len(content), b"\0"))


def zero_page(path: Path, chance: Random) -> None:
    """Have zeros in one page."""
    content = bytearray(path.read_bytes())
    start = chance.randrange(-(-len(content) // 4096)) * 4096
    content[start : start + 4096] = bytes(len(content[start : start + 4096]))
    path.write_bytes(content)


def flipped(path: Path, chance: Random) -> None:
    """Turn some bits of the bytes that are in use."""
    content = bytearray(path.read_bytes())
    used = [place for place, byte in enumerate(content) if byte]
    for place in chance.sample(used, chance.choice([1, 1, 8])):
        content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def flipped_in_header(path: Path, chance: Random) -> None:
    """Turn a bit of the first hundred bytes."""
    content = bytearray(path.read_bytes())
    content[chance.randrange(100)] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def grown(path: Path, chance: Random) -> None:
    """Have something more at its end."""
    path.write_bytes(path.read_bytes() + chance.randbytes(chance.randrange(1, 9_000)))


def text(path: Path, _chance: Random) -> None:
    """Be a list."""
    path.write_text("kvk_number,kvk_name\n99000001,Voorbeeld\n")


def parquet(path: Path, _chance: Random) -> None:
    """Be a Parquet file."""
    pl.DataFrame({"kvk": ["99000001"]}).write_parquet(path)


def other_sqlite(path: Path, _chance: Random) -> None:
    """Be a SQLite database of another program."""
    path.unlink()
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("CREATE TABLE invoice (number TEXT)")


def other_duckdb(path: Path, _chance: Random) -> None:
    """Be a DuckDB database of another program."""
    path.unlink()
    with closing(duckdb.connect(str(path))) as sql:
        sql.execute("CREATE TABLE invoice (number VARCHAR)")


def folder(path: Path, _chance: Random) -> None:
    """Be a folder."""
    path.unlink()
    path.mkdir()


def linked(path: Path, _chance: Random) -> None:
    """Be a link to where it lies now."""
    path.rename(path.with_name(f"linked-{path.name}"))
    path.symlink_to(f"linked-{path.name}")


def dangling(path: Path, _chance: Random) -> None:
    """Be a link to nothing."""
    path.unlink()
    path.symlink_to("nowhere")


# -- damages of a home --------------------------------------------------------------------------


def of_cache(change: Change) -> Damage:
    """Change the cache."""
    return Damage(lambda home, chance, _: change(home.cache, chance))


def of_journal(change: Change, not_of: tuple[str, ...] = ()) -> Damage:
    """Change the journal's main file."""
    return Damage(lambda home, chance, _: change(home.journal, chance), not_of)


def of_log(name: str, change: Change, not_of: tuple[str, ...]) -> Damage:
    """Change a write-ahead log."""
    return Damage(lambda home, chance, _: change(home.root / name, chance), not_of)


def of_both(cache: Change, journal: Change) -> Damage:
    """Change both."""

    def do(home: Home, chance: Random, _: Foreign) -> None:
        cache(home.cache, chance)
        journal(home.journal, chance)

    return Damage(do)


def exchanged(*names: str, killed: bool = False, not_of: tuple[str, ...] = ()) -> Damage:
    """Have these files of another home."""

    def do(home: Home, _chance: Random, foreign: Foreign) -> None:
        other = foreign.killed if killed else foreign.closed
        for name in names:
            (home.root / name).unlink(missing_ok=True)
            if (other.root / name).exists():
                shutil.copy2(other.root / name, home.root / name)

    return Damage(do, not_of)


def newer_cache(home: Home, _chance: Random, _: Foreign) -> None:
    """Have been made by a newer version of this program."""
    with closing(duckdb.connect(str(home.cache))) as sql:
        sql.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")


def newer_journal(home: Home, _chance: Random, _: Foreign) -> None:
    """Have been made by a newer version of this program."""
    with closing(sqlite3.connect(home.journal)) as sql:
        sql.execute("PRAGMA user_version = 99")


def newer_duckdb(home: Home, _chance: Random, _: Foreign) -> None:
    """Have been written by a newer version of the database, whose files this one cannot read."""
    content = bytearray(home.cache.read_bytes())
    content[12:20] = (200).to_bytes(8, "little")
    content[:8] = checksum(content[8:4096]).to_bytes(8, "little")
    home.cache.write_bytes(content)


def checksum(block: bytes | bytearray) -> int:
    """Return the checksum that DuckDB writes before the header."""
    total = 5381
    for start in range(0, len(block), 8):
        total ^= int.from_bytes(block[start : start + 8], "little") * 0xBF58476D1CE4E5B9 % 2**64
    return total


def stated(sql: str, *, lost: bool = False) -> Damage:
    """Have other values in the journal, as bits that turn may make them; the cache may be *lost* besides."""

    def do(home: Home, _chance: Random, _: Foreign) -> None:
        with closing(sqlite3.connect(home.journal)) as journal, journal:
            journal.execute(sql)
        if lost:
            for path in home.root.glob("cache.duckdb*"):
                path.unlink()

    return Damage(do)


def without_tally(change: Change) -> Damage:
    """Change the tally beside a journal that is gone."""

    def do(home: Home, chance: Random, _: Foreign) -> None:
        change(home.tally, chance)
        home.journal.unlink()

    return Damage(do)


KILLED = ("killed", "absorbing")
NOT_KILLED = ("calm", "absorbing")
NOT_ABSORBING = ("calm", "killed")
JOURNAL_LOG = "journal.sqlite-wal"
CACHE_LOG = "cache.duckdb.wal"

DAMAGES: Final[dict[str, Damage]] = {
    **{
        f"cache {change.__name__}": of_cache(change)
        for change in (missing, emptied, cut, zero_tail, zero_page, flipped, flipped_in_header, grown, text, parquet)
    },
    **{
        f"cache {change.__name__}": of_cache(change)
        for change in (other_sqlite, other_duckdb, folder, linked, dangling)
    },
    **{
        f"cache's log {change.__name__}": of_log(CACHE_LOG, change, NOT_ABSORBING)
        for change in (missing, emptied, cut, zero_tail, flipped, grown, text)
    },
    "cache of another home": exchanged("cache.duckdb", CACHE_LOG),
    "cache's log of another home": exchanged(CACHE_LOG, killed=True, not_of=("absorbing",)),
    "cache of a newer version": Damage(newer_cache),
    "cache of a newer database": Damage(newer_duckdb),
    **{
        f"journal {change.__name__}": of_journal(change)
        for change in (missing, emptied, cut, zero_tail, zero_page, flipped, flipped_in_header, grown, text)
    },
    **{f"journal {change.__name__}": of_journal(change) for change in (folder, linked, dangling)},
    **{f"journal {change.__name__}": of_journal(change, KILLED) for change in (parquet, other_sqlite)},
    **{
        f"journal's log {change.__name__}": of_log(JOURNAL_LOG, change, NOT_KILLED)
        for change in (missing, emptied, cut, zero_tail, zero_page, flipped, grown, text)
    },
    "journal's index missing": of_log("journal.sqlite-shm", missing, NOT_KILLED),
    "journal's index flipped": of_log("journal.sqlite-shm", flipped, NOT_KILLED),
    "journal of another home": exchanged("journal.sqlite", JOURNAL_LOG, "journal.sqlite-shm"),
    "journal's log of another home": exchanged(
        JOURNAL_LOG, "journal.sqlite-shm", killed=True, not_of=("killed", "absorbing")
    ),
    "journal of a newer version": Damage(newer_journal),
    "ledger too low": stated("UPDATE ledger SET units = 1, micro_eur = 20000"),
    "ledger gone": stated("DELETE FROM ledger"),
    "account renamed": stated("UPDATE account SET name = 'defaulu'"),
    "register renamed": stated("UPDATE account SET register = 'q' || register"),
    "answers exchanged": stated("UPDATE answer SET number = '9000000' || (seq % 10)", lost=True),
    "journal's id gone": stated("DELETE FROM meta WHERE key = 'id'"),
    "journal's mark no number": stated("UPDATE meta SET value = '1q' WHERE key = 'absorbed'"),
    "tally flipped": Damage(lambda home, chance, _: flipped(home.tally, chance)),
    "tally missing": Damage(lambda home, chance, _: missing(home.tally, chance)),
    "tally flipped, journal missing": without_tally(flipped),
    "tally missing, journal missing": without_tally(missing),
    "both missing": of_both(missing, missing),
    "cache missing, journal flipped": of_both(missing, flipped),
    "cache flipped, journal missing": of_both(flipped, missing),
    "both flipped": of_both(flipped, flipped),
    "cache missing, journal cut": of_both(missing, cut),
}
"""All of them, by name."""
