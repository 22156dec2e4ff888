"""Every recipe runs as its docstring says, on the practice register, with nothing configured."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.harness import environment, record_of

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "pipelines").glob("*.py"))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder like a clone: the samples, and nothing made yet."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "samples").symlink_to(ROOT / "data" / "samples")
    return tmp_path


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_recipe_runs_as_it_stands(recipe: Path, desk: Path):
    """Each recipe ends well, leaves its files and prints what it promises."""
    more = {"KVK_ENRICH_HOME": str(desk / "home"), "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"}
    done = subprocess.run(
        [sys.executable, recipe], cwd=desk, env=environment() | more, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (written,) = [*(desk / "data").glob("*.enriched.csv"), *(desk / "data").glob("*.enriched.parquet")]
    record = record_of(written)
    assert record["state"] == "complete"
    assert record["rows"]["found"] > 0
    assert done.stdout


def test_the_nightly_recipe_names_the_customers_to_look_at(desk: Path):
    """What it prints is the ended and the unknown, and nobody else."""
    more = {"KVK_ENRICH_HOME": str(desk / "home"), "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"}
    done = subprocess.run(
        [sys.executable, ROOT / "pipelines" / "nightly_crm.py"],
        cwd=desk,
        env=environment() | more,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = pl.read_parquet(desk / "data" / "customers.enriched.parquet")
    gone = rows.filter((pl.col("enrich_outcome") == "not_found") | ~pl.col("kvk_active"))["klant"].to_list()
    assert [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == gone


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_recipe_uses_the_public_api_only(recipe: Path):
    """A recipe imports names of the package itself, none of its parts."""
    imports = [line for line in recipe.read_text().splitlines() if "kvk_enrich" in line and "import" in line]
    assert len(imports) == 1
    assert imports[0].startswith("from kvk_enrich import ")
