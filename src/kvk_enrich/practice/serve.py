"""The practice register, all its services on one port: for other processes and other programs."""

import asyncio
import contextlib
import gc
import socket
import struct
from collections.abc import Callable, Mapping
from functools import partial
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from kvk_enrich.practice import whole
from kvk_enrich.practice.settings import Practice

KEEP_ALIVE_SECONDS: Final = 60
_DRAIN_SECONDS: Final = 2
_BACKLOG: Final = 2_048
_LINGER_NOT: Final = struct.pack("ii", 1, 0)  # closing drops what is unsent and sends RST


OnReady = Callable[[Mapping[str, str]], None]
"""Called once when it listens, with the base URL of each service: kvk, kvkbase, vies."""


def serve(settings: Practice, *, host: str = "127.0.0.1", port: int = 0, on_ready: OnReady) -> None:
    """
    Serve a practice register until SIGINT or SIGTERM, then return; answers on their way get 2 seconds.

    Args:
        settings: How it behaves.
        host: Address to listen on.
        port: Port to listen on; 0: any free one.
        on_ready: Called once with the base URLs (KVK's: ``http://127.0.0.1:PORT/api``) when it listens.

    Raises:
        OSError: the address or port cannot be listened on.
    """
    with socket.create_server((host, port), backlog=_BACKLOG) as listener:
        config = uvicorn.Config(
            whole.create(settings),
            http=_Breakable,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        _Server(config, on_ready).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it listens, and takes a signal as the wish to end, not as a failure."""

    def __init__(self, config: uvicorn.Config, on_ready: OnReady) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Arrivals are stamped by the loop: a collection over all that was imported would hold it for 20 ms.
        gc.freeze()
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            self._on_ready({service: f"http://{host}:{port}{path}" for service, path in whole.PATHS.items()})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  uvicorn's signature
        self.should_exit = True


class _Breakable(H11Protocol):
    """A connection that the app can break, by raising ConnectionResetError."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app = partial(_breaking, self.app, transport)


async def _breaking(app: ASGIApp, transport: asyncio.Transport, scope: Scope, receive: Receive, send: Send) -> None:
    """Run *app*; when it breaks the connection, do so: RST before an answer, the end of the stream within one."""
    started = False

    async def watched(message: Message) -> None:
        nonlocal started
        started = True
        await send(message)

    with contextlib.suppress(ConnectionResetError):
        await app(scope, receive, watched)
        return
    if started:
        transport.close()
    else:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
