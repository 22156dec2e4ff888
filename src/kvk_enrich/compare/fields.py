"""
What of the register a column of the list may be compared with, field by field: a closed list.

A field has a value that is shown (and may be put into a patch), and candidates: values that count
as the same, such as a company's trade names beside its name.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from kvk_enrich.compare import forms
from kvk_enrich.compare.forms import Form

_HOUSE: Final = ("house_number", "house_letter", "house_addition")


@dataclass(frozen=True, slots=True)
class Field:
    """
    One comparable field.

    Args:
        name: As given to --compare.
        needs: The output columns that it is made of.
        form: What two writings of it have in common.
        short: The same, abbreviated: a value written so is the same as one written in full.
        shown: From the output columns to the register's value, as text.
        others: From the output columns to lists of further values that count as the same.
        whole: Shown in place of *shown* beside an own value that holds more than digits: 14B beside 12A, not 14.
        is_name: Legal forms may be left out, and differences have a similarity.
        group: Which address it is part of: that is patched whole, or not at all.
    """

    name: str
    needs: tuple[str, ...]
    form: Form
    shown: Callable[[], pl.Expr]
    others: Callable[[], pl.Expr] | None = None
    is_name: bool = field(default=False, kw_only=True)
    short: Form | None = field(default=None, kw_only=True)
    whole: Callable[[], pl.Expr] | None = field(default=None, kw_only=True)
    group: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field, and the list's own column that it is compared with."""

    field: Field
    column: str

    @property
    def verdict(self) -> str:
        """The output column that tells how they differ."""
        return f"cmp_{self.field.name}"


def parse(text: str) -> Comparison:
    """
    Return what ``FIELD=COLUMN`` says.

    Raises:
        ValueError: there is no equals sign, nothing behind it, or no such field.
    """
    name, sign, column = text.partition("=")
    if not sign or not name.strip() or not column.strip():
        raise ValueError(f"must be FIELD=COLUMN, such as name=Klantnaam, got {text!r}")
    if name.strip() not in FIELDS:
        raise ValueError(f"there is no field {name.strip()!r}; there are {', '.join(FIELDS)}")
    return Comparison(FIELDS[name.strip()], column.strip())


def lacking(comparison: Comparison, columns: Collection[str]) -> list[str]:
    """Return the output columns that *comparison* needs and *columns* have not."""
    return [name for name in comparison.field.needs if name not in columns]


def _text(column: str, form: Form, *, short: Form | None = None) -> Field:
    return Field(column.removeprefix("kvk_"), (column,), form, lambda: pl.col(column).cast(pl.String), short=short)


def _flag(column: str) -> Field:
    def shown() -> pl.Expr:
        return pl.when(pl.col(column)).then(pl.lit("ja")).when(~pl.col(column)).then(pl.lit("nee"))

    return Field(column.removeprefix("kvk_"), (column,), forms.yes_or_no, shown)


def _names() -> Field:
    others = ("kvk_statutory_name", "kvk_trade_names")
    return Field(
        "name",
        ("kvk_name", *others, "kvk_legal_form"),
        forms.name,
        lambda: pl.col("kvk_name"),
        lambda: pl.concat_list(pl.col("kvk_statutory_name"), pl.col("kvk_trade_names").fill_null([])),
        is_name=True,
        short=forms.name_in_short,
    )


def _address(where: str) -> tuple[Field, ...]:
    parts = tuple(f"kvk_{where}_{part}" for part in _HOUSE)
    line = (f"kvk_{where}_street", *parts)

    def house() -> pl.Expr:
        return _house(*map(pl.col, parts))

    fields = (
        _text(f"kvk_{where}_street", forms.street, short=forms.street_in_short),
        Field(f"{where}_house", parts, forms.house, house),
        Field(
            f"{where}_house_number",
            parts,
            forms.house,
            lambda: pl.col(parts[0]),
            lambda: pl.concat_list(house()),
            whole=house,
        ),
        _text(f"kvk_{where}_house_letter", forms.code),
        _text(f"kvk_{where}_house_addition", forms.house),
        Field(f"{where}_address", line, forms.street, lambda: _line(line), short=forms.street_in_short),
        _text(f"kvk_{where}_postcode", forms.postcode),
        _text(f"kvk_{where}_city", forms.town),
        _text(f"kvk_{where}_country", forms.country),
        _text(f"kvk_{where}_full", forms.street, short=forms.street_in_short),
    )
    return tuple(replace(each, group=where) for each in fields)


def _house(number: pl.Expr, letter: pl.Expr, addition: pl.Expr) -> pl.Expr:
    """Return a house number with letter and addition: ``12A bis``; null where there is no number."""
    whole = pl.concat_str(
        [pl.concat_str([number, letter], ignore_nulls=True), addition], separator=" ", ignore_nulls=True
    )
    return pl.when(number.is_not_null()).then(whole)


def _line(line: tuple[str, ...]) -> pl.Expr:
    """Return street and house number on one line: ``Dorpsstraat 12A bis``; null where there is no street."""
    street, *house = map(pl.col, line)
    whole = pl.concat_str([street, _house(*house)], separator=" ", ignore_nulls=True)
    return pl.when(street.is_not_null()).then(whole)


def _websites() -> Field:
    column = "kvk_websites"
    first = pl.col(column).list.first
    return Field("website", (column,), forms.website, first, lambda: pl.col(column))


_ALL: Final = (
    _names(),
    Field(
        "statutory_name",
        ("kvk_statutory_name", "kvk_legal_form"),
        forms.name,
        lambda: pl.col("kvk_statutory_name"),
        is_name=True,
        short=forms.name_in_short,
    ),
    _text("kvk_number", forms.digits),
    _text("kvk_rsin", forms.digits),
    _text("kvk_branch_number", forms.digits),
    _text("kvk_legal_form", forms.legal_form),
    _flag("kvk_active"),
    _text("kvk_start_date", forms.date),
    _text("kvk_end_date", forms.date),
    _text("kvk_registration_date", forms.date),
    _text("kvk_employees", forms.count),
    _text("kvk_sbi_code", forms.activity),
    _text("kvk_sbi_description", forms.text),
    _flag("kvk_non_mailing"),
    *_address("visit"),
    *_address("post"),
    _text("kvk_post_box", forms.digits),
    _websites(),
    _text("vat_number", forms.code),
    _text("vat_name", forms.name),
)

FIELDS: Final = {each.name: each for each in _ALL}
"""All comparable fields by the names that --compare takes."""
