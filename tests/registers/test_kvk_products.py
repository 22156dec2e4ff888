"""KVK's products, asked of the practice register: what is sent, what it comes to, and which number it is about."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx2
import polars as pl
import pytest

from kvk_enrich.columns import NAAMGEVING, PRODUCTS, VESTIGINGEN, VESTIGINGSPROFIEL, ZOEKEN, schema
from kvk_enrich.errors import AccessRefused, RegisterError, Transient, Unusable
from kvk_enrich.model import Call, Found, Kind, NotFound, Secret
from kvk_enrich.practice import population, published
from kvk_enrich.practice.app import create
from kvk_enrich.practice.faults import parse
from kvk_enrich.practice.settings import Practice
from kvk_enrich.reasons import REASONS
from kvk_enrich.registers import (
    kvk_basisprofiel,
    kvk_naamgeving,
    kvk_vestigingen,
    kvk_vestigingsprofiel,
    kvk_zoeken,
)
from kvk_enrich.registers.kvk import Kvk
from kvk_enrich.registers.kvk_answers import read
from kvk_enrich.registers.kvk_zoeken import Hit, Hits

ROWS = {
    "basisprofiel": kvk_basisprofiel.rows,
    "vestigingen": kvk_vestigingen.rows,
    "vestigingsprofiel": kvk_vestigingsprofiel.rows,
    "naamgeving": kvk_naamgeving.rows,
    "zoeken": kvk_zoeken.rows,
}


async def at_send():
    """Nothing happens at the moment of sending."""


def practice(**settings):
    """A practice register in this process, and the paths it was asked for."""
    app, paths = create(Practice(latency_seconds=0, requests_per_second=10_000, **settings)), []

    async def watched(scope, receive, send):
        paths.append(scope["path"] + ("?" + scope["query_string"].decode() if scope["query_string"] else ""))
        await app(scope, receive, send)

    return watched, paths


def with_kvk(ask, *, geo_data=False, **settings):
    """What *ask* returns of a register that the practice register answers for."""
    app, _ = practice(**settings)

    async def asked():
        key = Secret("practice")
        async with Kvk("http://practice.test/api", key, timeout_seconds=5, geo_data=geo_data, app=app) as kvk:
            return await ask(kvk)

    return anyio.run(asked)


def answer(product, kind, number, **settings):
    """The one answer to a call."""
    reply = with_kvk(lambda kvk: kvk.fetch(Call(product, kind, (number,)), at_send), **settings)
    (only,) = reply.answers
    return only


def row(product, kind, number, **settings) -> dict[str, Any]:
    """The columns of an answer that was found."""
    found = answer(product, kind, number, **settings)
    assert isinstance(found, Found)
    (columns,) = ROWS[product]([found.body]).iter_rows(named=True)
    return columns


def test_every_product_has_columns_and_a_reader():
    """What can be asked can be kept: one number in a call, columns and rows for each product."""
    assert dict(Kvk.products) == dict.fromkeys(ROWS, 1)
    for product, rows in ROWS.items():
        assert rows([]).schema == pl.Schema(schema(PRODUCTS[product]))


@pytest.mark.parametrize(
    ("product", "kind", "number", "expected"),
    [
        ("basisprofiel", Kind.KVK, "69599084", "/api/v1/basisprofielen/69599084"),
        ("vestigingen", Kind.KVK, "69599084", "/api/v1/basisprofielen/69599084/vestigingen"),
        ("vestigingsprofiel", Kind.BRANCH, "000038509504", "/api/v1/vestigingsprofielen/000038509504"),
        ("naamgeving", Kind.KVK, "69599084", "/api/v1/naamgevingen/kvknummer/69599084"),
        ("zoeken", Kind.KVK, "69599084", "/api/v2/zoeken?kvkNummer=69599084"),
        ("zoeken", Kind.RSIN, "992760562", "/api/v2/zoeken?rsin=992760562"),
        ("zoeken", Kind.BRANCH, "000038509504", "/api/v2/zoeken?vestigingsnummer=000038509504"),
    ],
)
def test_each_product_has_its_path(product, kind, number, expected):
    """One request; a search takes the inactive too and as many rows as there may be; geo data where they are."""
    app, paths = practice()

    async def ask(*, geo_data):
        async with Kvk("http://x/api/", Secret("k"), timeout_seconds=5, geo_data=geo_data, app=app) as kvk:
            (found,) = (await kvk.fetch(Call(product, kind, (number,)), at_send)).answers
            assert isinstance(found, Found)

    for geo_data in (False, True):
        anyio.run(partial(ask, geo_data=geo_data))
    plain, located = paths
    every = "&inclusiefInactieveRegistraties=true&resultatenPerPagina=100" if product == "zoeken" else ""
    assert plain == expected + every
    assert located == plain + ("?geoData=true" if "profiel" in product else "")


def test_the_list_of_branches():
    """The counts are columns, the branches one list of structs."""
    found = row("vestigingen", Kind.KVK, "90006577")

    assert list(found) == list(schema(VESTIGINGEN))
    assert (found["kvk_branches"], found["kvk_branches_commercial"]) == (1_000, 1_000)
    assert [branch["is_main"] for branch in found["kvk_branch_list"]] == [True, *[False] * 999]
    assert len({branch["branch_number"] for branch in found["kvk_branch_list"]}) == 1_000


def test_a_shielded_branch():
    """No address, and said so."""
    (branch,) = row("vestigingen", Kind.KVK, "90001354")["kvk_branch_list"]

    assert (branch["address_shielded"], branch["full_address"]) == (True, None)


def test_the_profile_of_a_branch():
    """By its own number, with the company's; the columns are those of the company's main branch where both tell."""
    branch = row("vestigingsprofiel", Kind.BRANCH, "000037178598")
    company = row("basisprofiel", Kind.KVK, "68750110")

    assert list(branch) == list(schema(VESTIGINGSPROFIEL))
    assert (branch["branch_number"], branch["branch_kvk_number"], branch["branch_rsin"]) == (
        "000037178598",
        "68750110",
        "857587973",
    )
    assert branch["branch_is_main"] is True
    shared = [name for name in branch if name.startswith(("branch_visit", "branch_post", "branch_sbi"))]
    assert len(shared) == 20
    assert [branch[name] for name in shared] == [company[name.replace("branch", "kvk", 1)] for name in shared]
    full, part = branch["branch_employees_full_time"], branch["branch_employees_part_time"]
    assert branch["branch_employees"] == full + part


def test_the_names_of_a_company():
    """Of the company, and of each of its branches."""
    found = row("naamgeving", Kind.KVK, "68750110")
    company = published.companies(0)["68750110"]

    assert list(found) == list(schema(NAAMGEVING))
    assert found["kvk_naming_name"] == found["kvk_naming_statutory_name"] == company.name
    assert found["kvk_naming_start_date_raw"] == company.started
    assert [branch["branch_number"] for branch in found["kvk_naming_branches"]] == ["000037178598", "000037178601"]
    assert found["kvk_naming_branches"][1]["trade_names"] == [company.branches[1].name]


def test_where_a_company_is():
    """Only when asked for; a P.O. box and a place abroad have no point on the map."""
    place = ["kvk_visit_latitude", "kvk_visit_longitude", "kvk_visit_bag_id"]

    assert [row("basisprofiel", Kind.KVK, "69599084")[name] for name in place] == [None, None, None]
    latitude, longitude, bag_id = (row("basisprofiel", Kind.KVK, "69599084", geo_data=True)[name] for name in place)
    assert 53.5 <= latitude <= 54.5
    assert 3.5 <= longitude <= 4.5
    assert len(bag_id) == 16
    for elsewhere in ("55344526", "90001354"):
        assert [row("basisprofiel", Kind.KVK, elsewhere, geo_data=True)[name] for name in place] == [None, None, None]


@pytest.mark.parametrize("geo", [{"gpsLatitude": 0.0, "gpsLongitude": 4.0}, {"gpsLatitude": 52.0}, {}, None])
def test_half_a_point_is_none(geo):
    """A coordinate without the other, or at zero, is no place."""
    address = {"type": "bezoekadres", "geoData": geo}
    profile = {"kvkNummer": "12345678", "naam": "x", "_embedded": {"eigenaar": {"adressen": [address]}}}
    (found,) = kvk_basisprofiel.rows([json.dumps(profile).encode()]).iter_rows(named=True)

    assert (found["kvk_visit_latitude"], found["kvk_visit_longitude"], found["kvk_visit_bag_id"]) == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "number", "expected"),
    [
        (Kind.KVK, "68750110", ("68750110", None, "000037178598", True)),
        (Kind.RSIN, "857587973", ("68750110", "857587973", "000037178598", True)),
        (Kind.RSIN, "992760562", ("90001354", "992760562", "990000541921", True)),
        (Kind.BRANCH, "000037178598", ("68750110", None, "000037178598", True)),
        (Kind.BRANCH, "000037178601", ("68750110", None, None, True)),
        (Kind.KVK, "96354429", ("96354429", None, "990001987781", False)),
        (Kind.KVK, "69599068", ("69599068", None, None, True)),
    ],
)
def test_a_number_leads_to_its_company(kind, number, expected):
    """Several rows are one company; the inactive are found too; the main branch is told where it is among the rows."""
    found = row("zoeken", kind, number)

    assert list(found) == list(schema(ZOEKEN))
    assert tuple(found.values()) == expected


def test_a_company_of_a_thousand_branches_is_found_by_its_first_page():
    """Its rows do not fit on a page, and need not."""
    found = row("zoeken", Kind.KVK, "90006577")

    assert (found["kvk_number"], found["kvk_active"]) == ("90006577", True)


@pytest.mark.parametrize(
    ("product", "kind", "number", "reason"),
    [
        ("basisprofiel", Kind.KVK, "12345678", "not_registered"),
        ("naamgeving", Kind.KVK, "12345678", "not_registered"),
        ("vestigingsprofiel", Kind.BRANCH, "665544332211", "not_registered"),
        ("zoeken", Kind.KVK, "12345678", "not_registered"),
        ("zoeken", Kind.RSIN, "123456782", "not_registered"),
        ("zoeken", Kind.BRANCH, "665544332211", "not_registered"),
        ("vestigingen", Kind.KVK, "12345678", "no_branches"),
        ("vestigingen", Kind.KVK, "90004760", "no_branches"),
    ],
)
def test_nothing_is_told_with_the_code_of_the_product(product, kind, number, reason):
    """Not found, with the register's own words; a list of branches may be missing of a company that is there."""
    found = answer(product, kind, number)

    assert isinstance(found, NotFound)
    assert (found.number, found.reason) == (number, reason)
    assert b"fout" in found.body


ASKED = [
    ("basisprofiel", Kind.KVK, "69599084"),
    ("vestigingen", Kind.KVK, "69599084"),
    ("vestigingsprofiel", Kind.BRANCH, "000038509504"),
    ("naamgeving", Kind.KVK, "69599084"),
    ("zoeken", Kind.KVK, "69599084"),
    ("zoeken", Kind.RSIN, "857587973"),
    ("zoeken", Kind.BRANCH, "000038509504"),
]


@pytest.mark.parametrize(
    ("fault", "error", "reason"),
    [
        ("status=503", Transient, "server_error"),
        ("status=500", Transient, "server_error"),
        ("retry-after=2", Transient, "rate_limited"),
        ("code=IPD1002", Unusable, "in_process"),
        ("code=IPD1003", Unusable, "in_process"),
        ("code=IPD1998", Unusable, "request_refused"),
        ("status=404", Unusable, "unexpected_answer"),
        ("status=404 code=IPD0001", Unusable, "request_refused"),
        ("body=html", Unusable, "unexpected_answer"),
        ("body=broken", Transient, "unreadable_answer"),
        ("body=other", Unusable, "unexpected_answer"),
        ("body=empty", Unusable, "unexpected_answer"),
        ("other-number", Unusable, "wrong_company"),
        ("cut=20", Transient, "connection_lost"),
        ("status=403", AccessRefused, "access_refused"),
    ],
)
def test_no_fault_is_a_not_found(fault, error, reason):
    """Whatever goes wrong, for every product it is "could not ask", named after what happens next."""

    async def ask(kvk):
        for product, kind, number in ASKED:
            with pytest.raises(error) as raised:
                await kvk.fetch(Call(product, kind, (number,)), at_send)
            assert raised.value.reason == reason, product

    with_kvk(ask, faults=(parse(fault),))


def said(call: Call, status: int, body: Mapping[str, object]) -> str:
    """Return in one word what a response comes to."""
    try:
        got = read(call, httpx2.Response(status), json.dumps(body).encode())
    except RegisterError as error:
        return f"{type(error).__name__} {REASONS[error.reason].code}"
    return "found" if isinstance(got, Found) else got.reason


def fout(code: str) -> dict[str, object]:
    """Return an error body as the register writes it."""
    return {"fout": [{"code": code, "omschrijving": "Tekst."}]}


@pytest.mark.parametrize(("product", "kind", "number"), ASKED)
def test_each_product_has_its_own_codes(product, kind, number):
    """A code counts only for the product and the kind of number that it is documented for."""
    call = Call(product, kind, (number,))
    nothing = {"IPD5200"} if product == "zoeken" else {"IPD0005", "IPD0007"}
    not_valid = {Kind.KVK: "IPD0004", Kind.BRANCH: "IPD0006", Kind.RSIN: "IPD0010"}[kind]
    for code in ("IPD0005", "IPD0007", "IPD5200", "IPD5203", "IPD0015"):
        expected = ("no_branches" if product == "vestigingen" else "not_registered") if code in nothing else None
        assert said(call, 404, fout(code)) == (expected or "Unusable request_refused")
    for code in ("IPD0004", "IPD0006", "IPD0010"):
        expected = "not_valid_in_register" if code == not_valid else "Unusable request_refused"
        assert said(call, 400, fout(code)) == expected
        assert said(call, 404, fout(code)) == "Unusable request_refused"


def page(*rows: Mapping[str, object]) -> dict[str, object]:
    """Return a page of a search."""
    return {"pagina": 1, "resultatenPerPagina": 100, "totaal": len(rows), "resultaten": list(rows)}


def company(number: str, active: str | None = None, rsin: str | None = "857587973") -> dict[str, object]:
    """Return a row of a search by RSIN."""
    fields = {"kvkNummer": number, "rsin": rsin, "naam": "x", "type": "rechtspersoon", "actief": active}
    return {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([company("00000001", "Ja")], "found"),
        ([company("00000001", "Nee")], "found"),
        ([company("00000001")], "found"),
        ([company("00000001", "Nee"), company("00000001", "Nee")], "found"),
        ([company("00000001", "Nee"), company("00000002", "Ja")], "found"),
        ([company("00000001", "Ja"), company("00000002", "Ja")], "Unusable several_companies"),
        ([company("00000001", "Nee"), company("00000002", "Nee")], "Unusable several_companies"),
        ([company("00000001"), company("00000002")], "Unusable several_companies"),
        ([], "Unusable wrong_company"),
        ([company("00000001", "Ja", rsin="000000012")], "Unusable wrong_company"),
        ([company("00000001", "Ja", rsin=None)], "Unusable wrong_company"),
        ([company("00000001", "Ja"), company("00000002", "Ja", rsin="000000012")], "Unusable wrong_company"),
    ],
)
def test_an_rsin_leads_to_one_company_or_to_none(rows, expected):
    """Of several the one that is active; never a guess, and never a company that the row does not tie to the RSIN."""
    assert said(Call("zoeken", Kind.RSIN, ("857587973",)), 200, page(*rows)) == expected


def test_of_several_companies_the_active_one_is_taken():
    """Wherever it stands among the rows."""
    rows = [company("00000001", "Nee"), company("00000002", "Ja"), company("00000001", "Nee")]
    (found,) = kvk_zoeken.rows([json.dumps(page(*rows)).encode()]).iter_rows(named=True)

    assert (found["kvk_number"], found["kvk_active"]) == ("00000002", True)


@pytest.mark.parametrize(
    ("rows", "active"),
    [
        ([("rechtspersoon", "Nee"), ("hoofdvestiging", "Ja")], True),
        ([("nevenvestiging", "Nee"), ("nevenvestiging", "Ja")], True),
        ([("rechtspersoon", "Nee"), ("nevenvestiging", "Nee")], False),
        ([("hoofdvestiging", "Nee")], False),
        ([("nevenvestiging", "Nee")], None),
        ([("rechtspersoon", None)], None),
        ([("rechtspersoon", "misschien")], None),
    ],
)
def test_a_branch_that_closed_does_not_end_its_company(rows, active):
    """Any row that is active makes the company so; only a row about the company itself says that it ended."""
    told = page(*({"kvkNummer": "00000001", "type": kind, "actief": state} for kind, state in rows))
    (found,) = kvk_zoeken.rows([json.dumps(told).encode()]).iter_rows(named=True)

    assert found["kvk_active"] is active


def search(query, *, inactive=False, **settings) -> Hits:
    """What a search finds."""
    found: Hits = with_kvk(lambda kvk: kvk.search(query, at_send, inactive=inactive), **settings)
    return found


def test_a_search_by_name_has_rows_for_people():
    """Number, name, town and kind of row, in the register's order."""
    donald = published.companies(0)["68750110"]
    found = search({"naam": donald.name})

    assert found.total == len(found.hits) >= 2
    hit = next(hit for hit in found.hits if hit.branch_number == "000037178598")
    town = next(address.town for address in donald.branches[0].addresses if address.kind == "bezoekadres")
    assert hit == Hit("68750110", "000037178598", donald.name, town, "hoofdvestiging", active=True)


def test_a_search_by_postcode_and_house_number():
    """By KVK's own parameters, as they are."""
    address = next(own for own in published.companies(0)["68750110"].branches[0].addresses if own.kind == "bezoekadres")
    found = search({"postcode": str(address.postcode), "huisnummer": str(address.house_number)})

    assert "68750110" in {hit.kvk_number for hit in found.hits}


def test_a_search_abroad_tells_the_town():
    """The town as the foreign address has it."""
    name = published.companies(0)["55344526"].name

    assert {hit.city for hit in search({"naam": name}).hits if hit.branch_number} == {
        "00998 Villanueva del Cuento",
    }


def test_a_search_tells_the_total_beyond_its_page():
    """A hundred rows, and how many there are."""
    found = search({"kvkNummer": "90006577"})

    assert (len(found.hits), found.total) == (100, 1_001)


def test_a_search_takes_the_inactive_when_asked():
    """And then says of each which it is."""
    assert search({"kvkNummer": "96354429"}) == Hits(0, ())
    assert {hit.active for hit in search({"kvkNummer": "96354429"}, inactive=True).hits} == {False}
    assert {hit.active for hit in search({"kvkNummer": "68750110"}).hits} == {True}


def test_text_is_sent_as_it_is():
    """Signs that have a meaning in addresses are part of the name."""
    app, paths = practice()

    async def ask():
        async with Kvk("http://x/api", Secret("k"), timeout_seconds=5, app=app) as kvk:
            return await kvk.search({"naam": "Bäcker & Zn. #1 +50%"}, at_send)

    assert anyio.run(ask) == Hits(0, ())
    assert dict(parse_qsl(urlsplit(paths[0]).query)) == {"naam": "Bäcker & Zn. #1 +50%", "resultatenPerPagina": "100"}


def test_a_search_that_the_register_refuses_is_an_error():
    """No result is told as none only with the register's own code."""
    with pytest.raises(Unusable) as raised:
        search({"postcode": "1234AB"})
    assert raised.value.reason == "request_refused"
    for fault, error in (("status=404", Unusable), ("status=503", Transient), ("body=broken", Transient)):
        with pytest.raises(error):
            search({"naam": "x"}, faults=(parse(fault),))


def test_the_whole_population_is_readable():
    """Every product of some hundred companies is found, or not delivered with a reason."""
    numbers = [next(population.numbers(start)) for start in range(0, 3_000, 20)]

    async def ask(kvk):
        replies = [
            (product, await kvk.fetch(Call(product, Kind.KVK, (number,)), at_send))
            for number in numbers
            for product in ("basisprofiel", "vestigingen", "naamgeving", "zoeken")
        ]
        return [(product, reply.answers[0]) for product, reply in replies]

    answers = with_kvk(ask, geo_data=True)
    for product, rows in ROWS.items():
        bodies = [found.body for name, found in answers if name == product and isinstance(found, Found)]
        assert rows(bodies).height == len(bodies)
    missing = {(product, found.reason) for product, found in answers if isinstance(found, NotFound)}
    assert missing == {("vestigingen", "no_branches")}
