"""
KVK's four APIs: Zoeken, Basisprofiel with its branches, Vestigingsprofiel and Naamgeving.

One GET per number. Zoeken is free; each of the others is EUR 0.02, the branches of a Basisprofiel
too (assumed: KVK does not say that they are part of it). Source: developers.kvk.nl, 2026-11.
"""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self
from urllib.parse import quote, urlencode

import httpx2

from kvk_enrich.model import Call, Kind, Secret
from kvk_enrich.registers import _http, kvk_answers, kvk_zoeken
from kvk_enrich.registers._bodies import readable
from kvk_enrich.registers.interface import AtSend, Reply
from kvk_enrich.registers.kvk_parts import error_codes
from kvk_enrich.registers.kvk_zoeken import Hits

PROBED: Final = "69599084"
"""Published by KVK for testing; known or not, asking for it proves that key, address and TLS are right."""

_PATHS: Final[Mapping[tuple[str, Kind], str]] = {
    ("basisprofiel", Kind.KVK): "/v1/basisprofielen/{}",
    ("vestigingen", Kind.KVK): "/v1/basisprofielen/{}/vestigingen",
    ("vestigingsprofiel", Kind.BRANCH): "/v1/vestigingsprofielen/{}",
    ("naamgeving", Kind.KVK): "/v1/naamgevingen/kvknummer/{}",
    # A filter on one type of row loses companies, and those that ended are answers too.
    ("zoeken", Kind.KVK): "/v2/zoeken?kvkNummer={}&inclusiefInactieveRegistraties=true&resultatenPerPagina=100",
    ("zoeken", Kind.RSIN): "/v2/zoeken?rsin={}&inclusiefInactieveRegistraties=true&resultatenPerPagina=100",
    (
        "zoeken",
        Kind.BRANCH,
    ): "/v2/zoeken?vestigingsnummer={}&inclusiefInactieveRegistraties=true&resultatenPerPagina=100",
}
_LOCATED: Final = {"basisprofiel", "vestigingsprofiel"}


class Kvk:
    """The APIs of KVK's production, test or practice environment."""

    products: Mapping[str, int] = MappingProxyType({product: 1 for product, _ in _PATHS})

    def __init__(
        self,
        base_url: str,
        key: Secret,
        *,
        timeout_seconds: float,
        ca_bundle: Path | None = None,
        geo_data: bool = False,
        app: _http.AsgiApp | None = None,
    ) -> None:
        """
        Prepare to ask.

        Args:
            base_url: Up to and including ``/api``.
            key: Sent in the header ``apikey``.
            timeout_seconds: For making a connection, and between two bytes of an answer.
            ca_bundle: Certificate authorities trusted besides the system's.
            geo_data: Ask also where the addresses of a profile lie.
            app: An ASGI app that answers in place of the network: the practice register.
        """
        self._base_url = base_url.rstrip("/")
        self._geo_data = geo_data
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
        """Ask for the product of the call's one number. See :class:`Register`."""
        (number,) = call.numbers
        located = "?geoData=true" if self._geo_data and call.product in _LOCATED else ""
        response, body = await self._get(_PATHS[call.product, call.kind].format(number) + located, at_send)
        return Reply((kvk_answers.read(call, response, body),), response.status_code)

    async def search(self, query: Mapping[str, str], at_send: AtSend, *, inactive: bool = False) -> Hits:
        """
        Make one free call (Zoeken) and return the first 100 rows that go with *query*, and how many there are.

        Args:
            query: By KVK's own parameters: naam, plaats, straatnaam, postcode, huisnummer, huisletter ...
            at_send: As for :meth:`fetch`.
            inactive: Also those that ended.

        Raises:
            RegisterError: as :meth:`fetch`.
        """
        scope = {"inclusiefInactieveRegistraties": "true"} if inactive else {}
        parameters = urlencode({**query, **scope, "resultatenPerPagina": "100"}, quote_via=quote)
        response, body = await self._get(f"/v2/zoeken?{parameters}", at_send)
        if _found_nothing(response, body):
            return Hits(0, ())
        if response.status_code != HTTPStatus.OK:
            raise kvk_answers.refusal(response, body)
        return kvk_zoeken.hits(readable(kvk_zoeken.decode, body), inactive=inactive)

    async def probe(self, at_send: AtSend) -> timedelta:
        """
        Make one free call (Zoeken) and return by how much the register's clock is ahead of ours.

        Raises:
            RegisterError: as :meth:`fetch`.
        """
        response, body = await self._get(f"/v2/zoeken?kvkNummer={PROBED}&resultatenPerPagina=1", at_send)
        if response.status_code != HTTPStatus.OK and not _found_nothing(response, body):
            raise kvk_answers.refusal(response, body)
        return _http.ahead(response)

    async def _get(self, path: str, at_send: AtSend) -> tuple[httpx2.Response, bytes]:
        return await self._lanes.get(self._base_url + path, accept="application/json", at_send=at_send)


def _found_nothing(response: httpx2.Response, body: bytes) -> bool:
    codes = set(error_codes(body))
    return response.status_code == HTTPStatus.NOT_FOUND and bool(codes) and codes <= kvk_answers.NOTHING_FOUND
