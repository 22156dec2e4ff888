"""A key that is found wherever it goes: how it may be written, where it is looked for, and a stage to lose it on."""

import base64
import gzip
import sqlite3
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, Final
from urllib.parse import quote

import duckdb
import polars as pl
from tests.harness import COMMAND, environment

KEY: Final = "Zq7wXk/93vTbY+5mJd8RfLcP2sNhGu4e"
"""Nobody's. Its signs change when it is put into an address or into JSON."""

_PIECE: Final = 8
"""Characters. Fewer may stand somewhere by chance; that many give a key away."""

WATCHED: Final = Path(__file__).parents[1] / "simulators" / "watched"


def written(key: str) -> dict[str, bytes]:
    """Return each way that *key*, or a piece of it, may be written."""
    plain = key.encode()
    ways = {f"piece {place}": plain[place : place + _PIECE] for place in range(len(plain) - _PIECE + 1)}
    ways |= {"in an address": quote(key, safe="").encode(), "escaped": key.replace("/", "\\/").encode()}
    ways |= {"hex": plain.hex().encode(), "HEX": plain.hex().upper().encode()}
    ways |= {"UTF-16 LE": key.encode("utf-16-le"), "UTF-16 BE": key.encode("utf-16-be"), "backwards": plain[::-1]}
    for before in range(3):
        first, last = -(-before * 4 // 3), (before + len(plain)) * 4 // 3  # letters that hold bits of the key only
        for name, encode in (("base64", base64.b64encode), ("base64 for addresses", base64.urlsafe_b64encode)):
            ways[f"{name} at {before}"] = encode(bytes(before) + plain)[first:last]
    return ways


def found_in(data: bytes, ways: Mapping[str, bytes]) -> list[str]:
    """Return which of *ways* stand in *data*."""
    return [name for name, way in ways.items() if way in data]


def insides(path: Path) -> Iterator[bytes]:
    """Yield what a file holds: its bytes, and what lies packed in them, read by its own kind of reader."""
    data = path.read_bytes()
    yield data
    if data.startswith(b"PK\3\4"):
        with zipfile.ZipFile(path) as archive:
            yield from map(archive.read, archive.namelist())
    elif data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif data.startswith(b"PAR1"):
        with suppress(pl.exceptions.ComputeError):  # cut off: its bytes must do
            yield repr(pl.read_parquet(path, glob=False).to_dicts()).encode()
    elif data.startswith(b"SQLite"):
        with closing(sqlite3.connect(path)) as sql:
            yield from map(_text, _values(sql))
    elif data[8:12] == b"DUCK":
        with suppress(duckdb.Error), closing(duckdb.connect(path)) as sql:
            yield from map(_text, _values(sql))


def _values(sql: Any) -> Iterator[object]:
    """Yield each value of each table of a database."""
    tables = "duckdb_tables()" if isinstance(sql, duckdb.DuckDBPyConnection) else "sqlite_schema WHERE type = 'table'"
    name = "table_name" if tables.startswith("duckdb") else "name"
    for (table,) in sql.execute(f"SELECT {name} FROM {tables}").fetchall():
        for row in sql.execute(f'SELECT * FROM "{table}"').fetchall():
            yield from row


def _text(value: object) -> bytes:
    if isinstance(value, bytes):
        with suppress(zlib.error):
            return zlib.decompress(value)
        return value
    return str(value).encode()


@dataclass
class Stage:
    """
    Where processes are started with the key, one after the other, and whatever they leave stays.

    Args:
        folder: Of everything.
        holding: The variables that hold the key.
    """

    folder: Path
    holding: Mapping[str, str] = field(default_factory=lambda: {"KVK_API_KEY": KEY})

    def __post_init__(self) -> None:
        """Make the folders."""
        self.left = self.folder / "left"
        for folder in (self.given, self.left, self.left / "tmp", self.left / "watched"):
            folder.mkdir(parents=True)
        self.ends: list[int] = []

    @property
    def given(self) -> Path:
        """What people made, and may hold the key: it is not looked at."""
        return self.folder / "given"

    def start(
        self, *arguments: str | Path, python: tuple[str, ...] = (), limit: int | None = None, **env: str
    ) -> subprocess.Popen[bytes]:
        """
        Start the command line; its talk goes to files.

        Args:
            arguments: Of the command line.
            python: Run this by Python instead of the module.
            limit: Bytes that a file may have; more meets an error as on a full disk.
            env: More variables.
        """
        place = len(list(self.left.glob("stdout-*")))
        watched = {"PYTHONPATH": str(WATCHED), "WATCHED_IN": str(self.left / "watched")}
        own = {"HOME": str(self.left), "TMPDIR": str(self.left / "tmp"), "KVK_ENRICH_HOME": str(self.left / "home")}
        with (self.left / f"stdout-{place}").open("wb") as out, (self.left / f"stderr-{place}").open("wb") as err:
            return subprocess.Popen(
                [*_limited(limit), *((sys.executable, *python) if python else COMMAND), *map(str, arguments)],
                env={**environment(), **watched, **own, **self.holding, **env},
                stdin=DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.left,
            )

    def run(self, *arguments: str | Path, **options: Any) -> int:
        """Run the command line to its end; return and keep its exit code."""
        process = self.start(*arguments, **options)
        try:
            self.ends.append(process.wait(120))
        finally:
            process.kill()
        return self.ends[-1]

    def said(self, place: int = -1) -> str:
        """Return what the last process (or the one at *place*) wrote to standard error."""
        return sorted(self.left.glob("stderr-*"))[place].read_text()

    def places(self) -> Iterator[Path]:
        """Yield all that is left: files, streams, and notes on how processes were started."""
        return (path for path in sorted(self.left.rglob("*")) if path.is_file())

    def hits(self) -> list[str]:
        """Return where the key is, and how it is written there."""
        ways = written(KEY)
        return [
            f"{path.relative_to(self.left)}: {way}"
            for path in self.places()
            for way in sorted({way for data in insides(path) for way in found_in(data, ways)})
        ]


def _limited(size: int | None) -> list[str]:
    return [] if size is None else ["/bin/sh", "-c", f'ulimit -f {size // 512}; exec "$@"', "sh"]
