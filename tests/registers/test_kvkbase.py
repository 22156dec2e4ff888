"""kvkbase's answers: its codes decide, and a batch is many answers in one."""

import json
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.errors import AllowanceSpent, RegisterError, Transient
from kvk_enrich.model import Call, Failed, Found, Kind, NotFound, Secret
from kvk_enrich.reasons import REASONS
from kvk_enrich.registers.kvkbase import TOKENS, Hit, Kvkbase, read, read_batch
from kvk_enrich.registers.kvkbase_records import READERS

NUMBER, OTHER, THIRD = "69599084", "68750110", "90001354"
VAT = "NL857587973B01"
LOOKUP = Call("lookup", Kind.KVK, (NUMBER,))
CHECK = Call("validate-vat", Kind.VAT, (VAT,))
BATCH = Call("lookup", Kind.KVK, (NUMBER, OTHER, THIRD))
HTML = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"
COMPANY = b'{"kvkNumber":"69599084","name":"Voorbeeld B.V."}'
ABSENT = {"found", "not found: not_registered", "not found: not_valid_in_register", "not found: vat_not_valid"}


def fault(code, **more):
    """Return an error body as the service writes it."""
    return json.dumps({"error": {"code": code, "message": "Text."}, **more}).encode()


def company(number, **fields):
    """Return what the service says of a company."""
    return {"kvkNumber": number, "name": f"Voorbeeld {number}", **fields}


def check(**fields):
    """Return what the service says of a VAT number."""
    return json.dumps({"vatNumber": VAT, "valid": True, "validatedAt": "2026-03-15T12:00:00Z", **fields}).encode()


def called(outcome):
    """Return in one word or two what an outcome or an error is."""
    match outcome:
        case Found():
            return "found"
        case NotFound():
            return f"not found: {REASONS[outcome.reason].code}"
        case _:
            return f"{type(outcome).__name__} {REASONS[outcome.reason].code}"


def said(call, status, body, **headers):
    """Return in one word or two what the answer to one number came to."""
    try:
        return called(read(call, httpx2.Response(status, headers=headers), body))
    except RegisterError as error:
        return called(error)


TABLE = [
    # an answer about the number
    (LOOKUP, 200, COMPANY, "found"),
    (LOOKUP, 200, COMPANY.replace(b"}", b',"neu":{"a":[1]}}'), "found"),
    (LOOKUP, 404, fault("NOT_FOUND"), "not found: not_registered"),
    (LOOKUP, 400, fault("INVALID_KVK_NUMBER"), "not found: not_valid_in_register"),
    (CHECK, 404, fault("NOT_FOUND"), "not found: not_registered"),
    (CHECK, 400, fault("INVALID_VAT_NUMBER"), "not found: not_valid_in_register"),
    # "not found" without the documented status, code and body
    (LOOKUP, 404, HTML, "Unusable unexpected_answer"),
    (LOOKUP, 404, b"", "Unusable unexpected_answer"),
    (LOOKUP, 404, b"NOT_FOUND", "Unusable unexpected_answer"),
    (LOOKUP, 404, b'{"error":"NOT_FOUND"}', "Unusable unexpected_answer"),
    (LOOKUP, 404, b'{"code":"NOT_FOUND"}', "Unusable unexpected_answer"),
    (LOOKUP, 404, b'{"error":{"code":["NOT_FOUND"]}}', "Unusable unexpected_answer"),
    (LOOKUP, 404, b'{"error":{"message":"NOT_FOUND"}}', "Unusable unexpected_answer"),
    (LOOKUP, 404, b'[{"error":{"code":"NOT_FOUND"}}]', "Unusable unexpected_answer"),
    (LOOKUP, 404, fault("NOT_FOUND")[:-2], "Unusable unexpected_answer"),
    (LOOKUP, 404, fault("not_found"), "Unusable unexpected_answer"),
    (LOOKUP, 404, COMPANY, "Unusable unexpected_answer"),
    (LOOKUP, 410, fault("NOT_FOUND"), "Unusable request_refused"),
    (LOOKUP, 400, fault("NOT_FOUND"), "Unusable request_refused"),
    (LOOKUP, 404, fault("INVALID_KVK_NUMBER"), "Unusable request_refused"),
    (LOOKUP, 400, fault("INVALID_VAT_NUMBER"), "Unusable request_refused"),
    (CHECK, 400, fault("INVALID_KVK_NUMBER"), "Unusable request_refused"),
    (LOOKUP, 502, fault("NOT_FOUND"), "Transient server_error"),
    (LOOKUP, 429, fault("NOT_FOUND"), "Transient rate_limited"),
    (LOOKUP, 200, fault("NOT_FOUND"), "Unusable unreadable_answer"),
    # two 429s
    (LOOKUP, 429, fault("RATE_LIMIT_EXCEEDED"), "Transient rate_limited"),
    (LOOKUP, 429, b"", "Transient rate_limited"),
    (LOOKUP, 429, HTML, "Transient rate_limited"),
    (LOOKUP, 429, fault("SOMETHING_NEW"), "Transient rate_limited"),
    (LOOKUP, 429, fault("QUOTA_EXCEEDED"), "AllowanceSpent month_ceiling"),
    (LOOKUP, 429, fault("INSUFFICIENT_TOKENS"), "AllowanceSpent month_ceiling"),
    (LOOKUP, 402, fault("INSUFFICIENT_TOKENS"), "AllowanceSpent month_ceiling"),
    # the key
    (LOOKUP, 401, fault("UNAUTHORIZED"), "AccessRefused access_refused"),
    (LOOKUP, 401, b"", "AccessRefused access_refused"),
    (LOOKUP, 402, b"", "AccessRefused access_refused"),
    (LOOKUP, 403, HTML, "AccessRefused access_refused"),
    (LOOKUP, 400, fault("UNAUTHORIZED"), "AccessRefused access_refused"),
    # not well
    (LOOKUP, 502, fault("UPSTREAM_ERROR"), "Transient server_error"),
    (LOOKUP, 500, fault("INTERNAL_ERROR"), "Transient server_error"),
    (LOOKUP, 503, HTML, "Transient server_error"),
    (LOOKUP, 504, b"", "Transient server_error"),
    (LOOKUP, 501, b"", "Unusable unexpected_answer"),
    # the request
    (LOOKUP, 400, fault("INVALID_REQUEST"), "Unusable request_refused"),
    (LOOKUP, 400, fault("SOMETHING_NEW"), "Unusable request_refused"),
    (LOOKUP, 400, HTML, "Unusable unexpected_answer"),
    (LOOKUP, 301, b"", "Unusable unexpected_answer"),
    (LOOKUP, 204, b"", "Unusable unexpected_answer"),
    # 200, but
    (LOOKUP, 200, b"", "Unusable unexpected_answer"),
    (LOOKUP, 200, HTML, "Unusable unexpected_answer"),
    (LOOKUP, 200, b"[" + COMPANY + b"]", "Unusable unexpected_answer"),
    (LOOKUP, 200, b"{}", "Unusable unreadable_answer"),
    (LOOKUP, 200, COMPANY.replace(b"}", b',"isActive":"yes"}'), "Unusable unreadable_answer"),
    (LOOKUP, 200, COMPANY.replace(b"}", b',"isActive":1}'), "Unusable unreadable_answer"),
    (LOOKUP, 200, COMPANY.replace(b"}", b',"employees":{"total":%s}}' % (b"9" * 30)), "Unusable unreadable_answer"),
    (LOOKUP, 200, COMPANY[:-1], "Transient unreadable_answer"),
    (LOOKUP, 200, COMPANY.replace(b"}", b',"x":"\xff"}'), "Transient unreadable_answer"),
    (
        LOOKUP,
        200,
        COMPANY.replace(b"}", b',"x":%s}' % (b"[" * 200_000 + b"]" * 200_000)),
        "Transient unreadable_answer",
    ),
    (LOOKUP, 200, COMPANY.replace(b"69599084", b"69599085"), "Unusable wrong_company"),
    # a VAT number: three answers
    (CHECK, 200, check(), "found"),
    (CHECK, 200, check(status="validated"), "found"),
    (CHECK, 200, check(vatNumber="NL 8575.87.973.b01"), "found"),
    (CHECK, 200, check(valid=False), "not found: vat_not_valid"),
    (CHECK, 200, check(valid=False, status="validated", checksumValid=False), "not found: vat_not_valid"),
    (CHECK, 200, check(status="stale"), "Unusable vat_unconfirmed"),
    (CHECK, 200, check(valid=False, status="stale"), "Unusable vat_unconfirmed"),
    (CHECK, 200, check(valid=False, status="unvalidated"), "Unusable vat_unconfirmed"),
    (CHECK, 200, check(valid=False, status="malformed"), "Unusable vat_unconfirmed"),
    (CHECK, 200, check(valid=False, status="something new"), "Unusable vat_unconfirmed"),
    (CHECK, 200, check(valid=None), "Unusable vat_unconfirmed"),
    (CHECK, 200, check(valid="true"), "Unusable unreadable_answer"),
    (CHECK, 200, b'{"vatNumber":"NL857587973B01"}', "Unusable vat_unconfirmed"),
    (CHECK, 200, check(vatNumber="NL857587973B02"), "Unusable wrong_company"),
]


@pytest.mark.parametrize(("call", "status", "body", "expected"), TABLE)
def test_status_code_and_body_decide_together(call, status, body, expected):
    """Not found needs the documented status, code and a whole body; everything else is "could not ask"."""
    assert said(call, status, body) == expected


def test_texts_are_not_looked_at():
    """The service words its messages in several ways."""
    for text in ("Company not found", "", "Rate limit exceeded", None):
        body = json.dumps({"error": {"code": "NOT_FOUND", "message": text}}).encode()
        assert read(LOOKUP, httpx2.Response(404), body) == NotFound(NUMBER, "not_registered", body)


@given(st.sampled_from([LOOKUP, CHECK]), st.integers(100, 599), st.binary(max_size=300))
def test_no_bytes_and_no_status_are_more_than_one_failed_item(call, status, body):
    """A poison answer is a RegisterError, never another exception, and never an answer."""
    assert said(call, status, body) not in ABSENT


@given(st.lists(st.tuples(st.integers(0, len(COMPANY) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_answers_are_refused_or_readable_for_good(damage):
    """What is accepted can be turned into columns; what cannot is refused on receipt."""
    body = bytearray(COMPANY)
    for place, byte in damage:
        body[place] = byte
    try:
        answer = read(LOOKUP, httpx2.Response(200), bytes(body))
    except RegisterError:
        return
    assert READERS["lookup"].rows([answer.body])["kvk_number"].to_list() == [NUMBER]


@pytest.mark.parametrize("status", [200, 401, 402, 404, 429, 500, 418])
def test_what_the_service_wrote_is_not_repeated_at_length(status):
    """A body that echoes the key, or is a book, stays out of messages that end up in reports and logs."""
    canary = "kvk_live_canary" * 100
    for body in (fault(canary), fault(canary.upper()), json.dumps(company(canary)).encode()):
        with pytest.raises(RegisterError) as raised:
            read(LOOKUP, httpx2.Response(status, headers={"X-Tokens-Remaining": canary}), body)
        assert "kvk_live_canaryk" not in f"{raised.value!r} {raised.value} {raised.value.detail}".lower()
        assert len(raised.value.detail) < 300


def test_the_service_says_how_long_to_wait():
    """With a 429 for the minute, and with errors of its own."""
    for status, code in ((429, "RATE_LIMIT_EXCEEDED"), (502, "UPSTREAM_ERROR")):
        with pytest.raises(Transient) as raised:
            read(LOOKUP, httpx2.Response(status, headers={"Retry-After": "17"}), fault(code))
        assert raised.value.retry_after == 17


def test_a_spent_month_tells_what_is_left():
    """A batch may be refused though some tokens are left."""
    with pytest.raises(AllowanceSpent, match="tokens left: 30"):
        read_batch(BATCH, httpx2.Response(429, headers={"X-Tokens-Remaining": "30"}), fault("QUOTA_EXCEEDED"))


def answered(call, *, results=(), failed=(), status=200):
    """Return what a batch came to, number by number."""
    body = json.dumps({"results": results, "failed": failed, "tokensUsed": 3}).encode()
    return read_batch(call, httpx2.Response(status), body)


def test_results_go_with_their_numbers_whatever_their_order():
    """By kvkNumber; the answers are in the order of the call."""
    answers = answered(BATCH, results=[company(THIRD), company(NUMBER), company(OTHER)])

    assert [(answer.number, called(answer)) for answer in answers] == [
        (number, "found") for number in (NUMBER, OTHER, THIRD)
    ]


def test_a_part_of_a_batch_reads_like_an_answer_of_its_own():
    """Byte for byte as received, and into the same columns."""
    part = b'{"kvkNumber":"68750110", "name":"A \xc3\xa9 B", "unknown":[1,2]}'
    body = b'{"results":[' + COMPANY + b"," + part + b'],"failed":null}'

    first, second, _ = read_batch(BATCH, httpx2.Response(200), body)

    assert (first, second) == (Found(NUMBER, COMPANY), Found(OTHER, part))
    assert READERS["lookup"].rows([COMPANY, part])["kvk_name"].to_list() == ["Voorbeeld B.V.", "A é B"]


FAILED: list[tuple[dict[str, Any], str]] = [
    ({"error": {"code": "NOT_FOUND", "message": "x"}}, "not found: not_registered"),
    ({"error": {"code": "INVALID_KVK_NUMBER"}}, "not found: not_valid_in_register"),
    ({"error": {"code": "INVALID_VAT_NUMBER"}}, "Failed request_refused"),
    ({"error": {"code": "UPSTREAM_ERROR"}}, "Failed server_error"),
    ({"error": {"code": "INTERNAL_ERROR"}}, "Failed server_error"),
    ({"error": {"code": "RATE_LIMIT_EXCEEDED"}}, "Failed rate_limited"),
    ({"error": {"code": "QUOTA_EXCEEDED"}}, "Failed allowance_spent"),
    ({"error": {"code": "INSUFFICIENT_TOKENS"}}, "Failed allowance_spent"),
    ({"error": {"code": "SOMETHING_NEW"}}, "Failed request_refused"),
    ({"error": {"code": None}}, "Failed failed_in_batch"),
    ({"error": "NOT_FOUND"}, "Failed failed_in_batch"),
    ({"error": None}, "Failed failed_in_batch"),
    ({"code": "NOT_FOUND"}, "Failed failed_in_batch"),
    ({}, "Failed failed_in_batch"),
]


@pytest.mark.parametrize(("item", "expected"), FAILED)
def test_a_failed_item_is_what_its_code_says(item, expected):
    """As for a single number; without a code nobody knows, so it is not "not found"."""
    _, second, _ = answered(BATCH, results=[company(NUMBER)], failed=[{"kvkNumber": OTHER, **item}])

    assert called(second) == expected


def test_a_not_found_item_is_its_own_proof():
    """The part of the batch that says so, no other number in it."""
    _, second, _ = answered(BATCH, failed=[{"kvkNumber": OTHER, "error": {"code": "NOT_FOUND"}}])

    assert isinstance(second, NotFound)
    assert json.loads(second.body) == {"kvkNumber": OTHER, "error": {"code": "NOT_FOUND"}}


def test_failed_items_may_be_bare_numbers():
    """Then nobody says why."""
    _, second, third = answered(BATCH, results=[company(NUMBER)], failed=[THIRD, OTHER])

    assert [called(second), called(third)] == ["Failed failed_in_batch"] * 2


def test_a_number_in_neither_list_could_not_be_asked():
    """It was paid for perhaps, and is not "not found"."""
    answers = answered(BATCH, results=[company(OTHER)])

    assert [called(answer) for answer in answers] == ["Failed missing_in_answer", "found", "Failed missing_in_answer"]


def test_a_stranger_in_the_place_of_a_number_is_suspicious():
    """A result for a number that nobody asked is left aside; if one that was asked is missing, it is said."""
    complete = answered(BATCH, results=[company("11111111"), company(NUMBER), company(OTHER), company(THIRD)])
    swapped = answered(BATCH, results=[company(NUMBER), company(OTHER), company("11111111")])

    assert [called(answer) for answer in complete] == ["found"] * 3
    assert [called(answer) for answer in swapped] == ["found", "found", "Failed wrong_company"]


def test_of_several_results_for_a_number_the_first_wins():
    """Also against a failure of the same number."""
    first, *_ = answered(
        BATCH,
        results=[company(NUMBER, name="Eerste"), company(NUMBER, name="Tweede")],
        failed=[{"kvkNumber": NUMBER, "error": {"code": "NOT_FOUND"}}],
    )

    assert json.loads(first.body)["name"] == "Eerste"


def test_one_unreadable_result_does_not_spoil_the_batch():
    """The others are paid for and kept; what names no number is as if it was missing."""
    answers = answered(BATCH, results=[company(NUMBER, isActive="yes"), 17, None, {"name": "x"}, company(THIRD)])

    assert [called(answer) for answer in answers] == [
        "Failed unreadable_answer",
        "Failed missing_in_answer",
        "found",
    ]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, fault("INVALID_KVK_NUMBER"), "Unusable request_refused"),
        (404, fault("NOT_FOUND"), "Unusable request_refused"),
        (429, fault("RATE_LIMIT_EXCEEDED"), "Transient rate_limited"),
        (429, fault("QUOTA_EXCEEDED"), "AllowanceSpent month_ceiling"),
        (502, fault("UPSTREAM_ERROR"), "Transient server_error"),
        (401, b"", "AccessRefused access_refused"),
        (200, b'{"failed":[]}', "Unusable unreadable_answer"),
        (200, b'{"results":[{"kvkNumber":', "Transient unreadable_answer"),
        (200, b'{"results":[]}\xff', "Transient unreadable_answer"),
        (200, HTML, "Unusable unexpected_answer"),
        (200, b"[]", "Unusable unexpected_answer"),
        (207, b'{"results":[]}', "Unusable unexpected_answer"),
    ],
)
def test_a_batch_that_fails_as_a_whole(status, body, expected):
    """No error about a batch says anything about one of its numbers."""
    with pytest.raises(RegisterError) as raised:
        read_batch(BATCH, httpx2.Response(status), body)
    assert called(raised.value) == expected


PARTS = st.sampled_from([NUMBER, OTHER, THIRD, "11111111", "", "x"]).flatmap(
    lambda number: st.sampled_from(
        [
            company(number),
            company(number, isActive=3),
            {"kvkNumber": number},
            number,
            {"kvkNumber": number, **FAILED[0][0]},
        ]
    )
)


@given(st.lists(PARTS | st.none() | st.integers(), max_size=8), st.lists(PARTS | st.booleans(), max_size=8))
def test_a_batch_has_one_outcome_for_each_number_whatever_came(results, failed):
    """In the call's order; found and not found only with a part that says so of that very number."""
    answers = answered(BATCH, results=results, failed=failed)

    assert tuple(answer.number for answer in answers) == BATCH.numbers
    for answer in answers:
        if not isinstance(answer, Failed):
            assert json.loads(answer.body)["kvkNumber"] == answer.number
        assert called(answer)


class Recorder:
    """An ASGI app that remembers what it was asked and answers one thing."""

    def __init__(self, body=COMPANY, status=200, **headers):
        self.asked = []
        self._status = status
        self._headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self._body = body

    async def __call__(self, scope, receive, send):
        body = (await receive()).get("body", b"")
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        path = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        self.asked.append((scope["method"], path, headers, body))
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


async def sent():
    """The moment of sending, without a gate."""


def using(app, use):
    """Return what *use* makes of a register that asks *app*."""

    async def main():
        async with Kvkbase(
            "http://kvkbase.test/v1/", Secret("kvk_test_canary"), timeout_seconds=5, app=app
        ) as register:
            return await use(register)

    return anyio.run(main)


def fetched(app, call):
    """Return the reply to *call*."""
    return using(app, lambda register: register.fetch(call, sent))


@pytest.mark.parametrize(
    ("call", "body", "path"),
    [
        (LOOKUP, COMPANY, "/v1/lookup/69599084"),
        (Call("enriched", Kind.KVK, (NUMBER,)), COMPANY, "/v1/lookup/69599084?enrich=true"),
        (
            Call("kvkbase-branches", Kind.KVK, (NUMBER,)),
            b'{"kvkNumber":"69599084","branches":[]}',
            "/v1/branches/69599084",
        ),
        (CHECK, check(), "/v1/validate/vat/NL857587973B01"),
        (Call("validate-vat", Kind.VAT, ("IE1+23456A",)), check(vatNumber="IE1+23456A"), "/v1/validate/vat/IE1+23456A"),
    ],
)
def test_one_number_is_asked_by_itself(call, body, path):
    """With the key as a bearer token and nowhere else."""
    app = Recorder(body)

    assert called(fetched(app, call).answers[0]) == "found"

    ((method, asked, headers, _),) = app.asked
    assert (method, asked) == ("GET", path)
    assert headers["authorization"] == "Bearer kvk_test_canary"
    assert [name for name, value in headers.items() if "canary" in value] == ["authorization"]


@pytest.mark.parametrize(("product", "enrich"), [("lookup", False), ("enriched", True)])
def test_several_numbers_are_asked_in_a_batch(product, enrich):
    """One POST of JSON with all of them."""
    app = Recorder(json.dumps({"results": [company(number) for number in BATCH.numbers]}).encode())

    reply = fetched(app, Call(product, Kind.KVK, BATCH.numbers))

    ((method, path, headers, body),) = app.asked
    assert (method, path, headers["content-type"]) == ("POST", "/v1/batch", "application/json")
    assert json.loads(body) == {"kvkNumbers": list(BATCH.numbers), "enrich": enrich}
    assert [called(answer) for answer in reply.answers] == ["found"] * 3


@pytest.mark.parametrize(
    ("header", "left"),
    [
        ("4999", 4999),
        ("0", 0),
        (" 12 ", 12),
        ("-5", None),
        ("1e3", None),
        ("9" * 40, None),
        ("\u0664", None),
        ("", None),
    ],
)
def test_the_tokens_left_are_told_when_they_make_sense(header, left):
    """A number that can be none is none."""
    assert fetched(Recorder(X_Tokens_Remaining=header), LOOKUP).left == left


def test_a_batch_that_ran_out_of_tokens_leaves_nothing():
    """Also when no header says so."""
    body = {"results": [company(NUMBER)], "failed": [{"kvkNumber": OTHER, "error": {"code": "QUOTA_EXCEEDED"}}]}

    assert fetched(Recorder(json.dumps(body).encode()), BATCH).left == 0


def test_search_collapses_branches_and_names():
    """The same company comes several times: it is told once, in the service's order."""
    results = [
        company(NUMBER, name="A", city="Kwakelhorst", isActive=True),
        company(OTHER, name="B", isActive=None),
        company(NUMBER, name="A filiaal"),
    ]
    app = Recorder(json.dumps({"results": results}).encode())

    hits = using(app, lambda register: register.search("a & b", sent))

    assert hits == (Hit(NUMBER, "A", "Kwakelhorst", True), Hit(OTHER, "B", None, None))  # noqa: FBT003
    assert app.asked[0][1] == "/v1/search?q=a+%26+b&pageSize=25"


def test_autocomplete_asks_for_beginnings():
    """Its rows have no state."""
    app = Recorder(json.dumps({"results": [{"kvkNumber": NUMBER, "name": "Acme", "city": "Brakelmeer"}]}).encode())

    assert using(app, lambda register: register.autocomplete("Ac", sent)) == (Hit(NUMBER, "Acme", "Brakelmeer", None),)
    assert app.asked[0][1] == "/v1/autocomplete?q=Ac&limit=10"


def test_a_search_that_finds_nothing_finds_nothing():
    """The service calls it NOT_FOUND; a proxy's 404 is something else."""
    assert using(Recorder(fault("NOT_FOUND"), 404), lambda register: register.search("zz", sent)) == ()
    with pytest.raises(RegisterError, match="404"):
        using(Recorder(HTML, 404), lambda register: register.search("zz", sent))


def test_health_tells_of_the_services_behind():
    """And of the clock; any other status or shape is an error."""
    body = {"status": "ok", "services": {"kvk": "up", "vies": "down"}, "timestamp": "2026-03-15T12:00:00Z"}
    app = Recorder(json.dumps(body).encode())

    assert using(app, lambda register: register.health(sent)).services == {"kvk": "up", "vies": "down"}
    assert using(app, lambda register: register.probe(sent)).total_seconds() == 0
    for broken in (Recorder(HTML), Recorder(b"{}"), Recorder(fault("INTERNAL_ERROR"), 500)):
        with pytest.raises(RegisterError):
            using(broken, lambda register: register.health(sent))


def test_every_product_has_a_price_and_columns():
    """And a batch is for companies only."""
    assert set(Kvkbase.products) == set(READERS) <= set(TOKENS)
    assert {product for product, most in Kvkbase.products.items() if most > 1} == {"lookup", "enriched"}
