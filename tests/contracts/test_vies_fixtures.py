"""
VIES's recorded answers, every file: each is read as what it says, and the practice VIES writes its like.

They are third-party data: read from beside the repository, and these tests are skipped where they
are not there. SOAP and the web site's batch are not spoken.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from kvk_enrich.errors import RegisterError, Transient
from kvk_enrich.model import Call, Found, Kind, NotFound
from kvk_enrich.practice import vat_numbers
from kvk_enrich.practice.settings import Practice
from kvk_enrich.practice.settings import Vies as PracticeVies
from kvk_enrich.practice.vies import create
from kvk_enrich.practice.vies_answers import TRADER
from kvk_enrich.practice.vies_faults import parse
from kvk_enrich.registers.vies import Vies
from kvk_enrich.registers.vies_vat import rows

FIXTURES = Path(__file__).parents[2].parent / "shared" / "vies" / "fixtures"
FILES = sorted(path.name for path in FIXTURES.glob("*.json")) if FIXTURES.is_dir() else []
NOT_SPOKEN = ("soap-", "batch-")
NO_BODIES = {"rest-contract-summary.json", "test-service-magic-numbers.json"}
SPOKEN = [name for name in FILES if not name.startswith(NOT_SPOKEN) and name not in NO_BODIES]
ANSWERS = [name for name in SPOKEN if "valid" in name and "error" not in name]
ERRORS = [name for name in SPOKEN if name not in ANSWERS and name != "check-status.json"]

pytestmark = pytest.mark.skipif(not FILES, reason="VIES's recorded answers are not beside the repository")

STATES = {"get-ip-blocked.json": "FR", "get-ms-max-concurrent-req-abridged.json": "FR"}
MEANINGS = {
    "get-ip-blocked.json": "Blocked vies_blocked",
    "get-ms-max-concurrent-req-abridged.json": "Transient vies_busy FR",
    "post-error-200-ms-max-concurrent-req.json": "Transient vies_busy NL",
    "post-error-200-ms-unavailable.json": "Transient vies_unavailable NL",
    "post-error-400-vow-err-11.json": "Unusable request_refused",
    "post-error-500-vow-err-1.json": "Transient vies_unavailable",
    "post-error-invalid-input.json": "Unusable request_refused",
    "post-error-vow-err-2500.json": "Unusable requester_refused",
    "post-error-vow-err-2600.json": "Unusable request_refused",
    "post-error-vow-err-2700.json": "Unusable requester_refused",
}


def loaded(name: str) -> Any:
    """Return what stands in a recorded file."""
    return json.loads((FIXTURES / name).read_bytes())


def number_in(name: str) -> str:
    """Return the number that a recorded answer is about, with its prefix."""
    body = loaded(name)
    if "vatNumber" not in body:
        return "NL000099998B57"
    of_file = {"PL", "PT", "DE"}.intersection(name.removesuffix(".json").upper().split("-"))  # GET names no country
    state = body.get("countryCode") or STATES.get(name) or of_file.pop()
    return f"{state}{body['vatNumber']}"


def status_of(name: str) -> int:
    """Return the HTTP status of a recorded body, as its name or the facts say."""
    in_name = re.search(r"-([245]00)-", name)
    if name.startswith("test-service") or in_name is None:
        return 400 if "vow-err" in name else 200
    return int(in_name[1])


async def asked(register: Vies, number: str) -> Any:
    """Return the outcome of asking for *number*."""

    async def at_send() -> None:
        pass

    async with register:
        (outcome,) = (await register.fetch(Call("vies", Kind.VAT, (number,)), at_send)).answers
    return outcome


def read(name: str) -> Any:
    """Return what our register makes of a recorded body, received over HTTP."""

    async def recorded(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status_of(name), "headers": []})
        await send({"type": "http.response.body", "body": (FIXTURES / name).read_bytes()})

    dialect: Any = "get" if name.startswith("get") else "post"
    register = Vies("http://vies.test", requester=None, dialect=dialect, timeout_seconds=5, app=recorded)
    return anyio.run(asked, register, number_in(name))


def folded(text: str) -> str | None:
    """Return a name or address on one line; null where nothing is disclosed."""
    line = ", ".join(" ".join(part.split()) for part in text.strip().split("\n"))
    return None if line in {"", "---"} else line


def test_there_are_answers_of_all_sorts():
    """Both dialects, valid and not, and every file is looked at by one of the tests."""
    assert len(ANSWERS) >= 12
    assert set(ERRORS) == set(MEANINGS)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_recorded_answer_is_read_as_what_it_says(name):
    """The verdict about its own number, and each column as it stands in the JSON."""
    body, outcome = loaded(name), read(name)
    is_valid = body["isValid"] if "isValid" in body else body["valid"]
    assert isinstance(outcome, Found if is_valid else NotFound)
    assert outcome.number == number_in(name)
    checked_at = body.get("requestDate")
    assert rows([outcome.body]).row(0, named=True) == {
        "vat_number": number_in(name),
        "vat_valid": is_valid,
        "vat_status": "valid" if is_valid else "invalid",
        "vat_name": folded(body["name"]),
        "vat_address": folded(body["address"]),
        "vat_checked_at": datetime.fromisoformat(checked_at) if checked_at else None,
        "vat_consultation_number": body.get("requestIdentifier") or None,
    }


@pytest.mark.parametrize("name", ERRORS)
def test_every_recorded_error_is_no_answer(name):
    """And is named after what happens next."""
    with pytest.raises(RegisterError) as raised:
        read(name)
    part = raised.value.part if isinstance(raised.value, Transient) else None
    assert " ".join(filter(None, [type(raised.value).__name__, raised.value.reason, part])) == MEANINGS[name]


# -- the practice service writes the like -------------------------------------------------------


def practised(method: str, path: str, fields: dict[str, str] | None = None, fault: str | None = None) -> Any:
    """Return the practice VIES's response."""

    async def main():
        vies = PracticeVies(faults=(parse(fault),) if fault else ())
        transport = httpx2.ASGITransport(app=create(Practice(latency_seconds=0, vies=vies)))
        async with httpx2.AsyncClient(transport=transport, base_url="http://practice.test") as client:
            return await client.request(method, f"/vies/{path}", json=fields)

    return anyio.run(main)


def like(name: str) -> Any:
    """Return the practice response to the question that *name* answers, about a number of the same state and fate."""
    body = loaded(name)
    if name.startswith("test-service"):
        return practised("POST", "check-vat-test-service", {key: body[key] for key in ("countryCode", "vatNumber")})
    state = number_in(name)[:2]
    is_valid = body.get("isValid", body.get("valid"))
    (number,) = vat_numbers.numbers(state, 1, valid=bool(is_valid))
    if name.startswith("get"):
        if "bad-checkdigit" in name:
            number = f"{number[:-1]}{(int(number[-1]) + 1) % 10}"
        code = None if body["userError"] in {"VALID", "INVALID"} else f"code={body['userError']}"
        return practised("GET", f"ms/{state}/vat/{number[2:]}", fault=code)
    fields = {"countryCode": state, "vatNumber": number[2:]}
    if body.get("requestIdentifier"):
        (requester,) = vat_numbers.numbers("NL", 1)
        fields |= {"requesterMemberStateCode": "NL", "requesterNumber": requester[2:]}
    if name.endswith("trader-match.json"):
        fields |= {f"trader{field}": text for field, text in TRADER.items()}
    if name.endswith(("trader-mismatch.json", "trader-not-processed.json")):
        fields |= {"traderName": "Example Trading, S.L.", "traderCity": "Elders"}
    return practised("POST", "check-vat-number", fields)


@pytest.mark.parametrize("name", [*ANSWERS, *(name for name in ERRORS if name.startswith("get"))])
def test_the_practice_service_writes_the_same_keys(name):
    """The same keys with the same types in the same order, and the same verdict; of abridged files, those they have."""
    theirs, response = loaded(name), like(name)
    ours = response.json()
    assert response.status_code == 200
    lacks_keys = "abridged" in name or name == "get-ip-blocked.json"  # the latter is older than originalVatNumber
    assert [key for key in ours if key in theirs or not lacks_keys] == list(theirs)
    for key, value in theirs.items():
        assert type(ours[key]) is type(value), key
        if key.endswith("Match") or key in {"valid", "isValid", "userError", "viesApproximate"}:
            assert ours[key] == value, key
        if key in {"name", "address"}:
            assert (value in {"---", ""}) is (ours[key] in {"---", ""}), key
        if key == "requestIdentifier":
            assert len(ours[key]) == len(value)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ours["requestDate"])


BREAKING = {
    "post-error-200-ms-max-concurrent-req.json": ({}, "code=MS_MAX_CONCURRENT_REQ"),
    "post-error-200-ms-unavailable.json": ({}, "state=NL outage=0..60"),
    "post-error-400-vow-err-11.json": ({"vatNumber": ""}, None),
    "post-error-500-vow-err-1.json": ({"vatNumber": "-12345678"}, None),
    "post-error-invalid-input.json": ({"countryCode": "GR"}, None),
    "post-error-vow-err-2500.json": ({"requesterMemberStateCode": "XX", "requesterNumber": "12"}, None),
    "post-error-vow-err-2600.json": ({"vatNumber": "1"}, None),
    "post-error-vow-err-2700.json": ({"requesterMemberStateCode": "NL", "requesterNumber": "1"}, None),
}


@pytest.mark.parametrize("name", [name for name in ERRORS if name.startswith("post")])
def test_the_practice_service_errs_letter_by_letter(name):
    """Code, text and status, by a request that deserves it."""
    changes, fault = BREAKING[name]
    response = practised(
        "POST", "check-vat-number", {"countryCode": "NL", "vatNumber": "000099998B57", **changes}, fault
    )
    assert (response.status_code, response.json()) == (status_of(name), loaded(name))


def test_the_test_service_knows_all_magic_numbers():
    """As the list says, and nothing else."""
    for number, verdict in loaded("test-service-magic-numbers.json").items():
        answer = practised("POST", "check-vat-test-service", {"countryCode": "DE", "vatNumber": number}).json()
        if verdict in {"VALID", "INVALID"}:
            assert answer["valid"] is (verdict == "VALID")
        else:
            assert [one["error"] for one in answer["errorWrappers"]] == [verdict]
    recorded = loaded("test-service-100-valid.json")
    assert like("test-service-100-valid.json").json() | {"requestDate": recorded["requestDate"]} == recorded


def test_check_status_has_the_recorded_shape():
    """All three words for availability, one of them in an outage only."""
    theirs = loaded("check-status.json")
    ours = practised("GET", "check-status", fault="state=SK outage=0..60").json()
    assert ours["vow"] == theirs["vow"]
    assert all(country in ours["countries"] for country in theirs["countries"])


def test_no_key_is_outside_the_contract():
    """Neither of what we send nor of what the practice service answers."""
    contract = loaded("rest-contract-summary.json")
    sent: list[Any] = []

    async def service(scope: Any, receive: Any, send: Any) -> None:
        sent.append(json.loads((await receive())["body"]))
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with pytest.raises(Transient):
        anyio.run(asked, Vies("http://x", requester="EL123456783", timeout_seconds=5, app=service), "NL000099998B57")
    assert sent[0].keys() <= set(contract["CheckVatRequest"])
    assert like("post-valid-cz.json").json().keys() <= set(contract["CheckVatResponse"])
