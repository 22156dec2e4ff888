r"""
What all identifiers have in common: how a cell is cleaned before it is read as a number, and how it is judged.

Every step exists twice, for one text and for a column, and both get the same patterns: Python's
re and the regex crate behind polars. So: [0-9] for digits (in Rust \d means digits of every
script), explicit sets instead of \s and \b, and non-ASCII characters as themselves.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, NamedTuple

import polars as pl

from kvk_enrich.identifiers.unreadable import Unreadable

LONGEST_CELL: Final = 200
"""Bytes of UTF-8 without outer spaces. A longer cell is a text, whatever it holds; it is refused unread."""

_UNDECIDED = "undecided"

READ: Final = {
    "enrich_number": pl.String(),
    "enrich_reason": pl.String(),
    "enrich_note": pl.String(),
    "enrich_flags": pl.List(pl.String()),
}
"""The columns that reading a column adds."""

CHECK_DIGIT: Final = "check_digit"
GUESS: Final = "guess"
FLAGS: Final = (CHECK_DIGIT, GUESS)
"""What may be doubtful about a number that was read; CHECK_DIGIT is also the reason where that is refused."""

DASH: Final = "\\-\u2010-\u2015\u2212"
GAP: Final = " \t\n\x0b\x0c\r\x85\u1680\u2028\u2029"
SEPARATORS: Final = f"[{GAP}._{DASH}]+"
SEPARATORS_AND_SLASHES: Final = f"[{GAP}._/{DASH}]+"
_INVISIBLE = "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
_WRAPPING = GAP + "\x1f='\"`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f;,:|()[]{}<>#*"
_LOOK_ALIKES = dict(
    zip(
        "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"
        "\u0430\u0432\u0435\u0455\u0456\u0458\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445"
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf",
        "ABESIJKMHOPCTYX" + "abesijkmhopctyx" + "ABEZHIKMNOPTYXo",
        strict=True,
    )
)
"""Cyrillic and Greek letters that look like Latin ones."""
_LOOK_ALIKE_TABLE = {ord(letter): alike for letter, alike in _LOOK_ALIKES.items()}

REGISTER: Final = (
    r"k[. ]?v[. ]?k\.?|kamer van koophandel|koophandel|handelsregister|dossier|chamber of commerce|coc"
    r"|(?:trade|commercial|business) register|nl\.?nhr|nhr"
)
NUMBER_WORD: Final = r"(?:nummer|number|num|nr|no)?"

_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"
_BETWEEN = f"[./{DASH} ]"
OTHER_SHAPE: Final = (
    rf"{_YEAR}{_BETWEEN}{_MONTH}{_BETWEEN}{_DAY}|{_DAY}{_BETWEEN}{_MONTH}{_BETWEEN}{_YEAR}"
    rf"|[0-9]+\.[0-9]{{1,2}}|[{DASH}][0-9]+"
)
"""Digits and separators, yet no number: a date, an amount, a negative amount."""

PLACEHOLDER: Final = (
    r"|0+|1{7,}|2{7,}|3{7,}|4{7,}|5{7,}|6{7,}|7{7,}|8{7,}|9{4,}|x+|\?+|[/\\]+"
    r"|nvt|nb|nnb|ntb|n/?a|n/b|tb[adc]|pm|nan|nil|nihil|null|none|nul|geen|niet ?bekend|nietbekend|onbekend|unknown"
    r"|nietvantoepassing|notapplicable|notavailable|ontbreekt|missing|leeg|empty|blank|volgt|todo|dummy|test"
    r"|invullen|nognietbekend|nogonbekend|nogopvragen|opvragen|aanvragen"
    rf"|(?:rsin|vestigings|vestiging){NUMBER_WORD}"
)

_TOKEN = "[0-9](?:[ .]?[0-9]){6,}"  # noqa: S105 (a run of digits, not a secret)
_SUFFIX = r"(?:[ .]?b[ .]?[0-9]{2})?"
TWO_NUMBERS: Final = rf"[0-9]{{7,}}{_SUFFIX}[^0-9]+[0-9]{{7,}}|{_TOKEN}{_SUFFIX} *[^0-9 .]+ *{_TOKEN}"

SCIENTIFIC: Final = r"[0-9]+(?:[.,][0-9]+)?e\+?[0-9]{1,3}"

CHARACTERS: Final = "unusual characters replaced"
ALIKE: Final = "look-alike letters replaced (a guess)"
LABELLED: Final = "label removed"
SEPARATED: Final = "separators removed"
GUESSED: Final = "letters read as digits (a guess)"
PADDED: Final = "zero added in front"
PADDED_MORE: Final = "zeros added in front"


def labels(words: str) -> str:
    """
    Return the pattern of labels made of *words*, in front or behind.

    A label may have other words around it ("K.v.K. Amsterdam, nr. 12345678"), as long as none of
    them touches the number: there a letter may be a mistyped digit.
    """
    front = rf"^(?:[^0-9]*[^0-9a-z])?(?:{words})[^0-9a-z]*{NUMBER_WORD}(?:[^0-9]*[^0-9a-z])?"
    return rf"{front}|[^0-9a-z]*(?:{words})[^0-9]*$"


class Form(NamedTuple):
    """A way to write digits: what its groups hold is the number; *note* tells the repair."""

    pattern: str
    note: str


EXPONENT: Final = Form(  # 1.2345678E7: all digits are there
    r"([0-9])[.,](?:([0-9]{6})0*e\+?0?6|([0-9]{7})0*e\+?0?7|([0-9]{8})0*e\+?0?8|([0-9]{11})0*e\+?11)",
    "scientific notation written out",
)
DECIMALS: Final = Form(r"([0-9]+)[.,]0+", "decimals removed")  # 69599084.0
THOUSANDS: Final = Form(r"([0-9]{1,3}),([0-9]{3}),([0-9]{3})", SEPARATED)  # 69,599,084


class Rule(NamedTuple):
    """A cell whose *step* matches *pattern* (whole, or *anywhere*) has *reason*; None: it is a number."""

    reason: str | None
    step: str
    pattern: str
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a text was read as.

    Args:
        number: Canonical, or None.
        reason: Why there is no number, a code of :mod:`kvk_enrich.reasons`.
        note: The repairs, in words.
        flags: What is doubtful about the number: codes of :data:`FLAGS`.
    """

    number: str | None
    reason: str | None
    note: str | None
    flags: tuple[str, ...] = ()


def validated(reading: Reading) -> str:
    """Return the number of *reading*. Raises Unreadable where there is none, or its check digit is wrong."""
    if reading.number is None or CHECK_DIGIT in reading.flags:
        raise Unreadable(reading.reason or CHECK_DIGIT)
    return reading.number


def valid(reading: Reading) -> bool:
    """Return whether there is a number and nothing is wrong with its check digit."""
    return reading.number is not None and CHECK_DIGIT not in reading.flags


# -- one text -----------------------------------------------------------------------------------


def opened(text: str) -> dict[str, str]:
    """Return the first steps for one *text*: short, known, latin, clean."""
    trimmed = text.strip(GAP)
    short = trimmed if len(trimmed.encode("utf-8", "surrogatepass")) <= LONGEST_CELL else "a long text"
    known = short if short.isascii() else re.sub(_INVISIBLE, "", unicodedata.normalize("NFKC", short))
    latin = known if known.isascii() else known.translate(_LOOK_ALIKE_TABLE)
    return {"short": short, "known": known, "latin": latin, "clean": latin.strip(_WRAPPING)}


def reason_of(rules: Iterable[Rule], steps: Mapping[str, str]) -> str | None:
    """Return the reason of the first rule that applies."""
    for rule in rules:
        find = compiled(rule.pattern).search if rule.anywhere else compiled(rule.pattern).fullmatch
        if find(steps[rule.step]):
            return rule.reason
    return "not_a_number"


def told(notes: Iterable[tuple[str, bool]]) -> str | None:
    """Return the notes that apply, as one."""
    return "; ".join(note for note, applies in notes if applies) or None


def unformed(bare: str, forms: Iterable[Form]) -> tuple[str, str]:
    """Return the digits of *bare* when it is written in one of *forms*, and that form's note."""
    for form in forms:
        written = compiled(form.pattern).fullmatch(bare)
        if written:
            return "".join(group or "" for group in written.groups()), form.note
    return bare, ""


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return *pattern* as Python reads it."""
    return re.compile(pattern, re.ASCII | re.IGNORECASE)


# -- a column -----------------------------------------------------------------------------------


def apart(
    frame: pl.LazyFrame,
    cells: Mapping[str, pl.Expr],
    read: Callable[[pl.LazyFrame], pl.LazyFrame],
    returns: Mapping[str, pl.DataType],
    *,
    at_once: bool = False,
) -> pl.LazyFrame:
    """
    Add to *frame* what *read* makes of some of its cells.

    Most cells of most lists are canonical, and the steps for the others are many: so those are read
    apart from the rows they stand in, and of a batch of rows each distinct one once.

    Args:
        frame: Any rows.
        cells: Name -> what the reading depends on; where the first is null there is nothing to read.
        read: A frame with the columns of *cells*, to the same with *returns* added.
        returns: Names and dtypes of the columns to add; null where there is nothing to read.
        at_once: Whether *frame* is a batch itself, to be read undivided.
    """
    fields, given = pl.Struct(returns), pl.col(next(iter(cells))).is_not_null()

    def batch(rows: pl.Series) -> pl.Series:
        all_cells = rows.struct.unnest()
        distinct = all_cells.filter(given).unique()
        if distinct.is_empty():
            return pl.Series([None], dtype=fields).new_from_index(0, len(rows))
        readings = read(distinct.lazy()).select(*cells, pl.struct(returns.keys()).alias("reading")).collect()
        return all_cells.join(readings, on=[*cells], how="left", nulls_equal=True, maintain_order="left")["reading"]

    inputs = pl.struct(*(cell.alias(name) for name, cell in cells.items()))
    reading = inputs.map_batches(batch, return_dtype=fields, is_elementwise=not at_once)
    return frame.with_columns(enrich_reading=reading).unnest("enrich_reading")


def read_rows(
    frame: pl.LazyFrame,
    column: str,
    plain: pl.Expr,
    beside: pl.Expr,
    read: Callable[[pl.LazyFrame], pl.LazyFrame],
    passes: pl.Expr | None = None,
    returns: Mapping[str, pl.DataType] = READ,
) -> pl.LazyFrame:
    """
    Add the columns of READ for all rows of *frame*.

    Args:
        frame: Any rows.
        column: Name of the String column to read; null reads as empty.
        plain: Whether a cell is canonical as it stands.
        beside: What else the reading depends on, a String.
        read: As for :func:`apart`; for the other cells, with ``enrich_cell`` and ``enrich_beside``.
        passes: Whether the check digit of a plain cell is right; null where there is none.
        returns: What *read* adds: the columns of READ, and others that are null for plain cells.
    """
    cell = pl.col(column)
    cells = {"enrich_cell": pl.when(~plain).then(cell), "enrich_beside": beside}
    wrong = pl.lit(value=False) if passes is None else ~passes
    return (
        apart(frame.with_columns(enrich_plain=plain), cells, read, returns)
        .with_columns(
            pl.when("enrich_plain").then(cell).otherwise("enrich_number").alias("enrich_number"),
            pl.when(cell.is_null()).then(pl.lit("empty")).otherwise("enrich_reason").alias("enrich_reason"),
            pl.when(wrong).then(pl.lit([CHECK_DIGIT])).otherwise("enrich_flags").alias("enrich_flags"),
        )
        .drop("enrich_plain")
    )


class Steps:
    """The steps of one identifier as columns of a frame."""

    # One column a step: as one expression every step would be computed anew for each use of it,
    # and the plan would double with each step.

    def __init__(self, frame: pl.LazyFrame, kind: str) -> None:
        """Work on *frame*; the columns are called after *kind*."""
        self.frame = frame
        self._kind = kind
        self._names: list[str] = []

    def add(self, **steps: pl.Expr) -> None:
        """Add *steps*, which may use those added before."""
        for name, step in steps.items():
            self._names.append(self.name(name))
            self.frame = self.frame.with_columns(step.alias(self.name(name)))

    def name(self, step: str) -> str:
        """Return the column of *step*."""
        return f"enrich_{self._kind}_{step}"

    def __getitem__(self, step: str) -> pl.Expr:
        return pl.col(self.name(step))

    def open(self, cell: pl.Expr) -> None:
        """Add the steps of :func:`opened` for cells that are not null."""
        trimmed = cell.str.strip_chars(GAP)
        self.add(
            short=pl.when(trimmed.str.len_bytes() > LONGEST_CELL).then(pl.lit("a long text")).otherwise(trimmed),
            strange=pl.when(self["short"].str.len_bytes() != self["short"].str.len_chars()).then(self["short"]),
            known=pl.coalesce(self["strange"].str.normalize("NFKC").str.replace_all(_INVISIBLE, ""), self["short"]),
            latin=pl.coalesce(
                pl.when(self["strange"].is_not_null()).then(self["known"]).str.replace_many(_LOOK_ALIKES),
                self["known"],
            ),
            clean=self["latin"].str.strip_chars(_WRAPPING),
        )

    def judge(self, rules: Sequence[Rule]) -> None:
        """Add the step reason: that of the first of *rules* that applies; null for a number."""
        numbers = 1 + [rule.reason for rule in rules].index(None)
        empty = self["clean"].fill_null("") == ""
        self.add(early=pl.when(empty).then(pl.lit("empty")).otherwise(_first(rules[:numbers], self, _UNDECIDED)))
        # Few cells are neither number nor stand-in: the many rules for those wait until there is one.
        undecided = self["early"] == _UNDECIDED
        later = {step: pl.when(undecided).then(self[step]) for step in ("clean", "bare", "tight", "number")}
        late = self.name("late")
        judge = partial(_judged, rules=rules[numbers:], name=late)
        self.frame = apart(self.frame, later, judge, {late: pl.String()}, at_once=True)
        self._names.append(late)
        self.add(reason=pl.when(undecided).then(self["late"]).otherwise(self["early"]))

    def finish(self, reason: pl.Expr, note: pl.Expr, flags: Mapping[str, pl.Expr]) -> pl.LazyFrame:
        """
        Return the frame with the columns of :data:`READ` in place of the steps.

        Number, note and flags are kept where *reason* is null.
        """
        self.add(refused=reason, note=note)
        good = self["refused"].is_null()
        self.add(flags=told_column((code, good & applies) for code, applies in flags.items()))
        return self.frame.with_columns(
            pl.when(good).then(self["number"]).alias("enrich_number"),
            self["refused"].alias("enrich_reason"),
            pl.when(good & (self["note"] != "")).then(self["note"]).alias("enrich_note"),
            pl.when(self["flags"] != "").then(self["flags"]).str.split("; ").alias("enrich_flags"),
        ).drop(self._names)


def _judged(frame: pl.LazyFrame, rules: Sequence[Rule], name: str) -> pl.LazyFrame:
    steps = {step: pl.col(step) for step in ("clean", "bare", "tight", "number")}
    return frame.with_columns(_first(rules, steps, "not_a_number").alias(name))


def _first(rules: Sequence[Rule], steps: "Mapping[str, pl.Expr] | Steps", otherwise: str) -> pl.Expr:
    first = pl.lit(otherwise)
    for rule in reversed(rules):
        applies = steps[rule.step].str.contains(f"(?i:{rule.pattern})" if rule.anywhere else entire(rule.pattern))
        first = pl.when(applies).then(pl.lit(rule.reason, pl.String)).otherwise(first)
    return first


def told_column(notes: Iterable[tuple[str | pl.Expr, pl.Expr]]) -> pl.Expr:
    """Return :func:`told` for a column."""
    return pl.concat_str(
        *(pl.when(applies).then(pl.lit(note) if isinstance(note, str) else note) for note, applies in notes),
        separator="; ",
        ignore_nulls=True,
    )


def unformed_column(bare: pl.Expr, forms: Sequence[Form]) -> pl.Expr:
    """Return the first part of :func:`unformed` for a column."""
    pattern = "|".join(form.pattern for form in forms)
    groups = "".join(f"${{{group + 1}}}" for group in range(re.compile(pattern).groups))
    return bare.str.replace(entire(pattern), groups)


def form_note(bare: pl.Expr, forms: Sequence[Form]) -> pl.Expr:
    """Return the second part of :func:`unformed` for a column; null where there is no form."""
    return pl.coalesce(*(pl.when(bare.str.contains(entire(form.pattern))).then(pl.lit(form.note)) for form in forms))


def entire(pattern: str) -> str:
    """Return *pattern* for the whole of a text, as polars reads it."""
    return f"^(?i:{pattern})$"
