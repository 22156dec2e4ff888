"""Processes that are started here are given no key."""

from kvk_enrich import children


def test_no_key_is_handed_down(monkeypatch):
    """Those of other programs neither; what a process needs to run stays."""
    for name in ("KVK_API_KEY", "KVK_API_KEY_CRM", "KVKBASE_API_KEY_FILE", "other_api_key"):
        monkeypatch.setenv(name, "canary")
    given = children.environment()
    assert "canary" not in given.values()
    assert "PATH" in given
