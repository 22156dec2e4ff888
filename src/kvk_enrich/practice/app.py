"""
The practice register as an ASGI app: headers, limits and faults in front of the answers of :mod:`.kvk`.

::

    app = create(Practice(latency_seconds=0, log=Path("arrivals.log")))

What happens to a request, in this order: its arrival is logged; no key or one that begins with
"wrong" is refused (401); then the limits (429); then the scripted faults; then the answer, after
the latency. Refusals come at once.

Not known of KVK, so our own choice: the bodies of 401, 403 and 429 (a gateway's JSON, in which
``code`` tells the rate from the month's quota), and that errors count towards the month.

A connection that breaks (``cut``, ``reset``) is a :exc:`ConnectionResetError` out of the app, with
``cut`` after a part of the body was sent; :mod:`.serve` does the same to the real connection.
"""

import re
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kvk_enrich.practice import kvk, published
from kvk_enrich.practice.arrivals import ArrivalLog, key_mark
from kvk_enrich.practice.faults import Fault, Script
from kvk_enrich.practice.kvk import JSON, fout
from kvk_enrich.practice.limits import Allowance, Excess
from kvk_enrich.practice.settings import Practice
from kvk_enrich.practice.wire import PAGE, Latency, altering, misplaced

_HEADERS: Final = (
    # on every answer, as recorded in August 2026
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"frame-ancestors 'none', default-src 'none'"),
    (b"feature-policy", b"'none'"),
    (b"keep-alive", b"timeout=60"),
    (b"referrer-policy", b"no-referrer"),
    (b"server", b"unknown"),
    (b"strict-transport-security", b"max-age=157680002; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_CLOSING = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR})  # as recorded
_NUMBER_IN_PATH = re.compile(r"/v1/(?:basisprofielen|vestigingsprofielen|naamgevingen/kvknummer)/([^/]+)")
_NUMBER_PARAMETERS = ("kvknummer", "rsin", "vestigingsnummer")


def create(settings: Practice) -> ASGIApp:
    """Return a practice register; each one has its own limits, counts and log."""
    return _Register(settings)


class _Register:
    """The gate in front of the answers: what a gateway does at KVK, and what we script."""

    def __init__(self, settings: Practice) -> None:
        clock = settings.clock
        self._settings = settings
        self._boot_ns = clock.boot_ns
        self._log = ArrivalLog(settings.log) if settings.log is not None else None
        self._script = Script(settings.faults, seed=settings.seed, started_ns=clock.boot_ns())
        self._allowances: dict[str, Allowance] = {}
        self._latency = Latency(settings.latency_seconds, settings.seed)
        self._answers = kvk.router(settings)
        published.companies(settings.seed)  # made now, not while the first caller waits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arrived_ns = self._boot_ns()  # before all else: the log is held against the pace
        if scope["type"] != "http":
            await self._answers(scope, receive, send)
            return
        request = Request(scope)
        key = request.headers.get("apikey", "")
        number = _number_asked(scope)
        if self._log is not None:
            self._log.add(arrived_ns, number, _sent_path(scope), key)
        send = partial(_send_with_headers, send, key)
        refusal = self._refusal(key, arrived_ns)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        fault = self._script.next(number, arrived_ns) or Fault()
        await self._latency.pause(fault.delay)
        if fault.reset:
            raise ConnectionResetError("reset by the practice register, as scripted")
        scripted = _scripted(fault, number, fault.retry_after_header(self._settings.clock.now()))
        await (scripted or self._answers)(scope, receive, altering(send, fault, number))

    def _refusal(self, key: str, arrived_ns: int) -> Response | None:
        if not key or key.startswith("wrong"):
            return _gateway(401, key)
        if key not in self._allowances:
            self._allowances[key] = Allowance(self._settings.requests_per_second, self._settings.calls_per_month)
        excess = self._allowances[key].take(arrived_ns, self._settings.clock.now())
        if excess is Excess.RATE:
            return _gateway(429, key, code="PRACTICE_RATE", retry_after="1")
        return None if excess is None else _gateway(429, key, code="PRACTICE_QUOTA")


def _gateway(status: int, about: str, *, code: str | None = None, retry_after: str | None = None) -> Response:
    """Return a refusal of the gateway in front of the API: JSON, but not KVK's ``fout``."""
    body = {"status": status, "message": HTTPStatus(status).phrase, "requestId": key_mark(about)}
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Response(msgspec.json.encode(body | ({"code": code} if code else {})), status, headers, JSON)


def _scripted(fault: Fault, number: str, retry_after: str | None) -> Response | None:
    """Return the answer that *fault* puts in the place of the right one, if it does."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    if fault.body is not None:
        return misplaced(fault.body, fault.status or 200, headers)
    code = fault.code or ("IPD9999" if fault.status == HTTPStatus.INTERNAL_SERVER_ERROR else None)
    if code is not None:
        return fout(code, number, status=fault.status, headers=headers)
    if fault.status is None:
        return None
    if fault.status in {401, 403, 429}:
        return _gateway(fault.status, number, retry_after=retry_after)
    return Response(PAGE, fault.status, headers, "text/html")


async def _send_with_headers(send: Send, key: str, message: Message) -> None:
    """Send with the headers of every answer; one of them echoes the key, as KVK's test environment does."""
    if message["type"] == "http.response.start":
        echo = f"Not Set|{key}|00000000-0000-0000-0000-000000000000|quota?ok|rate?".encode("latin-1", "replace")
        closing = [(b"connection", b"close")] if message["status"] in _CLOSING else []
        headers = [*message["headers"], *_HEADERS, (b"apiauthzdetails", echo), *closing]
        message = {**message, "headers": headers}
    await send(message)


def _number_asked(scope: Scope) -> str:
    """Return the number that a request is about, digits only; empty where it is about none."""
    in_path = _NUMBER_IN_PATH.search(scope["path"])
    if in_path is not None:
        candidates = [in_path[1]]
    else:
        parameters = {name.lower(): value for name, value in parse_qsl(scope["query_string"].decode("latin-1"))}
        candidates = [parameters[name] for name in _NUMBER_PARAMETERS if name in parameters]
    return next((number for number in candidates if number.isascii() and number.isdecimal()), "")


def _sent_path(scope: Scope) -> str:
    """Return the path without anything that could break a line of the log."""
    return quote(scope["path"])
