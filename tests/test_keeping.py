"""What is kept: shown, handed out, forgotten to the last byte, pruned by age; in real files."""

import json
import os
import pty
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests import kept
from tests.harness import COMMAND, environment
from tests.here import Said, command
from tests.state.parts import HandClock

from kvk_enrich import keeping, telling
from kvk_enrich.clock import SystemClock
from kvk_enrich.errors import ConfigError, StateInUse
from kvk_enrich.knowing import TYPING, Books
from kvk_enrich.model import Kind, Secret
from kvk_enrich.progress import Progress
from kvk_enrich.state.cache import open_cache
from kvk_enrich.state.home import Home
from kvk_enrich.state.journal import open_journal


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> kept.Kept:
    """A home that a run has filled; not to be changed."""
    return kept.fill(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def home(filled: kept.Kept, tmp_path: Path) -> Home:
    """A copy of it."""
    return filled.copy(tmp_path)


class Noted(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def later(days: float) -> HandClock:
    """Return a clock that is ahead."""
    return HandClock(datetime.now(UTC) + timedelta(days=days))


def numbers_of(dossier: keeping.Dossier) -> set[str]:
    """Return the numbers, without those that are masked or have an alias."""
    return {line.number for line in dossier.known if line.kind != "vat"}


def reopened(home: Home) -> list[str]:
    """Open both stores as a run does; return what people were told."""
    notes: list[str] = []
    with (
        closing(open_journal(home, SystemClock())) as journal,
        open_cache(home, journal, TYPING, notes.append) as cache,
    ):
        cache.absorb(journal, TYPING, keep=timedelta(days=30))
    return notes


# -- forgetting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["kvk", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("rsin", "branch", "vat"))]
)
def test_no_byte_of_a_forgotten_company_is_left(filled, home, kind):
    """By whichever number: all its answers, names and numbers are out of all files; others have lost nothing."""
    number = next(each.number for each in filled.drawn if each.kind == kind and each.kvk_number)
    company = next(each.kvk_number for each in filled.drawn if each.number == number)
    before, money = kept.answers(home), kept.ledger(home)
    (home.root / "cache.duckdb.quarantine-20261122T000000").write_bytes(home.cache.read_bytes())
    forgotten = keeping.forget(home.root, number)
    left = kept.answers(home)
    gone = [answer for answer in before if answer not in left]
    assert company in {answer[3] for answer in gone}
    assert {(register, product) for register, product, *_ in gone if register == "practice"} >= {
        ("practice", "basisprofiel"),
        ("practice", "naamgeving"),
        ("practice", "vestigingen"),
    }
    assert len(gone) == sum(line.answers for line in forgotten.dossier.known)
    what = kept.traces(gone, left)
    assert len(what) > 50
    assert kept.seen(home, what) == set()
    assert {place for place, _ in kept.seen(filled_home(filled), what)} >= {"journal.sqlite", "cache.duckdb"}
    assert forgotten.set_aside_files == 1
    assert kept.copies(home) == left
    assert {key for rows in kept.typed(home).values() for *_, key in rows} == {answer[3] for answer in left}
    assert kept.ledger(home) == money
    assert reopened(home) == []
    assert kept.answers(home) == left
    assert keeping.known(home.root, number).known == ()


def filled_home(filled: kept.Kept) -> Home:
    """Return the home as it was."""
    return Home(filled.home)


def test_a_number_that_never_got_an_answer_is_forgotten_too(home):
    """Calls keep their money and lose the number; the numbers of others stay with theirs."""
    kept.fail(home, "87654321", "87654329")
    traces = {"it": b"87654321"}
    assert kept.seen(home, traces)
    money = kept.ledger(home)
    assert keeping.known(home.root, "87654321").attempts == 1
    dossier = keeping.forget(home.root, "87654321").dossier
    assert (dossier.known, dossier.attempts) == ((), 1)
    assert kept.seen(home, traces) == set()
    assert kept.ledger(home) == money
    assert keeping.known(home.root, "87654329").attempts == 1


def test_working_files_of_killed_runs_go_too(home, filled):
    """They hold the list that the run was given, and what DuckDB had no room for."""
    for name in ("run-killed/list.csv", "run-killed/.lock", "run-orphan/answers.parquet", "duckdb_temp_storage-0.tmp"):
        path = home.root / "tmp" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("" if name.endswith(".lock") else filled.one("kvk"))
    keeping.forget(home.root, filled.one("kvk"))
    assert list((home.root / "tmp").iterdir()) == []


def test_an_empty_home_forgets(tmp_path):
    """Nothing is known, nothing breaks."""
    assert keeping.forget(tmp_path / "home", "87654321").dossier.known == ()


@pytest.mark.parametrize(("text", "kind"), [("n.v.t.", None), ("12", None), ("8765432A", Kind.BRANCH), ("", None)])
def test_what_is_no_number_is_refused(tmp_path, text, kind):
    """Before anything is opened."""
    with pytest.raises(ConfigError, match=r"^NUMBER: "):
        keeping.forget(tmp_path / "home", text, kind)
    assert not (tmp_path / "home").exists()


def test_not_beside_a_run(home, filled):
    """It may hold the number, and write it back."""
    before = kept.answers(home)
    with closing(open_journal(home, SystemClock())) as journal:
        account = journal.account("practice", "default", Secret(""), requests_per_second=9, allowance=9, micro_eur=0)
        run = journal.begin("job", account, ceiling=None, source="list.csv")
        done = command("cache", "forget", filled.one("kvk"), "--yes", "--home", home.root)
        assert done.returncode == 8, done.stderr
        assert run in done.stderr
        assert command("cache", "prune", "--home", home.root).returncode == 8
    assert kept.answers(home) == before


def test_not_while_a_command_holds_a_list(home, filled):
    """A plan that waits for a yes has the list in the home."""
    before = kept.answers(home)
    with home.workspace(), pytest.raises(StateInUse, match="another kvk-enrich"):
        keeping.forget(home.root, filled.one("kvk"))
    assert kept.answers(home) == before


# -- showing --------------------------------------------------------------------------------------


def test_a_company_is_known_by_all_its_numbers(filled, home):
    """Whichever is given, the same answers are shown."""
    vat = next(each for each in filled.drawn if each.kind == "vat" and each.kvk_number)
    by_vat = keeping.known(home.root, vat.number)
    assert vat.kvk_number in numbers_of(by_vat)
    assert {keeping.known(home.root, number).known for number in numbers_of(by_vat)} == {by_vat.known}
    assert {line.product for line in by_vat.known} >= {"basisprofiel", "naamgeving", "vestigingen", "vies", "zoeken"}


def test_delicate_numbers_are_not_shown(filled, home):
    """Neither as asked nor in what is known."""
    vat = next(each.number for each in filled.drawn if each.kind == "vat" and each.kvk_number)
    lines = telling.dossier(keeping.known(home.root, vat))
    assert vat not in "\n".join(lines)
    assert "NL*********B01" in lines[0]


def test_stats_count_what_is_there(home):
    """By register and product, with the size of files."""
    (home.root / "cache.duckdb.quarantine-1").write_bytes(b"12345")
    stats = keeping.stats(home.root)
    stored = kept.answers(home)
    assert {(line.register, line.product): line.answers for line in stats.holdings} == {
        key: sum(answer[:2] == key for answer in stored) for key in {answer[:2] for answer in stored}
    }
    assert sum(line.size for line in stats.holdings) == sum(len(answer[4].encode()) for answer in stored)
    assert all(line.numbers == line.found + line.not_found == line.answers for line in stats.holdings)
    assert (stats.set_aside_files, stats.set_aside_bytes) == (1, 5)
    assert stats.cache_bytes == home.cache.stat().st_size
    assert keeping.stats(home.root / "elsewhere").holdings == ()


# -- handing out ----------------------------------------------------------------------------------


def test_an_export_of_one_company_is_all_that_is_kept_of_it(filled, home, tmp_path):
    """Each answer as received and typed, each vain call, and nothing about others."""
    number = filled.one("kvk")
    kept.fail(home, number)
    known = keeping.known(home.root, number)
    file = tmp_path / "export.json"
    written = keeping.export(home.root, file, number)
    lines = json.loads(file.read_bytes())
    assert written.rows == len(lines) == sum(line.answers for line in known.known) + 1
    stored = {answer[:4]: json.loads(answer[4]) for answer in kept.answers(home)}
    for line in lines[:-1]:
        assert line["answer"] == stored[line["register"], line["product"], line["kind"], line["number"]]
    profile = next(line for line in lines if line["product"] == "basisprofiel")
    assert profile["columns"]["kvk_name"] == profile["answer"]["naam"]
    assert profile["fetched_at"].endswith("Z")
    assert (lines[-1]["status"], lines[-1]["reason"], lines[-1]["number"]) == ("failed", "server_error", number)
    assert file.stat().st_mode & 0o077 == 0
    table = keeping.export(home.root, tmp_path / "export.parquet", number)
    frame = pl.read_parquet(table.path)
    assert frame.height == len(lines)
    assert frame["raw"].null_count() == 1


def test_an_export_of_nobody_is_an_empty_list(home, tmp_path):
    """Said in a file too."""
    keeping.export(home.root, tmp_path / "none.json", "87654321")
    assert json.loads((tmp_path / "none.json").read_bytes()) == []
    assert keeping.export(home.root, tmp_path / "none.parquet", "87654321").rows == 0
    assert pl.read_parquet(tmp_path / "none.parquet").is_empty()


def test_an_export_of_all_has_a_row_per_number_and_product(home, tmp_path):
    """The same rows in either form, moments in UTC, no answers as received."""
    table, text = tmp_path / "all.parquet", tmp_path / "all.json"
    assert keeping.export(home.root, table).rows == keeping.export(home.root, text).rows
    frame, lines = pl.read_parquet(table), json.loads(text.read_bytes())
    keys = ["register", "product", "kind", "number"]
    assert sorted(frame.select(keys).rows()) == sorted(tuple(line[key] for key in keys) for line in lines)
    assert sorted(frame.select(keys).rows()) == sorted(answer[:4] for answer in kept.answers(home))
    assert frame.schema["fetched_at"] == frame.schema["vat_checked_at"] == pl.Datetime("us", "UTC")
    assert "raw" not in frame.columns
    moments = {line["fetched_at"] for line in lines}
    assert moments == set(frame["fetched_at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"))


def test_an_export_is_its_owners(home, tmp_path):
    """Also where a file that others could read lies there already."""
    (file := tmp_path / "all.json").write_text("[]")
    file.chmod(0o644)
    keeping.export(home.root, file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_export_knows_two_forms(home, tmp_path):
    """Another suffix is refused, and no file appears."""
    with pytest.raises(ConfigError, match=r"\.json or \.parquet"):
        keeping.export(home.root, tmp_path / "all.csv")
    assert not (tmp_path / "all.csv").exists()


# -- pruning --------------------------------------------------------------------------------------


def test_what_is_too_old_is_erased_to_the_last_byte(filled, home):
    """From both stores; lines of calls go, months and runs stay."""
    before = kept.answers(home)
    old = home.root / "cache.duckdb.quarantine-1"
    old.write_bytes(home.cache.read_bytes())
    pruned = keeping.prune(home.root, timedelta(days=400), clock=later(401))
    assert (pruned.answers, pruned.files) == (len(before), 1)
    assert pruned.calls >= len(before)
    assert kept.seen(home, kept.traces(before, [])) == set()
    assert kept.answers(home) == kept.copies(home) == []
    assert kept.ledger(home)[:-1] == kept.ledger(filled_home(filled))[:-1]
    assert reopened(home) == []
    assert home.cache.stat().st_size < 1_000_000


def test_what_is_not_too_old_stays(home):
    """And no file is written anew for nothing."""
    before, inode = kept.answers(home), home.cache.stat().st_ino
    assert keeping.prune(home.root, timedelta(days=400), clock=later(399)) == (0, 0, 0)
    assert kept.answers(home) == before
    assert home.cache.stat().st_ino == inode


def test_an_older_answer_goes_and_the_newer_stays(filled, home, tmp_path):
    """Each by its own age: the typed row is that of the newer one."""
    number = filled.one("kvk")
    listed = tmp_path / "again.csv"
    listed.write_text(f"nummer\n{number}\n")
    middle = datetime.now(UTC)
    done = command(
        *("run", listed, "--source", "practice", "--home", home.root, "--refresh"),
        env=environment() | {"KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert sum(answer[1:4:2] == ("basisprofiel", number) for answer in kept.answers(home)) == 2
    keeping.prune(home.root, timedelta(0), clock=HandClock(middle))
    assert [answer[1:4] for answer in kept.answers(home)] == [("basisprofiel", "kvk", number)]
    assert kept.typed(home) == {"basisprofiel": [("practice", "kvk", number)]}
    assert reopened(home) == []


def pruned_by_run(home: Home, clock: HandClock, retention: timedelta = timedelta(days=400)) -> list[str]:
    """Do what a run does at its end; return what people were told."""
    noted = Noted()
    with closing(open_journal(home, clock)) as journal:
        keeping.prune_daily(Books(home, journal, clock, noted), retention)
    return noted.notes


def test_a_run_prunes_once_a_day_and_says_so(home):
    """The second run of a day does not look again."""
    many = len(kept.answers(home))
    assert pruned_by_run(home, later(399)) == []
    assert len(kept.answers(home)) == many
    assert pruned_by_run(home, later(399), timedelta(days=1)) == []
    assert len(kept.answers(home)) == many
    assert pruned_by_run(home, later(402)) == [f"{many} answers older than 400 days (cache.retention) were erased."]
    assert kept.answers(home) == []


def test_a_clock_that_is_far_ahead_costs_no_answer(home):
    """The first run after weeks only looks; the next day's erases."""
    many = len(kept.answers(home))
    pruned_by_run(home, later(0))
    assert pruned_by_run(home, later(450)) == []
    assert pruned_by_run(home, later(1)) == []
    assert len(kept.answers(home)) == many
    assert pruned_by_run(home, later(450)) == []
    assert pruned_by_run(home, later(451)) != []


def test_a_run_leaves_fresh_damage_for_people_to_look_at(home):
    """Files set aside go after a month."""
    aside = home.root / "cache.duckdb.quarantine-1"
    aside.write_bytes(b"x")
    pruned_by_run(home, later(29))
    assert aside.exists()
    pruned_by_run(home, later(31))
    assert not aside.exists()


PRUNING = """
import sys
from datetime import timedelta
from pathlib import Path
from kvk_enrich import keeping
from kvk_enrich.clock import SystemClock
from kvk_enrich.knowing import Books
from kvk_enrich.progress import Progress
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import open_journal
home, clock = open_home(Path(sys.argv[1])), SystemClock()
keeping.prune_daily(Books(home, open_journal(home, clock), clock, Progress()), timedelta(0))
"""


def test_a_run_beside_others_prunes_later(home):
    """It is not worth an error, and not forgotten for the day."""
    with closing(open_journal(home, SystemClock())) as journal:
        account = journal.account("practice", "default", Secret(""), requests_per_second=9, allowance=9, micro_eur=0)
        run = journal.begin("job", account, ceiling=None, source="list.csv")
        kept.look_again(home)
        subprocess.run([sys.executable, "-c", PRUNING, home.root], check=True)
        assert kept.answers(home)
        journal.finish(run, "complete", b"{}")
    assert pruned_by_run(home, later(0), timedelta(0)) != []


def test_a_run_ends_with_pruning(home, tmp_path, filled):
    """Through the command line, with the configured age."""
    listed = tmp_path / "again.csv"
    listed.write_text(f"nummer\n{filled.one('kvk')}\n")
    time.sleep(1.1)  # the shortest age that can be configured
    kept.look_again(home)
    done = command(
        *("run", listed, "--source", "practice", "--home", home.root),
        env=environment() | {"KVK_ENRICH_CACHE_RETENTION": "1s", "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert "(cache.retention) were erased" in done.stderr
    assert kept.answers(home) == []


# -- the command line -----------------------------------------------------------------------------


def cache(home: Home, *arguments: str | Path) -> Said:
    """Run a ``cache`` command on *home*."""
    return command("cache", *arguments, "--home", home.root)


def test_forgetting_needs_a_yes(filled, home):
    """Without a terminal the flag; what would go is shown, nothing is changed."""
    number, before = filled.one("kvk"), kept.answers(home)
    asked = cache(home, "forget", number)
    assert asked.returncode == 2
    assert "basisprofiel" in asked.stderr
    assert "--yes" in asked.stderr
    assert kept.answers(home) == before
    done = cache(home, "forget", number, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(before) - len(kept.answers(home)) == sum(line["answers"] for line in told["dossier"]["known"]) > 0


@pytest.mark.parametrize(("typed", "code"), [(b"n\n", 130), (b"y\n", 0)])
def test_a_terminal_is_asked(filled, home, typed, code):
    """No means no."""
    before = kept.answers(home)
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "cache", "forget", filled.one("kvk"), "--home", str(home.root)],
        stdin=child,
        stderr=child,
        stdout=subprocess.DEVNULL,
        env=environment(),
    )
    os.close(child)
    shown = b""
    while b"Erase it for good?" not in shown:
        shown += os.read(parent, 65_536)
    os.write(parent, typed)
    try:
        while os.read(parent, 65_536):
            pass
    except OSError:
        pass  # the terminal is closed at the other end
    assert process.wait(120) == code
    os.close(parent)
    assert (kept.answers(home) == before) == (code != 0)


def test_the_other_commands_answer(home, tmp_path):
    """In words and as JSON."""
    assert "basisprofiel" in cache(home).stdout
    assert {line["product"] for line in json.loads(cache(home, "stats", "--json").stdout)["holdings"]} >= {"vies"}
    assert json.loads(cache(home, "export", tmp_path / "x.parquet", "--json").stdout)["rows"] > 0
    assert cache(home, "prune", "--older-than", "1").returncode == 2
    assert json.loads(cache(home, "prune", "--json").stdout) == {"answers": 0, "calls": 0, "files": 0}
    assert cache(home, "prune", "--older-than", "0d").stdout.startswith("Erased: ")
    assert cache(home, "forget", "87654321", "--kind", "x", "--yes").returncode == 2
