"""A population that moves with the date."""

from collections import Counter
from datetime import date, timedelta
from itertools import islice, pairwise

from kvk_enrich.practice import moving, population
from kvk_enrich.practice.company import Company
from kvk_enrich.practice.moving import Moving

SINCE = date(2026, 11, 1)
TODAY = date(2026, 11, 21)  # of the clock of these tests
LIVELY = Moving(SINCE, 20.0)
NUMBERS = list(islice(population.numbers(), 400))


def on(number: str, day: date, how: Moving = LIVELY) -> Company:
    """The company with *number* as it is on *day*."""
    company = population.company(number)
    assert company is not None
    return moving.as_of(company, 0, how, day)


def test_nothing_has_happened_the_day_before():
    """Before the first day all are as ever."""
    assert [on(number, SINCE - timedelta(1)) for number in NUMBERS] == list(map(population.company, NUMBERS))


def test_what_happened_stays_so():
    """Day by day a company has the same past and at most one move more; who has ended changes no more."""
    for number in NUMBERS[:50]:
        days = [SINCE + timedelta(place) for place in range(21)]
        pasts = [list(moving.moves(number, 0, LIVELY, day)) for day in days]
        assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(pasts))
        companies = [on(number, day) for day in days]
        ended = [company for company in companies if not company.active]
        assert len({(company.name, company.ended) for company in ended}) <= 1


def test_as_much_happens_as_was_asked_for():
    """20 moves a year are about one in 18 days, of every kind."""
    seen = Counter(move for number in NUMBERS for _, move in moving.moves(number, 0, LIVELY, TODAY))
    assert 350 < seen.total() < 570
    assert set(seen) == {"ended", "name", "address", "activity", "form"}


def test_the_register_answers_as_of_today(register, clock):
    """Profiles and searches tell the same, and another thing later."""
    ask = register(moving=LIVELY)

    def told(number):
        profile = ask(f"/v1/basisprofielen/{number}").json()
        rows = ask(f"/v2/zoeken?kvkNummer={number}&inclusiefInactieveRegistraties=true").json()["resultaten"]
        assert {row["naam"] for row in rows if row["type"] != "nevenvestiging"} == {profile["naam"]}
        return profile

    before = {number: told(number) for number in NUMBERS[:40]}
    assert all(before[number]["naam"] == on(number, TODAY).name for number in before)
    clock.pass_seconds(20 * 86_400)
    assert sum(told(number) != before[number] for number in before) > 10
