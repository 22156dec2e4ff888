"""What is in a list, before anything is planned: columns, kinds of number, dirt, repairs. No call, no state."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl

from kvk_enrich import identify, readers
from kvk_enrich.config import Settings
from kvk_enrich.errors import InputRefused
from kvk_enrich.identifiers import masking, rsin, vat
from kvk_enrich.model import Kind
from kvk_enrich.state.home import open_home

EXAMPLES: Final = 3
"""How many cells are shown of each kind of dirt, and of numbers that are repeated."""

_RSIN_DIGITS: Final = 9
_CHARACTERS: Final = 60
"""How much of a cell is shown."""


@dataclass(frozen=True, slots=True)
class Example:
    """A cell as it stands in *row*, and the *number* read from it; what may be a citizen number is masked in both."""

    row: int
    value: str
    number: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """*rows* that have something in common (a repair in words, a code of flags or reasons), the first as examples."""

    what: str
    rows: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A number that stands in several *rows*; it would be asked once."""

    kind: Kind
    number: str
    rows: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """
    What a list holds.

    Args:
        path: The list.
        sha256: Of its bytes.
        rows: Data rows.
        notes: What was decided while reading it.
        columns: What the first rows of each column hold, of those that hold numbers.
        read: The columns whose cells the rest is about; none when it could not be decided which.
        undecided: Why not, and what to do.
        kinds: Numbers of each kind.
        distinct: How many different ones.
        repeated: The numbers that stand in most rows.
        repairs: What a run would repair.
        doubts: What it would flag.
        refused: What it would refuse: one finding per reason.
    """

    path: str
    sha256: str
    rows: int
    notes: tuple[str, ...]
    columns: tuple[identify.Held, ...]
    read: tuple[str, ...] = ()
    undecided: str | None = None
    kinds: dict[Kind, int] = field(default_factory=dict)
    distinct: int = 0
    repeated: tuple[Repeated, ...] = ()
    repairs: tuple[Finding, ...] = ()
    doubts: tuple[Finding, ...] = ()
    refused: tuple[Finding, ...] = ()

    @property
    def duplicates(self) -> int:
        """Numbers that were there before: what asking each once saves."""
        return sum(self.kinds.values()) - self.distinct


def inspect(path: str | Path, settings: Settings) -> Inspection:
    """
    Look into the list at *path*.

    Args:
        path: The list.
        settings: How it is read (section ``input``), and the home whose working folder is used meanwhile.

    Raises:
        InputRefused: it cannot be read safely, or has no column of the name given.
        StorageError: no room for the working copy.
    """
    asked = settings.sections.input
    kind = None if asked.kind == "auto" else Kind(asked.kind)
    with open_home(settings.home).workspace() as folder:
        snapshot = readers.snapshot(Path(path), folder)
        rows = readers.read(
            snapshot, folder=folder, encoding=asked.encoding, delimiter=asked.delimiter, sheet=asked.sheet
        )
        country = asked.country_column and identify.named_column(rows.columns, asked.country_column)
        held = identify.holdings(rows.frame, rows.columns, kind, country_column=country)
        seen = Inspection(
            path=str(path),
            sha256=snapshot.sha256,
            rows=int(rows.frame.select(pl.len()).collect(engine="streaming").item()),
            notes=tuple(rows.notes),
            columns=tuple(column for column in held if column.kinds),
        )
        try:
            read = [identify.named_column(rows.columns, name) for name in asked.column or ()] or [
                identify.find_column(rows.frame, rows.columns, kind, country_column=country)
            ]
        except InputRefused as undecided:
            if asked.column:
                raise
            return replace(seen, undecided=str(undecided))
        staged = folder / "staged.parquet"
        identified = identify.identify(rows.frame, read, kind, country_column=country, strict=asked.strict)
        identified.sink_parquet(staged, compression="lz4")
        return _counted(seen, read, pl.scan_parquet(staged, glob=False))


def _counted(seen: Inspection, read: Sequence[str], lines: pl.LazyFrame) -> Inspection:
    numbers = _numbers(lines)
    kinds = numbers.group_by("kind").agg(pl.sum("rows")).sort("rows", "kind", descending=[True, False])
    return replace(
        seen,
        read=tuple(read),
        kinds={Kind(name): count for name, count in kinds.rows()},
        distinct=len(numbers),
        repeated=tuple(_repeated(numbers)),
        repairs=_findings(lines, pl.col("enrich_note").str.split("; ")),
        doubts=_findings(lines, pl.col("enrich_flags")),
        refused=_findings(lines, pl.concat_list("enrich_reason")),
    )


def _numbers(lines: pl.LazyFrame) -> pl.DataFrame:
    """Return ``kind``, ``number`` and in how many ``rows`` it stands; numbers of further columns too."""
    pairs = [("enrich_kind", "enrich_number")]
    if "enrich_other_number" in lines.collect_schema():
        pairs.append(("enrich_other_kind", "enrich_other_number"))
    numbers = pl.concat(lines.select(kind=kind, number=number).drop_nulls() for kind, number in pairs)
    return numbers.group_by("kind", "number").agg(rows=pl.len()).collect(engine="streaming")


def _repeated(numbers: pl.DataFrame) -> Iterable[Repeated]:
    most = numbers.filter(pl.col("rows") > 1).sort("rows", "number", descending=[True, False]).head(EXAMPLES)
    for kind, number, rows in most.rows():
        yield Repeated(Kind(kind), _shown(number, number), rows)


def _findings(lines: pl.LazyFrame, said: pl.Expr) -> tuple[Finding, ...]:
    """Return what is *said* (a list per row), by how many rows it is said of."""
    counted = (
        lines.select("enrich_row", what=said)
        .explode("what")
        .drop_nulls("what")
        .group_by("what")
        .agg(rows=pl.len(), first=pl.col("enrich_row").bottom_k(EXAMPLES).sort())
        .sort("rows", "what", descending=[True, False])
        .collect(engine="streaming")
    )
    wanted = counted["first"].explode().drop_nulls().unique()
    cells = lines.filter(pl.col("enrich_row").is_in(wanted.implode())).select(
        "enrich_row", "enrich_raw", "enrich_number", "enrich_reason"
    )
    examples = {
        row: Example(row, _shown(raw or "", number, reason), number and _shown(number, number))
        for row, raw, number, reason in cells.collect(engine="streaming").rows()
    }
    return tuple(Finding(what, rows, tuple(examples[row] for row in first)) for what, rows, first in counted.rows())


def _shown(text: str, number: str | None, reason: str | None = None) -> str:
    """Return *text* without digits that may be a citizen's; the *number* read from it, or the *reason* why none was."""
    if number is None:
        return masking.refused(text, reason)[:_CHARACTERS]
    if vat.may_hold_bsn(number):
        return vat.masked(text) if text == number else masking.starred(text)[:_CHARACTERS]
    is_delicate = len(number) == _RSIN_DIGITS and rsin.is_valid(number)
    return (masking.starred(text) if is_delicate else text)[:_CHARACTERS]
