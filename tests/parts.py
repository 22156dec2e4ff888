"""What asking needs: a register in this process, and a home with a real journal, an account and a run."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import anyio

from kvk_enrich.asking import Asked, Desk, Lane, ask_all
from kvk_enrich.clock import Clock, SystemClock
from kvk_enrich.fetch.breaker import Patience
from kvk_enrich.fetch.policies import Backoff
from kvk_enrich.model import Answer, Call, Failed, Found, Kind, Question, Reply, Secret
from kvk_enrich.progress import Progress
from kvk_enrich.registers.interface import AtSend
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import Account, StoredAnswer, open_journal

CANARY = "l7xx-canary-5f2e"
NUMBERS = [f"{place:08}" for place in range(90_000_000, 90_000_400)]
AT_ONCE = Backoff(initial=0.001, longest=0.001, jitter=0)
SHORT = Patience(first_rest=0.02, longest_rest=0.02, give_up=0.2, shortest_pause=0.02)


class Here:
    """A register in this process: answers, or does what it is told for a number."""

    def __init__(
        self,
        events: Mapping[str, Any] | None = None,
        seconds: float = 0.002,
        *,
        products: Mapping[str, int] | None = None,
        left: Callable[[], int] | None = None,
    ) -> None:
        """
        Be ready.

        Args:
            events: By number: an error to raise, an outcome to give, or a function to call before the answer.
            seconds: How long an answer takes.
            products: As a register has them.
            left: What it says of the allowance with each answer.
        """
        self.products = products or {"basisprofiel": 1}
        self.events = events or {}
        self.seconds = seconds
        self.left = left
        self.calls: list[Call] = []
        self.moments: list[float] = []

    @property
    def sent(self) -> list[str]:
        """The numbers asked for, in order."""
        return [number for call in self.calls for number in call.numbers]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_details: object) -> None:
        return

    async def fetch(self, call: Call, at_send: AtSend) -> Reply:
        await at_send()
        self.calls.append(call)
        self.moments.append(anyio.current_time())
        await anyio.sleep(self.seconds)
        answers = tuple(self._answer(number) for number in call.numbers)
        return Reply(answers, 200, self.left() if self.left else None)

    def _answer(self, number: str) -> Answer | Failed:
        match self.events.get(number):
            case BaseException() as error:
                raise error
            case None:
                pass
            case event if callable(event):
                event()
            case outcome:
                told: Answer | Failed = outcome
                return told
        return Found(number, b'{"kvkNummer":"%s","naam":"x"}' % number.encode())


@dataclass
class Told(Progress):
    """What people were told: how numbers ended, and the money."""

    ends: list[str] = field(default_factory=list)
    micro: int = 0

    def advance(self, outcome_status: str, *, spent_micro: int) -> None:
        """Keep it."""
        self.ends.append(str(outcome_status))
        self.micro += spent_micro


def questions(numbers: Sequence[str] = NUMBERS, product: str = "basisprofiel", kind: Kind = Kind.KVK) -> list[Question]:
    """Return a question about each of *numbers*."""
    return [Question(product, kind, number) for number in numbers]


def numbers_of(asked: Sequence[Question]) -> list[str]:
    """Return the numbers of questions, sorted."""
    return sorted(question.number for question in asked)


def in_rounds(*rounds: Sequence[Lane]) -> Callable[[Asked], Sequence[Lane]]:
    """Return what gives the lanes of each of *rounds* in turn, then none."""
    left = list(rounds)
    return lambda _: left.pop(0) if left else []


class Desked:
    """A home with a journal, an account and a run."""

    def __init__(
        self,
        root: Path,
        *,
        ceiling: int | None = None,
        month: int = 300_000,
        per_second: int = 5_000,
        clock: Clock | None = None,
    ) -> None:
        self.home = open_home(root)
        self.clock = clock or SystemClock()
        self.journal = open_journal(self.home, self.clock)
        self.progress = Told()
        self.account = self.journal.account(
            "practice",
            "default",
            Secret(CANARY),
            requests_per_second=per_second,
            allowance=month,
            micro_eur=20_000,
        )
        self.run = self.journal.begin("job", self.account, ceiling=ceiling, source="list.csv")
        self.desk = self.desk_of(self.account)

    def desk_of(self, account: Account, aliases: Mapping[str, str] | None = None) -> Desk:
        """Return a desk of this run on *account*."""
        return Desk(self.journal, account, self.run, self.clock, self.progress, aliases or {})

    def free_account(self, register: str = "practice-vies", *, allowance: int = 1_000) -> Account:
        """Return an account by the day that costs nothing."""
        return self.journal.account(
            register, "default", Secret(""), requests_per_second=5_000, allowance=allowance, period="day", micro_eur=0
        )

    def lane(self, register: Any, asked: Sequence[Question] | None = None, **options: Any) -> Lane:
        """Return a lane for *asked*; for all numbers, if not given."""
        settings: dict[str, Any] = {"desk": self.desk, "workers": 30, "deadline": 2.0} | options
        return Lane(register=register, questions=questions() if asked is None else asked, **settings)

    def ask_lanes(self, next_lanes: Callable[[Asked], Sequence[Lane]], **options: Any) -> Asked:
        """Ask what *next_lanes* gives."""
        return anyio.run(partial(self.asking, next_lanes, **options))

    async def asking(self, next_lanes: Callable[[Asked], Sequence[Lane]], **options: Any) -> Asked:
        """Ask what *next_lanes* gives, in the loop that is running."""
        settings: dict[str, Any] = {"since": 0, "progress": self.progress, "patience": SHORT, "backoff": AT_ONCE}
        return await ask_all(next_lanes, **settings | options)

    def ask(self, register: Any, numbers: Sequence[str] = NUMBERS, **options: Any) -> Asked:
        """Ask *register* for *numbers*."""
        of_lane = {name: options.pop(name) for name in ("workers", "deadline") if name in options}
        return self.ask_lanes(in_rounds([self.lane(register, questions(numbers), **of_lane)]), **options)

    def calls(self) -> Counter[str]:
        """Return how many permits are in which state, read by other eyes."""
        with closing(sqlite3.connect(self.home.journal)) as sql:
            return Counter(dict(sql.execute("SELECT state, count(*) FROM call GROUP BY state")))

    def stored(self) -> list[StoredAnswer]:
        """Return the journal's answers."""
        return self.journal.answers(after=0, most=10_000)

    def answered(self) -> list[str]:
        """Return the numbers of the journal's answers."""
        return [answer.number for answer in self.stored()]

    def used(self, account: Account | None = None) -> int:
        """Return the units used of *account* now."""
        account = account or self.account
        return self.journal.used(account.register, account.name, account.period_of(self.clock.now()))
