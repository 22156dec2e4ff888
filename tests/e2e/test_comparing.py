"""Own columns beside the register's, whatever the list is, and what changed since the list's last run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.harness import existing

from kvk_enrich import flow
from kvk_enrich.config import Job, load
from kvk_enrich.errors import InputRefused

NUMBER = existing(1)[0]
UNKNOWN = "12345678"
Make = Callable[..., Job]


@pytest.fixture
def job_for(tmp_path: Path) -> Make:
    """Make jobs that compare, all with one home and a practice register in this process."""

    def made(listed: str, *compared: str, **flags: Any) -> Job:
        frame = pl.DataFrame(
            {"KVK": [NUMBER, UNKNOWN, ""], "Naam": ["Anders B.V.", "Weg", "Leeg"], "Stad": ["", "", "x"]}
        )
        path = tmp_path / listed
        match path.suffix:
            case ".xlsx":
                frame.write_excel(path)
            case ".parquet":
                frame.write_parquet(path)
            case _:
                frame.write_csv(path)
        given = {"input": path, "source": "practice", "home": tmp_path / "home", "compare": compared} | flags
        return load(given, environ={"KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"})

    return made


@pytest.mark.parametrize("listed", ["list.xlsx", "list.parquet"])
def test_lists_of_every_kind_are_compared(tmp_path: Path, job_for: Make, listed: str):
    """Own columns come out as they went in; who was not found has no verdict and is not patched."""
    job = job_for(listed, "name=Naam", "visit_city=Stad", output=tmp_path / "out.parquet")
    assert flow.forecast(job).record.rows.total == 3
    flow.run(job)
    rows = pl.read_parquet(tmp_path / "out.parquet")
    assert rows["Naam"].to_list() == ["Anders B.V.", "Weg", "Leeg"]
    assert rows["cmp_name"].to_list() == ["changed", None, None]
    assert rows["cmp_visit_city"].to_list() == ["missing_here", None, None]
    patched = pl.read_csv(tmp_path / "out.patch.csv", infer_schema=False)
    assert patched.select("row", "column").rows() == [("1", "Naam"), ("1", "Stad")]


def test_a_column_that_is_not_there_is_named_with_the_nearest(job_for: Make):
    """Before anything is asked."""
    with pytest.raises(InputRefused, match="Naam"):
        flow.forecast(job_for("list.csv", "name=Namm"))


def test_the_first_run_has_no_changes_and_the_next_tells_none_without_any(tmp_path: Path, job_for: Make):
    """Nothing happened in the register."""
    for _ in range(2):
        flow.run(job_for("list.csv", diff=True, output=tmp_path / "out.parquet"))
        assert pl.read_parquet(tmp_path / "out.diff.parquet").is_empty()
