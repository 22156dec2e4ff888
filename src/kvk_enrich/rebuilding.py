"""
What a run wrote, made once more from what it rests on: the list, the configuration and the registers' answers.

Nothing is asked, and no home is needed. What only the run itself knew is not made up: why a number got no answer,
what was known before, what was too old.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from kvk_enrich import columns, evidence, knowing, listing, routes, write
from kvk_enrich.compare import FIELDS, Comparison
from kvk_enrich.config import Job, Source
from kvk_enrich.knowing import TYPING
from kvk_enrich.listing import Listed
from kvk_enrich.model import Kind, Secret, Status
from kvk_enrich.progress import Progress
from kvk_enrich.record import RunRecord
from kvk_enrich.routes import Known, Wish
from kvk_enrich.sources import Services
from kvk_enrich.state.cache import typed


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """
    What follows from list, configuration and answers.

    Args:
        shown: The enriched list as it is; of a CSV or a workbook as texts, like *rows*.
        rows: The enriched list as it follows; a number that a question is open about counts as deferred.
        own: How many of its first columns are the list's own.
        consultations: ``vies.csv``.
        branches: What the file of branches holds; None where there is none.
        requester: Who asked VIES, by the configuration.
    """

    shown: pl.DataFrame
    rows: pl.DataFrame
    own: int
    consultations: bytes
    branches: pl.DataFrame | None
    requester: str | None


def rebuild(
    listed: Path, enriched: Path, config: bytes, answers: pl.DataFrame, run: RunRecord, folder: Path
) -> Rebuilt:
    """
    Do what the run did once all was answered.

    Args:
        listed: The list.
        enriched: What became of it.
        config: What :func:`kvk_enrich.config.deciding_json` said of the run.
        answers: What :meth:`kvk_enrich.knowing.Knowledge.proofs` said.
        run: Its record.
        folder: For the files made on the way.

    Raises:
        Exception: something of it is none of the tool's own making.
    """
    job = _job(json.loads(config), listed, folder / f"rebuilt{enriched.suffix.lower()}")
    wish, known = Services(job).wish, _known(answers)
    told = columns.output(wish.filled, geo_data=job.geo_data)
    added = (*told, *write.compared.columns(job.compare))
    read = listing.read(job, added, folder, Progress())
    rows = _answers(job, read, known, wish, [column.name for column in told if column not in columns.ENRICH])
    staged = read.staged
    if job.compare:
        staged = write.compared.marked(staged, rows, read.comparisons, folder / "compared.parquet")
    dialect = write.DIALECTS[job.csv_dialect]
    if job.output.suffix == ".xlsx":
        write.workbook(run, staged, rows, added, job.output)
    else:
        write.enriched(staged, rows, added, job.output, dialect, decimals=read.decimals)
    made = _rows(job.output, dialect.separator)
    return Rebuilt(
        shown=_rows(enriched, dialect.separator),
        rows=made,
        own=made.width - len(added),
        consultations=evidence.consultations(rows, job.vies.requester),
        branches=routes.branches(known, wish),
        requester=job.vies.requester,
    )


def _rows(path: Path, separator: str) -> pl.DataFrame:
    match path.suffix.lower():
        case ".parquet":
            return pl.read_parquet(path, glob=False)
        case ".xlsx":
            sheet: pl.DataFrame = pl.read_excel(
                path, infer_schema_length=0, drop_empty_rows=False, drop_empty_cols=False, raise_if_empty=False
            )
            return sheet.cast(pl.String)
        case _:
            return pl.read_csv(path, separator=separator, infer_schema=False, glob=False)


def _job(told: dict[str, Any], listed: Path, output: Path) -> Job:
    """Return the job that a configuration was written of, as far as it decides what is made of answers."""
    return Job(
        input=listed,
        output=output,
        home=output.parent,
        source=_source(told["source"]),
        vies=_source(told["vies"]),
        products=tuple(told["products"]),
        geo_data=told["geo_data"],
        columns=tuple(told["columns"]),
        country_column=told["country_column"],
        kind=told["kind"] and Kind(told["kind"]),
        strict=told["strict"],
        encoding=told["encoding"],
        delimiter=told["delimiter"],
        sheet=told["sheet"],
        csv_dialect=told["csv_dialect"],
        only_missing=told["only_missing"],
        compare=tuple(Comparison(FIELDS[name], column) for name, column in told["compare"]),
        sample=told["sample"],
    )


def _source(told: Sequence[Any]) -> Source:
    name, base_url, *_, requester, _dialect, _faults = told
    return Source(name=name, base_url=base_url, api_key=Secret(""), requester=requester)


def _known(answers: pl.DataFrame) -> Known:
    """Return the answers, read anew, as a run knows them."""
    moments = pl.col("fetched_at").dt.replace_time_zone(None)
    told = answers.with_columns(moments, run=pl.lit(""), reason=pl.lit(None, pl.String))
    return {str(product): _read(part, str(product)) for (product,), part in told.group_by("product")}


def _read(answers: pl.DataFrame, product: str) -> pl.DataFrame:
    read = typed(answers, product, TYPING)
    zoned = [name for name, dtype in read.schema.items() if isinstance(dtype, pl.Datetime)]
    return read.with_columns(pl.col(zoned).dt.replace_time_zone("UTC")).drop("kind", "register")


def _answers(job: Job, listed: Listed, known: Known, wish: Wish, names: Sequence[str]) -> pl.DataFrame:
    """Return what the rows of the list need, by number or by pair of numbers."""
    numbers, pairs = listed.numbers, listed.pairs
    chosen = numbers if job.sample is None else knowing.sampled(numbers, pairs, job.sample)
    resolved = routes.resolve(chosen, known, wish)
    told = routes.answers(resolved, known, _gaps(resolved, known, wish), wish, names, "")
    return knowing.by_row(knowing.with_the_rest(told.with_columns(worth=pl.lit(0)), numbers), pairs)


def _gaps(resolved: pl.DataFrame, known: Known, wish: Wish) -> pl.DataFrame:
    """Return every question on the ways of the numbers that has no answer."""
    answered = [frame.select("number", product=pl.lit(product)) for product, frame in known.items()]
    nothing = pl.DataFrame(schema={"number": pl.String, "product": pl.String})
    unanswered = routes.questions(resolved, wish).join(
        pl.concat([nothing, *answered]), on=["product", "number"], how="anti", maintain_order="left"
    )
    open_ones = unanswered.with_columns(status=pl.lit(Status.DEFERRED.value), reason=pl.lit("stopped"))
    return pl.concat([pl.DataFrame(schema=routes.GAP), open_ones], how="diagonal")
