"""What a register is to the rest of the program."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, Self

from kvk_enrich.model import Answer, Call

AtSend = Callable[[], Awaitable[None]]
"""
Awaited once per call at the moment of sending: the connection is up, the next bytes are the request's.

It may raise; then nothing was sent, and what it raised comes out of :meth:`Register.fetch` as it is.
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """A register's answers to one call, one per number, in the call's order."""

    answers: tuple[Answer, ...]
    http_status: int


class Register(AbstractAsyncContextManager["Register"], Protocol):
    """
    One service, ready to be asked. Entering it opens its connections, leaving closes them.

    A register knows its own protocol and nothing of pace, retries, money or files. It may be
    called by many workers at once.
    """

    products: Sequence[str]

    async def __aenter__(self) -> Self:
        """Open the connections."""
        ...

    async def fetch(self, call: Call, at_send: AtSend) -> Reply:
        """
        Send one request, once, and read its answer.

        Cancelling it closes the connection; the request may have been received all the same.

        Raises:
            NotSent: the request did not leave this machine.
            Transient: no answer about the number; another attempt may bring one.
            Unusable: what came back says nothing about the number.
            AccessRefused: key or TLS refused.
        """
        ...
