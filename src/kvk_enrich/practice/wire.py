"""What a scripted fault does to an answer on its way out, whichever service gives it."""

import random
from collections.abc import Mapping
from functools import partial
from typing import Final

import anyio
from starlette.responses import Response
from starlette.types import Message, Send

from kvk_enrich.practice.faults import Body, Fault

PAGE: Final = b"<!DOCTYPE html><html><head><title>Even geduld</title></head><body><h1>Even geduld</h1></body></html>"
"""What a proxy answers in the service's place."""

_SIGMA: Final = 0.5


class Latency:
    """The time that answers take: lognormal about a mean, the same row of times for the same seed."""

    def __init__(self, mean_seconds: float, seed: int) -> None:
        """Begin the row."""
        self._mean = mean_seconds
        self._random = random.Random(seed)

    async def pause(self, extra: float = 0.0) -> None:
        """Wait as long as the next answer takes, and *extra* seconds."""
        usual = self._mean * self._random.lognormvariate(-_SIGMA * _SIGMA / 2, _SIGMA) if self._mean else 0.0
        if usual + extra:
            await anyio.sleep(usual + extra)


def misplaced(body: Body, status: int, headers: Mapping[str, str]) -> Response:
    """Return what should never come from a register, under a status that promises otherwise."""
    content = {"html": PAGE, "broken": b'{"kvkNumber": "6959', "other": b'["pong"]', "empty": b""}[body]
    return Response(content, status, headers, "text/html" if body == "html" else "application/json")


def altering(send: Send, fault: Fault, number: str) -> Send:
    """Return *send* with what *fault* does to the body: about another number, cut, or neither."""
    if fault.other_number:
        send = partial(_send_about_another, send, number.encode())
    return send if fault.cut is None else partial(_send_cut, send, fault.cut)


async def _send_about_another(send: Send, number: bytes, message: Message) -> None:
    """Send with the last digit of *number* changed everywhere."""
    if number and message["type"] == "http.response.body":
        other = number[:-1] + (b"1" if number.endswith(b"0") else b"0")
        message = {**message, "body": message["body"].replace(number, other)}
    await send(message)


async def _send_cut(send: Send, length: int, message: Message) -> None:
    """Send the start of the body, then break the connection; Content-Length has promised more."""
    if message["type"] != "http.response.body":
        await send(message)
        return
    body = message["body"]
    await send({**message, "body": body[: min(length, len(body) - 1)], "more_body": True})
    raise ConnectionResetError("cut by the practice register, as scripted")
