"""An evidence pack made in this process, of a list with numbers of all kinds, and what a forger does to one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import polars as pl
from tests.harness import mixed

from kvk_enrich import evidence, flow, record
from kvk_enrich.config import load
from kvk_enrich.evidence import Manifest
from kvk_enrich.finishing import Finished

REQUESTER = "NL857587973B01"
NOT_THERE = ("12345678", "NL999999990B01")
MOMENT = datetime(2026, 11, 1, tzinfo=UTC)
QUICK = {
    "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0",
    "KVK_ENRICH_SOURCE_VIES_REQUESTS_PER_SECOND": "100",
    "KVK_ENRICH_SOURCE_VIES_REQUESTER": REQUESTER,
}


def numbers() -> list[str]:
    """Return numbers of all kinds, known and unknown ones, and a text that is none."""
    known = mixed(kvk=2, rsin=1, branch=1, legal=2, sole=1, abroad=1)
    return [*(each.number for each in known), *NOT_THERE, "n.v.t."]


def run(folder: Path, listed: Sequence[str], output: str = "out.parquet", **flags: object) -> Finished:
    """Enrich a list in *folder*, with an evidence pack ``pack`` beside it."""
    path = folder / "list.csv"
    path.write_text("nummer\n" + "".join(f"{number}\n" for number in listed))
    settings = {"input": path, "output": folder / output, "source": "practice", "home": folder / "home"}
    return flow.run(load(settings | {"evidence": folder / "pack"} | flags, environ=QUICK))


def made_anew(folder: Path, outcomes: pl.Series | None = None) -> None:
    """Write manifest, checksums and the record anew over what is in *folder*, as a forger would; *outcomes* counted."""
    manifest = evidence.read_manifest(folder)
    assert manifest is not None
    name = manifest.outputs["record"]
    told = record.from_json((folder / name).read_bytes())
    assert told.outputs is not None
    hashes = {item.name: item.sha256 for item in evidence.items_of(folder)}
    outputs = {
        key: made and msgspec.structs.replace(made, sha256=hashes[Path(made.path).name])
        for key, made in msgspec.structs.asdict(told.outputs).items()
    }
    counted = told.rows if outcomes is None else record.Rows.of(dict(outcomes.value_counts().iter_rows()))
    forged = msgspec.structs.replace(told, outputs=msgspec.structs.replace(told.outputs, **outputs), rows=counted)
    (folder / name).write_bytes(record.to_json(forged))
    sealed(folder, msgspec.structs.replace(manifest, rows=counted))


def sealed(folder: Path, manifest: Manifest) -> None:
    """Write manifest and checksums anew, as they say of the files that are there."""
    pack = evidence.Pack(folder, folder)
    items = evidence.items_of(folder)
    data = msgspec.json.encode(msgspec.structs.replace(manifest, files=tuple(items)))
    pack.add(evidence.MANIFEST, data)
    hashes = {item.name: item.sha256 for item in items} | {evidence.MANIFEST: sha256(data).hexdigest()}
    pack.add(evidence.SUMS, evidence.sums(hashes))
