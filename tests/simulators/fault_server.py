"""
A register that misbehaves to order: a raw-socket server in a process of its own.

Each request is answered by the next step of a script (the last step repeats), unless there is a step for
its number. Before it answers, the server appends ``time number request``, a tab and the names of the headers
to its log: the log, not the client, says what arrived. The time is that of the boot clock in nanoseconds; the
request is its first line; the number is the last part of the path, of a POST that of its body.
"""

import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Final

CERTIFICATES: Final = Path(__file__).parent / "certificates"
AUTHORITY: Final = CERTIFICATES / "authority.pem"
"""Trust this, and the server's certificate ``right`` is in order."""
INSPECTOR: Final = CERTIFICATES / "inspector.pem"
"""The authority of a proxy that inspects: trust this, and its certificate ``inspected`` is in order."""

PROFILE: Final = '{"kvkNummer":"%s","naam":"Voorbeeld %s B.V."}'


@dataclass(frozen=True, slots=True)
class Step:
    """
    How one request is answered. Left as it is: 200 and a small Basisprofiel of the number asked for.

    Args:
        status: HTTP status.
        headers: Besides Content-Length.
        body: Text; ``%s`` is the number asked for. None: a Basisprofiel.
        delay: Seconds of silence before the answer.
        raw: Sent instead of all the above, as latin-1.
        cut: So many bytes of the answer are sent, then the connection ends.
        reset: End the connection with a reset instead of a close; without *cut* before any byte.
        drip: Seconds between two bytes.
        swift: So many bytes go at once before the drip begins.
        unsized: No Content-Length: the end of the connection ends the body.
        close: Close after the answer without having said so.
        endless: The body goes on for ever (chunked).
        layers: Compress the body with gzip so many times, and say so.
        zeros: The body is so many zeros.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    delay: float = 0.0
    raw: str | None = None
    cut: int | None = None
    reset: bool = False
    drip: float = 0.0
    swift: int = 0
    unsized: bool = False
    close: bool = False
    endless: bool = False
    layers: int = 0
    zeros: int = 0


@dataclass(frozen=True)
class FaultServer:
    """A running server."""

    url: str
    log: Path

    def requests(self) -> list[tuple[int, str, str]]:
        """Return time, number and first line of each request so far."""
        lines = [line.split("\t")[0].split(" ", 2) for line in self._lines()]
        return [(int(at), number, request) for at, number, request in lines]

    def numbers(self) -> list[str]:
        """Return the number of each request so far, in order of arrival."""
        return [number for _, number, _ in self.requests()]

    def headers(self) -> list[set[str]]:
        """Return the names of the headers of each request so far, in lower case."""
        return [set(line.split("\t")[1].split(",")) for line in self._lines()]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rsplit(":", 1)[1].split("/")[0])

    def _lines(self) -> list[str]:
        return self.log.read_text(encoding="latin-1").splitlines() if self.log.exists() else []

    def __len__(self) -> int:
        """Return how many requests have arrived."""
        return len(self.requests())


@contextmanager
def misbehaving(
    folder: Path,
    script: Sequence[Step] = (Step(),),
    *,
    tls: str | None = None,
    about: Mapping[str, Step] | None = None,
    port: int = 0,
) -> Iterator[FaultServer]:
    """
    Yield a server that answers by *script*.

    Args:
        folder: Where the log goes.
        script: One step per request; the last one repeats.
        tls: Name of a certificate (``right``, ``expired``, ``elsewhere``, ``inspected``), ``outdated`` for a right one
            and no protocol above TLS 1.1, ``hang_up`` to close in the middle of the handshake; None for plain HTTP.
        about: Numbers that are always answered by a step of their own.
        port: Where to listen, such as where an earlier server did; 0 takes a free one.
    """
    log = folder / f"faults-{time.monotonic_ns()}.log"
    orders = json.dumps(
        {
            "log": str(log),
            "tls": tls,
            "script": [asdict(step) for step in script],
            "about": {number: asdict(step) for number, step in (about or {}).items()},
            "port": port,
        }
    )
    process = subprocess.Popen([sys.executable, "-I", "-S", __file__], stdin=PIPE, stdout=PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(orders)
        process.stdin.close()
        port = int(process.stdout.readline())
        yield FaultServer(f"{'https' if tls else 'http'}://127.0.0.1:{port}/api", log)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(120)
        process.stdout.close()


class _Server:
    def __init__(
        self,
        log: str,
        tls: str | None,
        script: Sequence[dict[str, object]],
        about: Mapping[str, dict[str, object]],
        port: int,
    ) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._hang_up = tls == "hang_up"
        self._context = _context(tls) if tls and not self._hang_up else None
        self._script = [Step(**step) for step in script]  # type: ignore[arg-type]
        self._about = {number: Step(**step) for number, step in about.items()}  # type: ignore[arg-type]
        self._port = port
        self._lock = threading.Lock()
        self._served = 0

    def serve(self) -> None:
        with socket.create_server(("127.0.0.1", self._port), backlog=256) as listening:
            print(listening.getsockname()[1], flush=True)  # noqa: T201 - the port, for who started us
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._hang_up:
                connection.recv(0x4000)
                connection.close()
                return
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                while self._answer(connection):
                    pass

    def _answer(self, connection: socket.socket) -> bool:
        """Read one request and answer it; False when the connection has ended."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return False
            head += byte
        request, *lines = head.decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        number = _number(request, _received(connection, int(headers.get("content-length", 0))))
        with self._lock:
            step = self._about.get(number) or self._script[min(self._served, len(self._script) - 1)]
            self._served += number not in self._about
            at = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            os.write(self._log, f"{at} {number} {request}\t{','.join(headers)}\n".encode("latin-1"))
        time.sleep(step.delay)
        return _send(connection, step, number)


def _received(connection: socket.socket, size: int) -> bytes:
    body = b""
    while len(body) < size and (more := connection.recv(size - len(body))):
        body += more
    return body


def _number(request: str, body: bytes) -> str:
    """Return which number is asked for: VIES has it in the body."""
    told = re.search(rb'"vatNumber":"(\w+)"', body)
    return told[1].decode() if told else request.split(" ")[1].split("?", 1)[0].rsplit("/", 1)[-1]


def _send(connection: socket.socket, step: Step, number: str) -> bool:
    """Answer by *step*; False when the connection has ended."""
    answer = _answer(step, number)
    if step.reset and step.cut is None:
        answer = b""
    if step.drip:
        connection.sendall(answer[: step.swift])
        for place in range(step.swift, len(answer)):
            connection.sendall(answer[place : place + 1])
            time.sleep(step.drip)
    else:
        connection.sendall(answer[: step.cut])
    while step.endless:
        connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    if step.reset:
        _reset(connection)
    if step.reset or step.cut is not None or step.unsized or step.close:
        connection.close()
        return False
    return True


def _answer(step: Step, number: str) -> bytes:
    if step.raw is not None:
        return step.raw.encode("latin-1")
    text = PROFILE % (number, number) if step.body is None else step.body.replace("%s", number)
    body = bytes(step.zeros) or text.encode("latin-1")
    headers = {"Content-Type": "application/json", **step.headers}
    for _ in range(step.layers):
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        body = packer.compress(body) + packer.flush()
    if step.layers:
        headers["Content-Encoding"] = ", ".join(["gzip"] * step.layers)
    if step.endless:
        headers["Transfer-Encoding"] = "chunked"
        body = b""
    elif not step.unsized:
        headers["Content-Length"] = str(len(body))
    lines = [f"HTTP/1.1 {step.status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _context(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if name == "outdated":
        name = "right"
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.load_cert_chain(CERTIFICATES / f"{name}.pem")
    return context


if __name__ == "__main__":
    _Server(**json.load(sys.stdin)).serve()
