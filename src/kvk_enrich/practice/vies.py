"""
The practice VIES: its three documented operations and the web site's GET, on the practice population.

::

    app = create(Practice(latency_seconds=0))  # answers below /vies

What happens to a request, in this order: its arrival is logged; one that breaks the contract is
refused; after too many in a day it is IP_BLOCKED; with too many under way it is throttled; then
the scripted faults; then the answer, after the latency.

Not known of VIES, so switchable: the status of INVALID_INPUT, the consultation number of an
invalid answer, whether sole traders are disclosed.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from kvk_enrich.practice import vat_numbers, wire
from kvk_enrich.practice import vies_answers as answers
from kvk_enrich.practice.arrivals import ArrivalLog
from kvk_enrich.practice.settings import Practice
from kvk_enrich.practice.vat_numbers import UNDISCLOSED, Holder
from kvk_enrich.practice.vies_answers import Json
from kvk_enrich.practice.vies_faults import ViesFault, ViesScript

PREFIX: Final = "/vies"

_PATTERN: Final = re.compile(r"[0-9A-Z+*]{2,12}", re.ASCII)
_NOT_MONITORED: Final = frozenset({"DE"})


class _Question(NamedTuple):
    """A number, and how it is answered in the dialect that it was asked in."""

    state: str
    rest: str
    answer: Callable[[Holder | None], Json]
    failure: Callable[[str], Response]

    @property
    def number(self) -> str:
        return self.state + self.rest


def create(settings: Practice) -> ASGIApp:
    """Return a practice VIES, below ``/vies``; each one has its own counts, and writes to the log of *settings*."""
    vies = _Vies(settings)
    return Router(
        [
            Route(f"{PREFIX}/check-vat-number", vies.post, methods=["POST"]),
            Route(f"{PREFIX}/check-vat-test-service", vies.test_service, methods=["POST"]),
            Route(f"{PREFIX}/check-status", vies.status),
            Route(f"{PREFIX}/ms/{{state}}/vat/{{rest}}", vies.get),
        ]
    )


class _Vies:
    """What all requests share: counts, faults, latency and log."""

    def __init__(self, settings: Practice) -> None:
        self._settings = settings.vies
        self._seed = settings.seed
        self._clock = settings.clock
        self._log = ArrivalLog(settings.log) if settings.log is not None else None
        self._script = ViesScript(settings.vies.faults, seed=settings.seed, started_ns=settings.clock.boot_ns())
        self._latency = wire.Latency(settings.latency_seconds, settings.seed)
        self._under_way: Counter[str] = Counter()
        self._of_days: Counter[str] = Counter()

    async def post(self, request: Request) -> ASGIApp:
        """Answer POST /check-vat-number."""
        arrived_ns = self._clock.boot_ns()
        given = await _given(request)
        state, rest = given.get("countryCode", ""), given.get("vatNumber", "")
        self._enter(request, arrived_ns, state + rest)
        breach = _breach(given)
        if breach is not None:
            return _json(answers.envelope(breach), _status_of(breach))
        if state not in vat_numbers.STATES:
            return self._failure("INVALID_INPUT")
        requester = given.get("requesterMemberStateCode", "") + given.get("requesterNumber", "")
        if requester and not requester.startswith("EU") and not vat_numbers.is_well_made(requester):
            return self._failure("INVALID_REQUESTER_INFO")

        def answer(found: Holder | None) -> Json:
            now = self._clock.now()
            is_proved = requester and (found is not None or self._settings.proof_of_invalid)
            proof = answers.proof(requester, state + rest, answers.moment(now)) if is_proved else ""
            return answers.checked(state, rest, now, found, proof) | answers.traded(state, given, found)

        return await self._answered(_Question(state, rest, answer, self._failure), arrived_ns)

    async def get(self, request: Request) -> ASGIApp:
        """Answer GET /ms/{state}/vat/{number}, the web site's own."""
        arrived_ns = self._clock.boot_ns()
        state, asked = request.path_params["state"], request.path_params["rest"]
        rest = asked.removeprefix(state)  # the site corrects a prefix given twice
        self._enter(request, arrived_ns, state + rest)

        def failure(code: str) -> Response:
            return _json(answers.seen(asked, self._clock.now(), code, None, corrected=rest))

        def answer(found: Holder | None) -> Json:
            nothing = "" if vat_numbers.is_well_made(state + rest) else UNDISCLOSED
            verdict = "INVALID" if found is None else "VALID"
            return answers.seen(asked, self._clock.now(), verdict, found, nothing=nothing, corrected=rest)

        if "-" in rest:
            return _json(answers.envelope("VOW-ERR-1"), HTTPStatus.INTERNAL_SERVER_ERROR)
        if state not in vat_numbers.STATES or _PATTERN.fullmatch(rest) is None:
            return failure("INVALID_INPUT")
        return await self._answered(_Question(state, rest, answer, failure), arrived_ns)

    async def test_service(self, request: Request) -> Response:
        """Answer POST /check-vat-test-service: the number says what comes."""
        given = await _given(request)
        state, rest = given.get("countryCode", ""), given.get("vatNumber", "")
        if not state:
            return self._failure("INVALID_INPUT")
        if rest not in {"100", "200"}:
            return self._failure(answers.MAGIC.get(rest, "SERVICE_UNAVAILABLE"))
        found = answers.JOHN_DOE if rest == "100" else None
        return _json(answers.checked(state, rest, self._clock.now(), found, ""))

    async def status(self, _request: Request) -> Response:
        """Answer GET /check-status."""
        states = [{"countryCode": state, "availability": self._availability(state)} for state in vat_numbers.STATES]
        return _json({"vow": {"available": True}, "countries": states})

    def _availability(self, state: str) -> str:
        if state in _NOT_MONITORED:
            return "Monitoring Disabled"
        return "Unavailable" if self._script.is_away(state, self._clock.boot_ns()) else "Available"

    async def _answered(self, question: _Question, arrived_ns: int) -> ASGIApp:
        """Return the answer to *question*, or what limits and faults put in its place."""
        with self._entered(question.state):
            excess = self._excess(question.state)
            if excess is not None:
                return question.failure(excess)
            scripted = self._script.next(question.number, arrived_ns) or ViesFault()
            await self._latency.pause(scripted.fault.delay)
            if scripted.fault.reset:
                raise ConnectionResetError("reset by the practice register, as scripted")
            return partial(
                _sent, self._replaced(scripted, question) or self._right(scripted, question), scripted, question
            )

    def _right(self, scripted: ViesFault, question: _Question) -> Response:
        found = vat_numbers.holder(question.number, seed=self._seed, sole_traders=self._settings.sole_traders)
        return _json(question.answer(None if scripted.false_invalid else found))

    def _replaced(self, scripted: ViesFault, question: _Question) -> Response | None:
        """Return what stands in the place of the right answer, if anything does."""
        fault = scripted.fault
        if scripted.code is not None:
            return question.failure(scripted.code)
        wish = fault.retry_after_header(self._clock.now())
        headers = {} if wish is None else {"Retry-After": wish}
        if fault.body is not None:
            return wire.misplaced(fault.body, fault.status or HTTPStatus.OK, headers)
        if fault.status is None:
            return None
        if fault.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return _json(answers.envelope("VOW-ERR-1"), fault.status)
        return Response(wire.PAGE, fault.status, headers, "text/html")

    def _failure(self, code: str) -> Response:
        """Return POST's envelope: an error with the status of an answer."""
        is_refusal = code in {"INVALID_INPUT", "INVALID_REQUESTER_INFO"}
        return _json(answers.envelope(code), self._settings.refusal_status if is_refusal else HTTPStatus.OK)

    def _enter(self, request: Request, arrived_ns: int, number: str) -> None:
        """Count and log a request; what could break a line of the log is escaped."""
        self._of_days[f"{self._clock.now():%F}"] += 1
        if self._log is not None:
            self._log.add(arrived_ns, quote(number, safe="+*"), quote(request.url.path), "")

    @contextmanager
    def _entered(self, state: str) -> Iterator[None]:
        self._under_way[state] += 1
        try:
            yield
        finally:
            self._under_way[state] -= 1

    def _excess(self, state: str) -> str | None:
        """Return the code of the limit that the newest request goes beyond, if any."""
        if self._of_days[f"{self._clock.now():%F}"] > self._settings.calls_per_day:
            return "IP_BLOCKED"
        if self._under_way.total() > self._settings.at_once:
            return "GLOBAL_MAX_CONCURRENT_REQ"
        return "MS_MAX_CONCURRENT_REQ" if self._under_way[state] > self._settings.at_once_per_state else None


async def _given(request: Request) -> Mapping[str, str]:
    """Return the fields of the request; those that are no text count as not given."""
    try:
        fields = msgspec.json.decode(await request.body(), type=dict[str, object])
    except msgspec.DecodeError:
        return {}
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _breach(given: Mapping[str, str]) -> str | None:
    """Return the code of what breaks the contract."""
    if not given.get("countryCode") or not given.get("vatNumber"):
        return "VOW-ERR-11"
    if "-" in given["vatNumber"]:
        return "VOW-ERR-1"
    if _PATTERN.fullmatch(given["vatNumber"]) is None:
        return "VOW-ERR-2600"
    requester_state, requester = given.get("requesterMemberStateCode", ""), given.get("requesterNumber", "")
    if (requester_state or requester) and requester_state not in {*vat_numbers.STATES, "EU"}:
        return "VOW-ERR-2500"
    return "VOW-ERR-2700" if requester_state and _PATTERN.fullmatch(requester) is None else None


def _status_of(breach: str) -> HTTPStatus:
    return HTTPStatus.INTERNAL_SERVER_ERROR if breach == "VOW-ERR-1" else HTTPStatus.BAD_REQUEST


def _json(body: Json, status: int = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


async def _sent(
    response: Response, scripted: ViesFault, question: _Question, scope: Scope, receive: Receive, send: Send
) -> None:
    await response(scope, receive, wire.altering(send, scripted.fault, question.rest))
