import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from kvk_enrich.practice.serve import serve
from kvk_enrich.practice.settings import Practice

DAGOBERT = "/v1/basisprofielen/69599084"
PROGRAM = """
import json, sys
from pathlib import Path
from kvk_enrich.practice.faults import parse
from kvk_enrich.practice.serve import serve
from kvk_enrich.practice.settings import Practice
given = json.loads(sys.argv[1])
log = Path(given["log"]) if "log" in given else None
settings = Practice(latency_seconds=given.get("latency", 0), faults=tuple(map(parse, given.get("faults", ()))), log=log)
serve(settings, on_ready=lambda urls: print(*urls.values(), flush=True))
print("ended", flush=True)
"""


@contextmanager
def served(**given):
    """A register in another process; gives the process and the base URL of its KVK."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[0]
        finally:
            process.kill()


def connect(url):
    """A connection to the register at *url*."""
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)


def send(connection, path=DAGOBERT):
    """Ask for *path*; the answer is to be read."""
    connection.request("GET", f"/api{path}", headers={"apikey": "practice"})
    return connection.getresponse()


def test_it_tells_its_address_and_answers_there():
    """A free port of this machine, and links that lead back to it."""
    with served() as (_, url):
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/api")
        connection = connect(url)
        body = json.load(send(connection))
        assert body["links"][0]["href"] == url + DAGOBERT
        first = connection.sock
        response = send(connection, "/v1/basisprofielen/12345678")
        response.read()
        assert (response.status, connection.sock) == (404, first)  # the connection was kept
        response = send(connection, "/v1/basisprofielen/1")
        response.read()
        assert (response.status, connection.sock) == (400, None)  # and here closed, as KVK does
        connection.close()


def test_all_services_answer_on_one_port():
    """Each below its own path; a fault of KVK's is not one of the others."""
    with served(faults=["status=503"]) as (_, url):
        connection = connect(url)
        assert send(connection).status == 503
        connection.close()
        for path, status in (("/vies/check-status", 200), ("/kvkbase/v1/health", 200), ("/vies/nothing", 404)):
            connection.request("GET", path, headers={"Authorization": "Bearer kvk_test_practice"})
            response = connection.getresponse()
            response.read()
            assert response.status == status
        connection.close()


def test_headers_are_those_of_the_register_only():
    """One server, one date; nothing tells what runs it."""
    with served() as (_, url):
        connection = connect(url)
        headers = send(connection).headers
        connection.close()

    assert headers.get_all("server") == ["unknown"]
    assert len(headers.get_all("date")) == 1


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_the_answers_on_their_way(sign):
    """No traceback, nothing on stderr, exit code 0, and the caller gets the answer."""
    with served(faults=["delay=0.4"]) as (process, url):
        connection = connect(url)
        connection.request("GET", f"/api{DAGOBERT}", headers={"apikey": "practice"})
        time.sleep(0.2)  # so that the request has arrived
        process.send_signal(sign)
        response = connection.getresponse()
        assert (response.status, json.load(response)["kvkNummer"]) == (200, "69599084")
        connection.close()
        out, err = process.communicate(timeout=120)

    assert (out, err, process.returncode) == ("ended\n", "", 0)


def test_a_reset_is_seen_as_one():
    """No answer, no end of the stream, but the connection torn down; the next one is fine."""
    with served(faults=["reset nth=1"]) as (process, url):
        connection = connect(url)
        with pytest.raises(ConnectionResetError):
            send(connection)
        connection.close()
        assert send(connection).status == 200
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=120) == ("ended\n", "")


def test_a_cut_body_is_shorter_than_promised():
    """Headers and the first bytes arrive, then the connection ends."""
    with served(faults=["cut=20 nth=1"]) as (_, url):
        connection = connect(url)
        response = send(connection)
        with pytest.raises(http.client.IncompleteRead) as cut:
            response.read()
        connection.close()

    assert len(cut.value.partial) == 20
    assert int(response.headers["content-length"]) > 20


def test_the_arrival_is_on_disk_before_the_answer(tmp_path):
    """While the caller waits, the line can be read."""
    log = tmp_path / "arrivals.log"
    with served(log=str(log), faults=["delay=5"]) as (_, url):
        connection = connect(url)
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        connection.request("GET", f"/api{DAGOBERT}", headers={"apikey": "practice"})
        deadline = time.monotonic() + 4
        while not (line := log.read_text()).endswith("\n") and time.monotonic() < deadline:
            time.sleep(0.01)
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        connection.close()

    arrived, number, path, _ = line.split("\t")
    assert before < int(arrived) < after
    assert (number, path) == ("69599084", f"/api{DAGOBERT}")


def test_a_port_in_use_is_told():
    """Before anything is served."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(Practice(), port=taken.getsockname()[1], on_ready=print)
