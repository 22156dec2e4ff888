"""
Poison answers, thousands of them: each fails its own question only, and none is taken for what it does not say.

Good answers of the practice registers are spoilt, each by its own seed (``_spoilt(Random(seed), good)``), and brought
to the real clients. What an answer says is read here by the standard library's JSON.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import anyio
import polars as pl
import pyarrow.parquet as pq
import pytest
from tests import here
from tests.figures import Record
from tests.harness import existing
from tests.simulators.fault_server import Step, misbehaving

from kvk_enrich.errors import RegisterError, Transient, Unusable
from kvk_enrich.knowing import TYPING
from kvk_enrich.model import Answer, Call, Failed, Found, Kind, NotFound, Secret
from kvk_enrich.practice import population, vat_numbers, whole
from kvk_enrich.practice.settings import Practice
from kvk_enrich.registers.kvk import Kvk
from kvk_enrich.registers.kvkbase import Kvkbase
from kvk_enrich.registers.vies import Vies

FIRST, SECOND, THIRD = [
    company
    for company in map(population.company, existing(60))
    if company is not None and company.active and company.branches and company.rsin
][:3]
UNKNOWN: Final = "12345678"
KEY: Final = Secret("practice")

REFUSALS: Final = {301, 302, 303, 307, 308, 401, 402, 403}
"""Statuses that may end a run: they are about the key or the address, not about a number."""

REFUSING_CODES: Final = (b"UNAUTHORIZED", b"QUOTA", b"TOKENS", b"BLOCKED", b"REQUESTER")


@dataclass(frozen=True)
class Said:
    """An answer as it goes over the wire."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True)
class Asked:
    """A question, and whom it is for."""

    register: str
    call: Call


def _questions() -> list[Asked]:
    vat = [f"NL{FIRST.rsin}B01", *vat_numbers.numbers("DE", 1), "DE999999999"]
    of_kvk = [("basisprofiel", Kind.KVK, UNKNOWN), ("zoeken", Kind.KVK, UNKNOWN)]
    of_kvkbase: list[tuple[str, Kind, tuple[str, ...]]]
    of_kvkbase = [("lookup", Kind.KVK, (FIRST.number, UNKNOWN, SECOND.number))]
    of_kvkbase += [("enriched", Kind.KVK, (THIRD.number, SECOND.number))]
    for one in (FIRST, SECOND):
        of_kvk += [(name, Kind.KVK, one.number) for name in ("basisprofiel", "vestigingen", "naamgeving", "zoeken")]
        of_kvk += [(name, Kind.BRANCH, one.branches[0].number) for name in ("vestigingsprofiel", "zoeken")]
        of_kvk += [("zoeken", Kind.RSIN, str(one.rsin))]
    for number in (FIRST.number, SECOND.number, UNKNOWN):
        of_kvkbase += [(name, Kind.KVK, (number,)) for name in ("lookup", "enriched", "kvkbase-branches")]
    of_kvkbase += [("validate-vat", Kind.VAT, (number,)) for number in vat]
    return [
        *(Asked("kvk", Call(product, kind, (number,))) for product, kind, number in of_kvk),
        *(Asked("kvkbase", Call(*question)) for question in of_kvkbase),
        *(Asked(register, Call("vies", Kind.VAT, (number,))) for register in ("vies", "vies-get") for number in vat),
    ]


QUESTIONS: Final = _questions()


class Stub:
    """An ASGI app: passes questions on to the practice services, or says what it is told to."""

    def __init__(self) -> None:
        self._practice = whole.create(Practice(latency_seconds=0, requests_per_second=100_000))
        self.says: Said | None = None
        self.said: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.says is None:
            self.said = []

            async def noting(message: Any) -> None:
                self.said.append(message)
                await send(message)

            await self._practice(scope, receive, noting)
            return
        headers = [(name, value) for name, value in self.says.headers if name.lower() != b"content-length"]
        await send({"type": "http.response.start", "status": self.says.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.says.body})


class Registers:
    """The three clients, all of them asking one stub."""

    def __init__(self) -> None:
        self.stub = Stub()
        asked: dict[str, Any] = {"timeout_seconds": 5, "app": self.stub}
        self._clients: Mapping[str, Any] = {
            "kvk": Kvk("http://localhost/api", KEY, **asked),
            "kvkbase": Kvkbase("http://localhost/kvkbase/v1", KEY, **asked),
            "vies": Vies("http://localhost/vies", requester=None, **asked),
            "vies-get": Vies("http://localhost/vies", requester=None, dialect="get", **asked),
        }

    async def ask(self, asked: Asked, says: Said | None) -> tuple[Answer | Failed, ...]:
        """Return the answers when the register *says* so; None: when it answers as it does."""

        async def now() -> None:
            return

        self.stub.says = says
        reply = await self._clients[asked.register].fetch(asked.call, now)
        answers: tuple[Answer | Failed, ...] = reply.answers
        return answers

    async def good(self, asked: Asked) -> Said:
        """Return what the practice service answers, whatever that is."""
        with suppress(RegisterError):
            await self.ask(asked, None)
        start, *parts = self.stub.said
        return Said(start["status"], tuple(start["headers"]), b"".join(part.get("body", b"") for part in parts))


# -- spoiling -----------------------------------------------------------------------------------


def _spoilt(dice: Random, good: Said, others: list[Said]) -> Said:
    """Return *good* with something wrong; *others* are good answers to other questions."""
    ways = [_flip, _flip, _cut, _splice, _value, _value, _key_twice, _field, _foreign, _foreign, _page, _status]
    spoil: Callable[[Random, Said, list[Said]], Said] = dice.choice([*ways, _header, _noise])
    spoilt = spoil(dice, good, others)
    return spoil(dice, spoilt, others) if dice.random() < 0.2 else spoilt


def _flip(dice: Random, said: Said, _: list[Said]) -> Said:
    body = bytearray(said.body or b"\0")
    for _time in range(dice.choice([1, 1, 2, 30])):
        body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
    return replace(said, body=bytes(body))


def _cut(dice: Random, said: Said, _: list[Said]) -> Said:
    return replace(said, body=said.body[: dice.randrange(len(said.body) + 1)])


def _splice(dice: Random, said: Said, _: list[Said]) -> Said:
    at = dice.randrange(len(said.body) + 1)
    junk = dice.choice([b"\0", b"\xff", b"\xed\xa0\x80", b'"', b"{", b"}", b",", b"\\ud800", b"[" * 5_000])
    return replace(said, body=said.body[:at] + junk + said.body[at:])


_ODD: Final = (
    *(b"null", b"true", b"0", b"-1", b"1e999", b"NaN", b"Infinity", b"9" * 5_000, b"18446744073709551616", b'""'),
    *(b"[]", b"{}", b"[null]", b'["x"]', b'"\\ud800"', b'"\\u0000"', b'"=1+1"'),
    *(b"[" * 3_000 + b"]" * 3_000, b'{"a":' * 2_000 + b"1" + b"}" * 2_000),
)


def _value(dice: Random, said: Said, _: list[Said]) -> Said:
    """Put something else in the place of one value."""
    places = [place for place in _places(said.body) if place[0] < place[1]]
    if not places:
        return replace(said, body=dice.choice(_ODD))
    start, end = dice.choice(places)
    return replace(said, body=said.body[:start] + dice.choice(_ODD) + said.body[end:])


def _places(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the plain values of a JSON body begin and end."""
    at = body.find(b":")
    while 0 <= at < len(body):
        start = at + 1
        end = start
        if body[start : start + 1] == b'"':
            end = body.find(b'"', start + 1) + 1
        elif body[start : start + 1] not in (b"{", b"["):
            end = next((place for place in range(start, len(body)) if body[place : place + 1] in b",}]"), start)
        yield start, end
        at = body.find(b":", max(end, start))


_NAMES: Final = [
    b"kvkNummer",
    b"kvkNumber",
    b"vestigingsnummer",
    b"rsin",
    b"vatNumber",
    b"valid",
    b"fout",
    b"resultaten",
]


def _key_twice(dice: Random, said: Said, _: list[Said]) -> Said:
    """Say something twice, and not the same."""
    values = [b'"90000001"', b"null", b"true", b"false", b"[]", b'"%s"' % FIRST.number.encode()]
    twice = b'"%s":%s' % (dice.choice(_NAMES), dice.choice(values))
    if dice.random() < 0.5:
        return replace(said, body=said.body.replace(b"{", b"{%s," % twice, 1))
    return replace(said, body=said.body.rstrip().removesuffix(b"}") + b",%s}" % twice)


def _field(dice: Random, said: Said, _: list[Said]) -> Said:
    """Leave a field out."""
    try:
        tree = json.loads(said.body)
    except ValueError:
        return said
    place = tree
    while isinstance(place, dict) and place:
        name = dice.choice(list(place))
        if not isinstance(place[name], dict) or dice.random() < 0.5:
            del place[name]
            break
        place = place[name]
    return replace(said, body=json.dumps(tree).encode())


def _foreign(dice: Random, said: Said, others: list[Said]) -> Said:
    """Give the body, or all, of another answer."""
    other = dice.choice(others)
    return other if dice.random() < 0.5 else replace(said, body=other.body)


_PAGES: Final = [b"<!doctype html><h1>Not Found</h1>", b"<html>404", b"", b"   ", b"OK", b"null", b"[]", b"{}", b'"x"']
_STATUSES: Final = [200, 201, 202, 204, 206, 400, 404, 406, 408, 409, 410, 418, 422, 500, 501, 502, 503, 504, 521]


def _page(dice: Random, said: Said, _: list[Said]) -> Said:
    """Let something else speak: a proxy, a portal."""
    status, html = dice.choice([200, 400, 404, 500]), ((b"content-type", b"text/html"),)
    return replace(said, status=status, headers=html, body=dice.choice(_PAGES))


def _status(dice: Random, said: Said, _: list[Said]) -> Said:
    return replace(said, status=dice.choice(_STATUSES))


def _header(dice: Random, said: Said, _: list[Said]) -> Said:
    odd = [
        (b"content-encoding", dice.choice([b"gzip", b"deflate", b"br", b"zstd", b"x"])),
        (b"content-type", b"text/html; charset=utf-16"),
        (b"retry-after", dice.choice([b"-1", b"1e9", b"x" * 3_000, b"Thu, 99 Foo 2026", b"\xff"])),
        (b"date", b"yesterday"),
        (b"x-tokens-remaining", dice.choice([b"-5", b"NaN", b"9" * 400, "²".encode()])),
    ]
    return replace(said, headers=(*said.headers, dice.choice(odd)))


def _noise(dice: Random, said: Said, _: list[Said]) -> Said:
    noise, other = dice.randbytes(dice.randrange(2_000)), said.body.decode(errors="replace").encode("utf-16")
    return replace(said, body=dice.choice([noise, other, gzip.compress(said.body)]))


# -- through the clients and readers ------------------------------------------------------------


@pytest.mark.trials(fast=150, torture=5000)
def test_what_is_no_answer_is_not_taken_for_one(trials: int, record: Record, tmp_path: Path) -> None:
    """
    Any bytes with any status: an error that fails the question, or an answer that says so in its own words.

    A share of them goes over the wire, through whole runs (:func:`_over_the_wire`).
    """
    wrong = anyio.run(_read, trials)
    wire = max(trials * 3 // 50, POISON_IN_A_RUN) // POISON_IN_A_RUN * POISON_IN_A_RUN
    for seed in range(0, wire, POISON_IN_A_RUN):
        wrong += _over_the_wire(seed, tmp_path / f"{seed}")
    record("poison-answers", read=trials, wire=wire, wrong=len(wrong))
    assert wrong == []


async def _read(trials: int) -> list[str]:
    registers = Registers()
    goods = {asked: await registers.good(asked) for asked in QUESTIONS}
    wrong = []
    for seed in range(trials):
        dice = Random(seed)
        asked = dice.choice(QUESTIONS)
        others = [
            good
            for other, good in goods.items()
            if other.register.partition("-")[0] == asked.register.partition("-")[0]
        ]
        spoilt = _spoilt(dice, goods[asked], others)
        try:
            _judge(asked, spoilt, await registers.ask(asked, spoilt))
        except (Transient, Unusable):
            pass
        except RegisterError as error:
            if spoilt.status not in REFUSALS and not any(code in spoilt.body for code in REFUSING_CODES):
                wrong.append(f"seed {seed}: {asked}: ends the run: {error!r}")
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  whatever it is, the proof goes on
            wrong.append(f"seed {seed}: {asked}: {type(error).__name__}: {str(error)[:300]}")
    return wrong


def _judge(asked: Asked, said: Said, answers: tuple[Answer | Failed, ...]) -> None:
    assert tuple(answer.number for answer in answers) == asked.call.numbers
    for answer in answers:
        match answer:
            case Found(number, body):
                assert said.status == 200, said
                assert number in _numbers_told(asked.call, body), body[:300]
                columns = TYPING[asked.call.product]([body])
                assert columns.height == 1
            case NotFound(number, reason, body):
                assert _is_denied(asked, said.status, body), (said.status, reason, body[:300])
            case Failed(_, reason, _):
                assert reason == "invalid_doubted" or len(asked.call.numbers) > 1


def _told(body: bytes) -> Any:
    return json.loads(body.decode("utf-8", "strict"), parse_int=lambda digits: float(digits[:300]))


def _numbers_told(call: Call, body: bytes) -> set[str]:
    """Return the numbers that a body is about, all of the kind asked for."""
    told = _told(body)
    if call.product == "zoeken":
        name = {Kind.KVK: "kvkNummer", Kind.RSIN: "rsin", Kind.BRANCH: "vestigingsnummer"}[call.kind]
        numbers = {str(row.get(name)) for row in told["resultaten"]}
        return numbers if len(numbers) == 1 else set()
    if call.product == "vies":
        return (
            {str(told["countryCode"]) + str(told["vatNumber"])}
            if {told.get("valid"), told.get("isValid")} & {True}
            else set()
        )
    if call.product == "validate-vat":
        return {str(told.get("vatNumber") or told.get("vat")).replace(" ", "").replace(".", "").upper()}
    return {str(told.get(name)) for name in ("kvkNummer", "kvkNumber", "vestigingsnummer")}


_ABSENCES: Final = {404: {"IPD0005", "IPD0007", "IPD5200"}, 400: {"IPD0004", "IPD0006", "IPD0010"}}


def _is_denied(asked: Asked, status: int, body: bytes) -> bool:
    """Say whether the register says itself that there is no such number."""
    told = _told(body)
    if asked.register == "kvk":
        codes = {fault["code"] for fault in told["fout"] if isinstance(fault.get("code"), str)}
        return bool(codes & _ABSENCES.get(status, set()))
    if asked.call.product in {"vies", "validate-vat"} and status == 200:
        return False in {told.get("valid"), told.get("isValid"), told.get("status") != "invalid"}
    is_batch = len(asked.call.numbers) > 1
    codes_of = {404: {"NOT_FOUND"}, 400: {"INVALID_KVK_NUMBER", "INVALID_VAT_NUMBER"}}
    allowed = {"NOT_FOUND", "INVALID_KVK_NUMBER"} if is_batch and status == 200 else codes_of.get(status, set())
    return told["error"]["code"] in allowed


# -- over the wire ------------------------------------------------------------------------------

POISON_IN_A_RUN: Final = 10
_NEVER_ALONE: Final = 4
"""Good numbers for each that is poisoned: several bad answers in a row would be a register that is away."""


def _over_the_wire(seed: int, folder: Path) -> list[str]:
    """Run a list with poisoned numbers against a server that answers so, and return what went wrong."""
    folder.mkdir()
    dice = Random(f"wire {seed}")
    numbers = [f"{90_000_000 + place}" for place in range(POISON_IN_A_RUN * (_NEVER_ALONE + 1))]
    goods = [Said(200, (), b'{"kvkNummer":"%s","naam":"Voorbeeld %s B.V."}' % (n, n)) for n in map(str.encode, numbers)]
    poisoned = {}
    for place in range(_NEVER_ALONE, len(numbers), _NEVER_ALONE + 1):
        spoilt = _spoilt(dice, goods[place], goods)
        poisoned[numbers[place]] = replace(spoilt, status=200) if spoilt.status in {202, 204, 206} else spoilt
    listed = folder / "list.csv"
    listed.write_text("kvk\n" + "\n".join(numbers) + "\n")
    steps = {number: Step(raw=_on_the_wire(said)) for number, said in poisoned.items()}
    with misbehaving(folder, about=steps) as server, pytest.MonkeyPatch.context() as patched:
        patched.setenv("KVK_ENRICH_SOURCE_PRACTICE_BASE_URL", server.url)
        home = ("--source", "practice", "--home", folder / "home")
        done = here.command("run", *home, "-o", folder / "out.parquet", listed)
        asked = {number for _, number, *_ in server.requests()}
    if done.returncode not in {0, 3}:
        return [f"wire {seed}: exit code {done.returncode}: {done.stderr[-300:]}"]
    rows = pq.read_table(folder / "out.parquet").to_pylist()
    wrong = [f"wire {seed}: {row}" for row in rows if not _is_true(row, poisoned.get(row["kvk"]))]
    return wrong + ([] if asked == set(numbers) else [f"wire {seed}: not all were asked"])


def _on_the_wire(said: Said) -> str:
    headers = [b"Content-Length: %d" % len(said.body), *(b"%s: %s" % header for header in said.headers)]
    head = b"\r\n".join([b"HTTP/1.1 %d Said" % said.status, *headers])
    return (head + b"\r\n\r\n" + said.body).decode("latin-1")


def _is_true(row: Mapping[str, Any], said: Said | None) -> bool:
    """Say whether a row has what was said of its number, and nothing else."""
    outcome, number = row["enrich_outcome"], row["kvk"]
    if said is None:
        return bool(outcome == "found" and row["kvk_name"] == f"Voorbeeld {number} B.V.")
    if outcome == "failed":
        return bool(row["enrich_reason"]) and row["kvk_name"] is None
    told = _told(said.body)["kvkNummer"]
    return bool(outcome == "found" and said.status == 200 and told == number == row["kvk_number"])
