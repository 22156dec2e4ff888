"""What can go wrong with the process and the clock: 128 to 145."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from tests import here, kept
from tests.faults.catalogue import Row, fault, faults
from tests.faults.practised import SLOW, MovedClock, User, tell
from tests.harness import COMMAND, answered, environment, existing, most_in_a_second, started
from tests.state.parts import profile
from tests.state.test_schema import OLDEST

from kvk_enrich.state.home import open_home

FEW = existing(12)


def outcomes(user: User) -> list[str]:
    """Return the outcome of every row, in order."""
    return pl.read_csv(user.out, infer_schema=False)["enrich_outcome"].to_list()


@faults(
    Row(128, "The process is killed (kill -9) at any instant", "The next run goes on; only calls under way repeat", 0),
    Row(129, "The system kills the process, out of memory", "The next run goes on, as after kill -9", 0),
    slow={129},
)
def test_killed(row: Row, user: User):
    """What was in the journal is not asked again; what was under way is said to be in doubt."""
    listed = user.has([*FEW[:4], *(SLOW[:8] if row.number == 128 else SLOW[8:16])])
    run = started(*user.arguments(listed), env=os.environ)
    user.wait_for(12)
    run.kill()
    run.wait()
    time.sleep(0.1)
    under_way = set(user.asked()) - answered(user.home)
    done = user.run(listed)
    assert done.returncode == row.ends, done.stderr
    assert set(outcomes(user)) == {"found"}
    assert {number for number, times in user.asked().items() if times > 1} == under_way
    assert len(under_way) <= user.record["calls"]["in_doubt"]
    assert "of a killed run may have been paid without an answer" in done.stderr
    assert user.used() >= user.asked().total()


@faults(
    Row(130, "Ctrl-C or SIGTERM, once", "Calls under way are received, then it ends; the next run goes on", 143),
    Row(132, "The terminal is closed (SIGHUP)", "As SIGTERM; under nohup the run goes on", 143),
)
def test_one_signal(row: Row, user: User):
    """Nothing is in doubt and nothing is asked twice."""
    user.set(SOURCE_PRACTICE_WORKERS="2")
    listed, sent = user.has(existing(150)), {130: signal.SIGTERM, 132: signal.SIGHUP}[row.number]
    with user.when(5, tell(sent)):
        done = user.run(listed)
    assert done.returncode == row.ends
    assert "Run the same command again to go on; nothing is paid twice." in done.stderr
    assert 5 <= len(user.asked()) < 150
    assert not user.out.exists()
    if row.number == 132:
        with ignored(sent), user.when(len(user.asked()) + 3, tell(sent)):
            assert user.run(listed).returncode == 0
    else:
        assert user.run(listed).returncode == 0
    assert set(user.asked().values()) == {1}
    assert user.record["calls"]["in_doubt"] == 0
    assert user.used() == 150


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    """Ignore a signal, as nohup does."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


@fault(131, "A second signal while calls are under way", "It ends at once; what was recorded is safe", ends=143)
def test_two_signals(row: Row, user: User):
    """The calls that were under way are in doubt, and nothing else."""
    listed = user.has([*FEW[:2], *SLOW[16:]])
    run = started(*user.arguments(listed), env=os.environ)
    user.wait_for(10)
    while run.poll() is None:
        run.terminate()
        time.sleep(0.2)
    assert run.returncode == row.ends
    under_way = set(user.asked()) - answered(user.home)
    assert under_way, "the answers were waited for"
    assert user.run(listed).returncode == 0
    assert {number for number, times in user.asked().items() if times > 1} == under_way
    assert user.record["calls"]["in_doubt"] >= len(under_way)


@fault(
    133,
    "Nobody reads what it says (a pipe into head, a closed stream)",
    "The run goes on and writes its files; where --json cannot be delivered it says so at the end",
    ends=7,
)
def test_nobody_listens(row: Row, user: User):
    """The files are whole, whoever listens."""
    listed = user.has(FEW[:2])
    piped = subprocess.Popen(
        [*COMMAND, *map(str, user.arguments(listed, "--json"))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert piped.stdout is not None
    assert piped.stderr is not None
    piped.stdout.close()
    with piped.stderr as stderr:
        told = stderr.read()
    assert piped.wait(120) == row.ends
    assert "standard output cannot be written; the files and the journal are not affected" in told
    assert user.record["state"] == "complete"
    user.out.unlink()
    silent = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *COMMAND, *map(str, user.arguments(listed))]
    assert subprocess.run(silent, check=False).returncode == 0
    assert outcomes(user) == ["found", "found"]


@fault(134, "A laptop sleeps for an hour in the middle of a run", "It goes on where it was, at its usual pace", ends=0)
def test_suspended(row: Row, timed_user: User):
    """An hour of missed turns is not caught up (to the call: tests/proofs/test_pace.py)."""
    timed_user.set(SOURCE_PRACTICE_REQUESTS_PER_SECOND="40")
    clock = MovedClock()

    def sleep() -> None:
        clock.boot_seconds += 3_600
        clock.wall += timedelta(hours=1)

    with timed_user.when(20, sleep):
        assert timed_user.flow(timed_user.has(existing(70)), clock).exit_code == row.ends
    assert most_in_a_second(timed_user.arrivals()) <= 50
    assert set(timed_user.asked().values()) == {1}


@fault(135, "The process is stopped for seconds with calls under way", "It goes on, at its usual pace", ends=0)
def test_stopped_and_continued(row: Row, timed_user: User):
    """What it would have sent meanwhile does not come at once."""
    timed_user.set(SOURCE_PRACTICE_REQUESTS_PER_SECOND="40")
    run = started(*timed_user.arguments(timed_user.has(existing(70))), env=os.environ)
    timed_user.wait_for(15)
    run.send_signal(signal.SIGSTOP)
    time.sleep(1)
    run.send_signal(signal.SIGCONT)
    assert run.wait(120) == row.ends
    assert most_in_a_second(timed_user.arrivals()) <= 50
    assert set(timed_user.asked().values()) == {1}


@fault(
    136,
    "The wall clock is an hour off, or in 1970",
    "Pace and ceilings hold; calls count in the month that the clock shows; config check --online tells by how much",
    ends=0,
)
def test_wrong_clock(row: Row, user: User):
    """Set right afterwards, nothing that was paid is asked again."""
    for place, clock in enumerate(
        (MovedClock(timedelta(hours=-1)), MovedClock(timedelta(hours=1)), MovedClock.at("1970-01-01T12:00+00:00"))
    ):
        listed = user.has(FEW[3 * place : 3 * place + 3], f"{place}.csv")
        assert user.flow(listed, clock).exit_code == row.ends
        assert user.run(listed).returncode == row.ends
        assert set(outcomes(user)) == {"found"}
    asked = user.asked()
    assert user.used() == asked.total()
    assert user.ledger()["1970-01"] == 3
    assert [asked[number] for number in FEW[:9]] == [1] * 6 + [2] * 3  # kept in 1970: too old


@fault(137, "The clocks go back during a run", "Nothing changes: no answer is older or younger for it", ends=0)
def test_summer_time_ends(row: Row, user: User):
    """Half a second before three o'clock becomes two o'clock."""
    clock, listed = MovedClock.at("2026-10-25T00:59:59.5+00:00"), user.has(existing(60))
    user.set(SOURCE_PRACTICE_REQUESTS_PER_SECOND="50")
    for _ in range(2):
        assert user.flow(listed, clock, max_age="1h").exit_code == row.ends
    assert set(user.asked().values()) == {1}
    assert user.ledger()["2026-10"] == 60


@fault(138, "The system has no time zones (a slim image)", "Those that come with the program are used")
def test_no_time_zones(row: Row):
    """Months are those of Amsterdam all the same."""
    code = "from kvk_enrich.clock import *; print(month_of(datetime.fromisoformat('2026-10-31T23:30:00+00:00')))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(PYTHONTZPATH=""), capture_output=True, text=True, check=True
    )
    assert done.stdout == "2026-11\n"
    assert row.ends is None


@faults(
    Row(139, "Two runs at once over the same list", "They share it; both end with all rows, no number asked twice", 0),
    Row(140, "Two runs at once over lists that overlap", "The same; what a dead run had claimed is free", 0),
)
def test_two_runs(row: Row, user: User):
    """Whoever asks, both have every answer."""
    user.set(SOURCE_PRACTICE_WORKERS="3")
    numbers = existing(45)
    mine, yours = (numbers, numbers) if row.number == 139 else (numbers[:30], numbers[15:])
    lists = [user.has(mine, "mine.csv"), user.has(yours, "yours.csv")]
    kept.fail(open_home(user.home), *numbers[10:20], register=f"practice@{user.server.url}")

    def run(listed: Path) -> int:
        return user.flow(listed, MovedClock(), output=listed.with_suffix(".out.csv")).exit_code

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(run, lists)) == [row.ends] * 2
    assert user.asked() == dict.fromkeys(numbers, 1)
    for listed, expected in zip(lists, (mine, yours), strict=True):
        rows = pl.read_csv(listed.with_suffix(".out.csv"), infer_schema=False)
        assert rows["kvk_number"].to_list() == expected


@fault(141, "The program is updated between two runs", "State of older versions is brought along and used", ends=0)
def test_updated(row: Row, user: User):
    """Money and past runs of the oldest version are still there after a run of this one."""
    home = open_home(user.home)
    with closing(sqlite3.connect(home.journal)) as journal:
        journal.executescript(OLDEST)
        journal.execute("UPDATE answer SET body = ?", (zlib.compress(profile("10000001")),))
        journal.commit()
    assert user.run(user.has(FEW[:2])).returncode == row.ends
    told = here.command("runs", "--home", user.home).stdout
    assert "died" in told
    assert "100,000" not in told
    assert "140,000" not in told
    assert here.command("budget", "--home", user.home).stdout.count(" main ") == 2


@fault(
    142, "The list has changed since the run that was stopped", "What is known is kept; only the rest is asked", ends=0
)
def test_changed_list(row: Row, user: User):
    """Rows may have come, gone and moved."""
    assert user.run(user.has(FEW[:6]), "--max-calls", "4").returncode == 4
    assert user.run(user.has(FEW[8:1:-1])).returncode == row.ends
    assert user.asked() == dict.fromkeys(FEW[:4] + FEW[4:9], 1)
    assert set(outcomes(user)) == {"found"}


@fault(
    143,
    "The same list with other options after a stop",
    "What is known counts as far as it is what is now wanted; another register's answers never do",
    ends=0,
)
def test_changed_options(row: Row, user: User, monkeypatch: pytest.MonkeyPatch):
    """Another product is asked for itself alone, another register for all."""
    listed = user.has(FEW[:4])
    assert user.run(listed, "--max-calls", "2").returncode == 4
    assert user.run(listed, "--products", "basisprofiel,vestigingen").returncode == row.ends
    paths = [arrival.path for arrival in user.arrivals()]
    assert sum("/basisprofielen/" in path and not path.endswith("/vestigingen") for path in paths) == 4
    assert sum(path.endswith("/vestigingen") for path in paths) == 4
    monkeypatch.delenv("KVK_ENRICH_SOURCE_PRACTICE_BASE_URL")
    user.set(SOURCE_PRACTICE_LATENCY_SECONDS="0")
    assert user.run(listed).returncode == row.ends
    assert (user.record["numbers"]["cached"], user.record["numbers"]["asked"]) == (0, 4)
    assert len(user.arrivals()) == len(paths)


@fault(144, "A process may open 256 files only", "Fewer calls are under way at once, and the run says so", ends=0)
def test_few_files(row: Row, user: User):
    """Asked for 400 at once, it makes do with what there is."""
    user.set(SOURCE_PRACTICE_WORKERS="400")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        done = user.run(user.has(existing(60)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert done.returncode == row.ends, done.stderr
    assert "156 calls under way at most instead of 400" in done.stderr
    assert "ulimit -n" in done.stderr
    assert set(outcomes(user)) == {"found"}


FORKED = """
import os, sys
from pathlib import Path
from tests.state.parts import desk
from kvk_enrich.errors import StorageError
with desk(Path(sys.argv[1])) as it:
    if child := os.fork():
        os.waitpid(child, 0)
        it.journal.lease(it.run, it.account, 1)
        with desk(Path(sys.argv[1])) as other:
            print(other.journal.sweep(), it.used)
    else:
        for use in (lambda: it.journal.lease(it.run, it.account, 1), it.journal.newest):
            try:
                use()
            except StorageError as error:
                print(error, flush=True)
        it.journal.close()
        os._exit(0)
"""


@fault(
    145, "A program that embeds this one forks during a run", "The copy cannot use the journal, and is told what to do"
)
def test_forked(row: Row, tmp_path: Path):
    """The run that was forked goes on, alive and alone in its books."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED, tmp_path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    *refused, alive = done.stdout.splitlines()
    assert [line.partition(" by process ")[2].partition(";")[2] for line in refused] == [
        " start a run in the process that does it"
    ] * 2
    assert alive == "0 1"
    assert row.ends is None
