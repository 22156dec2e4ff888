"""What all tests share: how hypothesis searches, how long proofs go on, and that no setting of the machine leaks in."""

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings
from tests import figures, network

os.environ["LC_ALL"] = "C.UTF-8"  # what people are told is in the language of the locale

settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _own_settings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the tester's own keys and settings: a test that needs one sets it."""
    for name in [name for name in os.environ if name.startswith(("KVK_API_KEY", "KVK_ENRICH_"))]:
        monkeypatch.delenv(name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let proofs run at full length."""
    parser.addoption("--torture", action="store_true", help="run proofs at full length and keep their figures")


def pytest_configure(config: pytest.Config) -> None:
    """Keep tests on this machine, but those that are asked for because they leave it; begin as a terminal would."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup runs go on, and tests are to see them end
    if config.option.markexpr != "network":
        sys.addaudithook(network.refuse_strangers)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give proofs at full length the time they take."""
    if config.getoption("--torture"):
        for item in items:
            if item.get_closest_marker("trials"):
                item.add_marker(pytest.mark.timeout(3_600), append=False)


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> int:
    """How often a proof tries: ``@pytest.mark.trials(fast=6, torture=300)``."""
    lengths = request.node.get_closest_marker("trials").kwargs
    return int(lengths["torture" if request.config.getoption("--torture") else "fast"])


@pytest.fixture
def record(request: pytest.FixtureRequest) -> figures.Record:
    """Where a proof puts its figures; those of a short run go nowhere."""
    return figures.record if request.config.getoption("--torture") else lambda _name, **_seen: None
