"""The failed-items report: every row that has no answer, why, and what to do about it."""

from dataclasses import asdict
from pathlib import Path

import polars as pl

from kvk_enrich.disk import os_errors
from kvk_enrich.identifiers import masking, vat
from kvk_enrich.lang import ENGLISH, Words
from kvk_enrich.model import Kind, Status
from kvk_enrich.reasons import REASONS
from kvk_enrich.write.cells import as_cell, inert
from kvk_enrich.write.dialects import STANDARD, Dialect
from kvk_enrich.write.settle import key, settled
from kvk_enrich.write.written import Written, described

_NO_ANSWER = (Status.INVALID, Status.FAILED, Status.DEFERRED)
_VALUE_CHARACTERS = 200

_SENTENCES = {reason.code: reason.sentence for reason in REASONS.values()}
_WHAT_TO_DO = {reason.code: reason.what_to_do for reason in REASONS.values()}
_RETRYABLE = {reason.code: "yes" if reason.retryable else "no" for reason in REASONS.values()}


def failed(
    staged: Path, answers: pl.DataFrame, path: Path, dialect: Dialect = STANDARD, words: Words = ENGLISH
) -> Written:
    """
    Write the rows that are invalid, failed or deferred as CSV, in input order; the header alone if there are none.

    *Not found* is an answer and not listed; neither are rows that the user left out with ``--only-missing``.

    Args:
        staged: As for :func:`kvk_enrich.write.enriched.enriched`.
        answers: One line per distinct number, with ``enrich_outcome``, ``enrich_reason``, ``detail`` (String?),
            ``attempts`` (Int32?) and ``last_tried_at`` (datetime UTC?).
        path: The file to write: ``row`` (1 = first data row), ``value`` (as found, cut at 200 characters), ``number``,
            ``kind``, ``outcome``, ``reason``, ``detail``, ``what_to_do``, ``retryable`` (yes/no), ``attempts``,
            ``last_tried_at`` (ISO 8601, UTC).
        dialect: How the CSV is written.
        words: The language of ``detail`` and ``what_to_do``.

    Raises:
        OSError: It cannot be written.
    """
    with os_errors():
        cells = items(staged, answers, words).with_columns(inert(pl.col("value", "number", "detail")))
        cells.sink_csv(path, maintain_order=True, **asdict(dialect))
    written = pl.scan_csv(path, infer_schema=False, glob=False, separator=dialect.separator)
    rows = written.select(pl.len()).collect().item()
    return described(path, int(rows))


def items(staged: Path, answers: pl.DataFrame, words: Words = ENGLISH) -> pl.LazyFrame:
    """Return the lines of the report, in input order; texts as they are, not made inert."""
    lines = pl.scan_parquet(staged, glob=False)
    rows = lines.select("enrich_row", "enrich_raw", *key(lines.collect_schema()), "enrich_reason")
    without_answer = answers.lazy().filter(pl.col("enrich_outcome").cast(pl.String).is_in(_NO_ANSWER))
    told = ("enrich_outcome", "enrich_reason", "detail", "attempts", "last_tried_at")
    known = without_answer.select(*key(answers.columns), *told)
    listed = pl.col("enrich_outcome").is_in(_NO_ANSWER) & (pl.col("enrich_reason") != "not_selected")
    return settled(rows, known).filter(listed).with_columns(_masked()).select(_line(words))


def _masked() -> list[pl.Expr]:
    """Star out digits that may be a citizen service number: the report travels further than the list."""
    number, raw = pl.col("enrich_number"), pl.col("enrich_raw")
    hides = (pl.col("enrich_kind") == Kind.VAT) & vat.may_hold_bsn_column(number)
    masked = pl.when(hides).then(vat.masked_column(number))
    refused = masking.refused_column(pl.when(number.is_null()).then(raw), pl.col("enrich_reason"))
    return [
        masked.when(number.is_null()).then(refused).otherwise(raw).alias("enrich_raw"),
        masked.otherwise(number).alias("enrich_number"),
    ]


def _line(words: Words) -> list[pl.Expr]:
    reason = pl.col("enrich_reason")

    def told(texts: dict[str, str]) -> pl.Expr:
        texts = {code: words(text) for code, text in texts.items()}
        return reason.replace_strict(texts, default=None, return_dtype=pl.String)

    return [
        pl.col("enrich_row").alias("row"),
        pl.col("enrich_raw").str.slice(0, _VALUE_CHARACTERS).alias("value"),
        pl.col("enrich_number").alias("number"),
        pl.col("enrich_kind").alias("kind"),
        pl.col("enrich_outcome").alias("outcome"),
        reason.alias("reason"),
        pl.concat_str(told(_SENTENCES), pl.format(" ({})", "detail"), ignore_nulls=True).alias("detail"),
        told(_WHAT_TO_DO).alias("what_to_do"),
        reason.replace_strict(_RETRYABLE, default=None, return_dtype=pl.String).alias("retryable"),
        pl.col("attempts").fill_null(0),
        as_cell(pl.col("last_tried_at"), pl.Datetime("us", "UTC")),
    ]
