"""
Whatever goes wrong, the key is in no file, stream, traceback, command line or environment of a child.

Real processes, all logging on, each with a key that no other text holds; then every byte that is left is looked at.
"""

import base64
import json
import re
import signal
import sqlite3
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import duckdb
import openpyxl
import polars as pl
import pytest
from tests.harness import existing, write_list
from tests.proofs.canary import KEY, Stage, insides, written
from tests.simulators.fault_server import PROFILE, Step, misbehaving

ECHO: Final = json.dumps({"naam": f"{KEY} B.V.", "apikey": KEY})
ECHOED: Final = '{"kvkNummer":"%s","naam":"' + KEY + ' B.V.","handelsnaam":"' + KEY.replace("/", "\\/") + '"}'
HEADERS: Final = {
    # KVK's test environment has sent the first of these.
    "apiAuthzDetails": f"Not Set|{KEY}|1|quota?ok|rate?",
    "Set-Cookie": f"key={KEY}",
    "Warning": f'299 - "{KEY}"',
}
_SAID: Final = '{"fout":[{"code":"%s","omschrijving":"' + KEY + '"}]}'
_ERROR: Final = f'{{"error":{{"code":"NOT_FOUND","message":"{KEY}"}}}}'


def _raw(head: str, body: str = ECHO) -> Step:
    return Step(raw=f"HTTP/1.1 {head}\r\nX-Key: {KEY}\r\n\r\n{body}", close=True)


ANSWERS: Final = [
    Step(body=ECHOED, headers=HEADERS),
    Step(body=ECHOED, layers=1),
    Step(body=ECHOED, layers=2),
    Step(body=ECHOED, unsized=True),
    Step(body=ECHOED, drip=0.001),
    Step(body=ECHOED, close=True),
    Step(body=ECHOED, delay=1.5),
    Step(body=ECHOED, headers=HEADERS, cut=70),
    Step(body=ECHOED, cut=600, reset=True),
    Step(headers=HEADERS, endless=True),
    Step(headers=HEADERS, zeros=2 << 20),
    Step(headers=HEADERS, zeros=8 << 20, layers=1),
    Step(headers=HEADERS | {"Content-Encoding": "gzip"}, body=ECHO),
    Step(headers=HEADERS | {"Content-Type": f"text/{KEY}; charset={KEY}"}, body=ECHO),
    Step(headers=HEADERS, reset=True),
    Step(status=404, body=_SAID.replace("%s", "IPD0005"), headers=HEADERS),
    Step(status=404, body=_SAID.replace("%s", KEY), headers=HEADERS),
    Step(status=404, body=f"<html>{KEY}</html>", headers=HEADERS),
    Step(status=400, body=_SAID.replace("%s", "IPD0009"), headers=HEADERS),
    Step(status=400, body=_SAID.replace("%s", "IPD0004"), headers=HEADERS),
    Step(status=404, body=_SAID.replace("%s", "IPD1002"), headers=HEADERS),
    Step(status=429, body=ECHO, headers=HEADERS | {"Retry-After": KEY}),
    Step(status=500, body=ECHO, headers=HEADERS),
    Step(status=503, body=ECHO, headers=HEADERS),
    Step(status=418, body=ECHO, headers=HEADERS),
    Step(body=f'{{"kvkNummer":"{KEY}","naam":"x"}}', headers=HEADERS),
    Step(body=f'{{"kvkNummer":"%s","naam":{KEY}}}', headers=HEADERS),
    Step(body=f"<html>{KEY}</html>", headers=HEADERS),
    Step(body=f'["{KEY}"]'),
    Step(body='{"kvkNummer":"%s","naam":["' + KEY + '"]}'),
    _raw("200 " + KEY),
    _raw("999 x"),
    _raw("200 OK\r\nContent-Length: " + KEY),
    _raw("200 OK\r\nTransfer-Encoding: chunked", KEY),
    Step(raw=f"{KEY}\r\n\r\n", close=True),
]
"""All ways of answering that a run goes on after, each with the key in it wherever there is room for it."""

PLAYED: Final[dict[str, Callable[[Stage], None]]] = {}
"""Each fault by its name; those first that the short proof plays."""


def played(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
    """Enter a fault by the name of its function."""
    PLAYED[play.__name__.strip("_")] = play
    return play


def _list(stage: Stage, many: int = 2) -> Path:
    return write_list(stage.given / "list.csv", existing(many))


def _workbook(stage: Stage, many: int) -> Path:
    book = openpyxl.Workbook()
    for cell in ("kvk", *existing(many)):
        book.active.append([cell])
    book.save(stage.given / "list.xlsx")
    return stage.given / "list.xlsx"


def _at(url: str, service: str = "KVK") -> dict[str, Any]:
    """Return the variables that lead to the server at *url*."""
    source = f"KVK_ENRICH_SOURCE_{service}_"
    return {f"{source}BASE_URL": url, f"{source}TIMEOUT_SECONDS": "1"}


@played
def _answers(stage: Stage) -> None:
    """Every kind of answer, to a list that a child reads."""
    good = Step(body=ECHOED, headers=HEADERS)
    script = [step for answer in ANSWERS for step in (answer, good)]
    listed = _workbook(stage, len(script))
    with misbehaving(stage.left, script) as server:
        stage.run("run", listed, "-o", "out.xlsx", "--json", **_at(server.url))
        assert len(server) >= len(script)
    assert stage.ends == [3]


@played
def _refused(stage: Stage) -> None:
    """The register does not know the key, and says which."""
    with misbehaving(stage.left, [Step(status=401, body=ECHO, headers=HEADERS)]) as server:
        assert stage.run("run", _list(stage), "-o", "out.csv", **_at(server.url)) == 5


@played
def _crash(stage: Stage) -> None:
    """A bug, with the key at hand where it happens: the traceback shows lines of code, and no values."""
    bug = (
        "import kvk_enrich.registers._http as h, kvk_enrich.cli as c; h.KeyHeader.blotted = lambda *_: 1 / 0; c.main()"
    )
    with misbehaving(stage.left, [Step(body=ECHOED, headers=HEADERS)]) as server:
        assert stage.run("run", _list(stage), "-o", "out.csv", python=("-c", bug), **_at(server.url)) == 1
    assert "ZeroDivisionError" in stage.said()


@played
def _killed(stage: Stage) -> None:
    """Killed while requests with the key are under way; had it crashed, no core would have been dumped."""
    with misbehaving(stage.left, [*[Step(body=ECHOED, headers=HEADERS)] * 4, Step(delay=60)]) as server:
        process = stage.start("run", _list(stage, 12), "-o", "out.csv", **_at(server.url))
        while len(server) < 8 and process.poll() is None:
            time.sleep(0.02)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.kill()
        assert process.wait(120) == -signal.SIGKILL
    assert re.search(r"Max core file size +0 +0 ", limits)


@played
def _full(stage: Stage) -> None:
    """The disk is full while answers come in."""
    with misbehaving(stage.left, [Step(body=ECHOED, headers=HEADERS)]) as server:
        assert stage.run("run", _list(stage, 40), "-o", "out.csv", limit=200_000, **_at(server.url)) == 7


@played
def _kept(stage: Stage) -> None:
    """Answers that repeated the key are kept, handed out and, by a child that makes the cache anew, forgotten."""
    with misbehaving(stage.left, [Step(body=ECHOED, headers=HEADERS)]) as server:
        assert stage.run("run", _list(stage), "-o", "out.parquet", **_at(server.url)) == 0
    assert stage.run("run", _list(stage), "-o", "out.csv", "--offline", **_at(server.url)) == 0
    assert stage.run("cache", "export", "all.json") == 0
    assert stage.run("cache", "forget", existing(1)[0], "--yes") == 0


@played
def _misplaced(stage: Stage) -> None:
    """The key in places where it does not belong."""
    file = stage.given / "wrong.toml"
    file.write_text(f'[source.kvk]\napi_key = "{KEY}"\ntimeout_seconds = 0\n')
    assert stage.run("config", "check", "--config", file) == 2
    assert "api_key" in stage.said()
    stage.holding = {"KVK_API_KEY_FILE": KEY}
    assert stage.run("run", _list(stage)) == 2
    stage.holding = {"KVK_API_KEY": f"{KEY} {KEY}"}
    assert stage.run("run", _list(stage)) == 2


@played
def _shown(stage: Stage) -> None:
    """All that shows settings, with a key from a file that only its owner can read."""
    file = stage.given / "key"
    file.write_text(KEY)
    file.chmod(0o600)
    stage.holding = {"KVK_API_KEY_FILE": str(file), "KVK_ENRICH_SOURCE_KVK_API_KEY": KEY}
    assert stage.run("config", "show", "--json") == 0
    with misbehaving(stage.left, [Step(body=ECHOED, headers=HEADERS)]) as server:
        assert stage.run("run", _list(stage), "-o", "out.parquet", "--json", **_at(server.url)) == 0


@played
def _untrusted(stage: Stage) -> None:
    """Certificates that are no good, and nobody there: the key does not leave."""
    for tls, ends in (("expired", 5), ("right", 5), ("hang_up", 6)):
        with misbehaving(stage.left, tls=tls) as server:
            assert stage.run("config", "check", "--online", **_at(server.url)) == ends
            assert len(server) == 0


@played
def _redirected(stage: Stage) -> None:
    """Sent on to another server, which is not asked."""
    with misbehaving(stage.left) as other:
        for status in (301, 302, 303, 307, 308):
            step = Step(status=status, body=ECHO, headers=HEADERS | {"Location": f"{other.url}/{KEY}"})
            with misbehaving(stage.left, [step]) as server:
                assert stage.run("config", "check", "--online", **_at(server.url)) not in {0, 1}
        assert len(other) == 0


@played
def _nobody(stage: Stage) -> None:
    """No such host."""
    assert stage.run("run", _list(stage), **_at("https://register.invalid/api")) == 6


@played
def _open_file(stage: Stage) -> None:
    """A key file that others can read is not used."""
    file = stage.given / "key"
    file.write_text(KEY)
    file.chmod(0o644)
    stage.holding = {"KVK_API_KEY_FILE": str(file)}
    assert stage.run("run", _list(stage)) == 2


@played
def _terminated(stage: Stage) -> None:
    """Told to end: what is under way is waited for."""
    with misbehaving(stage.left, [Step(body=ECHOED, headers=HEADERS, delay=0.5)]) as server:
        process = stage.start("run", _list(stage, 200), "-o", "out.csv", **_at(server.url))
        while len(server) < 8 and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        assert process.wait(120) == 143


@played
def _developer(stage: Stage) -> None:
    """Python's own debugging: asyncio tells of every step, warnings of what was left open."""
    loud = {"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1"}
    script = [Step(body=ECHOED, headers=HEADERS), Step(status=503, body=ECHO), Step(body=ECHOED, cut=70), Step()]
    with misbehaving(stage.left, script) as server:
        assert stage.run("run", _list(stage, 4), "-o", "out.csv", **_at(server.url), **loud) == 0


@played
def _accounts(stage: Stage) -> None:
    """A key of an account of its own, beside another; that of the other is as secret."""
    stage.holding = {"KVK_API_KEY_CRM": KEY, "KVK_API_KEY": KEY[::2] * 2, "KVKBASE_API_KEY": KEY}
    account = {"KVK_ENRICH_SOURCE_KVK_ACCOUNT": "crm"}
    with misbehaving(stage.left, [Step(body=ECHOED, headers=HEADERS)]) as server:
        assert stage.run("run", _workbook(stage, 2), "-o", "out.csv", **_at(server.url), **account) == 0
    assert stage.run("run", _list(stage), "--source", "kvk", **account | _at("http://127.0.0.1:1/api")) == 6
    assert stage.run("budget", "--json") == 0
    assert stage.run("runs", "--json") == 0


@played
def _kvkbase(stage: Stage) -> None:
    """The other register sends its key in another header, and is searched."""
    stage.holding = {"KVKBASE_API_KEY": KEY}
    script = [
        Step(status=404, body=_ERROR, headers=HEADERS | {"X-Tokens-Remaining": KEY}),
        Step(status=200, body=ECHO, headers=HEADERS),
        Step(status=401, body=_ERROR.replace("NOT_FOUND", KEY), headers=HEADERS),
    ]
    with misbehaving(stage.left, script) as server:
        at = _at(server.url, "KVKBASE")
        assert stage.run("search", "voorbeeld", "--source", "kvkbase", **at) == 0
        assert stage.run("search", "voorbeeld", "--source", "kvkbase", "--json", **at) != 0
        assert stage.run("run", _list(stage), "--source", "kvkbase", **at) == 5


@played
def _damaged(stage: Stage) -> None:
    """A cache full of answers is damaged and set aside, and made anew."""
    with misbehaving(stage.left, [Step(body=ECHOED, headers=HEADERS)]) as server:
        assert stage.run("run", _list(stage), "-o", "out.csv", **_at(server.url)) == 0
        cache = stage.left / "home" / "cache.duckdb"
        cache.write_bytes(cache.read_bytes()[: cache.stat().st_size // 2])
        assert stage.run("run", _list(stage), "-o", "out.csv", **_at(server.url)) == 0
    assert list(cache.parent.glob("*.quarantine-*"))


@pytest.mark.trials(fast=1, torture=len(PLAYED))
def test_the_key_is_nowhere(tmp_path, trials, record):
    """Each fault on a stage of its own: files, streams, command lines and environments are searched."""
    places, hits = 0, []
    for name, play in list(PLAYED.items())[:trials]:
        stage = Stage(tmp_path / name)
        play(stage)
        places += len(list(stage.places()))
        hits += [f"{name}: {hit}" for hit in stage.hits()]
    record("canary", faults=len(ANSWERS) + trials - 1, places=places, hits=len(hits))
    assert hits == []


def test_the_search_finds_a_key(tmp_path):
    """However it is written, and in whatever kind of file: otherwise to find nothing means nothing."""
    stage = Stage(tmp_path)
    ways = written(KEY)
    for place, way in enumerate(ways.values()):
        (stage.left / f"{place:02}").write_bytes(b"before" + way + b"after")
    assert {hit.partition(": ")[2] for hit in stage.hits()} == set(ways)
    b64 = base64.b64encode(f"apikey:{KEY}".encode())
    pl.DataFrame({"a": [KEY] * 9}).write_parquet(tmp_path / "a.parquet", compression="zstd")
    pl.DataFrame({"a": [KEY]}).write_excel(tmp_path / "a.xlsx")
    with closing(sqlite3.connect(tmp_path / "a.sqlite")) as sql:
        sql.execute("CREATE TABLE a AS SELECT ? AS b", [zlib.compress(b64)])
        sql.commit()
    with closing(duckdb.connect(tmp_path / "a.duckdb")) as sql:
        sql.execute("CREATE TABLE a AS SELECT ? AS b", [PROFILE % (KEY, KEY)])
    for path in tmp_path.glob("a.*"):
        assert any(way in data for data in insides(path) for way in ways.values()), path.name
