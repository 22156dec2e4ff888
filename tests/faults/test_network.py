"""What goes wrong between us and the registers (53 to 101), played against a server that misbehaves to order."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from tests import harness
from tests.faults.catalogue import Row, fault, faults, left_out
from tests.faults.runs import CANARY, NUMBERS, Client, Run
from tests.simulators.fault_server import AUTHORITY, INSPECTOR, PROFILE, Step, misbehaving

from kvk_enrich.practice import vat_numbers
from kvk_enrich.reasons import REASONS

OK: Final = Step()
HTML: Final = "<!DOCTYPE html><html><body>Please log in</body></html>"
PAGE: Final = {"Content-Type": "text/html"}


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Who has a list of twelve numbers and an empty home."""
    return Client(tmp_path, monkeypatch)


def said(*codes: str) -> str:
    """Return an error body of KVK."""
    return json.dumps({"fout": [{"code": code, "omschrijving": "Tekst."} for code in codes]})


def profile(**fields: object) -> str:
    """Return a Basisprofiel of the number asked for, with more or other *fields*."""
    return json.dumps(json.loads(PROFILE) | fields)


def alternating(*bad: Step) -> list[Step]:
    """Return a script in which each of *bad* stands between answers that are in order."""
    return [OK, *(step for one in bad for step in (one, OK))]


# -- nobody there -------------------------------------------------------------------------------


@contextmanager
def nameless(patch: pytest.MonkeyPatch, fails: Callable[[int], bool]) -> Iterator[None]:
    """Let the name ``localhost`` resolve, unless *fails* says otherwise of the so-manieth look-up."""
    looked_up, inner = 0, socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        nonlocal looked_up
        if host in {"localhost", b"localhost"}:
            looked_up += 1
            if fails(looked_up):
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            host = "127.0.0.1"
        return inner(host, *rest, **more)

    with patch.context() as patched:
        patched.setattr(socket, "getaddrinfo", look_up)
        yield


@contextmanager
def crowded(port: int) -> Iterator[None]:
    """Listen on *port* and take no connection, so that one more is never made."""
    with ExitStack() as open_:
        listening = open_.enter_context(socket.socket())
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(0)
        with suppress(TimeoutError):
            for _ in range(10):
                open_.enter_context(socket.create_connection(("127.0.0.1", port), timeout=0.1))
        yield


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@faults(
    Row(53, "The register's name does not resolve", "Stopped after three tries; nothing is owed, run again later", 6),
    Row(55, "The connection is refused, or there is no way", "Stopped after three tries; nothing is owed", 6),
    Row(56, "The connection is never made", "Each try ends with the time allowed; otherwise as a refused one", 6),
)
def test_nobody_there(row: Row, client: Client, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, nothing is owed, nothing is written; later the same command does it all."""
    client.set(KVK_TIMEOUT_SECONDS="0.4")
    url = f"http://localhost:{free_port}/api"
    with nameless(monkeypatch, lambda _: row.number == 53), ExitStack() as there:
        if row.number == 56:
            there.enter_context(crowded(free_port))
        run = client.run(url)
    assert run.code == row.ends
    assert "could not be reached" in run.said
    assert "Run the same command again" in run.said
    assert (run.record["calls"]["sent"], run.record["budget"]["used"], run.rows) == (0, 0, {})
    if row.number == 53:
        client.completes(f"http://127.0.0.1:{free_port}/api", free_port, run)


@fault(54, "The name stops resolving in the middle of a run", "Waits and goes on; no row fails, no call is lost", 0)
def test_the_name_is_lost_for_a_while(row: Row, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be sent is asked afterwards, each number once."""
    with (
        misbehaving(client.folder, [Step(close=True, headers={"Connection": "close"})]) as server,
        nameless(monkeypatch, lambda place: 4 < place <= 40),
    ):
        run = client.run(f"http://localhost:{server.port}/api", server)
        assert sorted(server.numbers()) == NUMBERS
    assert run.code == row.ends
    assert set(run.outcomes().values()) == {"found"}
    assert run.record["calls"]["retries"] == 0


# -- not who it should be -----------------------------------------------------------------------


@faults(
    Row(57, "TLS: nobody we trust vouches for the server", "Stopped, no key sent; the message names --ca-bundle", 5),
    Row(
        58,
        "TLS: certificate expired or of another name, or TLS 1.1 at most",
        "Stopped at once, no key sent; no switch allows it. Whether a certificate was revoked is not asked",
        5,
    ),
)
def test_not_who_it_should_be(row: Row, client: Client) -> None:
    """The key stays here; once the server is in order, the same command does it all."""
    wrong = {
        57: {"right": "name the file of its authority with --ca-bundle"},
        58: {"expired": "expired", "elsewhere": "not valid for '127.0.0.1'", "outdated": "no safe connection"},
    }
    for tls, why in wrong[row.number].items():
        trusted = {} if row.number == 57 else {"KVK_CA_BUNDLE": str(AUTHORITY)}
        client.set(**trusted)
        with misbehaving(client.folder, tls=tls) as server:
            run = client.run(server.url, server)
            assert len(server) == 0
        assert run.code == row.ends
        assert why in run.said
        assert (run.record["budget"]["used"], run.rows) == (0, {})
    if row.number == 57:
        client.set(KVK_CA_BUNDLE=str(AUTHORITY))
        client.completes(server.url, server.port, run, tls="right")


@fault(59, "A proxy inspects TLS with an authority of its own", "Refused, until --ca-bundle names that authority", 0)
def test_a_proxy_inspects(row: Row, client: Client) -> None:
    """The check says so beforehand; with the flag it works, also through the command line as users have it."""
    with misbehaving(client.folder, tls="inspected") as server:
        refused = client.run(server.url, server)
        assert (refused.code, len(server)) == (5, 0)
        assert "--ca-bundle" in refused.said
        assert client.command("config", "check", "--online", "--ca-bundle", INSPECTOR).returncode == 0
        env = harness.environment(KVK_API_KEY=CANARY, KVK_ENRICH_SOURCE_KVK_BASE_URL=server.url)
        home = client.folder / "home"
        done = harness.command("run", client.list, "--home", home, "--ca-bundle", INSPECTOR, env=env)
        assert done.returncode == row.ends, done.stderr
        assert sorted(server.numbers()[1:]) == NUMBERS


@fault(72, "A redirect: to the same host, to another, to plain http", "Never followed: stopped, no key sent there", 5)
def test_a_redirect(row: Row, client: Client) -> None:
    """One call, and whoever is named gets none."""
    client.set(KVK_CA_BUNDLE=str(AUTHORITY))
    with misbehaving(client.folder) as elsewhere:
        for tls, place in ((None, "/elsewhere"), ("right", elsewhere.url)):
            with misbehaving(client.folder, [Step(307, {"Location": f"{place}/v1"})], tls=tls) as server:
                run = client.run(server.url, server)
                assert len(server) == 1
            assert run.code == row.ends
            assert "another address, which gets no key" in run.said
        assert len(elsewhere) == 0


def test_plain_http_towards_another_machine_is_refused(client: Client) -> None:
    """Before a connection is made: the key would travel in the open."""
    client.set(KVK_BASE_URL="http://register.example/api")
    done = client.command("run", client.list)
    assert done.returncode == 2
    assert "must be https" in done.stderr


@fault(97, "The environment names a proxy", "Not used, so that it gets neither key nor numbers", 0)
def test_a_proxy_of_the_environment(row: Row, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy sees nothing."""
    with misbehaving(client.folder, [Step(407)]) as proxy, misbehaving(client.folder) as server:
        for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        run = client.run(server.url, server)
        assert (len(proxy), len(server)) == (0, len(NUMBERS))
    assert run.code == row.ends


left_out(
    95,
    "HTTP/2 ends many calls with one connection",
    "Only HTTP/1.1 is offered, and each connection carries one call at a time: one that breaks puts one call in doubt.",
)


# -- the connection breaks ----------------------------------------------------------------------

CHUNKED: Final = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BREAKS: Final[dict[int, Sequence[Step]]] = {
    60: (Step(reset=True), Step(cut=0)),
    62: (Step(cut=100), Step(cut=100, reset=True), Step(raw=CHUNKED + "ff\r\n{", close=True)),
    86: tuple(Step(status, body=HTML) for status in (500, 502, 503, 504)),
    84: (Step(429, body=""), Step(429, body=HTML)),
}


@faults(
    Row(60, "The connection is reset before the answer", "Counted as paid and asked once more, within the budget", 0),
    Row(62, "The connection breaks within the answer", "As before it; half an answer is never kept", 0),
    Row(84, "429 without Retry-After", "Everybody pauses for a second at least; then the call is made again", 0),
    Row(86, "A single 500, 502, 503 or 504", "Asked again after a moment, within the budget for retries", 0),
    slow={62, 84},
)
def test_something_breaks_now_and_then(row: Row, client: Client) -> None:
    """Every row is found; each call that arrived is in the ledger, the retries are told."""
    client.set(KVK_WORKERS="1")
    with misbehaving(client.folder, alternating(*BREAKS[row.number])) as server:
        run = client.run(server.url, server)
        assert len(server) == len(NUMBERS) + len(BREAKS[row.number])
    assert run.code == row.ends
    assert set(run.outcomes().values()) == {"found"}
    assert run.record["calls"]["retries"] == len(BREAKS[row.number])


# -- strange, but an answer ---------------------------------------------------------------------

STRANGE: Final[dict[int, Sequence[Step]]] = {
    61: (Step(close=True),),
    70: (Step(headers={"Content-Type": "text/html; charset=klingon"}), Step(headers={"Content-Type": ""})),
    92: (
        Step(body=profile(naam="N" * 5_000, _embedded={"eigenaar": {"rechtsvorm": "Nieuwe vorm"}})),
        Step(body=profile(nieuw={"a": [1, None]}, _links={"self": {"href": "x"}})),
    ),
    96: (Step(close=True, headers={"Connection": "close"}),),
}


@faults(
    Row(61, "The server ends an idle connection", "Noticed before sending; a call lost in the race counts as paid", 0),
    Row(70, "A wrong content type around a good answer", "Accepted: the body decides", 0),
    Row(92, "New fields, new words, longer texts", "Passed through as they are", 0),
    Row(96, "The server ends the connection after each answer", "Works, slower", 0),
)
def test_strange_but_an_answer(row: Row, client: Client) -> None:
    """Every row is found."""
    steps = STRANGE[row.number]
    with misbehaving(client.folder, [*list(steps) * (24 // len(steps)), OK]) as server:
        run = client.run(server.url, server)
    assert run.code == row.ends
    assert set(run.outcomes().values()) == {"found"}
    if row.number == 92:
        assert ("N" * 5_000, "Nieuwe vorm") in {(one["kvk_name"], one["kvk_legal_form"]) for one in run.rows.values()}


# -- one number's answer is none ----------------------------------------------------------------

NESTED: Final = "[" * 200_000 + "]" * 200_000
POISON: Final[dict[int, Sequence[tuple[Step, str, int]]]] = {
    # row: answers of single numbers, the reason of the failed item, the attempts
    63: ((Step(unsized=True, cut=95), "unreadable_answer", 3),),
    64: ((Step(drip=0.05, swift=80), "timeout", 3),),
    65: ((Step(drip=0.05), "timeout", 3), (Step(delay=0.9), "timeout", 3)),
    66: ((Step(endless=True), "answer_too_large", 1), (Step(zeros=2 << 20), "answer_too_large", 1)),
    67: (
        (Step(zeros=8 << 20, layers=1), "answer_too_large", 1),
        (Step(zeros=8 << 20, layers=2), "answer_too_large", 1),
    ),
    68: (
        (Step(headers={"Content-Encoding": "gzip"}), "unreadable_answer", 1),
        (Step(headers={"Content-Encoding": "klingon"}, body="\x01\x02"), "unexpected_answer", 1),
    ),
    69: (
        (Step(headers={"X": "y" * 1_000_000}), "connection_lost", 3),
        (Step(headers={f"X-Header-{place}": "y" for place in range(10_000)}), "connection_lost", 3),
    ),
    73: (
        (Step(400, body=said("IPD1998")), "request_refused", 1),
        (Step(400, body=HTML), "unexpected_answer", 1),
    ),
    79: (
        (Step(500, body=said("IPD0005")), "server_error", 3),
        (Step(200, body=said("IPD0005")), "unreadable_answer", 1),
        (Step(404, body=profile()), "unexpected_answer", 1),
    ),
    80: tuple((Step(status, body="{}"), "unexpected_answer", 1) for status in (410, 422, 451)),
    88: ((Step(500, body=said("IPD9999")), "server_error", 3),),
    89: (
        (Step(204, body=""), "unexpected_answer", 1),
        (Step(206), "unexpected_answer", 1),
        (Step(304, body=""), "unexpected_answer", 1),
        (Step(raw="HTTP/1.1 100 Continue\r\n\r\n" * 20), "timeout", 3),
    ),
    90: ((Step(body=profile(kvkNummer="12345678")), "wrong_company", 1),),
    91: (
        (Step(body='{"kvkNummer":"%s"}'), "unreadable_answer", 1),
        (Step(body=profile(naam=None)), "unreadable_answer", 1),
        (Step(body='{"naam":"Voorbeeld B.V."}'), "unreadable_answer", 1),
        (Step(body=profile(handelsnamen={})), "unreadable_answer", 1),
    ),
    93: (
        (Step(body=f'{{"kvkNummer":"%s","naam":"x","a":{NESTED}}}'), "unreadable_answer", 3),
        (Step(body=f'{{"kvkNummer":"%s","naam":"x","totaalWerkzamePersonen":{"9" * 5_000}}}'), "unreadable_answer", 1),
        (Step(body='{"kvkNummer":"%s","naam":"x","a":NaN}'), "unreadable_answer", 3),
    ),
    94: ((Step(body='{"kvkNummer":"%s","naam":"x","kvkNummer":"12345678"}'), "wrong_company", 1),),
}
TOGETHER: Final = ((63, 64, 65), (69, 79, 88), (89, 93), (66, 67, 68, 73, 80, 90, 91, 94))
"""Rows played by one run: no more than ten retries in each, as a short run may make no more."""


class Poisoned(NamedTuple):
    """A run in which single numbers had answers that are none, and what was to come of those."""

    run: Run
    expected: dict[str, tuple[int, str, int]]


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Poisoned]]:
    """Play the rows that belong together, each number that is poisoned between two that are not; then all are well."""

    @cache
    def play(numbers: tuple[int, ...]) -> Poisoned:
        client = Client(tmp_path_factory.mktemp("poison"), patch)
        if {64, 65, 89} & set(numbers):
            client.set(KVK_TIMEOUT_SECONDS="0.8")
        poison = [(number, *answer) for number in numbers for answer in POISON[number]]
        client.has(listed := [f"{place:08}" for place in range(90_000_001, 90_000_005 + 2 * len(poison))])
        by_number = dict(zip(listed[2::2], poison, strict=False))
        with misbehaving(client.folder, about={number: step for number, (_, step, *_) in by_number.items()}) as server:
            run = client.run(server.url, server)
        client.completes(server.url, server.port, run)
        return Poisoned(run, {number: (row, reason, tries) for number, (row, _, reason, tries) in by_number.items()})

    with pytest.MonkeyPatch.context() as patch:
        yield lambda number: play(next(numbers for numbers in TOGETHER if number in numbers))


@faults(
    Row(63, "An answer cut short without a sign of it", "Read as damaged: asked three times, then the row fails", 3),
    Row(64, "A body that drips, a byte at a time", "Cut off when the time for a whole call is over; the row fails", 3),
    Row(65, "Headers that drip, or none for too long", "As a body that drips", 3),
    Row(66, "A body without end, or of gigabytes", "Cut off at 1 MiB; the row fails, memory stays small", 3),
    Row(67, "A compression bomb", "Cut off at 1 MiB unpacked; the row fails", 3),
    Row(68, "Wrongly compressed, or in no way we know", "The row fails; the next run asks again", 3),
    Row(69, "Headers of a megabyte, or ten thousand", "Refused by the client; the row fails", 3),
    Row(73, "400: the register refuses the question", "The row fails; five in a row from the start end the run (6)", 3),
    Row(79, "Status and body contradict each other", "Believed is neither: the row fails, it is not 'not found'", 3),
    Row(80, "410, 422 or 451", "The row fails; not tried again in this run", 3),
    Row(88, "One number is always answered with an error", "Three attempts, then its row fails; all others go on", 3),
    Row(89, "100, 204, 206 or 304, which nobody asked for", "No answer: the row fails", 3),
    Row(90, "The answer is about another company", "Never taken: the row fails as wrong_company", 3),
    Row(91, "A field is missing, null or of another type", "The row fails as unreadable_answer; nothing is guessed", 3),
    Row(93, "Nested 200,000 deep, numbers of 5,000 digits, NaN", "The row fails; the run goes on", 3),
    Row(94, "The same key twice in the answer", "The last one counts; if that is another number, the row fails", 3),
    slow={69, 79, 88, 89, 93},
)
def test_a_poison_answer_fails_its_own_row(row: Row, poisoned: Callable[[int], Poisoned]) -> None:
    """All others are found; the failed items say why, how often it was tried, what to do; the next run asks them."""
    run, expected = poisoned(row.number)
    assert run.code == row.ends
    assert run.outcomes() == {number: "failed" if number in expected else "found" for number in run.rows}
    for number, (_, reason, attempts) in ((one, told) for one, told in expected.items() if told[0] == row.number):
        assert run.reasons()[number] == (reason, attempts)
        assert run.failed[number]["what_to_do"] == REASONS[reason].what_to_do
    assert "Run the same command again" in run.said


# -- nothing is as it should be -----------------------------------------------------------------


@faults(
    Row(71, "A web page with 200: a portal or firewall answers", "Not an answer: stopped after five, before more", 6),
    Row(78, "404 without the register's own words", "Never 'not found': stopped after five; check base_url", 6),
)
def test_somebody_else_answers(row: Row, client: Client) -> None:
    """Stopped after five calls, with what to look at; nothing is written."""
    with misbehaving(client.folder, [Step(200 if row.number == 71 else 404, PAGE, HTML)]) as server:
        run = client.run(server.url, server)
        assert len(server) == 5
    assert run.code == row.ends
    assert "does not speak as the register does" in run.said
    assert run.rows == {}


@fault(87, "Every call is answered with an error", "Pauses, then single tries; after five minutes stopped", 6)
def test_an_outage(row: Row, client: Client) -> None:
    """The retries of an outage are few, nothing is written, and what was answered before it is not asked again."""
    client.be_patient(patient=False)
    with misbehaving(client.folder, [OK] * 4 + [Step(503, body=HTML)]) as server:
        run = client.run(server.url, server)
        assert len(server) <= 4 + len(NUMBERS) + 10
    assert run.code == row.ends
    assert "has not answered for" in run.said
    assert "when the register answers" in run.said
    assert run.rows == {}
    client.completes(server.url, server.port, run)


# -- the key ------------------------------------------------------------------------------------


@faults(
    Row(74, "401 or 403 from the start", "Stopped after one call; check the key", 5),
    Row(76, "403 with a web page: a firewall shuts us out", "As a refused key; the message says who refuses", 5),
)
def test_refused_from_the_start(row: Row, client: Client) -> None:
    """One call."""
    refusals = {74: (Step(401, body=""), Step(403, body=said("IPD1998"))), 76: (Step(403, PAGE, HTML),)}
    for step in refusals[row.number]:
        with misbehaving(client.folder, [step]) as server:
            run = client.run(server.url, server)
            assert len(server) == 1
        assert run.code == row.ends
        assert ("a proxy or firewall refuses us" if row.number == 76 else "key unknown") in run.said
        assert "kvk-enrich config check --online" in run.said


@fault(75, "401 in the middle of a run: the key was withdrawn", "No new call; those under way are received and kept", 5)
def test_refused_in_the_middle(row: Row, client: Client) -> None:
    """What was answered before is not asked again once the key is in order."""
    slow = Step(delay=0.1)
    with misbehaving(client.folder, [OK, slow, slow, Step(401, body=""), slow]) as server:
        run = client.run(server.url, server)
        assert len(server) < len(NUMBERS)
    assert run.code == row.ends
    assert run.record["rows"]["found"] >= 3
    client.completes(server.url, server.port, run)


# -- not found ----------------------------------------------------------------------------------


@fault(77, "404 with the register's own code", "Not found: an answer, kept for a week instead of a month", 0)
def test_not_registered(row: Row, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run asks nothing; when the shorter age is over, it asks this one only."""
    monkeypatch.setenv("KVK_ENRICH_CACHE_MAX_AGE_NOT_FOUND", "1d")
    with misbehaving(client.folder, about={NUMBERS[2]: Step(404, body=said("IPD0005"))}) as server:
        run = client.run(server.url, server)
        assert run.code == row.ends
        assert run.rows[NUMBERS[2]]["enrich_reason"] == "not_registered"
        assert client.run(server.url, server).record["calls"]["sent"] == 0
        monkeypatch.setenv("KVK_ENRICH_CACHE_MAX_AGE_NOT_FOUND", "0s")
        assert client.run(server.url, server).record["calls"]["sent"] == 1
    assert server.numbers()[len(NUMBERS) :] == [NUMBERS[2]]


# -- too fast -----------------------------------------------------------------------------------


def dated(ahead: timedelta, clock: datetime) -> dict[str, str]:
    """Return headers that ask for a pause *ahead*, by a server's own *clock*."""
    return {"Date": format_datetime(clock, usegmt=True), "Retry-After": format_datetime(clock + ahead, usegmt=True)}


@faults(
    Row(81, "429 with seconds to wait", "Everybody waits so long, not only that call", 0),
    Row(82, "429 with a date to wait for", "The same, by the register's clock: a wrong one here does not matter", 0),
)
def test_a_pause(row: Row, client: Client) -> None:
    """Nothing arrives for a second after the 429, though its clock is years away from ours."""
    away = dated(timedelta(seconds=1), datetime(2019, 3, 1, tzinfo=UTC))
    pause = Step(429, {"Retry-After": "1"} if row.number == 81 else away, "")
    with misbehaving(client.folder, [OK, OK, pause, OK]) as server:
        run = client.run(server.url, server)
        times = [at for at, *_ in server.requests()]
    assert run.code == row.ends
    assert len(times) == len(NUMBERS) + 1
    assert max(later - earlier for earlier, later in pairwise(times)) > 0.95e9


@fault(83, "429 with an absurd wish", "Nonsense counts as a second; more than five minutes ends the run", 6)
def test_an_absurd_pause(row: Row, client: Client) -> None:
    """Zero, negative, words and dates of the past are borne; thirty years are not."""
    client.set(KVK_WORKERS="1")
    past = dated(timedelta(days=-1), datetime.now(UTC))
    wishes = [{"Retry-After": wish} for wish in ("0", "-5", "soon", "1e9", "9" * 5_000 + "x")]
    with misbehaving(client.folder, alternating(*(Step(429, wish, "") for wish in [*wishes, past]))) as server:
        assert client.run(server.url, server).code == 0
    with misbehaving(client.folder, [Step(429, {"Retry-After": "1000000000"}, "")], port=server.port) as again:
        run = client.run(again.url, again, flags=["--refresh"])
        assert len(again) == 1
    assert run.code == row.ends
    assert "asked for a pause of 1000000000 s" in run.said


@fault(
    85,
    "429 because the month is used up",
    "kvkbase says so: stopped, the rest deferred. KVK has no word for it: after five pauses without an answer stopped"
    " (6), saying that the month may be used up",
    4,
)
def test_the_month_is_used_up(row: Row, client: Client) -> None:
    """By the register's count, whatever ours says."""
    with misbehaving(client.folder, [OK, OK, Step(429, body="")]) as server:
        run = client.run(server.url, server)
    assert run.code == 6
    assert "its month may be used up" in run.said
    spent = Step(429, body='{"error":{"code":"QUOTA_EXCEEDED","message":"x"}}')
    with misbehaving(client.folder, [spent]) as kvkbase:
        client.set(KVKBASE_BASE_URL=kvkbase.url)
        done = client.command("run", client.list, "--source", "kvkbase", "--json")
        assert len(kvkbase) == 1
    assert done.returncode == row.ends
    assert json.loads(done.stdout)["rows"]["deferred"] == len(NUMBERS)
    assert "The month's allowance of this key is used up." in done.stderr


# -- VIES ---------------------------------------------------------------------------------------

VALID: Final = '{"countryCode":"%c","vatNumber":"%s","valid":true,"name":"---","address":"VOORBEELDPLEIN 1"}'


def refusing(code: str) -> Step:
    """Return how VIES says that it cannot say: with 200."""
    return Step(body=json.dumps({"actionSucceed": False, "errorWrappers": [{"error": code}]}))


@contextmanager
def vies(client: Client, numbers: Sequence[str], **refusals: str) -> Iterator[Any]:
    """
    Let the client have *numbers*, and ask a VIES that knows all numbers.

    Args:
        client: Whose list it is.
        numbers: VAT numbers, no two with the same digits, and KVK numbers.
        refusals: By state: the code that its numbers get.
    """
    about = {
        number[2:]: refusing(refusals[number[:2]])
        if number[:2] in refusals
        else Step(body=VALID.replace("%c", number[:2]))
        for number in numbers
        if number[0].isalpha()
    }
    client.has(numbers)
    with misbehaving(client.folder, about=about) as server:
        client.set(VIES_BASE_URL=server.url, VIES_REQUESTS_PER_SECOND="100", VIES_RETRY_WINDOWS="0.01")
        yield server


def one_of(*states: str) -> list[str]:
    """Return a VAT number of each of *states*."""
    return [vat_numbers.numbers(state, 1)[0] for state in states]


@fault(98, "VIES or a member state is away or busy, with 200", "Could not ask: the row fails, never 'not valid'", 3)
def test_vies_is_away(row: Row, client: Client) -> None:
    """Other states have their answers; when the state is back, the same command asks the rest."""
    codes = {
        "FR": "MS_UNAVAILABLE",
        "IT": "MS_MAX_CONCURRENT_REQ",
        "BE": "GLOBAL_MAX_CONCURRENT_REQ",
        "PL": "SERVICE_UNAVAILABLE",
        "AT": "TIMEOUT",
    }
    numbers = one_of("DE", *codes, "SE")
    with vies(client, numbers, **codes) as server:
        run = client.run("http://127.0.0.1:1/api", server)
    assert run.code == row.ends
    assert {number[:2]: reason for number, (reason, _) in run.reasons().items()} == {
        "FR": "vies_unavailable",
        "IT": "vies_busy",
        "BE": "vies_busy",
        "PL": "vies_unavailable",
        "AT": "vies_unavailable",
    }
    assert {run.rows[number]["vat_status"] for number in (numbers[0], numbers[-1])} == {"valid"}
    with vies(client, numbers) as server:
        assert client.run("http://127.0.0.1:1/api", server).code == 0


@fault(99, "VIES refuses a number's form", "The row fails: that says nothing of its existence", 3)
def test_vies_refuses_a_number(row: Row, client: Client) -> None:
    """Once, and the others have their answers."""
    numbers = one_of("DE", "FR", "SE")
    with vies(client, numbers, FR="INVALID_INPUT") as server:
        run = client.run("http://127.0.0.1:1/api", server)
        assert len(server) == len(numbers)
    assert run.code == row.ends
    assert run.reasons() == {numbers[1]: ("request_refused", 1)}


@fault(100, "VIES has blocked this address", "VIES is asked no more; other registers are asked to the end", 3)
def test_vies_shuts_us_out(row: Row, client: Client) -> None:
    """One call to VIES; KVK answers as ever."""
    abroad = one_of("DE", "FR", "SE")
    with (
        vies(client, [*abroad, *NUMBERS[:4]], DE="IP_BLOCKED", FR="IP_BLOCKED", SE="IP_BLOCKED") as server,
        misbehaving(client.folder) as kvk,
    ):
        run = client.run(kvk.url, kvk, server)
        assert len(server) == 1
    assert run.code == row.ends
    assert {reason for reason, _ in run.reasons().values()} == {"vies_blocked"}
    assert run.outcomes() == dict.fromkeys(abroad, "failed") | dict.fromkeys(NUMBERS[:4], "found")


@fault(101, "VIES keeps a name to itself (---)", "Valid, and name or address stay empty", 0)
def test_a_name_is_not_disclosed(row: Row, client: Client) -> None:
    """Dashes are no name."""
    numbers = one_of("DE", "SE")
    with vies(client, numbers) as server:
        run = client.run("http://127.0.0.1:1/api", server)
    assert run.code == row.ends
    assert {(one["vat_status"], one["vat_name"], one["vat_address"]) for one in run.rows.values()} == {
        ("valid", "", "VOORBEELDPLEIN 1")
    }
