"""A client of VIES that others wrote works against the practice register, with another address."""

import subprocess
import sys

import pytest

from kvk_enrich.practice import vat_numbers

ambolt_vies = pytest.importorskip("ambolt_vies", reason="no dependency of ours: pip install ambolt-vies")

SERVE = """
from kvk_enrich.practice.serve import serve
from kvk_enrich.practice.settings import Practice, Vies
from kvk_enrich.practice.vies_faults import parse
faults = (parse("state=FR code=MS_UNAVAILABLE"), parse("state=AT code=MS_MAX_CONCURRENT_REQ times=1"))
settings = Practice(latency_seconds=0, vies=Vies(faults=faults))
serve(settings, on_ready=lambda urls: print(urls["vies"], flush=True))
"""


@pytest.fixture(autouse=True)
def _practice(monkeypatch):
    """The client asks a register in another process."""
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        monkeypatch.setattr(ambolt_vies, "BASE", process.stdout.readline().strip())
        yield
        process.kill()


def test_a_list_is_checked():
    """Valid, not valid, throttled once, and of a state that is away: by the web site's GET."""
    ((valid,), (invalid,)) = (vat_numbers.numbers("NL", 1, valid=is_valid) for is_valid in (True, False))
    asked = [valid, invalid, *vat_numbers.numbers("AT", 1), *vat_numbers.numbers("FR", 1)]
    results = ambolt_vies.check_vats(asked, base_delay_ms=1, include_details=True)

    assert [result["valid"] for result in results] == [True, False, True, None]
    assert results[0]["name"].isupper()
    assert results[3]["error"]["code"] == "MS_UNAVAILABLE"


def test_a_requester_gets_proof():
    """By POST."""
    number, requester = vat_numbers.numbers("NL", 2)
    result = ambolt_vies.check_vat(number, requester=requester)

    assert (result["valid"], result["consultationNumber"][:4]) == (True, "WAPI")
