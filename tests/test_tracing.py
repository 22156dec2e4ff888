"""Spans: what took how long, to a collector that is wanted; nothing otherwise, and never a number."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.harness import existing, write_list

from kvk_enrich import ExitCode, flow, tracing
from kvk_enrich.config import Job, load
from kvk_enrich.progress import Progress


@contextmanager
def collecting(status: int = 200) -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of an OTLP/HTTP collector on this machine, and what it was sent."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A run on the practice register."""
    listed = write_list(tmp_path / "list.csv", existing(3))
    given = {"input": listed, "home": tmp_path / "home", "output": tmp_path / "out.parquet", "source": "practice"}
    return load(given, environ={"KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"})


class Heard(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_collector_gets_the_parts_of_a_run(job: Job, monkeypatch: pytest.MonkeyPatch):
    """One trace: the run above reading, planning, asking and writing, with counts; no number of the list."""
    with collecting() as (url, bodies):
        monkeypatch.setenv(tracing.ENDPOINT, url)
        finished = flow.run(job)
    assert finished.exit_code == ExitCode.COMPLETE
    (body,) = bodies
    sent = ExportTraceServiceRequest.FromString(body)
    spans: dict[str, Any] = {each.name: each for each in sent.resource_spans[0].scope_spans[0].spans}
    assert list(spans) == ["read", "plan", "ask practice", "ask", "write", "run"]
    assert {spans[name].parent_span_id for name in ("read", "plan", "ask", "write")} == {spans["run"].span_id}
    assert spans["ask practice"].parent_span_id == spans["ask"].span_id
    assert {each.key: each.value.int_value for each in spans["read"].attributes} == {"rows": 3}
    assert not [number for number in existing(3) if number.encode() in body]


@pytest.mark.parametrize("where", ["http://127.0.0.1:1", "nonsense"])
def test_a_collector_that_is_away_is_a_note(job: Job, monkeypatch: pytest.MonkeyPatch, where: str):
    """The run ends as it would, and soon."""
    monkeypatch.setenv(tracing.ENDPOINT, where)
    monkeypatch.setattr(tracing, "_SECONDS", 0.5)
    told, began = Heard(), time.monotonic()
    with tracing.traced(told.note), tracing.span("run"):
        pass
    assert told.notes == ["The spans of the run could not be sent. The run is not affected."]
    assert time.monotonic() - began < 10


def test_an_error_is_told_by_its_kind(monkeypatch: pytest.MonkeyPatch):
    """Its text may hold a number."""
    with collecting() as (url, bodies):
        monkeypatch.setenv(tracing.ENDPOINT, url)
        with pytest.raises(ValueError, match="12345678"), tracing.traced(print), tracing.span("run"):
            raise ValueError("12345678")
    assert b"ValueError" in bodies[0]
    assert b"12345678" not in bodies[0]


def test_without_the_extra_the_run_does_without(monkeypatch: pytest.MonkeyPatch):
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    told = Heard()
    with tracing.traced(told.note, {tracing.ENDPOINT: "http://127.0.0.1:1"}), tracing.span("run") as put:
        put("rows", 1)
    (note,) = told.notes
    assert "pip install 'kvk-enrich[otel]'" in note


def test_nothing_is_imported_where_nobody_asked():
    """No collector, no cost."""
    code = (
        "import sys; from kvk_enrich import flow, tracing\n"
        "with tracing.traced(print), tracing.span('run') as put: put('rows', 1)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean)
    assert done.stdout.strip() == "[]"
