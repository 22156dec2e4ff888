"""
The whole story of a run, and the only file that knows every stage.

Read the list; see what each cell is; look up what is known; plan; ask for the rest; write every
row back. Resuming is no case of its own: what was answered before is simply not in the plan.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import msgspec
import polars as pl

from kvk_enrich import burndown, columns, compare, evidence, keeping, listing, record, write
from kvk_enrich.announcing import announced
from kvk_enrich.asking import Asked, ask_all
from kvk_enrich.clock import Clock, SystemClock, coming
from kvk_enrich.config import Job, config_sha256
from kvk_enrich.errors import ConfigError, ExitCode, StorageError
from kvk_enrich.finishing import Finished, Result, budget_of, input_of, targets
from kvk_enrich.knowing import HOWEVER_OLD, Books, Freshness, Knowledge, books_of
from kvk_enrich.listing import Listed
from kvk_enrich.model import euro
from kvk_enrich.pace import HEADROOM
from kvk_enrich.plan import Plan
from kvk_enrich.progress import Progress
from kvk_enrich.sources import COMPANY, Services, account_of
from kvk_enrich.state.alone import alone
from kvk_enrich.tracing import span, traced
from kvk_enrich.version import __version__

__all__ = ["ExitCode", "Finished", "Forecast", "forecast", "run"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do, before it does it."""

    record: record.PlannedRecord
    plan: Plan


def run(
    job: Job,
    *,
    progress: Progress | None = None,
    confirm: Callable[[Forecast], None] | None = None,
    clock: Clock | None = None,
) -> Finished:
    """
    Enrich a list; go on where an earlier run of the same job was stopped.

    Args:
        job: What to do, fully decided.
        progress: Told how it goes; silent by default.
        confirm: Asked before the first paid call; it may raise to end the run with nothing changed.
        clock: Where the time comes from.

    Returns:
        How it ended.

    Raises:
        EnrichError: the list was refused, the state is not usable, an output cannot be written; another run is at
            work on the same list and output.
    """
    progress, clock = progress or Progress(), clock or SystemClock()
    with announced(job, progress, clock) as tell, traced(progress.note), span("run", source=job.source.name) as put:
        finished = _run(job, progress, confirm, clock)
        put("state", finished.record.state)
        put("calls", finished.record.calls.sent)
        tell(finished)
    return finished


def _run(job: Job, progress: Progress, confirm: Callable[[Forecast], None] | None, clock: Clock) -> Finished:
    # Fixed before anything takes time: a deadline that passes while the list is read is not tomorrow's.
    until = None if job.deadline is None else coming(job.deadline, clock.now())
    for target in targets(job):
        write.check(target)
    if job.evidence is not None:
        evidence.check(job.evidence, job.input, targets(job))
    with (
        books_of(job.home, progress, clock) as books,
        alone(books.home, job.input, job.output, clock.now()) as name,
        books.home.workspace() as folder,
    ):
        with span("read") as put:
            listed = listing.read(job, added(job), folder, books.progress)
            put("rows", listed.rows)
        books.journal.sweep()
        with span("plan") as put:
            known = _known(job, books, listed)
            plan = known.plan()
            put("questions", sum(plan.counts.values()))
        if plan.cost and confirm is not None:
            confirm(_forecast(job, books, listed, known, plan))
        return _carried_out(job, books, listed, known, plan, folder, name, until)


def forecast(job: Job, *, progress: Progress | None = None, clock: Clock | None = None) -> Forecast:
    """
    Make the decisions of a run and no call.

    Raises:
        EnrichError: as :func:`run` would.
    """
    with books_of(job.home, progress, clock) as books, books.home.workspace() as folder:
        listed = listing.read(job, added(job), folder, books.progress)
        known = _known(job, books, listed)
        return _forecast(job, books, listed, known, known.plan())


def added(job: Job) -> tuple[columns.Column, ...]:
    """
    Return the columns that a run of *job* adds to the list.

    Raises:
        ConfigError: something is to be compared that no register is asked for.
    """
    told = _told(job)
    for each in job.compare:
        if lacking := compare.lacking(each, columns.schema(told)):
            raise ConfigError(
                f"run.compare: {each.field.name} needs {', '.join(lacking)}, which is not told by what is asked for;"
                " add a product that does (docs/columns.md)"
            )
    return (*told, *write.compared.columns(job.compare))


def _told(job: Job) -> tuple[columns.Column, ...]:
    """Return the columns that registers fill, behind those of every output."""
    return columns.output(Services(job).wish.filled, geo_data=job.geo_data)


def _known(job: Job, books: Books, listed: Listed) -> Knowledge:
    fresh = Freshness(*(_fresh_since(job, books, listed, age) for age in (job.max_age_found, job.max_age_not_found)))
    known = Knowledge(job, books, listed.numbers, fresh, listed.pairs, priorities=listed.priorities)
    if job.geo_data and not known.is_new:
        books.progress.note("Companies known before keep the coordinates they came with, if any; --refresh asks anew.")
    return known


def _fresh_since(job: Job, books: Books, listed: Listed, max_age: timedelta) -> datetime:
    """
    Return the moment from which answers are fresh.

    With --refresh that is the beginning of this job, counting the interrupted runs that this one
    continues: what they paid for is not asked again.
    """
    now = books.clock.now()
    oldest = now - max_age
    return max(oldest, books.journal.begun(_job_id(job, listed)) or now) if job.refresh else oldest


def _job_id(job: Job, listed: Listed) -> str:
    return hashlib.sha256(f"{listed.snapshot.sha256} {config_sha256(job)}".encode()).hexdigest()


def _forecast(job: Job, books: Books, listed: Listed, known: Knowledge, plan: Plan) -> Forecast:
    answers = known.rows_of(listed.pairs, (), "")
    budget = budget_of(job, books)
    calls = _calls(plan)
    paid = sum(count for product, count in calls.items() if plan.tariffs[product].micro_eur)
    numbers = known.count(plan)
    if job.serve_stale:
        numbers = msgspec.structs.replace(numbers, stale=known.stale(answers))
    units = sum(count * plan.tariffs[name].units for name, count in plan.counts.items() if _is_of_company(plan, name))
    return Forecast(
        record.PlannedRecord(
            input=input_of(job, listed),
            config_sha256=config_sha256(job),
            version=__version__,
            rows=write.counts(listed.staged, answers),
            numbers=numbers,
            saved_eur=euro(write.worth(listed.staged, answers)),
            budget=budget,
            forecast=record.Forecast(
                calls_paid=paid,
                calls_free=sum(calls.values()) - paid,
                cost_eur=euro(plan.cost),
                seconds=_seconds(known, plan),
                left_after=max(0, budget.left - units),
            ),
        ),
        plan,
    )


def _is_of_company(plan: Plan, product: str) -> bool:
    return plan.tariffs[product].payer == COMPANY


def _calls(plan: Plan) -> dict[str, int]:
    """Return the calls per product: a batch is one."""
    return {product: -(-count // plan.tariffs[product].batch) for product, count in plan.counts.items()}


def _seconds(known: Knowledge, plan: Plan) -> float:
    """Return how long the calls take at the allowed pace; services are asked side by side."""
    by_payer: dict[str, float] = {}
    for product, calls in _calls(plan).items():
        payer = plan.tariffs[product].payer
        pace = known.services.source(payer).requests_per_second
        by_payer[payer] = by_payer.get(payer, 0.0) + calls * (1 + HEADROOM) / pace
    return round(max(by_payer.values(), default=0.0), 1)


def _carried_out(
    job: Job,
    books: Books,
    listed: Listed,
    known: Knowledge,
    plan: Plan,
    folder: Path,
    name: Callable[[str], None],
    until: datetime | None,
) -> Finished:
    account = account_of(job.source, books.journal, known.price)
    doubtful = books.journal.doubtful(account)
    run_id = books.journal.begin(
        _job_id(job, listed),
        account,
        ceiling=job.max_calls,
        ceiling_micro_eur=job.max_micro_eur,
        share=job.source.job,
        source=str(listed.snapshot.original),
    )
    name(run_id)
    started_at, used = books.clock.now(), budget_of(job, books)
    numbers = known.count(plan)
    if plan.counts:
        books.progress.start(sum(plan.counts.values()), numbers.cached, plan.cost)
    with span("ask"):
        has_questions = plan.counts or not plan.deferred.is_empty()
        asked = _asked(job, books, known, run_id, until) if has_questions else Asked()
    known.close(asked, run_id)
    told = [column.name for column in _told(job) if column not in columns.ENRICH]
    answers = known.rows_of(listed.pairs, told, run_id)
    if job.compare:
        marks = write.compared.marked(listed.staged, answers, listed.comparisons, folder / "compared.parquet")
        listed = replace(listed, staged=marks)
    before = _before(job, books, listed, told) if job.diff else None
    result = Result(
        job=job,
        books=books,
        listed=listed,
        known=known,
        added=added(job),
        asked=asked,
        numbers=numbers,
        run_id=run_id,
        started_at=started_at,
        doubtful=doubtful,
        answers=answers,
        before=before,
    )
    with span("write"):
        finished = result.finished()
    if finished.record.budget.month == used.month:
        _warn(used.used, finished.record.budget, books)
    try:
        books.journal.finish(run_id, finished.record.state, record.to_json(finished.record))
        keeping.prune_daily(books, job.retention)
    except (StorageError, OSError) as error:  # what the run made is out, and right: that is what it ends with
        books.progress.note(f"The end of the run could not be entered; the next one finds all it needs. ({error})")
    return finished


def _before(job: Job, books: Books, listed: Listed, told: Sequence[str]) -> pl.DataFrame | None:
    """Return the answers of the moment when outputs of this list were last written; None if they never were."""
    moment = books.journal.written(str(listed.snapshot.original))
    if moment is None:
        return None
    then = Knowledge(job, books, listed.numbers, HOWEVER_OLD, listed.pairs, at=moment)
    return then.rows_of(listed.pairs, told, "")


def _warn(used: int, budget: record.Budget, books: Books) -> None:
    """Say so when the run has brought the month to half its allowance, or near its end."""
    if percent := burndown.crossed(used, budget.used, budget.limit):
        books.progress.note(
            f"{percent} % or more of the allowance of {budget.month} (account {budget.account}) is used:"
            f" {budget.left:,} left."
        )


def _time_left(job: Job, until: datetime | None, now: datetime) -> timedelta | None:
    """Return how long may be asked: as long as allowed, and *until* the deadline."""
    left = [] if job.max_runtime is None else [job.max_runtime]
    if until is not None:
        left.append(max(timedelta(), until - now))
    return min(left, default=None)


def _asked(job: Job, books: Books, known: Knowledge, run_id: str, until: datetime | None) -> Asked:
    return anyio.run(
        partial(
            ask_all,
            known.rounds(run_id),
            since=known.since,
            progress=books.progress,
            max_runtime=_time_left(job, until, books.clock.now()),
        )
    )
