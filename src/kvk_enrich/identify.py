"""
What each cell of the number columns is: a number to ask for, or a reason why not.

Rows come in and the same rows go out; every row gets exactly one of ``enrich_number`` and
``enrich_reason``. All of it is lazy, so that ten million rows pass as easily as ten.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from kvk_enrich import own
from kvk_enrich.errors import ConfigError, InputRefused
from kvk_enrich.identifiers import CHECK_DIGIT, branch, kvk, mixed, rsin, vat
from kvk_enrich.model import Kind

SAMPLE_ROWS: Final = 10_000
"""How many rows are looked at to find the column that holds the numbers."""

MOST_COLUMNS: Final = 3

_READERS: dict[Kind, Callable[[pl.LazyFrame, str], pl.LazyFrame]] = {
    Kind.KVK: kvk.read_column,
    Kind.RSIN: rsin.read_column,
    Kind.BRANCH: branch.read_column,
}
_OF_A_CELL = ("number", "kind", "reason", "note", "flags")
_ADDED = ("enrich_raw", "enrich_number", "enrich_kind", "enrich_reason", "enrich_note")
_FLAGS = "enrich_flags"
_OTHER = ("enrich_other_number", "enrich_other_kind")
_TEXT = pl.String()
_MOSTLY_DATES: Final = 0.95
_FEWEST_DIGITS: Final = 7
_WANTED: Final = {None: "KVK or VAT", Kind.KVK: "KVK", Kind.VAT: "VAT", Kind.RSIN: "RSIN", Kind.BRANCH: "branch"}

_CITIZENS: Final = re.compile(
    r"(?<![a-z])(?:bsn|sofi)(?:n(?:umme)?rs?|nummers?)?(?![a-z])|burgerservice", re.IGNORECASE
)
"""The name of a column of citizen service numbers: they look like RSINs, and pass the same test."""


def identify(
    frame: pl.LazyFrame,
    columns: Sequence[str],
    kind: Kind | None,
    *,
    country_column: str | None = None,
    strict: bool = False,
) -> pl.LazyFrame:
    """
    Say of every row what the cells in *columns* are.

    Args:
        frame: The list, with number columns of any dtype that can hold a number or a text.
        columns: Their names, as in *frame*; the first with a number counts.
        kind: What the numbers are; None finds out for each cell.
        country_column: Name of the column that holds the country of VAT numbers written without.
        strict: Refuse a number with a wrong check digit instead of flagging it.

    Returns:
        *frame* with these columns (String) after its own, rows and order unchanged:
        ``enrich_raw`` the cell as text; ``enrich_number`` canonical; ``enrich_kind``;
        ``enrich_reason`` a code of :mod:`kvk_enrich.reasons`; ``enrich_note`` repairs in words;
        ``enrich_flags`` (List(String), null or codes) what is doubtful about the numbers.
        Exactly one of number and reason is given; kind goes with number. With several columns also
        ``enrich_other_number`` and ``enrich_other_kind``: another number of the same row.

    Raises:
        ConfigError: more than three columns.
        InputRefused: a column's dtype cannot hold numbers (list, struct, date ...), or by its name it holds citizen
            service numbers.
    """
    if theirs := [column for column in columns if _CITIZENS.search(column)]:
        raise InputRefused(
            f"column {theirs[0]!r} holds citizen service numbers, by its name: no register of companies may get them."
            " Name another one with --column, or rename it if it holds something else."
        )
    if not 1 <= len(columns) <= MOST_COLUMNS:
        raise ConfigError(f"input.column: name one to {MOST_COLUMNS} columns, got {len(columns)}")
    schema = frame.collect_schema()
    if country_column is not None:
        frame = frame.with_columns(enrich_country=_as_text(country_column, schema[country_column]))
    for place, column in enumerate(columns):
        frame = frame.with_columns(enrich_raw=_as_text(column, schema[column]))
        frame = _read(frame, kind, "enrich_country" if country_column is not None else None)
        frame = _strict(frame) if strict else frame
        if len(columns) > 1:
            frame = frame.rename({f"enrich_{part}": f"enrich_{part}_{place}" for part in ("raw", *_OF_A_CELL)})
    if len(columns) > 1:
        frame = _merged(frame, columns)
    return frame.select(*own.columns(schema), *_ADDED, _FLAGS, *(_OTHER if len(columns) > 1 else ()))


def _read(frame: pl.LazyFrame, kind: Kind | None, country: str | None) -> pl.LazyFrame:
    """Add number, kind, reason, note and flags of ``enrich_raw``."""
    if kind is None:
        return mixed.read_column(frame, "enrich_raw", country=country)
    if kind is Kind.VAT:
        read = vat.read_column(frame, "enrich_raw", country=country)
    else:
        read = _READERS[kind](frame, "enrich_raw")
    return read.with_columns(enrich_kind=pl.when(pl.col("enrich_number").is_not_null()).then(pl.lit(kind.value)))


def _strict(frame: pl.LazyFrame) -> pl.LazyFrame:
    wrong = pl.col(_FLAGS).list.contains(CHECK_DIGIT).fill_null(value=False)
    return frame.with_columns(
        *(
            pl.when(~wrong).then(pl.col(f"enrich_{part}")).alias(f"enrich_{part}")
            for part in ("number", "kind", "note")
        ),
        pl.when(wrong).then(pl.lit(CHECK_DIGIT)).otherwise("enrich_reason").alias("enrich_reason"),
        pl.when(~wrong).then(_FLAGS).alias(_FLAGS),
    )


# -- several columns ----------------------------------------------------------------------------


def _merged(frame: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """Make one reading of those of several columns, whose parts end in the place of their column."""
    places = range(len(columns))
    frame = frame.with_columns(
        enrich_first=_first(places, lambda place: _part("number", place).is_not_null()),
        enrich_filled=_first(places, lambda place: _part("reason", place) != "empty"),
    )
    first, other = pl.col("enrich_first"), pl.col("enrich_other")
    shown = pl.coalesce(first, "enrich_filled", 0)
    frame = frame.with_columns(
        enrich_raw=_at(shown, "raw", places),
        enrich_number=_at(first, "number", places),
        enrich_kind=_at(first, "kind", places),
        enrich_reason=pl.when(first.is_null()).then(_at(shown, "reason", places)),
        # Numbers of two kinds are never the same: each kind has its length.
    ).with_columns(enrich_other=_first(places, lambda place: _part("number", place) != pl.col("enrich_number")))
    return frame.with_columns(
        enrich_other_number=_at(other, "number", places),
        enrich_other_kind=_at(other, "kind", places),
        enrich_note=_notes(columns),
        enrich_flags=pl.concat_list(
            pl.when((first == place) | (other == place)).then(_part("flags", place)).fill_null([]) for place in places
        ).list.unique(maintain_order=True),
    ).with_columns(enrich_flags=pl.when(pl.col(_FLAGS).list.len() > 0).then(_FLAGS))


def _notes(columns: Sequence[str]) -> pl.Expr:
    """Return the repairs of the number, then what else is to be said of each other column."""
    first, other = pl.col("enrich_first"), pl.col("enrich_other")
    notes = [_at(first, "note", range(len(columns)))]
    for place, column in enumerate(columns):
        number, reason = _part("number", place), _part("reason", place)
        further = number.is_not_null() & (number != pl.col("enrich_number")) & (other != place)
        told = (
            pl.when(first.is_null() | (first == place) | (reason == "empty"))
            .then(pl.lit(None, pl.String))
            .when(reason.is_not_null())
            .then(reason)
            .when(further)
            .then(pl.lit("a third number, not asked"))
            .when(other == place)
            .then(_part("note", place))
        )
        notes.append(f"column {column!r}: " + told)
    joined = pl.concat_str(notes, separator="; ", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _part(part: str, place: int) -> pl.Expr:
    return pl.col(f"enrich_{part}_{place}")


def _first(places: range, applies: Callable[[int], pl.Expr]) -> pl.Expr:
    """Return the first place that something applies to; null where there is none."""
    return pl.coalesce(*(pl.when(applies(place)).then(place) for place in places))


def _at(where: pl.Expr, part: str, places: range) -> pl.Expr:
    return pl.coalesce(*(pl.when(where == place).then(_part(part, place)) for place in places))


# -- finding the column -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """
    What the first rows of a column hold.

    Args:
        column: Its name.
        filled: Cells that are neither empty nor a stand-in.
        kinds: How many of them are numbers of each kind.
        candidate: Whether it is a column of numbers.
    """

    column: str
    filled: int
    kinds: dict[Kind, int]
    candidate: bool


def find_column(
    frame: pl.LazyFrame, columns: Sequence[str], kind: Kind | None = None, *, country_column: str | None = None
) -> str:
    """
    Return the one of *columns* whose cells are numbers, judged by the first rows.

    A column is a candidate when at least half of its cells (and at least one) that hold something
    are accepted; empty cells and stand-ins such as n.v.t. hold nothing. Dates written as 20241231
    are no numbers, and numbers of 9 or 12 digits only count when they are as registers give them.
    In a list without rows any column will do, and the first is taken.

    Args:
        frame: The list.
        columns: Its columns to choose from.
        kind: What the numbers are; None for any kind.
        country_column: As for :func:`identify`.

    Raises:
        InputRefused: none is a candidate, or several are; the message names them.
    """
    if not columns:
        raise InputRefused("the list has no columns")
    if frame.head(1).collect().is_empty():
        return columns[0]
    held = holdings(frame, columns, kind, country_column=country_column)
    found = [one for one in held if one.candidate]
    if len(found) == 1:
        return found[0].column
    if found:
        named = ", ".join(f"{one.column!r} ({' and '.join(one.kinds)})" for one in found)
        raise InputRefused(
            f"several columns hold numbers: {named}. Name the one to use with --column; "
            "given twice, both are asked for each row."
        )
    raise InputRefused(
        f"no column holds mainly {_WANTED[kind]} numbers (looked at the first {SAMPLE_ROWS:,} rows of "
        f"{_named(columns)}). Name the column with --column."
    )


def holdings(
    frame: pl.LazyFrame, columns: Sequence[str], kind: Kind | None = None, *, country_column: str | None = None
) -> list[Held]:
    """
    Return what each of *columns* holds, judged by the first rows.

    Those that cannot hold numbers are left out, and those that hold citizen service numbers by their names.
    """
    needed = dict.fromkeys([*columns, *([country_column] if country_column else [])])
    sample = frame.head(SAMPLE_ROWS).select(own.columns(needed)).collect().lazy()
    names = _with_digits(sample.select(own.columns(columns)))
    return [
        _held(sample, name, kind, country_column)
        for name in names
        if name != country_column and not _CITIZENS.search(name)
    ]


def named_column(columns: Sequence[str], name: str) -> str:
    """
    Return the one of *columns* that *name* means: the same, or the same but for case and outer spaces.

    Raises:
        InputRefused: no column is called so, or several are; the message names the nearest.
    """
    if name in columns:
        return name
    alike = [column for column in columns if column.strip().casefold() == name.strip().casefold()]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise InputRefused(f"--column {name!r} could be {_named(alike)}. Write it exactly as in the list.")
    folded = {column.strip().casefold(): column for column in columns}
    near = [folded[key] for key in difflib.get_close_matches(name.strip().casefold(), folded)]
    hint = f"Did you mean {_named(near)}?" if near else f"The list has {_named(columns)}."
    raise InputRefused(f"the list has no column {name!r}. {hint}")


def distinct(frame: pl.LazyFrame) -> pl.DataFrame:
    """
    Return the numbers to ask for, each once, in the order of their first rows; of a row, the other number second.

    Args:
        frame: What :func:`identify` returned, with ``enrich_row``.

    Returns:
        ``enrich_kind``, ``enrich_number`` (String).
    """
    keys = [["enrich_kind", "enrich_number"]]
    if _OTHER[0] in frame.collect_schema():
        keys.append(["enrich_other_kind", "enrich_other_number"])
    numbers = pl.concat(
        frame.select(
            pl.col(kind).alias("enrich_kind"),
            pl.col(number).alias("enrich_number"),
            pl.col("enrich_row").cast(pl.UInt64) * len(keys) + place,
        )
        for place, (kind, number) in enumerate(keys)
    )
    # Engines do not promise row order in a grouping; the row number does.
    return (
        numbers.filter(pl.col("enrich_number").is_not_null())
        .group_by("enrich_kind", "enrich_number")
        .agg(pl.col("enrich_row").min())
        .sort("enrich_row")
        .select("enrich_kind", "enrich_number")
        .collect(engine="streaming")
    )


def _as_text(column: str, dtype: pl.DataType) -> pl.Expr:
    if not _can_hold_numbers(dtype):
        raise InputRefused(f"column {column!r} holds {dtype}, not numbers or texts. Name another one with --column.")
    cell = own.column(column)
    if dtype == pl.Binary:
        return pl.coalesce(own.utf8(cell), "bytes " + cell.bin.encode("hex"))
    return cell.cast(_TEXT)


def _can_hold_numbers(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Binary, pl.Null)


def _with_digits(sample: pl.LazyFrame) -> list[str]:
    """Return the columns worth a closer look: in a wide list that saves reading each as numbers."""
    schema = sample.collect_schema()
    possible = [name for name, dtype in schema.items() if _can_hold_numbers(dtype)]
    counts = (_as_text(name, schema[name]).str.count_matches(r"\d").max().alias(name) for name in possible)
    most = sample.select(counts).collect().row(0, named=True) if possible else {}
    return [name for name, digits in most.items() if (digits or 0) >= _FEWEST_DIGITS]


def _held(sample: pl.LazyFrame, column: str, kind: Kind | None, country_column: str | None) -> Held:
    number = pl.col("enrich_number")
    day = number.str.to_date("%Y%m%d", strict=False).dt.year().is_between(1900, 2099)
    # Telephone and order numbers have 9 or 12 digits too.
    as_given = (
        pl.when(pl.col("enrich_kind") == Kind.RSIN.value)
        .then(~pl.col(_FLAGS).list.contains(CHECK_DIGIT).fill_null(value=False))
        .when(pl.col("enrich_kind") == Kind.BRANCH.value)
        .then(number.str.contains("^(?:0000|9900)"))
        .otherwise(number.is_not_null())
    )
    cells = identify(sample, [column], kind, country_column=country_column)
    counts = cells.group_by("enrich_kind").agg(
        cells=pl.len(),
        hollow=pl.col("enrich_reason").is_in(["empty", "placeholder"]).sum(),
        accepted=as_given.fill_null(value=False).sum(),
        dates=day.fill_null(value=False).sum(),
    )
    held = counts.collect()
    filled, accepted, dates = (
        int(held.select(total).item())
        for total in (pl.sum("cells") - pl.sum("hollow"), pl.sum("accepted"), pl.sum("dates"))
    )
    kinds = {
        Kind(name): cells
        for name, cells in held.select("enrich_kind", "cells").sort("cells", descending=True).rows()
        if name
    }
    candidate = accepted > 0 and accepted * 2 >= filled and dates < accepted * _MOSTLY_DATES
    return Held(column, filled, kinds, candidate)


def _named(columns: Sequence[str]) -> str:
    return ", ".join(repr(column) for column in columns)
