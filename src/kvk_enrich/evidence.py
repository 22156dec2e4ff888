"""
An evidence pack: all that a run's statements rest on, in one folder that can be checked later.

The list as it was, the outputs, the registers' own answers, VIES's consultation numbers with requester and time,
the configuration, and a manifest with the SHA-256 of every file. The folder appears whole or not at all.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal

import msgspec
import polars as pl

from kvk_enrich import record
from kvk_enrich.errors import ConfigError, StorageError
from kvk_enrich.version import __version__
from kvk_enrich.write.cells import inert

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
ANSWERS: Final = "answers.parquet"
CONFIG: Final = "config.json"
_OWNER_ONLY: Final = 0o700
_VIES: Final = ("vat_number", "vat_status", "vat_valid", "vat_consultation_number", "vat_checked_at")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a pack: its path in the folder, its size and its hash."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a pack holds, and of which run; *outputs* are the names of its files by their names in the run record."""

    kind: Literal["kvk-enrich evidence"] = "kvk-enrich evidence"
    schema: Literal[1] = 1
    version: str
    run_id: str
    made_at: datetime
    source: str
    requester: str | None
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
        path = self.folder / name
        path.parent.mkdir(mode=_OWNER_ONLY, exist_ok=True)
        path.write_bytes(data)

    def copy(self, path: Path, name: str) -> None:
        """Put a copy of the file at *path* in."""
        copied = self.folder / name
        copied.parent.mkdir(mode=_OWNER_ONLY, exist_ok=True)
        shutil.copyfile(path, copied)

    def close(self, run: record.RunRecord, outputs: Mapping[str, str], *, source: str, requester: str | None) -> str:
        """Write the manifest over all that is in, and return its SHA-256."""
        self.add("README.txt", files("kvk_enrich").joinpath("evidence.txt").read_bytes())
        items = items_of(self.folder)
        manifest = Manifest(
            version=__version__,
            run_id=run.run_id,
            made_at=run.finished_at,
            source=source,
            requester=requester,
            input_sha256=run.input.sha256,
            config_sha256=run.config_sha256,
            rows=run.rows,
            outputs=dict(outputs),
            files=tuple(items),
        )
        data = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        self.add(MANIFEST, data)
        told = hashlib.sha256(data).hexdigest()
        self.add(
            SUMS, "".join(f"{item.sha256}  {item.name}\n" for item in items).encode() + f"{told}  {MANIFEST}\n".encode()
        )
        return told


def items_of(folder: Path) -> list[Item]:
    """Return the files of a pack's folder, by name; manifest and checksums, which name the others, left out."""
    named = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if not path.is_dir())
    return [_item(name, path) for name, path in named if name not in {MANIFEST, SUMS}]


def _item(name: str, path: Path) -> Item:
    with path.open("rb") as file:
        return Item(name=name, bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of *folder*; None where there is none that can be read."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return None


def check(target: Path) -> None:
    """
    Make sure that a pack can be put at *target*. Meant to be called before anything is paid for.

    Raises:
        ConfigError: something else than an older pack is there, or the folder for it is not.
    """
    if not target.absolute().parent.is_dir():
        raise ConfigError(f"output.evidence: there is no folder {target.parent}; make it, or name another")
    taken = target.is_symlink() or (target.exists() and not target.is_dir())
    if taken or (target.is_dir() and any(target.iterdir()) and read_manifest(target) is None):
        raise ConfigError(f"output.evidence: {target} holds something else than an evidence pack; name another folder")


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
    folder = target.with_name(f".{target.name}.{secrets.token_hex(4)}.draft")
    try:
        folder.mkdir(mode=_OWNER_ONLY)
        yield Pack(folder, target)
        _publish(folder, target)
    except OSError as error:
        raise StorageError(f"the evidence pack {target} cannot be written: {error.strerror}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(folder: Path, target: Path) -> None:
    for path in (*(path for path in folder.rglob("*")), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
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
