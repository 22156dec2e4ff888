"""The practice VIES: its answers, its limits, and what goes wrong on purpose."""

import re
from itertools import pairwise

import anyio
import httpx2
import pytest

from kvk_enrich.practice import vat_numbers
from kvk_enrich.practice.faults import Fault
from kvk_enrich.practice.settings import Practice, Vies
from kvk_enrich.practice.vies import create
from kvk_enrich.practice.vies_faults import ViesFault, parse

(LEGAL_PERSON, REQUESTER) = vat_numbers.numbers("NL", 2)
(UNKNOWN,) = vat_numbers.numbers("NL", 1, valid=False)
(SOLE_TRADER,) = vat_numbers.sole_trader_numbers(1)


@pytest.fixture
def vies(clock):
    """A function that makes a practice VIES and returns what asks it."""

    def make(*faults, log=None, **settings):
        own = Vies(faults=tuple(map(parse, faults)), **settings)
        return Asked(create(Practice(latency_seconds=0, clock=clock, log=log, vies=own)))

    return make


class Asked:
    """One practice VIES, asked in this process."""

    def __init__(self, app):
        self.app = app

    def post(self, number, path="check-vat-number", **fields):
        """The response to POST."""
        return self.together([lambda client: client.post(f"/vies/{path}", json=fields_of(number) | fields)])[0]

    def get(self, path):
        """The response to GET."""
        return self.together([lambda client: client.get(f"/vies/{path}")])[0]

    def site(self, number):
        """The response to the web site's own GET."""
        return self.get(f"ms/{number[:2]}/vat/{number[2:]}")

    def posts(self, numbers):
        """The responses to as many requests at once."""
        asks = [
            lambda client, number=number: client.post("/vies/check-vat-number", json=fields_of(number))
            for number in numbers
        ]
        return self.together(asks)

    def together(self, asks):
        async def main():
            responses = [None] * len(asks)
            transport = httpx2.ASGITransport(app=self.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://practice.test") as client:

                async def one(place, ask):
                    responses[place] = await ask(client)

                async with anyio.create_task_group() as group:
                    for place, ask in enumerate(asks):
                        group.start_soon(one, place, ask)
            return responses

        return anyio.run(main)


def fields_of(number):
    """The request for *number*."""
    return {"countryCode": number[:2], "vatNumber": number[2:]}


def code_of(response):
    """The error of an envelope or of GET's answer."""
    answer = response.json()
    return answer["errorWrappers"][0]["error"] if "errorWrappers" in answer else answer["userError"]


# -- answers ------------------------------------------------------------------------------------


def test_a_legal_person_is_valid_under_its_own_name(vies):
    """The company of the KVK register whose RSIN is in the number; its address as the Netherlands writes it."""
    answer = vies().post(LEGAL_PERSON).json()
    assert (answer["countryCode"], answer["vatNumber"], answer["valid"]) == ("NL", LEGAL_PERSON[2:], True)
    assert answer["requestDate"] == "2026-11-21T12:00:00.000Z"
    assert answer["name"].isupper()
    assert re.fullmatch(r"\n[^\n]+ \d{5}[A-Z]?\n\d{4}[A-Z]{2} [^\n]+\n|---", answer["address"])


@pytest.mark.parametrize("number", [UNKNOWN, "NL123456789B01", "DE111111111"])
def test_others_are_not_valid(vies, number):
    """Nobody's, or with wrong check digits."""
    answer = vies().post(number).json()
    assert (answer["valid"], answer["name"], answer["address"]) == (False, "---", "---")


def test_both_dialects_say_the_same(vies):
    """In their own words; what nobody has is empty in GET where the number could be somebody's."""
    service = vies()
    for number in (LEGAL_PERSON, SOLE_TRADER, *vat_numbers.numbers("PL", 3)):
        posted, seen = service.post(number).json(), service.site(number).json()
        assert (seen["isValid"], seen["userError"]) == (True, "VALID")
        assert {key: seen[key] for key in ("name", "address")} == {key: posted[key] for key in ("name", "address")}
    for number, nothing in ((UNKNOWN, ""), ("NL123456789B01", "---")):
        seen = service.site(number).json()
        assert (seen["isValid"], seen["userError"], seen["name"]) == (False, "INVALID", nothing)


def test_the_site_corrects_a_prefix_given_twice(vies):
    """And tells what was asked."""
    (number,) = vat_numbers.numbers("ES", 1)
    seen = vies().get(f"ms/ES/vat/{number}").json()
    assert (seen["isValid"], seen["originalVatNumber"], seen["vatNumber"]) == (True, number, number[2:])


@pytest.mark.parametrize("state", ["DE", "ES"])
def test_some_states_disclose_nothing(vies, state):
    """Only that a number is valid."""
    (number,) = vat_numbers.numbers(state, 1)
    answer = vies().post(number).json()
    assert (answer["valid"], answer["name"], answer["address"]) == (True, "---", "---")


def test_the_keys_differ_by_state(vies):
    """Germany has the trader's name only, Spain what was sent, others all."""
    trader = {"traderName": "Comercial Inventada, S.L.", "traderCity": "Elders"}
    keys = {}
    for state in ("CZ", "DE", "ES"):
        answer = vies().post(vat_numbers.numbers(state, 1)[0], **trader).json()
        keys[state] = {key: value for key, value in answer.items() if key.startswith("trader")}
    assert len(keys["CZ"]) == 10
    assert keys["CZ"]["traderNameMatch"] == "NOT_PROCESSED"
    assert keys["DE"] == {"traderName": "---", "traderNameMatch": "NOT_PROCESSED"}
    assert keys["ES"] == {
        **trader,
        "traderNameMatch": "VALID",
        "traderStreetMatch": "NOT_PROCESSED",
        "traderPostalCodeMatch": "NOT_PROCESSED",
        "traderCityMatch": "INVALID",
        "traderCompanyTypeMatch": "NOT_PROCESSED",
    }


@pytest.mark.parametrize(("proof_of_invalid", "has_proof"), [(False, False), (True, True)])
def test_a_requester_gets_a_consultation_number(vies, proof_of_invalid, has_proof):
    """A new one each time; whether an invalid number comes with one is not known, so it can be chosen."""
    requester = {"requesterMemberStateCode": REQUESTER[:2], "requesterNumber": REQUESTER[2:]}
    service = vies(proof_of_invalid=proof_of_invalid)
    proofs = [service.post(number, **requester).json()["requestIdentifier"] for number in (LEGAL_PERSON, SOLE_TRADER)]
    assert all(re.fullmatch(r"WAPI[A-Za-z0-9_-]{12}", proof) for proof in proofs)
    assert len(set(proofs)) == 2
    assert bool(service.post(UNKNOWN, **requester).json()["requestIdentifier"]) is has_proof
    assert service.post(LEGAL_PERSON).json()["requestIdentifier"] == ""


def test_sole_traders_may_be_kept_secret(vies):
    """Whether the Netherlands discloses them is not known."""
    assert vies().post(SOLE_TRADER).json()["name"] != "---"
    answer = vies(sole_traders=False).post(SOLE_TRADER).json()
    assert (answer["valid"], answer["name"]) == (True, "---")


# -- refusals -----------------------------------------------------------------------------------

BREACHES = [
    ({"vatNumber": ""}, 400, "VOW-ERR-11"),
    ({"countryCode": ""}, 400, "VOW-ERR-11"),
    ({"vatNumber": None}, 400, "VOW-ERR-11"),
    ({"vatNumber": "0011.22"}, 400, "VOW-ERR-2600"),
    ({"vatNumber": "1234567890123"}, 400, "VOW-ERR-2600"),
    ({"vatNumber": "-12345678"}, 500, "VOW-ERR-1"),
    ({"requesterMemberStateCode": "XX", "requesterNumber": "1"}, 400, "VOW-ERR-2500"),
    ({"requesterNumber": "123456789"}, 400, "VOW-ERR-2500"),
    ({"requesterMemberStateCode": "NL", "requesterNumber": "1.2"}, 400, "VOW-ERR-2700"),
    ({"requesterMemberStateCode": "NL", "requesterNumber": "123456789B01"}, 200, "INVALID_REQUESTER_INFO"),
    ({"countryCode": "GR"}, 200, "INVALID_INPUT"),
    ({"countryCode": "GB"}, 200, "INVALID_INPUT"),
]


@pytest.mark.parametrize(("fields", "status", "code"), BREACHES)
def test_what_breaks_the_contract_is_refused(vies, fields, status, code):
    """With the code and status of VIES."""
    response = vies().post(LEGAL_PERSON, **fields)
    assert (response.status_code, code_of(response)) == (status, code)
    assert response.json()["actionSucceed"] is False


def test_the_status_of_a_refusal_can_be_chosen(vies):
    """Clients have seen 200 and expect 400."""
    assert vies(refusal_status=400).post(LEGAL_PERSON, countryCode="GR").status_code == 400


def test_a_body_that_is_no_json_lacks_everything(vies):
    """No crash."""
    response = vies().together([lambda client: client.post("/vies/check-vat-number", content=b"{")])[0]
    assert (response.status_code, code_of(response)) == (400, "VOW-ERR-11")


def test_get_refuses_in_its_own_words(vies):
    """Not as GET's "not valid", but for a hyphen as POST does."""
    service = vies()
    assert code_of(service.get("ms/GR/vat/123456789")) == "INVALID_INPUT"
    assert code_of(service.get("ms/NL/vat/1.2.3")) == "INVALID_INPUT"
    response = service.get("ms/CZ/vat/-12345678")
    assert (response.status_code, code_of(response)) == (500, "VOW-ERR-1")


# -- limits -------------------------------------------------------------------------------------


def test_more_than_so_many_at_once_are_throttled(vies):
    """Of one state, and of all together; those that were let in are answered."""
    german, french = vat_numbers.numbers("DE", 4), vat_numbers.numbers("FR", 4)
    of_state = vies("delay=0.02", at_once_per_state=2).posts([*german, *french[:2]])
    assert [code_of(one) for one in of_state if "errorWrappers" in one.json()] == ["MS_MAX_CONCURRENT_REQ"] * 2
    of_all = vies("delay=0.02", at_once=5).posts([*german, *french])
    assert [code_of(one) for one in of_all if "errorWrappers" in one.json()] == ["GLOBAL_MAX_CONCURRENT_REQ"] * 3


def test_after_so_many_in_a_day_the_address_is_blocked(vies, clock):
    """In both dialects, until the next day."""
    service = vies(calls_per_day=2)
    assert [service.post(LEGAL_PERSON).json().get("valid") for _ in range(2)] == [True, True]
    assert code_of(service.post(LEGAL_PERSON)) == code_of(service.site(LEGAL_PERSON)) == "IP_BLOCKED"
    clock.pass_seconds(86_400)
    assert service.post(LEGAL_PERSON).json()["valid"] is True


# -- faults -------------------------------------------------------------------------------------


def test_a_state_can_be_away_for_a_while(vies, clock):
    """The others are not; check-status says so."""
    service = vies("state=NL outage=10..20")
    (other,) = vat_numbers.numbers("FR", 1)
    for second, is_away in ((0, False), (10, True), (19, True), (20, False)):
        clock.pass_seconds(second - int(clock.now().second))
        assert ("valid" not in service.post(LEGAL_PERSON).json()) is is_away
        assert service.post(other).json()["valid"] is True
        states = {one["countryCode"]: one["availability"] for one in service.get("check-status").json()["countries"]}
        assert states["NL"] == ("Unavailable" if is_away else "Available")
    assert len(states) == 28
    assert set(states.values()) == {"Available", "Monitoring Disabled"}


@pytest.mark.parametrize("code", ["MS_MAX_CONCURRENT_REQ", "TIMEOUT", "IP_BLOCKED", "SOMETHING_NEW"])
def test_any_code_can_be_scripted_in_both_dialects(vies, code):
    """POST: an envelope with 200; GET: isValid false with the code."""
    service = vies(f"code={code}")
    posted, seen = service.post(LEGAL_PERSON), service.site(LEGAL_PERSON)
    assert (posted.status_code, posted.json()) == (200, {"actionSucceed": False, "errorWrappers": [{"error": code}]})
    assert (seen.status_code, seen.json()["isValid"], seen.json()["userError"]) == (200, False, code)


def test_a_failing_state_can_call_good_numbers_not_valid(vies):
    """For as long as it is scripted."""
    service = vies("false-invalid state=NL times=1")
    assert [service.post(LEGAL_PERSON).json()["valid"] for _ in range(2)] == [False, True]
    assert service.post(vat_numbers.numbers("FR", 1)[0]).json()["valid"] is True


@pytest.mark.parametrize(
    ("fault", "status", "start"),
    [
        ("body=html", 200, b"<!DOCTYPE html>"),
        ("body=empty", 200, b""),
        ("status=503", 503, b"<!DOCTYPE html>"),
        ("status=500", 500, b'{"actionSucceed":false,"errorWrappers":[{"error":"VOW-ERR-1"'),
        ("retry-after=30", 429, b"<!DOCTYPE html>"),
    ],
)
def test_other_faults_are_those_of_all_services(vies, fault, status, start):
    """A page for maintenance, an error of the server."""
    response = vies(fault).post(LEGAL_PERSON)
    assert response.status_code == status
    assert response.content.startswith(start)


@pytest.mark.parametrize("fault", ["reset", "cut=20"])
def test_a_connection_can_break(vies, fault):
    """Before an answer or within one."""
    with pytest.raises(ExceptionGroup) as raised:
        vies(fault).post(LEGAL_PERSON)
    assert raised.group_contains(ConnectionResetError)


def test_an_answer_can_be_about_another_number(vies):
    """Which no client should take for its own."""
    assert vies("other-number").post(LEGAL_PERSON).json()["vatNumber"] == f"{LEGAL_PERSON[2:-1]}0"


def test_the_first_fault_that_applies_counts(vies):
    """Numbers and states narrow it down."""
    service = vies(f"code=TIMEOUT number={LEGAL_PERSON}", "code=MS_UNAVAILABLE state=NL,FR nth=2..")
    assert code_of(service.post(LEGAL_PERSON)) == "TIMEOUT"
    assert service.post(SOLE_TRADER).json()["valid"] is True
    assert code_of(service.post(SOLE_TRADER)) == "MS_UNAVAILABLE"
    assert service.post(vat_numbers.numbers("IT", 1)[0]).json()["valid"] is True


def test_shares_of_different_faults_are_different_numbers(vies):
    """So that trouble of many kinds does not all fall on the same few."""
    service = vies("code=TIMEOUT share=0.3 times=1", "code=MS_UNAVAILABLE share=0.3 times=1")
    drawn = vat_numbers.numbers("FR", 40)
    codes = [
        [code_of(one) for one in (service.post(number), service.post(number)) if "errorWrappers" in one.json()]
        for number in drawn
    ]
    assert {tuple(of_number) for of_number in codes} == {
        (),
        ("TIMEOUT",),
        ("MS_UNAVAILABLE",),
        ("TIMEOUT", "MS_UNAVAILABLE"),
    }


def test_faults_are_written_in_words():
    """The own words of VIES beside those of all services."""
    assert parse("state=DE,FR outage=1..2").code == "MS_UNAVAILABLE"
    assert parse("outage=1..2").code == "SERVICE_UNAVAILABLE"
    assert parse("outage=1..2 status=503").code is None
    assert parse("state=DK delay=16").fault.delay == 16
    assert parse("code=TIMEOUT share=0.05") == ViesFault(fault=Fault(share=0.05), code="TIMEOUT")
    assert parse("false-invalid state=LU").states == {"LU"}


@pytest.mark.parametrize("text", ["", "state=DE", "share=0.5", "state=DE nth=3", "sometimes", "code=TIMEOUT share=2"])
def test_a_fault_that_says_nothing_is_an_error(text):
    """As with KVK's."""
    with pytest.raises(ValueError, match=r"."):
        parse(text)


# -- the rest -----------------------------------------------------------------------------------


def test_requests_are_logged_as_they_arrive(vies, clock, tmp_path):
    """Number and path of each, also of those that are refused; nothing breaks a line."""
    log = tmp_path / "arrivals.log"
    service = vies("code=TIMEOUT", log=log)
    service.post(LEGAL_PERSON)
    clock.pass_seconds(1)
    service.site("IE1+23456W")
    service.post("NL\n1\t2")
    lines = [line.split("\t") for line in log.read_text().splitlines()]
    assert [line[1:3] for line in lines] == [
        [LEGAL_PERSON, "/vies/check-vat-number"],
        ["IE1+23456W", "/vies/ms/IE/vat/1%2B23456W"],
        ["NL%0A1%092", "/vies/check-vat-number"],
    ]
    assert [int(after[0]) - int(before[0]) for before, after in pairwise(lines)] == [10**9, 0]


def test_the_test_service_answers_by_number(vies):
    """Whatever the state; without trader fields."""
    service = vies("code=TIMEOUT")
    valid = service.post("CZ100", "check-vat-test-service").json()
    assert (valid["valid"], valid["name"]) == (True, "John Doe")
    assert len(valid) == 7
    assert service.post("XX200", "check-vat-test-service").json()["valid"] is False
    assert code_of(service.post("DE601", "check-vat-test-service")) == "MS_MAX_CONCURRENT_REQ_TIME"
    assert code_of(service.post("DE999", "check-vat-test-service")) == "SERVICE_UNAVAILABLE"
    assert code_of(service.post("DE", "check-vat-test-service")) == "SERVICE_UNAVAILABLE"
    assert code_of(service.post("", "check-vat-test-service")) == "INVALID_INPUT"
