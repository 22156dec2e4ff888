"""
The cache: what is known of companies, in one DuckDB file, derived from the journal.

It holds every answer as received (append-only) and one typed row per number and product, made
from the newest answer. DuckDB lets one process in at a time, so it is opened for seconds: look
up, or take over the journal's new answers in bulk, and close. Opening without an error proves
nothing (a shortened write-ahead log opens with fewer rows), so counts are compared at every
open; a cache that is damaged, lost or not ours is set aside and rebuilt from the journal.
"""

import fcntl
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from kvk_enrich.columns import PRODUCTS, READING, TELLING_OF_ABSENCE, schema
from kvk_enrich.disk import AGAIN, sync, why
from kvk_enrich.errors import StateInUse, StateTooNew, StorageError
from kvk_enrich.model import Status
from kvk_enrich.state.home import Home, held, set_aside_name
from kvk_enrich.state.journal import Journal, StoredAnswer

SCHEMA_VERSION: Final = 1
_WAIT_SECONDS: Final = 60
_BATCH: Final = 20_000

Typing = Mapping[str, Callable[[Sequence[bytes]], pl.DataFrame]]
"""Per product: bodies of found answers -> their typed columns, a line each, in that order."""

_ANSWERS: Final = {
    "seq": pl.Int64(),
    "run": pl.String(),
    "register": pl.String(),
    "product": pl.String(),
    "kind": pl.String(),
    "number": pl.String(),
    "status": pl.String(),
    "reason": pl.String(),
    "fetched_at": pl.Datetime("us"),
    "raw": pl.String(),
}
_KNOWN: Final = {
    name: _ANSWERS[name] for name in ("register", "kind", "number", "status", "reason", "fetched_at", "run")
}


class Cache:
    """The open cache. Use :func:`open_cache`; hold it for seconds."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take over an open, checked *connection*."""
        self._connection = connection

    def fresh(
        self,
        numbers: pl.DataFrame,
        *,
        register: str,
        product: str,
        found_since: datetime,
        not_found_since: datetime,
    ) -> pl.DataFrame:
        """
        Return what is known of *numbers*, as far as it is not too old.

        Args:
            numbers: ``kind, number`` (String), distinct.
            register: Whose answers count.
            product: Which typed rows.
            found_since: Found answers from then on are fresh.
            not_found_since: The same for not-found answers.

        Returns:
            ``kind, number, status, reason, fetched_at (Datetime us UTC), run`` and the product's
            columns; one line per number that is known, order not specified.
        """
        names = ", ".join(f'k."{name}"' for name in schema(PRODUCTS[product]))
        rows = self._join(
            numbers,
            f"""
            SELECT k.kind, k.number, k.status, k.reason, k.fetched_at, k.run, {names}
            FROM wanted w JOIN {_table(product)} k USING (kind, number)
            WHERE k.register = ? AND k.fetched_at >= CASE k.status WHEN 'found' THEN ? ELSE ? END
            """,
            [register, _naive(found_since), _naive(not_found_since)],
        )
        zoned = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.Datetime)]
        return rows.with_columns(pl.col(zoned).dt.replace_time_zone("UTC"))

    def as_of(
        self, numbers: pl.DataFrame, *, register: str, product: str, at: datetime, typing: Typing
    ) -> pl.DataFrame:
        """
        Return what was known of *numbers* at a moment: the newest answer of then, however old.

        Args:
            numbers: ``kind, number`` (String), distinct.
            register: Whose answers count.
            product: Which typed rows.
            at: The moment.
            typing: How answers become typed columns: of what was asked since, the older answer is read anew.

        Returns:
            As :meth:`fresh`.
        """
        moment = _naive(at)
        names = ", ".join(f'k."{name}"' for name in schema(PRODUCTS[product]))
        unchanged = self._join(
            numbers,
            f"SELECT k.kind, k.number, k.status, k.reason, k.fetched_at, k.run, {names}"
            f" FROM wanted w JOIN {_table(product)} k USING (kind, number) WHERE k.register = ? AND k.fetched_at <= ?",
            [register, moment],
        )
        older = self._join(
            numbers,
            "SELECT a.* EXCLUDE (seq) FROM wanted w JOIN answers a USING (kind, number)"
            f" WHERE a.register = ? AND a.product = ? AND a.fetched_at <= ? AND (kind, number) IN (SELECT (k.kind,"
            f" k.number) FROM {_table(product)} k WHERE k.register = ? AND k.fetched_at > ?)"
            " ORDER BY a.fetched_at, a.seq",
            [register, product, moment, register, moment],
        )
        then = typed(older, product, typing).select(unchanged.columns)
        rows = pl.concat([unchanged, then.cast(unchanged.schema)]) if then.height else unchanged
        zoned = [name for name, dtype in rows.schema.items() if isinstance(dtype, pl.Datetime)]
        return rows.with_columns(pl.col(zoned).dt.replace_time_zone("UTC"))

    def history(self, *, register: str, product: str) -> pl.DataFrame:
        """
        Return how often what is known of each number changed from one answer to the next.

        An answer counts as changed when its text is not that of the one before.

        Returns:
            ``number``, ``group`` (legal form and whether active, as known now), ``years`` from its first answer to its
            last, ``changes``; only numbers with two answers or more, once per kind.
        """
        columns = schema(PRODUCTS[product])
        traits = [f'k."{name}"' for name in ("kvk_legal_form", "kvk_active") if name in columns] or ["''"]
        found = self._connection.sql(
            f"""
            WITH looks AS (
                SELECT kind, number, fetched_at, text <> lag(text) OVER (
                    PARTITION BY kind, number ORDER BY fetched_at, seq
                ) AS changed FROM (
                    SELECT kind, number, fetched_at, seq, hash(raw) AS text FROM answers
                    WHERE register = ? AND product = ? AND status = 'found'
                )
            )
            SELECT number, concat_ws(' ', {", ".join(traits)}) AS "group",
                epoch(max(l.fetched_at) - min(l.fetched_at)) / 31557600.0 AS years,
                count(*) FILTER (changed)::UINTEGER AS changes
            FROM looks l JOIN {_table(product)} k USING (kind, number) WHERE k.register = ?
            GROUP BY ALL HAVING count(*) > 1
            """,
            params=[register, product, register],
        )
        known: pl.DataFrame = found.pl()
        return known

    def raw(self, known: pl.DataFrame, *, register: str, product: str) -> pl.DataFrame:
        """
        Return answers as received.

        Args:
            known: ``kind, number`` and when the answer came: ``fetched_at`` (Datetime us UTC).
            register: Whose answers.
            product: To which question.

        Returns:
            ``register, product, kind, number, status, fetched_at, raw``, a line each.
        """
        found = self._join(
            known.with_columns(pl.col("fetched_at").dt.replace_time_zone(None)),
            "SELECT a.register, a.product, a.kind, a.number, a.status, a.fetched_at, arg_max(a.raw, a.seq) AS raw"
            " FROM wanted w JOIN answers a USING (kind, number, fetched_at)"
            " WHERE a.register = ? AND a.product = ? GROUP BY ALL",
            [register, product],
        )
        return found.with_columns(pl.col("fetched_at").dt.replace_time_zone("UTC"))

    def _join(self, numbers: pl.DataFrame, sql: str, parameters: list[object]) -> pl.DataFrame:
        self._connection.register("wanted", numbers.to_arrow())
        try:
            found: pl.DataFrame = self._connection.sql(sql, params=parameters).pl()
            return found
        finally:
            self._connection.unregister("wanted")

    def absorb(self, journal: Journal, typing: Typing, *, keep: timedelta) -> int:
        """
        Take over the answers that *journal* has and the cache has not; return how many.

        Args:
            journal: The one this cache is derived from.
            typing: How each product's answers become typed columns.
            keep: How long the journal keeps a second copy of what the cache has.
        """
        total = 0
        while batch := journal.answers(after=self._up_to(), most=_BATCH):
            self._take_over(batch, typing)
            total += len(batch)
        if total:
            self._connection.execute("CHECKPOINT")
            journal.mark_absorbed(self._up_to(), keep=keep)
        if self._up_to() < journal.absorbed():
            # Made anew when the journal no longer kept the newest answers: there is no more to take over.
            self._connection.execute("UPDATE absorbed SET up_to = ?", [journal.absorbed()])
        return total

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """For the other modules of this folder, which know the tables."""
        return self._connection

    def replace(self, path: Path, made: Path) -> None:
        """Put the file *made* in the place of this cache, which lies at *path* and is closed by that."""
        self._connection.execute("CHECKPOINT")
        self._connection.close()
        sync(made)
        made.replace(path)
        sync(path.parent)

    @property
    def is_empty(self) -> bool:
        """Say whether nothing has been taken over yet."""
        return self._connection.execute("SELECT up_to, rows FROM absorbed").fetchall() == [(0, 0)]

    def _up_to(self) -> int:
        ((seq,),) = self._connection.execute("SELECT up_to FROM absorbed").fetchall()
        return int(seq)

    def _take_over(self, batch: list[StoredAnswer], typing: Typing) -> None:
        answers = pl.DataFrame(
            [(*answer[:8], _naive(answer.fetched_at), answer.body.decode()) for answer in batch],
            schema=_ANSWERS,
            orient="row",
        ).select("seq", "run", *list(_ANSWERS)[2:])
        with _transaction(self._connection) as sql:
            sql.register("incoming", answers.to_arrow())
            sql.execute("INSERT INTO answers BY NAME SELECT * FROM incoming")
            sql.unregister("incoming")
            for (product,), rows in answers.group_by("product"):
                self._store_typed(str(product), typed(rows, str(product), typing))
            sql.execute("UPDATE absorbed SET up_to = ?, rows = rows + ?", [batch[-1].seq, len(batch)])

    def _store_typed(self, product: str, rows: pl.DataFrame) -> None:
        sql, table = self._connection, _table(product)
        sql.register("incoming", rows.to_arrow())
        same = "k.register = i.register AND k.kind = i.kind AND k.number = i.number"
        sql.execute(f"DELETE FROM {table} k USING incoming i WHERE {same} AND k.fetched_at <= i.fetched_at")
        sql.execute(
            f"INSERT INTO {table} BY NAME SELECT * FROM incoming i WHERE NOT EXISTS"
            f" (SELECT 1 FROM {table} k WHERE {same})"
        )
        sql.unregister("incoming")

    def retype(self, typing: Typing) -> None:
        """Make all typed rows anew from the stored answers, for columns that did not exist before."""
        with _transaction(self._connection) as sql:
            for product in PRODUCTS:
                sql.execute(f"DROP TABLE IF EXISTS {_table(product)}")
            _create_typed(sql)
            ((lowest, highest),) = sql.execute("SELECT min(seq), max(seq) FROM answers").fetchall()
            for first in range(lowest or 0, (highest or 0) + 1, _BATCH):
                batch = sql.sql(
                    "SELECT * EXCLUDE (seq) FROM answers WHERE seq BETWEEN ? AND ? AND seq IN (SELECT"
                    " arg_max(seq, row(fetched_at, seq)) FROM answers GROUP BY register, product, kind, number)",
                    params=[first, first + _BATCH - 1],
                ).pl()
                for (product,), rows in batch.group_by("product"):
                    self._store_typed(str(product), typed(rows, str(product), typing))
            _put_meta(sql, "columns", _columns_mark())


def typed(answers: pl.DataFrame, product: str, typing: Typing) -> pl.DataFrame:
    """
    Return *answers* to *product*, the newest per number, as typed rows.

    Those not found have empty columns, unless the answer itself tells more (:data:`TELLING_OF_ABSENCE`).
    """
    newest = answers.unique(["register", "kind", "number"], keep="last", maintain_order=True)
    tells = pl.lit(value=True) if product in TELLING_OF_ABSENCE else pl.col("status") == Status.FOUND.value
    found = newest.filter(tells)
    columns = typing[product]([text.encode() for text in found["raw"]])
    zoned = [name for name, dtype in columns.schema.items() if isinstance(dtype, pl.Datetime)]
    known = found.select(*_KNOWN).hstack(columns.with_columns(pl.col(zoned).dt.replace_time_zone(None)))
    missing = newest.filter(~tells).select(*_KNOWN)
    return pl.concat([known, missing], how="diagonal")


@contextmanager
def open_cache(home: Home, journal: Journal, typing: Typing, notes: Callable[[str], None]) -> Iterator[Cache]:
    """
    Open the cache of *home* for a moment; make, repair or rebuild it first where needed.

    Args:
        home: Where it lives.
        journal: What it is derived from.
        typing: How each product's answers become typed columns.
        notes: Told in a sentence when the cache was set aside, rebuilt or brought up to date.

    Raises:
        StateInUse: another run held it for more than a minute, or another program has it open.
        StateTooNew: it was made by a newer version.
        StorageError: the disk is full or does not let us write; or a part that was only now read
            is damaged: it is set aside, and the next opening makes the cache anew.
    """
    with held(home.locks / "cache", seconds=_WAIT_SECONDS, what=f"the cache {home.cache}"):
        connection = _opened(home, journal, notes)
        try:
            cache = Cache(connection)
            if cache.is_empty and journal.absorbed():
                notes("The cache was rebuilt from the journal; what the journal no longer keeps is asked again.")
            if _meta(connection, "columns") != _columns_mark():
                cache.retype(typing)
                notes("The cache was brought up to date with this version's columns; no call was needed.")
            yield cache
        except duckdb.Error as error:
            connection.close()
            if _is_readable(home):
                raise StorageError(f"the cache {home.cache} cannot be used: {error}. {AGAIN}") from error
            _set_aside(home.cache, "is damaged", notes)
            raise StorageError(
                f"the cache {home.cache} was damaged; give the same command again: it is made anew from the journal"
            ) from error
        finally:
            connection.close()


def _opened(home: Home, journal: Journal, notes: Callable[[str], None]) -> duckdb.DuckDBPyConnection:
    try:
        try:
            connection = _connect(home, journal)
        except _UselessError as error:
            _set_aside(home.cache, str(error), notes)
            return _made(home, journal)
        if not _is_ours(connection, journal):
            _adopt(connection, journal)
            spent = (
                "."
                if journal.has_tally
                else ", but what was spent before is not in this ledger. Enter it with kvk-enrich budget adjust."
            )
            notes(f"The journal is not the one this cache was made from: what the cache knows was taken over{spent}")
    except OSError as error:
        raise StorageError(
            f"the cache {home.cache} cannot be used: {why(error)}. Move that away: it is made anew from the journal"
        ) from error
    return connection


class _UselessError(Exception):
    """The file is not a whole cache of this journal; the text says what it is."""


def _connect(home: Home, journal: Journal) -> duckdb.DuckDBPyConnection:
    """
    Return a connection to a cache that is whole and ours, made if absent.

    Raises:
        _UselessError: what is there is neither.
        StateTooNew: it was made by a newer version.
    """
    if not home.cache.exists():
        return _made(home, journal)
    if not _is_duckdb(home.cache):
        raise _UselessError("is no DuckDB file")
    try:
        connection = duckdb.connect(str(home.cache), config=options(home.root / "tmp"))
    except duckdb.Error as error:
        if "version number" in str(error):  # the header's checksum was right
            raise StateTooNew("the cache was written by a newer version of DuckDB: update kvk-enrich") from error
        raise _UselessError("is damaged") from error
    try:
        _require_whole(connection, journal)
    except (duckdb.Error, ValueError) as error:
        connection.close()
        raise _UselessError("is damaged or that of another program") from error
    except (StateTooNew, _UselessError):
        connection.close()
        raise
    return connection


def _made(home: Home, journal: Journal) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(str(home.cache), config=options(home.root / "tmp"))
    except duckdb.Error as error:
        raise StorageError(f"the cache {home.cache} cannot be made: {error}. {AGAIN}") from error
    try:
        home.cache.chmod(0o600)
        create(connection, journal.id)
    except duckdb.Error as error:
        connection.close()
        raise StorageError(f"the cache {home.cache} cannot be made: {error}. {AGAIN}") from error
    return connection


def options(working_files: Path) -> dict[str, str | bool | int | float | list[str]]:
    """Return how DuckDB is opened; what memory has no room for goes to *working_files*."""
    return {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": str(working_files),
        "preserve_insertion_order": "false",
    }


def _is_duckdb(path: Path) -> bool:
    """
    Say whether *path* is a DuckDB file: given a CSV or Parquet file DuckDB opens an empty database in memory.

    Raises:
        StateInUse: another program has it open; that must not be taken for damage.
    """
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise StateInUse(f"the cache {path} is open in another program; close it there") from None
        return file.read(12)[8:] == b"DUCK"


def _is_readable(home: Home) -> bool:
    """Say whether every block of the cache can be read: opening it reads but few."""
    try:
        with duckdb.connect(str(home.cache), config=options(home.root / "tmp")) as connection:
            for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                connection.execute(f'SELECT max(hash(t)) FROM "{name}" t').fetchall()
    except duckdb.Error:
        return False
    return True


def _require_whole(connection: duckdb.DuckDBPyConnection, journal: Journal) -> None:
    version = int(_meta(connection, "schema"))
    if version > SCHEMA_VERSION:
        raise StateTooNew(
            f"the cache was made by a newer kvk-enrich (format {version}, this one knows {SCHEMA_VERSION}): update it"
        )
    ((up_to, rows),) = connection.execute("SELECT up_to, rows FROM absorbed").fetchall()
    ((counted,),) = connection.execute("SELECT count(*) FROM answers").fetchall()
    is_ours = _is_ours(connection, journal)
    if not (is_ours or _is_orphan(connection, journal)):
        raise _UselessError("is that of another journal")
    if counted != rows or (is_ours and rows and up_to < journal.absorbed()):
        raise _UselessError("has lost answers, or is an older copy")


def _is_ours(connection: duckdb.DuckDBPyConnection, journal: Journal) -> bool:
    """Say whether *journal* is the one the cache was made from, and not an older copy of it."""
    ((up_to,),) = connection.execute("SELECT up_to FROM absorbed").fetchall()
    return _meta(connection, "journal") == journal.id and up_to <= journal.newest()


def _is_orphan(connection: duckdb.DuckDBPyConnection, journal: Journal) -> bool:
    """Say whether the cache's journal was lost (ours is new) or restored (ours is older); else it is another home's."""
    return _meta(connection, "journal") == journal.id or journal.newest() == 0


def _adopt(sql: duckdb.DuckDBPyConnection, journal: Journal) -> None:
    """
    Make a whole cache this journal's own: its journal is gone or was restored, but what it knows was paid for.

    Its answers get numbers before all that the journal gives, and the journal's are taken over once more.
    """
    with _transaction(sql):
        sql.execute("UPDATE answers SET seq = seq - (SELECT max(seq) + 1 FROM answers)")
        sql.execute("UPDATE absorbed SET up_to = 0")
        _put_meta(sql, "journal", journal.id)
    sql.execute("CHECKPOINT")


def _set_aside(path: Path, what: str, notes: Callable[[str], None]) -> None:
    aside = set_aside_name(path)
    log = path.with_name(f"{path.name}.wal")
    if log.exists():
        log.replace(set_aside_name(log))
    path.replace(aside)
    notes(f"The cache {what}; it was set aside as {aside}.")


def create(sql: duckdb.DuckDBPyConnection, journal_id: str) -> None:
    """Make the tables of the cache of the journal *journal_id*."""
    with _transaction(sql):
        sql.execute("CREATE TABLE meta (key VARCHAR, value VARCHAR)")
        sql.execute(
            "CREATE TABLE answers (seq BIGINT, run VARCHAR, register VARCHAR, product VARCHAR, kind VARCHAR,"
            " number VARCHAR, status VARCHAR, reason VARCHAR, fetched_at TIMESTAMP,"
            " raw VARCHAR USING COMPRESSION zstd)"
        )
        sql.execute("CREATE TABLE absorbed AS SELECT 0::BIGINT AS up_to, 0::BIGINT AS rows")
        _create_typed(sql)
        _put_meta(sql, "schema", str(SCHEMA_VERSION))
        _put_meta(sql, "journal", journal_id)
        _put_meta(sql, "columns", _columns_mark())
    sql.execute("CHECKPOINT")


def _create_typed(sql: duckdb.DuckDBPyConnection) -> None:
    for product, columns in PRODUCTS.items():
        empty = pl.DataFrame(schema=_KNOWN | _unzoned(schema(columns))).to_arrow()
        sql.register("empty", empty)
        sql.execute(f"CREATE TABLE {_table(product)} AS SELECT * FROM empty")
        sql.unregister("empty")


def _unzoned(columns: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return *columns* with moments that have no zone: see :func:`_naive`. Enums lie there as texts."""
    stored: dict[type[pl.DataType], pl.DataType] = {pl.Datetime: pl.Datetime("us"), pl.Enum: pl.String()}
    return {name: stored.get(type(dtype), dtype) for name, dtype in columns.items()}


@contextmanager
def _transaction(sql: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    sql.execute("BEGIN TRANSACTION")
    try:
        yield sql
    except BaseException:
        sql.execute("ROLLBACK")
        raise
    sql.execute("COMMIT")


def _table(product: str) -> str:
    """Return the quoted name of the typed table of *product*, which must be one of ours."""
    if product not in PRODUCTS:
        raise KeyError(product)
    return f'"{product}"'


def _meta(sql: duckdb.DuckDBPyConnection, key: str) -> str:
    ((value,),) = sql.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchall()
    return str(value)


def _put_meta(sql: duckdb.DuckDBPyConnection, key: str, value: str) -> None:
    sql.execute("DELETE FROM meta WHERE key = ?", [key])
    sql.execute("INSERT INTO meta VALUES (?, ?)", [key, value])


def _columns_mark() -> str:
    text = repr([READING, {product: schema(columns) for product, columns in PRODUCTS.items()}])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _naive(moment: datetime) -> datetime:
    """Return *moment* in UTC without its zone: DuckDB needs another package to hand zoned times over."""
    return moment.astimezone(UTC).replace(tzinfo=None)
