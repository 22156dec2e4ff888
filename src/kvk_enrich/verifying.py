"""
Is it still what the run wrote? An evidence pack, or the outputs that a run record names, checked again.

Hashes tell what was touched. What they cannot tell, when somebody has made them anew, the content does: rows are
counted again, and what is said of companies must follow from the registers' own answers.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from kvk_enrich import disk, evidence, record, routes
from kvk_enrich.columns import PRODUCTS, schema
from kvk_enrich.errors import InputRefused
from kvk_enrich.evidence import Manifest
from kvk_enrich.knowing import TYPING
from kvk_enrich.model import Status
from kvk_enrich.routes import Known, Wish
from kvk_enrich.state.cache import typed
from kvk_enrich.write.cells import as_cell, inert

_KEYS: Final = {
    "basisprofiel": "kvk_number",
    "lookup": "kvk_number",
    "enriched": "kvk_number",
    "naamgeving": "kvk_number",
    "vestigingsprofiel": "branch_number",
    "vies": "vat_number",
    "validate-vat": "vat_number",
}
"""The products whose answers an enriched row can be held against, and the column that leads to the answer."""

_JUDGES: Final = ("vies", "validate-vat")
"""The products that judge VAT numbers: where one did, nobody else tells of it."""

_OF_THE_ROW: Final = ("kvk_branch_number", "vat_number")
"""Columns in which a row's own number may stand instead of the one that the register tells."""


_IN_WORKBOOKS: Final = (
    *("enrich_outcome", "enrich_kind", "enrich_number", "enrich_flags"),
    *("kvk_number", "kvk_name", "kvk_legal_form", "kvk_sbi_code", "kvk_visit_postcode"),
    *("vat_number", "vat_status", "vat_consultation_number"),
)
"""Columns that are plain text in a workbook too; the others are cells of its own sorts."""


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


def verify(path: Path, *, manifest_sha256: str | None = None) -> Verified:
    """
    Check an evidence pack (its folder, its manifest or the run record in it), or the outputs of a run by its record.

    Args:
        path: Which.
        manifest_sha256: What the run printed when it made the pack.

    Raises:
        InputRefused: there is neither a pack nor a run record.
    """
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
    problems = [problem for output in named.values() if (problem := _touched(path, output))]
    return Verified(str(path), len(named) - len(problems), 0, None, tuple(problems))


def _touched(run: Path, output: record.OutputFile) -> str | None:
    """Return what is wrong with an output: it is looked for where the record says, and beside the record."""
    told = Path(output.path)
    place = told if told.exists() else run.with_name(told.name)
    if not place.exists():
        return f"{told} is missing"
    place = place / evidence.MANIFEST if place.is_dir() else place
    return None if place.is_file() and disk.sha256(place) == output.sha256 else f"{place} is not what the run wrote"


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
    return Verified(str(folder), len(manifest.files) - len(touched), rows, told, tuple(dict.fromkeys(problems)))


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
    """Return how many rows follow from the answers, and what does not."""
    enriched = manifest.outputs.get("enriched", "")
    if not {enriched, evidence.ANSWERS, evidence.CONFIG} <= {item.name for item in manifest.files} - touched.keys():
        return 0, ["the rows cannot be held against the answers, as one of both was changed"]
    try:
        rows = _rows(folder / enriched)
        answers = pl.read_parquet(folder / evidence.ANSWERS, glob=False)
        wish, has_pairs = _wish((folder / evidence.CONFIG).read_bytes())
        known = _known(answers)
        problems = [*_miscounted(rows, manifest), *_forged(answers), *_underived(rows, known, wish, has_pairs)]
        problems += [problem for product in known for problem in _unfounded(product, rows, known)]
        problems += [*_unproven(rows, manifest, known), *_unconsulted(folder / evidence.CONSULTATIONS, known)]
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  bytes of a forger may fail anywhere
        return 0, [f"the rows cannot be held against the answers: {type(error).__name__}: {error}"]
    return (0 if problems else rows.height), problems


def _wish(config: bytes) -> tuple[Wish, bool]:
    """Return what was wanted of whom, and whether rows may have two numbers."""
    told = json.loads(config)
    source, vat_source = told["source"][0], told["vies"][0]
    products = tuple(product for product in told["products"] if product != "none")
    return Wish(source, vat_source, products, is_kvk=source != "kvkbase"), len(told["columns"]) > 1


def _known(answers: pl.DataFrame) -> Known:
    """Return the answers, read anew, as a run knows them."""
    moments = pl.col("fetched_at").dt.replace_time_zone(None)
    told = answers.with_columns(moments, run=pl.lit(""), reason=pl.lit(None, pl.String))
    return {str(product): _read(part, str(product)) for (product,), part in told.group_by("product")}


def _read(answers: pl.DataFrame, product: str) -> pl.DataFrame:
    columns = typed(answers, product, TYPING)
    zoned = [name for name, dtype in columns.schema.items() if isinstance(dtype, pl.Datetime)]
    return columns.with_columns(pl.col(zoned).dt.replace_time_zone("UTC")).drop("kind", "register")


def _rows(path: Path) -> pl.DataFrame:
    """Return the enriched rows; from CSV and XLSX all as text."""
    match path.suffix.lower():
        case ".parquet":
            return pl.read_parquet(path, glob=False)
        case ".xlsx":
            sheet = pl.read_excel(path, infer_schema_length=0, drop_empty_rows=False)
            return sheet.select(name for name in sheet.columns if name in _IN_WORKBOOKS)
        case _:
            with path.open(encoding="utf-8-sig") as file:
                head = file.readline()
            separator = max(",;\t", key=head.count)
            return pl.read_csv(path, separator=separator, infer_schema=False, glob=False)


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


def _underived(rows: pl.DataFrame, known: Known, wish: Wish, has_pairs: bool) -> Iterator[str]:  # noqa: FBT001
    """Yield the rows whose outcome, company or time does not follow from the answers on the way from their number."""
    kind, outcome = pl.col("enrich_kind").cast(pl.String), pl.col("enrich_outcome").cast(pl.String)
    said = rows.with_row_index("row", offset=1).with_columns(kind, outcome)
    said = said.filter(outcome.is_in([Status.FOUND.value, Status.NOT_FOUND.value]))
    numbers = said.select(kind="enrich_kind", number="enrich_number").unique(maintain_order=True)
    resolved = routes.resolve(numbers.with_columns(wanted=True), known, wish)
    names = [name for name in ("kvk_number",) if name in rows.columns]
    told = routes.answers(resolved, known, pl.DataFrame(schema=routes.GAP), wish, names, "")
    told = told.rename({"kind": "enrich_kind", "number": "enrich_number"}).with_columns(outcome)
    compared = ["enrich_outcome", "enrich_fetched_at", *names]
    follows = told.select("enrich_kind", "enrich_number", *_as_in(said, told.select(compared), ""))
    held = said.join(follows, on=["enrich_kind", "enrich_number"], how="left", suffix="_expected", nulls_equal=True)
    disagree = _text(held, "enrich_flags").str.contains("numbers_disagree").fill_null(value=False)
    for name in compared:
        if f"{name}_expected" not in held.columns or (has_pairs and name == "enrich_fetched_at"):
            continue
        shown, expected = _text(held, name), _text(held, f"{name}_expected")
        # The other number of a row may tell what its first does not.
        of_other = (expected.is_null() | disagree) if has_pairs and name == "kvk_number" else pl.lit(value=False)
        for row in held.filter(shown.ne_missing(expected) & ~of_other)["row"].sort():
            yield f"row {row}: {name} does not follow from the answers of the registers"


def _text(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Return a column as text, as empty as a cell of a CSV is."""
    if isinstance(frame.schema.get(name), pl.List):
        return pl.col(name).list.join("; ")
    return pl.col(name).cast(pl.String).replace("", None) if name in frame.columns else pl.lit(None, pl.String)


def _unfounded(product: str, rows: pl.DataFrame, known: Known) -> Iterator[str]:
    """Yield the rows whose columns do not follow from the answers to *product*."""
    key = _KEYS.get(product)
    if key is None or key not in rows.columns:
        return
    typed_rows = (
        known[product].with_columns(pl.col("number").alias(key)).select(key, *schema(PRODUCTS[product]).keys() - {key})
    )
    if product != "vies":
        typed_rows = typed_rows.filter(known[product]["status"] == Status.FOUND.value)
    expected = typed_rows.select(key, *_as_in(rows, typed_rows, key))
    held = rows.with_row_index("row", offset=1).join(expected, on=key, suffix="_expected", maintain_order="left")
    nobody = pl.Series(dtype=pl.String)
    judged = pl.concat([nobody, *(known[judge]["number"] for judge in _JUDGES if judge in known)])
    for name in expected.columns[1:]:
        shown, follows = pl.col(name), pl.col(f"{name}_expected")
        if rows.schema[name] == pl.String:
            shown, follows = (text.replace("", None) for text in (shown, follows))
        others = sum(name in schema(PRODUCTS[other]) for other in known) > 1
        wrong = (shown != follows) if others else shown.ne_missing(follows)
        if name.startswith("vat_") and product not in _JUDGES:
            wrong &= ~pl.col("vat_number").is_in(judged.implode())
        for row in held.filter(wrong & ~(follows.is_null() & others))["row"]:
            yield f"row {row}: {name} does not follow from the answer of the register"


def _as_in(rows: pl.DataFrame, typed: pl.DataFrame, key: str) -> Iterator[pl.Expr]:
    """Yield the columns of *typed* that *rows* have, as they are written there: in CSV and XLSX as text."""
    for name, dtype in typed.schema.items():
        if name not in rows.columns or name in (*_OF_THE_ROW, key):
            continue
        if rows.schema[name] == dtype:
            yield pl.col(name)
        elif rows.schema[name] == pl.String and not dtype.is_float():
            yield as_cell(pl.col(name), dtype).cast(pl.String).alias(name)


def _unproven(rows: pl.DataFrame, manifest: Manifest, known: Known) -> Iterator[str]:
    """Yield VAT numbers that VIES called valid without the proof that was asked for."""
    if manifest.requester is None or "vies" not in known or "vat_consultation_number" not in rows.columns:
        return
    judged = pl.col("vat_number").is_in(known["vies"]["number"].implode())
    valid = judged & (pl.col("vat_status").cast(pl.String) == "valid")
    proof = pl.col("vat_consultation_number").cast(pl.String)
    for row in rows.with_row_index("row", offset=1).filter(valid & (proof.is_null() | (proof == "")))["row"]:
        yield f"row {row}: a valid VAT number without consultation number"


def _unconsulted(path: Path, known: Known) -> Iterator[str]:
    """Yield the lines of the consultations that are not what VIES answered."""
    lines = pl.read_csv(path, infer_schema=False, glob=False)
    told = ["vat_status", "vat_consultation_number"]
    nothing = pl.DataFrame(schema=dict.fromkeys(["vat_number", *told], pl.String))
    parts = [
        known[product].select(
            pl.col("vat_number" if product == "enriched" else "number").alias("vat_number"),
            *(inert(pl.col(name).cast(pl.String)) for name in told if name in known[product].columns),
        )
        for product in (*_JUDGES, "enriched")
        if product in known and "vat_status" in known[product].columns
    ]
    said = pl.concat([nothing, *parts], how="diagonal").unique("vat_number", keep="first", maintain_order=True)
    held = lines.select("vat_number", *told).join(said, on="vat_number", how="left", suffix="_said")
    for number, *shown in held.with_columns(pl.col("vat_status_said").fill_null("unknown")).iter_rows():
        if shown[:2] != shown[2:]:
            yield f"{path.name}: what is said of {number} does not follow from the answer of VIES"


def _record(path: Path) -> record.RunRecord | None:
    try:
        return record.from_json(path.read_bytes())
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
