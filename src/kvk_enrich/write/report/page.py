"""
The page itself, put together from figures, findings and charts.

It is self-contained: no script, nothing loaded from elsewhere, and a policy in its head that forbids both.
Texts of the list and of the register are escaped; they cannot become markup. The same data make the same page.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
import msgspec
import polars as pl
from markupsafe import Markup

from kvk_enrich import compare, own
from kvk_enrich.identifiers import masking, vat
from kvk_enrich.lang import ENGLISH, Words
from kvk_enrich.lang import words as words_of
from kvk_enrich.reasons import FLAGS, REASONS, Reason
from kvk_enrich.record import OutputFile, RunRecord
from kvk_enrich.write.failed import items
from kvk_enrich.write.report import charts, figures
from kvk_enrich.write.report.findings import findings
from kvk_enrich.write.report.numbers import numbers
from kvk_enrich.write.report.wording import Wording
from kvk_enrich.write.settle import flagged, tally
from kvk_enrich.write.written import Written, described

_CHARTED: Final = 10
"""Fewer than so many are told in figures: a chart of three companies says nothing, and takes a second to draw."""

_ITEMS_SHOWN: Final = 20
_LINES_SHOWN: Final = 15


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared with the list: the names of the *fields*, and the *differences*."""

    fields: Sequence[str]
    differences: pl.DataFrame


def report(
    record: RunRecord,
    staged: Path,
    answers: pl.DataFrame,
    path: Path,
    *,
    compared: Compared | None = None,
    changed: pl.DataFrame | None = None,
    words: Words = ENGLISH,
) -> Written:
    """
    Write the page.

    Args:
        record: The run, with the outputs written so far.
        staged: As for :func:`kvk_enrich.write.enriched.enriched`; where the list was compared, with its verdicts.
        answers: As for :func:`kvk_enrich.write.failed.failed`; the more columns, the more the page tells.
        path: The HTML file to write.
        compared: Where the list was compared with the register.
        changed: What changed since the last run (:data:`kvk_enrich.changes.CHANGES`), where that was asked for.
        words: The language of the page.

    Raises:
        OSError: It cannot be written.
    """
    made = _Page(record, staged, answers, words)
    page = _environment(words.lang).get_template("page.html")
    text = page.render(
        record=record,
        **made.run(),
        **made.register(),
        **made.findings(compared),
        compared=made.compared(compared) if compared else None,
        changed=made.changed(changed) if changed is not None else None,
    )
    path.write_text(text, encoding="utf-8")
    return described(path, None)


class _Page:
    """The parts of the page, as its template takes them."""

    def __init__(self, record: RunRecord, staged: Path, answers: pl.DataFrame, words: Words) -> None:
        self.record = record
        self.staged = staged
        self.answers = answers
        self.told = words
        self.wording = Wording(words)
        self.numbers = numbers(staged, answers)

    def names(self, beginning: str) -> dict[str, str]:
        """Return the words whose names begin so, by the rest of their names."""
        start = f"{beginning}."
        return {name.removeprefix(start): text for name, text in self.wording.words.items() if name.startswith(start)}

    def run(self) -> dict[str, Any]:
        """Return what became of the rows, and why."""
        totals = {name: rows for name, rows in msgspec.structs.asdict(self.record.rows).items() if name != "total"}
        outcomes = self.names("outcome")
        reasons = tally(self.staged, self.answers).filter(pl.col("enrich_reason").is_not_null())
        listed = items(self.staged, self.answers, self.told)
        return {
            "headline": self._headline(),
            "outcomes": totals,
            "outcome_chart": charts.strip(
                "outcomes", self.wording.say("column.outcome"), [*totals.items()], outcomes, self.wording.count
            )
            if self.record.rows.total >= _CHARTED
            else None,
            "reasons": [(rows, outcome, self._reason(reason)) for outcome, reason, rows in reasons.iter_rows()],
            "flags": [(rows, self.told(FLAGS[flag])) for flag, rows in flagged(self.staged, self.answers)],
            "items": listed.head(_ITEMS_SHOWN).collect(engine="streaming").to_dicts(),
            "listed": listed.select(pl.len()).collect(engine="streaming").item(),
            "files": [*self._files()],
        }

    def _headline(self) -> str:
        ending, reason = self.wording.say(f"headline.{self.record.state}"), self.record.stop_reason
        if reason is None:
            return ending
        told = (
            self._reason(reason).sentence if reason in REASONS else self.wording.say("headline.reason", reason=reason)
        )
        return f"{told} {self.wording.say('headline.stopped')}"

    def _reason(self, code: str) -> Reason:
        """Return a reason in the language of the page."""
        reason = REASONS[code]
        return replace(reason, sentence=self.told(reason.sentence), what_to_do=self.told(reason.what_to_do))

    def _files(self) -> Iterator[tuple[str, OutputFile]]:
        outputs = msgspec.structs.asdict(self.record.outputs) if self.record.outputs else {}
        for name, file in outputs.items():
            if isinstance(file, OutputFile) and f"file.{name}" in self.wording.words:
                yield self.wording.say(f"file.{name}"), file

    def register(self) -> dict[str, Any]:
        """Return what the registers know of the companies and VAT numbers."""
        those = figures.companies(self.numbers)
        vat = figures.vat_states(self.numbers) if "vat_status" in self.answers.columns else []
        totals = {state: sum(line[place] for _, line in vat) for place, state in enumerate(figures.VAT_STATES)}
        chart = (
            charts.stacks(
                "vat", self.wording.say("vat.states"), vat, self._labels("state"), self.names("vat"), self.wording.count
            )
            if sum(totals.values()) >= _CHARTED
            else None
        )
        return {
            "companies": those.height,
            "states": dict(figures.states(those)),
            "charts": [*self._charts(those)] if those.height >= _CHARTED else [],
            "vat": totals if vat else None,
            "vat_chart": chart,
        }

    def _charts(self, those: pl.DataFrame) -> Iterator[tuple[str, Markup]]:
        """Yield the charts of companies that have anything to show, with the names of their titles."""
        states = figures.states(those)
        known = sum(count for state, count in states if state != figures.UNKNOWN)
        if known:
            centre = self.wording.share(dict(states).get("active", 0), known)
            labels = self._labels("companies")
            yield "state", charts.ring("state", labels["state"], states, labels, self.wording.count, centre=centre)
        for name, counts, draw, words in (
            ("provinces", figures.provinces(those), charts.tiles, "province"),
            ("ages", figures.ages(those, self.record.finished_at.date()), charts.columns, "age"),
            ("forms", figures.legal_forms(those), charts.bars, "form"),
            ("sectors", figures.sectors(those), charts.bars, "sector"),
        ):
            if counts:
                title = self.wording.say(f"companies.{name}")
                yield name, draw(name, title, counts, self._labels(words), self.wording.count)

    def _labels(self, beginning: str) -> dict[str, str]:
        """Return the labels of a chart's parts, those of the rest and of the unknown among them."""
        ends = {name: self.wording.words[name] for name in (figures.OTHER, figures.UNKNOWN)}
        names = self.names(beginning)
        if beginning == "sector":
            names = {letter: f"{letter} {name}" for letter, name in names.items()}
        return ends | names

    def findings(self, compared: Compared | None) -> dict[str, Any]:
        """Return what is worth a look."""
        return {"findings": findings(self.staged, self.numbers, compared.differences if compared else None)}

    def compared(self, compared: Compared) -> dict[str, Any]:
        """Return what was compared, what differs, and the first lines of it."""
        columns = [f"cmp_{field}" for field in compared.fields]
        rows = pl.scan_parquet(self.staged, glob=False).select(own.columns(columns))
        counted = [
            (own.column(column) == verdict).sum().alias(f"{column}/{verdict}")
            for column in columns
            for verdict in compare.VERDICT.categories
        ]
        counts = rows.select(counted).collect(engine="streaming").row(0, named=True)
        verdicts = [
            (field, {verdict: counts[f"cmp_{field}/{verdict}"] for verdict in compare.VERDICT.categories})
            for field in compared.fields
        ]
        changed = compared.differences.filter(pl.col("verdict").cast(pl.String) == compare.CHANGED)
        lines = changed.head(_LINES_SHOWN).with_columns(
            _safe("ours"), _safe("theirs"), number=vat.shown_column(pl.col("kind"), pl.col("number"))
        )
        return {
            "verdicts": verdicts,
            "most": max((sum(by.values()) for _, by in verdicts), default=0),
            "differs": not compared.differences.is_empty(),
            "lines": lines.to_dicts(),
            "changed": changed.height,
        }

    def changed(self, changed: pl.DataFrame) -> dict[str, Any]:
        """Return what changed in the register, and the first lines of it."""
        counts = changed["change"].value_counts(name="count").sort("count", "change", descending=[True, False])
        lines = changed.head(_LINES_SHOWN).with_columns(number=vat.shown_column(pl.col("kind"), pl.col("number")))
        return {"counts": counts.rows(), "lines": lines.to_dicts(), "changed": changed.height}


def _safe(column: str) -> pl.Expr:
    """Return compared values without the digits of VAT numbers that may be citizen service numbers."""
    hidden = masking.refused_column(pl.col(column), pl.lit(None, pl.String))
    return pl.when(pl.col("field") == "vat_number").then(hidden).otherwise(column).alias(column)


def _name(path: str) -> str:
    return Path(path).name


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


@cache
def _environment(lang: str) -> jinja2.Environment:
    """Return what renders pages in *lang*; a process that makes many compiles the template once."""
    wording = Wording(words_of(lang))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kvk_enrich.write.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": _name,
        "count": wording.count,
        "share": wording.share,
        "money": wording.money,
        "time": _time,
        "duration": wording.duration,
    }
    environment.globals["say"] = wording.say
    return environment
