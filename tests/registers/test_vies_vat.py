"""VIES's answers as columns."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.columns import VIES, schema
from kvk_enrich.registers.vies_vat import rows


def row(**fields):
    """Return the columns of an answer with these *fields*."""
    base = {"countryCode": "NL", "vatNumber": "000099998B57", "valid": True}
    return rows([json.dumps(base | fields).encode()]).row(0, named=True)


def test_both_dialects_and_both_verdicts_fill_all_columns():
    """One line per body, in order, with exactly the columns of the product."""
    post = {
        "countryCode": "NL",
        "vatNumber": "000099998B57",
        "requestDate": "2026-10-03T21:02:05.698Z",
        "valid": True,
        "requestIdentifier": "WAPIAAAAaEDkvhHx",
        "name": "A.B.  PAPEGAAIJ",
        "address": "\nOOIEVAARSNEST 00007\n1245AB ZILVERZIJL\n",
    }
    get = {
        "countryCode": "PL",
        "isValid": False,
        "requestDate": "2026-10-08T04:42:27.326Z",
        "userError": "INVALID",
        "name": "",
        "address": "---",
        "requestIdentifier": "",
        "originalVatNumber": "1",
        "vatNumber": "1",
    }
    frame = rows([json.dumps(post).encode(), json.dumps(get).encode()])
    assert dict(frame.schema) == schema(VIES)
    assert frame.rows() == [
        (
            "NL000099998B57",
            True,
            "valid",
            "A.B. PAPEGAAIJ",
            "Ooievaarsnest 7, 1245 AB Zilverzijl",
            datetime(2026, 10, 3, 21, 2, 5, 698000, UTC),
            "WAPIAAAAaEDkvhHx",
        ),
        ("PL1", False, "invalid", None, None, datetime(2026, 10, 8, 4, 42, 27, 326000, UTC), None),
    ]


def test_no_bodies_are_no_lines():
    """With the columns all the same."""
    assert dict(rows([]).schema) == schema(VIES)


@pytest.mark.parametrize("nothing", ["---", "", " ", "\n---\n", None])
def test_what_a_state_keeps_to_itself_is_null(nothing):
    """In either way of saying so."""
    answer = row(name=nothing, address=nothing)
    assert (answer["vat_name"], answer["vat_address"]) == (None, None)


DUTCH = [
    ("\nOOIEVAARSNEST 00007\n1245AB ZILVERZIJL\n", "Ooievaarsnest 7, 1245 AB Zilverzijl"),
    ("OOIEVAARSNEST 00007 1245AB ZILVERZIJL", "Ooievaarsnest 7, 1245 AB Zilverzijl"),
    ("POSTBUS 00012\n2500AA 'S-GRAVENHAGE", "Postbus 12, 2500 AA 's-Gravenhage"),
    ("'T HOGE LAND 00001 A\n2403VP ALPHEN AAN DEN RIJN", "'t Hoge Land 1 A, 2403 VP Alphen aan den Rijn"),
    ("VAN DER BOTERPLEIN 00012B\n3401 AB IJSSELSTEIN UT", "Van der Boterplein 12B, 3401 AB IJsselstein UT"),
    ("2E KORENWOLFSTRAAT 00012-H\n1245AB ZILVERZIJL", "2e Korenwolfstraat 12-H, 1245 AB Zilverzijl"),
    ("PLEIN 1899 00080\n6511JE NIJMEGEN", "Plein 1899 80, 6511 JE Nijmegen"),
    ("COÖPERATIESTRAAT 00003\n8300AA ÉÉNRUM", "Coöperatiestraat 3, 8300 AA Éénrum"),
    # of another form: left as it is
    ("OOIEVAARSNEST 7\n1245AB ZILVERZIJL", "OOIEVAARSNEST 7, 1245AB ZILVERZIJL"),
    ("Rue Inventée 00012\n9999AB NULLEPART", "Rue Inventée 00012, 9999AB NULLEPART"),
    ("ACHTER 00012", "ACHTER 00012"),
]


@pytest.mark.parametrize(("address", "tidied"), DUTCH)
def test_dutch_addresses_are_written_as_people_write_them(address, tidied):
    """Where they have the form that the Netherlands sends."""
    assert row(address=address)["vat_address"] == tidied


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("WYMYŚLONA 5\n00-000 BAJKOWO", "WYMYŚLONA 5, 00-000 BAJKOWO"),
        ("Smyšlená 1\nNIKDE 4 - OSADA\n999 00  NIKDE 4", "Smyšlená 1, NIKDE 4 - OSADA, 999 00 NIKDE 4"),
        ("Opfundet Vej 7\n9999 Ingensteds\n", "Opfundet Vej 7, 9999 Ingensteds"),
        ("OOIEVAARSNEST 00007\r\n1245AB ZILVERZIJL", "OOIEVAARSNEST 00007, 1245AB ZILVERZIJL"),
    ],
)
def test_other_addresses_are_put_on_one_line_as_they_are(address, line):
    """Upper case included: what is a name and what is not, only the state knows."""
    assert row(countryCode="CZ", address=address)["vat_address"] == line


@pytest.mark.parametrize(
    "moment", [None, "", "yesterday", "2023-01-25+01:00", "0001-01-01T00:00:00+10:00", "2026-13-01T00:00:00Z"]
)
def test_a_moment_that_cannot_be_read_is_null(moment):
    """A date alone is no moment."""
    assert row(requestDate=moment)["vat_checked_at"] is None


@pytest.mark.parametrize("moment", ["2026-10-03T21:02:05Z", "2026-10-03T23:02:05+02:00", "2026-10-03T21:02:05"])
def test_moments_are_in_utc(moment):
    """Whatever their offset; without one they are taken as UTC."""
    assert row(requestDate=moment)["vat_checked_at"] == datetime(2026, 10, 3, 21, 2, 5, tzinfo=UTC)


@given(st.text(max_size=60), st.sampled_from(["NL", "FR"]))
def test_any_address_is_one_line_or_null(address, state):
    """No character of a free text breaks the columns."""
    line = row(countryCode=state, address=address)["vat_address"]
    assert line is None or (line.strip() == line and len(line.splitlines()) == 1)


def test_an_action_that_did_not_succeed_tells_of_no_number():
    """Whatever else stands there: it could not be asked."""
    for valid in (True, False):
        assert row(valid=valid, actionSucceed=False)["vat_valid"] is None
        assert row(valid=valid, actionSucceed=True)["vat_valid"] is valid
