"""
What is kept of companies and people: counted, shown to whom it is about, forgotten, pruned by age.

None of it makes a call. What former runs wrote is the user's own and out of reach here.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec
import polars as pl

from kvk_enrich.clock import AMSTERDAM, Clock
from kvk_enrich.errors import ConfigError, EnrichError
from kvk_enrich.identifiers import branch, kvk, mixed, rsin, vat
from kvk_enrich.knowing import TYPING, Books, books_of
from kvk_enrich.model import Kind, Status
from kvk_enrich.progress import Progress
from kvk_enrich.reasons import REASONS
from kvk_enrich.state import erasing, overview
from kvk_enrich.state.cache import Cache, typed
from kvk_enrich.state.erasing import Pruned
from kvk_enrich.state.home import Home
from kvk_enrich.state.overview import Holding
from kvk_enrich.state.related import Related, related
from kvk_enrich.write import publish

_LOOKED_WITHIN: Final = timedelta(days=35)
"""How long ago a run may have looked for old answers: a list that is run every month is pruned every month."""

_SET_ASIDE_KEPT: Final = timedelta(days=30)
"""How long a run leaves damaged files where they are: somebody may want to look at them."""

_READERS: Final = {Kind.KVK: kvk.read, Kind.RSIN: rsin.read, Kind.BRANCH: branch.read, Kind.VAT: vat.read}


_ANSWER: Final = pl.DataFrame(
    schema={
        "register": pl.String,
        "product": pl.String,
        "kind": pl.String,
        "number": pl.String,
        "status": pl.String,
        "reason": pl.String,
        "fetched_at": pl.Datetime("us", "UTC"),
        "run": pl.String,
        "raw": pl.String,
    }
)
_OF_ATTEMPT: Final = ("register", "number", "status", "reason", "fetched_at", "run")


@dataclass(frozen=True, slots=True)
class Stats:
    """What a home holds: *holdings* by register and product, and the size of its files in bytes."""

    holdings: tuple[Holding, ...]
    cache_bytes: int
    journal_bytes: int
    set_aside_files: int
    set_aside_bytes: int


class Known(NamedTuple):
    """
    What is kept as answers to one question.

    *number* is masked where it may hold a citizen service number, and reads ``NL~`` and letters where only its alias is
    kept. *first* and *last* say when answers came.
    """

    kind: str
    number: str
    register: str
    product: str
    answers: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that is kept of one company: *number* is the one it was asked by, masked like those of *known*."""

    kind: str
    number: str
    known: tuple[Known, ...]
    attempts: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased, and how many damaged files that had been set aside went with it."""

    dossier: Dossier
    set_aside_files: int


@dataclass(frozen=True, slots=True)
class Exported:
    """Where the export is, and how many rows or answers it holds."""

    path: Path
    rows: int


def stats(home: Path, *, progress: Progress | None = None, clock: Clock | None = None) -> Stats:
    """
    Return what *home* holds.

    Raises:
        EnrichError: the state cannot be used.
    """
    with books_of(home, progress, clock) as books, books.cache() as cache:
        aside = books.home.set_aside()
        return Stats(
            tuple(overview.holdings(cache)),
            cache_bytes=_size(books.home.cache),
            journal_bytes=_size(books.home.journal),
            set_aside_files=len(aside),
            set_aside_bytes=sum(map(_size, aside)),
        )


def _size(path: Path) -> int:
    return path.stat().st_size


def known(
    home: Path, text: str, kind: Kind | None = None, *, progress: Progress | None = None, clock: Clock | None = None
) -> Dossier:
    """
    Return what is kept of the company of a number: what :func:`forget` would erase.

    Args:
        home: Where.
        text: A number as people write it.
        kind: What it is; None finds out.
        progress: Told what people should know of the state.
        clock: Where the time comes from.

    Raises:
        ConfigError: *text* is no number.
        EnrichError: the state cannot be used.
    """
    number, of_kind = _read(text, kind)
    with books_of(home, progress, clock) as books, books.cache() as cache:
        company = related(cache, number, of_kind, books.journal.id)
        return _dossier(books.home, number, of_kind, company)


def forget(
    home: Path, text: str, kind: Kind | None = None, *, progress: Progress | None = None, clock: Clock | None = None
) -> Forgotten:
    """
    Erase all that is kept of the company of a number, and return what that was. See :func:`known`.

    The files are made anew also where nothing is known: so no remnant stays of what once was.

    Raises:
        StateInUse: a run is under way.
        EnrichError: as :func:`known`; the same can be asked again.
    """
    number, of_kind = _read(text, kind)
    with books_of(home, progress, clock) as books, books.cache() as cache:
        company = related(cache, number, of_kind, books.journal.id)
        dossier = _dossier(books.home, number, of_kind, company)
        return Forgotten(dossier, erasing.forget(books.home, books.journal, cache, company))


def prune(home: Path, older_than: timedelta, *, progress: Progress | None = None, clock: Clock | None = None) -> Pruned:
    """
    Erase answers and lines of calls older than that, and all files that were set aside.

    Raises:
        StateInUse: a run is under way.
        EnrichError: the state cannot be used.
    """
    with books_of(home, progress, clock) as books, books.cache() as cache:
        return erasing.prune(
            books.home,
            books.journal,
            cache,
            before=_ago(books, older_than),
            set_aside_before=datetime.max.replace(tzinfo=UTC),
        )


def prune_daily(books: Books, retention: timedelta) -> None:
    """
    Erase what is older than *retention*, once a day, at the end of a run; a note says so.

    Where no run has looked for weeks, this one only enters the day: a clock that is far ahead must not cost what
    was paid. Whatever goes wrong, the run has come to its end: the next one tries again, or ``cache prune`` says why.
    """
    today = books.clock.now().astimezone(AMSTERDAM).date()
    with suppress(EnrichError, OSError):
        looked = erasing.pruned_on(books.home)
        if looked == today:
            return
        if looked is None or today - looked > _LOOKED_WITHIN:
            erasing.enter_pruned(books.home, today)
            return
        with books.cache() as cache:
            pruned = erasing.prune(
                books.home,
                books.journal,
                cache,
                before=_ago(books, retention),
                set_aside_before=books.clock.now() - _SET_ASIDE_KEPT,
            )
        erasing.enter_pruned(books.home, today)
        if pruned.answers:
            books.progress.note(
                f"{pruned.answers:,} answers older than {retention.days} days (cache.retention) were erased."
            )


def export(
    home: Path,
    file: Path,
    text: str | None = None,
    kind: Kind | None = None,
    *,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Exported:
    """
    Write what is kept to *file* (.json or .parquet): one line per register, product and number, typed.

    With *text*, a number, only what is kept of that company, and all of that: every answer as received and
    typed, and the calls that brought none.

    Raises:
        ConfigError: *file* has another suffix, or *text* is no number.
        EnrichError: the state cannot be used, or *file* not written.
    """
    form = _form(file)
    wanted = None if text is None else _read(text, kind)
    with (
        publish.together([file], private=True) as drafts,
        books_of(home, progress, clock) as books,
        books.cache() as cache,
    ):
        draft = drafts[file]
        if wanted is None:
            return Exported(file, overview.write_typed(cache, draft, form))
        lines = _lines(books.home, cache, related(cache, *wanted, books.journal.id))
        if form == "parquet":
            lines.write_parquet(draft)
        else:
            draft.write_bytes(_as_json(lines))
        return Exported(file, lines.height)


def _form(file: Path) -> Literal["json", "parquet"]:
    match file.suffix.lower():
        case ".json":
            return "json"
        case ".parquet":
            return "parquet"
        case _:
            raise ConfigError(f"FILE: must end in .json or .parquet, got {str(file)!r}")


def _lines(home: Home, cache: Cache, company: Related) -> pl.DataFrame:
    """Return every answer as received with its typed columns, and every call that brought none."""
    answers = overview.answers_to(cache, company.keys)
    parts = [_ANSWER.clear(), *(_typed(answers.slice(place, 1)) for place in range(answers.height))]
    for tried in erasing.attempts(home, company.names):
        told = tried._asdict() | {"status": Status.FAILED.value, "fetched_at": tried.sent_at}
        parts.append(pl.DataFrame([told], schema_overrides=dict(_ANSWER.schema)).select(*_OF_ATTEMPT))
    return pl.concat(parts, how="diagonal")


def _typed(answer: pl.DataFrame) -> pl.DataFrame:
    columns = typed(answer, answer["product"][0], TYPING)
    told = [name for name in columns.columns if name not in answer.columns]
    zoned = [pl.col(name).dt.replace_time_zone("UTC") for name in told if columns[name].dtype == pl.Datetime]
    return answer.select(_ANSWER.columns).hstack(columns.with_columns(zoned).select(told))


def _as_json(lines: pl.DataFrame) -> bytes:
    told = []
    for line in lines.to_dicts():
        answer = {name: line.pop(name) for name in _ANSWER.columns}
        raw = answer.pop("raw")
        columns = {name: value for name, value in line.items() if value is not None}
        told.append(answer | {"columns": columns, "answer": _as_received(raw)})
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


def _as_received(raw: str | None) -> object:
    try:
        return msgspec.json.decode(raw or "null")
    except msgspec.DecodeError:
        return raw


def _ago(books: Books, age: timedelta) -> datetime:
    return books.clock.now() - age


def _read(text: str, kind: Kind | None) -> tuple[str, Kind]:
    """Return the number that *text* means, and what it is. Raises ConfigError where it is none."""
    found, reading = mixed.read(text) if kind is None else (kind, _READERS[kind](text))
    if found is None or reading.number is None:
        reason = REASONS[reading.reason or "not_a_number"]
        raise ConfigError(f"NUMBER: {reason.sentence} {reason.what_to_do}")
    return reading.number, found


def _dossier(home: Home, number: str, kind: Kind, company: Related) -> Dossier:
    tried = erasing.attempts(home, company.names)
    lines = company.keys.select("kind", "number", "register", "product", "answers", "first", "last")
    told = (Known(*line) for line in lines.iter_rows())
    return Dossier(
        kind.value, _shown(number), tuple(line._replace(number=_shown(line.number)) for line in told), len(tried)
    )


def _shown(number: str) -> str:
    return vat.masked(number) if "~" not in number and vat.may_hold_bsn(number) else number
