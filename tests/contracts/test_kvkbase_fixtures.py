"""
kvkbase's documented and observed answers: what we read in them, and that the practice kvkbase has their shape.

They are third-party material: read from beside the repository, and these tests are skipped where they are not there.
"""

import json
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from kvk_enrich.errors import AccessRefused, AllowanceSpent, RegisterError, Transient, Unusable
from kvk_enrich.model import Call, Found, Kind, NotFound, Secret
from kvk_enrich.practice import population, vat_numbers
from kvk_enrich.practice.company import VISIT
from kvk_enrich.practice.faults import parse
from kvk_enrich.practice.kvkbase import create
from kvk_enrich.practice.settings import Kvkbase as Settings
from kvk_enrich.practice.settings import Practice
from kvk_enrich.registers.kvkbase import Kvkbase, read, read_batch
from kvk_enrich.registers.kvkbase_records import READERS

FOLDER = Path(__file__).parents[2].parent / "shared" / "kvkbase" / "fixtures"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="kvkbase's answers are not beside the repository")

OWN_PATH = "http://practice.test/kvkbase/v1"


def body_of(name):
    """Return a fixture as it is."""
    return (FOLDER / f"{name}.json").read_bytes()


def fixture(name):
    """Return a fixture without the note of who collected it."""
    tree = json.loads(body_of(name))
    return {field: value for field, value in tree.items() if field != "_note"} if isinstance(tree, dict) else tree


def number_in(tree):
    """Return what an answer is about."""
    return tree.get("kvkNumber") or tree["vatNumber"]


def row_of(product, kind, body):
    """Return the columns of the answer to one number, read as a response and then as a row."""
    number = number_in(json.loads(body))
    answer = read(Call(product, kind, (number,)), httpx2.Response(200), body)
    assert answer == Found(number, body)
    (row,) = READERS[product].rows([answer.body]).iter_rows(named=True)
    return row


def moment(text):
    """Return a moment of the fixtures."""
    return datetime.fromisoformat(text)


def test_a_documented_lookup_is_read_whole():
    """Every field that has a column."""
    theirs = fixture("lookup-enriched-doc")
    row = row_of("enriched", Kind.KVK, body_of("lookup-enriched-doc"))

    address, activity, vat = theirs["address"], theirs["activities"][0], theirs["vat"]
    postcode = address["postalCode"].replace(" ", "")
    assert {name: value for name, value in row.items() if value is not None} == {
        "kvk_number": theirs["kvkNumber"],
        "kvk_name": theirs["name"],
        "kvk_trade_names": theirs["tradingNames"],
        "kvk_legal_form": theirs["legalForm"],
        "kvk_active": theirs["isActive"],
        "kvk_registration_date": date.fromisoformat(theirs["registrationDate"]),
        "kvk_sbi_code": activity["sbiCode"],
        "kvk_sbi_description": activity["description"],
        "kvk_sbi": [{"code": activity["sbiCode"], "description": activity["description"], "main": True}],
        "kvk_visit_street": address["street"],
        "kvk_visit_house_number": address["houseNumber"],
        "kvk_visit_postcode": postcode,
        "kvk_visit_city": address["city"],
        "kvk_visit_country": address["country"],
        "kvk_visit_full": f"{address['street']} {address['houseNumber']} {postcode} {address['city']}",
        "vat_number": vat["number"],
        "vat_valid": True,
        "vat_status": "valid",
        "vat_checked_at": moment(vat["validatedAt"]),
    }


def test_an_observed_lookup_is_read_without_guessing():
    """IsActive null stays null; a country has one spelling."""
    theirs = fixture("lookup-enriched-observed-shape")
    row = row_of("enriched", Kind.KVK, body_of("lookup-enriched-observed-shape"))

    assert {name: value for name, value in row.items() if value} == {
        "kvk_number": theirs["kvkNumber"],
        "kvk_name": theirs["name"],
        "kvk_statutory_name": theirs["statutoryName"],
        "kvk_legal_form": theirs["legalForm"],
        "kvk_employees": theirs["employees"]["total"],
        "kvk_visit_city": theirs["address"]["city"],
        "kvk_visit_country": "NL",
        "kvk_visit_full": theirs["address"]["city"],
    }
    assert theirs["isActive"] is row["kvk_active"] is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [("validated", "valid"), ("stale", "unknown"), ("malformed", "unknown"), ("unvalidated", "unknown")],
)
def test_an_observed_vat_object_is_read(status, expected):
    """Its status decides whether its boolean is evidence."""
    vat = fixture("vat-object-observed-shape") | {"status": status}
    row = row_of("enriched", Kind.KVK, json.dumps({**fixture("lookup-enriched-doc"), "vat": vat}).encode())

    assert (row["vat_number"], row["vat_status"]) == (vat["number"], expected)


def test_a_documented_batch_is_read_whole():
    """Part by part."""
    theirs = fixture("batch-doc")
    call = Call("lookup", Kind.KVK, tuple(hit["kvkNumber"] for hit in reversed(theirs["results"])))

    answers = read_batch(call, httpx2.Response(200), body_of("batch-doc"))

    assert tuple(answer.number for answer in answers) == call.numbers
    rows = READERS["lookup"].rows([answer.body for answer in answers if isinstance(answer, Found)])
    assert rows.select("kvk_name", "kvk_visit_city", "kvk_visit_postcode", "kvk_active").rows() == [
        (hit["name"], hit["address"]["city"], hit["address"]["postalCode"].replace(" ", ""), hit["isActive"])
        for hit in reversed(theirs["results"])
    ]


def test_documented_branches_are_read_whole():
    """Number, name, place, and which is the main one."""
    theirs = fixture("branches-doc")
    row = row_of("kvkbase-branches", Kind.KVK, body_of("branches-doc"))

    assert row["kvk_branches"] == len(theirs["branches"])
    assert [(one["branch_number"], one["name"], one["is_main"]) for one in row["kvk_branch_list"]] == [
        (one["branchNumber"], one["name"], one["isMain"]) for one in theirs["branches"]
    ]
    assert all(
        one["address"]["street"] in told["full_address"]
        for one, told in zip(theirs["branches"], row["kvk_branch_list"], strict=True)
    )


def test_a_documented_vat_check_is_read_whole():
    """All that it says has a column."""
    theirs = fixture("validate-vat-doc")
    row = row_of("validate-vat", Kind.VAT, body_of("validate-vat-doc"))

    assert row == {
        "vat_number": theirs["vatNumber"],
        "vat_valid": True,
        "vat_status": "valid",
        "vat_name": theirs["name"],
        "vat_address": theirs["address"],
        "vat_checked_at": moment(theirs["validatedAt"]),
        "vat_consultation_number": None,
    }


@pytest.mark.parametrize("name", ["error-404-doc", "error-404-doc-variant"])
def test_not_found_is_not_found_in_any_wording(name):
    """The vendor's pages word it differently."""
    answer = read(Call("lookup", Kind.KVK, ("99999999",)), httpx2.Response(404), body_of(name))

    assert answer == NotFound("99999999", "not_registered", body_of(name))


WHAT_NEXT: dict[str, Any] = {
    "NOT_FOUND": NotFound,
    "INVALID_KVK_NUMBER": NotFound,
    "INVALID_VAT_NUMBER": NotFound,
    "INVALID_REQUEST": Unusable,
    "UNAUTHORIZED": AccessRefused,
    "RATE_LIMIT_EXCEEDED": Transient,
    "QUOTA_EXCEEDED": AllowanceSpent,
    "UPSTREAM_ERROR": Transient,
    "INTERNAL_ERROR": Transient,
}


def test_every_documented_code_leads_to_what_happens_next():
    """With its own status; each of them is also what the practice kvkbase answers when told to."""
    codes = fixture("error-codes")

    assert {entry["code"] for entry in codes} == WHAT_NEXT.keys()
    for entry in codes:
        kind, product, number = (
            (Kind.VAT, "validate-vat", "NL857587973B01")
            if entry["code"] == "INVALID_VAT_NUMBER"
            else (Kind.KVK, "lookup", "69599084")
        )
        practice = asked("/lookup/69599084", faults=(parse(f"code={entry['code']}"),))
        assert practice.status_code == entry["http"]
        try:
            outcome: Any = read(Call(product, kind, (number,)), practice, practice.content)
        except RegisterError as error:
            outcome = error
        assert type(outcome) is WHAT_NEXT[entry["code"]]


def asked(path, body=None, *, wording="documented", **own):
    """Return the practice kvkbase's answer."""

    async def ask():
        app = create(Practice(latency_seconds=0, kvkbase=Settings(wording=wording, **own)))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as client:
            headers = {"authorization": "Bearer kvk_test_practice"}
            return await client.request("POST" if body else "GET", OWN_PATH + path, headers=headers, json=body)

    return anyio.run(ask)


def shape(value, path=""):
    """Every path in *value* with the JSON types that stand there; list items share one path."""
    found = {path: {type(value).__name__}}
    items = (
        value.items()
        if isinstance(value, dict)
        else [("[]", item) for item in value]
        if isinstance(value, list)
        else ()
    )
    for name, item in items:
        for below, types in shape(item, f"{path}/{name}").items():
            found.setdefault(below, set()).update(types)
    return found


def visited(branch):
    """Whether the register shows where a branch is, in the Netherlands."""
    return any(address.kind == VISIT and address.street and not address.shielded for address in branch.addresses)


def ordinary(branches=1):
    """Return numbers of active companies with an RSIN and at least so many branches, all with a Dutch address."""
    known = (population.company(number) for number in islice(population.numbers(), 300))
    return [
        company.number
        for company in known
        if company is not None
        and company.active
        and company.rsin
        and len(company.branches) >= branches
        and all(map(visited, company.branches))
    ]


def test_the_practice_lookup_has_the_documented_shape():
    """Key by key and type by type, for companies that have all there is."""
    theirs = shape(fixture("lookup-enriched-doc"))

    for number in ordinary()[:20]:
        assert shape(asked(f"/lookup/{number}?enrich=true").json()) == theirs


def test_the_practice_lookup_has_every_observed_field():
    """Beside those that are documented; some company has isActive null and another spelling of its country."""
    observed, documented = fixture("lookup-enriched-observed-shape"), fixture("lookup-enriched-doc")
    vat = shape(fixture("vat-object-observed-shape"))
    bodies = asked("/batch", {"kvkNumbers": ordinary()[:60], "enrich": True}, wording="live").json()["results"]

    ours = shape(bodies)
    for path, types in shape(observed).items():
        assert types <= ours[f"/[]{path}"], path
    for path, types in shape(documented).items():
        assert types <= ours[f"/[]{path}"], path
    for path, types in vat.items():
        assert types <= ours[f"/[]/vat{path}"], path
    assert observed["address"]["country"] in {body["address"]["country"] for body in bodies}


def test_the_practice_batch_has_the_documented_shape():
    """A basic one, in which all goes well."""
    body = {"kvkNumbers": ordinary()[:2]}

    assert shape(asked("/batch", body).json()) == shape(fixture("batch-doc"))
    assert asked("/batch", body).json()["tokensUsed"] == fixture("batch-doc")["tokensUsed"]


def test_the_practice_branches_have_the_documented_shape():
    """Of a company with more than one, all at a Dutch address."""
    (number, *_) = ordinary(branches=2)

    assert shape(asked(f"/branches/{number}").json()) == shape(fixture("branches-doc"))


def test_the_practice_vat_check_has_the_documented_shape():
    """Of a number that is valid."""
    (number,) = vat_numbers.numbers("NL", 1)

    assert shape(asked(f"/validate/vat/{number}").json()) == shape(fixture("validate-vat-doc"))


def test_the_practice_autocomplete_and_health_have_the_documented_shape():
    """A row for each company; the services behind by name."""
    assert shape(asked("/autocomplete?q=st&limit=2").json()) == shape(fixture("autocomplete-doc"))
    assert shape(asked("/health").json()) == shape(fixture("health-doc"))


def test_the_practice_errors_have_the_documented_shape():
    """For a number that nobody has."""
    assert shape(asked("/lookup/99999999").json()) == shape(fixture("error-404-doc"))


def test_documented_results_are_read_as_hits():
    """What the practice register has not, the register reads in the vendor's own bodies."""

    async def fixed(scope, receive, send):
        name = "health-doc" if scope["path"].endswith("health") else "autocomplete-doc"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body_of(name)})

    async def main():
        async def sent():
            pass

        async with Kvkbase(OWN_PATH, Secret("kvk_test_x"), timeout_seconds=5, app=fixed) as register:
            return await register.autocomplete("Ac", sent), await register.health(sent)

    hits, health = anyio.run(main)

    assert [(hit.kvk_number, hit.name, hit.city) for hit in hits] == [
        (hit["kvkNumber"], hit["name"], hit["city"]) for hit in fixture("autocomplete-doc")["results"]
    ]
    assert health.services == fixture("health-doc")["services"]
