"""
A register that judges pace: it takes little of the machine, and the kernel says when requests came.

Every question is answered with a small Basisprofiel after half a second on average. A request's moment is that of
the segment that ended it (SO_TIMESTAMPNS, wall clock), so it is right even when this process, too, was held up.
Before it answers, the server appends ``time<TAB>number`` to its log.
"""

import heapq
import json
import os
import random
import selectors
import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from itertools import count
from typing import Final

_SO_TIMESTAMPNS: Final = 35
_STAMP: Final = struct.Struct("qq")
_SECOND_NS: Final = 1_000_000_000
_SPREAD: Final = 0.3
_END: Final = b"\r\n\r\n"
_PROFILE: Final = '{"kvkNummer":"%s","naam":"Voorbeeld %s B.V."}'


class _Connection:
    """One client; over TLS the bytes pass through memory, so that those with the stamp are ours to receive."""

    def __init__(self, wire: socket.socket, context: ssl.SSLContext | None) -> None:
        self.wire = wire
        wire.settimeout(0)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._said = b""
        self._tls: ssl.SSLObject | None = None
        if context is not None:
            self._inward, self._outward = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = context.wrap_bio(self._inward, self._outward, server_side=True)

    def receive(self) -> tuple[int, str] | None:
        """Take what has come: the moment and number of a request that is whole. ConnectionError at the end."""
        data, ancillary, _, _ = self.wire.recvmsg(0x10000, socket.CMSG_SPACE(_STAMP.size))
        if not data:
            raise ConnectionResetError
        self._said += self._opened(data) if self._tls else data
        if not self._said.endswith(_END):
            return None
        target, self._said = self._said.split(b" ", 2)[1], b""
        seconds, rest = _STAMP.unpack(ancillary[0][2])
        return seconds * _SECOND_NS + rest, target.rpartition(b"/")[2].decode()

    def send(self, data: bytes) -> None:
        if self._tls:
            self._tls.write(data)
            data = self._outward.read()
        self.wire.send(data)

    def _opened(self, data: bytes) -> bytes:
        """Return what the records in *data* say; what the handshake wants is answered."""
        assert self._tls is not None
        self._inward.write(data)
        said = b""
        with suppress(ssl.SSLWantReadError):
            if self._tls.version() is None:
                self._tls.do_handshake()
            while more := self._tls.read(0x10000):
                said += more
        if self._outward.pending:
            self.wire.send(self._outward.read())
        return said


class _Server:
    def __init__(self, log: str, latency: float, certificate: str | None) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._latency = latency
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._ready = selectors.DefaultSelector()
        self._due: list[tuple[float, int, _Connection, bytes]] = []
        self._order = count()
        self._dice = random.Random(1)

    def serve(self) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
            listening.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)  # connections inherit it
            print(listening.getsockname()[1], flush=True)  # noqa: T201 - the port, for who started us
            self._ready.register(listening, selectors.EVENT_READ)
            while True:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                for key, _ in self._ready.select(wait if wait is None else max(0, wait)):
                    if key.data is None:
                        connection = _Connection(listening.accept()[0], self._context)
                        self._ready.register(connection.wire, selectors.EVENT_READ, connection)
                    else:
                        self._attend(key.data)
                while self._due and self._due[0][0] <= time.monotonic():
                    _, _, connection, answer = heapq.heappop(self._due)
                    with suppress(OSError):  # it may have hung up
                        connection.send(answer)

    def _attend(self, connection: _Connection) -> None:
        try:
            asked = connection.receive()
        except OSError:
            self._ready.unregister(connection.wire)
            connection.wire.close()
            return
        if asked is not None:
            moment, number = asked
            os.write(self._log, f"{moment}\t{number}\n".encode())
            latency = self._latency * self._dice.lognormvariate(-(_SPREAD**2) / 2, _SPREAD)
            heapq.heappush(self._due, (time.monotonic() + latency, next(self._order), connection, _answer(number)))


def _answer(number: str) -> bytes:
    body = _PROFILE % (number, number)
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


if __name__ == "__main__":
    _Server(**json.loads(sys.argv[1])).serve()
