"""Columns made from KVK's answers, a tuple per product."""

import polars as pl

from kvk_enrich.columns.column import FLAG, TEXT, Column

_SBI = pl.List(pl.Struct({"code": pl.String(), "description": pl.String(), "main": pl.Boolean()}))


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
    return tuple(Column(f"{prefix}_{name}", TEXT, meaning, f"{where}: {source}") for name, meaning, source in fields)


BASISPROFIEL = (
    Column("kvk_number", TEXT, "KVK number, 8 digits", "kvkNummer"),
    Column("kvk_rsin", TEXT, "RSIN, 9 digits", "eigenaar.rsin"),
    Column("kvk_branch_number", TEXT, "main branch, 12 digits", "hoofdvestiging.vestigingsnummer"),
    Column("kvk_name", TEXT, "name", "naam"),
    Column("kvk_statutory_name", TEXT, "name in the statutes", "statutaireNaam"),
    Column("kvk_trade_names", pl.List(TEXT), "trade names, first one first", "handelsnamen by volgorde"),
    Column("kvk_legal_form", TEXT, "legal form", "eigenaar.rechtsvorm"),
    Column("kvk_legal_form_detail", TEXT, "legal form in full", "eigenaar.uitgebreideRechtsvorm"),
    Column("kvk_active", FLAG, "neither ended nor deregistered", "no datumEinde, no datumUitschrijving"),
    Column(
        "kvk_start_date",
        pl.Date(),
        "start of the business; null when a part is unknown",
        "materieleRegistratie.datumAanvang",
    ),
    Column("kvk_start_date_raw", TEXT, "start as the register writes it", "materieleRegistratie.datumAanvang"),
    Column(
        "kvk_end_date",
        pl.Date(),
        "end of the business; null when a part is unknown",
        "materieleRegistratie.datumEinde, eigenaar.datumUitschrijving",
    ),
    Column(
        "kvk_end_date_raw",
        TEXT,
        "end as the register writes it",
        "materieleRegistratie.datumEinde, eigenaar.datumUitschrijving",
    ),
    Column(
        "kvk_registration_date",
        pl.Date(),
        "registration or last change; not the founding date",
        "formeleRegistratiedatum",
    ),
    Column("kvk_registration_date_raw", TEXT, "the same as the register writes it", "formeleRegistratiedatum"),
    Column("kvk_employees", pl.Int64(), "people working there", "totaalWerkzamePersonen"),
    Column("kvk_sbi_code", TEXT, "main activity, SBI code", "sbiActiviteiten with indHoofdactiviteit"),
    Column("kvk_sbi_description", TEXT, "main activity in words", "sbiActiviteiten with indHoofdactiviteit"),
    Column("kvk_sbi", _SBI, "all activities", "sbiActiviteiten"),
    Column("kvk_non_mailing", FLAG, "wants no unsolicited post or sales at the door", "indNonMailing"),
    Column("kvk_address_shielded", FLAG, "an address is shielded", "adressen.indAfgeschermd"),
    *_address("kvk_visit", "bezoekadres"),
    *_address("kvk_post", "correspondentieadres", post_box=True),
    Column("kvk_websites", pl.List(TEXT), "web sites", "websites"),
)

ZOEKEN: tuple[Column, ...] = (
    Column("kvk_number", TEXT, "KVK number, 8 digits", "kvkNummer"),
    Column("kvk_rsin", TEXT, "RSIN, 9 digits", "rsin"),
    Column("kvk_branch_number", TEXT, "main branch, 12 digits", "vestigingsnummer"),
    Column("kvk_active", FLAG, "registered at present", "actief"),
)
"""What a search may tell: numbers and existence, never data (KVK advises against it)."""
