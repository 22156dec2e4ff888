"""No test leaves this machine: an audit hook that stops whoever would."""

import ipaddress
from typing import Final

_NAMES: Final = (b"localhost", b".invalid", b".example", b".test")
"""Names that by RFC 2606 and 6761 lead nowhere, or here."""


class Denied(BaseException):
    """A test, or what it tests, would have left this machine. Not an Exception: nothing may take it for a fault."""


def refuse_strangers(event: str, arguments: tuple[object, ...]) -> None:
    """Raise :class:`Denied` where an audit *event* names another machine. For ``sys.addaudithook``."""
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = arguments[1]
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        address = arguments[:1]
    else:
        return
    host = address[0] if isinstance(address, tuple) else None  # others are no addresses of the internet
    if host and not _is_here(host):
        raise Denied(f"{event}: {host!r} is not this machine")


def _is_here(host: object) -> bool:
    name = host if isinstance(host, bytes) else str(host).encode("ascii", "replace")
    try:
        return ipaddress.ip_address(name.decode("ascii", "replace").partition("%")[0]).is_loopback
    except ValueError:
        return name.lower().rstrip(b".").endswith(_NAMES)
