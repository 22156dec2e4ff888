"""
How a run ended is told to machines that wait for it, whatever the end: ``--notify-url`` and ``--metrics``.

What fails here is a note: it changes neither the run nor its exit code.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import msgspec

from kvk_enrich import notifying
from kvk_enrich.clock import Clock
from kvk_enrich.config import Job
from kvk_enrich.disk import why
from kvk_enrich.errors import EnrichError, ExitCode, exit_code_of
from kvk_enrich.finishing import Finished
from kvk_enrich.progress import Progress
from kvk_enrich.record import EndedRecord, RunRecord
from kvk_enrich.version import __version__


@contextmanager
def announced(job: Job, progress: Progress, clock: Clock) -> Iterator[Callable[[Finished], None]]:
    """Announce the end of the run of *job* within: the error it ends with, or what the yielded function is given."""
    began, ends = clock.now(), list[Finished]()
    try:
        yield ends.append
    except BaseException as error:
        code, message = exit_code_of(error), _message(error)
        _announce(job, progress, _ended(job, code, message, began, clock.now()), code, message)
        raise
    for end in ends:
        _announce(job, progress, end.record, end.exit_code, end.cause)


def _ended(job: Job, code: ExitCode, message: str, began: datetime, now: datetime) -> EndedRecord:
    return EndedRecord(
        state="stopped" if code in {ExitCode.INTERRUPTED, ExitCode.TERMINATED} else "failed",
        exit_code=code,
        message=message,
        input={"path": str(job.input)},
        version=__version__,
        started_at=began,
        finished_at=now,
        seconds=round((now - began).total_seconds(), 3),
    )


def _message(error: BaseException) -> str:
    """Return the sentence that people are told; of a bug only its kind, as its text may hold anything."""
    if isinstance(error, EnrichError):
        return str(error)
    return "stopped before it was done" if exit_code_of(error) != ExitCode.BUG else f"a bug: {type(error).__name__}"


def _announce(job: Job, progress: Progress, told: RunRecord | EndedRecord, code: ExitCode, message: str | None) -> None:
    if job.metrics is not None:
        with _noted(progress, "output.metrics: the figures of the run cannot be written"):
            from kvk_enrich import metrics  # noqa: PLC0415 - a tenth of a second that few runs need

            metrics.write(job.metrics, job, told, code)
    if job.notify_url is not None:
        with _noted(progress, "run.notify_url: the end of the run was told to nobody"):
            body = msgspec.json.encode(msgspec.to_builtins(told) | {"exit_code": int(code), "message": message})
            notifying.notify(job.notify_url, body, ca_bundle=job.source.ca_bundle)


@contextmanager
def _noted(progress: Progress, what: str) -> Iterator[None]:
    """Note that *what* failed; of an error that nobody foresaw only its kind, as its text may hold the URL."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the run is over, and right: nothing here may end it otherwise
        match error:
            case OSError():
                cause = why(error)
            case notifying.NotTold():
                cause = str(error)
            case _:
                cause = type(error).__name__
        progress.note(f"{what}: {cause}. The run is not affected.")
