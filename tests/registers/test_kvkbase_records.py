"""kvkbase's answers, field by field: every column, odd words, and what the service does not say."""

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.columns import BASISPROFIEL, PRODUCTS, VIES, schema
from kvk_enrich.columns.kvkbase import ENRICHED, LOOKUP
from kvk_enrich.registers._bodies import UNREADABLE
from kvk_enrich.registers.kvkbase_records import READERS

VALIDATED = datetime(2026, 3, 15, 12, tzinfo=UTC)
FULL: dict[str, Any] = {
    "kvkNumber": "01234567",
    "name": "Proef  B.V.",
    "statutoryName": "Proef Besloten Vennootschap",
    "tradingNames": ["Eerste", " Tweede ", ""],
    "legalForm": "Besloten Vennootschap",
    "mainBranchNumber": "000012345678",
    "address": {
        "street": "Proefstraat",
        "houseNumber": "12",
        "postalCode": "1234 AB",
        "city": "Proefdorp",
        "country": "Nederland",
    },
    "isActive": True,
    "registrationDate": "2016-02-29",
    "employees": {"fullTime": 10, "partTime": 2, "total": 12},
    "activities": [
        {"sbiCode": "01131", "description": "Teelt van  groente", "isMain": False},
        {"sbiCode": "62010", "description": "Software", "isMain": True},
    ],
    "insolvency": None,
    "enriched": True,
    "vat": {
        "number": "NL857587973B01",
        "valid": True,
        "status": "validated",
        "validatedAt": "2026-03-15T12:00:00Z",
        "checksumValid": True,
    },
    "source": {"kvk": "opendata+zoeken", "vies": "validated", "cachedAt": "2026-03-15T12:00:00Z"},
}
EXPECTED = {
    "kvk_number": "01234567",
    "kvk_branch_number": "000012345678",
    "kvk_name": "Proef B.V.",
    "kvk_statutory_name": "Proef Besloten Vennootschap",
    "kvk_trade_names": ["Eerste", "Tweede"],
    "kvk_legal_form": "Besloten Vennootschap",
    "kvk_active": True,
    "kvk_registration_date": date(2016, 2, 29),
    "kvk_employees": 12,
    "kvk_sbi_code": "62010",
    "kvk_sbi_description": "Software",
    "kvk_sbi": [
        {"code": "01131", "description": "Teelt van groente", "main": False},
        {"code": "62010", "description": "Software", "main": True},
    ],
    "kvk_visit_street": "Proefstraat",
    "kvk_visit_house_number": "12",
    "kvk_visit_postcode": "1234AB",
    "kvk_visit_city": "Proefdorp",
    "kvk_visit_country": "NL",
    "kvk_visit_full": "Proefstraat 12 1234AB Proefdorp",
    "vat_number": "NL857587973B01",
    "vat_valid": True,
    "vat_status": "valid",
    "vat_checked_at": VALIDATED,
    "kvk_insolvency": None,
}


def read(answer, product="enriched"):
    """Return the columns of one *answer*."""
    (row,) = READERS[product].rows([json.dumps(answer).encode()]).iter_rows(named=True)
    return row


def read_with(**fields):
    """Return the columns of the full answer with other *fields*."""
    return read({**FULL, **fields})


def test_every_column_is_filled():
    """All of an enriched lookup; a basic one has all but VAT number and insolvency."""
    assert read(FULL) == EXPECTED
    assert read(FULL, "lookup") == {
        name: value for name, value in EXPECTED.items() if not name.startswith("vat_") and name != "kvk_insolvency"
    }


@pytest.mark.parametrize("product", READERS)
def test_no_answers_have_the_columns_too(product):
    """Name by name and type by type what the cache expects."""
    assert READERS[product].rows([]).schema == pl.Schema(schema(PRODUCTS[product]))


def test_columns_are_those_of_kvk_and_vies():
    """The same objects, so that names, types and meanings cannot drift."""
    assert set(LOOKUP) <= set(BASISPROFIEL)
    assert {column.name for column in set(ENRICHED) - set(BASISPROFIEL) - set(VIES)} == {"kvk_insolvency"}


def test_what_is_not_said_is_null():
    """Only number and name are always there; a list is empty, not null."""
    row = read({"kvkNumber": "01234567", "name": "X"})

    assert {name: value for name, value in row.items() if value is not None} == {
        "kvk_number": "01234567",
        "kvk_name": "X",
        "kvk_trade_names": [],
        "kvk_sbi": [],
    }
    assert read({**dict.fromkeys(FULL), "kvkNumber": "01234567", "name": "X"}) == row


@pytest.mark.parametrize("value", [True, False, None])
def test_active_is_what_the_service_says(value):
    """Null stays null, also when all else is known: no guess is made."""
    assert read_with(isActive=value)["kvk_active"] is value


@pytest.mark.parametrize(
    ("form", "expected"),
    [("Onbekend", None), ("onbekend", None), ("", None), ("BV", "BV"), (" Stichting ", "Stichting"), (None, None)],
)
def test_an_unknown_legal_form_is_null(form, expected):
    """The service has a word for it."""
    assert read_with(legalForm=form)["kvk_legal_form"] == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"country": "NL"}, [None, None, None, None, "NL", None]),
        ({"country": "Spanje", "street": "Calle Inventada 1"}, ["Calle Inventada 1", *[None] * 3, "Spanje"]),
        ({"city": "Brakelmeer", "postalCode": "1015 AA"}, [None, None, "1015AA", "Brakelmeer", None]),
        ({"houseNumber": 7, "street": "Dijk"}, ["Dijk", "7"]),
        ({"postalCode": "SW1A 1AA"}, [None, None, "SW1A 1AA"]),
        ({}, [None] * 6),
    ],
)
def test_addresses_are_what_is_known_of_them(address, expected):
    """Postcodes and countries in one spelling; nothing is made up."""
    row = read_with(address=address)

    names = ("street", "house_number", "postcode", "city", "country", "full")
    assert [row[f"kvk_visit_{name}"] for name in names][: len(expected)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-15", date(2020, 1, 15)),
        ("2020-01-15T00:00:00Z", date(2020, 1, 15)),
        ("2020-00-00", None),
        ("2020", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_date_is_whole_or_null(text, expected):
    """A year alone is no date."""
    assert read_with(registrationDate=text)["kvk_registration_date"] == expected


@pytest.mark.parametrize(
    ("vat", "source", "expected"),
    [
        ({"valid": True}, None, (True, "valid")),
        ({"valid": False}, None, (False, "invalid")),
        ({"valid": True, "status": "VALIDATED"}, None, (True, "valid")),
        ({"valid": True}, {"vies": "validated"}, (True, "valid")),
        ({"valid": None}, None, (None, "unknown")),
        ({}, None, (None, "unknown")),
        ({"valid": True, "status": "stale"}, {"vies": "validated"}, (None, "unknown")),
        ({"valid": True}, {"vies": "stale"}, (None, "unknown")),
        ({"valid": False, "status": "stale"}, None, (None, "unknown")),
        ({"valid": False, "status": "malformed"}, None, (None, "unknown")),
        ({"valid": False, "status": "unvalidated"}, None, (None, "unknown")),
        ({"valid": True, "status": "something new"}, None, (None, "unknown")),
        (None, {"vies": "validated"}, (None, None)),
    ],
)
def test_only_a_fresh_answer_of_vies_is_evidence(vat, source, expected):
    """Valid or invalid need a boolean, and a check that is not stale; an outage is never "invalid"."""
    row = read_with(vat=vat, source=source)

    assert (row["vat_valid"], row["vat_status"]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-15T13:00:00+01:00", VALIDATED),
        ("2026-03-15T12:00:00", VALIDATED),
        ("2026-03-15T12:00:00.000Z", VALIDATED),
        ("0001-01-01T00:00:00+10:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_moments_are_in_utc_or_null(text, expected):
    """Also when they come with an offset."""
    assert read_with(vat={"validatedAt": text})["vat_checked_at"] == expected


@pytest.mark.parametrize(
    ("insolvency", "kind", "expected"),
    [
        (None, None, None),
        (None, "Faillissement", "Faillissement"),
        ({"type": "Surseance"}, "Surseance", "Surseance"),
        ({"type": "Surseance"}, None, '{"type":"Surseance"}'),
        ("Faillissement", None, "Faillissement"),
        ({}, None, None),
        (False, None, None),
    ],
)
def test_insolvency_is_told_in_whatever_form_it_comes(insolvency, kind, expected):
    """Its type where there is one, else all of it: nobody recorded such an answer."""
    assert read_with(insolvency=insolvency, insolvencyType=kind)["kvk_insolvency"] == expected


def test_branches_that_ended_are_not_listed():
    """As at KVK; one of which the state is not known stays."""
    place = {"street": "D", "houseNumber": "1", "postalCode": "1234 AB", "city": "Meer"}
    branches = [
        {"branchNumber": "000000000001", "name": "A", "isMain": True, "address": place, "isActive": True},
        {"branchNumber": "000000000002", "name": "B", "isMain": False, "isActive": None},
        {"branchNumber": "000000000003", "name": "C", "isMain": False, "isActive": False},
    ]

    row = read({"kvkNumber": "01234567", "name": "X", "branches": branches}, "kvkbase-branches")

    rest = {"is_commercial": None, "address_shielded": None}
    assert row == {
        "kvk_branches": 2,
        "kvk_branch_list": [
            {"branch_number": "000000000001", "name": "A", "is_main": True, **rest, "full_address": "D 1 1234AB Meer"},
            {"branch_number": "000000000002", "name": "B", "is_main": False, **rest, "full_address": None},
        ],
    }  # fmt: skip
    none = read({"kvkNumber": "01234567", "branches": []}, "kvkbase-branches")
    assert none == {"kvk_branches": 0, "kvk_branch_list": []}


def test_a_vat_check_fills_vies_columns():
    """Except for the proof, which this service does not pass on."""
    check = {
        "vatNumber": "NL857587973B01",
        "valid": False,
        "name": "---",
        "address": "Dijk 1\n1234 AB  Brakelmeer\n",
        "validatedAt": "2026-03-15T12:00:00Z",
    }

    assert read(check, "validate-vat") == {
        "vat_number": "NL857587973B01",
        "vat_valid": False,
        "vat_status": "invalid",
        "vat_name": None,
        "vat_address": "Dijk 1 1234 AB Brakelmeer",
        "vat_checked_at": VALIDATED,
        "vat_consultation_number": None,
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(FULL)), JSON)
def test_any_value_is_refused_on_receipt_or_read_for_good(field, value):
    """What decodes makes a row; nothing is found out later."""
    reader = READERS["enriched"]
    body = json.dumps({**FULL, field: value}).encode()
    try:
        reader.decode(body)
    except UNREADABLE:
        return
    assert reader.rows([body]).height == 1
