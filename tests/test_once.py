"""One call by itself: with a permit like any other, settled whatever comes of it, and never a second attempt."""

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import timedelta

import pytest
from tests.parts import CANARY
from tests.simulators.fault_server import Step, misbehaving

from kvk_enrich.clock import SystemClock
from kvk_enrich.config import Source
from kvk_enrich.errors import AccessRefused, NotSent, RegisterError, Transient
from kvk_enrich.model import Call, Kind, Secret
from kvk_enrich.once import ask_once
from kvk_enrich.registers.kvk import Kvk
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import open_journal

PROBE = Call("probe", Kind.KVK, ("",))
EMPTY = '{"fout":[{"code":"IPD5200","omschrijving":"Niets gevonden."}]}'


@pytest.fixture
def home(tmp_path):
    """A home with nothing in it."""
    return open_home(tmp_path / "home")


def checked(home, url, *, seconds=1.0, **options):
    """Probe the register at *url*."""
    service = Source(name="practice", base_url=url, api_key=Secret(CANARY), timeout_seconds=seconds, **options)
    register = Kvk(url, Secret(CANARY), timeout_seconds=1)
    return ask_once(
        service, register, register.probe, call=PROBE, home=home, clock=SystemClock(), why="config check --online"
    )


def calls(home):
    """Return how many permits are in which state."""
    with closing(sqlite3.connect(home.journal)) as sql:
        return Counter(dict(sql.execute("SELECT state, count(*) FROM call GROUP BY state")))


def runs(home):
    """Return the state of each run."""
    with closing(open_journal(home, SystemClock())) as journal:
        return [run.state for run in journal.runs()]


@pytest.mark.parametrize("step", [Step(body="{}"), Step(status=404, body=EMPTY)])
def test_a_call_has_a_permit_that_is_settled(home, tmp_path, step):
    """Found or empty, the register answered; the call is in the ledger, and not in doubt."""
    with misbehaving(tmp_path, [step]) as server:
        assert checked(home, server.url) == timedelta()
        assert len(server) == 1
    assert (calls(home), runs(home)) == ({"answered": 1}, ["complete"])


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (Step(status=401, body=""), AccessRefused),
        (Step(status=404, body="<html>"), RegisterError),
        (Step(reset=True), Transient),
        (Step(drip=0.05), Transient),
    ],
)
def test_a_call_that_fails_says_why_and_ends(home, tmp_path, step, error):
    """Also when the answer drips: there is a deadline. It is not tried again."""
    with misbehaving(tmp_path, [step]) as server:
        with pytest.raises(error, match="cannot be asked"):
            checked(home, server.url, seconds=0.3)
        assert len(server) == 1
    assert (calls(home), runs(home)) == ({"failed": 1}, ["stopped"])


def test_without_allowance_nothing_is_sent(home, tmp_path):
    """The month is used up, and that is said."""
    with misbehaving(tmp_path) as server:
        with pytest.raises(NotSent, match="allowance"):
            checked(home, server.url, allowance=0)
        assert len(server) == 0
    assert (calls(home), runs(home)) == ({}, ["stopped"])
