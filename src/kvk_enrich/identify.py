"""
What each cell of the number column is: a number to ask for, or a reason why not.

Rows come in and the same rows go out; every row gets exactly one of ``enrich_number`` and
``enrich_reason``. All of it is lazy, so that ten million rows pass as easily as ten.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

from kvk_enrich.errors import ConfigError, InputRefused
from kvk_enrich.identifiers import kvk
from kvk_enrich.model import Kind

SAMPLE_ROWS: Final = 10_000
"""How many rows are looked at to find the column that holds the numbers."""

_READERS: dict[Kind, Callable[[pl.LazyFrame, str], pl.LazyFrame]] = {Kind.KVK: kvk.read_column}
_ADDED = ("enrich_raw", "enrich_number", "enrich_kind", "enrich_reason", "enrich_note")
_TEXT = pl.String()
_UTF8_IN_HEX: Final = (
    "^(?:[0-7].|(?:c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].|(?:e[1-9a-cef])(?:[89ab].){2}|ed[89].[89ab]."
    "|f0[9ab].(?:[89ab].){2}|f[1-3](?:[89ab].){3}|f48.(?:[89ab].){2})*$"
)
"""Source: RFC 3629, section 4."""
_MOSTLY_DATES: Final = 0.95
_FEWEST_DIGITS: Final = 7


def identify(frame: pl.LazyFrame, column: str, kind: Kind | None) -> pl.LazyFrame:
    """
    Say of every row what the cell in *column* is.

    Args:
        frame: The list, with the number column of any dtype that can hold a number or a text.
        column: Its name, as in *frame*.
        kind: What the numbers are; None finds out.

    Returns:
        *frame* with these columns (String) after its own, rows and order unchanged:
        ``enrich_raw`` the cell as text; ``enrich_number`` canonical; ``enrich_kind``;
        ``enrich_reason`` a code of :mod:`kvk_enrich.reasons`; ``enrich_note`` repairs in words.
        Exactly one of number and reason is given; kind goes with number.

    Raises:
        ConfigError: *kind* is not supported.
        InputRefused: the column's dtype cannot hold numbers (list, struct, date ...).
    """
    kind = kind or Kind.KVK
    if kind not in _READERS:
        raise ConfigError(f"input.kind: numbers of kind {kind} are not supported yet; use {', '.join(_READERS)}")
    text = _as_text(column, frame.collect_schema()[column])
    kind_where_read = pl.when(pl.col("enrich_number").is_not_null()).then(pl.lit(kind.value))
    read = _READERS[kind](frame.with_columns(enrich_raw=text), "enrich_raw").with_columns(enrich_kind=kind_where_read)
    return read.select(pl.exclude(_ADDED), *_ADDED)


def find_column(frame: pl.LazyFrame, columns: Sequence[str]) -> str:
    """
    Return the one of *columns* whose cells are numbers, judged by the first rows.

    A column is a candidate when at least half of its cells (and at least one) that hold something
    are accepted; empty cells and stand-ins such as n.v.t. hold nothing. Dates written as 20241231
    are no numbers. In a list without rows any column will do, and the first is taken.

    Raises:
        InputRefused: none is a candidate, or several are; the message names them.
    """
    if frame.head(1).collect().is_empty():
        return columns[0]
    sample = frame.head(SAMPLE_ROWS).select(columns).collect().lazy()
    found = [name for name in _with_digits(sample) if _mostly_numbers(sample, name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputRefused(f"several columns hold KVK numbers: {_named(found)}. Name the one to use with --column.")
    raise InputRefused(
        f"no column holds mainly KVK numbers (looked at the first {SAMPLE_ROWS:,} rows of {_named(columns)}). "
        "Name the column with --column."
    )


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
    Return the numbers to ask for, each once, in the order of their first rows.

    Args:
        frame: What :func:`identify` returned, with ``enrich_row``.

    Returns:
        ``enrich_kind``, ``enrich_number`` (String).
    """
    # Engines do not promise row order in a grouping; the row number does.
    return (
        frame.filter(pl.col("enrich_number").is_not_null())
        .group_by("enrich_kind", "enrich_number")
        .agg(pl.col("enrich_row").min())
        .sort("enrich_row")
        .select("enrich_kind", "enrich_number")
        .collect(engine="streaming")
    )


def _as_text(column: str, dtype: pl.DataType) -> pl.Expr:
    if not _can_hold_numbers(dtype):
        raise InputRefused(f"column {column!r} holds {dtype}, not numbers or texts. Name another one with --column.")
    cell = pl.col(column)
    if dtype == pl.Binary:
        # A cast fails as a whole on one cell that is no UTF-8, even when a null or a condition
        # hides it; decoding builds new cells, of the good ones only.
        written = cell.bin.encode("hex")
        utf8 = pl.when(written.str.contains(_UTF8_IN_HEX)).then(written).str.decode("hex").cast(_TEXT)
        return pl.coalesce(utf8, "bytes " + written)
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


def _mostly_numbers(sample: pl.LazyFrame, column: str) -> bool:
    number = pl.col("enrich_number")
    day = number.str.to_date("%Y%m%d", strict=False)
    accepted, filled, dates = (
        identify(sample, column, None)
        .select(
            number.count().alias("accepted"),
            (number.is_not_null() | ~pl.col("enrich_reason").is_in(["empty", "placeholder"])).sum().alias("filled"),
            day.dt.year().is_between(1900, 2099).sum().alias("dates"),
        )
        .collect()
        .row(0)
    )
    return bool(accepted > 0 and accepted * 2 >= filled and dates < accepted * _MOSTLY_DATES)


def _named(columns: Sequence[str]) -> str:
    return ", ".join(repr(column) for column in columns)
