"""
The practice register's answers have the shapes of KVK's own.

KVK's recorded answers and OpenAPI documents are third-party data: they are read from beside the
repository, and these tests are skipped where they are not there.
"""

import json
from functools import cache
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx2
import pytest

from kvk_enrich.practice import population
from kvk_enrich.practice.app import create
from kvk_enrich.practice.faults import parse
from kvk_enrich.practice.settings import Practice

KVK = Path(__file__).parents[2].parent / "shared" / "kvk"
FIXTURES = KVK / "fixtures"

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="KVK's recorded answers are not beside the repository")

OPTIONAL = {
    # absent where the company at hand does not have it
    "huisletter", "huisnummer", "huisnummerToevoeging", "toevoegingAdres", "straatnaam", "postbusnummer", "regio",
    "straatHuisnummer", "postcodeWoonplaats", "websites", "totaalWerkzamePersonen", "formeleRegistratiedatum",
    "postcode", "plaats", "volledigAdres",
}  # fmt: skip


OTHER_QUESTION = {
    "basisprofielen/69599084.plain-json-2022.json",  # an older version of the API, with fewer fields
    "zoeken-v2/all.page1-size1.json",  # a search for anything: which company comes first is chance
}
SOMEWHERE = (
    # whose shape occurs, if not with the same number: those above, and shapes seen in production
    *OTHER_QUESTION,
    "synthetic/basisprofielen/12345678.geodata.json",
    "synthetic/vestigingen/12345678.json",
    "synthetic/vestigingsprofielen/000000000001.geodata.json",
    "synthetic/zoeken-v2/rsin-123456789.json",
)
PROFILES = ("basisprofielen/", "vestigingsprofielen/")


def recorded(*folders, where=lambda _: True):
    """The manifest's entries of real answers in *folders*, those that *where* is true of."""
    if not FIXTURES.is_dir():
        return []
    entries = json.loads((FIXTURES / "manifest.json").read_text())["files"]
    return [
        pytest.param(entry, id=entry["file"])
        for entry in entries
        if entry["file"].startswith(folders)
        and entry["kind"] in {"recorded", "transcribed"}
        and entry["file"] not in OTHER_QUESTION
        and where(entry)
    ]


def is_error(entry):
    """Not an answer."""
    return entry["status"] != 200


def is_newest(entry):
    """Of the last time that recordings were made."""
    return entry.get("recorded_last", "").startswith("2026-08")


def ask(*requests, **settings):
    """The practice register's answers to *requests*, each a path and a media type."""

    async def get():
        app = create(Practice(latency_seconds=0, requests_per_second=10_000, **settings))
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://practice.test") as client:
            return [
                await client.get(f"/api{path}", headers={"apikey": "practice", "accept": accept})
                for path, accept in requests
            ]

    return anyio.run(get)


def answer_to(entry):
    """The practice register's answer to the request of a recording, in the style of links that it has."""
    url = urlsplit(entry["request"]["url"])
    path = url.path.removeprefix("/test/api") + (f"?{url.query}" if url.query else "")
    style = "links" if '"links"' in body_of(entry["file"]) else "_links"
    faults = []
    if entry["status"] >= 500:
        faults.append(parse(f"status={entry['status']}"))
    if entry["file"].endswith("90004333.400.json"):  # well formed, and 404 before and since
        faults.append(parse("code=IPD0004 number=90004333"))
    (answer,) = ask((path, entry["request"]["accept"].split()[0]), faults=tuple(faults), link_style=style)
    return answer


def body_of(file):
    """A recorded body."""
    return (FIXTURES / file).read_text()


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


def assert_same_shape(theirs, ours):
    """Same paths and types, but for what a company may lack; nothing that KVK does not know."""
    theirs, ours = shape(theirs), shape(ours)
    lacking = {path for path in theirs.keys() - ours.keys() if OPTIONAL.isdisjoint(path.split("/"))}
    excess = {path for path in ours.keys() - theirs.keys() if OPTIONAL.isdisjoint(path.split("/"))}
    assert (lacking, excess) == (set(), set())
    numbers = {"int", "float"}
    for path in theirs.keys() & ours.keys():
        assert ours[path] == theirs[path] or ours[path] | theirs[path] <= numbers, path


@pytest.mark.parametrize("entry", recorded(*PROFILES))
def test_profiles_have_kvks_shape(entry):
    """For each recorded body, the practice answer to the same question has the same keys and types."""
    response = answer_to(entry)

    assert response.status_code == entry["status"]
    assert_same_shape(json.loads(body_of(entry["file"])), response.json())


@pytest.mark.parametrize("entry", recorded("zoeken-v2/"))
def test_searches_have_kvks_shape(entry):
    """The same for Zoeken, rows and errors."""
    response, theirs = answer_to(entry), json.loads(body_of(entry["file"]))

    assert response.status_code == entry["status"]
    assert_same_shape(theirs, response.json())
    if response.status_code == 200:
        assert sorted(row["type"] for row in response.json()["resultaten"]) == sorted(
            row["type"] for row in theirs["resultaten"]
        )
        assert link_names(response.json()) == link_names(theirs)


@cache
def shapes_that_occur():
    """Every path and its types in the answers about some companies and their branches."""
    companies = [*filter(None, map(population.company, islice(population.numbers(), 150)))]
    paths = [f"/v1/basisprofielen/{company.number}?geoData=true" for company in companies]
    paths += [f"/v1/basisprofielen/{company.number}/vestigingen" for company in companies if company.branches]
    paths += [f"/v1/vestigingsprofielen/{own.number}?geoData=true" for company in companies for own in company.branches]
    paths += [f"/v2/zoeken?rsin={company.rsin}" for company in companies if company.rsin and company.active]
    paths += [f"/v2/zoeken?pagina={page}&resultatenPerPagina=100" for page in range(1, 6)]
    occurring: dict[str, set[str]] = {}
    for accept in ("application/json", "application/hal+json"):
        for response in ask(*((path, accept) for path in paths)):
            for path, types in shape(response.json()).items():
                occurring.setdefault(path, set()).update(types)
    return occurring


@pytest.mark.parametrize("file", sorted(SOMEWHERE))
def test_shapes_of_other_numbers_occur(file):
    """Every key and type in them is met somewhere in the population."""
    occurring = shapes_that_occur()
    for path, types in shape(json.loads(body_of(file))).items():
        assert types - {"int"} <= occurring.get(path, set()) | {"int"}, path
        assert path in occurring


def link_names(body):
    """The query parameters of the link to itself, as KVK writes them."""
    links = body.get("_links") or {link["rel"]: link for link in body["links"]}
    return dict(parse_qsl(urlsplit(links["self"]["href"]).query)).keys()


@pytest.mark.parametrize("entry", recorded(*PROFILES, "zoeken-v2/", where=is_error))
def test_error_texts_are_kvks_own(entry):
    """Code and text of recorded errors, letter by letter."""
    assert answer_to(entry).json() == json.loads(body_of(entry["file"]))


@pytest.mark.parametrize("entry", recorded(*PROFILES, "zoeken-v2/", where=lambda entry: "response_headers" in entry))
def test_content_types_are_kvks_own(entry):
    """Also where the links are not written as the type has it."""
    assert answer_to(entry).headers["content-type"] == entry["response_headers"]["Content-Type"]


@pytest.mark.parametrize("entry", recorded(*PROFILES, "zoeken-v2/", where=is_newest))
def test_headers_of_the_newest_recordings_are_all_sent(entry):
    """Those of August 2026, but for what the network adds and what only the gateway knows."""
    headers = entry["response_headers"]
    sent = answer_to(entry).headers

    theirs = {name.lower() for name in headers} - {"date", "connection", "ap", "counter.id", "transfer-encoding"}
    assert theirs - sent.keys() == set()
    assert sent.get("api-version") == headers.get("API-Version")


def properties(name):
    """The property names of an OpenAPI document (each stands on a line of its own, with a colon)."""
    return {line.strip().removesuffix(":") for line in (KVK / "openapi" / name).read_text().splitlines()}


def keys(value):
    """All keys in *value*, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_basisprofielen_have_no_key_that_openapi_does_not_name():
    """Over some thousand companies, with geo data."""
    known = properties("basisprofiel-1.5.0.yaml")
    bodies = [
        population.basisprofiel(number, link_style="links", geo=True) for number in islice(population.numbers(), 2_000)
    ]

    assert keys(bodies) - known == set()


def test_searches_have_no_key_that_openapi_does_not_name():
    """Over the rows that can be paged through; the document names the map of links only."""
    known = properties("zoeken-2.0.0.yaml") | {"links", "rel"}
    every = "/v2/zoeken?resultatenPerPagina=100&inclusiefInactieveRegistraties=true"
    pages = [page.json() for page in ask(*((f"{every}&pagina={page}", "*/*") for page in range(1, 11)))]

    assert keys(pages) - known == set()


def model(name):
    """The property names of a class that was generated from KVK's documents."""
    models = json.loads((KVK / "openapi" / "models-naamgeving-mutatieservice.json").read_text())["models"]
    return set(models[name])


def test_names_are_those_of_kvks_own_client():
    """No recording is known of: all its keys, and no other, over some hundred companies."""
    numbers = islice(population.numbers(), 1_000)
    bodies = [
        page.json() for page in ask(*((f"/v1/naamgevingen/kvknummer/{own}", "application/hal+json") for own in numbers))
    ]
    branches = [branch for body in bodies for branch in body["vestigingen"]]
    commercial = [branch for branch in branches if "handelsnamen" in branch]

    assert set().union(*bodies) == model("Naamgeving")
    assert set().union(*(body["_links"] for body in bodies)) == model("NaamgevingLinks")
    assert set().union(*commercial) == model("CommercieleVestiging")
    assert set().union(*(branch for branch in branches if branch not in commercial)) == model(
        "NietCommercieleVestiging"
    )
    assert set().union(*(branch["_links"] for branch in branches)) == model("CommercieleVestigingLinks")
    assert set().union(*commercial[0]["handelsnamen"]) == model("Handelsnaam1")
