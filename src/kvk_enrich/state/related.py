"""
Which stored answers are about one company, whichever of its numbers they were asked by.

A company is known by KVK number, RSIN and VAT number, and by the numbers of its branches. The first
three lead to each other as far as answers say so; branches are added at the end and lead nowhere, because
a branch may have moved from one company to another. An answer about somebody else in which
one of the numbers stands belongs to it too.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import polars as pl

from kvk_enrich.aliases import aliases
from kvk_enrich.columns import PRODUCTS, schema
from kvk_enrich.identifiers import vat
from kvk_enrich.model import Kind
from kvk_enrich.state.cache import Cache

_COLUMNS: Final = {
    "kvk": ("kvk_number", "branch_kvk_number"),
    "rsin": ("kvk_rsin", "branch_rsin"),
    "vat": ("vat_number",),
    "branch": ("kvk_branch_number", "branch_number"),
}
_BRANCH_LISTS: Final = ("kvk_branch_list", "kvk_naming_branches")
_SUFFIXES: Final = range(1, 100)


@dataclass(frozen=True, slots=True)
class Related:
    """
    What belongs to one company.

    Args:
        names: Its numbers as the stores may know them, aliases among them.
        keys: ``register, product, kind, number``: whose answers those are; with ``answers`` (how many), ``first``
            and ``last`` (when they were received).
    """

    names: frozenset[str]
    keys: pl.DataFrame


def related(cache: Cache, number: str, kind: Kind, secret: str) -> Related:
    """Return what *cache*, which has taken over all of the journal with the id *secret*, knows of a company."""
    sql = cache.connection
    told = {kind: {number}}
    names = _all_names(told, secret)
    met: list[tuple[Any, ...]] = []
    first = [number] if kind is Kind.BRANCH else []
    while True:
        rows = _identities(sql, names, first)
        met, first = rows, []
        for key, of_kind, kvk, rsin, vat_number, _ in rows:
            _add(told, Kind.KVK, kvk)
            _add(told, Kind.RSIN, rsin)
            _add(told, Kind.VAT, vat_number)
            if of_kind != Kind.BRANCH:
                _add(told, Kind(str(of_kind)), str(key))
        grown = _all_names(told, secret)
        if grown == names:
            break
        names = grown
    for *_, branches in met:
        for branch in branches or ():
            _add(told, Kind.BRANCH, branch)
    names |= told.get(Kind.BRANCH, set())
    return Related(frozenset(names), _keys(sql, names, _mentions(told)))


def _add(told: dict[Kind, set[str]], kind: Kind, number: str | None) -> None:
    """Keep a number. A starred out one is that of many, and an alias is not told but made."""
    if number and not re.search(r"[*~]", number):
        told.setdefault(kind, set()).add(number)


def _all_names(told: dict[Kind, set[str]], secret: str) -> set[str]:
    """Return all numbers under which the stores may know a company whose numbers these are."""
    vats, rsins = told.get(Kind.VAT, set()), told.get(Kind.RSIN, set())
    rsins = rsins | {digits for digits in map(vat.rsin_of, vats) if digits}
    vats = vats | {f"NL{digits}B{suffix:02}" for digits in rsins for suffix in _SUFFIXES}
    return told.get(Kind.KVK, set()) | rsins | vats | set(aliases(vats, secret).values())


def _identities(sql: duckdb.DuckDBPyConnection, names: Iterable[str], branches: list[str]) -> list[tuple[Any, ...]]:
    """Return number, kind, KVK number, RSIN, VAT number and branches of each typed row that shares a number."""
    return sql.execute(
        f"""
        WITH wanted AS (SELECT unnest(?::VARCHAR[]) AS one), row AS ({" UNION ALL ".join(map(_identity, PRODUCTS))})
        SELECT number, kind, kvk, rsin, vat, branches FROM row
        WHERE number IN (FROM wanted) OR kvk IN (FROM wanted) OR rsin IN (FROM wanted) OR vat IN (FROM wanted)
            OR list_has_any(branches, ?::VARCHAR[]) OR list_contains(?::VARCHAR[], number)
        """,
        [list(names), branches, branches],
    ).fetchall()


def _identity(product: str) -> str:
    names = schema(PRODUCTS[product])
    told = {of: next((name for name in columns if name in names), "NULL") for of, columns in _COLUMNS.items()}
    lists = [f"[one.branch_number FOR one IN {name}]" for name in _BRANCH_LISTS if name in names]
    own = f"[{told['branch']}, CASE WHEN kind = '{Kind.BRANCH.value}' THEN number END]"
    branches = " || ".join(f"coalesce({each}, [])" for each in (own, *lists))
    return (
        f"SELECT number, kind, {told['kvk']}::VARCHAR AS kvk, {told['rsin']}::VARCHAR AS rsin,"
        f' {told["vat"]}::VARCHAR AS vat, ({branches})::VARCHAR[] AS branches FROM "{product}"'
    )


def _mentions(told: dict[Kind, set[str]]) -> str:
    """Return the regular expression of answers in which one of these numbers stands."""
    return "|".join(_patterns(told)) or "^$"


def _patterns(told: dict[Kind, set[str]]) -> Iterator[str]:
    if kvk := told.get(Kind.KVK):
        # Eight digits may as well be a date: the field has to say what they are.
        yield rf'(?i:kvk[a-z_]*)"\s*:\s*"?({_either(kvk)})([^0-9]|$)'
    # That of another state is elsewhere in its answer, which is known by it anyway.
    dutch = {digits for digits in map(vat.rsin_of, told.get(Kind.VAT, ())) if digits}
    plain = told.get(Kind.RSIN, set()) | told.get(Kind.BRANCH, set()) | told.get(Kind.VAT, set()) | dutch
    if plain:
        yield f"(^|[^0-9])({_either(plain)})([^0-9]|$)"


def _either(numbers: Iterable[str]) -> str:
    return "|".join(re.escape(number) for number in sorted(numbers))


def _keys(sql: duckdb.DuckDBPyConnection, names: Iterable[str], mentioned: str) -> pl.DataFrame:
    found: pl.DataFrame = sql.sql(
        """
        SELECT register, product, kind, number, count(*) AS answers, min(fetched_at) AS first, max(fetched_at) AS last
        FROM answers WHERE (register, product, kind, number) IN (
            SELECT (register, product, kind, number) FROM answers
            WHERE number IN (SELECT unnest(?::VARCHAR[])) OR regexp_matches(raw, ?)
        )
        GROUP BY ALL ORDER BY kind, number, register, product
        """,
        params=[list(names), mentioned],
    ).pl()
    return found.with_columns(pl.col("first", "last").dt.replace_time_zone("UTC"))
