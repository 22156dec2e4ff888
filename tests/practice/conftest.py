"""A practice register in this process, at a time that the test sets."""

from datetime import UTC, datetime, timedelta

import anyio
import httpx2
import pytest

from kvk_enrich.practice.app import create
from kvk_enrich.practice.settings import API_KEY, Practice


class SetClock:
    """A clock that stands still until told to go on."""

    def __init__(self):
        self._passed = timedelta()

    def pass_seconds(self, seconds):
        self._passed += timedelta(seconds=seconds)

    def now(self):
        return datetime(2026, 11, 21, 12, tzinfo=UTC) + self._passed

    def boot_ns(self):
        return int(self._passed.total_seconds() * 1_000_000_000) + 5_000_000_000

    def boot_id(self):
        return "test"


@pytest.fixture
def clock():
    """A clock to be moved by hand."""
    return SetClock()


@pytest.fixture
def register(clock):
    """A function that makes a register without latency and returns what asks it: path, headers -> response."""

    def make(**settings):
        app = create(Practice(**{"latency_seconds": 0, "clock": clock, **settings}))

        def ask(path, **headers):
            return anyio.run(_get, app, path, {"apikey": API_KEY, **headers})

        return ask

    return make


async def _get(app, path, headers):
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://practice.test") as client:
        return await client.get(f"/api{path}", headers={name: value for name, value in headers.items() if value})
