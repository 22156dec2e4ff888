"""
KVK's Basisprofiel v1: one GET per KVK number, EUR 0.02 each.

The register's own codes decide, not the HTTP status alone: a 404 is "not registered" only with
IPD0005 in a well-formed body; IPD1002 and IPD1003 come with a 404 too and mean "later"; a 404
without a code is a proxy or a wrong base_url. Source: developers.kvk.nl, status codes as
collected 2026-11.
"""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

import httpx2
import msgspec

from kvk_enrich.errors import AccessRefused, RegisterError, Transient, Unusable
from kvk_enrich.model import Answer, Call, Found, NotFound, Secret
from kvk_enrich.registers import _http, kvk_basisprofiel
from kvk_enrich.registers.interface import AtSend, Reply

PROBED: Final = "69599084"
"""Published by KVK for testing; known or not, asking for it proves that key, address and TLS are right."""

_NOT_REGISTERED: Final = {"IPD0005", "IPD0007"}
_NOT_VALID: Final = {"IPD0004"}
_LATER: Final = {"IPD1002", "IPD1003"}
_OVERLOADED: Final = {
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class Kvk:
    """The Basisprofiel of KVK's production, test or practice environment."""

    products: Mapping[str, int] = MappingProxyType({"basisprofiel": 1})

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
            base_url: Up to and including ``/api``.
            key: Sent in the header ``apikey``.
            timeout_seconds: For making a connection, and between two bytes of an answer.
            ca_bundle: Certificate authorities trusted instead of the system's.
            app: An ASGI app that answers in place of the network: the practice register.
        """
        self._base_url = base_url.rstrip("/")
        self._lanes = _http.Lanes(
            auth=_http.KeyHeader("apikey", key), timeout_seconds=timeout_seconds, ca_bundle=ca_bundle, app=app
        )

    async def __aenter__(self) -> Self:
        """Begin without a connection: they are made when they are needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._lanes.close()

    async def fetch(self, call: Call, at_send: AtSend) -> Reply:
        """Ask for the Basisprofiel of the call's one number. See :class:`Register`."""
        (number,) = call.numbers
        response, body = await self._lanes.get(
            f"{self._base_url}/v1/basisprofielen/{number}",
            accept="application/json",
            at_send=at_send,
        )
        return Reply((read(number, response, body),), response.status_code)

    async def probe(self, at_send: AtSend) -> timedelta:
        """
        Make one free call (Zoeken) and return by how much the register's clock is ahead of ours.

        Raises:
            RegisterError: as :meth:`fetch`.
        """
        response, body = await self._lanes.get(
            f"{self._base_url}/v2/zoeken?kvkNummer={PROBED}&resultatenPerPagina=1",
            accept="application/json",
            at_send=at_send,
        )
        if response.status_code != HTTPStatus.OK and "IPD5200" not in kvk_basisprofiel.error_codes(body):
            raise _refusal(response, body)
        return _http.ahead(response)


def read(number: str, response: httpx2.Response, body: bytes) -> Answer:
    """
    Return what *response* says about *number*.

    Raises:
        Transient: it may say something else in a moment.
        Unusable: it says nothing about the number.
        AccessRefused: it refuses the key.
    """
    if response.status_code == HTTPStatus.OK:
        return _found(number, body)
    codes = set(kvk_basisprofiel.error_codes(body))
    if response.status_code == HTTPStatus.NOT_FOUND and codes and codes <= _NOT_REGISTERED:
        return NotFound(number, "not_registered", body)
    if response.status_code == HTTPStatus.BAD_REQUEST and codes and codes <= _NOT_VALID:
        return NotFound(number, "not_valid_in_register", body)
    raise _refusal(response, body)


def _refusal(response: httpx2.Response, body: bytes) -> RegisterError:
    """Return why there is no answer, named after what happens next."""
    status, codes = response.status_code, kvk_basisprofiel.error_codes(body)
    said = f"{status} {', '.join(codes)}".strip()
    if _LATER.intersection(codes):
        return Unusable("in_process", said)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return AccessRefused("access_refused", f"it answered {status}: key unknown, or not for this product")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Transient("rate_limited", said, retry_after=_http.retry_after(response))
    if status in _OVERLOADED:
        return Transient("server_error", said, retry_after=_http.retry_after(response))
    return Unusable("request_refused" if codes else "unexpected_answer", said)


def _found(number: str, body: bytes) -> Found:
    try:
        profile = kvk_basisprofiel.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if body.lstrip()[:1] != b"{":
            raise Unusable("unexpected_answer", "200 with something that is not JSON") from None
        if isinstance(error, msgspec.ValidationError):  # whole, but of another shape: so it will be the next time
            raise Unusable("unreadable_answer", str(error)[:200]) from None
        raise Transient("unreadable_answer", str(error)[:200]) from None
    if profile.kvk_nummer != number:
        raise Unusable("wrong_company", f"the answer is about {profile.kvk_nummer[:12]!r}")
    return Found(number, body)
