"""
What the practice VIES writes: two dialects for the same answers and errors.

Which keys an answer of POST has differs by member state. Facts: recorded answers and the contract
1.0.0, as collected 2026-11.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kvk_enrich.practice.dice import Dice
from kvk_enrich.practice.vat_numbers import UNDISCLOSED, Holder

Json = dict[str, Any]

MAGIC: Final = {
    # the test service: what each number is answered with
    "201": "INVALID_INPUT",
    "202": "INVALID_REQUESTER_INFO",
    "300": "SERVICE_UNAVAILABLE",
    "301": "MS_UNAVAILABLE",
    "302": "TIMEOUT",
    "400": "VAT_BLOCKED",
    "401": "IP_BLOCKED",
    "500": "GLOBAL_MAX_CONCURRENT_REQ",
    "501": "GLOBAL_MAX_CONCURRENT_REQ_TIME",
    "600": "MS_MAX_CONCURRENT_REQ",
    "601": "MS_MAX_CONCURRENT_REQ_TIME",
}
JOHN_DOE: Final = Holder("John Doe", "123 Main St, Anytown, UK")

_MESSAGES: Final = {
    # other codes come without a text
    "INVALID_INPUT": "Some data are invalid in the reqeuest",
    "VOW-ERR-1": "An unexpected error occurred. Please retry later or contact the support team.",
    "VOW-ERR-11": "A mandatory field is missing",
    "VOW-ERR-2500": "The requester member state code is invalid.",
    "VOW-ERR-2600": "The Vat number does not respect the configured pattern",
    "VOW-ERR-2700": "The requester VAT number does not respect the configured pattern",
}
_TRADER: Final = ("Name", "Street", "PostalCode", "City", "CompanyType")
TRADER: Final = {"Name": "Comercial Inventada, S.L.", "City": "Villanueva del Cuento"}
"""Who every Spanish number belongs to, for those who ask by name."""

_NAME_ONLY: Final = frozenset({"DE"})
_MATCHING: Final = frozenset({"ES"})
_SIGNS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_PROOF_SIGNS: Final = 12


def envelope(code: str) -> Json:
    """Return POST's error."""
    message = {"message": _MESSAGES[code]} if code in _MESSAGES else {}
    return {"actionSucceed": False, "errorWrappers": [{"error": code, **message}]}


def checked(state: str, rest: str, now: datetime, found: Holder | None, proof: str) -> Json:
    """Return the part of POST's answer that all states and the test service have."""
    return {
        "countryCode": state,
        "vatNumber": rest,
        "requestDate": moment(now),
        "valid": found is not None,
        "requestIdentifier": proof,
        "name": found.name if found else UNDISCLOSED,
        "address": found.address if found else UNDISCLOSED,
    }


def traded(state: str, given: Mapping[str, str], found: Holder | None) -> Json:
    """Return the trader's part of POST's answer, for what was *given* of it."""
    if state in _MATCHING:
        sent = {f"trader{field}": given[f"trader{field}"] for field in _TRADER if given.get(f"trader{field}")}
        return sent | {f"trader{field}Match": _match(field, given, found) for field in _TRADER}
    fields = _TRADER[:1] if state in _NAME_ONLY else _TRADER
    return {f"trader{field}": UNDISCLOSED for field in fields} | {
        f"trader{field}Match": "NOT_PROCESSED" for field in fields
    }


def _match(field: str, given: Mapping[str, str], found: Holder | None) -> str:
    """Compare as states do that have the data but do not show them: here all have the same invented name and city."""
    sent = given.get(f"trader{field}")
    if not sent or found is None or field not in TRADER:
        return "NOT_PROCESSED"
    return "VALID" if sent.casefold() == TRADER[field].casefold() else "INVALID"


def seen(
    asked: str, now: datetime, verdict: str, found: Holder | None, *, nothing: str = UNDISCLOSED, corrected: str = ""
) -> Json:
    """
    Return GET's answer, which is its error too.

    Args:
        asked: The number without prefix, as it was asked.
        now: When it is answered.
        verdict: VALID, INVALID or an error's code.
        found: Who has it.
        nothing: What stands for the name of nobody: ``---``, or empty.
        corrected: The number as it should have been asked, where it differs.
    """
    return {
        "isValid": verdict == "VALID",
        "requestDate": moment(now),
        "userError": verdict,
        "name": found.name if found else nothing,
        "address": found.address if found else nothing,
        "requestIdentifier": "",
        "originalVatNumber": asked,
        "vatNumber": corrected or asked,
        "viesApproximate": {
            **dict.fromkeys(("name", "street", "postalCode", "city", "companyType"), UNDISCLOSED),
            **{f"match{field}": 3 for field in _TRADER},
        },
    }


def proof(*about: str) -> str:
    """Return a consultation number: WAPI and twelve signs that depend on all that is given."""
    dice = Dice("proof", *about)
    return "WAPI" + "".join(dice.pick(_SIGNS) for _ in range(_PROOF_SIGNS))


def moment(now: datetime) -> str:
    """Return *now* (UTC) as VIES writes it."""
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"
