"""HTTP on the wire: what a server does wrong, and what it is called afterwards."""

import gc
import logging
import time
import tracemalloc
from collections.abc import Iterator

import anyio
import httpx2
import pytest
from tests.simulators.fault_server import AUTHORITY, INSPECTOR, Step, misbehaving

from kvk_enrich.errors import AccessRefused, ConfigError, EnrichError, NotSent, RegisterError, Transient, Unusable
from kvk_enrich.model import Call, Found, Kind, Secret
from kvk_enrich.registers import _http
from kvk_enrich.registers.kvk import Kvk
from kvk_enrich.registers.kvkbase import Kvkbase

CANARY = "l7xx-canary-5f2e"
NUMBER = "69599084"
CALL = Call("basisprofiel", Kind.KVK, (NUMBER,))


async def sent():
    """The moment of sending, without a gate."""


def kvk(url, **options):
    """Return KVK's register at *url*."""
    return Kvk(url, Secret(CANARY), **{"timeout_seconds": 2, **options})


def asked(url, times=1, **options):
    """Ask *times* in a row over one connection if possible; return answers and errors."""

    async def main():
        outcomes = []
        async with kvk(url, **options) as register:
            for _ in range(times):
                try:
                    outcomes.extend((await register.fetch(CALL, sent)).answers)
                except RegisterError as error:
                    outcomes.append(error)
        return outcomes

    return anyio.run(main)


def called(outcome):
    """Return class and reason of an error, ``found`` for an answer."""
    return "found" if isinstance(outcome, Found) else f"{type(outcome).__name__} {outcome.reason}"


CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FAULTS = {
    "in order": (Step(), "found"),
    "compressed": (Step(layers=1), "found"),
    "compressed twice": (Step(layers=2), "found"),
    "no length": (Step(unsized=True), "found"),
    "wrong type": (Step(headers={"Content-Type": "text/html; charset=klingon"}), "found"),
    "thousands of headers": (Step(headers={f"X-{place}": "y" for place in range(5_000)}), "found"),
    "broken cookie": (Step(headers={"Set-Cookie": "a=b; expires=\xff; domain=;;"}), "found"),
    "reset before the answer": (Step(reset=True), "Transient connection_lost"),
    "closed before the answer": (Step(cut=0), "Transient connection_lost"),
    "cut in the headers": (Step(cut=20), "Transient connection_lost"),
    "cut in the body": (Step(cut=100), "Transient connection_lost"),
    "reset in the body": (Step(cut=100, reset=True), "Transient connection_lost"),
    "cut body without length": (Step(unsized=True, cut=90), "Transient unreadable_answer"),
    "cut chunk": (Step(raw=CHUNKED + "ff\r\n{", close=True), "Transient connection_lost"),
    "bad chunk": (Step(raw=CHUNKED + "zz\r\n"), "Transient connection_lost"),
    "not HTTP": (Step(raw="SSH-2.0-OpenSSH\r\n\r\n"), "Transient connection_lost"),
    "negative length": (Step(raw="HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), "Transient connection_lost"),
    "two lengths": (
        Step(raw="HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}"),
        "Transient connection_lost",
    ),
    "a header of 200 kB": (Step(headers={"X": "y" * 200_000}), "Transient connection_lost"),
    "switching protocols": (Step(raw="HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), "Transient connection_lost"),
    "silence": (Step(delay=0.6), "Transient timeout"),
    "continue for ever": (Step(raw="HTTP/1.1 100 Continue\r\n\r\n" * 50), "Transient timeout"),
    "not compressed as said": (Step(headers={"Content-Encoding": "gzip"}), "Unusable unreadable_answer"),
    "cut while compressed": (Step(layers=1, unsized=True, cut=130), "Transient unreadable_answer"),
    "endless": (Step(endless=True), "Unusable answer_too_large"),
    "two megabytes": (Step(zeros=2 << 20), "Unusable answer_too_large"),
    "bomb": (Step(zeros=8 << 20, layers=1), "Unusable answer_too_large"),
    "bomb in a bomb": (Step(zeros=8 << 20, layers=2), "Unusable answer_too_large"),
    "HTML": (Step(body="<html>Log in</html>", headers={"Content-Type": "text/html"}), "Unusable unexpected_answer"),
    "404 of a proxy": (Step(status=404, body="<html>Not Found</html>"), "Unusable unexpected_answer"),
    "no content": (Step(status=204, body=""), "Unusable unexpected_answer"),
    "not modified": (Step(status=304, body=""), "Unusable unexpected_answer"),
    "another company": (Step(body='{"kvkNummer":"12345678","naam":"x"}'), "Unusable wrong_company"),
    "redirect to nowhere": (Step(status=302, headers={"Location": "http://[bad"}), "AccessRefused access_refused"),
    "key refused": (Step(status=401, body=""), "AccessRefused access_refused"),
    "key echoed": (Step(status=403, body=CANARY, headers={"X-Echo": CANARY}), "AccessRefused access_refused"),
}


def test_every_fault_has_its_name_and_no_secret_leaks(tmp_path, caplog, capfd):
    """All faults in a row through one register: each is one error or answer, sent once; the key shows nowhere."""
    caplog.set_level(logging.DEBUG)
    with misbehaving(tmp_path, [step for step, _ in FAULTS.values()]) as server:
        outcomes = asked(server.url, len(FAULTS), timeout_seconds=0.4)
        assert len(server) == len(FAULTS)
    assert dict(zip(FAULTS, map(called, outcomes), strict=True)) == {
        name: expected for name, (_, expected) in FAULTS.items()
    }
    errors = [error for error in outcomes if isinstance(error, EnrichError)]
    shown = [f"{error!r} {error} {error.__dict__}" for error in errors]
    assert not [text for text in [*shown, caplog.text, *capfd.readouterr()] if CANARY in text]
    assert all(error.__suppress_context__ or error.__context__ is None for error in errors)


def test_logs_name_no_company_and_no_header(tmp_path, caplog):
    """Numbers of sole traders are personal data, and a header may echo the key: neither is logged, also at DEBUG."""
    caplog.set_level(logging.DEBUG)
    with misbehaving(tmp_path, [Step(headers={"X-Echo": CANARY})]) as server:
        assert called(*asked(server.url)) == "found"
    assert NUMBER not in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("key", "echo"),
    [
        (CANARY, CANARY),
        ("l7xx/canary+5f2e", "l7xx%2Fcanary%2B5f2e"),
        ("l7xx/canary+5f2e", r"l7xx\/canary+5f2e"),
        ('l7xx"canary\\5f2e', r"l7xx\"canary\\5f2e"),
        ("l7xx/canary+5f2e", r"l7xx/canary\u002B5f2e"),
        ("l7xxcanary", "".join(rf"\u{ord(sign):04x}" for sign in "l7xxcanary")),
        ("l7xxcanary", "bDd4eGNhbmFyeQ"),
    ],
)
def test_a_key_in_an_answer_is_blotted_out(tmp_path, key, echo):
    """The answer is paid for and good; it is kept, the key in it is not."""
    with misbehaving(tmp_path, [Step(body='{"kvkNummer":"%s","naam":"' + echo + '","sbi":"' + echo + '"}')]) as server:

        async def main():
            async with Kvk(server.url, Secret(key), timeout_seconds=2) as register:
                return (await register.fetch(CALL, sent)).answers

        assert anyio.run(main) == (Found(NUMBER, b'{"kvkNummer":"69599084","naam":"***","sbi":"***"}'),)


def test_a_short_key_is_a_word_like_any_other():
    """Blotting it out would spoil what the register says."""
    assert _http.KeyHeader("apikey", Secret("naam")).blotted(b'{"naam":"x"}') == b'{"naam":"x"}'


def test_the_key_is_in_no_header_of_the_client():
    """It is put on the request at the last moment, and does not show when the register is printed."""
    lanes = _http.Lanes(auth=_http.KeyHeader("apikey", Secret(CANARY)), timeout_seconds=1, ca_bundle=None, app=None)
    lane = lanes._opened()
    assert "apikey" not in lane.headers
    assert CANARY not in f"{lane.headers!r} {vars(lane)!r} {vars(lanes)!r}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(tmp_path, status):
    """The key would travel to whoever the answer names."""
    (tmp_path / "there").mkdir()
    with misbehaving(tmp_path / "there") as elsewhere:
        step = Step(status=status, headers={"Location": f"{elsewhere.url}/v1/basisprofielen/{NUMBER}"})
        with misbehaving(tmp_path, [step]) as server:
            assert called(*asked(server.url)) == "AccessRefused access_refused"
        assert len(elsewhere) == 0


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (Step(401, body=""), "key unknown"),
        (Step(403, body="<html>Blocked</html>"), "a proxy or firewall refuses us"),
        (Step(302, {"Location": "/login"}, body="<html>Log in</html>"), "another address, which gets no key"),
    ],
)
@pytest.mark.parametrize(("register", "product"), [(Kvk, "basisprofiel"), (Kvkbase, "lookup")])
def test_a_refusal_says_who_refuses(tmp_path, register, product, step, why):
    """The key is one thing to look at; what stands between us and the register is another."""

    async def main(url):
        async with register(url, Secret(CANARY), timeout_seconds=2) as asked_one:
            with pytest.raises(AccessRefused, match=why):
                await asked_one.fetch(Call(product, Kind.KVK, (NUMBER,)), sent)

    with misbehaving(tmp_path, [step]) as server:
        anyio.run(main, server.url)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_is_given_up_early(tmp_path, layers):
    """Of 64 MB behind a small answer, a few are ever in memory."""
    with misbehaving(tmp_path, [Step(zeros=64 << 20, layers=layers)]) as server:
        tracemalloc.start()
        try:
            outcomes = asked(server.url, timeout_seconds=10)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert called(*outcomes) == "Unusable answer_too_large"
    assert most < 16 << 20


@pytest.mark.parametrize(
    ("certificate", "trusted", "expected", "why"),
    [
        ("right", AUTHORITY, "found", ""),
        ("right", None, "AccessRefused access_refused", "--ca-bundle"),
        ("inspected", AUTHORITY, "AccessRefused access_refused", "--ca-bundle"),
        ("inspected", INSPECTOR, "found", ""),
        ("expired", AUTHORITY, "AccessRefused access_refused", "(certificate has expired)"),
        ("elsewhere", AUTHORITY, "AccessRefused access_refused", "not valid for '127.0.0.1')"),
        ("outdated", AUTHORITY, "AccessRefused access_refused", "no safe connection"),
        ("hang_up", AUTHORITY, "NotSent unreachable", ""),
    ],
)
def test_a_server_that_is_not_who_it_should_be_gets_no_key(tmp_path, certificate, trusted, expected, why):
    """Unknown authority, expired, another name: nothing was sent, the run is to stop. A broken handshake is less."""
    with misbehaving(tmp_path, tls=certificate) as server:
        (outcome,) = asked(server.url, ca_bundle=trusted)
        assert called(outcome) == expected
        assert why in str(outcome)
        assert len(server) == (1 if expected == "found" else 0)


def test_the_environment_names_no_authority(tmp_path, monkeypatch):
    """Whom to trust is a setting of ours: a variable that other programs heed does not widen it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
    with misbehaving(tmp_path, tls="right") as server:
        assert called(*asked(server.url)) == "AccessRefused access_refused"


def test_authorities_are_trusted_besides_those_of_the_system(monkeypatch):
    """Not every connection goes through the proxy that inspects."""
    theirs = httpx2.create_ssl_context(trust_env=False).cert_store_stats()["x509_ca"]
    monkeypatch.setenv("SSLKEYLOGFILE", "/nowhere/keys")
    context = _http.trusting(INSPECTOR)
    assert context.cert_store_stats()["x509_ca"] == theirs + 1
    assert context.keylog_filename is None


def test_plain_http_on_the_port_of_https_is_a_refusal(tmp_path):
    """Whoever answers without TLS is not the register."""
    with misbehaving(tmp_path, [Step(raw="HTTP/1.1 400 Bad Request\r\n\r\n", close=True)]) as server:
        port = server.url.split(":")[2]
        assert called(*asked(f"https://127.0.0.1:{port}", timeout_seconds=0.3)) in {
            "AccessRefused access_refused",
            "NotSent unreachable",  # it may wait for the end of a request that never comes
        }


def test_nobody_there_is_not_sent():
    """A refused connection costs nothing."""
    (outcome,) = asked("http://127.0.0.1:1/api")
    assert isinstance(outcome, NotSent)


def test_a_file_without_certificates_is_a_setting(tmp_path):
    """It is named before the first call."""
    (tmp_path / "empty.pem").write_text("nothing")
    for file in (tmp_path / "empty.pem", tmp_path / "absent.pem"):
        with pytest.raises(ConfigError, match="ca_bundle"):
            kvk("https://127.0.0.1/api", ca_bundle=file)


def test_the_moment_of_sending_is_after_the_connection(tmp_path):
    """What is raised there comes out as it is, and the server has seen no request."""

    class Turned(Exception):
        pass

    async def main(url):
        async with kvk(url) as register:

            async def turn():
                raise Turned

            for _ in range(3):
                with pytest.raises(Turned):
                    await register.fetch(CALL, turn)
            assert (await register.fetch(CALL, sent)).http_status == 200

    with misbehaving(tmp_path) as server:
        anyio.run(main, server.url)
        assert len(server) == 1


def test_a_connection_is_used_again(tmp_path):
    """One after the other: no new handshake for each call; and a server that says it closes each is no trouble."""
    closing = Step(close=True, headers={"Connection": "close"})
    with misbehaving(tmp_path, [Step(), closing, closing, Step()]) as server:
        assert [called(outcome) for outcome in asked(server.url, 4)] == ["found"] * 4
        assert len(server) == 4


def test_a_connection_closed_while_idle_costs_no_call(tmp_path):
    """The close is seen before the next request is sent."""

    async def main(url):
        async with kvk(url) as register:
            for _ in range(4):
                await register.fetch(CALL, sent)
                await anyio.sleep(0.2)  # for the close to arrive, also on a busy machine

    with misbehaving(tmp_path, [Step(close=True)]) as server:
        anyio.run(main, server.url)
        assert len(server) == 4


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("tls", [None, "right"])
def test_a_call_cancelled_at_any_moment_leaves_a_lane_that_works(tmp_path, tls):
    """Cancelled while connecting, waiting, or reading: the next call over the same lane is answered."""
    slow = Step(delay=0.01, drip=0.0005)

    async def main(url):
        async with kvk(url, ca_bundle=AUTHORITY) as register:
            for place in range(25):
                with anyio.move_on_after(place * 0.002):
                    await register.fetch(CALL, sent)
            with anyio.fail_after(2):
                assert (await register.fetch(CALL, sent)).http_status == 200

    with misbehaving(tmp_path, [slow], tls=tls) as server:
        anyio.run(main, server.url)
    gc.collect()  # httpcore2 2.16 leaves a socket to the collector when a handshake is cancelled


def test_a_hundred_at_once_have_a_lane_each(tmp_path):
    """Nobody waits for a connection of another."""

    async def main(url):
        async with kvk(url) as register, anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(register.fetch, CALL, sent)

    with misbehaving(tmp_path, [Step(delay=1)]) as server:
        began = time.monotonic()
        anyio.run(main, server.url)
        assert len(server) == 60
        assert time.monotonic() - began < 30  # of 60, one after the other


def tree(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yield *kind* and all below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


@pytest.mark.parametrize("sent_before", [False, True])
@pytest.mark.parametrize("kind", sorted(set(tree(httpx2.HTTPError)), key=str))
def test_every_error_of_the_client_has_a_name_of_ours(kind, sent_before):
    """Before the sending nothing is owed; afterwards it may be."""
    error = kind.__new__(kind)
    ours = _http.translated(error, sent=sent_before)
    if issubclass(kind, httpx2.DecodingError):
        assert isinstance(ours, Unusable)
    else:
        assert isinstance(ours, Transient if sent_before else NotSent)
    assert not isinstance(ours, AccessRefused)


def test_errors_outside_that_tree_are_known():
    """A new one in the client must be looked at: it would end the run as a bug."""
    outside = {
        name
        for name, kind in vars(httpx2).items()
        if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, httpx2.HTTPError)
    }
    assert outside == {
        "CookieConflict",  # raised when cookies are read by name, which we do not
        "InvalidURL",  # base_url is checked beforehand, numbers are digits
        "RequestNotRead",  # misuse of streams
        "ResponseNotRead",
        "StreamClosed",
        "StreamConsumed",
        "StreamError",
    } | ({"SSEError"} & outside)
