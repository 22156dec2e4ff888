"""
The enriched list as a workbook: a sheet with all rows, one with the failed items, one with the summary.

xlsxwriter makes the workbook with its styles, comments, headers and summary; the rows of the two lists are put into
its sheets as XML that polars writes, slice by slice. Measured on 2 cores, 200,000 rows x 50 filled columns: cell by
cell through xlsxwriter 100 s, this way 12 s, in 400 MB (350 MB for 50,000 rows).
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from kvk_enrich.columns import Column, schema
from kvk_enrich.errors import ConfigError
from kvk_enrich.lang import ENGLISH, Words
from kvk_enrich.model import Status
from kvk_enrich.own import column
from kvk_enrich.reasons import REASONS
from kvk_enrich.record import RunRecord
from kvk_enrich.write.cells import as_text
from kvk_enrich.write.enriched import joining
from kvk_enrich.write.failed import items
from kvk_enrich.write.settle import KEY
from kvk_enrich.write.written import Written, described

MOST_ROWS: Final = 1_048_575
MOST_COLUMNS: Final = 16_384
MOST_CHARACTERS: Final = 32_767
"""What a sheet holds below its header. Source: Microsoft, "Excel specifications and limits", read 2026-11."""

_MOST_DIGITS: Final = 15
"""A spreadsheet keeps no more of a number; longer ones become text."""

_SLICE_ROWS: Final = 10_000
_SAMPLE_ROWS: Final = 1_000
_WIDTHS: Final = (10, 50)

_DAY_ZERO: Final = date(1899, 12, 30)
_FIRST_DAY: Final = 61
"""1900-03-01: before it, programs count days differently, for the sake of a 29 February 1900."""

_MICROSECONDS_A_DAY: Final = 86_400_000_000
_FORMATS = {pl.Date: "yyyy-mm-dd", pl.Datetime: "yyyy-mm-dd hh:mm:ss"}

_PATTERN_ROW = re.compile(r'(?:<row r="2".*?</row>)?(?=</sheetData>)')
_STYLE = re.compile(r'<c r="([A-Z]+)2" s="(\d+)"')
_DIMENSION = re.compile(r'<dimension ref="[^"]*"/>')

# What XML cannot hold, and a carriage return, which it would change: written as _x000D_ (ECMA-376 part 1, 22.4.2.4).
_UNWRITABLE = [chr(code) for code in (*range(9), *range(11, 32), 0xFFFE, 0xFFFF) if code != ord("\n")]
_LOOKS_WRITTEN: Final = "_(x[0-9A-Fa-f]{4}_)"


_COLOURS: Final = {
    Status.FOUND.value: "#DCEEF7",
    Status.NOT_FOUND.value: "#E0E0E0",
    Status.INVALID.value: "#FFE9A8",
    Status.FAILED.value: "#F5C4B3",
    Status.DEFERRED.value: "#DDD3EC",
}
"""Light fills by outcome that also the colour-blind tell apart; the word stands in the cell."""

_VERDICTS: Final = {
    "same": "#DCEEF7",
    "format_only": "#EAF2DA",
    "changed": "#F5C4B3",
    "missing_here": "#FFE9A8",
    "missing_there": "#E0E0E0",
}
"""The same for how an own column and the register differ."""

_OUTCOMES: Final = ("enrich_outcome", "outcome")

_LINE_PIXELS: Final = 18
_LINE_CHARACTERS: Final = 36
"""Of a comment that is twice as wide as usual."""

_MEANINGS: Final = {
    "found": "the register knows it",
    "not_found": "the register says that there is none, or that it is not valid",
    "invalid": "the cell is not a number that can be asked",
    "failed": "asked without a usable answer; that says nothing of the number",
    "deferred": "not asked; a later run may",
}

_COMMENTS: Final = 1_000
"""How many cells have a comment at most: each costs as much as a hundred cells. Failed items tell of all."""


@dataclass(frozen=True, slots=True)
class _List:
    """
    A sheet of rows.

    Args:
        name: Of the sheet.
        schema: Its columns.
        frames: Yields the rows.
        rows: How many in all.
        widths: By column.
        meanings: What columns are, by name.
        comments: Row from 1, column, what is to know of the cell.
        numbers: The columns that numbers were read from.
    """

    name: str
    schema: pl.Schema
    frames: Callable[[], Iterator[pl.DataFrame]]
    rows: int
    widths: Sequence[int]
    meanings: Mapping[str, str] = field(default_factory=dict)
    comments: Sequence[tuple[int, str, str]] = ()
    numbers: Sequence[str] = ()


def check_sheet(staged: Path, columns: Sequence[Column]) -> None:
    """
    Make sure that a sheet holds the list with *columns* added. Meant to be called before anything is paid for.

    Raises:
        ConfigError: it has more rows or columns, or a longer text in a cell.
    """
    lines = pl.scan_parquet(staged, glob=False)
    own = _own(lines.collect_schema(), columns)
    texts = [column(name).str.len_chars().max() for name, dtype in own.items() if dtype == pl.String()]
    rows, longest = lines.select(pl.len().alias("rows"), longest=pl.max_horizontal(0, *texts)).collect().row(0)
    for found, most, what in (
        (rows, MOST_ROWS, "rows"),
        (len(own) + len(columns), MOST_COLUMNS, "columns"),
        (longest or 0, MOST_CHARACTERS, "characters in a cell"),
    ):
        if found > most:
            raise ConfigError(
                f"output.file: the list has {found:,} {what}, a sheet holds {most:,}; use .parquet or .csv"
            )


def workbook(
    record: RunRecord,
    staged: Path,
    answers: pl.DataFrame,
    columns: Sequence[Column],
    output: Path,
    words: Words = ENGLISH,
) -> Written:
    """
    Write all rows of the list with *columns* added, the failed items and the summary as XLSX.

    Texts, identifiers among them, are text cells and never formulas or links; so are numbers of more than 15 digits.
    Dates are dates; times are UTC. Lists are joined with ``; ``, and cut where a cell is full (32,767 characters).
    Outcomes and verdicts are coloured, headers say what the columns are, and the first 1,000 cells with a repair or a
    reason what that is and what to do.

    Args:
        record: The run, for the summary.
        staged: As for :func:`kvk_enrich.write.enriched.enriched`; :func:`check_sheet` has passed it.
        answers: As for :func:`kvk_enrich.write.enriched.enriched` and :func:`kvk_enrich.write.failed.failed`.
        columns: What to add, in this order.
        output: The file to write.
        words: The language of comments, failed items and summary.

    Raises:
        ValueError: A row has neither reason nor answer.
        OSError: It cannot be written.
    """
    failed = _plain(items(staged, answers, words).collect(engine="streaming"))
    lists = [
        _enriched(staged, answers, columns, record.input.columns, words),
        _List("Failed items", failed.schema, lambda: failed.iter_slices(_SLICE_ROWS), failed.height, _widths(failed)),
    ]
    skeleton = _skeleton(lists, record, words)
    try:
        _write(skeleton, lists, output, zip64=False)
    except RuntimeError as error:
        if "zip64" not in str(error):
            raise
        # A sheet is larger than 2 GiB. Which one will be is not known before, and not every program reads zip64 well.
        _write(skeleton, lists, output, zip64=True)
    return described(output, lists[0].rows)


def _own(staged: pl.Schema, columns: Sequence[Column]) -> pl.Schema:
    ours = {"enrich_row", "enrich_raw", *schema(columns)}
    return pl.Schema({name: dtype for name, dtype in staged.items() if name not in ours})


def _enriched(
    staged: Path, answers: pl.DataFrame, columns: Sequence[Column], numbers: Sequence[str], words: Words
) -> _List:
    lines = pl.scan_parquet(staged, glob=False)
    # Once per answer, not once per row.
    cells = answers.with_columns(_plain(answers.select(pl.exclude(*KEY))))
    types = {name: cells.schema.get(name, dtype) for name, dtype in schema(columns).items()}
    joined = joining(lines, cells, types)
    rows = int(lines.select(pl.len()).collect().item())

    def rows_of(start: int, count: int) -> pl.DataFrame:
        frame = joined(lines.slice(start, count)).collect(engine="in-memory")
        if frame["enrich_outcome"].null_count():
            raise ValueError("rows of the list have neither a reason nor an answer")
        return _plain(frame)

    sample = rows_of(0, _SAMPLE_ROWS)

    def slices() -> Iterator[pl.DataFrame]:
        return (rows_of(start, _SLICE_ROWS) for start in range(0, rows, _SLICE_ROWS))

    told = _remarks(joined(lines), words)
    meanings = {each.name: _meaning(each, words) for each in columns}
    return _List("Enriched", sample.schema, slices, rows, _widths(sample), meanings, told, numbers)


def _meaning(told: Column, words: Words) -> str:
    return words.said(told.meaning) + (f" ({words(told.source)})" if told.source else "")


def _remarks(rows: pl.LazyFrame, words: Words) -> list[tuple[int, str, str]]:
    """Return what is to know of the first repaired or unanswered rows: row, column, text."""
    remarks = rows.select(pl.int_range(1, pl.len() + 1).alias("row"), "enrich_note", "enrich_reason")
    worth_telling = pl.col("enrich_note").is_not_null() | pl.col("enrich_reason").is_not_null()
    told: list[tuple[int, str, str]] = []
    for row, note, code in remarks.filter(worth_telling).head(_COMMENTS).collect(engine="streaming").iter_rows():
        if note:
            told.append((row, "enrich_note", words.note(note)))
        if code:
            reason = REASONS[code]
            told.append((row, "enrich_reason", f"{words(reason.sentence)} {words(reason.what_to_do)}"))
    return told[:_COMMENTS]


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return *frame* in the dtypes that a cell can have: text, number, boolean, date, time without zone."""
    return frame.select(_plain_value(column(name), dtype).alias(name) for name, dtype in frame.schema.items())


def _plain_value(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    match dtype:
        case pl.Datetime(time_zone=zone):
            return (value if zone is None else value.dt.convert_time_zone("UTC").dt.replace_time_zone(None)).cast(
                pl.Datetime("us")
            )
        case pl.Decimal(precision=precision) if precision > _MOST_DIGITS:
            return value.cast(pl.String)
        case _ if dtype.is_numeric() or dtype in (pl.Boolean, pl.Date, pl.String):
            return value
        case _:
            return as_text(value, dtype)


def _widths(sample: pl.DataFrame) -> list[int]:
    least, most = _WIDTHS
    texts = sample.select(pl.all().cast(pl.String).str.len_chars().max().fill_null(0))
    longest = texts.row(0) if texts.height else (0,) * sample.width
    return [min(most, max(least, len(name) + 3, text + 1)) for name, text in zip(sample.columns, longest, strict=True)]


# -- the workbook without the lists' rows -------------------------------------------------------


def _skeleton(lists: Sequence[_List], record: RunRecord, words: Words) -> io.BytesIO:
    """Return a workbook with headers, a row that shows how the cells of each list are formatted, and the summary."""
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False, "use_zip64": True}) as book:
        bold = book.add_format({"bold": True})
        fills = {colour: book.add_format({"bg_color": colour}) for colour in (*_COLOURS.values(), *_VERDICTS.values())}
        formats = {dtype: book.add_format({"num_format": shown}) for dtype, shown in _FORMATS.items()}
        for each in lists:
            sheet = book.add_worksheet(each.name)
            sheet.freeze_panes(1, 0)
            sheet.autofilter(0, 0, each.rows, len(each.schema) - 1)
            for place, (name, dtype) in enumerate(each.schema.items()):
                sheet.set_column(place, place, each.widths[place])
                sheet.write_string(0, place, name, bold)
                if dtype.base_type() in formats:
                    sheet.write_blank(1, place, None, formats[dtype.base_type()])
            _comment(sheet, each)
            _colour(sheet, each, fills)
        summary = book.add_worksheet("Summary")
        summary.set_column(0, 0, 30, bold)
        summary.set_column(1, 1, 70, book.add_format({"align": "left"}))
        for row, (label, value) in enumerate(_summary(record, words)):
            summary.write_string(row, 0, words(label))
            if isinstance(value, str):
                summary.write_string(row, 1, value)
            elif isinstance(value, datetime):
                shown = book.add_format({"num_format": _FORMATS[pl.Datetime], "align": "left"})
                summary.write_datetime(row, 1, value.astimezone(UTC).replace(tzinfo=None), shown)
            else:
                summary.write_number(row, 1, value)
        for place, (outcome, colour) in enumerate(_COLOURS.items(), row + 2):
            summary.write_string(place, 0, outcome, fills[colour])
            summary.write_string(place, 1, f"{words.code(outcome)}: {words(_MEANINGS[outcome])}")
    return made


def _comment(sheet: Worksheet, rows: _List) -> None:
    """Say in comments what the columns are, and of cells what is to know of them."""
    places = {name: place for place, name in enumerate(rows.schema)}
    headers = [(0, name, meaning) for name, meaning in rows.meanings.items()]
    for row, name, text in (*headers, *rows.comments):
        height = _LINE_PIXELS * (2 + len(text) // _LINE_CHARACTERS)
        sheet.write_comment(row, places[name], text, {"x_scale": 2, "height": height, "author": "kvk-enrich"})


def _colour(sheet: Worksheet, rows: _List, fills: Mapping[str, Format]) -> None:
    """Fill by outcome its own cell, its reason's and the number's; by verdict its cell."""
    places = {name: place for place, name in enumerate(rows.schema)}
    for name, place in places.items():
        if name in _OUTCOMES:
            decided, colours = name, _COLOURS
        elif "enrich_outcome" in places and name in {*rows.numbers, "enrich_reason"}:
            decided, colours = "enrich_outcome", _COLOURS
        elif name.startswith("cmp_"):
            decided, colours = name, _VERDICTS
        else:
            continue
        letter = xl_col_to_name(places[decided])
        for value, colour in colours.items():
            rule = {"type": "formula", "criteria": f'=${letter}2="{value}"', "format": fills[colour]}
            sheet.conditional_format(1, place, max(1, rows.rows), place, rule)


def _summary(record: RunRecord, words: Words) -> Iterator[tuple[str, str | float | datetime]]:
    yield "run", record.run_id
    yield "state", words(record.state)
    yield "stopped because of", record.stop_reason or ""
    yield "list", record.input.path
    yield "SHA-256 of the list", record.input.sha256
    for name in ("total", "found", "not_found", "invalid", "failed", "deferred"):
        yield f"rows {name.replace('_', ' ')}", getattr(record.rows, name)
    yield "distinct numbers", record.numbers.distinct
    yield "numbers known before", record.numbers.cached
    yield "numbers to ask", record.numbers.asked
    yield "calls sent", record.calls.sent
    yield "calls paid", record.calls.paid
    yield "calls repeated", record.calls.retries
    yield "cost in EUR", float(record.cost_eur)
    yield "saved in EUR", float(record.saved_eur)
    yield "account", record.budget.account
    yield "month", record.budget.month
    yield "calls used this month", record.budget.used
    yield "calls left this month", record.budget.left
    yield "started (UTC)", record.started_at
    yield "finished asking (UTC)", record.finished_at
    yield "seconds", record.seconds


# -- the lists' rows ----------------------------------------------------------------------------


def _write(skeleton: io.BytesIO, lists: Sequence[_List], output: Path, *, zip64: bool) -> None:
    sheets = {f"xl/worksheets/sheet{place}.xml": sheet for place, sheet in enumerate(lists, 1)}
    with (
        zipfile.ZipFile(skeleton) as parts,
        zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for part in parts.namelist():
            if part in sheets:
                _fill(archive, part, parts.read(part).decode(), sheets[part], zip64=zip64)
            else:
                archive.writestr(part, parts.read(part))


def _fill(archive: zipfile.ZipFile, part: str, sheet: str, rows: _List, *, zip64: bool) -> None:
    """Write the *sheet* of the skeleton with the lines of *rows* where its pattern row is."""
    styles = dict(_STYLE.findall(sheet))
    last = xl_col_to_name(len(rows.schema) - 1)
    sheet = _DIMENSION.sub(f'<dimension ref="A1:{last}{rows.rows + 1}"/>', sheet, count=1)
    head, tail = _PATTERN_ROW.split(sheet, maxsplit=1)
    with archive.open(part, "w", force_zip64=zip64) as file:
        file.write(head.encode())
        row = 2
        for frame in rows.frames():
            file.write("".join(_lines(frame, row, styles)).encode())
            row += frame.height
        file.write(tail.encode())


def _lines(frame: pl.DataFrame, first: int, styles: dict[str, str]) -> pl.Series:
    """Return each row of *frame* as XML; the first one is row *first* of the sheet."""
    row = pl.int_range(first, first + frame.height, eager=True).cast(pl.String).alias("row")
    letters = [xl_col_to_name(place) for place in range(frame.width)]
    numbered = frame.rename(dict(zip(frame.columns, letters, strict=True))).with_columns(row)
    cells = [_cell(letter, numbered.schema[letter], styles.get(letter)) for letter in letters]
    lines = pl.concat_str(
        [pl.lit('<row r="'), pl.col("row"), pl.lit('">'), *cells, pl.lit("</row>")], ignore_nulls=True
    )
    return numbered.select(lines.alias("lines")).to_series()


def _cell(letter: str, dtype: pl.DataType, style: str | None) -> pl.Expr:
    """Return a cell in XML, null where there is nothing to write."""
    value = pl.col(letter)

    def marked(content: pl.Expr, kind: str = "", start: str = "<v>", end: str = "</v>") -> pl.Expr:
        opened = [pl.lit(f'<c r="{letter}'), pl.col("row"), pl.lit(f'"{kind}>{start}')]
        return pl.concat_str([*opened, content, pl.lit(f"{end}</c>")])

    def text(content: pl.Expr) -> pl.Expr:
        return marked(_escaped(content), ' t="inlineStr"', '<is><t xml:space="preserve">', "</t></is>")

    match dtype:
        case pl.String():
            return text(pl.when(value != "").then(value))
        case pl.Boolean():
            return marked(value.cast(pl.Int8).cast(pl.String), ' t="b"')
        case pl.Date() | pl.Datetime():
            days = _days(value, dtype)
            moment = marked(days.cast(pl.String), f' s="{style}"')
            return pl.when(days >= _FIRST_DAY).then(moment).otherwise(text(value.dt.to_string("iso")))
        case _ if dtype.is_float():
            return pl.when(value.is_finite()).then(marked(value.cast(pl.String))).otherwise(text(value.cast(pl.String)))
        case _ if dtype.is_decimal():
            return marked(value.cast(pl.String))
        case _:
            is_exact = value.is_between(-(10**_MOST_DIGITS) + 1, 10**_MOST_DIGITS - 1)
            return pl.when(is_exact).then(marked(value.cast(pl.String))).otherwise(text(value.cast(pl.String)))


def _days(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Date():
        return (value - pl.lit(_DAY_ZERO)).dt.total_days()
    since = value - pl.lit(_DAY_ZERO).cast(pl.Datetime("us"))
    return since.dt.total_microseconds() / _MICROSECONDS_A_DAY


def _escaped(content: pl.Expr) -> pl.Expr:
    return content.map_batches(_as_xml, return_dtype=pl.String())


def _as_xml(texts: pl.Series) -> pl.Series:
    """Return *texts* as the content of an XML element that a spreadsheet reads back as the same."""
    texts = texts.str.slice(0, MOST_CHARACTERS)
    if texts.str.contains(_LOOKS_WRITTEN).any():
        texts = texts.str.replace_all(_LOOKS_WRITTEN, "_x005F_$1")
    if texts.str.contains_any(_UNWRITABLE).any():
        texts = texts.str.replace_many(_UNWRITABLE, [f"_x{ord(each):04X}_" for each in _UNWRITABLE])
    if texts.str.contains("[&<>]").any():
        texts = texts.str.replace_many({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    return texts
