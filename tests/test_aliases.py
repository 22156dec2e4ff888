"""Aliases: what may be a citizen service number lies in no file of the home, and is told under its own name."""

import sqlite3
import zlib
from contextlib import closing
from datetime import timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.parts import Desked, Here, in_rounds, numbers_of, questions
from tests.simulators.virtual_time import run

from kvk_enrich.aliases import aliases, without_digits
from kvk_enrich.errors import Transient
from kvk_enrich.model import Failed, Found, Kind, NotFound, Question
from kvk_enrich.registers import vies_vat
from kvk_enrich.state.cache import open_cache
from kvk_enrich.state.home import Home

DELICATE = "NL123456782B01"
"""Its digits pass the eleven-test; so do those of the next two."""

BUSY, DOUBTED = "NL111222333B01", "NL000000012B01"
PLAIN = ["NL123456789B13", "DE987654321", "BE0123456749"]
TYPING = {"vies": vies_vat.rows}


def verdict(number: str, valid: str = "false") -> bytes:
    """Return VIES's word about *number*: that it is not valid, if nothing else is said."""
    said = '{"countryCode":"%s","vatNumber":"%s","requestDate":"2026-11-21T12:00:00.000Z","valid":%s}'
    return (said % (number[:2], number[2:], valid)).encode()


def test_only_what_may_be_a_citizen_service_number_has_an_alias():
    """A sole trader's number since 2020 and those of other states are known by themselves."""
    named = aliases([DELICATE, *PLAIN, BUSY], "secret of a home")
    assert set(named) == {DELICATE, BUSY}
    assert len(set(named.values())) == 2


def test_an_alias_is_the_same_in_one_home_and_another_in_the_next():
    """Who copies a file learns nothing, and a second run finds what the first one asked."""
    first = aliases([DELICATE], "one home")
    assert aliases([BUSY, DELICATE], "one home")[DELICATE] == first[DELICATE]
    assert aliases([DELICATE], "another home") != first


@given(st.integers(1, 10**9 - 1), st.integers(1, 99))
def test_an_alias_is_no_number_and_shows_none_of_its_digits(core, suffix):
    """It cannot be taken for one that was asked."""
    number = f"NL{core:09}B{suffix:02}"
    for alias in aliases([number], "secret").values():
        assert alias.startswith("NL~")
        assert len(alias) == 23
        assert f"{core:09}" not in alias


@pytest.mark.parametrize(
    ("body", "number", "left"),
    [
        (verdict(DELICATE), DELICATE, verdict("NL*********B01")),
        (b'{"a":"123456782","b":["NL123456782B01"]}', DELICATE, b'{"a":"*********","b":["NL*********B01"]}'),
        (b'{"a":"111222333"}', DELICATE, b'{"a":"111222333"}'),
        (b"", DELICATE, b""),
        (b"123456782", "ATU1", b"123456782"),
    ],
)
def test_the_digits_are_starred_wherever_they_stand(body, number, left):
    """Nothing else of the answer changes: its length, and what it says of others."""
    assert without_digits(body, number) == left


# -- with a journal and a cache -----------------------------------------------------------------


def clear_in(home: Home, digits: str) -> set[str]:
    """Return where *digits* stand: in the bytes of a file, in a row of the journal, in a row of the cache."""
    places = {path.name for path in home.root.rglob("*") if path.is_file() and digits.encode() in path.read_bytes()}
    with closing(sqlite3.connect(home.journal)) as sql:
        sql.create_function("holds", 1, lambda value: digits in _text(value))
        tables = [name for (name,) in sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            for row in sql.execute(f"SELECT * FROM {table}"):
                if any(digits in _text(value) for value in row):
                    places.add(f"journal {table}")
    if home.cache.exists():
        with closing(duckdb.connect(str(home.cache), read_only=True)) as sql:
            for (table,) in sql.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                if any(digits in _text(value) for row in sql.execute(f'FROM "{table}"').fetchall() for value in row):
                    places.add(f"cache {table}")
    return places


def _text(value: object) -> str:
    """Return *value* as text; what is compressed, unpacked."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return zlib.decompress(value).decode()
    except zlib.error:
        return value.decode("latin-1")


NUMBERS = [DELICATE, *PLAIN, BUSY, DOUBTED]
SAYS = {
    DELICATE: NotFound(DELICATE, "vat_not_valid", verdict(DELICATE)),
    BUSY: Transient("vies_busy", "200 MS_MAX_CONCURRENT_REQ", part="NL"),
    DOUBTED: Failed(DOUBTED, "invalid_doubted"),
    **{number: Found(number, verdict(number, "true")) for number in PLAIN},
}


@pytest.fixture(params=[None, 1])
def per_state(request):
    """Asked in the order of the list, or state by state."""
    return request.param


def vat_lane(it, register, *, named, per_state):
    """Return a lane for all numbers, with their aliases if they are to be *named*."""
    account = it.free_account()
    desk = it.desk_of(account, aliases(NUMBERS, it.journal.id) if named else {})
    return it.lane(register, questions(NUMBERS, "vies", Kind.VAT), desk=desk, per_state=per_state)


@pytest.mark.parametrize("named", [True, False])
def test_no_file_of_the_home_holds_the_digits(tmp_path, per_state, named):
    """Neither while numbers are claimed and asked, nor afterwards, in journal or cache; without aliases they all do."""

    async def main(clock):
        it, meanwhile = Desked(tmp_path / "home", clock=clock), list[set[str]]()
        with closing(it.journal):

            class Watched(Here):
                async def fetch(self, call, at_send):
                    meanwhile.append(clear_in(it.home, DELICATE[2:11]))
                    return await super().fetch(call, at_send)

            register = Watched(SAYS, products={"vies": 1})
            asked = await it.asking(in_rounds([vat_lane(it, register, named=named, per_state=per_state)]))
            assert set(register.sent) == set(NUMBERS), "the service is asked in clear"
            assert len(asked.failed) == 2
            assert (it.home.root / "journal.sqlite-wal").exists()
            with open_cache(it.home, it.journal, TYPING, lambda _: None) as cache:
                assert cache.absorb(it.journal, TYPING, keep=timedelta(days=30)) == len(it.stored()) == 4
            after = {number: clear_in(it.home, number[2:11]) for number in (DELICATE, BUSY, DOUBTED)}
        closed = clear_in(it.home, DELICATE[2:11])
        if named:
            assert [*meanwhile, *after.values(), closed] == [set()] * (len(meanwhile) + 4)
        else:
            assert "journal claim" in set().union(*meanwhile)
            assert {"journal answer", "journal.sqlite-wal", "cache answers"} <= after[DELICATE]
            assert "journal call" in after[BUSY]
            assert "journal call" in after[DOUBTED]
            assert "journal.sqlite" in closed

    run(main)


def test_outcomes_are_told_under_the_number_itself(tmp_path, per_state):
    """Rows of the list are found again; only the stores know the alias."""

    async def main(clock):
        it = Desked(tmp_path / "home", clock=clock)
        with closing(it.journal):
            lane = vat_lane(it, Here(SAYS, products={"vies": 1}), named=True, per_state=per_state)
            asked = await it.asking(in_rounds([lane]))
            assert numbers_of(asked.answered) == sorted([DELICATE, *PLAIN])
            assert {(question.number, outcome.number, outcome.reason) for question, outcome in asked.failed} == {
                (BUSY, BUSY, "vies_busy"),
                (DOUBTED, DOUBTED, "invalid_doubted"),
            }
            names = lane.desk.aliases
            assert sorted(it.answered()) == sorted([names[DELICATE], *PLAIN])
            assert {tried.number for tried in it.journal.tries(it.run)} == {names[BUSY], names[DOUBTED]}
            (answer,) = [answer for answer in it.stored() if answer.number == names[DELICATE]]
            assert (answer.reason, answer.body) == ("vat_not_valid", verdict("NL*********B01"))

    run(main)


def test_claims_are_told_under_the_number_itself(tmp_path):
    """Mine, another run's, and answered meanwhile: also by a run that reckons its aliases anew."""

    async def main(clock):
        first, second = (Desked(tmp_path / "home", clock=clock) for _ in range(2))
        with closing(first.journal), closing(second.journal):
            lanes = [
                vat_lane(it, Here({DELICATE: SAYS[DELICATE]}, products={"vies": 1}), named=True, per_state=None)
                for it in (first, second)
            ]
            mine, theirs = (lane.desk.claim(0) for lane in lanes)
            assert mine("vies", [DELICATE, BUSY]) == ([DELICATE, BUSY], [], [])
            assert theirs("vies", [BUSY, DOUBTED]) == ([DOUBTED], [BUSY], [])
            lanes[0].desk.unclaim([BUSY], "vies")
            assert theirs("vies", [BUSY]) == ([BUSY], [], [])
            lane = first.lane(lanes[0].register, [Question("vies", Kind.VAT, DELICATE)], desk=lanes[0].desk)
            await first.asking(in_rounds([lane]))
            assert theirs("vies", [DELICATE]) == ([], [], [DELICATE])

    run(main)


def test_an_answer_found_is_kept_as_received(tmp_path):
    """Only a legal person's number is valid now, if its digits pass the test: the answer is its own proof."""

    async def main(clock):
        it = Desked(tmp_path / "home", clock=clock)
        with closing(it.journal):
            register = Here({DELICATE: Found(DELICATE, verdict(DELICATE, "true"))}, products={"vies": 1})
            lane = vat_lane(it, register, named=True, per_state=None)
            await it.asking(in_rounds([it.lane(register, lane.questions[:1], desk=lane.desk)]))
            (answer,) = it.stored()
            assert (answer.number, answer.body) == (lane.desk.aliases[DELICATE], verdict(DELICATE, "true"))

    run(main)
