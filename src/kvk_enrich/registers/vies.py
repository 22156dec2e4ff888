"""
VIES, the EU's check of VAT numbers: one request per number, free, through the member state it belongs to.

There are three answers: valid, not valid, and none. An outage is never "not valid": only a boolean
``valid`` (POST) or a ``userError`` of VALID or INVALID (GET) that is about the number asked counts,
and every code that is not known counts as an outage. A refusal of a number's form (VOW-ERR-2600,
INVALID_INPUT) says nothing of its existence; malformed numbers are never sent, so it is a fault of ours.

Some states say "not valid" of good numbers while they are failing. So a first "not valid" from a
state that has failed since this register was opened is doubted: it comes back as Failed, not as
an answer, and only the second one is believed. One that came before the failure was an answer; who
asks may ask again (:mod:`kvk_enrich.fetch.states` does).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Literal, Self
from urllib.parse import quote

import anyio
import httpx2
import msgspec

from kvk_enrich.errors import Blocked, ConfigError, RegisterError, Transient, Unusable
from kvk_enrich.model import Answer, Call, Failed, Found, NotFound
from kvk_enrich.registers import _http, vies_vat
from kvk_enrich.registers.interface import AtSend, Reply

Dialect = Literal["post", "get"]

_BLOCKED: Final = {"IP_BLOCKED", "VAT_BLOCKED"}
_REQUESTER: Final = {"INVALID_REQUESTER_INFO", "VOW-ERR-2500", "VOW-ERR-2700"}
_REFUSED: Final = {"INVALID_INPUT", "VOW-ERR-11", "VOW-ERR-2600"}
_BUSY_STATE: Final = {"MS_MAX_CONCURRENT_REQ", "MS_MAX_CONCURRENT_REQ_TIME"}
_BUSY: Final = _BUSY_STATE | {"GLOBAL_MAX_CONCURRENT_REQ", "GLOBAL_MAX_CONCURRENT_REQ_TIME"}
_OF_THE_STATE: Final = _BUSY_STATE | {"MS_UNAVAILABLE", "TIMEOUT"}

_CODE: Final = re.compile(r"[A-Z_]{1,40}|VOW-ERR-[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Availability:
    """
    What VIES says of itself. "Available" does not mean that a state will answer.

    Args:
        available: VIES as a whole.
        states: Member state -> Available, Unavailable or Monitoring Disabled.
    """

    available: bool
    states: Mapping[str, str]


class Vies:
    """VIES in Brussels, or its practice twin."""

    products: Mapping[str, int] = MappingProxyType({"vies": 1})

    def __init__(
        self,
        base_url: str,
        *,
        requester: str | None,
        dialect: Dialect = "post",
        timeout_seconds: float,
        ca_bundle: Path | None = None,
        app: _http.AsgiApp | None = None,
    ) -> None:
        """
        Prepare to ask.

        Args:
            base_url: Up to and including ``/rest-api``.
            requester: Own VAT number, canonical; with it, answers carry a consultation number.
            dialect: POST, the documented one, or the web site's own GET.
            timeout_seconds: For making a connection, and between two bytes of an answer.
            ca_bundle: Certificate authorities trusted besides the system's.
            app: An ASGI app that answers in place of the network: the practice register.

        Raises:
            ConfigError: a requester with GET, which has no documented place for one.
        """
        if requester is not None and dialect == "get":
            raise ConfigError('source.vies: a requester needs dialect = "post"')
        self._base_url = base_url.rstrip("/")
        self._requester = requester
        self._dialect = dialect
        self._lanes = _http.Lanes(auth=None, timeout_seconds=timeout_seconds, ca_bundle=ca_bundle, app=app)
        self._failing: set[str] = set()
        self._not_valid: set[str] = set()

    async def __aenter__(self) -> Self:
        """Begin without a connection: they are made when they are needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._lanes.close()

    async def fetch(self, call: Call, at_send: AtSend) -> Reply:
        """
        Ask for the call's one number. See :class:`Register`.

        Raises:
            Blocked: VIES has shut us out.
        """
        (number,) = call.numbers
        try:
            response, body = await (self._post if self._dialect == "post" else self._get)(number, at_send)
            answer = read(number, response, body)
        except Transient as error:
            self._failing.add(_state(number))
            if error.reason == "timeout":  # VIES waits for the state as we wait for VIES
                error.part = _state(number)
            raise
        except anyio.get_cancelled_exc_class():  # the caller's deadline is a timeout too
            self._failing.add(_state(number))
            raise
        return Reply((self._doubtful(answer),), response.status_code)

    async def status(self, at_send: AtSend) -> Availability:
        """
        Return which member states VIES believes to be there.

        Raises:
            RegisterError: as :meth:`fetch`.
        """
        response, body = await self._lanes.get(
            f"{self._base_url}/check-status", accept="application/json", at_send=at_send
        )
        try:
            said = _status_decoder.decode(body.decode())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _refusal("", response, body) from None
        if response.status_code != HTTPStatus.OK:
            raise _refusal("", response, body)
        return Availability(
            said.vow.available, {country.country_code: country.availability for country in said.countries}
        )

    async def _post(self, number: str, at_send: AtSend) -> tuple[httpx2.Response, bytes]:
        asked = {"countryCode": _state(number), "vatNumber": _rest(number)}
        if self._requester is not None:
            asked |= {"requesterMemberStateCode": _state(self._requester), "requesterNumber": _rest(self._requester)}
        return await self._lanes.post(
            f"{self._base_url}/check-vat-number",
            msgspec.json.encode(asked),
            accept="application/json",
            at_send=at_send,
        )

    async def _get(self, number: str, at_send: AtSend) -> tuple[httpx2.Response, bytes]:
        response, body = await self._lanes.get(
            f"{self._base_url}/ms/{_state(number)}/vat/{quote(_rest(number), safe='')}",
            accept="application/json",
            at_send=at_send,
        )
        return response, _with_country(_state(number), body)

    def _doubtful(self, answer: Answer) -> Answer | Failed:
        if isinstance(answer, Found):
            return answer
        is_first = answer.number not in self._not_valid
        self._not_valid.add(answer.number)
        if is_first and _state(answer.number) in self._failing:
            return Failed(answer.number, "invalid_doubted")
        return answer


def read(number: str, response: httpx2.Response, body: bytes) -> Answer:
    """
    Return what *response* says about *number*; *body* names the country also where GET does not.

    Raises:
        Transient: it may say something else in a moment.
        Unusable: it says nothing about the number.
        Blocked: VIES has shut us out.
    """
    check = _decoded(body)
    if response.status_code != HTTPStatus.OK or check is None or check.verdict is None:
        raise _refusal(_state(number), response, body)
    if (check.country_code, check.vat_number) != (_state(number), _rest(number)):
        raise Unusable("wrong_company", "the answer is about another VAT number")
    return Found(number, body) if check.verdict else NotFound(number, "vat_not_valid", body)


def _refusal(state: str, response: httpx2.Response, body: bytes) -> RegisterError:
    """Return why there is no answer, named after what happens next."""
    status, check = response.status_code, _decoded(body)
    codes = set(check.codes) if check is not None else set()
    said = " ".join([str(status), *sorted(filter(_CODE.fullmatch, codes))])
    if codes & _BLOCKED:
        return Blocked("vies_blocked", said)
    if codes & _REQUESTER:
        return Unusable("requester_refused", said)
    if codes & _REFUSED or (codes and status == HTTPStatus.BAD_REQUEST):
        return Unusable("request_refused", said)
    if codes & _BUSY or status == HTTPStatus.TOO_MANY_REQUESTS:
        reason = "vies_busy"
    elif codes or status >= HTTPStatus.INTERNAL_SERVER_ERROR or _is_page(response, body):
        reason = "vies_unavailable"
    elif status == HTTPStatus.OK:
        return Transient("unreadable_answer", "200 without a verdict")
    else:
        return Unusable("unexpected_answer", said)
    part = state if codes and codes <= _OF_THE_STATE else None
    return Transient(reason, said, retry_after=_http.retry_after(response), part=part)


def _is_page(response: httpx2.Response, body: bytes) -> bool:
    """Say whether this is VIES's page for maintenance: HTML with the status of an answer."""
    return response.status_code == HTTPStatus.OK and _http.is_page(body)


def _decoded(body: bytes) -> vies_vat.VatCheck | None:
    try:
        return vies_vat.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _with_country(state: str, body: bytes) -> bytes:
    """Return GET's *body*, which names no country, with the one that was asked for, so that it can be read alone."""
    check = _decoded(body)
    if check is None or check.verdict is None or check.country_code is not None:
        return body
    return b'{"countryCode":"%s",%s' % (state.encode(), body.lstrip()[1:])


def _state(number: str) -> str:
    return number[:2]


def _rest(number: str) -> str:
    return number[2:]


class _Vow(msgspec.Struct, frozen=True):
    available: bool


class _Country(msgspec.Struct, frozen=True, rename="camel"):
    country_code: str
    availability: str


class _Status(msgspec.Struct, frozen=True):
    vow: _Vow
    countries: tuple[_Country, ...]


_status_decoder = msgspec.json.Decoder(_Status)
