"""What a run says while it works names nobody: no company, no person, no number of theirs."""

import json
from collections.abc import Iterator

import polars as pl
from tests.harness import environment, mixed
from tests.here import command

_TELLING = 6
"""Characters: shorter texts (a form of company, a town) may stand anywhere."""


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def test_progress_and_summary_name_nobody(tmp_path):
    """Found, not found, refused cells and faults on the way: standard error and the run record hold no line of them."""
    drawn = mixed(kvk=4, rsin=2, branch=2, legal=2, sole=3, abroad=1)
    cells = [*(each.number for each in drawn), "90000007", "NL123456782B01", "123456782", "twaalf"]
    (tmp_path / "list.csv").write_text("nummer\n" + "".join(f"{cell}\n" for cell in cells))
    faults = "status=503 every=7; cut=20 every=11"
    settings = environment(KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS="0", KVK_ENRICH_SOURCE_PRACTICE_FAULTS=faults)
    done = command(
        *("run", tmp_path / "list.csv", "--source", "practice", "--products", "basisprofiel,vestigingen,vat"),
        *("--home", tmp_path / "home", "-o", tmp_path / "out.parquet", "--json"),
        env=settings,
    )
    assert done.returncode in {0, 3}, done.stderr
    answers = pl.read_parquet(tmp_path / "out.parquet").select(r"^(kvk|vat)_.*$").drop("vat_status")
    told = json.loads(json.dumps(answers.to_dicts(), default=str))
    theirs = {text for text in [*_texts(told), *cells[:-1]] if len(text) >= _TELLING}
    assert len(theirs) > 50
    assert [text for text in sorted(theirs) if text in done.stderr + done.stdout] == []
