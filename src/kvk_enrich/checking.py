"""Is everything in place for a run? Looked at step by step, so that the first line that is missing is the problem."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Final, Literal

import anyio

from kvk_enrich.asking import Desk, probe
from kvk_enrich.clock import Clock, SystemClock
from kvk_enrich.config import Settings, Source, source
from kvk_enrich.errors import RegisterError
from kvk_enrich.progress import Progress
from kvk_enrich.reasons import REASONS
from kvk_enrich.sources import account_of, open_register
from kvk_enrich.state.home import Home, open_home
from kvk_enrich.state.journal import CHECK, open_journal

_TOLERATED_SKEW: Final = timedelta(minutes=2)


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


def _online(register: Source, home: Home, clock: Clock) -> Iterator[str]:
    with closing(open_journal(home, clock)) as journal:
        account = account_of(register, journal, micro_eur=0)
        run = journal.begin(CHECK, account, ceiling=1, source="config check --online")
        state: Literal["complete", "stopped"] = "stopped"
        try:
            desk = Desk(journal, account, run, clock, Progress())
            ask = partial(probe, desk, open_register(register), deadline=register.timeout_seconds)
            skew = anyio.run(ask)
            state = "complete"
        except RegisterError as error:
            said = f"the register at {register.base_url} cannot be asked: {REASONS[error.reason].sentence} ({error})"
            raise type(error)(error.reason, said) from None
        finally:
            journal.finish(run, state, b"{}")
    yield "register: answered, so key, TLS and address are right (one call, no cost)"
    if abs(skew) > _TOLERATED_SKEW:
        yield f"clock: differs by {abs(skew).total_seconds():.0f} s from the register's; set it right"
    else:
        yield "clock: agrees with the register's"
