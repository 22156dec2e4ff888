"""How a value of the list and one of the register differ."""

from typing import Final

import polars as pl

from kvk_enrich import own
from kvk_enrich.compare import forms
from kvk_enrich.compare.fields import Comparison, Field
from kvk_enrich.compare.forms import Form

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
    """Return the register's value as text, as the list would write it; null where it has none."""
    shown, whole = comparison.field.shown(), comparison.field.whole
    if whole is None:
        return shown
    return pl.when(ours(comparison).str.contains(r"[^\d.,]")).then(whole()).otherwise(shown)


def at_sight(comparison: Comparison) -> pl.Expr:
    """Return the verdict as far as the texts themselves tell; null for the rest, and for rows that were not found."""
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
        .cast(VERDICT)
    )


def on_reflection(comparison: Comparison) -> pl.Expr:
    """Return whether texts that differ are two ways of writing one thing. Dear: a dozen patterns per text."""
    alike = _differs_in_writing(comparison.field, ours(comparison))
    told = pl.when(alike).then(pl.lit(FORMAT_ONLY)).otherwise(pl.lit(CHANGED)).cast(VERDICT)
    return pl.when(pl.col("enrich_outcome").cast(pl.String) == "found").then(told)


def _differs_in_writing(field: Field, mine: pl.Expr) -> pl.Expr:
    alike = _alike(field, mine, field.form, field.short)
    if not field.is_name:
        return alike
    # A name without its legal form is the same name; one with another legal form is another company.
    told = forms.legal_form_in_name(mine)
    bare = _alike(field, mine, forms.name_without_legal_form, forms.name_without_legal_form_in_short)
    registered = forms.legal_form_for_names(pl.col("kvk_legal_form"))
    other = pl.coalesce(forms.legal_form_in_name(field.shown()), registered)
    return alike | (bare & (told.is_null() | other.is_null() | (told == other)))


def _alike(field: Field, mine: pl.Expr, form: Form, short: Form | None) -> pl.Expr:
    """Return whether *mine* and one of the register's values have the same form, or one is short for the other."""
    alike = _any(field, form(mine), form)
    if short is None:
        return alike
    both_short = forms.is_abbreviated(mine) & _any(field, short(mine), short)
    return alike | _any(field, short(mine), form) | both_short


def _any(field: Field, formed: pl.Expr, form: Form) -> pl.Expr:
    """Return whether one of the register's values has the form *formed*."""
    alike = (formed == form(field.shown())).fill_null(value=False)
    if field.others is None:
        return alike
    return alike | field.others().list.eval(form(pl.element())).list.contains(formed).fill_null(value=False)
