"""
The output columns: one entry each, and everything that lists columns is made from them.

The README's table, the schema of the outputs, the typed tables of the cache: all read
:data:`ENRICH` and :data:`PRODUCTS`. Adding a column is one entry here and one line where the
register's answer is read.
"""

from collections.abc import Iterable

import polars as pl

from kvk_enrich.columns import kvkbase
from kvk_enrich.columns.column import FLAG, MOMENT, TEXT, Column
from kvk_enrich.columns.kvk import BASISPROFIEL, GEO, NAAMGEVING, VESTIGINGEN, VESTIGINGSPROFIEL, ZOEKEN
from kvk_enrich.columns.vat import VIES
from kvk_enrich.model import Kind, Status

__all__ = [
    "BASISPROFIEL",
    "ENRICH",
    "GEO",
    "NAAMGEVING",
    "PRODUCTS",
    "READING",
    "VESTIGINGEN",
    "VESTIGINGSPROFIEL",
    "VIES",
    "ZOEKEN",
    "Column",
    "output",
    "schema",
]

ENRICH = (
    Column("enrich_outcome", pl.Enum([status.value for status in Status]), "what became of the row"),
    Column("enrich_reason", TEXT, "why it is not found, invalid, failed or deferred: a code"),
    Column("enrich_note", TEXT, "repairs made to the number, in words"),
    Column("enrich_number", TEXT, "the number as it was asked"),
    Column("enrich_kind", pl.Enum([kind.value for kind in Kind]), "what the number is"),
    Column("enrich_source", TEXT, "the register that answered"),
    Column("enrich_fetched_at", MOMENT, "when it answered"),
    Column("enrich_cached", FLAG, "true: known before; false: asked in this run"),
    Column("enrich_flags", pl.List(TEXT), "what to know of number or answer: codes; null when there is nothing"),
)
"""Columns of every output, whatever was asked."""

PRODUCTS = {
    "basisprofiel": BASISPROFIEL,
    "vestigingen": VESTIGINGEN,
    "vestigingsprofiel": VESTIGINGSPROFIEL,
    "naamgeving": NAAMGEVING,
    "zoeken": ZOEKEN,
    "lookup": kvkbase.LOOKUP,
    "enriched": kvkbase.ENRICHED,
    "kvkbase-branches": kvkbase.BRANCHES,
    "validate-vat": kvkbase.VALIDATE_VAT,
    "vies": VIES,
}
"""The columns that each product of a register fills."""

TELLING_OF_ABSENCE = frozenset({"vies", "validate-vat"})
"""Products whose not-found answers fill columns too: of a number that is not valid, when that was checked."""

READING = 1
"""Raised when the same answer is read into these columns in another way: caches then read theirs anew."""


def schema(columns: Iterable[Column]) -> dict[str, pl.DataType]:
    """Return name -> dtype of *columns*, in their order."""
    return {column.name: column.dtype for column in columns}


def output(products: Iterable[str], *, geo_data: bool = False) -> tuple[Column, ...]:
    """
    Return the columns a run adds: depends on the *products* chosen, never on the data.

    What several products tell is one column, that of the first of them; coordinates come with *geo_data*.
    """
    chosen: dict[str, Column] = {}
    for product in products:
        for column in PRODUCTS[product]:
            if column.of_rows or (geo_data and column in GEO):
                chosen.setdefault(column.name, column)
    return ENRICH + tuple(chosen.values())
