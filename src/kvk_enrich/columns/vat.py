"""Columns made from what VIES says of a VAT number."""

import polars as pl

from kvk_enrich.columns.column import FLAG, MOMENT, TEXT, Column

VAT_STATUS = pl.Enum(["valid", "invalid", "unknown"])

VIES: tuple[Column, ...] = (
    Column("vat_number", TEXT, "VAT number with its country prefix", "countryCode, vatNumber"),
    Column("vat_valid", FLAG, "valid on the day it was checked; null when it could not be asked", "valid"),
    Column("vat_status", VAT_STATUS, "valid, invalid, or unknown: an outage is never called invalid", "valid"),
    Column("vat_name", TEXT, "name, where the member state discloses it", "name"),
    Column("vat_address", TEXT, "address on one line, where the member state discloses it", "address"),
    Column("vat_checked_at", MOMENT, "when VIES answered", "requestDate"),
    Column("vat_consultation_number", TEXT, "proof of the check, with a requester", "requestIdentifier"),
)
