"""How a value of the list and one of the register differ."""

from typing import Final

import polars as pl

from kvk_enrich import own
from kvk_enrich.compare import forms
from kvk_enrich.compare.fields import Comparison, Field

SAME: Final = "same"
CHANGED: Final = "changed"
MISSING_HERE: Final = "missing_here"
MISSING_THERE: Final = "missing_there"
FORMAT_ONLY: Final = "format_only"

VERDICT: Final = pl.Enum([SAME, FORMAT_ONLY, CHANGED, MISSING_HERE, MISSING_THERE])
"""From no difference to a value that only one side has; *here* is the list."""


def ours(comparison: Comparison) -> pl.Expr:
    """Return the list's own value as text; null where the cell is blank."""
    cell = own.column(comparison.column).cast(pl.String).str.strip_chars()
    return pl.when(cell != "").then(cell)


def theirs(comparison: Comparison) -> pl.Expr:
    """Return the register's value as text; null where it has none."""
    return comparison.field.shown()


def verdict(comparison: Comparison) -> pl.Expr:
    """
    Return how the list's column and the register's field differ, as :data:`VERDICT`.

    Of a row that was not found it is null: nobody knows. Both sides blank are the same.
    """
    field, mine, shown = comparison.field, ours(comparison), theirs(comparison)
    return (
        pl.when(pl.col("enrich_outcome").cast(pl.String) != "found")
        .then(None)
        .when(mine.is_null() & shown.is_null())
        .then(pl.lit(SAME))
        .when(mine.is_null())
        .then(pl.lit(MISSING_HERE))
        .when(shown.is_null())
        .then(pl.lit(MISSING_THERE))
        .when(_any(field, mine, lambda text: text))
        .then(pl.lit(SAME))
        .when(_differs_in_writing(field, mine))
        .then(pl.lit(FORMAT_ONLY))
        .otherwise(pl.lit(CHANGED))
        .cast(VERDICT)
    )


def _differs_in_writing(field: Field, mine: pl.Expr) -> pl.Expr:
    alike = _any(field, mine, field.form)
    if not field.is_name:
        return alike
    # A name without its legal form is the same name; one with another legal form is another company.
    told = forms.legal_form_in_name(mine)
    bare = _any(field, mine, forms.name_without_legal_form)
    other = forms.legal_form_in_name(field.shown())
    return alike | (bare & (told.is_null() | other.is_null() | (told == other)))


def _any(field: Field, mine: pl.Expr, form: forms.Form) -> pl.Expr:
    """Return whether *mine* and one of the register's values have the same form."""
    formed, first = form(mine), form(field.shown())
    alike = (formed == first).fill_null(value=False)
    if field.others is None:
        return alike
    return alike | field.others().list.eval(form(pl.element())).list.contains(formed).fill_null(value=False)
