"""KVK's Basisprofiel, field by field: every column, odd shapes, and bytes that are none."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.columns import BASISPROFIEL, schema
from kvk_enrich.registers.kvk_basisprofiel import decode, rows
from kvk_enrich.registers.kvk_parts import error_codes

REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

VISIT = {
    "type": "bezoekadres",
    "indAfgeschermd": "Nee",
    "volledigAdres": "Proefstraat 12 b-3                                 1234AB Proefdorp",
    "straatnaam": "Proefstraat",
    "huisnummer": 12,
    "huisletter": "b",
    "huisnummerToevoeging": "3",
    "postcode": "1234AB",
    "plaats": "Proefdorp",
    "land": "Nederland",
    "geoData": {"addresseerbaarObjectId": "0000010000000001", "gpsLatitude": 52.5, "gpsLongitude": 4.25},
}
POST = {
    "type": "correspondentieadres",
    "indAfgeschermd": "Ja",
    "volledigAdres": "Postbus 99\n1234ZZ\tProefstad",
    "straatnaam": "Postbus",
    "postbusnummer": 99,
    "postcode": "1234ZZ",
    "plaats": "Proefstad",
    "land": "Nederland",
}
FULL: dict[str, Any] = {
    "kvkNummer": "01234567",
    "indNonMailing": "Ja",
    "naam": "Proef  B.V.",
    "formeleRegistratiedatum": "20160229",
    "materieleRegistratie": {"datumAanvang": "20150401", "datumEinde": "20251231"},
    "totaalWerkzamePersonen": 1234,
    "statutaireNaam": "Proef Besloten Vennootschap",
    "handelsnamen": [
        {"naam": "Tweede", "volgorde": 1},
        {"naam": "Eerste ", "volgorde": 0},
        {"naam": "Derde", "volgorde": 2},
    ],
    "sbiActiviteiten": [
        {"sbiCode": "01131", "sbiOmschrijving": "Teelt  van groente", "indHoofdactiviteit": "Nee"},
        {"sbiCode": "62010", "sbiOmschrijving": "Software", "indHoofdactiviteit": "Ja"},
    ],
    "_embedded": {
        "hoofdvestiging": {
            "vestigingsnummer": "000012345678",
            "kvkNummer": "01234567",
            "adressen": [POST, VISIT],
            "websites": ["www.proef.example", "proef.example/nl"],
        },
        "eigenaar": {"rsin": "001234567", "rechtsvorm": "BV", "uitgebreideRechtsvorm": "Besloten Vennootschap"},
    },
}
EXPECTED = {
    "kvk_number": "01234567",
    "kvk_rsin": "001234567",
    "kvk_branch_number": "000012345678",
    "kvk_name": "Proef B.V.",
    "kvk_statutory_name": "Proef Besloten Vennootschap",
    "kvk_trade_names": ["Eerste", "Tweede", "Derde"],
    "kvk_legal_form": "BV",
    "kvk_legal_form_detail": "Besloten Vennootschap",
    "kvk_active": False,
    "kvk_start_date": date(2015, 4, 1),
    "kvk_start_date_raw": "20150401",
    "kvk_end_date": date(2025, 12, 31),
    "kvk_end_date_raw": "20251231",
    "kvk_registration_date": date(2016, 2, 29),
    "kvk_registration_date_raw": "20160229",
    "kvk_employees": 1234,
    "kvk_sbi_code": "62010",
    "kvk_sbi_description": "Software",
    "kvk_sbi": [
        {"code": "01131", "description": "Teelt van groente", "main": False},
        {"code": "62010", "description": "Software", "main": True},
    ],
    "kvk_non_mailing": True,
    "kvk_address_shielded": True,
    "kvk_visit_street": "Proefstraat",
    "kvk_visit_house_number": "12",
    "kvk_visit_house_letter": "b",
    "kvk_visit_house_addition": "3",
    "kvk_visit_postcode": "1234AB",
    "kvk_visit_city": "Proefdorp",
    "kvk_visit_country": "Nederland",
    "kvk_visit_full": "Proefstraat 12 b-3 1234AB Proefdorp",
    "kvk_post_street": "Postbus",
    "kvk_post_house_number": None,
    "kvk_post_house_letter": None,
    "kvk_post_house_addition": None,
    "kvk_post_postcode": "1234ZZ",
    "kvk_post_city": "Proefstad",
    "kvk_post_country": "Nederland",
    "kvk_post_full": "Postbus 99 1234ZZ Proefstad",
    "kvk_post_box": "99",
    "kvk_websites": ["www.proef.example", "proef.example/nl"],
    "kvk_visit_latitude": 52.5,
    "kvk_visit_longitude": 4.25,
    "kvk_visit_bag_id": "0000010000000001",
}


def read(profile: Mapping[str, object]) -> dict[str, Any]:
    """Return the columns of one *profile*."""
    (row,) = rows([json.dumps(profile).encode()]).iter_rows(named=True)
    return row


def read_with(**fields: object) -> dict[str, Any]:
    """Return the columns of a profile with nothing but number, name and *fields*."""
    return read({"kvkNummer": "12345678", "naam": "Proef"} | fields)


def owned(*addresses: Mapping[str, object], **fields: object) -> dict[str, Any]:
    """Return the columns of an entity without a branch: all is with its owner."""
    return read_with(_embedded={"eigenaar": {"adressen": list(addresses)} | fields})


def test_every_column_is_read():
    """A full profile fills every column, in the order and with the types that the columns promise."""
    table = rows([json.dumps(FULL).encode()])
    assert table.schema == pl.Schema(schema(BASISPROFIEL))
    assert table.row(0, named=True) == EXPECTED


def test_the_least_profile_has_the_rest_empty():
    """Number and name are enough; what is absent is null, lists are empty, and it is active."""
    row = read_with()
    filled = {name: value for name, value in row.items() if value is not None}
    assert filled == {
        "kvk_number": "12345678",
        "kvk_name": "Proef",
        "kvk_trade_names": [],
        "kvk_active": True,
        "kvk_sbi": [],
        "kvk_websites": [],
    }


def test_no_answers_make_an_empty_table():
    """No bodies: no lines, all columns."""
    assert rows([]).schema == pl.Schema(schema(BASISPROFIEL))


def test_lines_keep_the_order_of_the_answers():
    """One line per body, in order, whatever they hold."""
    bodies = [json.dumps({"kvkNummer": f"{place:08}", "naam": "x"}).encode() for place in (3, 1, 2)]
    assert rows(bodies)["kvk_number"].to_list() == ["00000003", "00000001", "00000002"]


@pytest.mark.parametrize(
    "links",
    [
        {"links": [{"rel": "self", "href": "https://example.org/1"}]},
        {"_links": {"self": {"href": "https://example.org/1"}}},
        {"links": None, "_links": 7},
    ],
    ids=["plain", "hal", "odd"],
)
def test_links_change_nothing(links: dict[str, object]):
    """Both styles of links are passed over, on every level."""
    profile = json.loads(json.dumps(FULL)) | links
    for part in profile["_embedded"].values():
        part.update(links)
    assert read(profile) == EXPECTED


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("20150401", date(2015, 4, 1)),
        ("20160229", date(2016, 2, 29)),
        ("20150229", None),
        ("20150400", None),
        ("20150000", None),
        ("00000000", None),
        ("2015", None),
        ("201504", None),
        ("2015-04-01", None),
        ("2015²401", None),
        ("onbekend", None),
    ],
)
def test_dates_with_unknown_parts_stay_empty_and_are_kept_as_written(written: str, day: date | None):
    """A whole date is a date; of any other only the register's own text is given."""
    row = read_with(
        formeleRegistratiedatum=written, materieleRegistratie={"datumAanvang": written, "datumEinde": written}
    )
    for name in ("start", "end", "registration"):
        assert (row[f"kvk_{name}_date"], row[f"kvk_{name}_date_raw"]) == (day, written)
    assert row["kvk_active"] is False


@pytest.mark.parametrize(
    ("end", "deregistered", "active", "raw"),
    [
        (None, None, True, None),
        ("20200101", None, False, "20200101"),
        (None, "20210000", False, "20210000"),
        ("20200101", "20210101", False, "20200101"),
        ("", "", True, None),
        ("", "20210101", False, "20210101"),
    ],
)
def test_a_company_is_active_without_an_end(
    end: str | None, deregistered: str | None, *, active: bool, raw: str | None
):
    """An end or a deregistration makes it inactive; an empty field is no date."""
    row = read_with(
        materieleRegistratie={"datumEinde": end}, _embedded={"eigenaar": {"datumUitschrijving": deregistered}}
    )
    assert (row["kvk_active"], row["kvk_end_date_raw"]) == (active, raw)


def test_without_a_branch_the_owner_s_addresses_and_sites_count():
    """Entities without a main branch carry addresses and web sites under their owner."""
    row = owned(VISIT, POST, rsin="001234567", websites=["proef.example"])
    assert (row["kvk_branch_number"], row["kvk_rsin"]) == (None, "001234567")
    assert (row["kvk_visit_city"], row["kvk_post_box"]) == ("Proefdorp", "99")
    assert row["kvk_websites"] == ["proef.example"]


def test_the_branch_s_address_comes_before_the_owner_s():
    """With both the main branch's is taken, kind by kind."""
    row = read_with(
        _embedded={
            "hoofdvestiging": {"adressen": [VISIT]},
            "eigenaar": {"adressen": [VISIT | {"plaats": "Elders"}, POST]},
        }
    )
    assert (row["kvk_visit_city"], row["kvk_post_city"]) == ("Proefdorp", "Proefstad")


def test_a_foreign_address_is_read_from_its_own_fields():
    """Street and number, postcode and city come as one text each."""
    row = owned({
        "type": "correspondentieadres",
        "straatHuisnummer": "Calle   de Prueba 5",
        "postcodeWoonplaats": "28001   Villaprueba",
        "land": "Spanje",
    })  # fmt: skip
    assert (row["kvk_post_street"], row["kvk_post_city"], row["kvk_post_country"]) == (
        "Calle de Prueba 5",
        "28001 Villaprueba",
        "Spanje",
    )


def test_white_space_is_folded_everywhere():
    """Runs of spaces, tabs, line ends and NBSP become one space; nothing but white space is nothing."""
    row = read_with(
        naam="  A \u00a0 B\t\nC ",
        statutaireNaam="   ",
        handelsnamen=[{"naam": " X   Y "}, {"naam": "  "}, {"naam": ""}, {"volgorde": 3}],
        _embedded={"eigenaar": {"rechtsvorm": " Stichting ", "rsin": "", "adressen": [VISIT | {"huisletter": ""}]}},
    )
    assert (row["kvk_name"], row["kvk_statutory_name"], row["kvk_trade_names"]) == ("A B C", None, ["X Y"])
    assert (row["kvk_legal_form"], row["kvk_rsin"], row["kvk_visit_house_letter"]) == ("Stichting", None, None)


@pytest.mark.parametrize(
    ("flags", "shielded"),
    [
        (["Ja", "Nee"], True),
        (["Nee", "Nee"], False),
        ([None, "Nee"], False),
        ([None], None),
        (["weet niet"], None),
        ([], None),
    ],
)
def test_a_shielded_address_is_told_only_when_the_register_tells(flags: list[str | None], *, shielded: bool | None):
    """One shielded address is enough; without a flag nothing is known."""
    assert owned(*({"indAfgeschermd": flag} for flag in flags))["kvk_address_shielded"] is shielded


@pytest.mark.parametrize(
    ("flag", "value"), [("Ja", True), ("ja", True), ("Nee", False), ("", None), ("misschien", None)]
)
def test_flags_are_yes_no_or_unknown(flag: str, *, value: bool | None):
    """An unknown word is not taken for a no."""
    assert read_with(indNonMailing=flag)["kvk_non_mailing"] is value


def test_without_a_main_activity_there_is_none():
    """All activities are listed, and none is made up to be the main one."""
    row = read_with(sbiActiviteiten=[{"sbiCode": "01131"}, {}])
    assert (row["kvk_sbi_code"], row["kvk_sbi_description"]) == (None, None)
    assert row["kvk_sbi"] == [
        {"code": "01131", "description": None, "main": None},
        {"code": None, "description": None, "main": None},
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"<html></html>",
        b"{",
        b'{"naam": "zonder nummer"}',
        b'{"kvkNummer": "12345678"}',
        b'{"kvkNummer": 12345678, "naam": "x"}',
        b'{"kvkNummer": "12345678", "naam": ["x"]}',
        b'{"kvkNummer": "12345678", "naam": null}',
        b'{"kvkNummer": "12345678", "naam": "x", "totaalWerkzamePersonen": "veel"}',
        b'{"kvkNummer": "12345678", "naam": "x", "totaalWerkzamePersonen": 9223372036854775808}',
        b'{"kvkNummer": "12345678", "naam": "x", "totaalWerkzamePersonen": ' + b"9" * 5000 + b"}",
        b'{"kvkNummer": "12345678", "naam": "x", "handelsnamen": {"naam": "y"}}',
        b'{"kvkNummer": "12345678", "naam": "x", "handelsnamen": [null]}',
        b'{"kvkNummer": "12345678", "naam": "x", "_embedded": []}',
        b'{"kvkNummer": "12345678", "naam": "x", "onbekend": "\xff\xfe"}',
        b'{"kvkNummer": "12345678", "naam": "\xff"}',
        b'{"kvkNummer": "12345678", "naam": "\\ud800"}',
        b'{"kvkNummer": "12345678", "naam": "x", "onbekend": NaN}',
        b'{"kvkNummer": "12345678", "naam": "x", "onbekend": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"kvkNummer": "12345678", "naam": "x"}{}',
        b'\xef\xbb\xbf{"kvkNummer": "12345678", "naam": "x"}',
    ],
    ids=range(24),
)
def test_what_is_no_profile_is_refused(body: bytes):
    """Wrong types, cut text, foreign bytes, figures beyond reason: refused on receipt, by a known error."""
    with pytest.raises(REFUSALS):
        decode(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"nieuwVeld": {"diep": [1, 2.5, None, True]}},
        {"naam": "x" * 100_000},
        {"totaalWerkzamePersonen": "12"},
        {"totaalWerkzamePersonen": 2**63 - 1},
    ],
    ids=["new field", "long name", "number as text", "largest number"],
)
def test_what_is_new_or_large_passes(fields: dict[str, object]):
    """The register may add fields and be generous; that costs no row."""
    assert read_with(**fields)["kvk_number"] == "12345678"


def holds(body: bytes) -> bool:
    """Say whether *body* passes for a profile; then it must be readable ever after."""
    try:
        decode(body)
    except REFUSALS:
        return False
    assert rows([body]).schema == pl.Schema(schema(BASISPROFIEL))
    assert body.decode().encode() == body
    return True


@given(st.binary(max_size=200))
def test_any_bytes_are_a_profile_or_refused(body: bytes):
    """No bytes raise anything but the known refusals."""
    holds(body)
    assert error_codes(body) == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["Ja", "20200000", "bezoekadres"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PATHS = [
    ("naam",), ("totaalWerkzamePersonen",), ("handelsnamen",), ("handelsnamen", 0, "volgorde"), ("sbiActiviteiten", 0),
    ("materieleRegistratie",), ("materieleRegistratie", "datumEinde"), ("_embedded",), ("_embedded", "eigenaar"),
    ("_embedded", "hoofdvestiging", "adressen", 1, "huisnummer"), ("_embedded", "hoofdvestiging", "adressen", 0),
    ("_embedded", "hoofdvestiging", "websites"), ("onbekend",),
]  # fmt: skip


@given(st.sampled_from(PATHS), JSON)
def test_any_value_anywhere_is_read_or_refused(path: tuple[Any, ...], value: object):
    """Whatever stands in a field, the answer is refused on receipt or readable for good."""
    profile = json.loads(json.dumps(FULL))
    place = profile
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    holds(json.dumps(profile).encode())


@given(st.binary(min_size=1, max_size=3), st.integers(0, 10_000))
def test_a_damaged_answer_is_read_or_refused(noise: bytes, place: int):
    """Bytes changed on the way give a profile or a refusal, no crash and nothing unreadable later."""
    body = json.dumps(FULL).encode()
    place %= len(body)
    holds(body[:place] + noise + body[place + len(noise) :])
    holds(body[:place])


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b'{"fout":[{"code":"IPD0005","omschrijving":"x"}]}', ["IPD0005"]),
        (b'{"fout":[{"code":"IPD1002"},{"code":"IPD9999"}]}', ["IPD1002", "IPD9999"]),
        (b'{"fout":[]}', []),
        (b'{"fout":[{"code":5}]}', []),
        (b'{"fout":[{"omschrijving":"x"}]}', []),
        (b'{"fout":{"code":"IPD0005"}}', []),
        (b'{"fout":"IPD0005"}', []),
        (b'{"fout":[{"code":"IPD0005"},{"code":"WAF-BLOCK"}]}', []),
        (b'{"fout":[{"code":"IPD0005"},{"code":null}]}', []),
        (b'{"fout":7}', []),
        (b'{"fout":null}', []),
        (b'{"status":500}', []),
        (b"[]", []),
        (b"null", []),
        (b"7", []),
        (b"", []),
        (b"<html>404</html>", []),
        (b'{"fout":[{"code":"IPD0005"}', []),
        (b'{"fout":[{"code":"\xff"}]}', []),
        (b"[" * 200_000, []),
    ],
    ids=range(20),
)
def test_codes_are_the_register_s_own_or_none(body: bytes, codes: list[str]):
    """Only a well-formed error of the register has codes; a proxy's page has none."""
    assert error_codes(body) == codes


@given(JSON)
def test_any_error_body_has_codes_or_none(value: object):
    """No error body, however odd, raises."""
    assert all(isinstance(code, str) for code in error_codes(json.dumps({"fout": value}).encode()))
