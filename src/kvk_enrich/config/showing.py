"""The settings as people see them: every key, its value, where it comes from; no secret."""

import json
import os
from collections.abc import Mapping
from datetime import date, timedelta
from functools import reduce
from typing import Any

from kvk_enrich.config import keys
from kvk_enrich.config.sections import KEYS
from kvk_enrich.config.values import Setting, Settings


def show(settings: Settings, environ: Mapping[str, str] | None = None) -> list[Setting]:
    """Return every key with its value as text and where that comes from; keys of registers are masked."""
    environ = os.environ if environ is None else environ
    values = settings.sections.model_dump(by_alias=True) | {"home": settings.home}
    lines = [
        Setting(key, _shown(reduce(lambda tree, name: tree[name], key.split("."), values)), settings.origin(key))
        for key in KEYS
    ]
    sources = settings.sections.source
    return [
        *lines,
        _key("kvk", sources.kvk.account, environ),
        Setting("source.kvk-test.api_key", "the public key of KVK's test environment", "default"),
        _key("kvkbase", sources.kvkbase.account, environ),
    ]


def _key(service: str, account: str, environ: Mapping[str, str]) -> Setting:
    variable = keys.variable(service, account, environ)
    return Setting(f"source.{service}.api_key", "***" if variable else "not set", f"${variable}" if variable else "-")


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return json.dumps(value)
        case timedelta():
            return _as_duration(value)
        case tuple() | list():
            return ", ".join(_shown(item) for item in value) or "-"
        case dict():
            return _section(value)
        case _:
            return str(value)


def _section(value: Mapping[str, Any]) -> str:
    """Return a dated price, or the shares of jobs as their variable says them."""
    if "price_eur" in value:
        since, price = value["from"], value["price_eur"]
        return str(price) if since == date.min else f"{price} from {since}"
    shares = (" ".join([job, *(f"{name}={part}" for name, part in share.items())]) for job, share in value.items())
    return "; ".join(shares) or "-"


def _as_duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    units = ((86_400, "d"), (3_600, "h"), (60, "m"))
    return next((f"{seconds // size}{unit}" for size, unit in units if seconds % size == 0), f"{seconds}s")
