"""The practice kvkbase: its answers, its tokens and limits, and what can go wrong."""

import json
import time
from itertools import islice

import anyio
import httpx2
import pytest

from kvk_enrich.practice import population, vat_numbers
from kvk_enrich.practice.faults import parse
from kvk_enrich.practice.kvkbase import create
from kvk_enrich.practice.settings import Kvkbase, Practice

KEY = "kvk_test_practice"
KNOWN = tuple(islice(population.numbers(), 300))
DAGOBERT, UNKNOWN = "69599084", "12345678"


@pytest.fixture
def kvkbase(clock):
    """A function that makes a practice kvkbase and returns it with what asks it: path, body, headers -> response."""

    def make(faults=(), latency_seconds=0.0, log=None, **own):
        own["faults"] = tuple(map(parse, faults))
        return Asking(create(Practice(latency_seconds=latency_seconds, clock=clock, log=log, kvkbase=Kvkbase(**own))))

    return make


class Asking:
    """Asks *app*."""

    def __init__(self, app):
        self.app = app

    def __call__(self, path, numbers=None, *, enrich=False, **headers):
        sent = {"authorization": f"Bearer {KEY}", **headers}
        body = None if numbers is None else {"kvkNumbers": list(numbers), "enrich": enrich}
        return anyio.run(_ask, self.app, path, body, {name: value for name, value in sent.items() if value})


async def _ask(app, path, body, headers):
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://practice.test/kvkbase/v1") as client:
        return await client.request("GET" if body is None else "POST", path, headers=headers, json=body)


def code(response):
    """The code in the error body."""
    assert response.json()["error"]["message"]
    return response.json()["error"]["code"]


def left(response):
    """The tokens that the answer says are left."""
    return int(response.headers["x-tokens-remaining"])


def test_a_company_is_told_in_short_or_in_full(kvkbase):
    """For one token or five."""
    ask = kvkbase()

    basic, enriched = ask(f"/lookup/{KNOWN[0]}"), ask(f"/lookup/{KNOWN[0]}?enrich=true")

    assert basic.json().keys() == {"kvkNumber", "name", "address", "isActive"}
    company = population.company(KNOWN[0])
    assert company is not None
    assert basic.json()["name"] == enriched.json()["name"] == company.name
    assert basic.json().keys() < enriched.json().keys()
    assert (left(basic), left(enriched)) == (4_999, 4_994)


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        (f"/lookup/{UNKNOWN}", 404, "NOT_FOUND"),
        ("/lookup/1234567", 400, "INVALID_KVK_NUMBER"),
        ("/lookup/6959908%D9%A3", 400, "INVALID_KVK_NUMBER"),
        (f"/branches/{UNKNOWN}", 404, "NOT_FOUND"),
        ("/branches/x", 400, "INVALID_KVK_NUMBER"),
        ("/validate/vat/NL123456789", 400, "INVALID_VAT_NUMBER"),
        ("/validate/vat/GB123456789", 400, "INVALID_VAT_NUMBER"),
        ("/validate/vat/123456789B01", 400, "INVALID_VAT_NUMBER"),
        ("/lookup", 400, "INVALID_REQUEST"),
        ("/search?q=a", 400, "INVALID_REQUEST"),
        ("/search", 400, "INVALID_REQUEST"),
        ("/search?q=aa&pageSize=x", 400, "INVALID_REQUEST"),
        ("/search?q=nobodyhasthisname", 404, "NOT_FOUND"),
    ],
)
def test_errors_are_in_its_own_words(kvkbase, path, status, expected):
    """A status and a code."""
    response = kvkbase()(path)

    assert (response.status_code, code(response)) == (status, expected)


def test_other_paths_and_methods_are_not_its_own(kvkbase):
    """A proxy's page, not the service's error."""
    ask = kvkbase()

    assert [ask(path).status_code for path in ("/nonsense", "/batch")] == [404, 405]
    assert ask(f"/lookup/{DAGOBERT}", KNOWN[:1]).status_code == 405
    assert "html" in ask("/nonsense").headers["content-type"]


def test_branches_are_listed_for_five_tokens(kvkbase):
    """The main one first."""
    response = kvkbase()(f"/branches/{DAGOBERT}")

    assert [branch["isMain"] for branch in response.json()["branches"]] == [True, False]
    assert left(response) == 4_995


def test_a_vat_number_is_what_vies_beside_it_says(kvkbase):
    """Where the check is fresh; a documentation example is invalid, not malformed."""
    ask = kvkbase(wording="documented")
    valid, invalid = vat_numbers.numbers("NL", 1), vat_numbers.numbers("NL", 1, valid=False)

    answers = [ask(f"/validate/vat/{number}").json() for number in (*valid, *invalid, "NL123456789B01")]

    assert [answer["valid"] for answer in answers] == [True, False, False]
    assert answers[0]["name"]
    assert answers[1]["name"] is None


def test_a_search_finds_whole_words_and_companies_more_than_once(kvkbase):
    """A row for each branch; at most a page of them."""
    ask = kvkbase()

    results = ask("/search?q=stichting&pageSize=100").json()["results"]

    assert all("stichting" in hit["name"].lower() for hit in results)
    numbers = [hit["kvkNumber"] for hit in results]
    assert len(set(numbers)) < len(numbers) <= 100
    assert len(ask("/search?q=stichting&pageSize=3").json()["results"]) == 3


def test_autocomplete_finds_beginnings(kvkbase):
    """Each company once."""
    results = kvkbase()("/autocomplete?q=sticht&limit=5").json()["results"]

    assert len({hit["kvkNumber"] for hit in results}) == len(results) == 5
    assert all(hit["name"].lower().startswith("sticht") for hit in results)


def test_health_is_free_and_needs_no_key(kvkbase):
    """With a key it tells what is left."""
    ask = kvkbase()

    assert ask("/health", authorization="").json()["services"] == {"kvk": "up", "vies": "up"}
    assert left(ask("/health")) == 5_000


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", f"Basic {KEY}", KEY])
def test_without_a_right_key_nothing_is_told(kvkbase, header):
    """No limits either."""
    response = kvkbase()(f"/lookup/{DAGOBERT}", authorization=header)

    assert (response.status_code, code(response)) == (401, "UNAUTHORIZED")
    assert "x-tokens-remaining" not in response.headers


def test_a_key_may_come_as_a_parameter(kvkbase):
    """The vendor's other way."""
    assert kvkbase()(f"/lookup/{DAGOBERT}?apikey={KEY}", authorization="").status_code == 200


@pytest.mark.parametrize(
    ("tier", "tokens", "requests"), [("free", 50, 10), ("starter", 1_000, 60), ("pro", 5_000, 300)]
)
def test_a_tier_says_what_a_key_may_use(kvkbase, tier, tokens, requests):
    """In headers on every answer."""
    headers = kvkbase(tier=tier)(f"/lookup/{DAGOBERT}").headers

    assert headers["x-tokens-remaining"] == str(tokens - 1)
    assert headers["x-ratelimit-limit"] == str(requests)
    assert headers["x-ratelimit-remaining"] == str(requests - 1)
    assert int(headers["x-ratelimit-reset"]) == 1_795_262_400 + 60
    assert "retry-after" not in headers


def test_the_minute_is_limited(kvkbase, clock):
    """A 429 that says how long to wait, and is free."""
    ask = kvkbase(requests_per_minute=2)
    ask(f"/lookup/{DAGOBERT}")
    clock.pass_seconds(10)
    ask(f"/lookup/{DAGOBERT}")
    clock.pass_seconds(5)

    response = ask(f"/lookup/{DAGOBERT}")
    clock.pass_seconds(int(response.headers["retry-after"]))

    assert (response.status_code, code(response), response.headers["retry-after"]) == (429, "RATE_LIMIT_EXCEEDED", "45")
    assert ask(f"/lookup/{DAGOBERT}").status_code == 200
    assert ask.app.spent(KEY) == 3


def test_the_month_is_limited(kvkbase):
    """The other 429: another code, and no Retry-After."""
    ask = kvkbase(tokens_per_month=6)

    answers = [ask(f"/lookup/{DAGOBERT}{query}") for query in ("?enrich=true", "?enrich=true", "", "")]

    assert [response.status_code for response in answers] == [200, 429, 200, 429]
    assert code(answers[1]) == code(answers[3]) == "QUOTA_EXCEEDED"
    assert "retry-after" not in answers[3].headers
    assert [left(response) for response in answers] == [1, 1, 0, 0]


def test_each_key_has_its_own_account(kvkbase):
    """What one has spent is the other's no loss."""
    ask = kvkbase()
    ask(f"/lookup/{DAGOBERT}")

    assert left(ask(f"/lookup/{DAGOBERT}", authorization="Bearer kvk_live_other")) == 4_999
    assert (ask.app.spent(KEY), ask.app.spent("kvk_live_other"), ask.app.spent("nobody")) == (1, 1, 0)


@pytest.mark.parametrize(("enrich", "tokens"), [(False, 1), (True, 5)])
def test_a_batch_is_many_lookups(kvkbase, enrich, tokens):
    """The same bodies, at the same price each, in one request."""
    ask = kvkbase()

    response = ask("/batch", KNOWN[:3], enrich=enrich)

    single = [ask(f"/lookup/{number}?enrich={str(enrich).lower()}").json() for number in KNOWN[:3]]
    assert response.json() == {"results": single, "failed": [], "tokensUsed": 3 * tokens}
    assert left(response) == 5_000 - 3 * tokens
    assert response.headers["x-ratelimit-remaining"] == "299"


def test_a_batch_tells_of_each_number_that_failed(kvkbase):
    """With code and message; it is paid for all the same, unless told otherwise."""
    asked = (UNKNOWN, KNOWN[0], "1234567")

    response = kvkbase()("/batch", asked)

    assert [hit["kvkNumber"] for hit in response.json()["results"]] == [KNOWN[0]]
    assert [(item["kvkNumber"], item["error"]["code"]) for item in response.json()["failed"]] == [
        (UNKNOWN, "NOT_FOUND"),
        ("1234567", "INVALID_KVK_NUMBER"),
    ]
    assert (response.json()["tokensUsed"], left(response)) == (3, 4_997)


def test_only_what_was_found_may_cost(kvkbase):
    """Nobody knows whether the real one charges for the rest."""
    ask = kvkbase(charges="found", faults=["status=502 nth=3"])

    batch, unknown, broken, found = (
        ask("/batch", (UNKNOWN, KNOWN[0])),
        ask(f"/lookup/{UNKNOWN}"),
        ask(f"/lookup/{DAGOBERT}"),
        ask(f"/lookup/{DAGOBERT}"),
    )

    assert batch.json()["tokensUsed"] == 1
    assert [left(response) for response in (batch, unknown, broken, found)] == [4_999, 4_999, 4_999, 4_998]


def test_failed_items_may_be_bare_numbers(kvkbase):
    """And results in another order."""
    body = kvkbase(failed_as="numbers", batch_order="reversed")("/batch", (KNOWN[0], UNKNOWN, KNOWN[1])).json()

    assert body["failed"] == [UNKNOWN]
    assert [hit["kvkNumber"] for hit in body["results"]] == [KNOWN[1], KNOWN[0]]


def test_numbers_may_be_missing_from_a_batch(kvkbase):
    """The same ones each time; they are paid for."""
    ask = kvkbase(batch_gaps=0.1)

    responses = [ask("/batch", KNOWN[:100]) for _ in range(2)]

    told = [{hit["kvkNumber"] for hit in response.json()["results"]} for response in responses]
    assert told[0] == told[1]
    assert 75 < len(told[0]) < 100
    assert left(responses[1]) == 4_800


@pytest.mark.parametrize("numbers", [[], [*KNOWN[:101]], [69599084], [None]])
def test_a_batch_has_one_to_a_hundred_numbers(kvkbase, numbers):
    """As text; any other is refused as a whole, and free."""
    response = kvkbase()("/batch", numbers)

    assert (response.status_code, code(response), left(response)) == (400, "INVALID_REQUEST", 5_000)


def test_a_batch_beyond_the_allowance_fails_whole_or_in_part(kvkbase):
    """Whole: nothing is spent. In part: what the tokens reach is answered."""
    whole, part = (kvkbase(tokens_per_month=12, over_allowance=way) for way in ("whole", "part"))

    refused = whole("/batch", KNOWN[:3], enrich=True)
    assert (refused.status_code, code(refused), left(refused)) == (429, "QUOTA_EXCEEDED", 12)

    response = part("/batch", KNOWN[:3], enrich=True)
    assert [hit["kvkNumber"] for hit in response.json()["results"]] == list(KNOWN[:2])
    assert [item["error"]["code"] for item in response.json()["failed"]] == ["QUOTA_EXCEEDED"]
    assert (response.json()["tokensUsed"], left(response)) == (10, 2)
    assert part("/batch", KNOWN[:3], enrich=True).status_code == 429
    assert part("/batch", KNOWN[:3]).json()["tokensUsed"] == 2


def test_a_batch_may_count_as_one_request_or_as_many(kvkbase):
    """Of the minute."""
    ask = kvkbase(batch_counts="each", requests_per_minute=5)

    assert [ask("/batch", KNOWN[:3]).status_code for _ in range(2)] == [200, 429]
    assert ask(f"/lookup/{DAGOBERT}").headers["x-ratelimit-remaining"] == "1"


def test_live_answers_have_their_oddities(kvkbase):
    """For some companies, always the same ones; documented ones have none."""
    ask = kvkbase()
    live = [
        company
        for batch in (KNOWN[:100], KNOWN[100:200])
        for company in ask("/batch", batch, enrich=True).json()["results"]
    ]

    assert {None, True, False} == {company["isActive"] for company in live}
    assert "Onbekend" in {company["legalForm"] for company in live}
    assert {"NL", "Nederland"} <= {company["address"].get("country") for company in live}
    assert {"validated", "stale", "unvalidated"} == {company["vat"]["status"] for company in live if company["vat"]}
    assert any(company["insolvency"] for company in live)
    again = kvkbase()("/batch", KNOWN[:100], enrich=True).json()["results"]
    assert again == live[:100]

    plain = kvkbase(wording="documented")("/batch", KNOWN[:100], enrich=True).json()["results"]
    assert {company["isActive"] for company in plain} == {True, False}
    assert "Nederland" not in {company["address"].get("country") for company in plain}


@pytest.mark.parametrize(
    ("fault", "status", "expected"),
    [
        ("status=502", 502, "UPSTREAM_ERROR"),
        ("status=500", 500, "INTERNAL_ERROR"),
        ("status=401", 401, "UNAUTHORIZED"),
        ("retry-after=7", 429, "RATE_LIMIT_EXCEEDED"),
        ("status=429 code=QUOTA_EXCEEDED", 429, "QUOTA_EXCEEDED"),
        ("status=402 code=INSUFFICIENT_TOKENS", 402, "INSUFFICIENT_TOKENS"),
        ("code=UPSTREAM_ERROR", 502, "UPSTREAM_ERROR"),
        ("code=SOMETHING_NEW", 400, "SOMETHING_NEW"),
    ],
)
def test_scripted_faults_speak_its_language(kvkbase, fault, status, expected):
    """With the code that goes with the status, and the other way round; they cost what the answer would."""
    ask = kvkbase(faults=[fault])

    response = ask(f"/lookup/{DAGOBERT}")

    assert (response.status_code, code(response)) == (status, expected)
    assert (left(response), ask.app.spent(KEY)) == (4_999, 1)
    assert response.headers.get("retry-after") == ("7" if "retry" in fault else None)


@pytest.mark.parametrize("fault", ["status=503", "status=404", "body=html", "body=html status=502"])
def test_scripted_pages_are_a_proxys(kvkbase, fault):
    """HTML, whatever the status."""
    assert kvkbase(faults=[fault])(f"/lookup/{DAGOBERT}").headers["content-type"].startswith("text/html")


def test_bodies_break_as_scripted(kvkbase):
    """Broken JSON, JSON of another kind, nothing."""
    with pytest.raises(json.JSONDecodeError):
        kvkbase(faults=["body=broken"])(f"/lookup/{DAGOBERT}").json()
    assert kvkbase(faults=["body=other"])(f"/lookup/{DAGOBERT}").json() == ["pong"]
    assert kvkbase(faults=["body=empty"])(f"/lookup/{DAGOBERT}").content == b""


def test_a_code_strikes_single_numbers_of_a_batch(kvkbase):
    """A share of them; a status strikes the batch as a whole."""
    body = kvkbase(faults=["code=UPSTREAM_ERROR share=0.1"])("/batch", KNOWN[:100]).json()

    assert 0 < len(body["failed"]) < 30
    assert len(body["failed"]) + len(body["results"]) == 100
    assert {item["error"]["code"] for item in body["failed"]} == {"UPSTREAM_ERROR"}
    once = kvkbase(faults=["code=UPSTREAM_ERROR times=1"])
    assert [len(once("/batch", KNOWN[:3]).json()["failed"]) for _ in range(2)] == [3, 0]
    assert kvkbase(faults=["status=502 nth=1"])("/batch", KNOWN[:3]).status_code == 502


def test_a_wrong_number_is_told_as_scripted(kvkbase):
    """In a batch it is the first one."""
    ask = kvkbase(faults=["other-number"])

    assert ask(f"/lookup/{DAGOBERT}").json()["kvkNumber"] == "69599080"
    told = [hit["kvkNumber"] for hit in ask("/batch", KNOWN[:3]).json()["results"]]
    assert told[0] != KNOWN[0]
    assert told[1:] == list(KNOWN[1:3])


@pytest.mark.parametrize("fault", ["reset", "cut=20"])
def test_a_connection_breaks_as_scripted(kvkbase, fault):
    """In process that is an error; what was asked is paid for."""
    ask = kvkbase(faults=[fault])

    with pytest.raises(ConnectionResetError):
        ask(f"/lookup/{DAGOBERT}")
    assert ask.app.spent(KEY) == 1


def test_latency_and_delay_take_their_time(kvkbase):
    """Refusals do not wait."""
    started = time.perf_counter()
    kvkbase(latency_seconds=0.001, faults=["delay=0.05"])(f"/lookup/{DAGOBERT}")
    assert time.perf_counter() - started > 0.05

    started = time.perf_counter()
    kvkbase(latency_seconds=60)(f"/lookup/{DAGOBERT}", authorization="")
    assert time.perf_counter() - started < 10


def test_every_request_is_in_the_log(kvkbase, tmp_path):
    """Answered or refused: arrival, numbers, path and the mark of the key, but never the key."""
    log = tmp_path / "arrivals.log"
    ask = kvkbase(log=log)

    ask(f"/lookup/{DAGOBERT}")
    ask("/batch", (DAGOBERT, "a\tb\n"))
    ask("/search?q=stichting")
    ask(f"/lookup/{DAGOBERT}", authorization="Bearer wrong-key")

    lines = [line.split("\t") for line in log.read_text().splitlines()]
    assert [line[:3] for line in lines] == [
        ["5000000000", DAGOBERT, f"/kvkbase/v1/lookup/{DAGOBERT}"],
        ["5000000000", f"{DAGOBERT},a%09b%0A", "/kvkbase/v1/batch"],
        ["5000000000", "", "/kvkbase/v1/search"],
        ["5000000000", DAGOBERT, f"/kvkbase/v1/lookup/{DAGOBERT}"],
    ]
    assert len({line[3] for line in lines}) == 2
    assert "wrong" not in log.read_text()
    assert KEY not in log.read_text()
