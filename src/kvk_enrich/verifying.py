"""
Is it still what the run wrote? An evidence pack, or the outputs that a run record names, checked again.

Hashes tell what was touched. What they cannot tell, when somebody has made them anew, the content does: rows are
counted again, and what is said of companies must follow from the registers' own answers.
"""

import hashlib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import polars as pl

from kvk_enrich import disk, evidence, record
from kvk_enrich.columns import ENRICH, schema
from kvk_enrich.errors import InputRefused
from kvk_enrich.evidence import Manifest
from kvk_enrich.model import Status
from kvk_enrich.reasons import REASONS
from kvk_enrich.rebuilding import Rebuilt, rebuild
from kvk_enrich.version import __version__

_UNANSWERED: Final = (Status.FAILED, Status.DEFERRED)
_STATUS: Final = {reason.code: reason.status.value for reason in REASONS.values()}

_NAMED: Final = 5
"""How many columns of a row are named."""

_OF_THE_RUN: Final = "enrich_cached"
"""Whether an answer was known before only the run knew."""


@dataclass(frozen=True, slots=True)
class Verified:
    """
    What was found.

    Args:
        path: What was checked.
        files: How many files have the hash they should have.
        rows: How many rows of the enriched list follow from the registers' answers; 0 outside of a pack.
        manifest_sha256: Of a pack: to be held against what was noted when it was made.
        problems: What is not as it should be, a sentence each; none: all is well.
    """

    path: str
    files: int
    rows: int
    manifest_sha256: str | None
    problems: tuple[str, ...]


def verify(path: str | Path, *, manifest_sha256: str | None = None) -> Verified:
    """
    Check an evidence pack (its folder, its manifest or the run record in it), or the outputs of a run by its record.

    Args:
        path: Which.
        manifest_sha256: What the run printed when it made the pack.

    Raises:
        InputRefused: there is neither a pack nor a run record.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    if path.is_dir() or path.name == evidence.MANIFEST or (folder / evidence.MANIFEST).exists():
        return _pack(folder, manifest_sha256)
    return _outputs(path)


def _outputs(path: Path) -> Verified:
    run = _record(path)
    if run is None:
        raise InputRefused(f"{path} is neither an evidence pack nor the record of a run (out.run.json).")
    made = {} if run.outputs is None else msgspec.structs.asdict(run.outputs)
    named = {name: output for name, output in made.items() if output}
    problems = {name: _touched(path, output) for name, output in named.items()}
    files = sum(not found for found in problems.values())
    return Verified(str(path), files, 0, None, tuple(problem for found in problems.values() for problem in found))


def _touched(run: Path, output: record.OutputFile) -> list[str]:
    """Return what is wrong with an output: the one beside the record, else the one where it was written."""
    told = Path(output.path)
    beside = run.with_name(told.name)
    place = beside if beside.exists() else told.absolute()
    if not place.exists():
        return [f"{place} is missing"]
    if evidence.read_manifest(place) is not None:
        return [f"{place}: {problem}" for problem in _pack(place, output.sha256).problems]
    is_same = place.is_file() and disk.sha256(place) == output.sha256
    return [] if is_same else [f"{place} is not what the run wrote"]


def _pack(folder: Path, expected: str | None) -> Verified:
    manifest = evidence.read_manifest(folder)
    if manifest is None:
        raise InputRefused(f"{folder} is no evidence pack: its {evidence.MANIFEST} is missing or cannot be read.")
    told = disk.sha256(folder / evidence.MANIFEST)
    problems = [f"{evidence.MANIFEST} is not the one whose hash was noted"] if expected not in {None, told} else []
    touched = dict(_touched_files(folder, manifest))
    problems += touched.values()
    problems += _checksums(folder, manifest, told)
    problems += _contradictions(folder, manifest, touched)
    rows, unproven = _proven(folder, manifest, touched)
    problems += unproven
    intact = sum(item.name not in touched for item in manifest.files)
    return Verified(str(folder), intact, rows, told, tuple(dict.fromkeys(problems)))


def _touched_files(folder: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    listed = {item.name: item for item in manifest.files}
    there = {item.name: item for item in evidence.items_of(folder)}
    for name, item in listed.items():
        if name not in there:
            yield name, f"{name} is missing"
        elif there[name] != item:
            yield name, f"{name} was changed"
    for name in there.keys() - listed.keys():
        yield name, f"{name} was added"


def _checksums(folder: Path, manifest: Manifest, told: str) -> Iterator[str]:
    if (folder / evidence.MANIFEST).is_symlink():
        yield f"{evidence.MANIFEST} is a link"
    expected = evidence.sums({item.name: item.sha256 for item in manifest.files} | {evidence.MANIFEST: told})
    path = folder / evidence.SUMS
    if path.is_symlink() or not path.is_file() or path.read_bytes() != expected:
        yield f"{evidence.SUMS} is missing, or does not agree with {evidence.MANIFEST}"


def _contradictions(folder: Path, manifest: Manifest, touched: Mapping[str, str]) -> Iterator[str]:
    """Yield where manifest, run record and the files disagree, of those that are as the manifest says."""
    name = manifest.outputs.get("record", "")
    run = None if name in touched else _record(folder / name)
    if run is None:
        yield f"the run record {name} cannot be used"
        return
    files = {item.name: item.sha256 for item in manifest.files}
    inputs = [sha256 for file, sha256 in files.items() if file.startswith("input.")]
    if (run.run_id, run.rows) != (manifest.run_id, manifest.rows):
        yield f"{name} tells of another run than {evidence.MANIFEST}"
    if inputs != [run.input.sha256] or manifest.input_sha256 != run.input.sha256:
        yield "the list in the pack is not the list of the run"
    if files.get(evidence.CONFIG) != run.config_sha256 or manifest.config_sha256 != run.config_sha256:
        yield f"{evidence.CONFIG} is not the configuration of the run"
    made = {} if run.outputs is None else msgspec.structs.asdict(run.outputs)
    for output in filter(None, made.values()):
        file = Path(output.path).name
        if files.get(file) != output.sha256:
            yield f"{file} is not what the run wrote, by its record"


def _proven(folder: Path, manifest: Manifest, touched: Mapping[str, str]) -> tuple[int, list[str]]:
    """Return how many rows follow from list, configuration and answers, and what does not."""
    files = {item.name for item in manifest.files} - touched.keys()
    listed = next((name for name in sorted(files) if name.startswith("input.")), "")
    enriched, told = (manifest.outputs.get(name, "") for name in ("enriched", "record"))
    needed = {listed, enriched, told, evidence.ANSWERS, evidence.CONFIG, evidence.CONSULTATIONS}
    run = _record(folder / told) if needed <= files else None
    if run is None:
        return 0, ["the rows cannot be held against the answers, as one of the files that this takes was changed"]
    try:
        answers = pl.read_parquet(folder / evidence.ANSWERS, glob=False)
        config = (folder / evidence.CONFIG).read_bytes()
        with TemporaryDirectory(prefix="kvk-enrich-") as work:
            rebuilt = rebuild(folder / listed, folder / enriched, config, answers, run, Path(work))
        problems = [*_miscounted(rebuilt.shown, manifest), *_forged(answers), *_deviating(rebuilt, manifest)]
        problems += [*_unproven(rebuilt, answers), *_unconsulted(folder / evidence.CONSULTATIONS, rebuilt)]
        problems += _unlisted(folder, manifest, rebuilt, files)
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  bytes of a forger may fail anywhere
        return 0, [f"the rows cannot be held against the answers: {type(error).__name__}: {error}"]
    return (0 if problems else rebuilt.shown.height), problems


def _miscounted(rows: pl.DataFrame, manifest: Manifest) -> Iterator[str]:
    counted = {str(outcome): many for outcome, many in rows["enrich_outcome"].value_counts().iter_rows()}
    if record.Rows.of(counted) != manifest.rows:
        yield f"the enriched list has other outcomes than {evidence.MANIFEST} counts: {counted}"


def _forged(answers: pl.DataFrame) -> Iterator[str]:
    for register, product, number, raw, sha256 in answers.select(
        "register", "product", "number", "raw", "raw_sha256"
    ).iter_rows():
        if hashlib.sha256(raw.encode()).hexdigest() != sha256:
            yield f"the answer of {register} to {product} {number} was changed"


def _deviating(rebuilt: Rebuilt, manifest: Manifest) -> Iterator[str]:
    """Yield what of the enriched list does not follow from list, configuration and answers."""
    shown, rows = rebuilt.shown, rebuilt.rows
    if manifest.requester != rebuilt.requester:
        yield f"{evidence.MANIFEST} names another requester than {evidence.CONFIG}"
    if shown.height != rows.height:
        yield f"the enriched list has {shown.height:,} rows, the list {rows.height:,}"
        return
    # Another version may have added columns since; those of the list, and what became of it, are always there.
    needed = rows.columns if manifest.version == __version__ else [*rows.columns[: rebuilt.own], *schema(ENRICH)]
    yield from (f"column {name} is missing" for name in needed if name not in shown.columns)
    yield from (f"column {name} was added" for name in shown.columns if name not in rows.columns)
    wrong: dict[int, list[str]] = {}
    for name in rows.columns:
        if name in shown.columns and name != _OF_THE_RUN:
            for place in _wrong(name, shown, rows).arg_true():
                wrong.setdefault(place + 1, []).append(name)
    for row, names in sorted(wrong.items()):
        further = f" and {len(names) - _NAMED} more columns" if len(names) > _NAMED else ""
        said = ", ".join(names[:_NAMED]) + further
        yield f"row {row}: {said}: not what follows from the list and the answers of the registers"


def _wrong(name: str, shown: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    """Return in which rows a column is not what follows."""
    told, follows = shown[name], rows[name]
    if name == "enrich_flags":
        return _codes(told).ne_missing(_codes(follows))
    if name not in {"enrich_outcome", "enrich_reason"}:
        is_other = told.dtype != follows.dtype
        return pl.repeat(value=True, n=told.len(), eager=True) if is_other else told.ne_missing(follows)
    # Why there is no answer the run alone knew; of what is not found, the register said why.
    differ = _text(told).ne_missing(_text(follows))
    is_left_open = _are(shown, *_UNANSWERED) & _are(rows, *_UNANSWERED)
    if name == "enrich_outcome":
        return differ & ~is_left_open
    meant = told.replace_strict(_STATUS, default=None, return_dtype=pl.String)
    is_free = is_left_open | (_are(shown, Status.NOT_FOUND) & _are(rows, Status.NOT_FOUND))
    return differ & ~(is_free & meant.eq_missing(_text(shown["enrich_outcome"])))


def _are(rows: pl.DataFrame, *outcomes: Status) -> pl.Series:
    return _text(rows["enrich_outcome"]).is_in([outcome.value for outcome in outcomes]).fill_null(value=False)


def _text(values: pl.Series) -> pl.Series:
    return values.cast(pl.String)


def _codes(flags: pl.Series) -> pl.Series:
    """Return flags as text, but that an answer was too old: how old was too old, the run alone knew."""
    listed = flags if isinstance(flags.dtype, pl.List) else flags.cast(pl.String).str.split("; ")
    return listed.list.filter(pl.element() != "stale").list.join("; ").fill_null("")


def _unproven(rebuilt: Rebuilt, answers: pl.DataFrame) -> Iterator[str]:
    """Yield VAT numbers that VIES called valid without the proof that was asked for."""
    rows = rebuilt.shown
    if rebuilt.requester is None or "vat_consultation_number" not in rows.columns:
        return
    judged = rows["vat_number"].is_in(answers.filter(pl.col("product") == "vies")["number"].implode())
    proof = _text(rows["vat_consultation_number"]).fill_null("")
    for place in (judged & (_text(rows["vat_status"]) == "valid") & (proof == "")).arg_true():
        yield f"row {place + 1}: a valid VAT number without consultation number"


def _unconsulted(path: Path, rebuilt: Rebuilt) -> Iterator[str]:
    """Yield the lines of the consultations that are not what VIES answered, and those that are missing."""
    shown, follows = path.read_bytes(), rebuilt.consultations
    if shown == follows:
        return
    there, due = (dict.fromkeys(lines.splitlines()) for lines in (shown, follows))
    for line in (line for line in there if line not in due):
        yield f"{path.name}: what is said of {_number(line)} does not follow from the answer of VIES"
    numbers = {_number(line) for line in there}
    for number in (_number(line) for line in due):
        if number not in numbers:
            yield f"{path.name}: what VIES said of {number} is missing"
    yield f"{path.name}: not what follows from the answers of VIES"


def _number(line: bytes) -> str:
    return line.partition(b",")[0].decode(errors="replace")


def _unlisted(folder: Path, manifest: Manifest, rebuilt: Rebuilt, files: Container[str]) -> Iterator[str]:
    """Say so when the file of branches is not what the register told of them."""
    name = manifest.outputs.get("branches")
    if name is None or name not in files:
        if rebuilt.branches is not None:
            yield "the branches cannot be held against the answers"
    elif rebuilt.branches is None or not rebuilt.branches.equals(pl.read_parquet(folder / name, glob=False)):
        yield f"{name} is not what follows from the answers of the registers"


def _record(path: Path) -> record.RunRecord | None:
    try:
        return record.from_json(path.read_bytes())
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
