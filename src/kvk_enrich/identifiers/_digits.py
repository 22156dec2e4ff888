"""Numbers that are digits only: KVK number, RSIN and branch number are read alike, from a description of each."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from kvk_enrich.identifiers._cells import (
    ALIKE,
    CHARACTERS,
    CHECK_DIGIT,
    GUESS,
    GUESSED,
    LABELLED,
    PADDED,
    PADDED_MORE,
    SEPARATED,
    SEPARATORS,
    Form,
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
)

_GUESS = "[0-9]*[OoIl][0-9]*[OoIl]?[0-9]*"
SUB_DOSSIER: Final = "sub-dossier removed"


@dataclass(frozen=True, slots=True)
class Digits:
    """
    How one kind of number is read.

    Args:
        kind: Names the columns of its steps.
        length: Digits of a number.
        padded: How many digits may be left when a spreadsheet dropped leading zeros.
        label: Pattern of what may stand before or after the number.
        forms: Ways to write it.
        rules: In their order; the steps are clean, bare, whole, tight and number.
        front: What every number begins with that needs no second look.
        sub_dossier: Whether four zeros behind a number of 8 are dropped.
        check: Whether the check digit of a number is right, for a text and for a column.
        separators: Pattern of what may stand between digits.
    """

    kind: str
    length: int
    padded: tuple[int, ...]
    label: str
    forms: tuple[Form, ...]
    rules: tuple[Rule, ...]
    front: str = ""
    sub_dossier: bool = False
    check: tuple[Callable[[str], bool], Callable[[pl.Expr], pl.Expr]] | None = None
    separators: str = SEPARATORS

    def read(self, text: str) -> Reading:
        """Return how one *text* is read."""
        steps = opened(text)
        clean = steps["clean"]
        if not clean:
            return Reading(None, "empty", None)
        bare = compiled(self.label).sub("", clean)
        whole, form = unformed(bare, self.forms)
        tight = compiled(self.separators).sub("", whole)
        guessed = len(tight) == self.length and re.fullmatch(_GUESS, tight) is not None
        digits = re.sub("[Il]", "1", re.sub("[Oo]", "0", tight)) if guessed else tight
        dossier = self.sub_dossier and len(digits) == 12 and digits[8:] == "0000" and digits[:4] != "0000"
        padded = len(digits) in self.padded and digits.isascii() and digits.isdigit()
        number = digits[:8] if dossier else digits.zfill(self.length) if padded else digits
        reason = reason_of(self.rules, steps | {"bare": bare, "whole": whole, "tight": tight, "number": number})
        if reason:
            return Reading(None, reason, None)
        alike = steps["latin"] != steps["known"]
        notes = (
            (CHARACTERS, steps["known"] != steps["short"]),
            (ALIKE, alike),
            (LABELLED, bare != clean),
            (form, form != ""),
            (SEPARATED, tight != whole),
            (GUESSED, guessed),
            (SUB_DOSSIER, dossier),
            (PADDED, padded and len(digits) == self.length - 1),
            (PADDED_MORE, padded and len(digits) < self.length - 1),
        )
        flags = ((CHECK_DIGIT, self.check is not None and not self.check[0](number)), (GUESS, guessed or alike))
        return Reading(number, None, told(notes), tuple(flag for flag, applies in flags if applies))

    def read_column(self, frame: pl.LazyFrame, column: str) -> pl.LazyFrame:
        """Read a whole column as :meth:`read` reads one text; adds the columns of READ."""
        cell = pl.col(column)
        passes = self.check and self.check[1](pl.when(self.plain(cell)).then(cell))
        return read_rows(frame, column, self.plain(cell), pl.lit(None, pl.String), self.read_cells, passes)

    def plain(self, cell: pl.Expr) -> pl.Expr:
        """Return whether cells hold numbers as they stand."""
        rest = self.length - len(self.front)
        stand_ins = [self.front + digit * rest for digit in "0123456789"]
        return cell.str.contains(f"^{self.front}[0-9]{{{rest}}}$") & ~cell.is_in(stand_ins)

    def read_cells(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Do the same step by step, for any ``enrich_cell``."""
        steps = Steps(frame, self.kind)
        steps.open(pl.col("enrich_cell"))
        # Digits and spaces alone have neither label nor form.
        steps.add(
            mixed=pl.when(steps["clean"].str.contains("[^0-9 ]")).then(steps["clean"]),
            bare=pl.coalesce(steps["mixed"].str.replace_all(f"(?i:{self.label})", ""), steps["clean"]),
            formed=pl.when(steps["mixed"].is_not_null()).then(steps["bare"]),
            whole=pl.coalesce(unformed_column(steps["formed"], self.forms), steps["bare"]),
            tight=steps["whole"].str.replace_all(self.separators, ""),
            guess=pl.when(steps["tight"].str.len_bytes() == self.length)
            .then(steps["tight"])
            .str.contains(f"^(?:{_GUESS})$"),
            digits=pl.when(steps["guess"])
            .then(steps["tight"].str.replace_many(["O", "o", "I", "l"], ["0", "0", "1", "1"]))
            .otherwise(steps["tight"]),
        )
        length = steps["digits"].str.len_bytes()
        four_zeros = steps["digits"].str.ends_with("0000") & ~steps["digits"].str.starts_with("0000")
        steps.add(
            dossier=pl.lit(self.sub_dossier) & (length == 12) & four_zeros,
            padded=length.is_in(self.padded) & steps["digits"].str.contains("^[0-9]+$"),
            number=pl.when(steps["dossier"])
            .then(steps["digits"].str.head(8))
            .when(steps["padded"])
            .then(steps["digits"].str.pad_start(self.length, "0"))
            .otherwise(steps["digits"]),
        )
        return self._judged(steps)

    def _judged(self, steps: Steps) -> pl.LazyFrame:
        alike = steps["latin"] != steps["known"]
        length = steps["digits"].str.len_bytes()
        notes = (
            (CHARACTERS, steps["known"] != steps["short"]),
            (ALIKE, alike),
            (LABELLED, steps["bare"] != steps["clean"]),
            (form_note(pl.when(steps["whole"] != steps["bare"]).then(steps["bare"]), self.forms), pl.lit(value=True)),
            (SEPARATED, steps["tight"] != steps["whole"]),
            (GUESSED, steps["guess"]),
            (SUB_DOSSIER, steps["dossier"]),
            (PADDED, steps["padded"] & (length == self.length - 1)),
            (PADDED_MORE, steps["padded"] & (length < self.length - 1)),
        )
        steps.judge(self.rules)
        flags = {GUESS: steps["guess"] | alike}
        if self.check is not None:
            readable = pl.when(steps["reason"].is_null()).then(steps["number"])
            flags = {CHECK_DIGIT: ~self.check[1](readable), **flags}
        return steps.finish(steps["reason"], told_column(notes), flags)


def same_digits(length: int) -> str:
    """Return the pattern of numbers that are one digit over and over: stand-ins."""
    return "|".join(f"{digit}{{{length}}}" for digit in "0123456789")
