"""What changed in the register between two enriched lists. No call, no state."""

from pathlib import Path
from typing import Final

import polars as pl

from kvk_enrich import changes, readers, write
from kvk_enrich.config import Settings
from kvk_enrich.disk import is_same
from kvk_enrich.errors import ConfigError, InputRefused
from kvk_enrich.state.home import open_home
from kvk_enrich.write.cells import bare

_SUFFIXES: Final = (".parquet", ".csv")


def diff(old: str | Path, new: str | Path, output: str | Path | None, settings: Settings) -> pl.DataFrame:
    """
    Return what changed from *old* to *new*: see :func:`kvk_enrich.changes.between`.

    A number that stands in *old* without an answer tells of no change: it may have been known for years.

    Args:
        old: An enriched list: Parquet or CSV as a run wrote it.
        new: A later one of the same numbers, or of others.
        output: Write it there too: .parquet or .csv.
        settings: Their home lends the room for copies of both.

    Raises:
        ConfigError: *output* has another suffix.
        InputRefused: one of them is no enriched list, or would be overwritten.
        StorageError: the output cannot be written.
    """
    old, new, output = Path(old), Path(new), None if output is None else Path(output)
    if output is not None and output.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"-o: must end in {' or '.join(_SUFFIXES)}, got {str(output)!r}")
    for given in (old, new):
        if output is not None and is_same(output, given):
            raise InputRefused(f"{output} would overwrite {given}; name another output with -o")
    with open_home(settings.home).workspace() as folder:
        before, after = _listed(old, folder / "old"), _listed(new, folder / "new")
        # A column that one of them has not was not asked for: it tells of no change.
        shared = [name for name in changes.LOOK if name in before.columns and name in after.columns]
        then, now = (changes.look(rows.select(shared).lazy()) for rows in (before, after))
    if ".csv" in {old.suffix.lower(), new.suffix.lower()}:
        # Of both: whether a name in a CSV began with an apostrophe, or has one from us, nobody can say.
        then, now = (seen.with_columns(bare(pl.col(pl.String))) for seen in (then, now))
    unknown = then.filter(~changes.ANSWERED)
    found = changes.between(then, now.join(unknown, on=list(changes.KEY), how="anti", maintain_order="left"))
    if output is not None:
        with write.together([output]) as drafts:
            write.changes(found, drafts[output])
    return found


def _listed(path: Path, folder: Path) -> pl.DataFrame:
    """Return the columns of an enriched list that are looked at, as they are."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputRefused(f"{path}: give an enriched list as Parquet or CSV, as a run wrote it.")
    taken = readers.snapshot(path, folder)
    try:
        rows = _rows(taken, folder)
        names = rows.collect_schema().names()
        if not {*changes.KEY, "enrich_outcome"} <= set(names):
            raise InputRefused(f"{path} is no enriched list: it has no columns enrich_outcome and enrich_number.")
        return rows.select(name for name in changes.LOOK if name in names).collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise InputRefused(f"{path} cannot be read as an enriched list: {error}") from None


def _rows(taken: readers.Snapshot, folder: Path) -> pl.LazyFrame:
    if taken.path.suffix == ".parquet":
        return pl.scan_parquet(taken.path, glob=False)
    found = readers.layout(taken, folder=folder, encoding="utf-8", delimiter=None)
    return pl.scan_csv(
        found.text.path, separator=found.separator, infer_schema=False, glob=False, skip_lines=found.skip
    )
