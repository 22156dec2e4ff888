"""
VAT numbers of the EU's states and of Northern Ireland (XI), as VIES knows them: prefix and number.

``NL857587973B01``, ``BE0123456749``, ``EL123456783`` (Greece: EL, not GR). Where the prefix is
missing, it is added for Dutch numbers, whose form is like no other, and where the country is
given. A British number is none of the EU's since 2021; Swiss, Norwegian and one-stop-shop numbers
are not in VIES either.

A wrong check digit is flagged and not refused: libraries have called numbers wrong that VIES knows.
The Dutch rules are computed here, those of the other states by python-stdnum, once for each
distinct number.

The nine digits of a Dutch number are, for a legal person, its RSIN; for a sole trader they mean
nothing (numbers since 2020) or are the citizen service number of a person (before). The latter
cannot be told from an RSIN: such numbers are shown :func:`masked` and sent to VIES only.

Source: European Commission, VIES FAQ, question 11; Belastingdienst, "btw-identificatienummer" (read 2026-11).

>>> validate("BTW nl 8575.87.973.b.01")
'NL857587973B01'
>>> read("123.456.749", country="BE")
Reading(number='BE0123456749', reason=None, note='separators removed; country added; zero added in front', flags=())
>>> read("NL123456789B01").flags
('check_digit',)
>>> read("GB123456789").reason
'vat_gb'
>>> masked("NL857587973B01")
'NL*********B01'
"""

import re
from typing import Final

import polars as pl
from stdnum.eu import vat as stdnum_vat

from kvk_enrich.identifiers._cells import (
    ALIKE,
    CHARACTERS,
    CHECK_DIGIT,
    DASH,
    DECIMALS,
    EXPONENT,
    GAP,
    GUESS,
    GUESSED,
    LABELLED,
    OTHER_SHAPE,
    PADDED,
    PADDED_MORE,
    PLACEHOLDER,
    REGISTER,
    SCIENTIFIC,
    SEPARATED,
    TWO_NUMBERS,
    Reading,
    Rule,
    Steps,
    compiled,
    form_note,
    opened,
    read_rows,
    reason_of,
    told,
    told_column,
    unformed,
    unformed_column,
    valid,
    validated,
)
from kvk_enrich.identifiers._check_digits import (
    passes_eleven,
    passes_eleven_column,
    passes_mod_97,
    passes_mod_97_column,
)
from kvk_enrich.identifiers._shapes import (
    BRITISH,
    CITIZEN,
    FORMATS,
    LIKE_BRANCH,
    LIKE_RSIN,
    VAT_FORMAT,
    VAT_WORD,
)
from kvk_enrich.identifiers.countries import code_column, code_of
from kvk_enrich.model import Kind

_STATE = "|".join(FORMATS)
_FOLLOW = (
    r"(?:[^0-9a-z]*(?:identificatie|identification|ident|id|registration|registratie|reg|intracommunautaire"
    r"|nummer|number|num|code|nr|no))*(?:[^0-9:]{4,}:)?[^0-9a-z]*"
)
_LABEL = (
    rf"^(?:[^0-9]*[^0-9a-z])?(?:{VAT_WORD}|{REGISTER}){_FOLLOW}|^(?:nr|nummer|number|num)[^0-9a-z]+"
    rf"|[^0-9a-z]+(?:{VAT_WORD}|{REGISTER})[^0-9]*$"
)
_FORMS = (EXPONENT, DECIMALS)
_SEPARATORS = f"[{GAP}._/:,|()\\[\\]{DASH}]+"
_DOUBLED = "|".join(f"{state}{state}" for state in FORMATS)
_DUTCH = "[0-9]{9}B[0-9]{2}"
_SHORT_DUTCH = "NL[0-9]{7,9}B[0-9]{1,2}"
_DROPPED: Final = (
    ("^(BE)([0-9]{9})$", "0"),
    ("^(NL)([0-9]{8}B[0-9]{1,2})$", "0"),
    ("^(NL)([0-9]{7}B[0-9]{1,2})$", "00"),
    ("^(NL[0-9]{9}B)([0-9])$", "0"),
)
"""The zeros that a spreadsheet drops, and between what they stood."""
_ALMOST = f"{VAT_FORMAT}|BE[0-9]{{9}}|{_SHORT_DUTCH}"
"""Canonical, or so but for zeros in front."""
_STAND_IN = "(?:[A-Z]{2})U?(?:X{7,}|0{7,}|9{7,})(?:B(?:XX|[0-9]{2}))?"
_LETTERS = {"O": "0", "I": "1", "L": "1"}
_FEW_LETTERS = "[^OIL]*(?:[OIL][^OIL]*){1,2}"

_RULES: Final = (
    Rule("placeholder", "tight", PLACEHOLDER),
    Rule("placeholder", "number", _STAND_IN),
    Rule("two_numbers", "bare", TWO_NUMBERS, anywhere=True),
    Rule("not_a_number", "whole", OTHER_SHAPE),
    Rule(None, "number", VAT_FORMAT),
    Rule("vat_gb", "number", BRITISH),
    Rule("vat_not_in_vies", "number", "CHE[0-9]{9}(?:MWST|TVA|IVA)?|(?:NO)?[0-9]{9}MVA|EU[0-9]{9}|IM[0-9]{10}"),
    Rule("digits_lost", "bare", SCIENTIFIC),
    CITIZEN,
    Rule("looks_like_rsin", "number", "NL[0-9]{9}"),
    Rule("wrong_format", "number", f"(?:{_STATE}|GB)[A-Z]{{0,2}}[0-9]{{5,12}}(?:[A-Z][A-Z0-9]{{0,2}})?"),
    Rule("country_missing", "clean", rf"[^0-9]*(?:{VAT_WORD})[^0-9]*[0-9][0-9 ./_-]{{6,}}"),
    Rule("looks_like_kvk", "number", "[0-9]{7,8}"),
    Rule("looks_like_rsin", "number", "[0-9]{9}"),
    Rule("looks_like_branch_number", "number", "0000[0-9]{8}"),
    Rule("country_missing", "number", "|".join(FORMATS.values())),
    Rule("wrong_length", "number", "[0-9]+"),
    LIKE_RSIN,
    LIKE_BRANCH,
)

_GREEK = "GR written as EL"
_TWICE = "country given twice"
_COUNTRY_ADDED = "country added"


def compact(text: str, country: str | None = None) -> str:
    """Return the VAT number that *text* means, or *text* itself where none can be read."""
    return read(text, country).number or text


def validate(text: str, country: str | None = None) -> str:
    """Return the VAT number that *text* means. Raises Unreadable with the reason, also for a wrong check digit."""
    return validated(read(text, country))


def is_valid(text: str, country: str | None = None) -> bool:
    """Return whether a VAT number with the right check digit can be read from *text*."""
    return valid(read(text, country))


def format(text: str, country: str | None = None) -> str:  # noqa: A001 (the verb that all identifiers share)
    """Return the number as VIES writes it: prefix and number, nothing between. Raises Unreadable."""
    return validate(text, country)


def read(text: str, country: str | None = None) -> Reading:
    """
    Return how one *text* is read; :func:`read_column` does the same for columns.

    Args:
        text: Any text.
        country: Code or name of the state, for numbers without prefix; a prefix in *text* wins.
    """
    steps = opened(text)
    clean = steps["clean"]
    if not clean:
        return Reading(None, "empty", None)
    bare = compiled(_LABEL).sub("", clean)
    whole, form = unformed(bare, _FORMS)
    tight = compiled(_SEPARATORS).sub("", whole)
    upper = tight.upper() if tight.isascii() else tight
    greek = re.sub("^(?:EL|GR)(?:EL|GR)", "ELEL", re.sub("^GR", "EL", upper))
    single = greek[2:] if _fits(f"(?:{_DOUBLED}).*", greek) and not _fits(_ALMOST, greek) else greek
    full = _prefixed(single, code_of(country))
    digits = _guess(full)
    number = _padded(digits)
    reason = reason_of(_RULES, steps | {"bare": bare, "whole": whole, "tight": upper, "number": number})
    right = reason is None and passes(number)
    # Zeros are a repair to a Dutch number only if the check digit agrees; else any digit may be missing.
    if not right and number != digits and number.startswith("NL"):
        reason = reason or "wrong_format"
    if reason:
        return Reading(None, reason, None)
    alike = steps["latin"] != steps["known"]
    added = len(number) - len(digits)
    notes = (
        (CHARACTERS, steps["known"] != steps["short"]),
        (ALIKE, alike),
        (LABELLED, bare != clean),
        (form, form != ""),
        (SEPARATED, tight != whole),
        (_GREEK, upper.startswith("GR")),
        (_TWICE, single != greek),
        (_COUNTRY_ADDED, full != single),
        (GUESSED, digits != full),
        (PADDED, added == 1),
        (PADDED_MORE, added > 1),
    )
    flags = ((CHECK_DIGIT, not right), (GUESS, digits != full or alike))
    return Reading(number, None, told(notes), tuple(flag for flag, applies in flags if applies))


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def _guess(full: str) -> str:
    """Return *full* with letters read as digits, where that makes a number of it."""
    guessed = full[:2] + re.sub("[IL]", "1", full[2:].replace("O", "0"))
    fits = not _fits(_ALMOST, full) and _fits(_FEW_LETTERS, full[2:]) and _fits(_ALMOST, guessed)
    return guessed if fits else full


def _prefixed(single: str, home: str | None) -> str:
    """Return *single* with the prefix it lacks, where that is certain."""
    if _fits(_DUTCH, _guess(f"NL{single}")[2:]):
        return f"NL{single}"
    if home and not _fits(_ALMOST, single) and _fits(f"{_ALMOST}|{BRITISH}", _guess(f"{home}{single}")):
        return f"{home}{single}"
    return single


def _padded(digits: str) -> str:
    """Return *digits* with the zeros that a spreadsheet dropped."""
    for around, zeros in _DROPPED:
        digits = re.sub(around, rf"\g<1>{zeros}\g<2>", digits)
    return digits


# -- a column -----------------------------------------------------------------------------------


def read_column(frame: pl.LazyFrame, column: str, *, country: str | None = None) -> pl.LazyFrame:
    """
    Read a whole column as :func:`read` reads one text.

    Args:
        frame: Any rows; no column of its own begins with ``enrich_vat_``.
        column: Name of a String column; null reads as empty.
        country: Name of a String column that holds the country of each row; None where there is none.

    Returns:
        *frame* with the columns ``enrich_number``, ``enrich_reason``, ``enrich_note`` (String) and
        ``enrich_flags`` (List(String)) after its own, null where not given; rows and order unchanged.
    """
    cell = pl.col(column)
    home = pl.lit(None, pl.String) if country is None else code_column(pl.col(country))
    passing = passes_column(pl.when(plain(cell)).then(cell))
    return read_rows(frame, column, plain(cell), home, read_cells, passing)


def plain(cell: pl.Expr) -> pl.Expr:
    """Return whether cells hold canonical numbers, as they stand."""
    return cell.str.contains(f"^(?:{VAT_FORMAT})$") & ~cell.str.contains(f"^(?:{_STAND_IN})$")


def read_cells(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Do the same step by step, for any ``enrich_cell``; ``enrich_beside`` holds the prefix of the country."""
    steps = Steps(frame, "vat")
    steps.open(pl.col("enrich_cell"))
    steps.add(
        bare=steps["clean"].str.replace_all(f"(?i:{_LABEL})", ""),
        formed=pl.when(steps["bare"].str.contains("^[0-9.,Ee+]+$")).then(steps["bare"]),
        whole=pl.coalesce(unformed_column(steps["formed"], _FORMS), steps["bare"]),
        tight=_ascii_upper(steps["whole"].str.replace_all(_SEPARATORS, "")),
        greek=steps["tight"].str.replace("^GR", "EL").str.replace("^(?:EL|GR)(?:EL|GR)", "ELEL"),
        single=pl.when(_column_fits(f"(?:{_DOUBLED}).*", steps["greek"]) & ~_column_fits(_ALMOST, steps["greek"]))
        .then(steps["greek"].str.slice(2))
        .otherwise(steps["greek"]),
        home=pl.col("enrich_beside"),
        dutch="NL" + steps["single"],
        at_home=steps["home"] + steps["single"],
        is_dutch=_column_fits(_DUTCH, _guess_column(steps["dutch"]).str.slice(2)),
        is_at_home=~_column_fits(_ALMOST, steps["single"])
        & _column_fits(f"{_ALMOST}|{BRITISH}", _guess_column(steps["at_home"])),
        full=pl.when(steps["is_dutch"])
        .then(steps["dutch"])
        .when(steps["is_at_home"])
        .then(steps["at_home"])
        .otherwise(steps["single"]),
        digits=_guess_column(steps["full"]),
        number=_padded_column(steps["digits"]),
    )
    return _judged(steps)


def _judged(steps: Steps) -> pl.LazyFrame:
    alike = steps["latin"] != steps["known"]
    guessed = steps["digits"] != steps["full"]
    added = steps["number"].str.len_bytes().cast(pl.Int64) - steps["digits"].str.len_bytes().cast(pl.Int64)
    notes = (
        (CHARACTERS, steps["known"] != steps["short"]),
        (ALIKE, alike),
        (LABELLED, steps["bare"] != steps["clean"]),
        (form_note(pl.when(steps["whole"] != steps["bare"]).then(steps["bare"]), _FORMS), pl.lit(value=True)),
        (SEPARATED, steps["whole"].str.contains(_SEPARATORS)),
        (_GREEK, steps["tight"].str.starts_with("GR")),
        (_TWICE, steps["single"] != steps["greek"]),
        (_COUNTRY_ADDED, steps["full"] != steps["single"]),
        (GUESSED, guessed),
        (PADDED, added == 1),
        (PADDED_MORE, added > 1),
    )
    steps.judge(_RULES)
    steps.add(right=passes_column(pl.when(steps["reason"].is_null()).then(steps["number"]), at_once=True))
    unconfirmed = ~steps["right"] & (added > 0) & steps["number"].str.starts_with("NL")
    reason = pl.when(unconfirmed).then(pl.lit("wrong_format")).otherwise(steps["reason"])
    flags = {CHECK_DIGIT: ~steps["right"], GUESS: guessed | alike}
    return steps.finish(reason, told_column(notes), flags)


def _column_fits(pattern: str, column: pl.Expr) -> pl.Expr:
    return column.str.contains(f"^(?s:{pattern})$")


def _ascii_upper(column: pl.Expr) -> pl.Expr:
    return pl.when(column.str.len_bytes() == column.str.len_chars()).then(column.str.to_uppercase()).otherwise(column)


def _guess_column(full: pl.Expr) -> pl.Expr:
    rest = full.str.slice(2)
    guessed = full.str.slice(0, 2) + rest.str.replace_many(_LETTERS)
    few = pl.when(_column_fits(_FEW_LETTERS, rest)).then(guessed)
    fits = ~_column_fits(_ALMOST, full) & _column_fits(_ALMOST, few)
    return pl.when(fits).then(guessed).otherwise(full)


def _padded_column(digits: pl.Expr) -> pl.Expr:
    for around, zeros in _DROPPED:
        digits = digits.str.replace(around, f"${{1}}{zeros}${{2}}")
    return digits


# -- check digits -------------------------------------------------------------------------------


def passes(number: str) -> bool:
    """Return whether the check digit of a canonical *number* is right."""
    if number.startswith("NL"):
        core, suffix = number[2:11], number[12:]
        return int(core) > 0 and int(suffix) > 0 and (passes_eleven(core) or passes_mod_97(core, suffix))
    return bool(stdnum_vat.is_valid(number))


def passes_column(number: pl.Expr, *, at_once: bool = False) -> pl.Expr:
    """Return :func:`passes` for a column, undivided where it is read *at_once*; null where that is null."""
    return number.map_batches(_passes, return_dtype=pl.Boolean, is_elementwise=not at_once)


def _passes(numbers: pl.Series) -> pl.Series:
    # A batch at a time, because within one expression each use of the digits would cut them out anew.
    if numbers.null_count() == len(numbers):
        return pl.Series([None], dtype=pl.Boolean).new_from_index(0, len(numbers))
    number = pl.col("number")
    return (
        pl.DataFrame({"number": numbers})
        .with_columns(dutch=number.str.starts_with("NL"))
        .with_columns(digits=pl.when("dutch").then(number.str.slice(2, 9)).cast(pl.Int32))
        .with_columns(suffix=pl.when("dutch").then(number.str.slice(12, 2)).cast(pl.Int32))
        .select(
            pl.when("dutch")
            .then(_dutch_passes_column(pl.col("digits"), pl.col("suffix")))
            .otherwise(_library_passes(numbers.filter(~numbers.str.starts_with("NL")), number))
        )
        .to_series()
    )


def _dutch_passes_column(digits: pl.Expr, suffix: pl.Expr) -> pl.Expr:
    right = passes_eleven_column(digits) | passes_mod_97_column(digits, suffix)
    return (digits > 0) & (suffix > 0) & right


def _library_passes(foreign: pl.Series, number: pl.Expr) -> pl.Expr:
    """Ask python-stdnum about each distinct number, once."""
    failing = [one for one in foreign.unique().drop_nulls() if not stdnum_vat.is_valid(one)]
    return ~number.is_in(failing)


# -- what the digits of a Dutch number may be ---------------------------------------------------


def may_hold_bsn(number: str) -> bool:
    """
    Return whether the digits of a canonical *number* may be a citizen service number.

    So it is when they pass the eleven-test: numbers that sole traders got since 2020 were chosen so
    that they do not. It may as well be the RSIN of a legal person.
    """
    return number.startswith("NL") and passes_eleven(number[2:11])


def may_hold_bsn_column(number: pl.Expr) -> pl.Expr:
    """Return :func:`may_hold_bsn` for a column; null where that is null."""
    dutch = pl.when(number.str.starts_with("NL")).then(number)
    passing = passes_eleven_column(dutch.str.slice(2, 9)).fill_null(value=False)
    return pl.when(number.is_not_null()).then(passing)


def is_sole_trader_since_2020(number: str) -> bool:
    """Return whether a canonical *number* is one that only sole traders have: its digits lead to no company."""
    return number.startswith("NL") and passes(number) and not passes_eleven(number[2:11])


def is_sole_trader_since_2020_column(number: pl.Expr) -> pl.Expr:
    """Return :func:`is_sole_trader_since_2020` for a column; null where that is null."""
    dutch = pl.when(number.str.starts_with("NL")).then(number)
    alone = (passes_column(dutch) & ~passes_eleven_column(dutch.str.slice(2, 9))).fill_null(value=False)
    return pl.when(number.is_not_null()).then(alone)


def rsin_of(number: str) -> str | None:
    """Return the nine digits of a canonical *number* if they can be an RSIN."""
    return number[2:11] if may_hold_bsn(number) else None


def rsin_of_column(number: pl.Expr) -> pl.Expr:
    """Return :func:`rsin_of` for a column."""
    return pl.when(may_hold_bsn_column(number)).then(number.str.slice(2, 9))


def masked(number: str) -> str:
    """Return a Dutch *number* with its nine digits replaced; another one as it is."""
    return f"NL*********{number[11:]}" if number.startswith("NL") else number


def masked_column(number: pl.Expr) -> pl.Expr:
    """Return :func:`masked` for a column."""
    return pl.when(number.str.starts_with("NL")).then("NL*********" + number.str.slice(11)).otherwise(number)


def shown_column(kind: pl.Expr, number: pl.Expr) -> pl.Expr:
    """Return *number* as it may be shown: a VAT number that may hold a citizen service number is masked."""
    hides = (kind.cast(pl.String) == Kind.VAT.value) & may_hold_bsn_column(number)
    return pl.when(hides).then(masked_column(number)).otherwise(number)
