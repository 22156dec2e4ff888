"""What the cache holds, counted, and written out whole."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

import polars as pl

from kvk_enrich.columns import PRODUCTS, schema
from kvk_enrich.state.cache import Cache

_KNOWN: Final = ("kind", "number", "status", "reason", "fetched_at", "run")
_AS_TEXT: Final = "'%Y-%m-%dT%H:%M:%S.%fZ'"


class Holding(NamedTuple):
    """
    What is known from one register as one product.

    *found* and *not_found* count numbers by their newest answer; *answers* counts all of them, and *size*
    their bytes as received. *oldest* and *newest* are moments of answers.
    """

    register: str
    product: str
    numbers: int
    found: int
    not_found: int
    answers: int
    oldest: datetime
    newest: datetime
    size: int


def holdings(cache: Cache) -> list[Holding]:
    """Return what *cache* holds, by register and product."""
    typed = " UNION ALL ".join(
        f"SELECT register, '{product}' AS product, status FROM \"{product}\"" for product in PRODUCTS
    )
    rows = cache.connection.execute(
        f"""
        SELECT a.*, coalesce(t.numbers, 0), coalesce(t.found, 0), coalesce(t.numbers - t.found, 0)
        FROM (
            SELECT register, product, count(*), min(fetched_at), max(fetched_at), sum(strlen(raw))
            FROM answers GROUP BY ALL
        ) a LEFT JOIN (
            SELECT register, product, count(*) AS numbers, count(*) FILTER (status = 'found') AS found
            FROM ({typed}) GROUP BY ALL
        ) t USING (register, product)
        ORDER BY a.register, a.product
        """
    ).fetchall()
    return [
        Holding(register, product, numbers, found, lost, answers, _utc(oldest), _utc(newest), int(size))
        for register, product, answers, oldest, newest, size, numbers, found, lost in rows
    ]


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def write_typed(cache: Cache, file: Path, form: Literal["parquet", "json"]) -> int:
    """Write one line per register, product and number to *file*, with the columns of all products; return how many."""
    rows = " UNION ALL BY NAME ".join(_typed(product, form) for product in PRODUCTS)
    options = "FORMAT parquet, COMPRESSION zstd" if form == "parquet" else "FORMAT json, ARRAY true"
    cache.connection.execute("SET TimeZone = 'UTC'")
    ((written,),) = cache.connection.execute(
        f"COPY ({rows}) TO ? ({options}, USE_TMP_FILE false)", [str(file)]
    ).fetchall()
    return int(written)


def _typed(product: str, form: str) -> str:
    columns = schema(PRODUCTS[product])
    moments = {"fetched_at", *(name for name, dtype in columns.items() if isinstance(dtype, pl.Datetime))}
    told = ", ".join(_moment(name, form) if name in moments else f'"{name}"' for name in (*_KNOWN, *columns))
    return f"SELECT register, '{product}' AS product, {told} FROM \"{product}\""


def _moment(name: str, form: str) -> str:
    value = f"timezone('UTC', \"{name}\")" if form == "parquet" else f'strftime("{name}", {_AS_TEXT})'
    return f'{value} AS "{name}"'


def answers_to(cache: Cache, keys: pl.DataFrame) -> pl.DataFrame:
    """Return every answer to *keys* (``register, product, kind, number``), as received, in order of time."""
    cache.connection.register("wanted", keys.select("register", "product", "kind", "number").to_arrow())
    try:
        found: pl.DataFrame = cache.connection.sql(
            "SELECT a.* EXCLUDE (seq) FROM answers a JOIN wanted USING (register, product, kind, number)"
            " ORDER BY fetched_at, seq"
        ).pl()
    finally:
        cache.connection.unregister("wanted")
    return found.with_columns(pl.col("fetched_at").dt.replace_time_zone("UTC"))
