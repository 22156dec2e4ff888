"""
All practice services as one ASGI app: VIES below ``/vies``, kvkbase below ``/kvkbase``, KVK everywhere else.

::

    app = create(Practice(latency_seconds=0))

They share population, latency and log; each has its own keys, limits, counts and faults.
"""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from kvk_enrich.practice import app, kvkbase, vies
from kvk_enrich.practice.settings import Practice

PATHS: Final = {"kvk": "/api", "kvkbase": "/kvkbase/v1", "vies": "/vies"}
"""Where the base URL of each service ends."""


def create(settings: Practice) -> ASGIApp:
    """Return all services as *settings* want them."""
    kvk = app.create(settings)
    others: dict[str, ASGIApp] = {"kvkbase": kvkbase.create(settings), "vies": vies.create(settings)}

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        _, _, path = scope.get("path", "").partition("/")
        service = others.get(path.partition("/")[0], kvk)
        await service(scope, receive, send)

    return whole
