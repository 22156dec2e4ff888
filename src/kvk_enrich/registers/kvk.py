"""
KVK's Basisprofiel v1: one GET per KVK number, EUR 0.02 each.

The register's own codes decide, not the HTTP status alone: a 404 is "not registered" only with
IPD0005 in a well-formed body; IPD1002 and IPD1003 come with a 404 too and mean "later"; a 404
without a code is a proxy or a wrong base_url. Source: developers.kvk.nl, status codes as
collected 2026-11.
"""

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx2
import msgspec
import polars as pl

from kvk_enrich.errors import AccessRefused, Transient, Unusable
from kvk_enrich.model import Answer, Call, Found, NotFound, Secret
from kvk_enrich.registers import _http, kvk_profile
from kvk_enrich.registers.interface import AtSend, Reply

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

    products: Sequence[str] = ("basisprofiel",)

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

    def rows(self, product: str, numbers: Sequence[str], bodies: Sequence[bytes]) -> pl.DataFrame:
        """Return the typed columns of found answers. See :class:`Register`."""
        return rows(product, numbers, bodies)


def rows(_product: str, _numbers: Sequence[str], bodies: Sequence[bytes]) -> pl.DataFrame:
    return kvk_profile.rows(bodies)


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
    codes = kvk_profile.error_codes(body)
    status = response.status_code
    if status == HTTPStatus.NOT_FOUND and _NOT_REGISTERED.intersection(codes):
        return NotFound(number, "not_registered", body)
    if status == HTTPStatus.BAD_REQUEST and _NOT_VALID.intersection(codes):
        return NotFound(number, "not_valid_in_register", body)
    if _LATER.intersection(codes):
        raise Unusable("in_process", ", ".join(codes))
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise AccessRefused("access_refused", f"the register answered {status}: key unknown, or not for this product")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise Transient("rate_limited", "429", retry_after=_http.retry_after(response))
    if status in _OVERLOADED:
        raise Transient("server_error", _describe(status, codes), retry_after=_http.retry_after(response))
    if codes:
        raise Unusable("request_refused", _describe(status, codes))
    raise Unusable("unexpected_answer", _describe(status, codes))


def _found(number: str, body: bytes) -> Found:
    try:
        profile = kvk_profile.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if body.lstrip()[:1] != b"{":
            raise Unusable("unexpected_answer", "200 with something that is not JSON") from None
        raise Transient("unreadable_answer", str(error)[:200]) from None
    if profile.kvk_nummer != number:
        raise Unusable("wrong_company", f"the answer is about {profile.kvk_nummer}")
    return Found(number, body)


def _describe(status: int, codes: Sequence[str]) -> str:
    return f"{status} {', '.join(codes)}".strip()
