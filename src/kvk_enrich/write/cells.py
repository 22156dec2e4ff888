"""
How a value becomes a cell of a CSV file.

Spreadsheets run a cell as a formula when its text begins with one of ``= + - @``, their full-width forms, or
a tab or line break (OWASP, "CSV Injection", read 2026-11). A Dutch spreadsheet also splits a comma-separated
file at its semicolons. So an apostrophe goes in front of such a character where a text begins, and where one
continues after a semicolon or line break, also behind quotation marks there; a spreadsheet shows the cell as
plain text then.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from kvk_enrich import own
from kvk_enrich.errors import InputRefused

_FORMULA = rf"(^|[;\r\n][\s\"]*)([{own.SIGNS}\t\r\n])"
# A sign behind a line break that was guarded itself: the first pattern has passed it by then.
_BEHIND_A_BREAK = rf"([\r\n][\s\"]*)([{own.SIGNS}])"
_GUARDED = [pattern.replace(")([", ")'([") for pattern in (_FORMULA, _BEHIND_A_BREAK)]
_SIGNED = r"^[+-][0-9 .,]*$"
_TIME = "%Y-%m-%dT%H:%M:%S%.fZ"


def inert(text: pl.Expr) -> pl.Expr:
    """Return *text* (String) such that no spreadsheet runs it."""
    return text.map_batches(_inert, return_dtype=pl.String())


def bare(text: pl.Expr) -> pl.Expr:
    """Return *text* (String) without the apostrophes that :func:`inert` puts in, and without those that look alike."""
    for pattern in _GUARDED:
        text = text.str.replace_all(pattern, "$1$2")
    return text


def inert_but_numbers(text: pl.Expr) -> pl.Expr:
    """Return *text* as :func:`inert` does, with signed numbers as they are: no formulas, and no texts either."""
    return pl.when(text.str.contains(_SIGNED)).then(text).otherwise(inert(text))


def inert_names(names: Iterable[str]) -> dict[str, str]:
    """Return by their names how columns are called so that no spreadsheet runs the name; no two alike."""
    taken = list(names)
    renamed = dict(zip(taken, _inert(pl.Series(taken, dtype=pl.String)), strict=True))
    for name in [name for name, safe in renamed.items() if safe != name]:
        while renamed[name] in taken:
            renamed[name] = f"'{renamed[name]}"
        taken.append(renamed[name])
    return renamed


def as_cell(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """
    Return *value* as a CSV writer can take it, inert where it is text.

    Lists are joined with ``; ``, as are the entries of maps; structs become their fields but the flags, joined by a
    space (an activity: code and description); bytes become text where they are UTF-8, else hex digits; times and
    durations are ISO 8601 in UTC with Z. Numbers, dates and booleans stay as they are.
    """
    if isinstance(dtype, pl.Datetime):
        return value.dt.strftime(_TIME)
    return inert(as_text(value, dtype)) if dtype == pl.String() or not fits(dtype) else value


def fits(dtype: pl.DataType) -> bool:
    """Return whether a CSV writer takes values of *dtype* as they are."""
    return not (dtype.is_nested() or dtype.is_extension() or isinstance(dtype, pl.Binary | pl.Duration))


def check_cells(schema: Mapping[str, pl.DataType]) -> None:
    """
    Make sure that the columns of a list can be cells. Meant to be called before anything is paid for.

    Raises:
        InputRefused: one holds what no text can be made of; the message names it.
    """
    for name, dtype in schema.items():
        try:
            pl.Series(name, [], dtype).to_frame().select(as_text(pl.first(), dtype))
        except pl.exceptions.PolarsError:
            raise InputRefused(f"column {name!r} holds {dtype}, which no cell can show: leave it out.") from None


def as_text(value: pl.Expr, dtype: pl.datatypes.DataTypeClass | pl.DataType) -> pl.Expr:
    """Return *value* as text, nested ones joined as :func:`as_cell` says; not made inert."""
    value, dtype = _in_plain_types(value, dtype)
    match dtype:
        case pl.Struct(fields=fields):
            told = [field for field in fields if field.dtype != pl.Boolean()] or fields
            texts = [as_text(value.struct.field(field.name), field.dtype) for field in told]
            return pl.concat_str(texts, separator=" ", ignore_nulls=True)
        case pl.Binary():
            return pl.coalesce(own.utf8(value), value.bin.encode("hex"))
        case pl.Duration():
            return value.dt.to_string("iso")
        case pl.List(inner=inner):
            return value.list.eval(as_text(pl.element(), inner)).list.join("; ", ignore_nulls=True)
        case _:
            return value.cast(pl.String)


def _in_plain_types(
    value: pl.Expr, dtype: pl.datatypes.DataTypeClass | pl.DataType
) -> tuple[pl.Expr, pl.datatypes.DataTypeClass | pl.DataType]:
    """Return *value* as what lies beneath: a map is a list of pairs, an array a list, an extension its storage."""
    match dtype:
        case pl.Map(key=key, value=inner):
            entries = pl.List(pl.Struct({"key": key, "value": inner}))
            return value.cast(entries), entries
        case pl.Array(inner=inner):
            return value.arr.to_list(), pl.List(inner)
        case pl.datatypes.BaseExtension():
            return _in_plain_types(value.ext.storage(), dtype.ext_storage())
        case _:
            return value, dtype


def _inert(texts: pl.Series) -> pl.Series:
    # Looking is five times as fast as replacing, and most columns have nothing to replace.
    if not texts.str.contains(_FORMULA).any():
        return texts
    return texts.str.replace_all(_FORMULA, "$1'$2").str.replace_all(_BEHIND_A_BREAK, "$1'$2")
