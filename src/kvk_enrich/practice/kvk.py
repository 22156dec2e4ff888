"""
The paths of KVK's APIs, and what each answers: media types, parameters, errors, switches.

Not known of KVK, so switchable in the settings: what becomes of ended registrations, the list of
branches where there are none, the style of links, and an Accept header with nothing we have.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from kvk_enrich.practice import answers, codes, population, published, zoeken
from kvk_enrich.practice.answers import Json, Links
from kvk_enrich.practice.company import Company
from kvk_enrich.practice.settings import Practice

JSON: Final = "application/json"
HAL: Final = "application/hal+json"

_BASES: Final = ("/api", "/test/api")  # as at KVK, whose links stay in the environment that was asked
_ZOEKEN_VERSION: Final = "2.1.0"
_PROFILE_VERSION: Final = "1.5.0"
_NAAMGEVING_VERSION: Final = "1.1.0"  # of the same time as the others' 1.4; what it is today is not known


@dataclass(frozen=True, slots=True)
class _Number:
    """A kind of number in a path: its form, whose it is, and KVK's codes for a wrong and for an unknown one."""

    pattern: str
    find: Callable[..., Company | None]
    not_valid: str
    not_delivered: str


_COMPANY: Final = _Number(r"[0-9]{8}", population.company, "IPD0004", "IPD0005")
_BRANCH: Final = _Number(r"[0-9]{12}", population.company_by_branch, "IPD0006", "IPD0007")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks of a company: by which *number*, and with *geo* data or without."""

    number: str
    links: Links
    geo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """
    What a path with a number in it gives.

    Args:
        body: Makes the answer; None: not deliverable.
        of: The kind of number in the path.
        located: Whether geoData may be asked for; a list of branches takes the parameter and has nothing to add.
        version: Told with the answer.
    """

    body: Callable[[Company, _Asked], Json | None]
    of: _Number = _COMPANY
    located: bool = True
    version: str = _PROFILE_VERSION


def router(settings: Practice) -> Router:
    """Return the register behind the gate."""
    profile = "/v1/basisprofielen/{number}"
    products = {
        profile: _Product(body=_in_parts(answers.basisprofiel)),
        f"{profile}/eigenaar": _Product(body=_in_parts(answers.eigenaar)),
        f"{profile}/hoofdvestiging": _Product(body=_in_parts(answers.hoofdvestiging)),
        f"{profile}/vestigingen": _Product(body=partial(_vestigingen, settings)),
        "/v1/vestigingsprofielen/{number}": _Product(body=_vestigingsprofiel, of=_BRANCH),
        "/v1/naamgevingen/kvknummer/{number}": _Product(
            body=lambda company, asked: answers.naamgeving(company, asked.links),
            located=False,
            version=_NAAMGEVING_VERSION,
        ),
    }
    endpoints = {path: partial(_answer, product, settings) for path, product in products.items()}
    endpoints["/v2/zoeken"] = partial(_zoeken, settings)
    routes = [Route(base + path, endpoint) for base in _BASES for path, endpoint in endpoints.items()]
    return Router(routes, default=_no_such_product)


def _in_parts(part: Callable[..., Json | None]) -> Callable[[Company, _Asked], Json | None]:
    return lambda company, asked: part(company, asked.links, geo=asked.geo)


def _vestigingen(settings: Practice, company: Company, asked: _Asked) -> Json | None:
    return answers.vestigingen(company, asked.links) if company.branches or settings.branchless == "empty" else None


def _vestigingsprofiel(company: Company, asked: _Asked) -> Json:
    branch = next(branch for branch in company.branches if branch.number == asked.number)
    return answers.vestigingsprofiel(company, branch, asked.links, geo=asked.geo)


async def _answer(product: _Product, settings: Practice, request: Request) -> Response:
    """Answer a path with a number in it."""
    media_type = _accepted(request, settings)
    if media_type is None:
        return _not_acceptable()
    number = request.path_params["number"]
    parameters = {name.lower(): value.lower() for name, value in request.query_params.items()}
    geo = parameters.pop("geodata", "false") if product.located else "false"
    if parameters:
        return fout("IPD1999", ", ".join(parameters))
    if geo not in {"true", "false"}:
        return fout("IPD1998", geo)
    if re.fullmatch(product.of.pattern, number) is None:
        return fout(product.of.not_valid, number)
    if number in published.TROUBLED:
        return fout(published.TROUBLED[number], number)
    registered = product.of.find(number, seed=settings.seed)
    company = None if registered is None else settings.as_of_now(registered)
    body = None
    if company is not None and (company.active or settings.ended == "given"):
        body = product.body(company, _Asked(number, _links(request, settings, media_type), geo == "true"))
    return fout(product.of.not_delivered, number) if body is None else _found(body, media_type, product.version)


async def _zoeken(settings: Practice, request: Request) -> Response:
    """Answer a search."""
    media_type = _accepted(request, settings)
    if media_type is None:
        return _not_acceptable()
    try:
        query = zoeken.parse(request.query_params.multi_items())
    except zoeken.BadQuery as bad:
        return fout(bad.code, bad.asked)
    number = query.given.get("kvknummer", "")
    if number in published.TROUBLED:
        return fout(published.TROUBLED[number], number)
    body = zoeken.answer(query, _links(request, settings, media_type), seed=settings.seed, now=settings.as_of_now)
    return fout("IPD5200", "") if body is None else _found(body, media_type, _ZOEKEN_VERSION)


async def _no_such_product(scope: Scope, receive: Receive, send: Send) -> None:
    await fout("IPD0001", quote(scope["path"]))(scope, receive, send)


def _accepted(request: Request, settings: Practice) -> str | None:
    """Return the media type to answer in; None: nothing we have is accepted. Weights are not looked at."""
    for given in request.headers.get("accept", JSON).lower().split(","):
        match given.partition(";")[0].strip():
            case "application/json" | "application/*" | "*/*" | "":
                return JSON
            case "application/hal+json":
                return HAL
    return None if settings.not_acceptable else JSON


def _not_acceptable() -> Response:
    return fout("IPD1998", "", status=406)


def _links(request: Request, settings: Practice, media_type: str) -> Links:
    asked: answers.LinkStyle = "_links" if media_type == HAL else "links"
    url = request.url
    base = next(base for base in _BASES if url.path.startswith(f"{base}/"))
    style = asked if settings.link_style == "asked" else settings.link_style
    return Links(style, f"{url.scheme}://{url.netloc}{base}")


def _found(body: Json, media_type: str, version: str) -> Response:
    return Response(msgspec.json.encode(body), 200, {"API-Version": version}, media_type)


def fout(code: str, asked: str, *, status: int | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return KVK's own error; always as application/json, whatever was asked for."""
    body = msgspec.json.encode(codes.body_of(code, asked))
    return Response(body, codes.status_of(code) if status is None else status, headers, JSON)
