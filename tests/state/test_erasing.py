"""Erasing: what memory held stays out of new files, dates are no numbers, and a kill anywhere is survived."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests import kept
from tests.state.parts import NOON, Desk, HandClock, desk, found, not_found, settlement

from kvk_enrich.aliases import aliases
from kvk_enrich.errors import StorageError
from kvk_enrich.knowing import TYPING
from kvk_enrich.model import Attempt, Found, Kind, NotFound
from kvk_enrich.state import erasing, rewriting
from kvk_enrich.state.cache import open_cache
from kvk_enrich.state.home import Home
from kvk_enrich.state.journal import Settlement, open_journal
from kvk_enrich.state.related import related

KEEP = timedelta(days=30)


def opened_cache(it: Desk):
    """Open the cache with all answers in it; no damage may be told."""
    return open_cache(it.home, it.journal, TYPING, pytest.fail)


def settle(it: Desk, product: str, kind: Kind, number: str, body: object, *, is_found: bool = True) -> None:
    """Keep one answer of any product."""
    (permit,) = it.journal.lease(it.run, it.account, 1).permits
    data = json.dumps(body).encode()
    answer = Found(number, data) if is_found else NotFound(number, "vat_not_valid", data)
    it.journal.settle(
        it.run, it.account, [Settlement(Attempt(permit, NOON, 0.5, 200, None), product, kind.value, number, answer)]
    )


def met(it: Desk, number: str, kind: Kind) -> set[tuple[str, str]]:
    """Return product and number of the answers that belong to the company of *number*."""
    with opened_cache(it) as cache:
        cache.absorb(it.journal, TYPING, keep=KEEP)
        company = related(cache, number, kind, it.journal.id)
    return set(company.keys.select("product", "number").iter_rows())


# -- who belongs together -------------------------------------------------------------------------


def test_a_number_like_a_date_does_not_belong_to_every_date(opened):
    """20150101 is a KVK number and a day on which others began."""
    opened.answer(found("20150101"), found("90000001", materieleRegistratie={"datumAanvang": "20150101"}))
    assert met(opened, "20150101", Kind.KVK) == {("basisprofiel", "20150101")}


def test_an_answer_about_another_that_names_the_number_goes_too(opened):
    """Nothing is left in which it stands; not part of a longer number."""
    opened.answer(
        found("90000001"),
        found("90000002", _embedded={"eigenaar": {"kvkNummer": "90000001"}}),
        found("90000003", other="900000012"),
        found("90000004", _embedded={"eigenaar": {"rsin": "123456782"}}),
        found("90000005", tekst="zie 123456782"),
    )
    assert met(opened, "90000001", Kind.KVK) == {("basisprofiel", "90000001"), ("basisprofiel", "90000002")}
    assert met(opened, "123456782", Kind.RSIN) == {("basisprofiel", "90000004"), ("basisprofiel", "90000005")}


def test_starred_out_answers_do_not_tie_strangers(opened):
    """Two people's VAT numbers are kept with stars: they are not one company."""
    numbers = ["NL123456782B01", "NL111222333B01"]
    named = aliases(numbers, opened.journal.id)
    for alias in named.values():
        body = {"countryCode": "NL", "vatNumber": "*********B01", "requestDate": "2026-11-21T12:00:00Z", "valid": False}
        settle(opened, "vies", Kind.VAT, alias, body, is_found=False)
    for number in numbers:
        assert met(opened, number, Kind.VAT) == {("vies", named[number])}


def test_a_branch_ties_no_two_companies(opened):
    """It moved: what is known of the company that has it now stays."""
    opened.answer(
        found("90000001", _embedded={"hoofdvestiging": {"vestigingsnummer": "000011112222"}}),
        found("90000002", _embedded={"hoofdvestiging": {"vestigingsnummer": "000033334444"}}),
    )
    body = {"vestigingsnummer": "000011112222", "kvkNummer": "90000002"}
    settle(opened, "vestigingsprofiel", Kind.BRANCH, "000011112222", body)
    assert met(opened, "90000001", Kind.KVK) == {("basisprofiel", "90000001"), ("vestigingsprofiel", "000011112222")}


# -- what is left in files ------------------------------------------------------------------------


def names_in(path: Path) -> set[int]:
    """Return the places of the companies whose names stand in the file."""
    return {int(place) for place in re.findall(rb"Bedrijf 9([0-9]{7})", path.read_bytes())}


def many(it: Desk, count: int) -> None:
    """Keep *count* answers; every third is young."""
    for first in range(0, count, 1_000):
        places = range(first, min(first + 1_000, count))
        permits = it.journal.lease(it.run, it.account, len(places)).permits
        it.journal.settle(
            it.run,
            it.account,
            [
                settlement(
                    permit,
                    found(f"9{place:07}", dichtheid=os.urandom(60).hex()),
                    at=NOON if place % 3 == 0 else NOON - timedelta(days=500),
                )
                for permit, place in zip(permits, places, strict=True)
            ],
        )


def test_a_new_file_holds_nothing_that_memory_held(tmp_path):
    """DuckDB fills gaps in its blocks with what lay there: the new file is of a process that never saw the rest."""
    with desk(tmp_path / "home") as it:
        many(it, 3_000)
        with opened_cache(it) as cache:
            cache.absorb(it.journal, TYPING, keep=timedelta(days=1_000))
            old = names_in(it.home.cache)
            assert any(place % 3 for place in old)
            it.journal.finish(it.run, "complete", b"{}")
            pruned = erasing.prune(it.home, it.journal, cache, before=NOON - timedelta(days=400), set_aside_before=NOON)
        assert pruned.answers == 2_000
        assert {place % 3 for place in names_in(it.home.cache)} == {0}
        with opened_cache(it) as cache:
            assert cache.connection.execute("SELECT count(*) FROM answers").fetchall() == [(1_000,)]
            assert cache.connection.execute("SELECT count(*) FROM basisprofiel").fetchall() == [(1_000,)]


def test_a_failed_rewriting_leaves_the_cache_as_it_was(opened, monkeypatch):
    """The old one is replaced only by one that is whole."""
    opened.answer(found("90000001"), found("90000002"))
    opened.journal.finish(opened.run, "complete", b"{}")
    monkeypatch.setattr(rewriting, "_CHILD", "no.such.module")
    with opened_cache(opened) as cache:
        cache.absorb(opened.journal, TYPING, keep=KEEP)
        company = related(cache, "90000001", Kind.KVK, opened.journal.id)
        with pytest.raises(StorageError, match=r"cannot be made anew: .*no\.such"):
            erasing.forget(opened.home, opened.journal, cache, company)
    monkeypatch.undo()
    with opened_cache(opened) as cache:
        assert cache.connection.execute("SELECT count(*) FROM answers").fetchall() == [(2,)]
        erasing.forget(opened.home, opened.journal, cache, company)
    assert [answer[3] for answer in kept.answers(opened.home)] == ["90000002"]
    assert list((opened.home.root / "tmp").iterdir()) == []


# -- killed ---------------------------------------------------------------------------------------

_GONE, _STAYS = "90000001", "90000002"
_FORGET = f"""
import os, signal, sys
from contextlib import closing
from pathlib import Path
from tests.state.parts import HandClock
from kvk_enrich import keeping

root, kill_at = Path(sys.argv[1]), int(sys.argv[2])
steps = 0

def at_step(frame, event, callee):
    global steps
    if event not in ("c_call", "c_return") or "/kvk_enrich/" not in frame.f_code.co_filename:
        return
    origin = getattr(callee, "__module__", None) or type(getattr(callee, "__self__", None)).__module__
    if origin.split(".")[0] not in ("_duckdb", "duckdb", "sqlite3", "posix", "_posixsubprocess"):
        return
    if "/state/" in frame.f_code.co_filename:
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(at_step)
keeping.forget(root, "{_GONE}", clock=HandClock())
sys.setprofile(None)
print(steps)
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Home:
    """A home with two companies in both stores, one of them in a file that was set aside too."""
    root = tmp_path_factory.mktemp("template") / "home"
    with desk(root) as it:
        it.answer(found(_GONE, statutaireNaam="Verdwijnpunt Holding"), found(_STAYS), not_found("90000003"))
        with opened_cache(it) as cache:
            cache.absorb(it.journal, TYPING, keep=KEEP)
        it.journal.finish(it.run, "complete", b"{}")
        shutil.copy(it.home.cache, root / "cache.duckdb.quarantine-1")
        return it.home


def forgetting(home: Home, kill_at: int) -> subprocess.CompletedProcess[str]:
    """Forget in another process, which dies at its step number *kill_at*."""
    return subprocess.run(
        [sys.executable, "-c", _FORGET, home.root, str(kill_at)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def survived(template: Home, folder: Path, kill_at: int) -> bool:
    """Kill at that step, look, forget again, look again; return whether the step was there."""
    home = Home(Path(shutil.copytree(template.root, folder / f"home-{kill_at}")))
    traces = kept.traces(
        *([answer for answer in kept.answers(template) if (answer[3] == _GONE) == gone] for gone in (True, False))
    )
    killed = forgetting(home, kill_at)
    assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
    with closing(open_journal(home, HandClock())) as journal, open_cache(home, journal, TYPING, pytest.fail) as cache:
        cache.absorb(journal, TYPING, keep=KEEP)
        known = {number for (number,) in cache.connection.execute("SELECT number FROM answers").fetchall()}
    assert {_STAYS, "90000003"} <= known
    if _GONE not in known:
        assert kept.seen(home, traces) == set(), "the last step is not the last"
    assert forgetting(home, 0).returncode == 0
    assert kept.seen(home, traces) == set()
    assert [answer[3] for answer in kept.answers(home)] == [_STAYS, "90000003"]
    assert [answer[3] for answer in kept.copies(home)] == [_STAYS, "90000003"]
    assert kept.ledger(home) == kept.ledger(template)
    assert list((home.root / "tmp").iterdir()) == []
    shutil.rmtree(home.root)
    return killed.returncode != 0


def steps_of(template: Home, folder: Path) -> int:
    """Return how many steps there are when nothing goes wrong."""
    home = Home(Path(shutil.copytree(template.root, folder / "calm")))
    done = forgetting(home, 0)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_a_kill_is_survived(template, tmp_path):
    """At some steps, the last ones among them; all of them in the slow test."""
    steps = steps_of(template, tmp_path)
    assert steps > 50
    for kill_at in (steps // 2, steps - 25, steps - 5):
        assert survived(template, tmp_path, kill_at)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_kill_at_every_step_is_survived(template, tmp_path):
    """Before and after each call of the databases and of the system that forgetting makes."""
    steps = steps_of(template, tmp_path)
    killed = sum(survived(template, tmp_path, kill_at) for kill_at in range(1, steps + 1))
    assert killed == steps
