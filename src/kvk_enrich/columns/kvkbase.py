"""
Columns made from kvkbase's answers, a tuple per product.

They are KVK's and VIES's own columns, so that a list looks the same whoever was asked; which of
kvkbase's fields fill them stands in :mod:`kvk_enrich.registers.kvkbase_records`.
"""

from collections.abc import Iterable

from kvk_enrich.columns.column import TEXT, Column
from kvk_enrich.columns.kvk import BASISPROFIEL, VESTIGINGEN
from kvk_enrich.columns.vat import VIES


def _named(columns: Iterable[Column], *names: str) -> tuple[Column, ...]:
    """Return those of *columns* that are called *names*, in that order."""
    known = {column.name: column for column in columns}
    return tuple(known[name] for name in names)


LOOKUP = _named(
    BASISPROFIEL,
    "kvk_number",
    "kvk_branch_number",
    "kvk_name",
    "kvk_statutory_name",
    "kvk_trade_names",
    "kvk_legal_form",
    "kvk_active",
    "kvk_registration_date",
    "kvk_employees",
    "kvk_sbi_code",
    "kvk_sbi_description",
    "kvk_sbi",
    "kvk_visit_street",
    "kvk_visit_house_number",
    "kvk_visit_postcode",
    "kvk_visit_city",
    "kvk_visit_country",
    "kvk_visit_full",
)
"""A basic lookup; name, address and state are promised, the rest is filled where it comes along."""

ENRICHED = (
    *LOOKUP,
    *_named(VIES, "vat_number", "vat_valid", "vat_status", "vat_checked_at"),
    Column("kvk_insolvency", TEXT, "kind of insolvency; kvkbase only", "insolvency, insolvencyType"),
)

BRANCHES = _named(VESTIGINGEN, "kvk_branches", "kvk_branch_list")

VALIDATE_VAT = VIES
"""All of VIES's, so that either may be asked; kvkbase gives no consultation number."""
