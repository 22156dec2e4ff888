"""
The cache made anew of what is kept, so that no byte of the rest is left.

DuckDB deletes rows and leaves their bytes, also across a checkpoint. A copy made by the same process is no
better: blocks are written with what memory held before in the gaps, and that may be what was to go. So
the rows that stay are written out as Parquet, and a process that has never seen another makes the new
file of them. It is called with: folder, file, id of the journal, how far the cache had come.
"""

import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from kvk_enrich import children
from kvk_enrich.columns import PRODUCTS
from kvk_enrich.errors import StorageError
from kvk_enrich.state import cache as caches
from kvk_enrich.state.home import Home

KEY: Final = {"register": pl.String(), "product": pl.String(), "kind": pl.String(), "number": pl.String()}
"""What one typed row, and all answers behind it, are known by."""

_ANSWERS: Final = "answers"
_CHILD: Final = __name__


def rewrite(home: Home, cache: caches.Cache, *, gone: pl.DataFrame, since: datetime) -> None:
    """
    Make the cache anew and put it in the place of the old one; *cache* is closed by that.

    Args:
        home: Where it lives.
        cache: Open, with everything in it.
        gone: ``register, product, kind, number`` of what is left out.
        since: Answers from before are left out too.

    Raises:
        StorageError: there is no room for another copy; the cache is as it was.
    """
    with home.workspace() as folder:
        kept = _write_out(cache.connection, folder, gone, since)
        ((journal, up_to),) = cache.connection.execute(
            "SELECT value, up_to FROM meta, absorbed WHERE key = 'journal'"
        ).fetchall()
        made = folder / "cache.duckdb"
        child = subprocess.run(  # noqa: S603  our own interpreter and module
            [sys.executable, "-P", "-m", _CHILD, str(folder), str(made), str(journal), str(up_to)],
            env=children.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if child.returncode or child.stdout.strip() != str(kept):
            raise StorageError(f"the cache {home.cache} cannot be made anew: {_last_line(child.stderr)}")
        cache.replace(home.cache, made)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["the process ended early"])[-1]


def _write_out(sql: duckdb.DuckDBPyConnection, folder: Path, gone: pl.DataFrame, since: datetime) -> int:
    """Write what stays of each table to *folder*; return how many answers."""
    sql.register("gone", gone.select(*KEY).to_arrow())
    moment = since.replace(tzinfo=None)
    try:
        for table in (*PRODUCTS, _ANSWERS):
            product = "t.product" if table == _ANSWERS else f"'{table}'"
            ((kept,),) = sql.execute(
                f"""
                COPY (
                    SELECT * FROM "{table}" t WHERE fetched_at >= ? AND NOT EXISTS (
                        SELECT 1 FROM gone g WHERE g.register = t.register AND g.product = {product}
                            AND g.kind = t.kind AND g.number = t.number
                    )
                ) TO ? (FORMAT parquet, COMPRESSION zstd)
                """,
                [moment, str(folder / f"{table}.parquet")],
            ).fetchall()
    finally:
        sql.unregister("gone")
    return int(kept)


def make(folder: Path, made: Path, journal: str, up_to: int) -> int:
    """Make the cache *made* of the tables in *folder*; return how many answers it holds."""
    with duckdb.connect(str(made), config=caches.options(folder)) as sql:
        made.chmod(0o600)
        caches.create(sql, journal)
        for table in (*PRODUCTS, _ANSWERS):
            source = str(folder / f"{table}.parquet")
            sql.execute(f'INSERT INTO "{table}" BY NAME SELECT * FROM read_parquet(?)', [source])
        sql.execute("UPDATE absorbed SET up_to = ?, rows = (SELECT count(*) FROM answers)", [up_to])
        sql.execute("CHECKPOINT")
        ((rows,),) = sql.execute("SELECT rows FROM absorbed").fetchall()
    return int(rows)


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.stdout.write(f"{make(Path(given[0]), Path(given[1]), given[2], int(given[3]))}\n")
