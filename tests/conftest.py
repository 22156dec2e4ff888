"""What all tests share: how hypothesis searches, and that no setting of the machine leaks in."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(autouse=True)
def _own_settings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the tester's own keys and settings: a test that needs one sets it."""
    for name in [name for name in os.environ if name.startswith(("KVK_API_KEY", "KVK_ENRICH_"))]:
        monkeypatch.delenv(name)
