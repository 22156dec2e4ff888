"""
The practice register's answers have the shapes of KVK's own.

KVK's recorded answers and OpenAPI documents are third-party data: they are read from beside the
repository, and these tests are skipped where they are not there.
"""

import json
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


def is_lasting_error(entry):
    """Not an answer, and not the 400 that came and went in 2025."""
    return entry["status"] != 200 and not entry["file"].endswith("400.json")


def is_newest(entry):
    """Of the last time that recordings were made."""
    return entry.get("recorded_last", "").startswith("2026-08")


def ask(path, accept, faults=()):
    """The practice register's answer."""

    async def get():
        app = create(Practice(latency_seconds=0, faults=faults))
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://practice.test") as client:
            return await client.get(f"/api{path}", headers={"apikey": "practice", "accept": accept})

    return anyio.run(get)


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


def asked(entry):
    """The path and query of a recorded request, and the media type it came back in (judged by its links)."""
    url = urlsplit(entry["request"]["url"])
    body = json.loads((FIXTURES / entry["file"]).read_text())
    path = url.path.removeprefix("/test/api") + (f"?{url.query}" if url.query else "")
    return path, "application/json" if "links" in body else "application/hal+json", body


def assert_same_shape(theirs, ours):
    """Same paths and types, but for what a company may lack; nothing that KVK does not know."""
    theirs, ours = shape(theirs), shape(ours)
    lacking = {path for path in theirs.keys() - ours.keys() if OPTIONAL.isdisjoint(path.split("/"))}
    excess = {path for path in ours.keys() - theirs.keys() if OPTIONAL.isdisjoint(path.split("/"))}
    assert (lacking, excess) == (set(), set())
    numbers = {"int", "float"}
    for path in theirs.keys() & ours.keys():
        assert ours[path] == theirs[path] or ours[path] | theirs[path] <= numbers, path


@pytest.mark.parametrize("entry", recorded("basisprofielen/"))
def test_basisprofielen_have_kvks_shape(entry):
    """For each recorded body, the practice answer to the same question has the same keys and types."""
    path, accept, theirs = asked(entry)
    faults = (parse(f"status={entry['status']}"),) if entry["status"] >= 500 else ()
    response = ask(path, accept, faults)

    assert response.status_code == entry["status"]
    assert_same_shape(theirs, response.json())


@pytest.mark.parametrize("entry", recorded("zoeken-v2/"))
def test_searches_have_kvks_shape(entry):
    """The same for Zoeken, rows and errors."""
    path, accept, theirs = asked(entry)
    response = ask(path, accept)

    if entry["status"] == 400:
        assert path.endswith("kvkNummer=90004333")  # answered 400 for a while in 2025, 404 before and since
        theirs = {"fout": [{"code": "IPD5200", "omschrijving": ""}]}
    else:
        assert response.status_code == entry["status"]
    assert_same_shape(theirs, response.json())
    if response.status_code == 200:
        assert sorted(row["type"] for row in response.json()["resultaten"]) == sorted(
            row["type"] for row in theirs["resultaten"]
        )
        assert link_names(response.json()) == link_names(theirs)


def link_names(body):
    """The query parameters of the link to itself, as KVK writes them."""
    links = body.get("_links") or {link["rel"]: link for link in body["links"]}
    return dict(parse_qsl(urlsplit(links["self"]["href"]).query)).keys()


@pytest.mark.parametrize("entry", recorded("basisprofielen/", "zoeken-v2/", where=is_lasting_error))
def test_error_texts_are_kvks_own(entry):
    """Code and text of recorded errors, letter by letter."""
    path, accept, theirs = asked(entry)
    faults = (parse(f"status={entry['status']}"),) if entry["status"] >= 500 else ()

    assert ask(path, accept, faults).json() == theirs


@pytest.mark.parametrize("entry", recorded("basisprofielen/", "zoeken-v2/", where=is_newest))
def test_headers_of_the_newest_recordings_are_all_sent(entry):
    """Those of August 2026, but for what the network adds and what only the gateway knows."""
    headers = entry["response_headers"]
    path, accept, _ = asked(entry)
    sent = ask(path, accept).headers

    theirs = {name.lower() for name in headers} - {"date", "connection", "ap", "counter.id", "transfer-encoding"}
    assert theirs - sent.keys() == set()
    assert sent.get("api-version") == headers.get("API-Version")
    assert sent["content-type"] == headers["Content-Type"]


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
    pages = [
        ask(f"/v2/zoeken?pagina={page}&resultatenPerPagina=100&inclusiefInactieveRegistraties=true", "*/*").json()
        for page in range(1, 11)
    ]

    assert keys(pages) - known == set()
