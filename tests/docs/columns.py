"""
docs/columns.md as the program would write it: every product's columns, every code.

``python -m tests.docs.columns`` writes the file anew, for when a column or a code has changed on purpose.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl
from tests.docs import readme

from kvk_enrich.columns import ENRICH, GEO, PRODUCTS, Column
from kvk_enrich.reasons import FLAGS, REASONS

FILE: Final = readme.ROOT / "docs" / "columns.md"

_HEAD: Final = """\
# Columns and codes

After the list's own columns come those of every output, then those of the products asked for. They depend on the
products, never on the data: always all of them, null where nothing is known. What several products tell is one column.
Lists are lists in Parquet and joined with `; ` in CSV and XLSX. A list that has one of these names already is refused
(exit code 9).

This page is made from the program (`python -m tests.docs.columns`).
"""

_PRODUCTS: Final = {
    "basisprofiel": "With `--products basisprofiel`, which is what you get if you say nothing.",
    "vestigingen": "With `--products vestigingen`. The branches have a [file of their own](#the-branches).",
    "vestigingsprofiel": "With `--products vestigingsprofiel`: of the branch on the list, else of the main branch.",
    "naamgeving": "With `--products naamgeving`.",
    "vies": "Always: of the VAT numbers on the list, and with `--products vat` of those made from an RSIN.",
    "zoeken": "KVK's free search. It finds the KVK number of an RSIN, a branch or a VAT number, and is all that"
    " `--products none` asks.",
    "lookup": "With `--source kvkbase`. Number, name, address and state are promised, the rest is filled where it comes"
    " along.",
    "enriched": "With `--source kvkbase --products basisprofiel`.",
    "kvkbase-branches": "With `--source kvkbase --products vestigingen`.",
    "validate-vat": "With `--source kvkbase --products vat`: VAT numbers that cannot hold a citizen service number.",
}

_WORDS: Final = {
    pl.String(): "text",
    pl.Boolean(): "true, false",
    pl.Int64(): "whole number",
    pl.Float64(): "number",
    pl.Date(): "date",
    pl.Datetime("us", "UTC"): "time, UTC",
    pl.List(pl.String()): "list of texts",
}


def rendered() -> str:
    """Return the page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield from (_HEAD, "## Of every output", "", *_table(ENRICH))
    told: set[str] = set()
    for product, sentence in _PRODUCTS.items():
        yield from (f"## {product}", "", sentence, "")
        columns = [column for column in PRODUCTS[product] if column.of_rows or column in GEO]
        new = [column for column in columns if column.name not in told and column not in GEO]
        if new:
            yield from _table(new)
        if len(columns) > len(new) and (again := [f"`{column.name}`" for column in columns if column.name in told]):
            yield from (("As above: " if not new else "And as above: ") + ", ".join(again) + ".", "")
        if set(GEO) <= set(columns):
            yield from ("With `--geo-data` also:", "", *_table(GEO))
        told |= {column.name for column in columns}
    yield from _branches()
    yield from _codes()


def _table(columns: Iterable[Column]) -> Iterator[str]:
    yield "| column | type | meaning | register's field |"
    yield "|---|---|---|---|"
    for column in columns:
        yield f"| `{column.name}` | {_type(column.dtype)} | {column.meaning} | {column.source} |"
    yield ""


def _branches() -> Iterator[str]:
    (listed,) = (column for column in PRODUCTS["vestigingen"] if column.name == "kvk_branch_list")
    fields = ["kvk_number", *(field.name for field in listed.dtype.inner.fields)]  # type: ignore[attr-defined]
    yield from ("## The branches", "")
    yield "With `--products vestigingen` there is `out.branches.parquet` beside `out.parquet`, one line per branch."
    yield f"Its columns: {', '.join(f'`{name}`' for name in fields)}."
    yield ""


def _codes() -> Iterator[str]:
    yield from ("## Flags", "", "Codes in `enrich_flags`. A flag is not a reason to leave a number out.", "")
    yield from ("| flag | meaning |", "|---|---|")
    yield from (f"| `{code}` | {sentence} |" for code, sentence in FLAGS.items())
    yield from ("", "## Reasons", "", "Codes in `enrich_reason` and in the failed items.", "")
    yield from ("| reason | outcome | meaning | what to do |", "|---|---|---|---|")
    for reason in REASONS.values():
        yield f"| `{reason.code}` | {reason.status.value} | {reason.sentence} | {reason.what_to_do} |"
    yield ""


def _type(dtype: pl.DataType) -> str:
    match dtype:
        case pl.Enum(categories=categories):
            return "one of " + ", ".join(categories)
        case pl.List(inner=pl.Struct(fields=fields)):
            return "list of " + ", ".join(field.name for field in fields)
        case _:
            return _WORDS[dtype]


if __name__ == "__main__":
    FILE.write_text(rendered(), encoding="utf-8")
