"""
HTTP as all registers use it: one client, foreign errors translated once, nothing leaked.

The key is put on the request at the last moment and stands in no header of the client;
redirects are never followed (the key would travel), the environment's proxies are not trusted,
headers are never logged (KVK's test environment has echoed the key in one), bodies are capped
after decompression and the key is blotted out where they repeat it.
"""

import logging
import re
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

import httpx2

from kvk_enrich.errors import AccessRefused, ConfigError, NotSent, RegisterError, Transient, Unusable
from kvk_enrich.model import Secret
from kvk_enrich.registers.interface import AtSend

MAX_BODY: Final = 1 << 20
"""Bytes. The largest real answers (a company with 1,000 branches) are below half of it."""

_UNKNOWN_AUTHORITY: Final = {18, 19, 20, 21}
"""OpenSSL's codes for a certificate that no trusted authority vouches for."""

_KEEPALIVE_SECONDS: Final = 4.0
"""A connection idle for longer is not used again: the server may be closing it, and a request lost so is paid."""

_SHORTEST_BLOTTED: Final = 8
"""Characters. A key that is shorter (none is) may stand in an answer by chance."""

for _name in ("httpx2", "httpcore2"):  # they log addresses (numbers of sole traders) and headers (an echoed key)
    logging.getLogger(_name).setLevel(logging.WARNING)

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


class KeyHeader(httpx2.Auth):
    """Puts the key into one header of the outgoing request, and nowhere else."""

    def __init__(self, header: str, key: Secret, *, scheme: str = "") -> None:
        """Name the *header* and wrap the *key*; *scheme* goes before it, such as ``Bearer``."""
        self._header = header
        self._key = key
        self._scheme = f"{scheme} " if scheme else ""

    def auth_flow(self, request: httpx2.Request) -> Any:
        """Add the key."""
        request.headers[self._header] = self._scheme + self._key.reveal()
        yield request

    def blotted(self, body: bytes) -> bytes:
        """
        Return *body* with stars where it repeats the key: answers are kept as received, keys never.

        An answer is paid for, so it is not refused: in JSON the stars change no other value.
        """
        key = self._key.reveal()
        return _shapes(key).sub(b"***", body) if len(key) >= _SHORTEST_BLOTTED else body


def _shapes(key: str) -> re.Pattern[bytes]:
    """Return how JSON may repeat *key*: each sign as it is, escaped, or as part of an address; or all in base64."""
    signs = [rf"(?:\\?{re.escape(sign)}|(?i:(?:\\u00|%){ord(sign):02x}))" for sign in key]
    in_base64 = b64encode(key.encode()).decode().rstrip("=")
    return re.compile(f"{''.join(signs)}|{re.escape(in_base64)}".encode())


class InProcess(httpx2.AsyncBaseTransport):
    """Hands requests to an ASGI app in this process, with the same moment of sending as a socket."""

    def __init__(self, app: AsgiApp) -> None:
        """Wrap *app*."""
        self._inner = httpx2.ASGITransport(app)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Announce the sending, then let the app answer."""
        await request.extensions["trace"]("in_process.send_request_headers.started", {})
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionResetError as error:
            raise httpx2.ReadError("the app broke the connection") from error


class Lanes:
    """
    One client per call under way, each with a single connection; the last one used is used next.

    A shared pool looks at every connection for every request and every answer (httpcore2 2.16:
    at 100 connections more than half of the whole cost of a call); a lane looks at its own.
    """

    def __init__(
        self, *, auth: KeyHeader | None, timeout_seconds: float, ca_bundle: Path | None, app: AsgiApp | None
    ) -> None:
        """
        Prepare; connections are made when they are needed.

        Args:
            auth: Adds the key; None where there is none.
            timeout_seconds: For making a connection, and between two bytes of an answer.
            ca_bundle: Certificate authorities trusted besides the system's.
            app: An ASGI app to be asked instead of the network.

        Raises:
            ConfigError: *ca_bundle* holds no certificates.
        """
        try:
            context = trusting(ca_bundle)
        except OSError as error:
            raise ConfigError(f"ca_bundle: {ca_bundle} cannot be read as certificates: {error}") from error
        self._blotted = auth.blotted if auth else bytes
        self._options: dict[str, Any] = {
            "auth": auth or httpx2.Auth(),
            "verify": context,
            "transport": InProcess(app) if app else None,
            "timeout": httpx2.Timeout(timeout_seconds, pool=None),
            "limits": httpx2.Limits(max_connections=1, keepalive_expiry=_KEEPALIVE_SECONDS),
            "follow_redirects": False,
            "trust_env": False,
            "headers": {"User-Agent": "kvk-enrich"},
        }
        self._free: list[httpx2.AsyncClient] = []
        self._all: list[httpx2.AsyncClient] = []

    async def close(self) -> None:
        """Close all connections; what is asked later makes new ones."""
        closing, self._all, self._free = self._all, [], []
        for client in closing:
            await client.aclose()

    async def get(self, url: str, *, accept: str, at_send: AtSend) -> tuple[httpx2.Response, bytes]:
        """
        Send one GET and return the response and its whole body, at most :data:`MAX_BODY` bytes.

        Raises:
            NotSent: no connection could be made, or it ended during the TLS handshake.
            Transient: the connection broke.
            Unusable: the body is larger than any real one or wrongly compressed.
            AccessRefused: the server's certificate is not to be trusted.
        """
        return await self._exchange("GET", url, {"Accept": accept}, None, at_send)

    async def post(self, url: str, content: bytes, *, accept: str, at_send: AtSend) -> tuple[httpx2.Response, bytes]:
        """Send one POST with JSON as *content*; otherwise as :meth:`get`."""
        return await self._exchange(
            "POST", url, {"Accept": accept, "Content-Type": "application/json"}, content, at_send
        )

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, at_send: AtSend
    ) -> tuple[httpx2.Response, bytes]:
        sending = _Sending(at_send)
        lane = self._free.pop() if self._free else self._opened()
        try:
            async with lane.stream(
                method, url, headers=headers, content=content, extensions={"trace": sending.trace}
            ) as got:
                return got, self._blotted(await _capped(got))
        except httpx2.HTTPError as error:
            raise translated(error, sent=sending.sent) from None
        finally:
            self._free.append(lane)

    def _opened(self) -> httpx2.AsyncClient:
        lane = httpx2.AsyncClient(**self._options)
        self._all.append(lane)
        return lane


def trusting(more: Path | None) -> ssl.SSLContext:
    """
    Return what trusts the system's authorities and those of the file *more*.

    The environment has no say: SSL_CERT_FILE could name others, SSLKEYLOGFILE would have session keys written.
    """
    context = httpx2.create_ssl_context(trust_env=False)
    if more is not None:
        context.load_verify_locations(more)
    return context


async def _capped(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BODY:
            raise Unusable("answer_too_large", f"more than {MAX_BODY} bytes")
    return bytes(body)


class _Sending:
    """Listens to the transport for the moment of sending."""

    def __init__(self, at_send: AtSend) -> None:
        self._at_send = at_send
        self.sent = False

    async def trace(self, event: str, _info: object) -> None:
        if event.endswith("send_request_headers.started"):
            await self._at_send()
            self.sent = True


def translated(error: httpx2.HTTPError, *, sent: bool) -> RegisterError:
    """
    Return *error* as one of ours.

    Args:
        error: What httpx2 raised.
        sent: Whether bytes of the request may have left; if not, nothing is owed.
    """
    if isinstance(error, httpx2.DecodingError):
        return Unusable("unreadable_answer", "the body is not compressed as its header says")
    if not sent:
        refusal = _refused(error)
        if refusal is not None:
            return AccessRefused("access_refused", _why_refused(refusal))
        return NotSent("unreachable", type(error).__name__)
    if isinstance(error, httpx2.TimeoutException):
        return Transient("timeout", type(error).__name__)
    return Transient("connection_lost", type(error).__name__)


def _refused(error: BaseException | None) -> ssl.SSLError | None:
    """Return how one side refused the other; a handshake that merely broke off is like any lost connection."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return None if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) else error
        error = error.__cause__ or error.__context__
    return None


def _why_refused(refusal: ssl.SSLError) -> str:
    if not isinstance(refusal, ssl.SSLCertVerificationError):
        return f"no safe connection can be made to the server ({refusal.reason or 'TLS'})"
    why = f"the server's certificate is not trusted ({refusal.verify_message.rstrip('.')})"
    if refusal.verify_code in _UNKNOWN_AUTHORITY:
        return f"{why}; behind a proxy that inspects TLS, name the file of its authority with --ca-bundle"
    return why


def access_refused(response: httpx2.Response, body: bytes, said: str) -> AccessRefused:
    """
    Return why *response* ends the run: it refuses the key, or sends us elsewhere.

    Args:
        response: A refusal or a redirect.
        body: Tells the register's own words from a web page of who stands in between.
        said: Status and codes, to be repeated.
    """
    if response.has_redirect_location:
        why = "sent us to another address, which gets no key: check base_url and the network between"
    elif is_page(body):
        why = "showed a web page: a proxy or firewall refuses us; if not, check the key"
    else:
        why = "means: key unknown, or not for this product"
    return AccessRefused("access_refused", f"the answer {said} {why}")


def is_page(body: bytes) -> bool:
    """Say whether this is HTML: made for people, by a proxy, a portal, or a register under maintenance."""
    return body.lstrip()[:1] == b"<"


def retry_after(response: httpx2.Response) -> float | None:
    """
    Return the seconds that *response* asks us to wait, or None if it does not say or makes no sense.

    A date is measured against the response's own Date header, so that a wrong clock does not matter.
    """
    wish = response.headers.get("Retry-After", "").strip()
    if wish.isascii() and wish.isdigit():
        return float(wish)
    try:
        until = parsedate_to_datetime(wish)
        return (until - parsedate_to_datetime(response.headers["Date"])).total_seconds()
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def ahead(response: httpx2.Response) -> timedelta:
    """Return by how much the server's clock is ahead of ours; nothing when it does not say."""
    try:
        return parsedate_to_datetime(response.headers["Date"]) - datetime.now(UTC)
    except (ValueError, KeyError, TypeError, OverflowError):
        return timedelta()
