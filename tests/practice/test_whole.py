"""All services in one app: each request reaches its own."""

import anyio
import httpx2
import pytest

from kvk_enrich.practice import vat_numbers, whole
from kvk_enrich.practice.settings import Practice


def asked(app, path):
    """The answer of *app* at *path*."""

    async def get():
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://practice.test") as client:
            return await client.get(path, headers={"apikey": "practice", "Authorization": "Bearer kvk_test_practice"})

    return anyio.run(get)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/api/v1/basisprofielen/69599084", "kvkNummer"),
        ("/kvkbase/v1/lookup/69599084", "kvkNumber"),
        ("/vies/check-status", "vow"),
        ("/viesx", "fout"),
        ("/", "fout"),
    ],
)
def test_a_path_leads_to_one_service(path, key):
    """The others have nothing of that name; what belongs to nobody is KVK's to refuse."""
    assert key in asked(whole.create(Practice(latency_seconds=0)), path).json()


def test_the_services_share_one_log(tmp_path):
    """Its lines tell by their path which service was asked."""
    log = tmp_path / "arrivals.log"
    app = whole.create(Practice(latency_seconds=0, log=log))
    (number,) = vat_numbers.numbers("NL", 1)
    for path in ("/api/v1/basisprofielen/69599084", f"/vies/ms/NL/vat/{number[2:]}"):
        asked(app, path)

    lines = [line.split("\t")[1:3] for line in log.read_text().splitlines()]
    assert lines == [["69599084", "/api/v1/basisprofielen/69599084"], [number, f"/vies/ms/NL/vat/{number[2:]}"]]
