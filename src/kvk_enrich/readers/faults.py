"""
Where a text list is malformed.

polars says that a file cannot be parsed, not in which line; so a file that it refused is gone
through once more, by patterns over the mapped bytes. And it bears some quotation marks that are
out of order by leaving them out, which would make another number of ``"2718"2818``: files with
marks are looked at line by line before they are believed.
"""

import codecs
import mmap
import re
from pathlib import Path

import polars as pl

_QUOTED = rb'"(?:[^"]|"")*+"'
_LONE_MARK = "has a quotation mark inside a cell. Quote the cell and double the mark."


def first_fault(path: Path, separator: str, width: int, skip: int) -> str:
    """
    Return a sentence about the first record that is no record of *width* cells or fewer.

    Args:
        path: A UTF-8 file.
        separator: The character between cells.
        width: Cells in the header.
        skip: Lines above the header (0 or 1).
    """
    if malformed := _malformed(path, separator, width, skip):
        return malformed
    # Suspected only when nothing else is wrong.
    part = re.escape(separator.encode())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = _first_bad(content, _in_pairs(part), part, width, _start(content, skip))
    return "it is not a table of cells." if at is None else f"line {_line(path, at)} {_LONE_MARK}"


def odd_quotes(path: Path, separator: str, width: int, skip: int) -> str | None:
    """Return the sentence of :func:`first_fault` about a file that polars reads, if its quotes are out of order."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b'"') < 0:
            return None
        at = _lone_mark_in_header(content, re.escape(separator.encode()), _start(content, skip))
        if at is not None:
            return f"line {_line(path, at)} {_LONE_MARK}"
    part = f"\\x{ord(separator):02X}"
    cell = f'(?:"(?:[^"]|"")*"|[^"{part}][^{part}]*|)'
    is_record = pl.first().str.contains(f"^{cell}(?:{part}{cell})*\r?$")
    if pl.scan_lines(path, glob=False).select(is_record.all()).collect(engine="streaming").item():
        return None
    return _malformed(path, separator, width, skip)  # a quoted cell may also go on in the next line


def _lone_mark_in_header(content: mmap.mmap, part: bytes, start: int) -> int | None:
    """
    Return where the first line that is not blank begins, if it has a mark without its pair.

    polars 2.0 takes all rows below such a line for a part of it, and tells of none.
    """
    cell = _in_pairs(part)
    blank = re.compile(rb"(?:\r?\n)*+").match(content, start)
    begin = blank.end() if blank else start
    is_header = re.compile(rb"%b(?:%b%b)*+\r?(?:\n|\Z)" % (cell, part, cell)).match(content, begin)
    return None if is_header else begin


def _in_pairs(part: bytes) -> bytes:
    """Return the pattern of a cell in which a mark that is not its first is harmless, as it has a pair."""
    return rb'(?:%b|(?!")(?:[^"%b\n]|"[^"\n]*+")*+)' % (_QUOTED, part)


def _malformed(path: Path, separator: str, width: int, skip: int) -> str | None:
    part = re.escape(separator.encode())
    any_text = rb'(?:%b|(?!")[^%b\n]*+)' % (_QUOTED, part)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = _first_bad(content, any_text, part, width, _start(content, skip))
        return None if at is None else f"line {_line(path, at)} {_trouble(content, any_text, part, width, at)}"


def _start(content: mmap.mmap, skip: int) -> int:
    if skip:
        return content.find(b"\n") + 1
    return len(codecs.BOM_UTF8) if content[: len(codecs.BOM_UTF8)] == codecs.BOM_UTF8 else 0


def _first_bad(content: mmap.mmap, cell: bytes, part: bytes, width: int, start: int) -> int | None:
    """Return the offset of the first bad record, None if all are good."""
    record = b"%b(?:%b%b){0,%d}+" % (cell, part, cell, width - 1)
    good = re.compile(rb"(?:%b\r?\n)*+" % record).match(content, start)
    at = good.end() if good else start
    return None if re.compile(rb"%b\Z" % record).match(content, at) else at


def _trouble(content: mmap.mmap, cell: bytes, part: bytes, width: int, at: int) -> str:
    cells = re.compile(rb"%b(?:%b%b)*+" % (cell, part, cell)).match(content, at)
    end = cells.end() if cells else at
    if cells and content[end : end + 1] in (b"", b"\r", b"\n"):
        found = len(re.findall(rb"(?:\A|%b)%b" % (part, cell), cells[0]))
        return f"has {found} cells, the header has {width}. Quote cells that contain the delimiter, or see --delimiter."
    if cells is None or content[end : end + 1] == re.sub(rb"\\(.)", rb"\1", part):
        return "opens a quote that is never closed."
    return "has text after a closing quote. Double the quotation marks inside a cell."


def _line(path: Path, offset: int) -> int:
    lines = 1
    with path.open("rb") as file:
        while offset:
            chunk = file.read(min(offset, 1 << 20))
            offset -= len(chunk)
            lines += chunk.count(b"\n")
    return lines
