"""Is everything in place for a run? Looked at step by step, so that the first line that is missing is the problem."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from kvk_enrich.clock import Clock, SystemClock
from kvk_enrich.config import Settings, Source, source
from kvk_enrich.model import Call, Kind
from kvk_enrich.once import ask_once
from kvk_enrich.registers.kvk import PROBED
from kvk_enrich.sources import open_register
from kvk_enrich.state.home import Home, open_home

_TOLERATED_SKEW: Final = timedelta(minutes=2)
_PROBE: Final = Call("probe", Kind.KVK, (PROBED,))


def check(settings: Settings, *, online: bool = False, clock: Clock | None = None) -> Iterator[str]:
    """
    Yield a sentence for each thing that is right.

    Args:
        settings: The configuration, already free of faults by itself.
        online: Also make one free call, which counts against the month's calls like any other.
        clock: Where the time comes from.

    Raises:
        EnrichError: the first thing that is not right.
    """
    register = source(settings)
    yield f"configuration: in order; source {register.name} at {register.base_url}"
    yield f"key: found, account {register.account}" if not register.in_process else "key: none needed"
    home = open_home(settings.home)
    yield f"home: {home.root} can be used"
    if online:
        yield from _online(register, home, clock or SystemClock())


def _online(service: Source, home: Home, clock: Clock) -> Iterator[str]:
    register = open_register(service)
    skew = ask_once(service, register, register.probe, call=_PROBE, home=home, clock=clock, why="config check --online")
    if service.name == "kvkbase":  # no free call of its looks at the key
        yield "register: answered, so TLS and address are right; the key is tried by the first lookup"
    else:
        yield "register: answered, so key, TLS and address are right (one call, no cost)"
    if abs(skew) > _TOLERATED_SKEW:
        yield f"clock: differs by {abs(skew).total_seconds():.0f} s from the register's; set it right"
    else:
        yield "clock: agrees with the register's"
