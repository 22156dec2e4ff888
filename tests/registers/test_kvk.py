"""KVK's answers: status, code and body decide together what an answer means."""

import json
from datetime import timedelta

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.errors import AccessRefused, RegisterError, Transient, Unusable
from kvk_enrich.model import Answer, Call, Found, Kind, NotFound
from kvk_enrich.reasons import REASONS
from kvk_enrich.registers import _http, kvk_answers, kvk_basisprofiel

NUMBER = "69599084"
PROFILE = b'{"kvkNummer":"69599084","naam":"Voorbeeld B.V."}'
HTML = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
LATIN = "Het product is niet te leveren \xe9".encode("latin-1")


def read(number: str, response: httpx2.Response, body: bytes) -> Answer:
    """Return what *response* says to a question for the Basisprofiel of *number*."""
    return kvk_answers.read(Call("basisprofiel", Kind.KVK, (number,)), response, body)


def fault(*codes: str) -> bytes:
    """Return an error body as the register writes it."""
    return json.dumps({"fout": [{"code": code, "omschrijving": "Tekst."} for code in codes]}).encode()


def said(status: int, body: bytes, **headers: str) -> str:
    """Return in one word or two what the answer came to."""
    try:
        answer = read(NUMBER, httpx2.Response(status, headers=headers), body)
    except RegisterError as error:
        return f"{type(error).__name__} {REASONS[error.reason].code}"
    return "found" if isinstance(answer, Found) else f"not found: {answer.reason}"


TABLE = [
    # an answer about the number
    (200, PROFILE, "found"),
    (200, b" \n" + PROFILE + b"\n", "found"),
    (200, PROFILE.replace(b"}", b',"nieuwVeld":{"a":[1]}}'), "found"),
    (404, fault("IPD0005"), "not found: not_registered"),
    (404, fault("IPD0007"), "not found: not_registered"),
    (404, fault("IPD0005", "IPD0005"), "not found: not_registered"),
    (400, fault("IPD0004"), "not found: not_valid_in_register"),
    # later, whatever the status
    (404, fault("IPD1002"), "Unusable in_process"),
    (404, fault("IPD1003"), "Unusable in_process"),
    (404, fault("IPD0005", "IPD1002"), "Unusable in_process"),
    (404, fault("IPD1003", "IPD0005"), "Unusable in_process"),
    (500, fault("IPD1002"), "Unusable in_process"),
    (503, fault("IPD1003"), "Unusable in_process"),
    # "not found" without the documented status, code and body
    (404, HTML, "Unusable unexpected_answer"),
    (404, b"", "Unusable unexpected_answer"),
    (404, b"IPD0005", "Unusable unexpected_answer"),
    (404, b'"IPD0005"', "Unusable unexpected_answer"),
    (404, b"null", "Unusable unexpected_answer"),
    (404, b"{}", "Unusable unexpected_answer"),
    (404, b'{"fout":[]}', "Unusable unexpected_answer"),
    (404, b'{"fout":null}', "Unusable unexpected_answer"),
    (404, b'{"fout":"IPD0005"}', "Unusable unexpected_answer"),
    (404, b'{"fout":{"code":"IPD0005"}}', "Unusable unexpected_answer"),
    (404, b'{"fout":[{"code":null}]}', "Unusable unexpected_answer"),
    (404, b'{"fout":[{"code":["IPD0005"]}]}', "Unusable unexpected_answer"),
    (404, b'{"fout":[{"omschrijving":"IPD0005"}]}', "Unusable unexpected_answer"),
    (404, fault("IPD0005")[:-3], "Unusable unexpected_answer"),
    (404, fault("IPD0005") + b"<!-- cached -->", "Unusable unexpected_answer"),
    (404, fault("IPD0005").replace(b"Tekst.", LATIN), "Unusable unexpected_answer"),
    (404, fault("ipd0005"), "Unusable unexpected_answer"),
    (404, fault("IPD0005 "), "Unusable unexpected_answer"),
    (404, fault("IPD0001"), "Unusable request_refused"),
    (404, fault("IPD0005", "IPD0001"), "Unusable request_refused"),
    (404, fault("IPD5200"), "Unusable request_refused"),
    (404, fault("IPD9999"), "Unusable request_refused"),
    (404, PROFILE, "Unusable unexpected_answer"),
    (200, fault("IPD0005"), "Unusable unreadable_answer"),
    (400, fault("IPD0005"), "Unusable request_refused"),
    (410, fault("IPD0005"), "Unusable request_refused"),
    (500, fault("IPD0005"), "Transient server_error"),
    (502, fault("IPD0005"), "Transient server_error"),
    (429, fault("IPD0005"), "Transient rate_limited"),
    (401, fault("IPD0005"), "AccessRefused access_refused"),
    (404, fault("IPD0004"), "Unusable request_refused"),
    (500, fault("IPD0004"), "Transient server_error"),
    (400, fault("IPD0004", "IPD1998"), "Unusable request_refused"),
    # the request
    (400, fault("IPD1998"), "Unusable request_refused"),
    (400, fault("IPD1999"), "Unusable request_refused"),
    (400, HTML, "Unusable unexpected_answer"),
    (406, b"", "Unusable unexpected_answer"),
    (422, b"{}", "Unusable unexpected_answer"),
    (451, HTML, "Unusable unexpected_answer"),
    # the key
    (401, b"", "AccessRefused access_refused"),
    (401, HTML, "AccessRefused access_refused"),
    (403, b'{"message":"no"}', "AccessRefused access_refused"),
    # too fast, or not well
    (429, b"", "Transient rate_limited"),
    (429, HTML, "Transient rate_limited"),
    (500, fault("IPD9999"), "Transient server_error"),
    (500, b"", "Transient server_error"),
    (502, HTML, "Transient server_error"),
    (503, b'{"status":503,"message":"x","requestId":"1"}', "Transient server_error"),
    (504, b"", "Transient server_error"),
    (501, b"", "Unusable unexpected_answer"),
    (999, b"", "Unusable unexpected_answer"),
    # neither
    (204, b"", "Unusable unexpected_answer"),
    (206, PROFILE, "Unusable unexpected_answer"),
    (201, PROFILE, "Unusable unexpected_answer"),
    (301, b"", "Unusable unexpected_answer"),
    (302, PROFILE, "Unusable unexpected_answer"),
    (304, b"", "Unusable unexpected_answer"),
    # 200, but
    (200, b"", "Unusable unexpected_answer"),
    (200, HTML, "Unusable unexpected_answer"),
    (200, b"[" + PROFILE + b"]", "Unusable unexpected_answer"),
    (200, b"null", "Unusable unexpected_answer"),
    (200, b"\xef\xbb\xbf" + PROFILE, "Unusable unexpected_answer"),
    (200, b"{}", "Unusable unreadable_answer"),
    (200, b'{"kvkNummer":69599084,"naam":"x"}', "Unusable unreadable_answer"),
    (200, b'{"kvkNummer":null,"naam":"x"}', "Unusable unreadable_answer"),
    (200, b'{"kvkNummer":"69599084"}', "Unusable unreadable_answer"),
    (200, PROFILE.replace(b"}", b',"totaalWerkzamePersonen":%s}' % (b"9" * 5_000)), "Unusable unreadable_answer"),
    (200, PROFILE.replace(b"}", b',"handelsnamen":{}}'), "Unusable unreadable_answer"),
    (200, PROFILE[:-1], "Transient unreadable_answer"),
    (200, PROFILE + b"x", "Transient unreadable_answer"),
    (200, PROFILE.replace(b"}", b',"x":NaN}'), "Transient unreadable_answer"),
    (200, PROFILE.replace(b"}", b',"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}"), "Transient unreadable_answer"),
    (200, PROFILE.replace(b"}", b',"x":"\xff"}'), "Transient unreadable_answer"),
    (200, PROFILE.replace(b"Voorbeeld", b"\\ud800"), "Transient unreadable_answer"),
    (200, PROFILE.replace(b"69599084", b"69599085"), "Unusable wrong_company"),
    (200, PROFILE.replace(b"}", b',"kvkNummer":"69599085"}'), "Unusable wrong_company"),
]


@pytest.mark.parametrize(("status", "body", "expected"), TABLE)
def test_status_code_and_body_decide_together(status, body, expected):
    """Not found needs the documented status, code and a whole body; everything else is "could not ask"."""
    assert said(status, body) == expected


def test_an_answer_keeps_the_body_as_it_came():
    """The raw answer is the proof, and what new columns are made from."""
    assert read(NUMBER, httpx2.Response(200), b" " + PROFILE) == Found(NUMBER, b" " + PROFILE)
    proof = fault("IPD0005")
    assert read(NUMBER, httpx2.Response(404), proof) == NotFound(NUMBER, "not_registered", proof)


@given(st.integers(100, 599), st.binary(max_size=300))
def test_no_bytes_and_no_status_are_more_than_one_failed_item(status, body):
    """A poison answer is a RegisterError or an answer, never another exception, and never "not found"."""
    assert said(status, body) not in {"found", "not found: not_registered", "not found: not_valid_in_register"}


@given(st.lists(st.tuples(st.integers(0, len(PROFILE) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_profiles_are_refused_or_readable_for_good(damage):
    """What is accepted can be turned into columns; what cannot is refused on receipt."""
    body = bytearray(PROFILE)
    for place, byte in damage:
        body[place] = byte
    try:
        answer: Answer = read(NUMBER, httpx2.Response(200), bytes(body))
    except RegisterError:
        return
    assert kvk_basisprofiel.rows([answer.body])["kvk_number"].to_list() == [NUMBER]


@pytest.mark.parametrize("status", [200, 401, 404, 429, 500, 418])
def test_what_the_register_wrote_is_not_repeated_at_length(status):
    """A body that echoes the key, or is a book, stays out of messages that end up in reports and logs."""
    canary = "l7xx-canary" * 100
    for body in (fault(canary), fault("IPD0009", canary), json.dumps({"kvkNummer": canary, "naam": "x"}).encode()):
        with pytest.raises(RegisterError) as raised:
            read(NUMBER, httpx2.Response(status, headers={"apikey": canary}), body)
        assert "l7xx-canaryl7" not in f"{raised.value!r} {raised.value} {raised.value.detail}"
        assert len(raised.value.detail) < 300


DATE = "Sat, 21 Nov 2026 10:00:00 GMT"
WISHES = [
    ("30", None, 30),
    (" 30 ", None, 30),
    ("0", None, 0),
    ("1000000000", None, 1e9),
    ("9" * 400, None, float("inf")),
    ("-5", None, None),
    ("1.5", None, None),
    ("\u0663\u0660", None, None),
    ("soon", None, None),
    ("", None, None),
    ("Sat, 21 Nov 2026 10:00:30 GMT", DATE, 30),
    ("Sat, 21 Nov 2026 09:59:00 GMT", DATE, -60),
    ("Sat, 21 Nov 2026 10:00:30 GMT", None, None),
    ("Sat, 21 Nov 2026 10:00:30 GMT", "yesterday", None),
    ("Sat, 21 Nov 2026 10:00:30 -0000", DATE, None),
    ("Sat, 21 Nov 2026 10:00:30 +99999999999999", DATE, None),
    ("Sat, 21 Nov 99999 10:00:30 GMT", DATE, None),
]


@pytest.mark.parametrize(("wish", "date", "seconds"), WISHES)
def test_the_register_says_how_long_to_wait(wish, date, seconds):
    """Seconds, or a date by the register's own clock; nonsense is no wish."""
    headers = [(b"Retry-After", wish.encode()), *([(b"Date", date.encode())] if date else [])]
    assert _http.retry_after(httpx2.Response(429, headers=headers)) == seconds
    for status in (429, 503):
        with pytest.raises(Transient) as raised:
            read(NUMBER, httpx2.Response(status, headers=headers), b"")
        assert raised.value.retry_after == seconds


@pytest.mark.parametrize(
    "date", [None, "", "soon", "Sat, 21 Nov 2026 10:00:00 -0000", "Sat, 21 Nov 2026 10:00:00 +9999999999999"]
)
def test_a_clock_that_cannot_be_read_does_not_differ(date):
    """A missing or broken Date header is no reason to fail the check."""
    headers = {"Date": date} if date is not None else {}
    assert _http.ahead(httpx2.Response(200, headers=headers)) == timedelta()


def test_retrying_is_for_what_may_be_different_in_a_moment():
    """A wrong shape is not asked for again: it would be paid and be the same."""
    for status, body, expected in TABLE:
        if expected.startswith("Transient"):
            assert status in {200, 429, 500, 502, 503, 504}, (status, body)
    assert not issubclass(Unusable, Transient)
    assert not issubclass(AccessRefused, Transient)
