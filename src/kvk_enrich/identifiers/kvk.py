"""
KVK-nummer: the number of an entry in the Dutch trade register (Handelsregister), 8 digits.

There is no check digit, so only the shape can be judged here and the register has the last word.
Until 2013 a number could carry a sub-dossier of four digits (``12345678/0000``); what is asked
for today is the first eight. Spreadsheets drop the leading zero of older numbers, turn cells
into ``69599084.0`` and write long ones as ``1,23457E+11``, whose last digits are gone for good.

A wrong refusal is worse than a wasted call, so separators, labels and the usual repairs are
accepted, and each repair is told in a note. What cannot be a KVK number is refused with a code
of :mod:`kvk_enrich.reasons`, and never asked.

Source: kvk.nl, "Over het Handelsregister: overzicht van alle nummers" and "vestigingsnummer"
(read 2026-11); VAT shapes: European Commission, VIES FAQ, question 11 (read 2026-11).

>>> validate("KvK: 6959 9084")
'69599084'
>>> validate("1234567")
'01234567'
>>> validate("857587973")
Traceback (most recent call last):
    ...
kvk_enrich.identifiers.unreadable.Unreadable: looks_like_rsin
>>> is_valid("n.v.t.")
False
>>> compact("12345678/0000")
'12345678'
>>> read("1234567.0").note
'decimals removed; zero added in front'
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl

from kvk_enrich.identifiers.unreadable import Unreadable

LONGEST_CELL: Final = 200
"""Bytes of UTF-8 without outer spaces. A longer cell is a text, whatever it holds; it is refused unread."""

# Both engines get the same patterns: Python's re and the regex crate behind polars. So: [0-9]
# for digits (in Rust \d means digits of every script), explicit sets instead of \s and \b, and
# non-ASCII characters as themselves.
_DASH = "\\-\u2010-\u2015\u2212"
_GAP = " \t\n\x0b\x0c\r\x85\u1680\u2028\u2029"
_INVISIBLE = "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
_WRAPPING = _GAP + "\x1f='\"`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f;,:|()[]{}<>#*"
_SEPARATORS = f"[{_GAP}._{_DASH}]+"

# A label may have other words around it ("K.v.K. Amsterdam, nr. 12345678"), as long as none of
# them touches the number: there a letter may be a mistyped digit.
_REGISTER = (
    r"k[. ]?v[. ]?k\.?|kamer van koophandel|koophandel|handelsregister|dossier|chamber of commerce|coc"
    r"|(?:trade|commercial|business) register|nl\.?nhr|nhr"
)
_NUMBER_WORD = r"(?:nummer|number|num|nr|no)?"
_LABEL = (
    rf"^(?:[^0-9]*[^0-9a-z])?(?:{_REGISTER})[^0-9a-z]*{_NUMBER_WORD}(?:[^0-9]*[^0-9a-z])?"
    r"|^(?:(?:no|h\.?r)[^0-9a-z]+|(?:nl|nr|nummer|number|num|(?:inschrijf|inschrijvings|registratie|register)(?:nummer|nr)"
    r"|(?:company|registration) (?:number|no))[^0-9a-z]*)"
    rf"|[^0-9a-z]*(?:{_REGISTER})[^0-9]*$"
)

_FORMS = (
    # 1.2345678E7: all digits are there
    r"([0-9])[.,](?:([0-9]{6})0*e\+?0?6|([0-9]{7})0*e\+?0?7|([0-9]{8})0*e\+?0?8|([0-9]{11})0*e\+?11)",
    # 69599084.0
    r"([0-9]+)[.,]0+",
    # 69,599,084
    r"([0-9]{1,3}),([0-9]{3}),([0-9]{3})",
    # 12345678/0001; with 0000 in front it is a branch number
    (
        r"((?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])[. ]?[0-9]{4}|[0-9]{2}\.[0-9]{3}\.[0-9]{3})"
        rf" *[/{_DASH}] *[0-9]{{4}}"
    ),
)
_FORM = "|".join(_FORMS)
_FORM_GROUPS = 10

_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"
_BETWEEN = f"[.{_DASH} ]"
# Digits and separators, yet no number: a date, an amount, a negative amount.
_OTHER_SHAPE = (
    rf"{_YEAR}{_BETWEEN}{_MONTH}{_BETWEEN}{_DAY}|{_DAY}{_BETWEEN}{_MONTH}{_BETWEEN}{_YEAR}"
    rf"|[0-9]+\.[0-9]{{1,2}}|[{_DASH}][0-9]+"
)

_PLACEHOLDER = (
    r"|0+|1{7,}|2{7,}|3{7,}|4{7,}|5{7,}|6{7,}|7{7,}|8{7,}|9{4,}|x+|\?+|[/\\]+"
    r"|nvt|nb|nnb|ntb|n/?a|n/b|tb[adc]|pm|nan|nil|nihil|null|none|nul|geen|niet ?bekend|nietbekend|onbekend|unknown"
    r"|nietvantoepassing|notapplicable|notavailable|ontbreekt|missing|leeg|empty|blank|volgt|todo|dummy|test"
    r"|invullen|nognietbekend|nogonbekend|nogopvragen|opvragen|aanvragen"
)
_PLACEHOLDER_NUMBERS = [digit * 8 for digit in "0123456789"]

_TOKEN = "[0-9](?:[ .]?[0-9]){6,}"  # noqa: S105 (a run of digits, not a secret)
_TWO_NUMBERS = rf"[0-9]{{7,}}[^0-9]+[0-9]{{7,}}|{_TOKEN} *[^0-9 .]+ *{_TOKEN}"

_VAT = (
    r"(?:btw|vat|tva|mwst|ust|omzetbelasting).*[0-9].*|(?:nl)?[0-9]{9}b[0-9o]{2}"
    r"|atu[0-9]{8}|be[0-9]{9,10}|bg[0-9]{9,10}|cy[0-9]{8}[a-z]|cz[0-9]{8,10}|de[0-9]{9}|dk[0-9]{8}|ee[0-9]{9}"
    r"|(?:el|gr)[0-9]{9}|es[a-z0-9][0-9]{7}[a-z0-9]|fi[0-9]{8}|fr[a-z0-9]{2}[0-9]{9}|gb[0-9]{9}(?:[0-9]{3})?"
    r"|hr[0-9]{11}|hu[0-9]{8}|ie[0-9][a-z0-9+*][0-9]{5}[a-z]{1,2}|it[0-9]{11}|lt[0-9]{9}(?:[0-9]{3})?|lu[0-9]{8}"
    r"|lv[0-9]{11}|mt[0-9]{8}|pl[0-9]{10}|pt[0-9]{9}|ro[0-9]{2,10}|se[0-9]{12}|si[0-9]{8}|sk[0-9]{10}"
    r"|xi[0-9]{9}(?:[0-9]{3})?"
)
_RSIN = r"(?:rsin|bsn|sofi|fiscaal).*[0-9].*"
_BRANCH = r"(?:vestiging|branch|filiaal).*[0-9].*"
_SCIENTIFIC = r"[0-9]+(?:,[0-9]+)?e\+?[0-9]{1,3}"
_GUESS = r"[0-9]*[OoIl][0-9]*[OoIl]?[0-9]*"

_CHARACTERS = "unusual characters replaced"
_LABELLED = "label removed"
_EXPONENT = "scientific notation written out"
_DECIMALS = "decimals removed"
_SUB_DOSSIER = "sub-dossier removed"
_SEPARATED = "separators removed"
_GUESSED = "letters read as digits (a guess)"
_PADDED = "zero added in front"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text was read as: either a *number* or a *reason* code; *note* tells the repairs."""

    number: str | None
    reason: str | None
    note: str | None


def compact(text: str) -> str:
    """Return the 8 digits that *text* means, or *text* itself where none can be read."""
    return read(text).number or text


def validate(text: str) -> str:
    """Return the 8 digits that *text* means. Raises Unreadable with the reason code."""
    reading = read(text)
    if reading.number is None:
        raise Unreadable(reading.reason or "not_a_number")
    return reading.number


def is_valid(text: str) -> bool:
    """Return whether a KVK number can be read from *text*; whether it exists, the register knows."""
    return read(text).number is not None


def format(text: str) -> str:  # noqa: A001 (the verb that all identifiers share)
    """Return the number as KVK writes it: eight digits, nothing between. Raises Unreadable."""
    return validate(text)


def read(text: str) -> Reading:
    """Return how one *text* is read; :func:`read_column` does the same for columns."""
    trimmed = text.strip(_GAP)
    short = trimmed if len(trimmed.encode("utf-8", "surrogatepass")) <= LONGEST_CELL else "a long text"
    known = short if short.isascii() else re.sub(_INVISIBLE, "", unicodedata.normalize("NFKC", short))
    clean = known.strip(_WRAPPING)
    if not clean:
        return Reading(None, "empty", None)
    bare = _pattern(_LABEL).sub("", clean)
    form = _pattern(_FORM).fullmatch(bare)
    whole = "".join(group or "" for group in form.groups()) if form else bare
    tight = _pattern(_SEPARATORS).sub("", whole)
    guessed = len(tight) == 8 and _matches(_GUESS, tight)
    digits = re.sub("[Il]", "1", re.sub("[Oo]", "0", tight)) if guessed else tight
    dossier = len(digits) == 12 and digits.endswith("0000") and not digits.startswith("0000")
    padded = len(digits) == 7
    number = "0" + digits if padded else digits[:8] if dossier else digits
    reason = _reason(bare, whole, tight, number)
    if reason:
        return Reading(None, reason, None)
    notes = (
        (_CHARACTERS, known != short),
        (_LABELLED, bare != clean),
        (_form_note(bare), form is not None),
        (_SEPARATED, tight != whole),
        (_GUESSED, guessed),
        (_SUB_DOSSIER, dossier),
        (_PADDED, padded),
    )
    return Reading(number, None, "; ".join(note for note, applies in notes if applies) or None)


def _reason(bare: str, whole: str, tight: str, number: str) -> str | None:
    all_digits = _matches("[0-9]+", number)
    tests = (
        ("placeholder", _matches(_PLACEHOLDER, tight) or number in _PLACEHOLDER_NUMBERS),
        ("two_numbers", _pattern(_TWO_NUMBERS).search(bare) is not None),
        ("not_a_number", _matches(_OTHER_SHAPE, whole)),
        (None, all_digits and len(number) == 8),
        ("looks_like_rsin", all_digits and len(number) == 9),
        ("looks_like_branch_number", all_digits and len(number) == 12),
        ("wrong_length", all_digits),
        ("looks_like_vat", _matches(_VAT, tight)),
        ("looks_like_rsin", _matches(_RSIN, tight)),
        ("looks_like_branch_number", _matches(_BRANCH, tight)),
        ("digits_lost", _matches(_SCIENTIFIC, tight)),
    )
    return next((reason for reason, applies in tests if applies), "not_a_number")


def _form_note(bare: str) -> str:
    notes = (_EXPONENT, _DECIMALS, _SEPARATED, _SUB_DOSSIER)
    return next((note for note, form in zip(notes, _FORMS, strict=True) if _matches(form, bare)), "")


def read_column(frame: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """
    Read a whole column as :func:`read` reads one text.

    Args:
        frame: Any rows; no column of its own begins with ``enrich_kvk_``.
        column: Name of a String column; null reads as empty.

    Returns:
        *frame* with the String columns ``enrich_number``, ``enrich_reason`` and ``enrich_note``
        (null where not given) after its own; rows and order unchanged.
    """
    return _judged(_prepared(frame, pl.col(column)), pl.col(column)).drop(_STEPS)


# The steps of read() as columns. One column a step: as one expression every step would be
# computed anew for each use of it, and the plan would double with each step.
_STEPS = [
    f"enrich_kvk_{step}"
    for step in ("plain", "short", "known", "clean", "mixed", "bare", "whole", "tight", "guessed", "digits")
]
_PLAIN, _SHORT, _KNOWN, _CLEAN, _MIXED, _BARE, _WHOLE, _TIGHT, _IS_GUESS, _DIGITS = (pl.col(step) for step in _STEPS)


def _prepared(frame: pl.LazyFrame, cell: pl.Expr) -> pl.LazyFrame:
    # Most cells of most lists are eight digits; as nulls they pass by all the patterns below.
    # Digits and spaces alone have neither label nor form.
    doubtful = pl.when(~_PLAIN).then(cell).str.strip_chars(_GAP)
    beyond_ascii = pl.when(_SHORT.str.len_bytes() != _SHORT.str.len_chars()).then(_SHORT)
    groups = "".join(f"${{{group + 1}}}" for group in range(_FORM_GROUPS))
    steps = (
        cell.str.contains("^[0-9]{8}$"),
        pl.when(doubtful.str.len_bytes() > LONGEST_CELL).then(pl.lit("a long text")).otherwise(doubtful),
        pl.coalesce(beyond_ascii.str.normalize("NFKC").str.replace_all(_INVISIBLE, ""), _SHORT),
        _KNOWN.str.strip_chars(_WRAPPING),
        _CLEAN.str.contains("[^0-9 ]"),
        pl.coalesce(pl.when(_MIXED).then(_CLEAN).str.replace_all(f"(?i:{_LABEL})", ""), _CLEAN),
        pl.coalesce(pl.when(_MIXED).then(_BARE).str.replace(_entire(_FORM), groups), _BARE),
        _WHOLE.str.replace_all(_SEPARATORS, ""),
        pl.when(_TIGHT.str.len_bytes() == 8).then(_TIGHT).str.contains(f"^(?:{_GUESS})$"),
        pl.when(_IS_GUESS).then(_TIGHT.str.replace_many(["O", "o", "I", "l"], ["0", "0", "1", "1"])).otherwise(_TIGHT),
    )
    for name, step in zip(_STEPS, steps, strict=True):
        frame = frame.with_columns(step.alias(name))
    return frame


def _judged(frame: pl.LazyFrame, cell: pl.Expr) -> pl.LazyFrame:
    number, reason, note = pl.col("enrich_number"), pl.col("enrich_reason"), pl.col("enrich_note")
    length = _DIGITS.str.len_bytes()
    padded = length == 7
    dossier = (length == 12) & _DIGITS.str.ends_with("0000") & ~_DIGITS.str.starts_with("0000")
    notes = pl.concat_str(
        pl.when(_KNOWN != _SHORT).then(pl.lit(_CHARACTERS)),
        pl.when(_BARE != _CLEAN).then(pl.lit(_LABELLED)),
        _form_notes(pl.when(_WHOLE != _BARE).then(_BARE)),
        pl.when(_TIGHT != _WHOLE).then(pl.lit(_SEPARATED)),
        pl.when(_IS_GUESS).then(pl.lit(_GUESSED)),
        pl.when(dossier).then(pl.lit(_SUB_DOSSIER)),
        pl.when(padded).then(pl.lit(_PADDED)),
        separator="; ",
        ignore_nulls=True,
    )
    return (
        frame.with_columns(
            enrich_number=pl.when(_PLAIN)
            .then(cell)
            .when(padded)
            .then("0" + _DIGITS)
            .when(dossier)
            .then(_DIGITS.str.head(8))
            .otherwise(_DIGITS)
        )
        .with_columns(enrich_reason=_reasons(number), enrich_note=notes)
        .with_columns(
            enrich_number=pl.when(reason.is_null()).then(number),
            enrich_note=pl.when(reason.is_null() & (note != "")).then(note),
        )
    )


def _reasons(number: pl.Expr) -> pl.Expr:
    all_digits = number.str.contains("^[0-9]+$")
    length = number.str.len_bytes()
    text = pl.when(~all_digits).then(_TIGHT)
    two_at_least = pl.when(_BARE.str.len_bytes() > 14).then(_BARE)
    separated = pl.when(_WHOLE != _TIGHT).then(_WHOLE)
    tests = (
        ("placeholder", number.is_in(_PLACEHOLDER_NUMBERS)),
        (None, _PLAIN),
        ("empty", _CLEAN.is_null() | (_CLEAN == "")),
        ("placeholder", _TIGHT.str.contains(_entire(_PLACEHOLDER))),
        ("two_numbers", two_at_least.str.contains(_TWO_NUMBERS)),
        ("not_a_number", separated.str.contains(_entire(_OTHER_SHAPE))),
        (None, all_digits & (length == 8)),
        ("looks_like_rsin", all_digits & (length == 9)),
        ("looks_like_branch_number", all_digits & (length == 12)),
        ("wrong_length", all_digits),
        ("looks_like_vat", text.str.contains(_entire(_VAT))),
        ("looks_like_rsin", text.str.contains(_entire(_RSIN))),
        ("looks_like_branch_number", text.str.contains(_entire(_BRANCH))),
        ("digits_lost", text.str.contains(_entire(_SCIENTIFIC))),
    )
    first = pl.lit("not_a_number")
    for code, applies in reversed(tests):
        first = pl.when(applies).then(pl.lit(code, pl.String)).otherwise(first)
    return first


def _form_notes(bare: pl.Expr) -> pl.Expr:
    notes = (_EXPONENT, _DECIMALS, _SEPARATED, _SUB_DOSSIER)
    return pl.coalesce(
        *(
            pl.when(bare.str.contains(_entire(form))).then(pl.lit(note))
            for note, form in zip(notes, _FORMS, strict=True)
        )
    )


def _entire(pattern: str) -> str:
    return f"^(?i:{pattern})$"


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII | re.IGNORECASE)


def _matches(pattern: str, text: str) -> bool:
    flags = re.ASCII | (0 if pattern is _GUESS else re.IGNORECASE)
    return re.fullmatch(pattern, text, flags) is not None
