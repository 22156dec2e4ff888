"""
KVK's own OpenAPI documents drive the practice register: what they allow to be asked it answers as they say.

The documents are third-party data: read from beside the repository, and skipped where they are not there. Two
things are not held against them: the media type of errors, which KVK writes as plain JSON whatever its documents
say (as recorded), and what Zoeken refuses, as they do not say which parameters go together.
"""

from http import HTTPStatus
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from kvk_enrich.practice import published
from kvk_enrich.practice.app import create
from kvk_enrich.practice.kvk import HAL, JSON
from kvk_enrich.practice.settings import API_KEY, Practice

DOCUMENTS = Path(__file__).parents[2].parent / "shared" / "kvk" / "openapi"
BASE_URLS = {
    # document: where its paths begin
    "basisprofiel-1.5.0.yaml": "http://practice.test/api/v1",
    "vestigingsprofiel-1.4.yaml": "http://practice.test/api",
    "zoeken-2.0.0.yaml": "http://practice.test/api/v2",
}
KNOWN = {
    # parameter: numbers that are answered
    "kvkNummer": sorted(published.companies(0)),
    "vestigingsnummer": sorted(own.number for one in published.companies(0).values() for own in one.branches[:4]),
    "rsin": sorted(one.rsin for one in published.companies(0).values() if one.rsin),
}
ALWAYS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="KVK's documents are not beside the repository"),
]


def document(name):
    """Load a document, amended where it is known to be wrong."""
    loaded = schemathesis.openapi.from_path(DOCUMENTS / name)
    located = loaded.raw_schema["components"]["schemas"].get("GeoData", {"properties": {}})
    for field in located["properties"].values():
        field["nullable"] = True  # of a P.O. box, in answers of production
    return loaded


def operations():
    """Every operation of every document, and where its path begins."""
    if not DOCUMENTS.is_dir():
        return []
    return [
        pytest.param(operation.ok(), base_url, id=operation.ok().path)
        for name, base_url in BASE_URLS.items()
        for operation in document(name).get_all_operations()
    ]


OPERATIONS = operations()


def ask(operation, base_url, cases, expected):
    """Send requests of *operation*, hold each answer against its document, and return all statuses."""
    app = create(Practice(latency_seconds=0, requests_per_second=1_000_000, calls_per_month=1_000_000))
    accepts = [HAL] if "/vestigingsprofielen" in operation.path else [JSON, HAL]  # those that the document names
    statuses = set()

    @given(cases, st.sampled_from(accepts))
    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
    def send(case, accept):
        response = case.call(base_url=base_url, app=app, headers={"apikey": API_KEY, "Accept": accept})
        statuses.add(response.status_code)
        on_success = [checks.content_type_conformance] if response.status_code == HTTPStatus.OK else []
        case.validate_response(response, checks=[*ALWAYS, *on_success, *expected])

    send()
    return statuses


@pytest.mark.parametrize(("operation", "base_url"), OPERATIONS)
def test_what_is_asked_rightly_is_answered_as_documented(operation, base_url):
    """Numbers made up, nearly all of nobody."""
    cases = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    expected = [checks.positive_data_acceptance] if operation.path_parameters else []

    statuses = ask(operation, base_url, cases, expected)
    assert statuses <= ({200, 404} if operation.path_parameters else {200, 400, 404})


@pytest.mark.parametrize(("operation", "base_url"), OPERATIONS)
def test_what_is_found_is_told_as_documented(operation, base_url):
    """Numbers of KVK's test companies, all shapes of them."""
    names = [parameter.name for parameter in operation.path_parameters] or list(KNOWN)

    @st.composite
    def about_somebody(draw):
        case = draw(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        name = draw(st.sampled_from(names))
        number = {name: draw(st.sampled_from(KNOWN[name]))}
        if operation.path_parameters:
            case.path_parameters = number
        else:
            case.query = number
        return case

    statuses = ask(operation, base_url, about_somebody(), [])
    assert 200 in statuses <= {200, 404}


@pytest.mark.parametrize(("operation", "base_url"), OPERATIONS)
def test_what_is_asked_wrongly_is_refused_as_documented(operation, base_url):
    """Numbers and parameters of a form that the document does not allow."""
    cases = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    statuses = ask(operation, base_url, cases, [checks.negative_data_rejection])
    assert 400 in statuses
