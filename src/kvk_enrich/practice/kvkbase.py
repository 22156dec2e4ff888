"""
The practice kvkbase as an ASGI app: keys, tokens, limits, batches and errors of kvkbase's API.

::

    app = create(Practice(latency_seconds=0, kvkbase=Kvkbase(tier="starter")))

Its paths begin with ``/v1`` or ``/kvkbase/v1``. What happens to a request, in this order: its
arrival is logged (a batch with all its numbers, commas between); no key or one that begins with
"wrong" is refused (401); then the minute's limit and the month's tokens (both 429); then the
scripted faults; then the answer, after the latency. What is refused with 401 or 429 costs nothing.

Assumed, as no document says so: the paths of branches, the body of a batch, and whatever
:class:`Kvkbase` lets one choose.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kvk_enrich.practice.answers import Json
from kvk_enrich.practice.arrivals import ArrivalLog
from kvk_enrich.practice.dice import Dice
from kvk_enrich.practice.faults import Fault, Script
from kvk_enrich.practice.kvkbase_answers import CODES, Answers, error
from kvk_enrich.practice.settings import Practice
from kvk_enrich.practice.tokens import TokenAccount
from kvk_enrich.practice.wire import PAGE, Latency, altering, misplaced

MOST_IN_BATCH: Final = 100
SHORTEST_TEXT: Final = 2

BASIC: Final = 1
ENRICHED: Final = 5
"""Tokens for a number. Source: the vendor's API reference, 2026-03."""

_PRICES: Final = MappingProxyType(
    {"branches": 5, "validate/vat": 1, "search": 1, "autocomplete": 1, "health": 0}  # a lookup's is in its request
)
_OWN_PATH: Final = re.compile(
    r"(?:/kvkbase)?/v1/(lookup|branches|validate/vat|search|autocomplete|health|batch)(?:/([^/]+))?"
)
_METHODS: Final = MappingProxyType({"batch": "POST"})
_CODE_OF_STATUS: Final = MappingProxyType(
    {401: "UNAUTHORIZED", 429: "RATE_LIMIT_EXCEEDED", 500: "INTERNAL_ERROR", 502: "UPSTREAM_ERROR"}
)


class _BadRequest(Exception):
    """The request cannot be understood; the message says why."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that can be understood: for *numbers*, or for a *text*, or for neither."""

    service: str
    numbers: tuple[str, ...] = ()
    text: str = ""
    most: int = 0
    enrich: bool = False

    @property
    def price(self) -> int:
        """Tokens for each number, or for the request where it has none."""
        return _PRICES.get(self.service, ENRICHED if self.enrich else BASIC)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A request that is let in, and the *tokens* that its key has paid."""

    asked: _Asked
    key: str
    tokens: int


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer before it goes out, and how many of the numbers in it were found."""

    body: Json
    status: int = 200
    found: int = 0


class PracticeKvkbase:
    """One practice kvkbase; it has its own limits, counts and log."""

    def __init__(self, settings: Practice) -> None:
        """Begin with nothing spent."""
        own, started_ns = settings.kvkbase, settings.clock.boot_ns()
        self._own = own
        self._seed = settings.seed
        self._clock = settings.clock
        self._log = ArrivalLog(settings.log) if settings.log is not None else None
        strikes_numbers = [fault.code is not None and fault.status is None for fault in own.faults]
        self._on_requests, self._on_numbers = (
            Script(
                (fault for fault, on_number in zip(own.faults, strikes_numbers, strict=True) if on_number is wanted),
                seed=settings.seed,
                started_ns=started_ns,
            )
            for wanted in (False, True)
        )
        self._latency = Latency(settings.latency_seconds, settings.seed)
        self._answers = Answers(settings)
        self._accounts: dict[str, TokenAccount] = {}

    def spent(self, key: str) -> int:
        """Return the tokens that *key* has spent this month."""
        return self._account(key).spent(self._clock.now())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        arrived_ns = self._clock.boot_ns()
        if scope["type"] != "http":
            raise NotImplementedError("only HTTP is spoken here")
        request = Request(scope, receive)
        key = _key(request)
        asked = _understood(request, await request.body())
        numbers = asked.numbers if isinstance(asked, _Asked) else ()
        if self._log is not None:
            self._log.add(arrived_ns, quote(",".join(numbers), safe=","), quote(scope["path"]), key)
        admitted = self._admitted(asked, key, arrived_ns)
        if isinstance(admitted, Response):
            await admitted(scope, receive, send)
            return
        about = numbers[0] if numbers else ""
        fault = self._on_requests.next(about, arrived_ns) or Fault()
        await self._latency.pause(fault.delay)
        if fault.reset:
            raise ConnectionResetError("reset by the practice register, as scripted")
        response = self._response(admitted, fault, arrived_ns)
        await response(scope, receive, altering(send, fault, about))

    def _admitted(self, asked: _Asked | Response, key: str, arrived_ns: int) -> _Admitted | Response:
        """Return the request with its tokens taken, or why this key may not ask this now."""
        if isinstance(asked, _Asked) and asked.service == "health":
            return _Admitted(asked, key, 0)
        if not key or key.startswith("wrong"):
            return _error("UNAUTHORIZED")
        account, now = self._account(key), self._clock.now()
        wait = account.seconds_to_wait(arrived_ns, self._requests_in(asked))
        headers = self._headers(key, arrived_ns)
        if wait:
            return _error("RATE_LIMIT_EXCEEDED", headers={**headers, "Retry-After": str(wait)})
        if isinstance(asked, Response):
            asked.headers.update(headers)
            return asked
        numbers, left = len(asked.numbers) or 1, account.left(now)
        if asked.service == "batch" and self._own.over_allowance == "part":
            numbers = min(numbers, left // asked.price)
        tokens = numbers * asked.price
        if not 0 < tokens <= left:
            return _error("QUOTA_EXCEEDED", headers=headers)
        account.spend(tokens, now)
        return _Admitted(asked, key, tokens)

    def _requests_in(self, asked: _Asked | Response) -> int:
        """Return how many of the minute's requests this one counts for."""
        return len(asked.numbers) or 1 if isinstance(asked, _Asked) and self._own.batch_counts == "each" else 1

    def _response(self, admitted: _Admitted, fault: Fault, arrived_ns: int) -> Response:
        """Return the answer, or what *fault* puts in its place; what was not found may be given back."""
        now, asked, key = self._clock.now(), admitted.asked, admitted.key
        replaced = fault.status is not None or fault.body is not None
        said = None if replaced else self._said(asked, admitted.tokens, arrived_ns)
        if key and self._own.charges == "found":
            found = said.found * asked.price if said is not None else 0
            self._account(key).spend(found - admitted.tokens, now)
        headers = self._headers(key, arrived_ns) if key else {}
        retry_after = fault.retry_after_header(now)
        headers |= {} if retry_after is None else {"Retry-After": retry_after}
        return _json(said.body, said.status, headers) if said is not None else _misdone(fault, headers)

    def _said(self, asked: _Asked, tokens: int, arrived_ns: int) -> _Said:
        if asked.service == "health":
            return _Said(self._answers.health())
        if asked.service in {"search", "autocomplete"}:
            find = self._answers.search if asked.service == "search" else self._answers.autocomplete
            hits = find(asked.text)[: asked.most]
            return _Said({"results": hits}, found=1) if hits else _failed("NOT_FOUND", asked.text)
        if asked.service == "batch":
            return self._batch(asked, tokens, arrived_ns)
        (number,) = asked.numbers
        said = self._of_number(asked, number, arrived_ns)
        return _failed(said, number) if isinstance(said, str) else _Said(said, found=1)

    def _of_number(self, asked: _Asked, number: str, arrived_ns: int) -> Json | str:
        """Return what is said of one number: a body, or the code of why there is none."""
        fault = self._on_numbers.next(number, arrived_ns)
        if fault is not None and fault.code is not None:
            return fault.code
        match asked.service:
            case "branches":
                return self._answers.branches(number)
            case "validate/vat":
                return self._answers.validated(number)
            case _:
                return self._answers.lookup(number, enrich=asked.enrich)

    def _batch(self, asked: _Asked, tokens: int, arrived_ns: int) -> _Said:
        """Return what is said of each number; those that the *tokens* do not reach fail."""
        affordable = tokens // asked.price
        said = {
            number: self._of_number(asked, number, arrived_ns) if place < affordable else "QUOTA_EXCEEDED"
            for place, number in enumerate(asked.numbers)
            if not Dice(self._seed, number, "gap").chance(self._own.batch_gaps)
        }
        results = [body for body in said.values() if isinstance(body, dict)]
        failed = [
            {"kvkNumber": number, **error(code, number)} if self._own.failed_as == "objects" else number
            for number, code in said.items()
            if isinstance(code, str)
        ]
        if self._own.batch_order == "reversed":
            results.reverse()
        charged = len(results) * asked.price if self._own.charges == "found" else tokens
        body = {"results": results, "failed": failed, "tokensUsed": charged}
        return _Said(body, found=len(results))

    def _account(self, key: str) -> TokenAccount:
        if key not in self._accounts:
            self._accounts[key] = TokenAccount(*self._own.allowance)
        return self._accounts[key]

    def _headers(self, key: str, now_ns: int) -> dict[str, str]:
        """Return the headers that tell a key what is left."""
        account, now = self._account(key), self._clock.now()
        return {
            "X-RateLimit-Limit": str(account.requests_per_minute),
            "X-RateLimit-Remaining": str(account.requests_left),
            "X-RateLimit-Reset": str(int(now.timestamp()) + account.seconds_to_reset(now_ns)),
            "X-Tokens-Remaining": str(account.left(now)),
        }


def create(settings: Practice) -> PracticeKvkbase:
    """Return a practice kvkbase; each one has its own limits, counts and log."""
    return PracticeKvkbase(settings)


def _understood(request: Request, body: bytes) -> _Asked | Response:
    """Return what is asked, or the error for a request that asks nothing we know."""
    found = _OWN_PATH.fullmatch(request.url.path)
    if found is None:
        return Response(PAGE, 404, media_type="text/html")
    service, number = found[1], unquote(found[2]) if found[2] else None
    if request.method != _METHODS.get(service, "GET"):
        return Response(PAGE, 405, media_type="text/html")
    parameters = dict(parse_qsl(request.url.query))
    try:
        return _READERS.get(service, _one_number)(service, number, parameters, body)
    except _BadRequest as bad:
        return _error("INVALID_REQUEST", str(bad))


def _one_number(service: str, number: str | None, parameters: Mapping[str, str], _body: bytes) -> _Asked:
    if number is None:
        raise _BadRequest("a number is missing")
    return _Asked(service, (number,), enrich=service == "lookup" and parameters.get("enrich") == "true")


def _text(service: str, _number: str | None, parameters: Mapping[str, str], _body: bytes) -> _Asked:
    text = parameters.get("q", "").strip()
    most = parameters.get("pageSize" if service == "search" else "limit", "10")
    if len(text) < SHORTEST_TEXT or not most.isdecimal():
        raise _BadRequest(f"q with at least {SHORTEST_TEXT} characters is needed")
    return _Asked(service, text=text, most=int(most))


def _nothing(service: str, _number: str | None, _parameters: Mapping[str, str], _body: bytes) -> _Asked:
    return _Asked(service)


class _BatchBody(msgspec.Struct, rename="camel"):
    kvk_numbers: list[str]
    enrich: bool = False


def _many_numbers(service: str, _number: str | None, _parameters: Mapping[str, str], body: bytes) -> _Asked:
    try:
        asked = msgspec.json.decode(body, type=_BatchBody)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _BadRequest("kvkNumbers with an array of KVK numbers is needed") from None
    if not 1 <= len(asked.kvk_numbers) <= MOST_IN_BATCH:
        raise _BadRequest(f"kvkNumbers holds 1 to {MOST_IN_BATCH} numbers")
    return _Asked(service, tuple(asked.kvk_numbers), enrich=asked.enrich)


_READERS: Final[Mapping[str, Callable[[str, str | None, Mapping[str, str], bytes], _Asked]]] = MappingProxyType(
    {"search": _text, "autocomplete": _text, "health": _nothing, "batch": _many_numbers}
)


def _key(request: Request) -> str:
    """Return the key of a request: a bearer token, or the parameter ``apikey``."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else request.query_params.get("apikey", "")


def _failed(code: str, about: str) -> _Said:
    return _Said(error(code, about), CODES.get(code, (HTTPStatus.BAD_REQUEST, ""))[0])


def _misdone(fault: Fault, headers: Mapping[str, str]) -> Response:
    """Return the answer that *fault* puts in the place of the right one."""
    if fault.body is not None:
        return misplaced(fault.body, fault.status or 200, headers)
    status = fault.status or 200
    code = fault.code or _CODE_OF_STATUS.get(status)
    return _json(error(code), status, headers) if code else Response(PAGE, status, headers, "text/html")


def _error(code: str, about: str = "", *, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    said = _failed(code, about)
    return _json(said.body, said.status, headers)


def _json(body: Json | Sequence[Json], status: int, headers: Mapping[str, str]) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")
