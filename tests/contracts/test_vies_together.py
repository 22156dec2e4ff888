"""Register, order by state and practice VIES together: every number gets its own verdict, whatever fails."""

from collections import Counter
from functools import cache
from typing import Any

import pytest
from tests.simulators.virtual_time import run

from kvk_enrich.fetch.fanout import fan_out
from kvk_enrich.fetch.feed import Claimed, Feed
from kvk_enrich.fetch.policies import settled
from kvk_enrich.fetch.states import by_state
from kvk_enrich.fetch.stop import Stop
from kvk_enrich.model import Failed, Found, Kind, NotFound, Question
from kvk_enrich.practice.settings import Practice
from kvk_enrich.practice.settings import Vies as PracticeVies
from kvk_enrich.practice.vat_numbers import holder, numbers, sole_trader_numbers
from kvk_enrich.practice.vies import create
from kvk_enrich.practice.vies_faults import parse
from kvk_enrich.registers.vies import Vies

STATES = ("NL", "DE", "FR", "BE", "EL", "ES")
TROUBLES = (
    # states that lie while they fail and before, one that is away, and a few in a hundred of all else that passes
    "state=FR code=TIMEOUT nth=1..2",
    "state=FR false-invalid times=1",
    "state=EL code=MS_UNAVAILABLE nth=12",
    "state=EL false-invalid times=1",
    "state=DE outage=0..90",
    "code=MS_MAX_CONCURRENT_REQ share=0.02 times=1",
    "code=SERVICE_UNAVAILABLE share=0.02 times=2",
    "body=html share=0.02 times=1",
    "status=500 share=0.02 times=1",
    "body=broken share=0.02 times=1",
    "cut=30 share=0.02 times=1",
    "reset share=0.02 times=1",
)


@cache
def wanted():
    """Numbers of several states, known to VIES and not, mixed."""
    known = [number for state in STATES for number in numbers(state, 15)]
    unknown = [number for state in STATES for number in numbers(state, 5, valid=False)]
    drawn = sorted(known + unknown + sole_trader_numbers(10), key=lambda number: number[::-1])
    return [Question("vies", Kind.VAT, number) for number in drawn]


async def asked(clock, dialect, questions, **practice: Any) -> dict[str, Any]:
    """Return number -> outcome, the first of those that were recalled not counted."""
    told: dict[str, list[Any]] = {}

    async def sent():
        pass

    async def attempt(call):
        return await register.fetch(call, sent)

    def feed_of(own):
        return Feed(own, lambda _, claimed: Claimed(claimed, [], []), stop, lambda _: None, most=register.products)

    def tell(_, outcome):
        told.setdefault(outcome.number, []).append(outcome)

    app = create(Practice(latency_seconds=0.5, clock=clock, vies=PracticeVies(**practice)))
    stop = Stop()
    vies = Vies("http://x/vies", requester=None, dialect=dialect, timeout_seconds=30, app=app)
    async with vies as register, by_state(questions, feed_of, stop, lambda _: None) as feed:
        await fan_out(feed, feed.judged(settled(feed.watched(attempt), stop)), tell, stop, workers=4)
    for question in feed.recalled:
        del told[question.number][0]
    final = {}
    for number, outcomes in told.items():
        (final[number],) = outcomes
    return final


@pytest.mark.parametrize("dialect", ["post", "get"])
def test_every_number_gets_its_own_verdict(dialect):
    """None is called not valid for an outage, none is lost, and the limits of VIES are never met."""

    async def main(clock):
        faults = tuple(map(parse, TROUBLES))
        return await asked(clock, dialect, wanted(), faults=faults, at_once=4, at_once_per_state=1)

    told = run(main)
    assert sorted(told) == sorted(question.number for question in wanted())
    for number, outcome in told.items():
        assert isinstance(outcome, NotFound if holder(number) is None else Found), outcome


def test_a_blocked_address_asks_no_more():
    """The calls of the day are used up: what was answered stays, the rest has failed as blocked."""

    async def main(clock):
        return await asked(clock, "get", wanted(), calls_per_day=30)

    told = run(main)
    ends = Counter(outcome.reason if isinstance(outcome, Failed) else "answered" for outcome in told.values())
    assert ends["answered"] == 30
    assert ends["vies_blocked"] == len(wanted()) - 30
