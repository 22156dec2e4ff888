"""
An evidence pack: all that a run's statements rest on, in one folder that can be checked later.

The list as it was, the outputs, the registers' own answers, VIES's consultation numbers with requester and time,
the configuration, and a manifest with the SHA-256 of every file. The folder appears whole or not at all.
"""

import glob
import hashlib
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import msgspec
import polars as pl

from kvk_enrich import record
from kvk_enrich.disk import os_errors, sha256, sync
from kvk_enrich.errors import ConfigError, StorageError
from kvk_enrich.version import __version__
from kvk_enrich.write.cells import inert

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
ANSWERS: Final = "answers.parquet"
CONFIG: Final = "config.json"
CONSULTATIONS: Final = "vies.csv"
_OWNER_ONLY: Final = 0o700
_VIES: Final = ("vat_number", "vat_status", "vat_valid", "vat_consultation_number", "vat_checked_at")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a pack: its path in the folder, its size and its hash."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a pack holds, and of which run of which *list*; *outputs*: its files by their names in the run record."""

    kind: Literal["kvk-enrich evidence"] = "kvk-enrich evidence"
    schema: Literal[1] = 1
    version: str
    run_id: str
    made_at: datetime
    source: str
    requester: str | None
    list: str
    input_sha256: str
    config_sha256: str
    rows: record.Rows
    outputs: dict[str, str]
    files: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that is being made in *folder*, for *target*."""

    folder: Path
    target: Path

    def add(self, name: str, data: bytes) -> None:
        """Put a file in."""
        self.place(name).write_bytes(data)

    def copy(self, path: Path, name: str) -> None:
        """Put a copy of the file at *path* in."""
        shutil.copyfile(path, self.place(name))

    def place(self, name: str) -> Path:
        """Return where the file of this *name* goes: it is there, empty, and its owner's alone."""
        path = self.folder / name
        path.parent.mkdir(mode=_OWNER_ONLY, exist_ok=True)
        path.touch(mode=0o600)
        return path

    def close(self, run: record.RunRecord, outputs: Mapping[str, str], *, source: str, requester: str | None) -> str:
        """Write the manifest over all that is in, and return its SHA-256."""
        self.add("README.txt", files("kvk_enrich").joinpath("evidence.txt").read_bytes())
        manifest = Manifest(
            version=__version__,
            run_id=run.run_id,
            made_at=run.finished_at,
            source=source,
            requester=requester,
            list=Path(run.input.path).name,
            input_sha256=run.input.sha256,
            config_sha256=run.config_sha256,
            rows=run.rows,
            outputs=dict(outputs),
            files=tuple(items_of(self.folder)),
        )
        data = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        self.add(MANIFEST, data)
        told = hashlib.sha256(data).hexdigest()
        self.add(SUMS, sums({item.name: item.sha256 for item in manifest.files} | {MANIFEST: told}))
        return told


def sums(hashes: Mapping[str, str]) -> bytes:
    """Return *hashes* by file name as ``sha256sum --check`` reads them."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in hashes.items()).encode()


def items_of(folder: Path) -> list[Item]:
    """Return the files of a pack's folder, by name; manifest and checksums, which name the others, left out."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    named = sorted((path.relative_to(folder).as_posix(), path) for path in found)
    return [_item(name, path) for name, path in named if name not in {MANIFEST, SUMS}]


def _item(name: str, path: Path) -> Item:
    """Return what *path* is; what is no file of the pack's own, or cannot be read, has no hash."""
    if path.is_symlink() or not path.is_file():
        return Item(name=name, bytes=0, sha256="")
    try:
        return Item(name=name, bytes=path.stat().st_size, sha256=sha256(path))
    except OSError:
        return Item(name=name, bytes=0, sha256="")


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of *folder*; None where there is none that can be read."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def check(target: Path, listed: Path, outputs: Sequence[Path]) -> None:
    """
    Make sure that a pack can be put at *target*. Meant to be called before anything is paid for.

    Args:
        target: Where it shall be.
        listed: The list. An older pack is replaced only by one of the same list, by its name: a proof must not get
            lost by a slip of the pen.
        outputs: What else the run writes.

    Raises:
        ConfigError: something else is there, or would be lost; or the folder for it is not there.
    """
    if not target.absolute().parent.is_dir():
        raise ConfigError(f"output.evidence: there is no folder {target.parent}; make it, or name another")
    place = target.resolve()
    if any(place in (path.resolve(), *path.resolve().parents) for path in (listed, *outputs)):
        raise ConfigError(f"output.evidence: {target} is where the list or an output lies; name another folder")
    if twice := {path.name.lower() for path in outputs} & {f"input{listed.suffix.lower()}", ANSWERS, CONSULTATIONS}:
        raise ConfigError(f"output.file: a file of the evidence pack is called {', '.join(twice)} too; name another")
    taken = target.is_symlink() or (target.exists() and not target.is_dir())
    older = read_manifest(target)
    if taken or (target.is_dir() and any(target.iterdir()) and older is None):
        raise ConfigError(f"output.evidence: {target} holds something else than an evidence pack; name another folder")
    if older is not None and older.list != listed.name:
        raise ConfigError(f"output.evidence: {target} is the evidence pack of {older.list}; name another folder")


@contextmanager
def pack(target: Path | None) -> Iterator[Pack | None]:
    """
    Collect a pack, and put it at *target* when the block ends well; an older pack there is replaced.

    Raises:
        StorageError: It cannot be written; an older one is as it was.
    """
    if target is None:
        yield None
        return
    for left in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * 8}.draft"):  # by a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    folder = target.with_name(f".{target.name}.{secrets.token_hex(4)}.draft")
    try:
        with os_errors():
            folder.mkdir(mode=_OWNER_ONLY)
            yield Pack(folder, target)
            _publish(folder, target)
    except OSError as error:
        raise StorageError(f"the evidence pack {target} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(folder: Path, target: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        sync(path)
    older = target.with_name(f".{target.name}.older")
    if target.exists():
        shutil.rmtree(older, ignore_errors=True)
        target.rename(older)
    try:
        folder.rename(target)
    except OSError:
        with suppress(OSError):
            older.rename(target)
        raise
    sync(target.parent)
    shutil.rmtree(older, ignore_errors=True)


def consultations(answers: pl.DataFrame, requester: str | None) -> bytes:
    """
    Return what VIES said, as CSV: a line per VAT number with verdict, consultation number, requester and time.

    The requester's consultation number is the proof, before the tax authorities, of having asked.
    """
    known = answers.select(name for name in _VIES if name in answers.columns)
    if "vat_number" not in known.columns:
        known = pl.DataFrame(schema=dict.fromkeys(_VIES, pl.String))
    lines = known.drop_nulls("vat_number").unique("vat_number", maintain_order=True).sort("vat_number")
    told = lines.with_columns(pl.lit(requester, pl.String).alias("requester"))
    return told.with_columns(inert(pl.col(pl.String))).write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ").encode()
