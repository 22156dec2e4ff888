"""
Cells whose kind nobody told: each is read as what it looks like.

A KVK number first, because that is what lists are made of; then, by what stands in the cell, a VAT
number, an RSIN or a branch number. Where a foreign country is given beside it, a cell without a
KVK label is read as that country's VAT number first: foreign companies have no KVK number.

>>> read("69599084")[0], read("BTW NL857587973B01")[0], read("8575.87.973")[0], read("000037178598")[0]
(<Kind.KVK: 'kvk'>, <Kind.VAT: 'vat'>, <Kind.RSIN: 'rsin'>, <Kind.BRANCH: 'branch'>)
>>> read("12345678", country="DK")[1].number
'DK12345678'
"""

import re
from typing import Final

import polars as pl

from kvk_enrich.identifiers import branch, kvk, rsin, vat
from kvk_enrich.identifiers._cells import LABELLED, READ, Reading, apart, read_rows
from kvk_enrich.identifiers.countries import code_column, code_of
from kvk_enrich.model import Kind

_NO_NUMBER: Final = ("not_a_number", "wrong_length")
_PERHAPS_VAT: Final = ("looks_like_vat", "looks_like_rsin", *_NO_NUMBER)
_ABROAD: Final = ("vat_gb", "vat_not_in_vies")
_SIGNS: Final = "[^0-9A-Za-z]"
_HALF: Final = "[Nn][Ll][0-9]{9}"
_MORE_EXACT: Final = ("wrong_format", "two_numbers", "placeholder")
"""What the reader of VAT numbers knows better than that of KVK numbers, where neither sees a number."""


def read(text: str, country: str | None = None) -> tuple[Kind | None, Reading]:
    """Return what one *text* is and how it is read; the kind is None where there is no number."""
    as_kvk = kvk.read(text)
    foreign = code_of(country) not in (None, "NL")
    if as_kvk.reason in _PERHAPS_VAT or foreign:
        as_vat = vat.read(text, country)
        if as_vat.number and (as_kvk.number is None or LABELLED not in (as_kvk.note or "")):
            return Kind.VAT, as_vat
        if as_kvk.number is None and _says_more(as_kvk.reason, as_vat.reason):
            return None, as_vat
    if as_kvk.reason == "looks_like_rsin" and _is_half_a_vat_number(text):
        return None, Reading(None, "wrong_format", None, ())
    if as_kvk.reason == "looks_like_rsin":
        return _of(Kind.RSIN, rsin.read(text))
    if as_kvk.reason == "looks_like_branch_number":
        return _of(Kind.BRANCH, branch.read(text))
    return _of(Kind.KVK, as_kvk)


def _says_more(as_kvk: str | None, as_vat: str | None) -> bool:
    exact = as_kvk in _NO_NUMBER and as_vat in _MORE_EXACT
    return as_kvk == "looks_like_vat" or as_vat in _ABROAD or exact


def _is_half_a_vat_number(text: str) -> bool:
    """Say whether *text* is NL and nine digits: a VAT number without its end, whose digits may be a citizen's."""
    return re.fullmatch(_HALF, re.sub(_SIGNS, "", text)) is not None


def _of(kind: Kind, reading: Reading) -> tuple[Kind | None, Reading]:
    return (kind if reading.number else None), reading


def read_column(frame: pl.LazyFrame, column: str, *, country: str | None = None) -> pl.LazyFrame:
    """
    Read a whole column as :func:`read` reads one text.

    Args:
        frame: Any rows; no column of its own begins with ``enrich_``.
        column: Name of a String column; null reads as empty.
        country: Name of a String column that holds the country of each row; None where there is none.

    Returns:
        *frame* with ``enrich_number``, ``enrich_kind``, ``enrich_reason``, ``enrich_note`` (String) and
        ``enrich_flags`` (List(String)) after its own, null where not given; rows and order unchanged.
    """
    cell = pl.col(column)
    home = pl.lit(None, pl.String) if country is None else code_column(pl.col(country))
    abroad = (home != "NL").fill_null(value=False)
    frame = frame.with_columns(enrich_plain_kvk=kvk.plain(cell) & ~abroad, enrich_plain_vat=vat.plain(cell))
    plain_kvk, plain_vat = pl.col("enrich_plain_kvk"), pl.col("enrich_plain_vat")
    passes = vat.passes_column(pl.when(plain_vat).then(cell))
    kind = pl.when(plain_kvk).then(pl.lit(Kind.KVK.value)).when(plain_vat).then(pl.lit(Kind.VAT.value))
    returns = READ | {"enrich_kind": pl.String()}
    read = read_rows(frame, column, plain_kvk | plain_vat, home, _read_cells, passes, returns)
    return read.with_columns(enrich_kind=kind.otherwise("enrich_kind")).drop("enrich_plain_kvk", "enrich_plain_vat")


def _read_cells(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Do the same for any cells; each is read only as what it may be, and for the others counts as empty."""
    own = frame.collect_schema().names()
    reason = _part(Kind.KVK, "enrich_reason")
    foreign = (pl.col("enrich_beside") != "NL").fill_null(value=False)
    frame = frame.with_columns(enrich_dutch_vat=_is_dutch_vat(pl.col("enrich_cell")))
    wanted = {
        Kind.KVK: ~pl.col("enrich_dutch_vat"),
        Kind.VAT: pl.col("enrich_dutch_vat") | reason.is_in(_PERHAPS_VAT) | foreign,
        Kind.RSIN: reason == "looks_like_rsin",
        Kind.BRANCH: reason == "looks_like_branch_number",
    }
    for kind, where in wanted.items():
        cells = {"enrich_cell": pl.when(where).then("enrich_cell"), "enrich_beside": pl.col("enrich_beside")}
        frame = apart(frame, cells, _READERS[kind], READ, at_once=True)
        frame = frame.rename({part: f"enrich_{kind}_{part}" for part in READ})
    half = _is_half_a_vat_number_column(pl.col("enrich_cell")) & (reason == "looks_like_rsin")
    parts: dict[str, pl.Expr] = {part: pl.when(~half).then(_of_chosen(part)) for part in READ}
    parts["enrich_reason"] = pl.when(half).then(pl.lit("wrong_format")).otherwise(_of_chosen("enrich_reason"))
    return frame.with_columns(enrich_kind=_chosen()).select(
        *own,
        **parts,
        enrich_kind=pl.when(parts["enrich_number"].is_not_null()).then("enrich_kind"),
    )


_READERS: Final = {
    Kind.KVK: kvk.read_cells,
    Kind.VAT: vat.read_cells,
    Kind.RSIN: rsin.read_cells,
    Kind.BRANCH: branch.read_cells,
}


def _is_half_a_vat_number_column(cell: pl.Expr) -> pl.Expr:
    return cell.str.replace_all(_SIGNS, "").str.contains(f"^{_HALF}$").fill_null(value=False)


def _is_dutch_vat(cell: pl.Expr) -> pl.Expr:
    """Return whether cells are so clearly Dutch VAT numbers that no other reading can win: a short cut, no rule."""
    characters = cell.str.replace_all("[^0-9A-Za-z]", "")
    return characters.str.contains(r"^(?i:(?:btw|vat)?(?:id|nr|nummer)?(?:nl)?[0-9]{9}b[0-9]{2})$")


def _part(kind: Kind, part: str) -> pl.Expr:
    return pl.col(f"enrich_{kind}_{part}")


def _chosen() -> pl.Expr:
    """Return the kind whose reading counts."""
    number, reason, note = (_part(Kind.KVK, part) for part in ("enrich_number", "enrich_reason", "enrich_note"))
    as_vat, vat_reason = _part(Kind.VAT, "enrich_number"), _part(Kind.VAT, "enrich_reason")
    labelled = note.str.contains(LABELLED, literal=True).fill_null(value=False)
    says_more = (
        (reason == "looks_like_vat")
        | vat_reason.is_in(_ABROAD)
        | (reason.is_in(_NO_NUMBER) & vat_reason.is_in(_MORE_EXACT))
    )
    kinds = (
        (Kind.VAT, pl.col("enrich_dutch_vat")),
        (Kind.VAT, as_vat.is_not_null() & ~(number.is_not_null() & labelled)),
        (Kind.VAT, number.is_null() & says_more),
        (Kind.RSIN, reason == "looks_like_rsin"),
        (Kind.BRANCH, reason == "looks_like_branch_number"),
    )
    chosen: pl.Expr = pl.lit(Kind.KVK.value)
    for kind, applies in reversed(kinds):
        chosen = pl.when(applies).then(pl.lit(kind.value)).otherwise(chosen)
    return chosen


def _of_chosen(part: str) -> pl.Expr:
    kind = pl.col("enrich_kind")
    value = _part(Kind.KVK, part)
    for other in (Kind.BRANCH, Kind.RSIN, Kind.VAT):
        value = pl.when(kind == other.value).then(_part(other, part)).otherwise(value)
    return value
