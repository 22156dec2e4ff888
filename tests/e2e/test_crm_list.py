"""A CRM list of 500 rows beside the register: what is really different is found, and put right, and undone."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl
import pytest
from tests.e2e import crm
from typer.testing import CliRunner

from kvk_enrich.cli import app

LIST = crm.rows()


class Run(NamedTuple):
    """What a run with --compare left."""

    rows: pl.DataFrame
    changes: pl.DataFrame
    patch: Path
    undo: Path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that all runs share: each company is asked for once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Call the command line in this process."""
    monkeypatch.setenv("KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS", "0")
    monkeypatch.setenv("KVK_ENRICH_HOME", str(home))

    def called(*arguments: str | Path) -> int:
        done = CliRunner().invoke(app, [*map(str, arguments)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        assert done.exit_code in {0, 3}, done.output
        return done.exit_code

    return called


def enrich(call: Callable[..., int], listed: Path, *flags: str) -> Run:
    """Compare the list with the register."""
    out = listed.parent / "out.parquet"
    compared = [text for column, field in crm.COLUMNS.items() for text in ("--compare", f"{field}={column}")]
    assert call("run", listed, "--source", "practice", "-o", out, "--yes", *compared, *flags) == 0
    beside = [out.with_name(f"out.{ending}") for ending in ("changes.parquet", "patch.csv", "undo.csv")]
    return Run(pl.read_parquet(out), pl.read_parquet(beside[0]), *beside[1:])


def written(separator: str = ",", quoting: Literal[0, 1] = csv.QUOTE_MINIMAL, end: str = "\n") -> str:
    """Return the list as CSV."""
    text = io.StringIO(newline="")
    lines = csv.DictWriter(text, LIST[0].cells, delimiter=separator, quoting=quoting, lineterminator=end)
    lines.writeheader()
    lines.writerows(row.cells for row in LIST)
    return text.getvalue()


def test_what_really_differs_is_found_and_nothing_else(tmp_path: Path, call: Callable[..., int]):
    """Of 60 differences and 100 in writing only, over 500 rows: precision and recall of *changed* of 0.98 and more."""
    listed = tmp_path / "list.csv"
    listed.write_text(written(), encoding="utf-8")
    rows = enrich(call, listed).rows
    assert sum(bool(row.truth) for row in LIST) == crm.DIFFERENCES
    assert sum(bool(row.edit and not row.truth) for row in LIST) == crm.FORMATS
    truth = {(place, column) for place, row in enumerate(LIST) for column in row.truth}
    found = {
        (place, column)
        for column, field in crm.COLUMNS.items()
        for place, verdict in enumerate(rows[f"cmp_{field}"])
        if verdict == "changed"
    }
    precision, recall = len(found & truth) / len(found), len(found & truth) / len(truth)
    print(f"{len(truth)} cells differ; precision {precision:.3f}, recall {recall:.3f}")  # noqa: T201  the figures
    wrong = [(LIST[place].edit, LIST[place].cells[column]) for place, column in sorted(found ^ truth)]
    assert min(precision, recall) >= 0.98, wrong


@pytest.mark.parametrize(
    ("encoding", "layout"),
    [
        ("utf-8", {"separator": "\t"}),
        pytest.param("utf-8-sig", {"separator": ";", "quoting": csv.QUOTE_ALL, "end": "\r\n"}, marks=pytest.mark.slow),
        ("cp1252", {"separator": ";", "end": "\r\n"}),
    ],
)
def test_a_patch_and_its_undo_give_back_every_byte(
    tmp_path: Path, call: Callable[..., int], encoding: str, layout: dict[str, Any]
):
    """The patch brings the list to the register; its undo brings back the very bytes, however they were written."""
    listed, patched, undone = (tmp_path / name for name in ("list.csv", "patched.csv", "undone.csv"))
    listed.write_bytes(written(**layout).encode(encoding, "replace"))
    flags = ("--encoding", "windows-1252") if encoding == "cp1252" else ()
    made = enrich(call, listed, *flags)
    assert call("apply", listed, made.patch, "-o", patched, *flags) == 0
    assert call("apply", patched, made.undo, "-o", undone, *flags) == 0
    assert undone.read_bytes() == listed.read_bytes()
    before, after = (path.read_bytes().decode(encoding).splitlines() for path in (listed, patched))
    assert crm.DIFFERENCES <= sum(old != new for old, new in zip(before, after, strict=True)) < crm.DIFFERENCES + 10
    again = enrich(call, patched, *flags).changes
    assert again.filter(pl.col("verdict") == "changed").is_empty()
