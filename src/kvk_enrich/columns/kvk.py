"""Columns made from KVK's answers, a tuple per product."""

import polars as pl

from kvk_enrich.columns.column import FLAG, TEXT, Column

_SBI = pl.List(pl.Struct({"code": pl.String(), "description": pl.String(), "main": pl.Boolean()}))
_BRANCH = {
    "branch_number": pl.String(),
    "name": pl.String(),
    "is_main": pl.Boolean(),
    "is_commercial": pl.Boolean(),
    "address_shielded": pl.Boolean(),
    "full_address": pl.String(),
}
_NAMED_BRANCH = {
    "branch_number": pl.String(),
    "name": pl.String(),
    "trade_names": pl.List(pl.String()),
    "also_known_as": pl.String(),
}
_START = "materieleRegistratie.datumAanvang"
_END = "materieleRegistratie.datumEinde"


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


def _activities(prefix: str) -> tuple[Column, ...]:
    main = "sbiActiviteiten with indHoofdactiviteit"
    return (
        Column(f"{prefix}_sbi_code", TEXT, "main activity, SBI code", main),
        Column(f"{prefix}_sbi_description", TEXT, "main activity in words", main),
        Column(f"{prefix}_sbi", _SBI, "all activities", "sbiActiviteiten"),
    )


def _day(name: str, what: str, of: str, source: str) -> tuple[Column, ...]:
    """Return a date twice: as a date, and as the register writes it, with zeros for what it does not know."""
    return (
        Column(name, pl.Date(), f"{what} of {of}; null when a part is unknown", source),
        Column(f"{name}_raw", TEXT, f"{what} as the register writes it", source),
    )


GEO = tuple(
    Column(f"kvk_visit_{name}", dtype, meaning, f"bezoekadres: geoData.{source}", of_rows=False)
    for name, dtype, meaning, source in (
        ("latitude", pl.Float64(), "degrees north", "gpsLatitude"),
        ("longitude", pl.Float64(), "degrees east", "gpsLongitude"),
        ("bag_id", TEXT, "addressable object in the BAG, 16 digits", "addresseerbaarObjectId"),
    )
)
"""What a Basisprofiel asked for with geoData tells besides; empty for P.O. boxes and places abroad."""

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
    *_day("kvk_start_date", "start", "the business", _START),
    *_day("kvk_end_date", "end", "the business", f"{_END}, eigenaar.datumUitschrijving"),
    Column(
        "kvk_registration_date",
        pl.Date(),
        "registration or last change; not the founding date",
        "formeleRegistratiedatum",
    ),
    Column("kvk_registration_date_raw", TEXT, "the same as the register writes it", "formeleRegistratiedatum"),
    Column("kvk_employees", pl.Int64(), "people working there", "totaalWerkzamePersonen"),
    *_activities("kvk"),
    Column("kvk_non_mailing", FLAG, "wants no unsolicited post or sales at the door", "indNonMailing"),
    Column("kvk_address_shielded", FLAG, "an address is shielded", "adressen.indAfgeschermd"),
    *_address("kvk_visit", "bezoekadres"),
    *_address("kvk_post", "correspondentieadres", post_box=True),
    Column("kvk_websites", pl.List(TEXT), "web sites", "websites"),
    *GEO,
)

ZOEKEN: tuple[Column, ...] = (
    Column("kvk_number", TEXT, "KVK number, 8 digits", "kvkNummer"),
    Column("kvk_rsin", TEXT, "RSIN, 9 digits", "rsin"),
    Column("kvk_branch_number", TEXT, "main branch, 12 digits", "vestigingsnummer"),
    Column("kvk_active", FLAG, "registered at present", "actief"),
)
"""What a search may tell: numbers and existence, never data (KVK advises against it)."""

VESTIGINGEN = (
    Column("kvk_branches", pl.Int64(), "branches", "totaalAantalVestigingen"),
    Column("kvk_branches_commercial", pl.Int64(), "commercial branches", "aantalCommercieleVestigingen"),
    Column("kvk_branch_list", pl.List(pl.Struct(_BRANCH)), "the branches, one by one", "vestigingen", of_rows=False),
)

VESTIGINGSPROFIEL = (
    Column("branch_number", TEXT, "branch number, 12 digits", "vestigingsnummer"),
    Column("branch_kvk_number", TEXT, "KVK number of its company, 8 digits", "kvkNummer"),
    Column("branch_rsin", TEXT, "RSIN of its company, 9 digits", "rsin"),
    Column("branch_name", TEXT, "first trade name", "eersteHandelsnaam"),
    Column("branch_trade_names", pl.List(TEXT), "trade names, first one first", "handelsnamen by volgorde"),
    Column("branch_statutory_name", TEXT, "name in the statutes", "statutaireNaam"),
    Column("branch_is_main", FLAG, "the company's main branch", "indHoofdvestiging"),
    Column("branch_is_commercial", FLAG, "a commercial branch", "indCommercieleVestiging"),
    *_day("branch_start_date", "start", "the branch", _START),
    *_day("branch_end_date", "end", "the branch", _END),
    Column("branch_employees", pl.Int64(), "people working there", "totaalWerkzamePersonen"),
    Column("branch_employees_full_time", pl.Int64(), "of them full-time", "voltijdWerkzamePersonen"),
    Column("branch_employees_part_time", pl.Int64(), "of them part-time", "deeltijdWerkzamePersonen"),
    *_activities("branch"),
    *_address("branch_visit", "bezoekadres"),
    *_address("branch_post", "correspondentieadres", post_box=True),
    Column("branch_websites", pl.List(TEXT), "web sites", "websites"),
    Column("branch_non_mailing", FLAG, "wants no unsolicited post or sales at the door", "indNonMailing"),
    Column("branch_address_shielded", FLAG, "an address is shielded", "adressen.indAfgeschermd"),
)

NAAMGEVING = (
    Column("kvk_naming_name", TEXT, "name", "naam"),
    Column("kvk_naming_statutory_name", TEXT, "name in the statutes", "statutaireNaam"),
    Column("kvk_naming_also_known_as", TEXT, "another name in use", "ookGenoemd"),
    *_day("kvk_naming_start_date", "start", "the registration", "startdatum"),
    *_day("kvk_naming_end_date", "end", "the registration", "einddatum"),
    Column("kvk_naming_branches", pl.List(pl.Struct(_NAMED_BRANCH)), "its branches and their names", "vestigingen"),
)
