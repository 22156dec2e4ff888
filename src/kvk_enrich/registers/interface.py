"""What a register is to the rest of the program."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, Self

from kvk_enrich.model import Call, Reply

__all__ = ["AtSend", "Register", "Reply"]

AtSend = Callable[[], Awaitable[None]]
"""
Awaited once per call at the moment of sending: the connection is up, the next bytes are the request's.

It may raise; then nothing was sent, and what it raised comes out of :meth:`Register.fetch` as it is.
"""


class Register(AbstractAsyncContextManager["Register"], Protocol):
    """
    One service, ready to be asked. Entering it opens its connections, leaving closes them.

    A register knows its own protocol and nothing of pace, retries, money or files. It may be
    called by many workers at once.
    """

    products: Mapping[str, int]
    """What can be asked, and for how many numbers in one call at most."""

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
            AllowanceSpent: the register says that nothing is left of the allowance.
        """
        ...
