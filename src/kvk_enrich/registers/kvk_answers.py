"""
What a response of KVK says about the number that was asked.

The register's own codes decide, not the HTTP status alone: a 404 is "not found" only with the code
of that product in a well-formed body; IPD1002 and IPD1003 come with a 404 too and mean "later"; a
404 without a code is a proxy or a wrong base_url. Source: developers.kvk.nl, status codes as
collected 2026-11.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import httpx2

from kvk_enrich.errors import RegisterError, Transient, Unusable
from kvk_enrich.model import Answer, Call, Found, Kind, NotFound
from kvk_enrich.registers import (
    _http,
    kvk_basisprofiel,
    kvk_naamgeving,
    kvk_vestigingen,
    kvk_vestigingsprofiel,
    kvk_zoeken,
)
from kvk_enrich.registers._bodies import readable
from kvk_enrich.registers.kvk_parts import error_codes
from kvk_enrich.registers.kvk_zoeken import Resultaat, Zoeken

NOTHING_FOUND: Final = frozenset({"IPD5200"})
"""Codes of a search without a row, with 404."""

_NOT_DELIVERED: Final = frozenset({"IPD0005", "IPD0007"})
_NOT_VALID: Final[Mapping[Kind, str]] = {Kind.KVK: "IPD0004", Kind.BRANCH: "IPD0006", Kind.RSIN: "IPD0010"}
_LATER: Final = {"IPD1002", "IPD1003"}
_OVERLOADED: Final = {
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_MOST_TOLD: Final = 5

_NUMBER_IN: Final[Mapping[str, Callable[[bytes], str]]] = {
    # product: the number that a body is about
    "basisprofiel": lambda body: kvk_basisprofiel.decode(body).kvk_nummer,
    "vestigingen": lambda body: kvk_vestigingen.decode(body).kvk_nummer,
    "vestigingsprofiel": lambda body: kvk_vestigingsprofiel.decode(body).vestigingsnummer,
    "naamgeving": lambda body: kvk_naamgeving.decode(body).kvk_nummer,
}
_NUMBER_OF: Final[Mapping[Kind, Callable[[Resultaat], str | None]]] = {
    # kind of number: the one that a row of a search is about
    Kind.KVK: lambda row: row.kvk_nummer,
    Kind.RSIN: lambda row: row.rsin,
    Kind.BRANCH: lambda row: row.vestigingsnummer,
}


def read(call: Call, response: httpx2.Response, body: bytes) -> Answer:
    """
    Return what *response* says about the one number of *call*.

    Raises:
        Transient: it may say something else in a moment.
        Unusable: it says nothing about the number.
        AccessRefused: it refuses the key.
    """
    (number,) = call.numbers
    if response.status_code == HTTPStatus.OK:
        _check_subject(call, number, body)
        return Found(number, body)
    codes = set(error_codes(body))
    expected = NOTHING_FOUND if call.product == "zoeken" else _NOT_DELIVERED
    if response.status_code == HTTPStatus.NOT_FOUND and codes and codes <= expected:
        return NotFound(number, "no_branches" if call.product == "vestigingen" else "not_registered", body)
    if response.status_code == HTTPStatus.BAD_REQUEST and codes == {_NOT_VALID[call.kind]}:
        return NotFound(number, "not_valid_in_register", body)
    raise refusal(response, body)


def refusal(response: httpx2.Response, body: bytes) -> RegisterError:
    """Return why there is no answer, named after what happens next."""
    status, codes = response.status_code, error_codes(body)
    said = f"{status} {', '.join(codes)}".strip()
    if _LATER.intersection(codes):
        return Unusable("in_process", said)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} or response.has_redirect_location:
        return _http.access_refused(response, body, said)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Transient("rate_limited", said, retry_after=_http.retry_after(response))
    if status in _OVERLOADED:
        return Transient("server_error", said, retry_after=_http.retry_after(response))
    return Unusable("request_refused" if codes else "unexpected_answer", said)


def _check_subject(call: Call, number: str, body: bytes) -> None:
    """Refuse a body that is not about *number*, or does not lead from it to one company."""
    if call.product == "zoeken":
        page = readable(kvk_zoeken.decode, body)
        about = {_NUMBER_OF[call.kind](row) for row in page.resultaten}
    else:
        page, about = None, {readable(_NUMBER_IN[call.product], body)}
    if about != {number}:
        others = sorted(str(other)[:12] for other in about - {number})
        raise Unusable("wrong_company", f"the answer is about {', '.join(others[:_MOST_TOLD]) or 'nothing'}")
    if page is not None and kvk_zoeken.company(page) is None:
        raise Unusable("several_companies", _companies(page))


def _companies(page: Zoeken) -> str:
    numbers = sorted({row.kvk_nummer[:8] for row in page.resultaten})
    return f"KVK numbers {', '.join(numbers[:_MOST_TOLD])}: none or more than one of them is active"
