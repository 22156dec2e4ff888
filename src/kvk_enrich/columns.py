"""
The output columns: one entry each, and everything that lists columns is made from them.

The README's table, the schema of the outputs, the typed tables of the cache: all read
:data:`ENRICH` and :data:`PRODUCTS`. Adding a column is one entry here and one line where the
register's answer is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from kvk_enrich.model import Kind, Status


@dataclass(frozen=True, slots=True)
class Column:
    """One output column: *source* is the register's own field, or empty for what we add."""

    name: str
    dtype: pl.DataType
    meaning: str
    source: str = ""


_TEXT = pl.String()
_FLAG = pl.Boolean()
_SBI = pl.List(pl.Struct({"code": pl.String(), "description": pl.String(), "main": pl.Boolean()}))

ENRICH = (
    Column("enrich_outcome", pl.Enum([status.value for status in Status]), "what became of the row"),
    Column("enrich_reason", _TEXT, "why it is not found, invalid, failed or deferred: a code"),
    Column("enrich_note", _TEXT, "repairs made to the number, in words"),
    Column("enrich_number", _TEXT, "the number as it was asked"),
    Column("enrich_kind", pl.Enum([kind.value for kind in Kind]), "what the number is"),
    Column("enrich_source", _TEXT, "the register that answered"),
    Column("enrich_fetched_at", pl.Datetime("us", "UTC"), "when it answered"),
    Column("enrich_cached", _FLAG, "true: known before; false: asked in this run"),
)
"""Columns of every output, whatever was asked."""


def _address(prefix: str, where: str, *, post_box: bool = False) -> tuple[Column, ...]:
    fields = [
        ("street", "street name; for foreign addresses street and number", "straatnaam, straatHuisnummer"),
        ("house_number", "house number", "huisnummer"),
        ("house_letter", "house letter", "huisletter"),
        ("house_addition", "house number addition", "huisnummerToevoeging"),
        ("postcode", "postcode", "postcode"),
        ("city", "city; for foreign addresses postcode and city", "plaats, postcodeWoonplaats"),
        ("country", "country", "land"),
        ("full", "the whole address on one line", "volledigAdres"),
    ]
    if post_box:
        fields.append(("box", "P.O. box number", "postbusnummer"))
    return tuple(Column(f"{prefix}_{name}", _TEXT, meaning, f"{where}: {source}") for name, meaning, source in fields)


BASISPROFIEL = (
    Column("kvk_number", _TEXT, "KVK number, 8 digits", "kvkNummer"),
    Column("kvk_rsin", _TEXT, "RSIN, 9 digits", "eigenaar.rsin"),
    Column("kvk_branch_number", _TEXT, "main branch, 12 digits", "hoofdvestiging.vestigingsnummer"),
    Column("kvk_name", _TEXT, "name", "naam"),
    Column("kvk_statutory_name", _TEXT, "name in the statutes", "statutaireNaam"),
    Column("kvk_trade_names", pl.List(_TEXT), "trade names, first one first", "handelsnamen by volgorde"),
    Column("kvk_legal_form", _TEXT, "legal form", "eigenaar.rechtsvorm"),
    Column("kvk_legal_form_detail", _TEXT, "legal form in full", "eigenaar.uitgebreideRechtsvorm"),
    Column("kvk_active", _FLAG, "neither ended nor deregistered", "no datumEinde, no datumUitschrijving"),
    Column(
        "kvk_start_date",
        pl.Date(),
        "start of the business; null when a part is unknown",
        "materieleRegistratie.datumAanvang",
    ),
    Column("kvk_start_date_raw", _TEXT, "start as the register writes it", "materieleRegistratie.datumAanvang"),
    Column(
        "kvk_end_date",
        pl.Date(),
        "end of the business; null when a part is unknown",
        "materieleRegistratie.datumEinde, eigenaar.datumUitschrijving",
    ),
    Column(
        "kvk_end_date_raw",
        _TEXT,
        "end as the register writes it",
        "materieleRegistratie.datumEinde, eigenaar.datumUitschrijving",
    ),
    Column(
        "kvk_registration_date",
        pl.Date(),
        "registration or last change; not the founding date",
        "formeleRegistratiedatum",
    ),
    Column("kvk_registration_date_raw", _TEXT, "the same as the register writes it", "formeleRegistratiedatum"),
    Column("kvk_employees", pl.Int64(), "people working there", "totaalWerkzamePersonen"),
    Column("kvk_sbi_code", _TEXT, "main activity, SBI code", "sbiActiviteiten with indHoofdactiviteit"),
    Column("kvk_sbi_description", _TEXT, "main activity in words", "sbiActiviteiten with indHoofdactiviteit"),
    Column("kvk_sbi", _SBI, "all activities", "sbiActiviteiten"),
    Column("kvk_non_mailing", _FLAG, "wants no unsolicited post or sales at the door", "indNonMailing"),
    Column("kvk_address_shielded", _FLAG, "an address is shielded", "adressen.indAfgeschermd"),
    *_address("kvk_visit", "bezoekadres"),
    *_address("kvk_post", "correspondentieadres", post_box=True),
    Column("kvk_websites", pl.List(_TEXT), "web sites", "websites"),
)

PRODUCTS = {"basisprofiel": BASISPROFIEL}
"""The columns that each product of a register fills."""

READING = 1
"""Raised when the same answer is read into these columns in another way: caches then read theirs anew."""


def schema(columns: Iterable[Column]) -> dict[str, pl.DataType]:
    """Return name -> dtype of *columns*, in their order."""
    return {column.name: column.dtype for column in columns}


def output(products: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns a run adds: depends on the *products* chosen, never on the data."""
    return ENRICH + tuple(column for product in products for column in PRODUCTS[product])
