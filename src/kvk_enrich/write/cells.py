"""
How a value becomes a cell of a CSV file.

Spreadsheets run a cell as a formula when its text begins with one of ``= + - @``, their full-width forms, or
a tab or line break (OWASP, "CSV Injection", read 2026-11). Such a text gets an apostrophe in front,
which a spreadsheet shows as plain text.
"""

import polars as pl

_STARTS_FORMULA = r"^([=+\-@\t\r\n＝＋－＠])"  # noqa: RUF001  the full-width forms are meant
_TIME = "%Y-%m-%dT%H:%M:%S%.fZ"


def inert(text: pl.Expr) -> pl.Expr:
    """Return *text* (String) such that no spreadsheet runs it."""
    return text.str.replace(_STARTS_FORMULA, "'$1")


def as_cell(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """
    Return *value* as a CSV writer can take it, inert where it is text.

    Lists are joined with ``; ``, each element made inert by itself, because a Dutch spreadsheet splits cells
    at a semicolon; structs become their text fields joined by a space (an activity: code and description); times
    are ISO 8601 in UTC with Z. Numbers, dates and booleans stay as they are.
    """
    match dtype:
        case pl.String():
            return inert(value)
        case pl.Struct(fields=fields):
            texts = [value.struct.field(field.name) for field in fields if field.dtype == pl.String()]
            return inert(pl.concat_str(texts, separator=" ", ignore_nulls=True))
        case pl.List(inner=inner) if isinstance(inner, pl.DataType):
            return value.list.eval(as_cell(pl.element(), inner)).list.join("; ", ignore_nulls=True)
        case pl.Datetime():
            return value.dt.strftime(_TIME)
        case _:
            return value
