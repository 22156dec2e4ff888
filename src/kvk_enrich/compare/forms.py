r"""
What two writings of the same thing have in common, as polars expressions: a form for each sort of value.

Two values that are equal in their form differ in writing only: "Bakkerij v.d. Berg BV" and
"BAKKERIJ VAN DEN BERG B.V.", "1234ab" and "1234 AB", "Dorpsstr." and "Dorpsstraat". The patterns
are those of the regex crate behind polars; they see lower case without accents and punctuation.
"""

from collections.abc import Callable, Mapping
from typing import Final

import polars as pl

Form = Callable[[pl.Expr], pl.Expr]
"""From texts to their forms; null where a text has none (a date that cannot be read)."""

_ARTICLES: Final = {r"\bv(?:an)? ?d(?:er|en|e)?\b": "vd", r"\bv\b": "van"}
_LEGAL: Final = {
    r"\bbesloten vennootschap\b|\bb ?v\b": "bv",
    r"\bnaamloze vennootschap\b|\bn ?v\b": "nv",
    r"\bvennootschap onder firma\b|\bv ?o ?f\b": "vof",
    r"\bcommanditaire vennootschap\b|\bc ?v\b": "cv",
    r"\bu ?a\b": "ua",
    r"\b(?:in oprichting|i ?o)\b": "io",
    r"^st\b": "stichting",
    r"\bcooperatie(?:ve)?\b|\bcoop\b": "cooperatie",
}
_LEGAL_AT_THE_END: Final = r"(?:\b(?:bv|nv|vof|cv|ua)\b ?)+$"
_LEGAL_AT_THE_START: Final = r"^(?:(?:bv|nv|vof|cv)\b ?)+"
_STREETS: Final = {
    r"str\b": "straat",
    r"ln\b": "laan",
    r"wg\b": "weg",
    r"(?:pln|pl)\b": "plein",
    r"sngl\b|sgl\b": "singel",
    r"kd\b": "kade",
    r"(?:burgemeester|burgem)\b": "burg",
    r"\b(?:dokter|doctor)\b": "dr",
    r"\bprofessor\b": "prof",
    r"\b(?:meester)\b": "mr",
    r"\b(?:ingenieur)\b": "ir",
    r"\bgeneraal\b": "gen",
    r"\bpresident\b": "pres",
    r"\bminister\b": "min",
    r"\bsint\b": "st",
    r"\beerste\b": "1e",
    r"\btweede\b": "2e",
    r"\bderde\b": "3e",
}
_TOWNS: Final = {
    r"^(?:s ?)?gravenhage$": "denhaag",
    r"^s ?hertogenbosch$": "denbosch",
    r"\b(?:aan de|a d|ad)\b": "aan de",
}
_COUNTRIES: Final = {r"^(?:nl|nld|netherlands|the netherlands|holland)$": "nederland"}
_YES: Final = ("ja", "j", "yes", "y", "true", "waar", "1", "x", "actief", "active")
_NO: Final = ("nee", "n", "no", "false", "onwaar", "0", "inactief", "inactive")
_DATES: Final = ("%Y-%m-%d", "%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y%m%d", "%Y/%m/%d", "%d-%m-%y")
_LEGAL_FORMS: Final = {
    "vennootschaponderfirma": "vof",
    "beslotenvennootschap": "bv",
    "naamlozevennootschap": "nv",
    "commanditairevennootschap": "cv",
    "verenigingvaneigenaars": "vve",
    "eenmanszaak": "ez",
    "cooperatie": "coop",
}


def plain(text: pl.Expr) -> pl.Expr:
    """Return lower case without accents and punctuation, single blanks between the words."""
    stripped = text.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()
    joined = stripped.str.replace_all(r"['\u2019`\u00b4]", "").str.replace_all(r"&", " en ")
    return joined.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()


def text(value: pl.Expr) -> pl.Expr:
    """Return the form of running text: its letters and digits."""
    return _closed(plain(value))


def name(value: pl.Expr) -> pl.Expr:
    """Return the form of a company's name; one legal form is written in one way, wherever it stands."""
    return _closed(_spelled(value))


def name_without_legal_form(value: pl.Expr) -> pl.Expr:
    """Return the form of a name without B.V., N.V., V.O.F. and the like at either end."""
    bare = _spelled(value).str.replace(_LEGAL_AT_THE_END, "").str.replace(_LEGAL_AT_THE_START, "")
    return _closed(bare)


def legal_form_in_name(value: pl.Expr) -> pl.Expr:
    """Return which legal form a name tells at either end (bv, nv, vof, cv, ua); null where it tells none."""
    spelled = _spelled(value)
    return pl.coalesce(
        spelled.str.extract(rf"({_LEGAL_AT_THE_END})", 1), spelled.str.extract(rf"({_LEGAL_AT_THE_START})", 1)
    ).str.strip_chars()


def street(value: pl.Expr) -> pl.Expr:
    """Return the form of a street, also of a street with a house number."""
    return _closed(_rewritten(_rewritten(plain(value), _ARTICLES), _STREETS))


def town(value: pl.Expr) -> pl.Expr:
    """Return the form of a town."""
    return _closed(_rewritten(plain(value), _TOWNS))


def country(value: pl.Expr) -> pl.Expr:
    """Return the form of a country; the Netherlands by any of their names."""
    return _closed(_rewritten(plain(value), _COUNTRIES))


def legal_form(value: pl.Expr) -> pl.Expr:
    """Return the form of a legal form: BV, B.V. and BeslotenVennootschap are one."""
    return text(value).replace(_LEGAL_FORMS).str.replace("^cooperatie.*", "coop").str.replace("^stichting.*", "st")


def code(value: pl.Expr) -> pl.Expr:
    """Return the form of a code such as a postcode: its letters and digits, in capitals."""
    return value.str.replace_all(r"[^\p{L}\p{N}]+", "").str.to_uppercase()


def digits(value: pl.Expr) -> pl.Expr:
    """Return the form of a number whose zeros in front spreadsheets drop."""
    return value.str.replace(r"\.0+$", "").str.replace_all(r"[^0-9]+", "").str.strip_chars_start("0")


def activity(value: pl.Expr) -> pl.Expr:
    """Return the form of an SBI code: its digits, dots and spaces apart."""
    return value.str.replace_all(r"[^0-9]+", "")


def date(value: pl.Expr) -> pl.Expr:
    """Return a date in the order year, month, day; null where none of the usual orders fits."""
    day = value.str.strip_chars().str.slice(0, 10)
    return pl.coalesce(day.str.to_date(order, strict=False) for order in _DATES).cast(pl.String)


def yes_or_no(value: pl.Expr) -> pl.Expr:
    """Return ``ja`` or ``nee``; null for any other word."""
    word = plain(value)
    return pl.when(word.is_in(_YES)).then(pl.lit("ja")).when(word.is_in(_NO)).then(pl.lit("nee"))


def website(value: pl.Expr) -> pl.Expr:
    """Return the form of a website: host and path without scheme, www and a slash at the end."""
    return (
        value.str.to_lowercase()
        .str.strip_chars()
        .str.replace(r"^https?://", "")
        .str.replace(r"^www\.", "")
        .str.strip_chars_end("/")
    )


def _spelled(value: pl.Expr) -> pl.Expr:
    return _rewritten(_rewritten(plain(value), _LEGAL), _ARTICLES)


def _rewritten(value: pl.Expr, patterns: Mapping[str, str]) -> pl.Expr:
    for pattern, by in patterns.items():
        value = value.str.replace_all(pattern, by)
    return value


def _closed(value: pl.Expr) -> pl.Expr:
    return value.str.replace_all(" ", "")
