import json
import time
from itertools import islice

import pytest

from kvk_enrich.practice import population
from kvk_enrich.practice.faults import parse

DAGOBERT = "/v1/basisprofielen/69599084"
HAL = "application/hal+json"


def code(response):
    """The code in KVK's error body."""
    (fout,) = response.json()["fout"]
    assert fout["omschrijving"]
    return fout["code"]


def test_a_company_is_answered_as_the_population_has_it(register):
    """The body of the population, with KVK's version and no permission to store."""
    response = register()(DAGOBERT)

    assert response.status_code == 200
    assert response.json() == population.basisprofiel(
        "69599084", link_style="links", base_url="http://practice.test/api"
    )
    assert response.headers["api-version"] == "1.5.0"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["keep-alive"] == "timeout=60"
    assert response.headers["content-type"] == "application/json"


def test_the_same_question_has_the_same_answer(register):
    """Byte for byte, whichever register of the same seed is asked."""
    assert register()(DAGOBERT).content == register()(DAGOBERT).content


@pytest.mark.parametrize(
    ("accept", "content_type", "links"),
    [
        ("application/json", "application/json", "links"),
        (HAL, HAL, "_links"),
        ("*/*", "application/json", "links"),
        ("text/html, application/hal+json;q=0.9", HAL, "_links"),
    ],
)
def test_accept_decides_how_links_are_written(register, accept, content_type, links):
    """An array for JSON, a map for HAL, in every part."""
    response = register()(DAGOBERT, accept=accept)

    assert response.headers["content-type"] == content_type
    assert links in response.json()
    assert links in response.json()["_embedded"]["hoofdvestiging"]


def test_another_accept_is_not_acceptable(register):
    """On every path, and told as JSON."""
    for path in (DAGOBERT, "/v2/zoeken"):
        response = register()(path, accept="text/csv")
        assert (response.status_code, response.headers["content-type"]) == (406, "application/json")


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/v1/basisprofielen/12345678", 404, "IPD0005"),
        ("/v1/basisprofielen/90004333", 404, "IPD0005"),
        ("/v1/basisprofielen/00000000", 404, "IPD0005"),
        ("/v1/basisprofielen/90004973", 404, "IPD1002"),
        ("/v1/basisprofielen/90002903", 404, "IPD1003"),
        ("/v1/basisprofielen/1234567", 400, "IPD0004"),
        ("/v1/basisprofielen/1234567%D9%A3", 400, "IPD0004"),
        ("/v1/basisprofielen/69599084?geoData=perhaps", 400, "IPD1998"),
        ("/v1/basisprofielen/69599084?colour=red", 400, "IPD1999"),
        ("/v1/basisprofielen/90004760/hoofdvestiging", 404, "IPD0005"),
        ("/v1/nonsense", 404, "IPD0001"),
        ("/v2/zoeken?kvkNummer=90004973", 404, "IPD1002"),
        ("/v2/zoeken?kvkNummer=12345678", 404, "IPD5200"),
        ("/v2/zoeken?actief=Ja", 400, "IPD1999"),
        ("/v2/zoeken?rsin=1", 400, "IPD0010"),
    ],
)
def test_errors_are_told_as_kvk_tells_them(register, path, status, expected):
    """Status and code, as JSON also when HAL was asked; the version is told with answers only."""
    response = register()(path, accept=HAL)

    assert (response.status_code, code(response)) == (status, expected)
    assert response.headers["content-type"] == "application/json"
    assert "api-version" not in response.headers
    assert ("connection" in response.headers) == (status == 400)


def test_geo_data_come_when_asked(register):
    """With true and True, as both are seen in use."""
    ask = register()
    for asked, there in (("true", True), ("True", True), ("false", False)):
        (address,) = ask(f"{DAGOBERT}?geoData={asked}").json()["_embedded"]["hoofdvestiging"]["adressen"][:1]
        assert ("geoData" in address) == there


def test_parts_of_a_profile_can_be_asked_alone(register):
    """The owner is the embedded one; the main branch has more than the embedded one."""
    ask = register()
    whole = ask(DAGOBERT).json()["_embedded"]

    assert ask(f"{DAGOBERT}/eigenaar").json() == whole["eigenaar"]
    branch = ask(f"{DAGOBERT}/hoofdvestiging").json()
    assert branch.keys() - whole["hoofdvestiging"].keys() == {
        "indNonMailing",
        "voltijdWerkzamePersonen",
        "deeltijdWerkzamePersonen",
        "handelsnamen",
        "sbiActiviteiten",
    }


@pytest.mark.parametrize("key", ["", "wrong", "wrong-one"])
def test_without_a_right_key_nothing_is_told(register, key):
    """Refused by the gateway, which does not speak KVK's language of errors."""
    response = register()(DAGOBERT, apikey=key)

    assert response.status_code == 401
    assert "fout" not in response.json()


def test_the_key_comes_back_in_a_header(register):
    """As KVK's test environment has done: whoever logs headers logs the key."""
    assert "my-key" in register()(DAGOBERT, apikey="my-key").headers["apiauthzdetails"]


def test_beyond_the_rate_a_key_is_told_to_wait(register, clock):
    """Each key has a second of its own; the refusal says how long to wait."""
    ask = register(requests_per_second=2)

    statuses = [ask(DAGOBERT).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = ask(DAGOBERT)
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("PRACTICE_RATE", "1")
    assert ask(DAGOBERT, apikey="another").status_code == 200
    clock.pass_seconds(1)
    assert ask(DAGOBERT).status_code == 200


def test_beyond_the_month_the_refusal_is_another(register, clock):
    """No Retry-After, and a code that tells it from the rate; the next month is free again."""
    ask = register(calls_per_month=1)

    assert ask(DAGOBERT).status_code == 200
    refused = ask(DAGOBERT)
    assert (refused.status_code, refused.json()["code"]) == (429, "PRACTICE_QUOTA")
    assert "retry-after" not in refused.headers
    clock.pass_seconds(10 * 24 * 3600)
    assert ask(DAGOBERT).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ("status=503", 503, "text/html"),
        ("status=404", 404, "text/html"),
        ("status=500", 500, "application/json"),
        ("status=403", 403, "application/json"),
        ("code=IPD1003", 404, "application/json"),
        ("code=IPD0015", 400, "application/json"),
        ("status=404 code=IPD0015", 404, "application/json"),
        ("body=html", 200, "text/html"),
        ("body=empty status=404", 404, "application/json"),
    ],
)
def test_a_scripted_status_comes_with_the_body_of_its_kind(register, fault, status, content_type):
    """KVK's errors with a code, the gateway's JSON for its own refusals, HTML for the rest."""
    response = register(faults=(parse(fault),))(DAGOBERT)

    assert response.status_code == status
    assert response.headers["content-type"].partition(";")[0] == content_type


def test_a_scripted_code_is_in_the_body(register):
    """And 500 has its own code without being told."""
    assert code(register(faults=(parse("code=IPD1003"),))(DAGOBERT)) == "IPD1003"
    assert code(register(faults=(parse("status=500"),))(DAGOBERT)) == "IPD9999"
    assert "fout" not in register(faults=(parse("status=403"),))(DAGOBERT).json()


@pytest.mark.parametrize(
    ("words", "expected"),
    [("2", "2"), ("date+5", "Sat, 21 Nov 2026 12:00:05 GMT"), ("'in a while'", "in a while")],
)
def test_a_scripted_429_says_when_to_come_back(register, words, expected):
    """In seconds, as a date, or not so that anybody understands."""
    response = register(faults=(parse(f"retry-after={words}"),))(DAGOBERT)

    assert (response.status_code, response.headers["retry-after"]) == (429, expected)


def test_broken_json_is_broken(register):
    """The status promises an answer, the body is none; or it is JSON of another kind."""
    with pytest.raises(json.JSONDecodeError):
        register(faults=(parse("body=broken"),))(DAGOBERT).json()
    assert isinstance(register(faults=(parse("body=other"),))(DAGOBERT).json(), list)


def test_a_wrong_number_is_echoed_everywhere(register):
    """A whole and well-formed answer, but about somebody else."""
    response = register(faults=(parse("other-number"),))(DAGOBERT)

    assert response.json()["kvkNummer"] == "69599080"
    assert "69599084" not in response.text


def test_an_outage_passes(register, clock):
    """By the register's own clock, from its start."""
    ask = register(faults=(parse("outage=10..20"),))

    statuses = []
    for _ in range(3):
        statuses.append(ask(DAGOBERT).status_code)
        clock.pass_seconds(10)
    assert statuses == [200, 503, 200]


def test_a_fault_that_is_over_leaves_the_answer_as_it_is(register):
    """Once per number, then all is well."""
    ask = register(faults=(parse("status=503 times=1"),))

    assert [ask(DAGOBERT).status_code for _ in range(2)] == [503, 200]


@pytest.mark.parametrize("fault", ["reset", "cut=20"])
def test_in_process_a_broken_connection_is_an_error(register, fault):
    """There is no connection to break, so the app raises what a broken one would."""
    with pytest.raises(ConnectionResetError):
        register(faults=(parse(fault),))(DAGOBERT)


def test_latency_and_delay_take_their_time(register):
    """Some milliseconds at least; refusals do not wait."""
    started = time.perf_counter()
    register(latency_seconds=0.001, faults=(parse("delay=0.05"),))(DAGOBERT)
    assert time.perf_counter() - started > 0.05

    started = time.perf_counter()
    register(latency_seconds=60)(DAGOBERT, apikey="wrong")
    assert time.perf_counter() - started < 10


def test_every_request_is_in_the_log(register, tmp_path):
    """Answered or refused: arrival, number, path and the mark of the key, but never the key."""
    log = tmp_path / "arrivals.log"
    ask = register(log=log, requests_per_second=3)

    ask(DAGOBERT)
    ask("/v2/zoeken?Rsin=992760562")
    ask("/v2/zoeken?naam=a%09b")
    ask("/v1/basisprofielen/1%0A2")
    ask(DAGOBERT, apikey="wrong-key")

    lines = [line.split("\t") for line in log.read_text().splitlines()]
    practice = "ada750e3"
    assert [line[:4] for line in lines[:4]] == [
        ["5000000000", "69599084", "/api/v1/basisprofielen/69599084", practice],
        ["5000000000", "992760562", "/api/v2/zoeken", practice],
        ["5000000000", "", "/api/v2/zoeken", practice],
        ["5000000000", "", "/api/v1/basisprofielen/1%0A2", practice],
    ]
    assert lines[4][3] != practice
    assert "wrong" not in log.read_text()


def test_the_line_is_written_before_the_answer(register, tmp_path):
    """A request that never gets an answer is in the log all the same."""
    log = tmp_path / "arrivals.log"

    with pytest.raises(ConnectionResetError):
        register(log=log, faults=(parse("reset"),))(DAGOBERT)

    assert log.read_text().count("\n") == 1


def test_many_companies_are_answered(register):
    """Any number of the population, as it comes."""
    ask = register(requests_per_second=1_000)

    for number in islice(population.numbers(), 50):
        assert ask(f"/v1/basisprofielen/{number}").json()["kvkNummer"] == number
