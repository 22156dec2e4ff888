"""What each kind of number looks like to the readers of the other kinds."""

from typing import Final

from kvk_enrich.identifiers._cells import REGISTER, SCIENTIFIC, Rule

FORMATS: Final = {
    "AT": "U[0-9]{8}",
    "BE": "[01][0-9]{9}",
    "BG": "[0-9]{9,10}",
    "CY": "[0-9]{8}[A-Z]",
    "CZ": "[0-9]{8,10}",
    "DE": "[0-9]{9}",
    "DK": "[0-9]{8}",
    "EE": "[0-9]{9}",
    "EL": "[0-9]{9}",
    "ES": "[A-Z0-9][0-9]{7}[A-Z0-9]",
    "FI": "[0-9]{8}",
    "FR": "[A-Z0-9]{2}[0-9]{9}",
    "HR": "[0-9]{11}",
    "HU": "[0-9]{8}",
    "IE": "[0-9][A-Z0-9+*][0-9]{5}[A-Z]|[0-9]{7}[A-W][A-I]",
    "IT": "[0-9]{11}",
    "LT": "[0-9]{9}|[0-9]{12}",
    "LU": "[0-9]{8}",
    "LV": "[0-9]{11}",
    "MT": "[0-9]{8}",
    "NL": "[0-9]{9}B[0-9]{2}",
    "PL": "[0-9]{10}",
    "PT": "[0-9]{9}",
    "RO": "[0-9]{2,10}",
    "SE": "[0-9]{12}",
    "SI": "[0-9]{8}",
    "SK": "[0-9]{10}",
    "XI": "[0-9]{9}|[0-9]{12}|GD[0-9]{3}|HA[0-9]{3}",
}
"""
VIES prefix and the form of what follows it. In Belgium numbers begin with 1 too since 2023.

Source: European Commission, VIES FAQ, question 11 (read 2026-11).
"""

VAT_FORMAT: Final = "|".join(f"{state}(?:{form})" for state, form in FORMATS.items())
"""A canonical VAT number."""

VAT_WORD: Final = (
    r"btw|vat|t\.?v\.?a|mwst|ust|umsatzsteuer|uid|p\.? ?iva|partita iva|iva|moms|alv|dph|pvm|ob|omzetbelasting|fiscaal"
    r"|tax|tin|nif|cif|a[f\u03a6]m"
)
RSIN_WORD: Final = "rsin|fiscaal"
BRANCH_WORD: Final = "vestigings|vestiging|branch|filiaal"

BRITISH: Final = "GB(?:[0-9]{9}|[0-9]{12}|GD[0-9]{3}|HA[0-9]{3})"

OLD_DOSSIER: Final = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])[0-9]{4}0000"

LIKE_KVK: Final = Rule("looks_like_kvk", "tight", rf"(?:{REGISTER}).*[0-9].*")
LIKE_VAT: Final = Rule(
    "looks_like_vat",
    "tight",
    rf"(?:btw|vat|tva|mwst|ust|omzetbelasting).*[0-9].*|(?:nl)?[0-9]{{9}}b[0-9o]{{2}}|gr[0-9]{{9}}|be[0-9]{{9}}"
    rf"|{BRITISH}|{VAT_FORMAT}",
)
LIKE_RSIN: Final = Rule("looks_like_rsin", "tight", rf"(?:{RSIN_WORD}).*[0-9].*")
LIKE_BRANCH: Final = Rule("looks_like_branch_number", "tight", rf"(?:{BRANCH_WORD}).*[0-9].*")
CITIZEN: Final = Rule("citizen_number", "tight", "(?:bsn|burgerservice|sofi).*[0-9].*")
DIGITS_LOST: Final = Rule("digits_lost", "tight", SCIENTIFIC)
