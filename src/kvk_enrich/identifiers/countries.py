"""Countries as lists name them: which VAT prefix they mean."""

from typing import Final

import polars as pl

from kvk_enrich.identifiers._cells import GAP

_NAMES: Final = {
    "AT": "at aut austria oostenrijk österreich",
    "BE": "be bel belgium belgië belgie belgique belgien",
    "BG": "bg bgr bulgaria bulgarije",
    "CY": "cy cyp cyprus",
    "CZ": "cz cze czechia tsjechië tsjechie česko",
    "DE": "de deu d germany duitsland deutschland",
    "DK": "dk dnk denmark denemarken danmark",
    "EE": "ee est estonia estland eesti",
    "EL": "el gr grc greece griekenland hellas",
    "ES": "es esp spain spanje españa",
    "FI": "fi fin finland suomi",
    "FR": "fr fra france frankrijk",
    "HR": "hr hrv croatia kroatië kroatie hrvatska",
    "HU": "hu hun hungary hongarije magyarország",
    "IE": "ie irl ireland ierland éire",
    "IT": "it ita italy italië italie italia",
    "LT": "lt ltu lithuania litouwen lietuva",
    "LU": "lu lux luxembourg luxemburg",
    "LV": "lv lva latvia letland latvija",
    "MT": "mt mlt malta",
    "NL": "nl nld netherlands nederland holland",
    "PL": "pl pol poland polen polska",
    "PT": "pt prt portugal",
    "RO": "ro rou romania roemenië roemenie românia",
    "SE": "se swe sweden zweden sverige",
    "SI": "si svn slovenia slovenië slovenie slovenija",
    "SK": "sk svk slovakia slowakije slovensko",
    "XI": "xi",
    "GB": "gb gbr uk",
}
_NAMES_OF_WORDS: Final = {
    "czech republic": "CZ",
    "the netherlands": "NL",
    "northern ireland": "XI",
    "noord-ierland": "XI",
    "united kingdom": "GB",
    "great britain": "GB",
    "verenigd koninkrijk": "GB",
    "groot-brittannië": "GB",
}

CODES: Final = {name: code for code, names in _NAMES.items() for name in names.split()} | _NAMES_OF_WORDS
"""Lower-case codes (ISO 3166, VIES) and names in English, Dutch and the country's own language -> VAT prefix."""


def code_of(country: str | None) -> str | None:
    """Return the VAT prefix that *country* means; None where it means none."""
    return None if country is None else CODES.get(country.strip(f"{GAP}.").lower())


def code_column(country: pl.Expr) -> pl.Expr:
    """Return :func:`code_of` for a column."""
    folded = country.str.strip_chars(f"{GAP}.").str.to_lowercase()
    return folded.replace_strict(CODES, default=None, return_dtype=pl.String)
