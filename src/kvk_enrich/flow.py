"""
The whole story of a run, and the only file that knows every stage.

Read the list; see what each cell is; look up what is known; plan; ask for the rest; write every
row back. Resuming is no case of its own: what was answered before is simply not in the plan.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import msgspec
import polars as pl

from kvk_enrich import __version__, columns, identify, readers, record, sources, write
from kvk_enrich.asking import Asked, Desk, ask_all
from kvk_enrich.clock import Clock, SystemClock, month_of
from kvk_enrich.config import Job, config_sha256
from kvk_enrich.errors import ExitCode
from kvk_enrich.model import Kind, Status, euro, micro
from kvk_enrich.plan import KEY, Allowance, Plan, make_plan
from kvk_enrich.progress import Progress
from kvk_enrich.registers import kvk_basisprofiel
from kvk_enrich.state.cache import Cache, Typing, open_cache
from kvk_enrich.state.home import Home, open_home
from kvk_enrich.state.journal import HEADROOM, Journal, open_journal

PRODUCT: Final = "basisprofiel"
TYPING: Final[Typing] = {PRODUCT: kvk_basisprofiel.rows}

_SECOND_COPY: Final = timedelta(days=30)
"""How long the journal keeps what the cache has: should the cache be lost, nothing newer is paid again."""

_STOPPED: Final = {ExitCode.ACCESS_REFUSED, ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED, ExitCode.TERMINATED}

_FRAME_KEY: Final = {"kind": "enrich_kind", "number": "enrich_number"}
_FAILED: Final[dict[str, pl.DataType]] = {
    "kind": pl.String(),
    "number": pl.String(),
    "enrich_outcome": pl.String(),
    "enrich_reason": pl.String(),
    "detail": pl.String(),
    "attempts": pl.Int32(),
    "last_tried_at": pl.Datetime("us", "UTC"),
}
"""A number that got no answer, and what was tried for it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """
    How a run ended.

    Args:
        record: What it did; without outputs when it was stopped.
        exit_code: What the process says.
        cause: The sentence for an early end.
        not_selected: Rows that --only-missing left out; they count as deferred in the record.
        record_path: Where the record was written.
    """

    record: record.RunRecord
    exit_code: ExitCode
    cause: str | None
    not_selected: int
    record_path: Path | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do, before it does it."""

    record: record.PlannedRecord
    plan: Plan


@dataclass(frozen=True, slots=True)
class _Listed:
    """The list as it was read: *staged* is a private Parquet file, *numbers* ``kind, number`` in first-seen order."""

    snapshot: readers.Snapshot
    staged: Path
    column: str
    rows: int
    numbers: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _State:
    """The open state of one home, as one source uses it."""

    home: Home
    journal: Journal
    register: str
    clock: Clock
    progress: Progress

    @contextmanager
    def cache(self) -> Iterator[Cache]:
        """Open the cache with everything the journal knows in it."""
        with open_cache(self.home, self.journal, TYPING, self.progress.note) as cache:
            cache.absorb(self.journal, TYPING, keep=_SECOND_COPY)
            yield cache


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
        EnrichError: the list was refused, the state is not usable, an output cannot be written.
    """
    for target in _targets(job):
        write.check(target)
    with _opened(job, progress or Progress(), clock or SystemClock()) as state, state.home.workspace() as folder:
        listed = _read(job, folder, state.progress)
        state.journal.sweep()
        since, plan = _planned(job, state, listed)
        if plan.cost and confirm is not None:
            confirm(_forecast(job, state, listed, plan))
        return _carried_out(job, state, listed, plan, since=since)


def forecast(job: Job, *, progress: Progress | None = None, clock: Clock | None = None) -> Forecast:
    """
    Make the decisions of a run and no call.

    Raises:
        EnrichError: as :func:`run` would.
    """
    with _opened(job, progress or Progress(), clock or SystemClock()) as state, state.home.workspace() as folder:
        listed = _read(job, folder, state.progress)
        _, made = _planned(job, state, listed)
        return _forecast(job, state, listed, made)


@contextmanager
def _opened(job: Job, progress: Progress, clock: Clock) -> Iterator[_State]:
    home = open_home(job.home)
    journal = open_journal(home, clock)
    try:
        yield _State(home, journal, sources.register_id(job.source), clock, progress)
    finally:
        journal.close()


# -- read and plan ------------------------------------------------------------------------------


def _read(job: Job, folder: Path, progress: Progress) -> _Listed:
    snapshot = readers.snapshot(job.input, folder)
    reserved = columns.schema(columns.output(job.products))
    rows = readers.read(
        snapshot,
        folder=folder,
        encoding=job.encoding,
        delimiter=job.delimiter,
        sheet=job.sheet,
        reserved=reserved.keys(),
    )
    for note in rows.notes:
        progress.note(note)
    named = job.column and identify.named_column(rows.columns, job.column)
    column = named or identify.find_column(rows.frame, rows.columns)
    identified = identify.identify(rows.frame, column, job.kind)
    if job.only_missing is not None:
        identified = _unselect(identified, identify.named_column(rows.columns, job.only_missing))
    staged = folder / "staged.parquet"
    identified.sink_parquet(staged, compression="lz4")
    if _is_workbook(job):
        write.check_sheet(staged, columns.output(job.products))
    lines = pl.scan_parquet(staged, glob=False)
    numbers = identify.distinct(lines).rename({ours: short for short, ours in _FRAME_KEY.items()})
    if named and numbers.is_empty():
        progress.note(f"No cell of column {column!r} holds a number: is it the right one?")
    return _Listed(
        snapshot=snapshot,
        staged=staged,
        column=column,
        rows=int(lines.select(pl.len()).collect().item()),
        numbers=numbers,
    )


def _unselect(identified: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """Take rows out of the job whose *column* is filled already."""
    filled = pl.col(column).cast(pl.String).str.strip_chars().fill_null("") != ""
    return identified.with_columns(
        enrich_number=pl.when(~filled).then("enrich_number"),
        enrich_kind=pl.when(~filled).then("enrich_kind"),
        enrich_reason=pl.when(filled).then(pl.lit("not_selected")).otherwise("enrich_reason"),
    )


def _planned(job: Job, state: _State, listed: _Listed) -> tuple[int, Plan]:
    """Return the newest answer that the plan knows of, and the plan."""
    since = state.journal.newest()
    with state.cache() as cache:
        fresh = cache.fresh(
            listed.numbers,
            register=state.register,
            product=PRODUCT,
            found_since=_fresh_since(job, state, listed, job.max_age_found),
            not_found_since=_fresh_since(job, state, listed, job.max_age_not_found),
        )
    month = month_of(state.clock.now())
    used = state.journal.used(state.register, job.source.account, month)
    return since, make_plan(
        listed.numbers,
        fresh,
        Allowance(run=job.max_calls, month=max(0, job.source.calls_per_month - used)),
        price=micro(job.source.price_eur),
        sample=job.sample,
        offline=job.offline,
    )


def _fresh_since(job: Job, state: _State, listed: _Listed, max_age: timedelta) -> datetime:
    """
    Return the moment from which answers are fresh.

    With --refresh that is the beginning of this job, counting the interrupted runs that this one
    continues: what they paid for is not asked again.
    """
    now = state.clock.now()
    oldest = now - max_age
    return max(oldest, state.journal.begun(_job_id(job, listed)) or now) if job.refresh else oldest


def _job_id(job: Job, listed: _Listed) -> str:
    return hashlib.sha256(f"{listed.snapshot.sha256} {config_sha256(job)}".encode()).hexdigest()


def _forecast(job: Job, state: _State, listed: _Listed, plan: Plan) -> Forecast:
    budget = _budget(job, state)
    asks = len(plan.asks)
    rows = write.counts(listed.staged, _planned_answers(plan))
    return Forecast(
        record.PlannedRecord(
            input=_input(job, listed),
            config_sha256=config_sha256(job),
            version=__version__,
            rows=rows,
            numbers=record.Numbers(distinct=plan.distinct, cached=len(plan.hits), asked=asks),
            saved_eur=euro((rows.found + rows.not_found) * plan.price),
            budget=budget,
            forecast=record.Forecast(
                calls_paid=asks if plan.price else 0,
                calls_free=0 if plan.price else asks,
                cost_eur=euro(plan.cost),
                seconds=round(asks * (1 + HEADROOM) / job.source.requests_per_second, 1),
                left_after=max(0, budget.left - asks),
            ),
        ),
        plan,
    )


def _planned_answers(plan: Plan) -> pl.DataFrame:
    """Return an outcome for every number as if no call were made: what would be asked counts as deferred."""
    outcomes = pl.concat(
        [
            plan.hits.select(*KEY, enrich_outcome="status", enrich_reason=pl.lit(None, pl.String)),
            plan.asks.select(*KEY, _lit(Status.DEFERRED, "enrich_outcome"), _lit("stopped", "enrich_reason")),
            plan.deferred.select(*KEY, _lit(Status.DEFERRED, "enrich_outcome"), enrich_reason="reason"),
        ]
    )
    return outcomes.rename(_FRAME_KEY)


# -- ask ----------------------------------------------------------------------------------------


def _carried_out(job: Job, state: _State, listed: _Listed, plan: Plan, *, since: int) -> Finished:
    account = sources.account_of(job.source, state.journal, plan.price)
    doubtful = state.journal.doubtful(account)
    run_id = state.journal.begin(
        _job_id(job, listed), account, ceiling=job.max_calls, source=str(listed.snapshot.original)
    )
    started_at = state.clock.now()
    if not plan.asks.is_empty():
        state.progress.start(len(plan.asks), len(plan.hits), plan.cost)
    desk = Desk(state.journal, account, run_id, state.clock, state.progress)
    asked = _asked(job, desk, plan, since)
    answers = _answers(job, state, plan, asked, run_id)
    rows = write.counts(listed.staged, answers)
    finished = _Result(job, state, listed, plan, asked, run_id, started_at, doubtful, answers, rows).finished()
    state.journal.finish(run_id, finished.record.state, record.to_json(finished.record))
    return finished


def _asked(job: Job, desk: Desk, plan: Plan, since: int) -> Asked:
    if plan.asks.is_empty():
        return Asked()
    return anyio.run(
        partial(
            ask_all,
            desk,
            sources.open_register(job.source),
            plan.asks["number"].to_list(),
            product=PRODUCT,
            kind=Kind.KVK,
            since=since,
            workers=job.source.workers,
            deadline=job.source.timeout_seconds,
            max_runtime=job.max_runtime,
        )
    )


# -- write --------------------------------------------------------------------------------------


def _answers(job: Job, state: _State, plan: Plan, asked: Asked, run_id: str) -> pl.DataFrame:
    """Return one line per distinct number: what the register said, or why there is no answer."""
    answered = plan.asks.filter(pl.col("number").is_in(asked.answered))
    with state.cache() as cache:
        known = cache.look_up(pl.concat([plan.hits.select(KEY), answered]), register=state.register, product=PRODUCT)
    return pl.concat(
        [
            known.with_columns(_lit(job.source.name, "enrich_source"), enrich_cached=pl.col("run") != run_id)
            .drop("run")
            .rename({"status": "enrich_outcome", "reason": "enrich_reason", "fetched_at": "enrich_fetched_at"}),
            _failed(asked, state.journal, run_id),
            _deferred(plan, asked),
        ],
        how="diagonal",
    ).rename(_FRAME_KEY)


def _failed(asked: Asked, journal: Journal, run_id: str) -> pl.DataFrame:
    tries = {line.number: line[1:] for line in journal.tries(run_id)} if asked.failed else {}
    return pl.DataFrame(
        [
            (Kind.KVK, item.number, Status.FAILED, item.reason, item.detail, *tries.get(item.number, (0, None)))
            for item in asked.failed
        ],
        schema=_FAILED,
        orient="row",
    )


def _deferred(plan: Plan, asked: Asked) -> pl.DataFrame:
    """Return the numbers not asked: by plan, given up when the run was stopped, or not reached before it was."""
    met = [*asked.answered, *(item.number for item in asked.failed), *(item.number for item in asked.deferred)]
    unmet = plan.asks.filter(~pl.col("number").is_in(met))["number"]
    reason = asked.cause.reason if asked.cause else "stopped"
    given_up = [(item.number, item.reason) for item in asked.deferred] + [(number, reason) for number in unmet]
    frame = pl.DataFrame(given_up, schema={"number": pl.String, "reason": pl.String}, orient="row")
    return pl.concat([plan.deferred, frame.select(_lit(Kind.KVK, "kind"), "number", "reason")]).select(
        *KEY, _lit(Status.DEFERRED, "enrich_outcome"), enrich_reason="reason"
    )


@dataclass(frozen=True, slots=True)
class _Result:
    """Everything there is to tell at the end of a run."""

    job: Job
    state: _State
    listed: _Listed
    plan: Plan
    asked: Asked
    run_id: str
    started_at: datetime
    doubtful: int
    answers: pl.DataFrame
    rows: record.Rows

    def finished(self) -> Finished:
        """Write the outputs, unless the run was stopped, and say how it ended."""
        exit_code = self._exit_code()
        cause = self.asked.cause.sentence if self.asked.cause else None
        if exit_code in _STOPPED:
            return Finished(self._record(exit_code, None), exit_code, cause, self._not_selected(), None)
        enriched, failed, report, run_json = _targets(self.job)
        dialect = write.DIALECTS[self.job.csv_dialect]
        with write.together([enriched, failed, report, run_json]) as drafts:
            written = record.Outputs(
                enriched=_output(enriched, self._enriched(exit_code, drafts[enriched])),
                failed=_output(failed, write.failed(self.listed.staged, self.answers, drafts[failed], dialect)),
            )
            page = write.report(self._record(exit_code, written), self.listed.staged, self.answers, drafts[report])
            complete = self._record(exit_code, msgspec.structs.replace(written, report=_output(report, page)))
            drafts[run_json].write_bytes(record.to_json(complete))
        return Finished(complete, exit_code, cause, self._not_selected(), run_json)

    def _enriched(self, exit_code: ExitCode, draft: Path) -> write.Written:
        added = columns.output(self.job.products)
        if _is_workbook(self.job):
            return write.workbook(self._record(exit_code, None), self.listed.staged, self.answers, added, draft)
        dialect = write.DIALECTS[self.job.csv_dialect]
        return write.enriched(self.listed.staged, self.answers, added, draft, dialect)

    def _not_selected(self) -> int:
        reasons = pl.scan_parquet(self.listed.staged, glob=False).select("enrich_reason")
        return int(reasons.filter(pl.col("enrich_reason") == "not_selected").select(pl.len()).collect().item())

    def _deferred_because(self) -> str | None:
        """Return the reason for most numbers that the plan itself left out; None when it left out none."""
        reasons = self.plan.deferred["reason"].value_counts(sort=True)["reason"]
        return None if reasons.is_empty() else str(reasons[0])

    def _exit_code(self) -> ExitCode:
        if self.asked.cause is not None and self.asked.cause.exit_code != ExitCode.CEILING:
            return self.asked.cause.exit_code
        deferred = self.answers.filter(pl.col("enrich_outcome") == Status.DEFERRED.value)
        if not deferred.is_empty():
            return ExitCode.CEILING
        return ExitCode.SOME_FAILED if self.asked.failed else ExitCode.COMPLETE

    def _record(self, exit_code: ExitCode, outputs: record.Outputs | None) -> record.RunRecord:
        plan, asked, rows = self.plan, self.asked, self.rows
        finished_at = self.state.clock.now()
        return record.RunRecord(
            run_id=self.run_id,
            state="stopped" if exit_code in _STOPPED else "complete" if exit_code == ExitCode.COMPLETE else "partial",
            stop_reason=asked.cause.reason if asked.cause else self._deferred_because(),
            input=_input(self.job, self.listed),
            config_sha256=config_sha256(self.job),
            version=__version__,
            rows=rows,
            numbers=record.Numbers(distinct=plan.distinct, cached=len(plan.hits), asked=len(plan.asks)),
            calls=record.Calls(
                sent=asked.sent,
                paid=asked.sent if plan.price else 0,
                free=0 if plan.price else asked.sent,
                retries=asked.retries,
                in_doubt=self.doubtful,
            ),
            cost_eur=euro(asked.sent * plan.price),
            saved_eur=euro(max(0, rows.found + rows.not_found - len(asked.answered)) * plan.price),
            budget=_budget(self.job, self.state),
            rate=record.Rate(
                limit_per_s=self.job.source.requests_per_second,
                mean_per_s=round(asked.sent / asked.seconds, 2) if asked.seconds else 0.0,
                max_in_any_second=asked.most_in_a_second,
            ),
            outputs=outputs,
            started_at=self.started_at,
            finished_at=finished_at,
            seconds=round((finished_at - self.started_at).total_seconds(), 3),
        )


def _targets(job: Job) -> list[Path]:
    """Return the files of a run, in the order in which they are published: the record is last."""
    stem = job.output.with_suffix("")
    return [
        job.output,
        *(stem.with_name(stem.name + ending) for ending in (".failed.csv", ".report.html", ".run.json")),
    ]


def _is_workbook(job: Job) -> bool:
    return job.output.suffix.lower() == ".xlsx"


def _input(job: Job, listed: _Listed) -> record.Input:
    return record.Input(path=str(job.input), sha256=listed.snapshot.sha256, rows=listed.rows, columns=(listed.column,))


def _output(target: Path, written: write.Written) -> record.OutputFile:
    return record.OutputFile(path=str(target), sha256=written.sha256, rows=written.rows)


def _budget(job: Job, state: _State) -> record.Budget:
    month = month_of(state.clock.now())
    used = state.journal.used(state.register, job.source.account, month)
    limit = job.source.calls_per_month
    return record.Budget(account=job.source.account, month=month, used=used, left=max(0, limit - used), limit=limit)


def _lit(value: str, name: str) -> pl.Expr:
    return pl.lit(value, pl.String).alias(name)
