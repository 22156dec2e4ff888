"""
The end of a run is told to a URL: one POST of JSON, to somebody else than a register.

The URL may hold a token: it stands in no message and no log, and where it leads to is not followed.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import httpx2

from kvk_enrich.model import Secret
from kvk_enrich.registers._http import trusting

SECONDS: Final = 10.0
"""For one try, from the first byte to the status of the answer."""

WAITS: Final = (1.0, 4.0)
"""Seconds before each further try."""

_AGAIN: Final = {408, 429}


class NotTold(Exception):
    """Nobody has taken it; the message says why, and not where."""


class _Refused(NotTold):
    """Another try would fare no better."""


def notify(
    url: Secret,
    body: bytes,
    *,
    ca_bundle: Path | None = None,
    waits: Sequence[float] = WAITS,
    seconds: float = SECONDS,
) -> None:
    """
    POST the JSON *body* to *url*; again after each of *waits* where it may fare better.

    Raises:
        NotTold: no try was answered with a status of success.
    """
    anyio.run(partial(_notify, url, body, ca_bundle, waits, seconds))


async def _notify(url: Secret, body: bytes, ca_bundle: Path | None, waits: Sequence[float], seconds: float) -> None:
    for wait in (*waits, None):
        try:
            return await _post(url, body, ca_bundle, seconds)
        except _Refused:
            raise
        except NotTold:
            if wait is None:
                raise
            await anyio.sleep(wait)
    return None


async def _post(url: Secret, body: bytes, ca_bundle: Path | None, seconds: float) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "kvk-enrich"}
    try:
        with anyio.fail_after(seconds):
            async with (
                httpx2.AsyncClient(
                    verify=trusting(ca_bundle), timeout=seconds, follow_redirects=False, trust_env=False
                ) as client,
                client.stream("POST", url.reveal(), content=body, headers=headers) as answer,
            ):
                status = answer.status_code
    except TimeoutError:
        raise NotTold(f"no answer in {seconds:g} s") from None
    except httpx2.HTTPError as error:  # its text may repeat the URL
        raise NotTold(f"no connection ({type(error).__name__})") from None
    if status in _AGAIN or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        raise NotTold(f"answered with status {status}")
    if not httpx2.codes.is_success(status):
        raise _Refused(f"answered with status {status}")
