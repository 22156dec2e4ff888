"""
What goes wrong in the practice VIES: the words of :mod:`.faults` and some of its own.

=====================  ======================================================================
``state=DE,FR``        only numbers of these states
``number=A,B``         only these VAT numbers, with their prefix
``code=TIMEOUT``       this VIES code, in the words of the dialect asked in
``false-invalid``      a valid number is called not valid, as some states do while they fail
=====================  ======================================================================

An ``outage=10..20`` with nothing else is MS_UNAVAILABLE, and check-status says so; for all
states it is SERVICE_UNAVAILABLE. ``nth`` and ``every`` count the requests about the fault's states.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kvk_enrich.practice import faults
from kvk_enrich.practice.faults import Fault, Script

_OWN: Final = ("state", "number", "code", "false-invalid")
_NOTHING: Final = Fault()
_ALWAYS: Final[Mapping[str, Any]] = {"nth": None, "every": None, "share": None, "times": None, "outage": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViesFault:
    """
    One thing that goes wrong.

    Args:
        fault: When, and what of the things that can go wrong anywhere.
        states: Only numbers of these states; empty: of all.
        code: VIES's code in the answer.
        false_invalid: A valid number is called not valid.
    """

    fault: Fault = _NOTHING
    states: frozenset[str] = frozenset()
    code: str | None = None
    false_invalid: bool = False

    def concerns(self, state: str) -> bool:
        """Say whether numbers of *state* are meant."""
        return not self.states or state in self.states


class ViesScript:
    """The faults of one practice VIES, with the counting they need."""

    def __init__(self, given: Iterable[ViesFault], *, seed: int, started_ns: int) -> None:
        """Begin at *started_ns* (boot clock)."""
        self._started_ns = started_ns
        self._scripts = [
            (one, Script([one.fault], seed=seed + place, started_ns=started_ns))  # each share has numbers of its own
            for place, one in enumerate(given)
        ]

    def next(self, number: str, arrived_ns: int) -> ViesFault | None:
        """Count one request about *number* and return the first fault that applies to it."""
        for one, script in self._scripts:
            if one.concerns(number[:2]) and script.next(number, arrived_ns) is not None:
                return one
        return None

    def is_away(self, state: str, now_ns: int) -> bool:
        """Say whether an outage of *state* is on."""
        seconds = (now_ns - self._started_ns) / 1e9
        windows = [one.fault.outage for one, _ in self._scripts if one.code and one.concerns(state)]
        return any(window is not None and window[0] <= seconds < window[1] for window in windows)


def parse(text: str) -> ViesFault:
    """
    Return the fault that *text* describes, such as ``state=DE outage=10..20`` or ``code=TIMEOUT share=0.05``.

    Raises:
        ValueError: a word is not known, a value does not fit, or nothing is said to go wrong.
    """
    words = [word.partition("=") for word in shlex.split(text)]
    own = {name: value for name, _, value in words if name in _OWN}
    others = shlex.join("".join(word) for word in words if word[0] not in _OWN)
    fault = faults.parse(f"delay=0 {others}")
    code = own.get("code")
    if code is None and "false-invalid" not in own and replace(fault, **_ALWAYS) == _NOTHING:
        if fault.outage is None:
            raise ValueError(f"{text!r} does not say what goes wrong, such as code=TIMEOUT, false-invalid or reset")
        code = "MS_UNAVAILABLE" if "state" in own else "SERVICE_UNAVAILABLE"
    return ViesFault(
        fault=replace(fault, numbers=_several(own, "number")),
        states=_several(own, "state"),
        code=code,
        false_invalid="false-invalid" in own,
    )


def _several(own: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(own[name].split(",")) if name in own else frozenset()
