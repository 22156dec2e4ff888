"""
Text files of any common encoding, as UTF-8 with line feeds.

polars reads UTF-8 and takes other encodings for nonsense, silently or not; so the bytes are
checked, or rewritten, before it sees them.
"""

import codecs
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kvk_enrich.errors import ConfigError, InputRefused, StorageError
from kvk_enrich.readers.snapshots import chunks, create

_ENCODINGS = {
    "utf-8": "utf-8",
    "cp1252": "windows-1252",
    "iso8859-1": "iso-8859-1",
    "iso8859-15": "iso-8859-15",
    "cp850": "cp850",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
}
"""Python's names for them, and how users know them."""

_BY_BYTE = ("cp1252", "iso8859-1", "iso8859-15", "cp850")
"""Those that make some letter of nearly every byte, and so of UTF-8 too."""

# utf-32 first: its mark begins with that of utf-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ORDERED = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""The encodings that have their byte order from the mark, by that order."""
_MANY_NULS = 0.1


@dataclass(frozen=True, slots=True)
class Utf8:
    """
    A text file that polars reads as it is meant.

    Args:
        path: UTF-8 with line feeds.
        notes: What was done to make it so.
        codec: Python's name for the encoding it was in.
        mark: The byte order mark that was left out.
        faithful: Written back in that encoding it is the same file; not so when line ends were changed.
    """

    path: Path
    notes: list[str]
    codec: str
    mark: bytes
    faithful: bool

    def encoded(self, text: str) -> bytes:
        """Return *text* as the file was written. Raises UnicodeEncodeError for what its encoding does not have."""
        return self.mark + text.encode(self.codec)


def as_utf8(path: Path, original: Path, encoding: str, folder: Path) -> Utf8:
    """
    Return *path* as UTF-8 with line feeds: the file itself, or a rewritten one in *folder*.

    A mark at the beginning of the file (BOM) tells its encoding and wins over *encoding*.

    Raises:
        ConfigError: *encoding* is unknown.
        InputRefused: the bytes are not in that encoding; the message names the first wrong one.
        StorageError: no room in *folder*.
    """
    codec = _codec(encoding)
    with path.open("rb") as source:
        beginning = source.read(1 << 16)
    mark, codec = next(((mark, marked) for mark, marked in _MARKS if beginning.startswith(mark)), (b"", codec))
    if codec == "utf-16" and not mark:
        codec = "utf-16-le"  # what Windows programs write
    if not mark and codec in _BY_BYTE and _is_utf8(path):
        raise InputRefused(
            f"{original} is UTF-8 text, not {_ENCODINGS[codec]}: leave --encoding (input.encoding) out, or say utf-8."
        )
    notes = [f"The file begins with a byte order mark; it was read as {codec} and the mark left out."] if mark else []
    if codec == "utf-8" and beginning.count(0) > len(beginning) * _MANY_NULS:
        raise InputRefused(
            f"{original} is not UTF-8 text: it is full of zero bytes. "
            "If it is a text file, run again with --encoding utf-16."
        )
    if codec == "utf-8":
        line_ends = _read_through(path, original, codec, lambda _text: None)
    else:
        rewritten = folder / "decoded.csv"
        line_ends = _rewrite(path, original, codec, rewritten, lambda text: text)
        path = rewritten
        if not mark:
            notes.append(f"The file was read as {_ENCODINGS[codec]}.")
    if line_ends == {"\r"}:
        rewritten = folder / "lines.csv"
        _rewrite(path, original, "utf-8", rewritten, lambda text: text.replace("\r", "\n"))
        path = rewritten
        notes.append("Lines end with carriage returns only (old Mac); they were read as line ends.")
    kept = b"" if codec == "utf-8" else mark  # UTF-8 is read as it is, mark and all
    return Utf8(path, notes, _ORDERED.get(mark, codec), kept, faithful=line_ends != {"\r"})


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        name = ""
    if name not in _ENCODINGS:
        raise ConfigError(f"input.encoding: {encoding!r} is not one of {', '.join(_ENCODINGS.values())}")
    return name


def _is_utf8(path: Path) -> bool:
    """Return whether a text has letters beyond ASCII, all in UTF-8: by chance, no text of words in another encoding."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    is_ascii = True
    with path.open("rb") as source:
        for chunk in itertools.chain(chunks(source), [b""]):
            is_ascii &= chunk.isascii()
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError:
                return False
    return not is_ascii


def _rewrite(path: Path, original: Path, codec: str, target: Path, change: Callable[[str], str]) -> set[str]:
    try:
        with create(target) as file:
            return _read_through(path, original, codec, lambda text: file.write(change(text).encode()))
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}.") from error


def _read_through(path: Path, original: Path, codec: str, keep: Callable[[str], object]) -> set[str]:
    """Decode all of *path*, hand each piece to *keep*, and return which line ends (LF, CR) occur."""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    offset, lines = 0, 1
    line_ends: set[str] = set()
    with path.open("rb") as source:
        for chunk in itertools.chain(chunks(source), [b""]):
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                at = offset - (len(error.object) - len(chunk)) + error.start
                line = lines + error.object[: error.start].decode(codec, "ignore").count("\n")
                raise InputRefused(_wrong_byte(original, codec, error.object[error.start], at, line)) from None
            offset += len(chunk)
            lines += text.count("\n")
            line_ends.update(end for end in "\r\n" if end in text)
            keep(text)
    return line_ends


def _wrong_byte(original: Path, codec: str, byte: int, offset: int, line: int) -> str:
    place = f"byte 0x{byte:02X} at offset {offset} (line {line})"
    if codec == "utf-8":
        remedy = "If Excel or an older program wrote it, run again with --encoding windows-1252."
    else:
        remedy = "Run again with the --encoding that the program which wrote it used."
    return f"{original} is not {_ENCODINGS.get(codec, codec)} text: {place} is not possible there. {remedy}"
