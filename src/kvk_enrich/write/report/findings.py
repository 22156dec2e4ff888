"""
What is worth a look, in order of weight: whom not to pay, whose number is wrong, who is on the list twice.

Pure. A finding says what the registers told, never what was not asked: an unknown is no finding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from kvk_enrich import compare
from kvk_enrich.identifiers import vat
from kvk_enrich.model import Kind
from kvk_enrich.write.report.numbers import rows_of

LINES: Final = 8
"""How many lines of a finding the page shows."""

_ROWS: Final = 4
_NAMES: Final = 3
_UNLIKE: Final = 0.5
"""Below this, two names are hardly of one company; renamed companies keep more of their words."""

_UNREGISTERED: Final = ("not_registered", "not_valid_in_register")
_HOUSE: Final = ("kvk_visit_house_number", "kvk_visit_house_letter", "kvk_visit_house_addition")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a finding: the first *rows*, how many *more* there are, and whom it is about."""

    rows: tuple[int, ...]
    more: int
    number: str
    name: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding by its *name* in the words: *rows* and *lines* in all, and the lines that are *shown*."""

    name: str
    rows: int
    lines: int
    shown: tuple[Line, ...]

    @property
    def named(self) -> bool:
        """Whether any line says a name."""
        return any(line.name for line in self.shown)


def findings(staged: Path, numbers: pl.DataFrame, differences: pl.DataFrame | None = None) -> list[Finding]:
    """
    Return the findings that there are, the heaviest first.

    Args:
        staged: As for :func:`kvk_enrich.write.enriched.enriched`.
        numbers: :func:`kvk_enrich.write.report.numbers.numbers` of it.
        differences: Those of :func:`kvk_enrich.write.compared.differences`, where the list was compared.
    """
    found = {name: lines for name, lines in _all(numbers) if not lines.is_empty()}
    heads = {name: lines.head(LINES) for name, lines in found.items()}
    needed = {key for head in heads.values() for keys in head["keys"] for key in keys}
    places = rows_of(staged, numbers.filter(pl.col("key").is_in(list(needed))), _ROWS)
    told = {
        name: Finding(name, int(lines["rows"].sum()), lines.height, tuple(_lines(heads[name], places)))
        for name, lines in found.items()
    }
    if differences is not None and (another := _another(differences)):
        told["another"] = another
    return [told[name] for name in _WEIGHT if name in told]


_WEIGHT: Final = (
    "ended",
    "insolvent",
    "vat_invalid",
    "another",
    "disagree",
    "unregistered",
    "twice",
    "branch",
    "same_rsin",
    "same_address",
)


def _all(numbers: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    kind, flags = pl.col("enrich_kind").cast(pl.String), pl.col("enrich_flags")
    unregistered = pl.col("enrich_reason").is_in(_UNREGISTERED)
    other = vat.shown_column(pl.col("enrich_other_kind"), pl.col("enrich_other_number"))
    vat_number = vat.shown_column(pl.lit(Kind.VAT.value), pl.coalesce("vat_number", "enrich_number"))
    yield "ended", _companies(numbers.filter(~pl.col("kvk_active")), pl.col("kvk_end_date").cast(pl.String))
    yield "insolvent", _companies(numbers.filter(pl.col("kvk_insolvency").is_not_null()), pl.col("kvk_insolvency"))
    yield (
        "vat_invalid",
        _each(
            numbers.filter(pl.col("vat_status") == "invalid").with_columns(shown=vat_number),
            pl.col("vat_checked_at").dt.date().cast(pl.String),
        ),
    )
    yield "disagree", _each(numbers.filter(flags.list.contains("numbers_disagree")), other)
    yield "unregistered", _each(numbers.filter(unregistered), kind)
    of_company = numbers.filter(pl.col("company").is_not_null())
    is_branch = kind == Kind.BRANCH.value
    is_valid = pl.col("vat_status") == "valid"
    # A branch is the same as itself alone: several places of a company are no duplicates.
    company = pl.coalesce("company", "vat_number", "enrich_number")
    registered = numbers.filter(pl.col("company").is_not_null() | is_valid).with_columns(
        same=pl.when(is_branch).then("enrich_number").otherwise(company),
        company=pl.when(is_branch).then("enrich_number").otherwise(pl.coalesce("company", vat_number)),
    )
    yield "twice", _groups(registered, ["same"], pl.col("rows").sum().cast(pl.String), pl.col("rows").sum() > 1)
    others = pl.col("enrich_number").n_unique().over("company") > 1
    yield "branch", _each(of_company.filter(is_branch & others), pl.col("company"))
    several = pl.col("company").n_unique() > 1
    yield "same_rsin", _groups(of_company, ["kvk_rsin"], pl.col("kvk_rsin").first(), several)
    yield "same_address", _groups(of_company, ["kvk_visit_postcode", *_HOUSE], _address().first(), several)


def _each(numbers: pl.DataFrame, detail: pl.Expr) -> pl.DataFrame:
    """Return a line for each of *numbers*."""
    return numbers.select(
        keys=pl.concat_list("key"), rows="rows", number="shown", name="name", detail=detail.cast(pl.String)
    )


def _companies(numbers: pl.DataFrame, detail: pl.Expr) -> pl.DataFrame:
    """Return a line for each company of *numbers*, by however many numbers the list names it."""
    named = numbers.with_columns(company=pl.coalesce("company", "shown"))
    return _groups(named, ["company"], detail.first(), pl.len() > 0)


def _groups(numbers: pl.DataFrame, by: Sequence[str], detail: pl.Expr, several: pl.Expr) -> pl.DataFrame:
    """Return a line for each group of *numbers* with *several*, in the order of the list; blanks are no group."""
    grouped = numbers.filter(pl.col(by[0]).is_not_null()).group_by(by)
    chosen = grouped.agg(several.alias("several")).filter("several")
    told = numbers.join(chosen, on=by, how="semi", nulls_equal=True).group_by(by)
    lines = told.agg(
        keys=pl.col("key").sort().head(_ROWS),
        first_key=pl.col("key").min(),
        rows_in_all=pl.col("rows").sum(),
        number=_joined(pl.col("company")),
        names=_joined(pl.col("name")),
        detail=detail,
    ).sort("first_key")
    return lines.select("keys", "number", "detail", rows="rows_in_all", name="names")


def _joined(texts: pl.Expr) -> pl.Expr:
    """Return the first few different *texts* of a group as one."""
    different = texts.drop_nulls().unique().sort()
    cut = pl.when(different.len() > _NAMES).then(pl.lit(" …")).otherwise(pl.lit(""))
    return different.head(_NAMES).str.join("; ") + cut


def _address() -> pl.Expr:
    house = pl.concat_str(*_HOUSE[:2], ignore_nulls=True)
    return pl.concat_str(
        "kvk_visit_street", house, _HOUSE[2], "kvk_visit_postcode", "kvk_visit_city", separator=" ", ignore_nulls=True
    )


def _lines(head: pl.DataFrame, places: dict[int, list[int]]) -> Iterator[Line]:
    for line in head.iter_rows(named=True):
        rows = sorted(row for key in line["keys"] for row in places[key])[:_ROWS]
        yield Line(tuple(rows), line["rows"] - len(rows), line["number"], line["name"], line["detail"])


def _another(differences: pl.DataFrame) -> Finding | None:
    """Return the rows whose name has little in common with the register's."""
    unlike = differences.filter(
        (pl.col("field") == "name")
        & (pl.col("verdict").cast(pl.String) == compare.CHANGED)
        & (pl.col("similarity") < _UNLIKE)
    ).sort("similarity", "row")
    if unlike.is_empty():
        return None
    head = unlike.head(LINES).select("row", vat.shown_column(pl.col("kind"), pl.col("number")), "theirs", "ours")
    lines = tuple(Line((row,), 0, number, theirs, ours) for row, number, theirs, ours in head.iter_rows())
    return Finding("another", unlike.height, unlike.height, lines)
