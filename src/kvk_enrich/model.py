"""
The values that travel between stages. Frozen, and without behaviour beyond themselves.

Money is counted in micro-euro (integers; EUR 0.02 = 20,000), so that sums are exact; it becomes
a :class:`~decimal.Decimal` in euro only where people see it.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

MICRO: Final = 1_000_000


class Kind(StrEnum):
    """What a number is."""

    KVK = "kvk"
    RSIN = "rsin"
    BRANCH = "branch"
    VAT = "vat"


class Status(StrEnum):
    """The fate of a row: each row of a list has exactly one."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    INVALID = "invalid"
    FAILED = "failed"
    DEFERRED = "deferred"


class Question(NamedTuple):
    """What is to be known of one number: *product* of a register."""

    product: str
    kind: Kind
    number: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a register: the *numbers* it asks for (one, where the service takes no batches)."""

    product: str
    kind: Kind
    numbers: tuple[str, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """What it asks, number by number."""
        return tuple(Question(self.product, self.kind, number) for number in self.numbers)


@dataclass(frozen=True, slots=True)
class Found:
    """The register has this number; *body* is its answer as received (decoded of transfer encodings)."""

    number: str
    body: bytes


@dataclass(frozen=True, slots=True)
class NotFound:
    """The register says in its own words that it has nothing; *body* is the proof."""

    number: str
    reason: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """Could not ask, or got no usable answer. Never stored as an answer."""

    number: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not asked, by decision: a ceiling, a stop, an option."""

    number: str
    reason: str


Answer = Found | NotFound
"""What a register said: worth keeping, worth not paying for again."""

Outcome = Answer | Failed | Deferred
"""What became of a number in a run."""


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What came back from one call.

    Args:
        answers: One per number, in the call's order; Failed where a batch brought none for a number.
        http_status: Of the response.
        left: Units of the allowance that the register says are left, if it says so.
    """

    answers: tuple[Answer | Failed, ...]
    http_status: int
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """
    Leave to send one call from one moment on.

    Args:
        id: Its line in the journal's ledger.
        slot_ns: The moment, on the boot clock (nanoseconds). Sent then, or a little later
            (:data:`kvk_enrich.pace.TOLERANCE_NS`), and otherwise given back.
    """

    id: int
    slot_ns: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one permitted call went, for the journal: *seconds* from sending to answer or failure."""

    permit: Permit
    sent_at: datetime
    seconds: float
    http_status: int | None
    code: str | None


class Secret:
    """A key that can be used, but not printed, formatted, pickled or compared by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Wrap *value*."""
        self._value = value

    def reveal(self) -> str:
        """Return the key itself. For the one line that sends it."""
        return self._value

    def __repr__(self) -> str:
        """Never the key."""
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        """Never the key, in any format."""
        return repr(self)

    def __reduce__(self) -> str:
        """Refuse to be pickled."""
        message = "a Secret is not pickled"
        raise TypeError(message)


def euro(amount: int) -> Decimal:
    """Return micro-euro as euro with at least two decimals: 20000 -> Decimal('0.02')."""
    exact = Decimal(amount) / MICRO
    return exact.quantize(Decimal("0.01")) if exact == exact.quantize(Decimal("0.01")) else exact.normalize()


def micro(amount: Decimal) -> int:
    """Return an amount in euro as micro-euro. Raises ValueError for more than six decimals."""
    scaled = amount * MICRO
    if scaled != scaled.to_integral_value():
        message = f"{amount} has more than six decimals"
        raise ValueError(message)
    return int(scaled)
