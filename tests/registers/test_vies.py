"""VIES's answers in both dialects: valid, not valid, and everything that is neither."""

import json
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.errors import ConfigError, RegisterError, Transient
from kvk_enrich.model import Answer, Call, Failed, Found, Kind, NotFound
from kvk_enrich.reasons import REASONS
from kvk_enrich.registers import vies_vat
from kvk_enrich.registers.vies import Availability, Vies, read

NUMBER = "PT999999990"
POST = {
    "countryCode": "PT",
    "vatNumber": "999999990",
    "requestDate": "2026-11-21T10:00:00.250Z",
    "valid": True,
    "requestIdentifier": "",
    "name": "Voorbeeld, Lda.",
    "address": "RUA INVENTADA 1\n0000-001 NENHURES",
}
GET = {
    "countryCode": "PT",  # added when it is received
    "isValid": True,
    "requestDate": "2026-11-21T10:00:00.250Z",
    "userError": "VALID",
    "name": "Voorbeeld, Lda.",
    "address": "RUA INVENTADA 1\n0000-001 NENHURES",
    "requestIdentifier": "",
    "originalVatNumber": "999999990",
    "vatNumber": "999999990",
}
PAGE = b"<!DOCTYPE html><html><body>Maintenance</body></html>"


def body(base, **changes):
    """Return *base* with *changes* as JSON; None takes a key away."""
    return json.dumps({key: value for key, value in {**base, **changes}.items() if value is not None}).encode()


def envelope(*codes):
    """Return POST's error."""
    return json.dumps({"actionSucceed": False, "errorWrappers": [{"error": code} for code in codes]}).encode()


def failed(code, **changes):
    """Return GET's error, which looks like "not valid"."""
    return body(GET, isValid=False, userError=code, name="---", address="---", **changes)


def said(status: int, received: bytes, **headers: str) -> str:
    """Return in a few words what the answer came to, and which state it blames."""
    try:
        answer = read(NUMBER, httpx2.Response(status, headers=headers), received)
    except Transient as error:
        return f"Transient {REASONS[error.reason].code}" + (f" of {error.part}" if error.part else "")
    except RegisterError as error:
        return f"{type(error).__name__} {REASONS[error.reason].code}"
    assert answer.body == received
    return "valid" if isinstance(answer, Found) else answer.reason


TABLE = [
    # answers
    (200, body(POST), "valid"),
    (200, body(POST, valid=False), "vat_not_valid"),
    (200, body(POST, valid=False, name="---", address="---", newKey={"a": [1]}), "vat_not_valid"),
    (200, body(POST, requestDate=None, name=None, address=None, requestIdentifier=None), "valid"),
    (200, body(GET), "valid"),
    (200, body(GET, isValid=False, userError="INVALID"), "vat_not_valid"),
    # about another number
    (200, body(POST, vatNumber="999999991"), "Unusable wrong_company"),
    (200, body(POST, valid=False, countryCode="ES"), "Unusable wrong_company"),
    (200, body(POST, valid=False, vatNumber=None), "Unusable wrong_company"),
    (200, body(GET, isValid=False, userError="INVALID", vatNumber="1"), "Unusable wrong_company"),
    # neither valid nor not
    (200, body(POST, valid=None), "Transient unreadable_answer"),
    (200, body(POST, valid="false"), "Transient unreadable_answer"),
    (200, body(POST, valid=0), "Transient unreadable_answer"),
    (200, body(GET, userError=None), "Transient unreadable_answer"),
    (200, body(GET, isValid=None), "Transient unreadable_answer"),
    (200, body(GET, isValid=False), "Transient unreadable_answer"),
    (200, body(GET, userError="INVALID"), "Transient unreadable_answer"),
    (200, body(GET, isValid=False, userError="INVALID", valid=True), "Transient unreadable_answer"),
    (200, b"", "Transient unreadable_answer"),
    (200, b"{}", "Transient unreadable_answer"),
    (200, b"null", "Transient unreadable_answer"),
    (200, b"false", "Transient unreadable_answer"),
    (200, b'{"valid":false', "Transient unreadable_answer"),
    (200, b"[" + body(POST) + b"]", "Transient unreadable_answer"),
    (200, body(POST).replace(b"Voorbeeld", b"\xff"), "Transient unreadable_answer"),
    (200, b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "Transient unreadable_answer"),
    (200, PAGE, "Transient vies_unavailable"),
    (200, b"\n " + PAGE, "Transient vies_unavailable"),
    # a state in trouble
    (200, envelope("MS_UNAVAILABLE"), "Transient vies_unavailable of PT"),
    (200, envelope("TIMEOUT"), "Transient vies_unavailable of PT"),
    (200, envelope("MS_MAX_CONCURRENT_REQ"), "Transient vies_busy of PT"),
    (200, envelope("MS_MAX_CONCURRENT_REQ_TIME"), "Transient vies_busy of PT"),
    (200, failed("MS_UNAVAILABLE"), "Transient vies_unavailable of PT"),
    (200, failed("TIMEOUT"), "Transient vies_unavailable of PT"),
    (200, failed("MS_MAX_CONCURRENT_REQ"), "Transient vies_busy of PT"),
    (500, envelope("MS_UNAVAILABLE"), "Transient vies_unavailable of PT"),
    # VIES itself in trouble
    (200, envelope("SERVICE_UNAVAILABLE"), "Transient vies_unavailable"),
    (200, envelope("GLOBAL_MAX_CONCURRENT_REQ"), "Transient vies_busy"),
    (200, envelope("GLOBAL_MAX_CONCURRENT_REQ_TIME"), "Transient vies_busy"),
    (200, envelope("MS_UNAVAILABLE", "SERVICE_UNAVAILABLE"), "Transient vies_unavailable"),
    (200, envelope("IO_ERROR"), "Transient vies_unavailable"),
    (200, envelope("SOMETHING_NEW"), "Transient vies_unavailable"),
    (200, envelope(""), "Transient vies_unavailable"),
    (200, failed("SERVICE_UNAVAILABLE"), "Transient vies_unavailable"),
    (200, failed("SOMETHING_NEW"), "Transient vies_unavailable"),
    (200, failed(""), "Transient vies_unavailable"),
    (500, envelope("VOW-ERR-1"), "Transient vies_unavailable"),
    (500, PAGE, "Transient vies_unavailable"),
    (503, b"", "Transient vies_unavailable"),
    (504, PAGE, "Transient vies_unavailable"),
    (500, body(POST), "Transient vies_unavailable"),
    (429, b"", "Transient vies_busy"),
    # an answer and an error at once is no answer
    (200, body(POST, valid=False, errorWrappers=[{"error": "MS_UNAVAILABLE"}]), "Transient vies_unavailable of PT"),
    # shut out
    (200, envelope("IP_BLOCKED"), "Blocked vies_blocked"),
    (200, envelope("VAT_BLOCKED"), "Blocked vies_blocked"),
    (200, failed("IP_BLOCKED"), "Blocked vies_blocked"),
    (200, envelope("MS_UNAVAILABLE", "IP_BLOCKED"), "Blocked vies_blocked"),
    (403, envelope("IP_BLOCKED"), "Blocked vies_blocked"),
    # the request
    (200, envelope("INVALID_INPUT"), "Unusable request_refused"),
    (400, envelope("INVALID_INPUT"), "Unusable request_refused"),
    (200, failed("INVALID_INPUT"), "Unusable request_refused"),
    (400, envelope("VOW-ERR-11"), "Unusable request_refused"),
    (400, envelope("VOW-ERR-2600"), "Unusable request_refused"),
    (400, envelope("VOW-ERR-9999"), "Unusable request_refused"),
    (200, envelope("INVALID_REQUESTER_INFO"), "Unusable requester_refused"),
    (400, envelope("VOW-ERR-2500"), "Unusable requester_refused"),
    (400, envelope("VOW-ERR-2700"), "Unusable requester_refused"),
    # not VIES at all
    (404, PAGE, "Unusable unexpected_answer"),
    (404, body(POST, valid=False), "Unusable unexpected_answer"),
    (403, PAGE, "Unusable unexpected_answer"),
    (301, b"", "Unusable unexpected_answer"),
    (204, b"", "Unusable unexpected_answer"),
]


@pytest.mark.parametrize(("status", "received", "expected"), TABLE)
def test_status_codes_and_body_decide_together(status, received, expected):
    """Not valid needs a whole body that says so of this number; everything else is "could not ask"."""
    assert said(status, received) == expected


@given(st.integers(100, 599), st.binary(max_size=300) | st.sampled_from([row[1] for row in TABLE]))
def test_no_other_status_is_an_answer(status, received):
    """Whatever the bytes: a RegisterError or an answer, and an answer with 200 only."""
    assert said(status, received) not in {"valid", "vat_not_valid"} or status == 200


@given(
    st.sampled_from([POST, GET]),
    st.lists(st.tuples(st.integers(0, 230), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_answers_are_refused_or_readable_for_good(base, damage):
    """What is accepted can be turned into columns; what cannot is refused on receipt."""
    received = bytearray(body(base))
    for place, byte in damage:
        received[place % len(received)] = byte
    try:
        answer: Answer = read(NUMBER, httpx2.Response(200), bytes(received))
    except RegisterError:
        return
    row = vies_vat.rows([answer.body]).row(0, named=True)
    assert (row["vat_number"], row["vat_valid"]) == (NUMBER, isinstance(answer, Found))


def test_neither_numbers_nor_texts_of_the_service_stand_in_messages():
    """A number may hold a citizen service number, and a body may be a book."""
    canary = "canary" * 100
    for received in (envelope(canary), failed(canary), body(POST, vatNumber="999999991"), canary.encode()):
        with pytest.raises(RegisterError) as raised:
            read(NUMBER, httpx2.Response(200), received)
        text = f"{raised.value!r} {raised.value.detail}"
        assert "canary" not in text
        assert NUMBER[2:] not in text


def test_the_service_may_wish_for_a_pause():
    """Nobody has seen a Retry-After of VIES; if one comes, it is kept."""
    with pytest.raises(Transient) as raised:
        read(NUMBER, httpx2.Response(503, headers={"Retry-After": "30"}), PAGE)
    assert raised.value.retry_after == 30


# -- asked through HTTP -------------------------------------------------------------------------


class Service:
    """An ASGI app that answers one body after the other and keeps what it was asked."""

    def __init__(self, *bodies):
        self.bodies = list(bodies)
        self.asked = []

    async def __call__(self, scope, receive, send):
        message = await receive()
        path = scope.get("raw_path", scope["path"].encode()).decode().partition("?")[0]
        self.asked.append((scope["method"], path, message.get("body", b"")))
        answer = self.bodies.pop(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})


async def sent():
    """The moment of sending."""


def fetched(service, *numbers, **options):
    """Return what each of *numbers* came to, asked one after the other of the same register."""

    async def main():
        outcomes: list[Any] = []
        settings = {"requester": None, "timeout_seconds": 5, **options}
        async with Vies("http://vies.test/rest-api/", app=service, **settings) as register:
            for number in numbers:
                try:
                    (outcome,) = (await register.fetch(Call("vies", Kind.VAT, (number,)), sent)).answers
                except RegisterError as error:
                    outcomes.append(error)
                else:
                    outcomes.append(outcome)
        return outcomes

    return anyio.run(main)


def test_post_asks_for_the_number_without_its_prefix():
    """As documented; no trader data, and no requester where there is none."""
    service = Service(body(POST))
    assert fetched(service, NUMBER) == [Found(NUMBER, body(POST))]
    ((method, path, asked),) = service.asked
    assert (method, path) == ("POST", "/rest-api/check-vat-number")
    assert json.loads(asked) == {"countryCode": "PT", "vatNumber": "999999990"}


def test_a_requester_asks_for_proof():
    """Split as the number is."""
    service = Service(body(POST, requestIdentifier="WAPIAAAAaEDkvhHx"))
    (answer,) = fetched(service, NUMBER, requester="EL123456783")
    assert json.loads(service.asked[0][2])["requesterMemberStateCode"] == "EL"
    assert json.loads(service.asked[0][2])["requesterNumber"] == "123456783"
    assert vies_vat.rows([answer.body])["vat_consultation_number"].to_list() == ["WAPIAAAAaEDkvhHx"]


def test_get_names_the_country_in_what_is_kept():
    """Its body does not, and must be readable alone; the rest stays as received."""
    received = body(GET, countryCode=None)
    service = Service(received)
    (answer,) = fetched(service, NUMBER, dialect="get")
    assert service.asked == [("GET", "/rest-api/ms/PT/vat/999999990", b"")]
    assert answer == Found(NUMBER, b'{"countryCode":"PT",' + received[1:])
    assert vies_vat.rows([answer.body])["vat_number"].to_list() == [NUMBER]


def test_get_escapes_irish_signs():
    """A plus in an Irish number is no blank."""
    service = Service(failed("MS_UNAVAILABLE", countryCode=None))
    fetched(service, "IE1+23456W", dialect="get")
    assert service.asked[0][1] == "/rest-api/ms/IE/vat/1%2B23456W"


def test_get_has_no_place_for_a_requester():
    """Better told than silently without proof."""
    with pytest.raises(ConfigError, match="requester"):
        Vies("http://vies.test", requester="EL123456783", dialect="get", timeout_seconds=5)


INVALID = NotFound(NUMBER, "vat_not_valid", body(POST, valid=False))
DOUBTED = Failed(NUMBER, "invalid_doubted")


@pytest.mark.parametrize("trouble", [envelope("MS_UNAVAILABLE"), envelope("SERVICE_UNAVAILABLE"), PAGE, b"{"])
def test_not_valid_from_a_state_that_failed_is_believed_the_second_time(trouble):
    """The first one is no answer, so that nobody keeps it; then the second one counts, and all that follow."""
    service = Service(trouble, INVALID.body, INVALID.body, INVALID.body)
    assert fetched(service, *[NUMBER] * 4)[1:] == [DOUBTED, INVALID, INVALID]


def test_each_number_of_such_a_state_is_doubted_once():
    """One that was confirmed does not vouch for the next."""
    other = "PT123456789"
    service = Service(
        envelope("MS_UNAVAILABLE"), INVALID.body, INVALID.body, body(POST, valid=False, vatNumber=other[2:])
    )
    outcomes = fetched(service, NUMBER, NUMBER, NUMBER, other)
    assert outcomes[1:] == [DOUBTED, INVALID, Failed(other, "invalid_doubted")]


def test_not_valid_before_the_first_failure_was_the_first_word():
    """Asked again after it, the second one is believed: there is no third."""
    service = Service(INVALID.body, envelope("MS_UNAVAILABLE"), INVALID.body)
    outcomes = fetched(service, *[NUMBER] * 3)
    assert (outcomes[0], outcomes[2]) == (INVALID, INVALID)


def test_valid_is_believed_and_other_states_are():
    """Nothing is doubted but "not valid" of the state that failed."""
    spanish = body(POST, countryCode="ES", vatNumber="X1234567X", valid=False)
    service = Service(INVALID.body, envelope("MS_UNAVAILABLE"), body(POST), spanish)
    outcomes = fetched(service, NUMBER, NUMBER, NUMBER, "ESX1234567X")
    assert outcomes[0] == INVALID
    assert outcomes[2:] == [Found(NUMBER, body(POST)), NotFound("ESX1234567X", "vat_not_valid", spanish)]


def test_a_callers_deadline_counts_as_a_failure_of_the_state():
    """A call cut off while it waits was waiting for the state."""

    class Slow(Service):
        async def __call__(self, scope, receive, send):
            if not self.asked:
                self.asked.append(None)
                await anyio.sleep(60)
            await super().__call__(scope, receive, send)

    async def main():
        call = Call("vies", Kind.VAT, (NUMBER,))
        async with Vies("http://vies.test", requester=None, timeout_seconds=5, app=Slow(INVALID.body)) as register:
            with anyio.move_on_after(0.01) as scope:
                await register.fetch(call, sent)
            assert scope.cancelled_caught
            return (await register.fetch(call, sent)).answers

    assert anyio.run(main) == (DOUBTED,)


def asked_for_status(received):
    """What check-status comes to."""

    async def main():
        async with Vies("http://vies.test", requester=None, timeout_seconds=5, app=Service(received)) as register:
            return await register.status(sent)

    return anyio.run(main)


def test_status_tells_which_states_are_there():
    """As VIES writes it."""
    received = b'{"vow":{"available":true},"countries":[{"countryCode":"SK","availability":"Unavailable"}]}'
    assert asked_for_status(received) == Availability(available=True, states={"SK": "Unavailable"})


@pytest.mark.parametrize(
    ("received", "reason"),
    [(PAGE, "vies_unavailable"), (b"{}", "unreadable_answer"), (envelope("IP_BLOCKED"), "vies_blocked")],
)
def test_no_status_is_told_as_any_other_failure(received, reason):
    """For config check."""
    with pytest.raises(RegisterError) as raised:
        asked_for_status(received)
    assert raised.value.reason == reason
