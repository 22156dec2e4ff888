"""The end of a run: what it found is written, and what it did is told."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from kvk_enrich import changes, evidence, patch, readers, record, write
from kvk_enrich.asking import Asked
from kvk_enrich.columns import Column
from kvk_enrich.config import Job, config_sha256, deciding_json
from kvk_enrich.errors import ExitCode
from kvk_enrich.knowing import Books, Knowledge
from kvk_enrich.lang import words
from kvk_enrich.listing import Listed
from kvk_enrich.model import Status, euro
from kvk_enrich.sources import register_id
from kvk_enrich.state.ledger import label
from kvk_enrich.version import __version__

_STOPPED: Final = {ExitCode.ACCESS_REFUSED, ExitCode.UNAVAILABLE, ExitCode.INTERRUPTED, ExitCode.TERMINATED}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything there is to tell at the end of a run; *before* is what was known when the list was last written."""

    job: Job
    books: Books
    listed: Listed
    known: Knowledge
    added: tuple[Column, ...]
    asked: Asked
    numbers: record.Numbers
    run_id: str
    started_at: datetime
    doubtful: int
    answers: pl.DataFrame
    before: pl.DataFrame | None = None

    def finished(self) -> Finished:
        """Write the outputs, unless the run was stopped, and say how it ended."""
        rows = write.counts(self.listed.staged, self.answers)
        exit_code = self._exit_code()
        cause = self.asked.cause.sentence if self.asked.cause else None
        not_selected = self._not_selected()  # asked of the disk before the outputs are out: no fault may come after
        if exit_code in _STOPPED:
            return Finished(self._record(rows, exit_code), exit_code, cause, not_selected, None)
        complete = self._written(self._record(rows, exit_code))
        return Finished(complete, exit_code, cause, not_selected, targets(self.job)[-1])

    def _written(self, run: record.RunRecord) -> record.RunRecord:
        """Write the outputs of *run*, and return its record, with them in it."""
        files = targets(self.job)
        enriched, failed, report, run_json = files[0], *files[-3:]
        dialect = write.DIALECTS[self.job.csv_dialect]
        staged, told = self.listed.staged, words(self.job.lang)
        compared, changed = self._differences(), self._changes()
        with evidence.pack(self.job.evidence) as pack, write.together(files) as drafts:
            written = record.Outputs(
                enriched=_output(enriched, self._enriched(run, drafts[enriched])),
                failed=_output(failed, write.failed(staged, self.answers, drafts[failed], dialect, told)),
                branches=self._branches(drafts),
                **self._compared(compared, drafts),
                diff=self._diff(changed, drafts),
            )
            page = write.report(
                self._ended(run, written),
                staged,
                self.answers,
                drafts[report],
                compared=compared,
                changed=changed,
                words=told,
            )
            complete = msgspec.structs.replace(written, report=_output(report, page))
            finished = self._ended(run, complete)
            if pack is not None:
                proof = record.OutputFile(path=str(pack.target), sha256=self._packed(pack, finished, drafts), rows=None)
                finished = self._ended(run, msgspec.structs.replace(complete, evidence=proof))
            drafts[run_json].write_bytes(record.to_json(finished))
        return finished

    def _packed(self, pack: evidence.Pack, run: record.RunRecord, drafts: Mapping[Path, Path]) -> str:
        """Fill the evidence pack and return the hash of its manifest."""
        listed, job = self.listed.snapshot, self.job
        pack.copy(listed.path, f"input{listed.path.suffix}")
        for target, draft in drafts.items():
            pack.copy(draft, target.name)
        pack.add([*drafts][-1].name, record.to_json(run))
        pack.add(evidence.CONFIG, deciding_json(job))
        pack.add(evidence.CONSULTATIONS, evidence.consultations(self.answers, job.vies.requester))
        self.known.proofs().with_columns(raw_sha256=_sha256(pl.col("raw"))).write_parquet(
            pack.place(evidence.ANSWERS), compression="zstd"
        )
        made = msgspec.structs.asdict(run.outputs) if run.outputs else {}
        names = {name: Path(file.path).name for name, file in made.items() if file}
        names["record"] = [*drafts][-1].name
        return pack.close(run, names, source=register_id(job.source), requester=job.vies.requester)

    def _enriched(self, run: record.RunRecord, draft: Path) -> write.Written:
        staged = self.listed.staged
        if draft.suffix.lower() == ".xlsx":
            return write.workbook(run, staged, self.answers, self.added, draft, words(self.job.lang))
        dialect, decimals = write.DIALECTS[self.job.csv_dialect], self.listed.decimals
        return write.enriched(staged, self.answers, self.added, draft, dialect, decimals=decimals)

    def _branches(self, drafts: Mapping[Path, Path]) -> record.OutputFile | msgspec.UnsetType:
        listed, target = self.known.branches(), branches_file(self.job)
        if listed is None or target is None:
            return msgspec.UNSET
        return _output(target, write.branches(listed, drafts[target]))

    def _differences(self) -> write.Compared | None:
        comparisons = self.listed.comparisons
        if not self.job.compare:
            return None
        found = write.compared.differences(self.listed.staged, self.answers, comparisons)
        return write.Compared([each.field.name for each in comparisons], found)

    def _compared(self, compared: write.Compared | None, drafts: Mapping[Path, Path]) -> dict[str, record.OutputFile]:
        if compared is None:
            return {}
        beside, found = compared_files(self.job), compared.differences
        listed = write.compared.changes(found, drafts[beside["changes"]])
        there, back = (drafts[beside[name]] for name in ("patch", "undo"))
        quoted, lacking = self._cells(found)
        cells = write.compared.to_patch(found, self.listed.comparisons, self.job.patch, lacking)
        forth, undo = write.compared.patches(cells, quoted, there, back)
        return {name: _output(beside[name], made) for name, made in zip(beside, (listed, forth, undo), strict=True)}

    def _changes(self) -> pl.DataFrame | None:
        if not self.job.diff:
            return None
        now = changes.look(self.answers.lazy())
        then = now if self.before is None else changes.look(self.before.lazy())
        return changes.between(then, now)

    def _diff(self, changed: pl.DataFrame | None, drafts: Mapping[Path, Path]) -> record.OutputFile | msgspec.UnsetType:
        target = diff_file(self.job)
        if target is None or changed is None:
            return msgspec.UNSET
        return _output(target, write.changes(changed, drafts[target]))

    def _cells(self, found: pl.DataFrame) -> tuple[set[tuple[int, str]], set[tuple[int, str]]]:
        """
        Return which cells of the list are written in quotation marks, and which are not there in a short row.

        The one makes an undo exact to the byte; the other no patch can change.
        """
        laid_out = self.listed.layout
        if laid_out is None or found.is_empty():
            return set(), set()
        text, columns = laid_out.text.path.read_bytes().decode(), readers.named(self.job.input, laid_out.header)
        changed = set(found.select("row", "column").iter_rows())
        there = patch.written(text, laid_out.separator, columns, changed, skip=laid_out.skip)
        return {cell for cell, is_quoted in there.items() if is_quoted}, changed - there.keys()

    def _not_selected(self) -> int:
        reasons = pl.scan_parquet(self.listed.staged, glob=False).select("enrich_reason")
        return int(reasons.filter(pl.col("enrich_reason") == "not_selected").select(pl.len()).collect().item())

    def _deferred_because(self) -> str | None:
        """Return the reason for most numbers that were left out; None when none was."""
        deferred = self.answers.filter(pl.col("enrich_outcome") == Status.DEFERRED.value)
        reasons = deferred["enrich_reason"].value_counts(sort=True)["enrich_reason"]
        return None if reasons.is_empty() else str(reasons[0])

    def _exit_code(self) -> ExitCode:
        cause = self.asked.cause
        if cause is not None and cause.exit_code in _STOPPED:
            return cause.exit_code
        outcomes = set(self.answers["enrich_outcome"].unique())
        if Status.DEFERRED.value in outcomes:
            return ExitCode.CEILING
        return ExitCode.SOME_FAILED if Status.FAILED.value in outcomes else ExitCode.COMPLETE

    def _record(self, rows: record.Rows, exit_code: ExitCode) -> record.RunRecord:
        """Return what the run did, as far as that is known before its outputs are written."""
        asked, finished_at = self.asked, self.books.clock.now()
        (line,) = self.books.journal.runs(self.run_id)
        worth = write.worth(self.listed.staged, self.answers)
        stale = self.known.stale(self.answers) if self.job.serve_stale else msgspec.UNSET
        return record.RunRecord(
            run_id=self.run_id,
            state="stopped" if exit_code in _STOPPED else "complete" if exit_code == ExitCode.COMPLETE else "partial",
            stop_reason=asked.cause.reason if asked.cause else self._deferred_because(),
            input=input_of(self.job, self.listed),
            config_sha256=config_sha256(self.job),
            version=__version__,
            rows=rows,
            numbers=msgspec.structs.replace(self.numbers, stale=stale),
            calls=record.Calls(
                sent=asked.sent, paid=asked.paid, free=asked.free, retries=asked.retries, in_doubt=self.doubtful
            ),
            cost_eur=euro(line.micro_eur),
            saved_eur=euro(max(0, worth - self.known.paid_for(asked))),
            budget=budget_of(self.job, self.books),
            rate=record.Rate(
                limit_per_s=self.job.source.requests_per_second,
                mean_per_s=round(asked.sent / asked.seconds, 2) if asked.seconds else 0.0,
                max_in_any_second=asked.most_in_a_second,
            ),
            outputs=None,
            started_at=self.started_at,
            finished_at=finished_at,
            seconds=self._seconds(finished_at),
        )

    def _ended(self, run: record.RunRecord, outputs: record.Outputs) -> record.RunRecord:
        """Return the record of *run* with its outputs, ended now."""
        now = self.books.clock.now()
        return msgspec.structs.replace(run, outputs=outputs, finished_at=now, seconds=self._seconds(now))

    def _seconds(self, ended: datetime) -> float:
        return round((ended - self.started_at).total_seconds(), 3)


def targets(job: Job) -> list[Path]:
    """Return the files of a run, in the order in which they are published: the record is last."""
    branches, diff = branches_file(job), diff_file(job)
    return [
        job.output,
        *([branches] if branches else []),
        *compared_files(job).values(),
        *([diff] if diff else []),
        *(_beside(job, ending) for ending in ("failed.csv", "report.html", "run.json")),
    ]


def branches_file(job: Job) -> Path | None:
    """Return where the branches go, a line each; None where they are not wanted."""
    return _beside(job, "branches.parquet") if "vestigingen" in job.products else None


def compared_files(job: Job) -> dict[str, Path]:
    """Return where what --compare leaves goes, by its name in the record."""
    endings = {"changes": "changes.parquet", "patch": "patch.csv", "undo": "undo.csv"} if job.compare else {}
    return {name: _beside(job, ending) for name, ending in endings.items()}


def diff_file(job: Job) -> Path | None:
    """Return where the changes since the last run go; None where they are not wanted."""
    return _beside(job, "diff.parquet") if job.diff else None


def _beside(job: Job, ending: str) -> Path:
    """Return the file beside the enriched list that has its name and this *ending*."""
    return job.output.with_name(f"{job.output.stem}.{ending}")


def input_of(job: Job, listed: Listed) -> record.Input:
    """Return the list as a record tells it."""
    return record.Input(path=str(job.input), sha256=listed.snapshot.sha256, rows=listed.rows, columns=listed.columns)


def budget_of(job: Job, books: Books) -> record.Budget:
    """Return how the allowance of the register of companies stands."""
    source = job.source
    period = label(source.period, books.clock.now())
    used = books.journal.used(register_id(source), source.account, period)
    limit = source.allowance
    return record.Budget(account=source.account, month=period, used=used, left=max(0, limit - used), limit=limit)


def _sha256(text: pl.Expr) -> pl.Expr:
    return text.map_elements(lambda body: hashlib.sha256(body.encode()).hexdigest(), return_dtype=pl.String)


def _output(target: Path, written: write.Written) -> record.OutputFile:
    return record.OutputFile(path=str(target), sha256=written.sha256, rows=written.rows)
