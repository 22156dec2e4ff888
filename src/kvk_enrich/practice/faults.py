"""
What goes wrong in a practice register, and when: written by hand, the same every time.

A fault is written in words, ``parse("status=503 share=0.05 times=1")``:

=====================  ======================================================================
when (all must hold)
=====================  ======================================================================
``nth=3``              the third request since the start; ``nth=3..9`` and ``nth=3..`` too
``every=10``           every tenth request
``share=0.05``         5 % of the numbers, always the same ones
``number=A,B``         these numbers
``times=1``            at most once for each number (then it answers as if nothing was)
``outage=10..20``      from the 10th to the 20th second since the start
=====================  ======================================================================

=====================  ======================================================================
what
=====================  ======================================================================
``status=503``         this status. A body goes with it: KVK's ``fout`` where a code is given
                       and for 500, the gateway's JSON for 401, 403 and 429, else HTML
``code=IPD1002``       this KVK code, with its own status unless one is given
``retry-after=2``      with this header: seconds, any text (quote blanks), or ``date+5``: the
                       HTTP date of 5 seconds from now; with 429 unless a status is given
``delay=30``           so many seconds later, on top of the usual
``body=html``          status 200 (unless given) and an HTML page; ``body=broken``: JSON that
                       does not parse; ``body=other``: JSON of another kind; ``body=empty``
``other-number``       the right answer, but about another KVK number
``cut=20``             the connection ends after 20 bytes of a longer body
``reset``              the connection is reset before anything is answered
=====================  ======================================================================
"""

import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final, Literal

from kvk_enrich.practice.dice import Dice

Body = Literal["html", "broken", "other", "empty"]

BODIES: Final[tuple[Body, ...]] = ("html", "broken", "other", "empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """
    One thing that goes wrong; the words are those of :func:`parse`.

    Args:
        nth: First and last request it applies to, counted from 1 (last None: no end).
        every: Only every so manieth request.
        share: Share of numbers, 0 to 1.
        numbers: Only these.
        times: At most so often for one number.
        outage: Seconds since the start of the register: from, up to (not included).
        status: HTTP status of the answer; None leaves the status as it would be.
        code: KVK's code in the answer.
        retry_after: The header's text, or ``date+SECONDS``.
        delay: Seconds, on top of the usual latency.
        body: Another body than the right one.
        other_number: Answer about another number.
        cut: End the connection after so many bytes of the body.
        reset: End the connection before answering.
    """

    nth: tuple[int, int | None] | None = None
    every: int | None = None
    share: float | None = None
    numbers: frozenset[str] = frozenset()
    times: int | None = None
    outage: tuple[float, float] | None = None
    status: int | None = None
    code: str | None = None
    retry_after: str | None = None
    delay: float = 0.0
    body: Body | None = None
    other_number: bool = False
    cut: int | None = None
    reset: bool = False

    def retry_after_header(self, now: datetime) -> str | None:
        """Return the Retry-After header to send at *now* (aware), if any."""
        if self.retry_after is None or not self.retry_after.startswith("date+"):
            return self.retry_after
        moment = now.astimezone(UTC) + timedelta(seconds=float(self.retry_after.removeprefix("date+")))
        return format_datetime(moment, usegmt=True)


class Script:
    """The faults of one register, with the counting they need."""

    def __init__(self, faults: Iterable[Fault], *, seed: int, started_ns: int) -> None:
        """Begin at *started_ns* (boot clock)."""
        self._faults = tuple(faults)
        self._seed = seed
        self._started_ns = started_ns
        self._requests = 0
        self._seen: Counter[tuple[int, str]] = Counter()

    def next(self, number: str, arrived_ns: int) -> Fault | None:
        """Count one request about *number* (empty: none) and return the first fault that applies to it."""
        self._requests += 1
        seconds = (arrived_ns - self._started_ns) / 1e9
        for place, fault in enumerate(self._faults):
            if self._applies(fault, place, number, seconds):
                self._seen[place, number] += 1
                return fault
        return None

    def _applies(self, fault: Fault, place: int, number: str, seconds: float) -> bool:
        if fault.nth is not None:
            first, last = fault.nth
            if not first <= self._requests <= (last or math.inf):
                return False
        if fault.outage is not None and not fault.outage[0] <= seconds < fault.outage[1]:
            return False
        return (
            (fault.every is None or self._requests % fault.every == 0)
            and (not fault.numbers or number in fault.numbers)
            and (fault.share is None or Dice(self._seed, number, "fault", place).chance(fault.share))
            and (fault.times is None or self._seen[place, number] < fault.times)
        )


def parse(text: str) -> Fault:
    """
    Return the fault that *text* describes, such as ``status=503 share=0.05 times=1``.

    Raises:
        ValueError: a word is not known, a value does not fit, or nothing is said to go wrong.
    """
    fields: dict[str, Any] = {}
    for word in shlex.split(text):
        name, given, value = word.partition("=")
        if name in _FLAGS and not given:
            fields[_FLAGS[name]] = True
        elif name in _WORDS and given:
            field, read = _WORDS[name]
            fields[field] = _value(read, name, value)
        else:
            known = ", ".join(sorted([*_FLAGS, *(f"{known}=..." for known in _WORDS)]))
            raise ValueError(f"a fault has no word {word!r}; known are {known}")
    if fields.keys() <= _WHEN and "outage" not in fields:
        raise ValueError(f"{text!r} does not say what goes wrong, such as status=503, cut=20 or reset")
    return Fault(**_with_status(fields))


def _with_status(fields: dict[str, Any]) -> dict[str, Any]:
    """Add the status that goes without saying: 503 in an outage, 429 with a retry-after."""
    if "retry_after" in fields and "code" not in fields:
        return {"status": 429, **fields}
    if fields.keys() <= _WHEN:
        return {"status": 503, **fields}
    return fields


def _value(read: Callable[[str], object], name: str, value: str) -> object:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{name}={value} in a fault: {error}") from error


def _positive(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise ValueError("a whole number from 1 on is needed")
    return int(value)


def _count(value: str) -> int:
    if not value.isdecimal():
        raise ValueError("a whole number is needed")
    return int(value)


def _status(value: str) -> int:
    status = _count(value)
    if not 200 <= status <= 599:  # noqa: PLR2004  what HTTP calls a final answer
        raise ValueError("an HTTP status from 200 to 599 is needed")
    return status


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError("a number of seconds is needed")
    return seconds


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise ValueError("a share between 0 and 1 is needed")
    return share


def _range(value: str) -> tuple[int, int | None]:
    first, dots, last = value.partition("..")
    if not dots:
        return _positive(first), _positive(first)
    start, end = _positive(first), _positive(last) if last else None
    if end is not None and end < start:
        raise ValueError("the last comes before the first")
    return start, end


def _window(value: str) -> tuple[float, float]:
    start, _, end = value.partition("..")
    window = _seconds(start), _seconds(end)
    if window[1] <= window[0]:
        raise ValueError("FROM..TO in seconds is needed, FROM before TO")
    return window


def _numbers(value: str) -> frozenset[str]:
    numbers = frozenset(value.split(","))
    if not all(number.isdecimal() for number in numbers):
        raise ValueError("numbers are needed, with commas between")
    return numbers


def _retry_after(value: str) -> str:
    if value.startswith("date+"):
        _seconds(value.removeprefix("date+"))
    return value


def _code(value: str) -> str:
    if not value.replace("_", "").isalnum():
        raise ValueError("a code such as IPD1002 is needed")
    return value


def _body(value: str) -> Body:
    for body in BODIES:
        if body == value:
            return body
    raise ValueError(f"one of {', '.join(BODIES)} is needed")


_WHEN: Final = frozenset({"nth", "every", "share", "numbers", "times", "outage"})
_FLAGS: Final[Mapping[str, str]] = {"reset": "reset", "other-number": "other_number"}
_WORDS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "nth": ("nth", _range),
    "every": ("every", _positive),
    "share": ("share", _share),
    "number": ("numbers", _numbers),
    "times": ("times", _positive),
    "outage": ("outage", _window),
    "status": ("status", _status),
    "code": ("code", _code),
    "retry-after": ("retry_after", _retry_after),
    "delay": ("delay", _seconds),
    "body": ("body", _body),
    "cut": ("cut", _count),
}
