"""
What is known of a list's numbers, what is open, and how the one becomes the other.

Here the ways of routes.py, the decisions of plan.py, and the stores meet: answers are looked up once,
questions asked once; what could not be asked is kept as a gap, with its reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from kvk_enrich import ranking, routes, shares
from kvk_enrich.aliases import aliases
from kvk_enrich.asking import Asked, Desk, Lane
from kvk_enrich.clock import Clock, SystemClock
from kvk_enrich.config import Job
from kvk_enrich.fetch.fanout import affordable
from kvk_enrich.identifiers import vat
from kvk_enrich.model import Deferred, Failed, Kind, Question, Status, micro
from kvk_enrich.plan import Allowance, Plan, Tariff, make_plan
from kvk_enrich.progress import Progress
from kvk_enrich.record import Numbers
from kvk_enrich.registers import (
    kvk_basisprofiel,
    kvk_naamgeving,
    kvk_vestigingen,
    kvk_vestigingsprofiel,
    kvk_zoeken,
    kvkbase_records,
    vies_vat,
)
from kvk_enrich.routes import ANSWER, GAP, QUESTION
from kvk_enrich.sources import COMPANY, VAT, Services, account_of, register_id
from kvk_enrich.state.cache import Cache, Typing, open_cache
from kvk_enrich.state.home import Home, open_home
from kvk_enrich.state.journal import Journal, open_journal
from kvk_enrich.state.ledger import label

TYPING: Final[Typing] = {
    "basisprofiel": kvk_basisprofiel.rows,
    "naamgeving": kvk_naamgeving.rows,
    "vestigingen": kvk_vestigingen.rows,
    "vestigingsprofiel": kvk_vestigingsprofiel.rows,
    "zoeken": kvk_zoeken.rows,
    "vies": vies_vat.rows,
    **{product: reader.rows for product, reader in kvkbase_records.READERS.items()},
}
"""How the answers of each product become columns."""

_SECOND_COPY: Final = timedelta(days=30)
"""How long the journal keeps what the cache has: should the cache be lost, nothing newer is paid again."""

_NO_PROOFS: Final = pl.DataFrame(
    schema=dict.fromkeys(("register", "product", "kind", "number", "status"), pl.String)
    | {"fetched_at": pl.Datetime("us", "UTC"), "raw": pl.String}
)


@dataclass(frozen=True, slots=True)
class Books:
    """The open state of one home."""

    home: Home
    journal: Journal
    clock: Clock
    progress: Progress

    @contextmanager
    def cache(self) -> Iterator[Cache]:
        """Open the cache with everything the journal knows in it."""
        with open_cache(self.home, self.journal, TYPING, self.progress.note) as cache:
            cache.absorb(self.journal, TYPING, keep=_SECOND_COPY)
            self.journal.tell_losses(self.progress.note)
            yield cache


@contextmanager
def books_of(root: Path, progress: Progress | None, clock: Clock | None) -> Iterator[Books]:
    """Open the stores in the home at *root*, and say what they have lost."""
    clock, progress = clock or SystemClock(), progress or Progress()
    home = open_home(root)
    journal = open_journal(home, clock)
    try:
        journal.tell_losses(progress.note)
        yield Books(home, journal, clock, progress)
    finally:
        journal.close()


@dataclass(frozen=True, slots=True)
class Freshness:
    """From which moments on answers count: those that found something, those that did not."""

    found_since: datetime
    not_found_since: datetime


HOWEVER_OLD: Final = Freshness(*[datetime.min.replace(tzinfo=UTC)] * 2)


class Knowledge:
    """What is known of the numbers of one list. It grows while a run asks."""

    def __init__(
        self,
        job: Job,
        books: Books,
        numbers: pl.DataFrame,
        fresh: Freshness,
        pairs: pl.DataFrame | None = None,
        *,
        priorities: pl.DataFrame | None = None,
        at: datetime | None = None,
    ) -> None:
        """
        Look up what the cache knows.

        Args:
            job: What is wanted, from whom.
            books: The stores.
            numbers: ``kind, number, wanted``, distinct, in the order of the list.
            fresh: Which answers count.
            pairs: The pairs of numbers in the rows of the list, where two columns hold them.
            priorities: ``kind, number, priority``: which of them to ask first, when not all can be.
            at: Look at what was known at this moment, not now; whatever its age.
        """
        self._job = job
        self._books = books
        self._fresh = fresh
        self._priorities = priorities
        self._at = at
        self.services = Services(job, books.clock)
        self.wish = self.services.wish
        self.numbers = numbers
        self._chosen = numbers if job.sample is None else sampled(numbers, pairs, job.sample)
        self._aliases = _aliases(self._chosen, books.journal.id)
        self._known: dict[str, pl.DataFrame] = {}
        self._looked_up = pl.DataFrame(schema=QUESTION)
        self._gaps = pl.DataFrame(schema=GAP)
        self._older = pl.DataFrame(schema={"product": pl.String, "number": pl.String})
        self._seen = 0
        self._suspects: pl.DataFrame | None = None
        self._has_told_of_files = False
        self._asked = pl.DataFrame(schema=QUESTION)
        self._history: pl.DataFrame | None = None
        self.since = books.journal.newest()
        self._look_around()

    # -- looking up -----------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Follow the ways as far as the cache leads."""
        while True:
            self._resolved = routes.resolve(self._chosen, self._known, self.wish)
            self._questions = routes.questions(self._resolved, self.wish)
            unseen = self._questions.join(self._looked_up, on=list(QUESTION), how="anti", maintain_order="left")
            if unseen.is_empty():
                return
            self._look_up(unseen, self._fresh)
            self._looked_up = pl.concat([self._looked_up, unseen])

    def _look_up(self, questions: pl.DataFrame, fresh: Freshness) -> None:
        """Take over what the cache knows of *questions*."""
        for product, found in self._in_cache(questions, fresh).items():
            self._learn(product, found)

    def _in_cache(self, questions: pl.DataFrame, fresh: Freshness) -> dict[str, pl.DataFrame]:
        """Return what the cache knows of *questions*, by product."""
        known = {}
        with self._books.cache() as cache:
            for (product,), asked in questions.group_by("product", maintain_order=True):
                found = self._found(cache, str(product), self._named(asked), fresh)
                known[str(product)] = self._in_clear(self._proven(str(product), found))
        return known

    def _found(self, cache: Cache, product: str, asked: pl.DataFrame, fresh: Freshness) -> pl.DataFrame:
        register = self._register_of(product)
        if self._at is not None:
            return cache.as_of(asked, register=register, product=product, at=self._at, typing=TYPING)
        return cache.fresh(
            asked,
            register=register,
            product=product,
            found_since=fresh.found_since,
            not_found_since=fresh.not_found_since,
        )

    def _proven(self, product: str, found: pl.DataFrame) -> pl.DataFrame:
        """Leave out what VIES said without a proof, where one is wanted by now; what was known then stays known."""
        if product != "vies" or self._job.vies.requester is None or self._at is not None:
            return found
        return found.filter((pl.col("status") != Status.FOUND.value) | pl.col("vat_consultation_number").is_not_null())

    def _learn(self, product: str, found: pl.DataFrame) -> None:
        before = self._known.get(product)
        if before is None:
            self._known[product] = found
        elif not found.is_empty():
            kept = before.join(found, on="number", how="anti")
            self._known[product] = pl.concat([kept, found])

    def _register_of(self, product: str) -> str:
        return register_id(self.services.source(self.services.tariffs[product].payer))

    def _named(self, asked: pl.DataFrame) -> pl.DataFrame:
        """Return numbers as the stores know them."""
        joined = asked.select("kind", "number").join(self._aliases, on="number", how="left", maintain_order="left")
        return joined.select("kind", pl.coalesce("alias", "number").alias("number"))

    def _in_clear(self, found: pl.DataFrame) -> pl.DataFrame:
        """Return what the stores know under the names that the list uses."""
        back = self._aliases.select(pl.col("alias").alias("number"), pl.col("number").alias("clear"))
        joined = found.join(back, on="number", how="left")
        return joined.with_columns(number=pl.coalesce("clear", "number")).drop("clear", "kind")

    # -- planning -------------------------------------------------------------------------------

    def plan(self, asked: Asked | None = None) -> Plan:
        """
        Decide about the open questions, after *asked* came of this run so far.

        What is not asked is answered with what is known of older, where that may be: the plan leaves it out.
        """
        plan = self._decided(asked)
        while self._serve_older(plan.deferred):
            plan = self._decided(asked)
        return plan

    def _decided(self, asked: Asked | None) -> Plan:
        questions = self._open()
        return make_plan(
            self._ranked(questions) if self._job.serve_stale or self._priorities is not None else questions,
            routes.later(self._resolved, self._known, self.wish),
            self.services.tariffs,
            {payer: self._allowance(payer, asked or Asked()) for payer in (COMPANY, VAT)},
            offline=self._job.offline,
        )

    def _ranked(self, questions: pl.DataFrame) -> pl.DataFrame:
        """Return *questions* with those first that are worth most."""
        older = [
            frame.select(pl.lit(product).alias("product"), "number", "fetched_at")
            for product, frame in self._in_cache(questions, HOWEVER_OLD).items()
        ]
        if self._history is None:
            main = self.wish.main
            with self._books.cache() as cache:
                self._history = cache.history(register=self._register_of(main), product=main)
        sought = [
            self._resolved.join(self._priorities, on=["kind", "number"]).select(
                pl.lit(step.product).alias("product"), pl.col(step.by).alias("number"), "priority"
            )
            for step in self.wish.steps
            if self._priorities is not None
        ]
        nothing = pl.DataFrame(schema={"product": pl.String, "number": pl.String, "priority": pl.Float64})
        priorities = pl.concat([nothing, *sought]).drop_nulls().group_by("product", "number").agg(pl.max("priority"))
        known = pl.DataFrame(schema=nothing.schema | {"fetched_at": pl.Datetime("us", "UTC")}).drop("priority")
        now = self._books.clock.now()
        return ranking.ordered(questions, pl.concat([known, *older]), self._history, priorities, now)

    def _open(self) -> pl.DataFrame:
        """Return the questions that have neither an answer nor a gap, in the order of the list."""
        left = (frame.select("product", "number") for frame in (self._gaps, self._asked))
        met = pl.concat([self._answered(), *left])
        return self._questions.join(met, on=["product", "number"], how="anti", maintain_order="left")

    def _answered(self) -> pl.DataFrame:
        known = [frame.select(pl.lit(product).alias("product"), "number") for product, frame in self._known.items()]
        return pl.concat([self._gaps.select("product", "number").clear(), *known])

    def _allowance(self, payer: str, asked: Asked) -> Allowance:
        source, job = self.services.source(payer), self._job
        journal, owner = self._books.journal, (register_id(source), source.account, self.period(payer))
        left = max(0, source.allowance - journal.used(*owner))
        if payer == VAT:
            return Allowance(left, spent=f"{source.period}_ceiling")
        by_job = {use.name: use.units for use in journal.shares() if use[:3] == owner}
        of_job = shares.room(source.shares, source.job, source.allowance, left, by_job)
        made = asked.paid if self.price else asked.free
        return Allowance(
            of_job,
            None if job.max_calls is None else max(0, job.max_calls - made),
            None if job.max_micro_eur is None else max(0, job.max_micro_eur - asked.spent_micro),
            spent="share_ceiling" if of_job < left else "month_ceiling",
            counts_free=not self.price,
        )

    @property
    def price(self) -> int:
        """Micro-euro of one unit of the register of companies."""
        return micro(self._job.source.price_eur)

    def period(self, payer: str) -> str:
        """Return the month or day that the allowance of *payer* is counted in now."""
        now = self._books.clock.now()
        return label(self.services.source(payer).period, now)

    # -- asking ---------------------------------------------------------------------------------

    def rounds(self, run: str) -> Callable[[Asked], Sequence[Lane]]:
        """Return how the lanes of the next round are found, given what came of those before."""

        def next_lanes(asked: Asked) -> Sequence[Lane]:
            self.take_in(asked)
            plan = self.plan(asked)
            self._leave_out(plan.deferred)
            lanes = self._lanes(plan, run) or self._suspicion(run)
            going = [question for lane in lanes for question in lane.questions]
            self._asked = pl.concat([self._asked, _frame(going)])
            self._books.progress.expect(max(len(going), sum(plan.counts.values())))
            return lanes

        return next_lanes

    def _suspicion(self, run: str) -> list[Lane]:
        """Return the lane that finds out whether the numbers are branch numbers that lost their zeros; once a run."""
        if self._job.offline or self._suspects is not None:
            return []
        self._suspects = routes.stripped(self._resolved, self._known, self.wish)
        return [self._lane(COMPANY, self._suspects, run)] if self._suspects.height else []

    def _lanes(self, plan: Plan, run: str) -> list[Lane]:
        lanes = []
        for payer in (COMPANY, VAT):
            tariffs = {product: tariff for product, tariff in plan.tariffs.items() if tariff.payer == payer}
            wanted = plan.asks.filter(pl.col("product").is_in(list(tariffs)))
            # What is free goes first, and alone: one account has one pace, and it may spare a paid call.
            gratis = [product for product, tariff in tariffs.items() if not tariff.micro_eur]
            free = wanted.filter(pl.col("product").is_in(gratis))
            now = wanted if free.is_empty() else free
            if not now.is_empty():
                lanes.append(self._lane(payer, now, run))
        return lanes

    def _lane(self, payer: str, asks: pl.DataFrame, run: str) -> Lane:
        source = self.services.source(payer)
        tariffs = {product: self.services.tariffs[product] for product in asks["product"].unique(maintain_order=True)}
        price = max(tariff.micro_eur // tariff.units for tariff in tariffs.values())
        books = self._books
        account = account_of(source, books.journal, price)
        names = dict(self._aliases.iter_rows()) if payer == VAT else {}
        return Lane(
            desk=Desk(books.journal, account, run, books.clock, books.progress, names),
            register=self.services.open(payer),
            questions=[Question(product, Kind(kind), number) for product, kind, number in _in_batches(asks, tariffs)],
            workers=self._affordable(source.workers),
            deadline=source.timeout_seconds,
            units={name: tariff.units for name, tariff in self.services.tariffs.items()},
            per_state=source.per_state if payer == VAT else None,
            windows=source.retry_windows,
        )

    def _affordable(self, workers: int) -> int:
        fewer = affordable(workers)
        if fewer < workers and not self._has_told_of_files:
            self._has_told_of_files = True
            self._books.progress.note(
                f"{fewer} calls under way at most instead of {workers}: each needs an open file, and this machine"
                " allows a process no more. Raise the limit (ulimit -n) to ask faster."
            )
        return fewer

    def take_in(self, asked: Asked) -> None:
        """Learn what came of asking since the last time."""
        new = asked.answered[self._seen :]
        self._seen = len(asked.answered)
        if new:
            # Whatever their age by the register's clock: they were asked for now.
            self._look_up(_frame(new), HOWEVER_OLD)
        self._look_around()

    def _serve_older(self, deferred: pl.DataFrame) -> bool:
        """Take over older answers to questions that are not asked; say whether there are any: they may lead on."""
        if not self._job.serve_stale or deferred.is_empty():
            return False
        older = self._in_cache(deferred, HOWEVER_OLD)
        for product, known in older.items():
            self._learn(product, known)
            old = known.filter(self._is_old()).select(pl.lit(product).alias("product"), "number")
            self._older = pl.concat([self._older, old])
        self._look_around()
        return any(known.height for known in older.values())

    def _leave_out(self, deferred: pl.DataFrame) -> None:
        """Take questions out of the run: they have no answer, not even an older one."""
        lines = deferred.with_columns(pl.lit(Status.DEFERRED.value).alias("status"))
        self._gaps = pl.concat([self._gaps, lines], how="diagonal")

    # -- the end --------------------------------------------------------------------------------

    def close(self, asked: Asked, run: str) -> None:
        """Enter a gap for every question that got no answer."""
        self.take_in(asked)
        self._serve_older(_frame(question for question, _ in asked.deferred))
        tries = {line.number: (line.attempts, line.last_tried_at) for line in self._books.journal.tries(run)}
        names = dict(self._aliases.iter_rows())
        lines = [
            (*question, *_fate(outcome), *tries.get(names.get(question.number, question.number), (0, None)))
            for question, outcome in _unanswered(asked)
        ]
        gaps = pl.DataFrame(lines, schema=GAP, orient="row")
        self._gaps = pl.concat([self._gaps, gaps.join(self._answered(), on=["product", "number"], how="anti")])
        self._asked = self._asked.clear()
        if self._suspects is not None and self._suspects.height and routes.are_branches(self._suspects, self._known):
            self._books.progress.note(
                "Most KVK numbers of this list are not found, but as branch numbers, with 0000 in front, they are:"
                " a spreadsheet took the zeros. Take the column from the source again, or give --kind branch."
            )
        while self._serve_older(self._open()):
            pass
        self._leave_out(self._open().with_columns(reason=pl.lit(asked.cause.reason if asked.cause else "stopped")))

    def answers(self, names: Sequence[str], run: str, *, pending: str = "stopped") -> pl.DataFrame:
        """
        Return one line per number: what the registers said, or why there is no answer.

        Questions still open count as deferred for the reason *pending*.
        """
        open_ones = self._open().with_columns(status=pl.lit(Status.DEFERRED.value), reason=pl.lit(pending))
        gaps = pl.concat([self._gaps, open_ones], how="diagonal")
        told = routes.answers(self._resolved, self._known, gaps, self.wish, names, run)
        prices = {name: tariff.micro_eur for name, tariff in self.services.tariffs.items() if tariff.micro_eur}
        told = told.with_columns(routes.worth(self._resolved, self._known, self.wish, prices))
        if self._job.serve_stale:
            told = told.with_columns(self._marked(told))
        return with_the_rest(told, self.numbers)

    def _is_old(self) -> pl.Expr:
        """Say of answers whether they are older than would count as fresh: another process may have asked just now."""
        was_found = pl.col("status") == Status.FOUND.value
        since = pl.when(was_found).then(pl.lit(self._fresh.found_since)).otherwise(pl.lit(self._fresh.not_found_since))
        return pl.col("fetched_at") < since

    def _marked(self, told: pl.DataFrame) -> pl.Series:
        """Return the flags of *told*, with one more where any part of it is an older answer."""
        is_told = pl.col("enrich_outcome").is_in([Status.FOUND.value, Status.NOT_FOUND.value])
        flags = pl.concat_list(pl.col("enrich_flags").fill_null([]), pl.lit("stale"))
        older = told.with_columns(routes.resting(self._resolved, self._older, self.wish))
        return older.select(pl.when(is_told & pl.col("resting")).then(flags).otherwise("enrich_flags"))["enrich_flags"]

    def stale(self, answers: pl.DataFrame) -> int:
        """Return how many numbers of *answers* have a part that is older than would count as fresh."""
        rows = answers.filter(pl.col("enrich_flags").list.contains("stale"))
        if "enrich_other_number" not in answers.columns:
            return rows.height
        sides = (("enrich_kind", "enrich_number"), ("enrich_other_kind", "enrich_other_number"))
        beside = [rows.select(pl.col(kind).alias("kind"), pl.col(number).alias("number")) for kind, number in sides]
        older = self._resolved.filter(routes.resting(self._resolved, self._older, self.wish))
        return older.join(pl.concat(beside), on=["kind", "number"], how="semi").height

    def paid_for(self, asked: Asked) -> int:
        """Return what the answers received in this run cost (micro-euro), without attempts in vain."""
        tariffs = self.services.tariffs
        return sum(tariffs[question.product].micro_eur for question in asked.answered)

    @property
    def is_new(self) -> bool:
        """Say whether nothing is known yet."""
        return all(frame.is_empty() for frame in self._known.values())

    def standing(self) -> pl.DataFrame:
        """Return what is known of each question so far: ``product, kind, number, status, reason, fetched_at``."""
        known = [
            frame.select(pl.lit(product).alias("product"), "number", "status", "reason", "fetched_at")
            for product, frame in self._known.items()
        ]
        nothing = pl.DataFrame(schema=QUESTION | ANSWER).drop("kind", "run")
        told = pl.concat([nothing, *known], how="diagonal")
        return self._questions.join(told, on=["product", "number"], how="left", maintain_order="left")

    def count(self, plan: Plan) -> Numbers:
        """Return how many numbers there are, how many need no call, and how many the plan asks for."""
        waiting = routes.waiting(self._resolved, self._open(), self.wish)
        return Numbers(
            distinct=self.numbers.height,
            cached=routes.waiting(self._resolved, self._questions, self.wish) - waiting,
            asked=routes.waiting(self._resolved, plan.asks, self.wish),
        )

    def rows_of(self, pairs: pl.DataFrame | None, names: Sequence[str], run: str) -> pl.DataFrame:
        """Return the answers as the rows of the list need them: by number, or by pair of numbers."""
        return by_row(self.answers(names, run), pairs)

    def proofs(self) -> pl.DataFrame:
        """
        Return the answers, as received, that the rows rest on.

        Returns:
            ``register, product, kind, number, status, fetched_at, raw``, sorted; numbers as the list has them.
        """
        asked = self._looked_up.select("product", "kind", "number")
        found = []
        with self._books.cache() as cache:
            for product, known in self._known.items():
                wanted = known.select("number", "fetched_at").join(
                    asked.filter(pl.col("product") == product), on="number"
                )
                named = self._named(wanted).with_columns(wanted["fetched_at"])
                answers = cache.raw(named, register=self._register_of(product), product=product)
                found.append(self._in_clear(answers.with_columns(own_kind=pl.col("kind"))))
        columns = ["register", "product", "kind", "number", "status", "fetched_at", "raw"]
        together = pl.concat([_NO_PROOFS, *(part.rename({"own_kind": "kind"}).select(columns) for part in found)])
        return together.unique().sort(columns)

    def branches(self) -> pl.DataFrame | None:
        """Return what is known of branches: one line each, or None where no such product was wanted."""
        return routes.branches(self._known, self.wish)


def _in_batches(asks: pl.DataFrame, tariffs: Mapping[str, Tariff]) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of *asks*, first those of products that are asked in batches: only neighbours make one."""
    of_batches = [product for product, tariff in tariffs.items() if tariff.batch > 1]
    for product in of_batches:
        yield from asks.filter(pl.col("product") == product).iter_rows()
    yield from asks.filter(~pl.col("product").is_in(of_batches)).iter_rows()


def _frame(questions: Iterable[Question]) -> pl.DataFrame:
    return pl.DataFrame(list(questions), schema=QUESTION, orient="row")


def _unanswered(asked: Asked) -> Iterator[tuple[Question, Failed | Deferred]]:
    yield from asked.failed
    yield from asked.deferred


def _fate(outcome: Failed | Deferred) -> tuple[str, str, str]:
    if isinstance(outcome, Failed):
        return Status.FAILED.value, outcome.reason, outcome.detail
    return Status.DEFERRED.value, outcome.reason, ""


def sampled(numbers: pl.DataFrame, pairs: pl.DataFrame | None, most: int) -> pl.DataFrame:
    """Return the first *most* of *numbers*, and those that stand beside one of them."""
    first = numbers.head(most)
    if pairs is None:
        return first
    sides = [["enrich_kind", "enrich_number"], ["enrich_other_kind", "enrich_other_number"]]
    beside = [
        pairs.join(first, left_on=own, right_on=["kind", "number"], how="semi").select(
            pl.col(other[0]).alias("kind"), pl.col(other[1]).alias("number")
        )
        for own, other in (sides, sides[::-1])
    ]
    both = pl.concat([first.select("kind", "number"), *beside])
    return numbers.join(both, on=["kind", "number"], how="semi", maintain_order="left")


def with_the_rest(told: pl.DataFrame, numbers: pl.DataFrame) -> pl.DataFrame:
    """Return what is *told* of some of *numbers*, and that the others are no part of the sample."""
    left_out = numbers.join(told, on=["kind", "number"], how="anti", maintain_order="left").select(
        "kind",
        "number",
        enrich_outcome=pl.lit(Status.DEFERRED.value),
        enrich_reason=pl.lit("not_sampled"),
    )
    return pl.concat([told, left_out], how="diagonal")


def by_row(told: pl.DataFrame, pairs: pl.DataFrame | None) -> pl.DataFrame:
    """Return what is *told* of numbers as rows need it: by number, or by pair of numbers."""
    own = told.rename({"kind": "enrich_kind", "number": "enrich_number"})
    return own if pairs is None else routes.paired(pairs, own)


def _aliases(numbers: pl.DataFrame, secret: str) -> pl.DataFrame:
    delicate = numbers.filter((pl.col("kind") == Kind.VAT) & vat.may_hold_bsn_column(pl.col("number")))["number"]
    named = aliases(delicate, secret)
    return pl.DataFrame(list(named.items()), schema={"number": pl.String, "alias": pl.String}, orient="row")
