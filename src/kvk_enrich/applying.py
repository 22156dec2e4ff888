"""A patch, made on the list it is of. No call, and nothing kept."""

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kvk_enrich import patch, readers, write
from kvk_enrich.config import Settings
from kvk_enrich.disk import is_same
from kvk_enrich.errors import InputRefused
from kvk_enrich.patch import Change
from kvk_enrich.state.home import open_home

_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""What a text begins with that tells its encoding itself."""


@dataclass(frozen=True, slots=True)
class Patched:
    """
    What became of a patch.

    Args:
        path: The patched list.
        done: Cells that were changed.
        left: Changes that were left out, as another value than the old one stands in their cell.
    """

    path: Path
    done: int
    left: tuple[Change, ...]


def apply(listed: str | Path, changes: str | Path, output: str | Path, settings: Settings) -> Patched:
    """
    Write *listed* to *output* with the changes of a patch; all other bytes stay as they are.

    A change is made only where its old value stands. The undo of the patch, applied to the result, gives back
    the list, byte for byte.

    Args:
        listed: A text list: .csv, .tsv or .txt.
        changes: ``out.patch.csv`` or ``out.undo.csv`` of a run with --compare.
        output: Where the patched list goes; the list itself is allowed.
        settings: How the list is read: encoding and delimiter.

    Raises:
        InputRefused: the list is no text list, or has a letter too many for its encoding; the patch is none.
        StorageError: the output cannot be written.
    """
    listed, changes, output = Path(listed), Path(changes), Path(output)
    if listed.suffix.lower() not in readers.TEXT_SUFFIXES:
        raise InputRefused(f"{listed}: patches are made on text lists ({', '.join(readers.TEXT_SUFFIXES)}) only.")
    if is_same(output, changes):
        raise InputRefused(f"{output} would overwrite the patch; name another output with -o")
    given = settings.sections.input
    with open_home(settings.home).workspace() as folder:
        taken = readers.snapshot(listed, folder)
        found = readers.layout(taken, folder=folder, encoding=given.encoding, delimiter=given.delimiter)
        if not found.text.faithful:
            raise InputRefused(f"{listed}: its lines end in an old way; save it with ordinary line ends first.")
        text = found.text.path.read_bytes().decode()
        columns = readers.named(listed, found.header)
        wanted = _changes(changes, folder / "patch", given.encoding)
        result = patch.applied(text, found.separator, columns, wanted, skip=found.skip)
        try:
            data = found.text.encoded(result.text)
        except UnicodeEncodeError as error:
            letter = error.object[error.start]
            raise InputRefused(
                f"{listed}: {letter!r} cannot be written in {error.encoding}; save it as UTF-8."
            ) from None
    with write.together([output]) as drafts:
        drafts[output].write_bytes(data)
    return Patched(output, result.done, result.left)


def _changes(path: Path, folder: Path, encoding: str) -> list[Change]:
    """
    Return the changes of the patch at *path*: as the run wrote it, or as a spreadsheet saved it since.

    The one is UTF-8, the other may be in the *encoding* of the list.
    """
    taken = readers.snapshot(path, folder)
    data = taken.path.read_bytes()
    try:
        data.decode()
        encoding = "utf-8"
    except UnicodeDecodeError:
        if encoding == "utf-8" and not data.startswith(_UTF_16):
            raise InputRefused(
                f"{path} is not UTF-8 text any more. Save it as CSV UTF-8; if the list is none either, say --encoding."
            ) from None
    found = readers.layout(taken, folder=folder, encoding=encoding, delimiter=None)
    text = found.text.path.read_bytes().decode().removeprefix("\ufeff")
    return patch.read(text, found.separator, skip=found.skip)
