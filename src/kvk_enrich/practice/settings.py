"""How a practice register behaves: the values that :func:`kvk_enrich.practice.app.create` is given."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kvk_enrich.clock import Clock, SystemClock
from kvk_enrich.practice.faults import Fault

API_KEY: Final = "practice"
"""A key that is accepted; so is any other that does not begin with "wrong"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """
    One practice register.

    Args:
        latency_seconds: Mean of the time an answer takes (lognormal, sigma 0.5); 0: none.
        requests_per_second: The most that one key may send in any sliding second.
        calls_per_month: The most that one key may send in a calendar month (Europe/Amsterdam).
        faults: What goes wrong, and when; of several that apply the first one does.
        log: File that each request is appended to before it is answered.
        seed: Which population.
        clock: Where the time comes from.
    """

    latency_seconds: float = 0.5
    requests_per_second: int = 100
    calls_per_month: int = 300_000
    faults: tuple[Fault, ...] = ()
    log: Path | None = None
    seed: int = 0
    clock: Clock = field(default_factory=SystemClock)
