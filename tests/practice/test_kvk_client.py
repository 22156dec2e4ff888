"""A client of KVK's API that others wrote works against the practice register, with another address and key."""

import subprocess
import sys

import pytest

kvk_api_client = pytest.importorskip("kvk_api_client", reason="no dependency of ours: pip install kvk_api_client")

SERVE = """
from kvk_enrich.practice.serve import serve
from kvk_enrich.practice.settings import Practice
serve(Practice(latency_seconds=0), on_ready=lambda urls: print(urls["kvk"], flush=True))
"""
DONALD, BRANCH = "68750110", "000038509504"


@pytest.fixture(scope="module")
def host():
    """The address of a register in another process, without the path."""
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().removesuffix("/api")
        process.kill()


@pytest.fixture(params=[False, True], ids=["production", "test"])
def client(host, monkeypatch, request):
    """A function that makes the client for a version of the API, in both environments."""

    def make(version):
        for name, value in (
            ("KVK_HOST", host),
            ("KVK_API_VERSION", f"api/{version}"),
            ("KVK_APIKEY_PROD", "practice"),
            ("KVK_APIKEY_TEST", "practice"),
        ):
            monkeypatch.setenv(name, value)
        return kvk_api_client.KVK(test=request.param)

    return make


def test_profiles_are_given(client):
    """Of a company, its parts, a branch, and the names; the client sends geoData=False with all parts."""
    kvk = client("v1")
    answers = [
        kvk.get_basis_profiel(DONALD),
        kvk.get_basis_profiel(DONALD, geo_data="True"),
        *(kvk.get_basis_profiel(DONALD, part) for part in ("eigenaar", "hoofdvestiging", "vestigingen")),
        kvk.get_vestigingsprofiel(BRANCH),
        kvk.get_naamgevingen(DONALD),
    ]

    assert [answer.status_code for answer in answers] == [200] * 7
    assert answers[0].json()["kvkNummer"] == answers[4].json()["kvkNummer"] == DONALD


def test_companies_are_found(client):
    """By Zoeken v2; v1 has been switched off."""
    found = client("v2").get_companies(rsin="857587973", InclusiefInactieveRegistraties=True)

    assert {row["kvkNummer"] for row in found.json()["resultaten"]} == {DONALD}
    assert client("v1").get_companies(kvk_number=DONALD).status_code == 404


def test_an_unknown_number_is_told_in_kvks_words(client):
    """A 404 with a code."""
    answer = client("v1").get_basis_profiel("12345678")

    assert (answer.status_code, answer.json()["fout"][0]["code"]) == (404, "IPD0005")
