"""
kvkbase: companies and VAT numbers from one service, paid in tokens of a monthly allowance.

The service's own codes decide, never its texts (they differ between its own pages) and not the
HTTP status alone: a 429 is "slow down" or "the month's tokens are spent", and a 404 is "not
registered" only with NOT_FOUND in a well-formed body.

Source: the vendor's API reference and errors page (2026-03) and a client verified against the
live service. What neither says is assumed here, and is the same in the practice register:

* a batch is asked with ``{"kvkNumbers": [...], "enrich": true}``, branches at ``/branches/{kvk}``;
* its results come in any order; ``failed`` holds ``{kvkNumber, error: {code, message}}`` or bare
  numbers; a code there means what it means for a single number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import httpx2
import msgspec
from msgspec import Raw, Struct

from kvk_enrich.errors import AllowanceSpent, RegisterError, Transient, Unusable
from kvk_enrich.model import Answer, Call, Failed, Found, Kind, NotFound, Secret
from kvk_enrich.registers import _http
from kvk_enrich.registers._bodies import UNREADABLE, readable
from kvk_enrich.registers.interface import AtSend, Reply
from kvk_enrich.registers.kvkbase_records import READERS, VatCheck, vat_status

MOST_IN_BATCH: Final = 100

TOKENS: Final[Mapping[str, int]] = MappingProxyType(
    {"lookup": 1, "enriched": 5, "kvkbase-branches": 5, "validate-vat": 1, "search": 1, "autocomplete": 1, "health": 0}
)
"""What each costs per number; for a search, per request. Source: the vendor's API reference, 2026-03."""

_PATHS: Final = {
    "lookup": "/lookup/{}",
    "enriched": "/lookup/{}?enrich=true",
    "kvkbase-branches": "/branches/{}",
    "validate-vat": "/validate/vat/{}",
}
_JSON: Final = "application/json"

_INVALID: Final = {Kind.KVK: "INVALID_KVK_NUMBER", Kind.VAT: "INVALID_VAT_NUMBER"}
_DOCUMENTED: Final = {"NOT_FOUND": 404, "INVALID_KVK_NUMBER": 400, "INVALID_VAT_NUMBER": 400}
"""The status that goes with each code that is an answer."""

_SPENT: Final = {"QUOTA_EXCEEDED", "INSUFFICIENT_TOKENS"}
_TOO_FAST: Final = {"RATE_LIMIT_EXCEEDED", "RATE_LIMITED"}
_UNWELL: Final = {"UPSTREAM_ERROR", "INTERNAL_ERROR"}
_REFUSED: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}
_OVERLOADED: Final = {
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_TOLD: Final = 14
"""Characters of a number that is not ours that are repeated."""

_CODE: Final = re.compile(r"[A-Z][A-Z_]{2,39}", re.ASCII)
_TOKENS_LEFT: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hit:
    """One company that a search found; *active* is None where the service does not say."""

    kvk_number: str
    name: str | None
    city: str | None
    active: bool | None


class Health(Struct, frozen=True):
    """What kvkbase says of itself and of the services behind it, such as ``{"kvk": "up", "vies": "down"}``."""

    status: str
    services: Mapping[str, str] = {}


class _Result(Struct, frozen=True, rename="camel"):
    kvk_number: str
    name: str | None = None
    city: str | None = None
    is_active: bool | None = None


class _Results(Struct, frozen=True):
    results: tuple[_Result, ...]


class _Batch(Struct, frozen=True):
    results: tuple[Raw, ...]
    failed: tuple[Raw, ...] | None = None


class _Numbered(Struct, frozen=True, rename="camel"):
    """Any part of a batch."""

    kvk_number: str


_batch = msgspec.json.Decoder(_Batch)
_health = msgspec.json.Decoder(Health)
_numbered = msgspec.json.Decoder(_Numbered | str)
_results = msgspec.json.Decoder(_Results)


class Kvkbase:
    """kvkbase, or its practice twin."""

    products: Mapping[str, int] = MappingProxyType(
        {"lookup": MOST_IN_BATCH, "enriched": MOST_IN_BATCH, "kvkbase-branches": 1, "validate-vat": 1}
    )

    def __init__(
        self,
        base_url: str,
        key: Secret,
        *,
        timeout_seconds: float,
        ca_bundle: Path | None = None,
        app: _http.AsgiApp | None = None,
    ) -> None:
        """
        Prepare to ask.

        Args:
            base_url: Up to and including ``/v1``.
            key: Sent as a bearer token.
            timeout_seconds: For making a connection, and between two bytes of an answer.
            ca_bundle: Certificate authorities trusted besides the system's.
            app: An ASGI app that answers in place of the network: the practice register.
        """
        self._base_url = base_url.rstrip("/")
        auth = _http.KeyHeader("Authorization", key, scheme="Bearer")
        self._lanes = _http.Lanes(auth=auth, timeout_seconds=timeout_seconds, ca_bundle=ca_bundle, app=app)

    async def __aenter__(self) -> Self:
        """Begin without a connection: they are made when they are needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._lanes.close()

    async def fetch(self, call: Call, at_send: AtSend) -> Reply:
        """Ask for the call's numbers: several in a batch, one by itself. See :class:`Register`."""
        answers: tuple[Answer | Failed, ...]
        if len(call.numbers) > 1:
            asked = {"kvkNumbers": call.numbers, "enrich": call.product == "enriched"}
            response, body = await self._lanes.post(
                f"{self._base_url}/batch", msgspec.json.encode(asked), accept=_JSON, at_send=at_send
            )
            answers = read_batch(call, response, body)
        else:
            response, body = await self._get(_PATHS[call.product].format(quote(call.numbers[0], safe="")), at_send)
            answers = (read(call, response, body),)
        return Reply(answers, response.status_code, _left(response, answers))

    async def search(self, text: str, at_send: AtSend, *, most: int = 25) -> tuple[Hit, ...]:
        """
        Return the companies that go with *text* (2 characters at least), each once, in the service's order.

        Raises:
            RegisterError: as :meth:`fetch`.
        """
        return await self._hits("/search?" + urlencode({"q": text, "pageSize": most}), at_send)

    async def autocomplete(self, text: str, at_send: AtSend, *, most: int = 10) -> tuple[Hit, ...]:
        """Return the companies whose name begins with *text*; otherwise as :meth:`search`."""
        return await self._hits("/autocomplete?" + urlencode({"q": text, "limit": most}), at_send)

    async def health(self, at_send: AtSend) -> Health:
        """
        Return how the service is. Costs nothing and looks at no key.

        Raises:
            RegisterError: as :meth:`fetch`.
        """
        return (await self._health(at_send))[0]

    async def probe(self, at_send: AtSend) -> timedelta:
        """
        Make one free call and return by how much the service's clock is ahead of ours.

        It proves address and TLS, not the key: no free call of this service looks at it.

        Raises:
            RegisterError: as :meth:`fetch`.
        """
        return (await self._health(at_send))[1]

    async def _health(self, at_send: AtSend) -> tuple[Health, timedelta]:
        response, body = await self._get("/health", at_send)
        if response.status_code != HTTPStatus.OK:
            raise _refusal(response, body)
        return readable(_health.decode, body), _http.ahead(response)

    async def _hits(self, path: str, at_send: AtSend) -> tuple[Hit, ...]:
        response, body = await self._get(path, at_send)
        if response.status_code != HTTPStatus.OK:
            if response.status_code == HTTPStatus.NOT_FOUND and error_code(body) == "NOT_FOUND":
                return ()
            raise _refusal(response, body)
        found: dict[str, Hit] = {}
        for one in readable(_results.decode, body).results:
            found.setdefault(one.kvk_number, Hit(one.kvk_number, one.name, one.city, one.is_active))
        return tuple(found.values())

    async def _get(self, path: str, at_send: AtSend) -> tuple[httpx2.Response, bytes]:
        return await self._lanes.get(self._base_url + path, accept=_JSON, at_send=at_send)


def read(call: Call, response: httpx2.Response, body: bytes) -> Answer:
    """
    Return what *response* says about the one number of *call*.

    Raises:
        Transient: it may say something else in a moment.
        Unusable: it says nothing about the number.
        AccessRefused: it refuses the key.
        AllowanceSpent: the month's tokens are spent.
    """
    (number,) = call.numbers
    if response.status_code == HTTPStatus.OK:
        return _found(call.product, number, body)
    code = error_code(body)
    reason = _absence(call.kind, code)
    if code is None or reason is None or response.status_code != _DOCUMENTED[code]:
        raise _refusal(response, body)
    return NotFound(number, reason, body)


def read_batch(call: Call, response: httpx2.Response, body: bytes) -> tuple[Answer | Failed, ...]:
    """
    Return what *response* says about each number of *call*, in the call's order.

    Parts go with numbers by their kvkNumber, the first one where there are several. Each answer
    keeps its own part of the body, which reads like that of a single number.

    Raises:
        RegisterError: as :func:`read`, for the batch as a whole.
    """
    if response.status_code != HTTPStatus.OK:
        raise _refusal(response, body)
    batch = readable(_batch.decode, body)
    told: dict[str, Answer | Failed] = {}
    answers = chain(
        (_result(call.product, bytes(part)) for part in batch.results),
        (_failed(call.kind, bytes(part)) for part in batch.failed or ()),
    )
    for answer in answers:
        told.setdefault(answer.number, answer)
    strangers = len(told.keys() - {*call.numbers, ""})
    reason, detail = ("wrong_company", f"{strangers} of others came") if strangers else ("missing_in_answer", "")
    return tuple(told.get(number) or Failed(number, reason, detail) for number in call.numbers)


def error_code(body: bytes) -> str | None:
    """Return the service's own code in an error *body*; None when it is not the service speaking."""
    try:
        fault: Any = msgspec.json.decode(body)
        code = fault["error"]["code"]
    except (*UNREADABLE, KeyError, TypeError):
        return None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _found(product: str, number: str, body: bytes) -> Answer:
    record = readable(READERS[product].decode, body)
    if _compact(record.number) != number:
        raise Unusable("wrong_company", f"the answer is about {record.number[:_TOLD]!r}")
    if not isinstance(record, VatCheck):
        return Found(number, body)
    match vat_status(record):
        case "valid":
            return Found(number, body)
        case "invalid":
            return NotFound(number, "vat_not_valid", body)
        case _:
            raise Unusable("vat_unconfirmed", "no fresh answer of VIES is behind it")


def _result(product: str, part: bytes) -> Answer | Failed:
    try:
        return Found(READERS[product].decode(part).number, part)
    except UNREADABLE as error:
        return Failed(_number_of(part), "unreadable_answer", str(error)[:200])


def _failed(kind: Kind, part: bytes) -> Answer | Failed:
    """Return what became of a number that the batch lists as failed."""
    number, code = _number_of(part), error_code(part)
    if reason := _absence(kind, code):
        return NotFound(number, reason, part)
    if code in _SPENT:
        return Failed(number, "allowance_spent", code)
    if code in _TOO_FAST:
        return Failed(number, "rate_limited", code)
    if code in _UNWELL:
        return Failed(number, "server_error", code)
    return Failed(number, "request_refused", code) if code else Failed(number, "failed_in_batch")


def _number_of(part: bytes) -> str:
    """Return which number a part of a batch is about; empty where it does not say."""
    try:
        numbered = _numbered.decode(part)
    except UNREADABLE:
        return ""
    return numbered if isinstance(numbered, str) else numbered.kvk_number


def _absence(kind: Kind, code: str | None) -> str | None:
    """Return the reason that *code* is for a number of *kind* not to be there; None: it says no such thing."""
    return {"NOT_FOUND": "not_registered", _INVALID[kind]: "not_valid_in_register"}.get(code or "")


def _refusal(response: httpx2.Response, body: bytes) -> RegisterError:
    """Return why there is no answer, named after what happens next."""
    status, code = response.status_code, error_code(body)
    said = f"{status} {code or ''}".strip()
    if code in _SPENT:
        left = _left(response) or 0
        return AllowanceSpent("month_ceiling", f"{said}, tokens left: {left}", left=left)
    if status in _REFUSED or code == "UNAUTHORIZED" or response.has_redirect_location:
        return _http.access_refused(response, body, said)
    if status == HTTPStatus.TOO_MANY_REQUESTS or code in _TOO_FAST:
        return Transient("rate_limited", said, retry_after=_http.retry_after(response))
    if status in _OVERLOADED or code in _UNWELL:
        return Transient("server_error", said, retry_after=_http.retry_after(response))
    return Unusable("request_refused" if code else "unexpected_answer", said)


def _left(response: httpx2.Response, answers: tuple[Answer | Failed, ...] = ()) -> int | None:
    """Return how many tokens the service says are left; none, where a batch ran out of them without saying so."""
    said = response.headers.get("X-Tokens-Remaining", "").strip()
    if _TOKENS_LEFT.fullmatch(said):
        return int(said)
    spent = any(isinstance(answer, Failed) and answer.reason == "allowance_spent" for answer in answers)
    return 0 if spent else None


def _compact(number: str) -> str:
    """Return a number as we write it: VAT numbers may come back with blanks and dots."""
    return re.sub(r"[\s.-]", "", number).upper()
