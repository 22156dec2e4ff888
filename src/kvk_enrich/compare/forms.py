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

_ARTICLES: Final = {r"\bt\b": "het"}
_SHORT: Final = {r"\bvan ?d(?:er|en|e)\b": "vd", r"\bvan\b": "v", r"\bprins(?:es)?\b": "pr"}
"""Abbreviations of more than one word: v.d. is van der and van den, which are not the same."""

_ABBREVIATED: Final = r"\b(?:v|vd|vhet|pr)\b"
_FOREIGN: Final = {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d"}
_LEGAL: Final = {
    # B. v. Dorst and B. v.d. Dorst are persons: letters with dots are a legal form at the ends only.
    r"\bv d\b": "vd",
    r"\bv t\b": "vhet",
    r"\bbesloten vennootschap\b|^b v\b|\bb v$": "bv",
    r"\bnaamloze vennootschap\b|^n v\b|\bn v$": "nv",
    r"\bvennootschap onder firma\b|\bv ?o ?f\b": "vof",
    r"\bcommanditaire vennootschap\b|^c v\b|\bc v$": "cv",
    r"\bu ?a\b": "ua",
    r"\b(?:in oprichting|i ?o)\b": "io",
    r"^(?:st|sint)\b": "stichting",
    r"\bsint\b": "st",
    r"\bcooperatieve\b|\bcoop\b": "cooperatie",
    r"\bvereniging van eigena(?:ars|ren)\b": "vve",
    r"\bgebroeders\b": "gebr",
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
    r"\b(?:burgemeester|burgem|bgm)\b": "burg",
    r"\b(?:dokter|doctor)\b": "dr",
    r"\bprofessor\b": "prof",
    r"\bmeester\b": "mr",
    r"\bingenieur\b": "ir",
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
    r"\b(?:aan den?|a d|ad)\b": "aan de",
    r"\bsint\b": "st",
    r"\bt\b": "het",
}
_COUNTRIES: Final = {
    r"^(?:nl|nld|netherlands|the netherlands|holland)$": "nederland",
    r"^(?:be|bel|belgium|belgique)$": "belgie",
    r"^(?:de|deu|germany|deutschland)$": "duitsland",
    r"^(?:fr|fra|france)$": "frankrijk",
    r"^(?:gb|gbr|uk|united kingdom|great britain|groot brittannie)$": "verenigd koninkrijk",
}
_HOUSES: Final = {r"hoog\b": "hg", r"huis\b": "hs"}
_HOUSES_IN_STREETS: Final = {rf"(\d ?[a-z]? ?){word}": f"${{1}}{by}" for word, by in _HOUSES.items()}
_COUNT: Final = r"^[\p{L}\s.:]*?(\d+|\d{1,3}(?:[.,\s]\d{3})+)(?:[.,]0{1,2})?[\p{L}\s.]*$"
"""A whole number, among words: not a range, nor with half a person."""

_YES: Final = ("ja", "j", "yes", "y", "true", "waar", "1", "x", "actief", "active")
_NO: Final = ("nee", "n", "no", "false", "onwaar", "0", "inactief", "inactive")
_MONTHS: Final = {
    "jan": "01",
    "feb": "02",
    "mrt": "03",
    "maa": "03",
    "mar": "03",
    "apr": "04",
    "mei": "05",
    "may": "05",
} | {"jun": "06", "jul": "07", "aug": "08", "sep": "09", "okt": "10", "oct": "10", "nov": "11", "dec": "12"}
_DATES: Final = ("%Y-%m-%d", "%d-%m-%Y", "%Y%m%d")
_LEGAL_FORMS: Final = {
    "^beslotenvennootschap.*": "bv",
    "^naamlozevennootschap.*": "nv",
    "^vennootschaponderfirma.*": "vof",
    "^commanditairevennootschap.*": "cv",
    "^verenigingvaneigena(?:ars|ren).*": "vve",
    "^verenigingmet.*": "vereniging",
    "^(?:eenmanszaak.*|emz)$": "ez",
    "^coop.*": "coop",
    "^(?:stichting.*|st)$": "stichting",
    "^onderlingewaarborgmaatschappij.*": "owm",
}
_IN_NAMES: Final = ("bv", "nv", "vof", "cv", "ez")


def plain(text: pl.Expr) -> pl.Expr:
    """Return lower case without accents and punctuation, single blanks between the words."""
    # The apostrophes go first: NFKD makes a space and a mark of some.
    joined = text.str.replace_all(r"['\u2018\u2019`\u00b4]", "").str.replace_all("[&+]", " en ")
    stripped = joined.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()
    return stripped.str.replace_many(_FOREIGN).str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()


def text(value: pl.Expr) -> pl.Expr:
    """Return the form of running text: its letters and digits."""
    return _closed(plain(value))


def name(value: pl.Expr) -> pl.Expr:
    """Return the form of a company's name; one legal form is written in one way, wherever it stands."""
    return _closed(_spelled(value))


def is_abbreviated(value: pl.Expr) -> pl.Expr:
    """Return whether a name or street holds an abbreviation that may stand for more than one word."""
    return _spelled(value).str.contains(_ABBREVIATED)


def name_in_short(value: pl.Expr) -> pl.Expr:
    """Return the form of a company's name with van der, van den and van de abbreviated."""
    return _closed(_rewritten(_spelled(value), _SHORT))


def name_without_legal_form(value: pl.Expr) -> pl.Expr:
    """Return the form of a name without B.V., N.V., V.O.F. and the like at either end."""
    return _closed(_bare(value))


def name_without_legal_form_in_short(value: pl.Expr) -> pl.Expr:
    """Return :func:`name_without_legal_form` abbreviated as in :func:`name_in_short`."""
    return _closed(_rewritten(_bare(value), _SHORT))


def legal_form_in_name(value: pl.Expr) -> pl.Expr:
    """Return which legal form a name tells at either end (bv, nv, vof, cv, ua); null where it tells none."""
    spelled = _spelled(value)
    return pl.coalesce(
        spelled.str.extract(rf"({_LEGAL_AT_THE_END})", 1), spelled.str.extract(rf"({_LEGAL_AT_THE_START})", 1)
    ).str.strip_chars()


def legal_form_for_names(value: pl.Expr) -> pl.Expr:
    """Return a legal form as :func:`legal_form_in_name` would tell it; null where names do not tell it."""
    formed = legal_form(value)
    return pl.when(formed.is_in(_IN_NAMES)).then(formed)


def street(value: pl.Expr) -> pl.Expr:
    """Return the form of a street, also of a street with a house number."""
    return _closed(_street(value))


def street_in_short(value: pl.Expr) -> pl.Expr:
    """Return the form of a street with van der, van den, prins and prinses abbreviated."""
    return _closed(_rewritten(_street(value), _SHORT))


def house(value: pl.Expr) -> pl.Expr:
    """Return the form of a house number with letter and addition: 12A, 12-a and 12 a are one, 12-1 and 121 are not."""
    number = value.str.strip_chars().str.replace(r"^(\d+)[.,]0+$", "$1")
    return _closed(_rewritten(plain(number), _HOUSES))


def town(value: pl.Expr) -> pl.Expr:
    """Return the form of a town."""
    return _closed(_rewritten(plain(value), _TOWNS))


def country(value: pl.Expr) -> pl.Expr:
    """Return the form of a country; the Netherlands by any of their names."""
    return _closed(_rewritten(plain(value), _COUNTRIES))


def legal_form(value: pl.Expr) -> pl.Expr:
    """Return the form of a legal form: BV, B.V. and BeslotenVennootschap are one."""
    return _rewritten(text(value), _LEGAL_FORMS)


def code(value: pl.Expr) -> pl.Expr:
    """Return the form of a code: its letters and digits, in capitals."""
    return value.str.replace_all(r"[^\p{L}\p{N}]+", "").str.to_uppercase()


def postcode(value: pl.Expr) -> pl.Expr:
    """Return the form of a postcode: a code that may have the country in front."""
    return code(value).str.replace(r"^NL(\d)", "$1")


def digits(value: pl.Expr) -> pl.Expr:
    """Return the form of a number whose zeros in front spreadsheets drop; null where there is no digit."""
    bare = value.str.strip_chars().str.replace(r"[.,]0{1,2}$", "").str.replace_all(r"[^0-9]+", "")
    return pl.when(bare != "").then(bare.str.replace(r"^0+(\d)", "$1"))


def count(value: pl.Expr) -> pl.Expr:
    """Return the form of a number of things; null for any text that does not tell a whole one."""
    return digits(value.str.extract(_COUNT, 1))


def activity(value: pl.Expr) -> pl.Expr:
    """Return the form of an SBI code: its digits, dots and spaces apart."""
    return value.str.replace_all(r"[^0-9]+", "")


def date(value: pl.Expr) -> pl.Expr:
    """Return a date in the order year, month, day; null where none of the usual orders fits."""
    words = value.str.to_lowercase().str.extract_groups(r"^\s*(\d{1,2})[ -]([a-z]{3})[a-z]*\.?[ -](\d{2,4})")
    day, month, year = (words.struct.field(place) for place in "123")
    spelled = pl.concat_str([day, month.replace_strict(_MONTHS, default=None), year], separator="-")
    numbers = value.str.extract(r"^\s*([0-9./-]+)", 1).str.replace_all("[./]", "-")
    ordered = (
        pl.coalesce(spelled, numbers)
        .str.replace(r"^(\d{1,2}-\d{1,2}-)([5-9]\d)$", "${1}19$2")
        .str.replace(r"^(\d{1,2}-\d{1,2}-)(\d\d)$", "${1}20$2")
    )
    return pl.coalesce(ordered.str.to_date(order, strict=False) for order in _DATES).cast(pl.String)


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


def _bare(value: pl.Expr) -> pl.Expr:
    return _spelled(value).str.replace(_LEGAL_AT_THE_END, "").str.replace(_LEGAL_AT_THE_START, "")


def _street(value: pl.Expr) -> pl.Expr:
    return _rewritten(plain(value), _ARTICLES | _STREETS | _HOUSES_IN_STREETS)


def _rewritten(value: pl.Expr, patterns: Mapping[str, str]) -> pl.Expr:
    for pattern, by in patterns.items():
        value = value.str.replace_all(pattern, by)
    return value


def _closed(value: pl.Expr) -> pl.Expr:
    """Take the blanks out, but those between two digits: 12 1 is not 121."""
    apart = value.str.replace_all(r"(\d) ", "$1-").str.replace_all(r"-(\D)", "$1")
    return apart.str.replace_all(" ", "").str.strip_chars_end("-")
