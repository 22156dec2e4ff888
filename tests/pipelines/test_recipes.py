"""Every recipe runs as its docstring says, on the practice register, with nothing configured."""

import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from tests.harness import environment, existing, record_of

from kvk_enrich import verify

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "pipelines").glob("*.py"))


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder like a clone: the samples, and nothing made yet."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "samples").symlink_to(ROOT / "data" / "samples")
    return tmp_path


def _at(desk: Path) -> dict[str, str]:
    """Return the environment of somebody at *desk* who does not wait for the practice registers."""
    return environment() | _settings(desk)


def _settings(desk: Path) -> dict[str, str]:
    return {
        "KVK_ENRICH_HOME": str(desk / "home"),
        "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0",
        "KVK_ENRICH_SOURCE_VIES_REQUESTS_PER_SECOND": "100",
    }


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_recipe_runs_as_it_stands(recipe: Path, desk: Path):
    """Each recipe ends well, leaves its files and prints what it promises."""
    done = subprocess.run(
        [sys.executable, recipe], cwd=desk, env=_at(desk), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (written,) = [*(desk / "data").glob("*.enriched.csv"), *(desk / "data").glob("*.enriched.parquet")]
    record = record_of(written)
    assert record["state"] == "complete"
    assert record["rows"]["found"] > 0
    assert done.stdout


def _main(recipe: str, *arguments: str) -> int | str | None:
    """Run a recipe in this process, and return its exit code."""
    path = str(ROOT / "pipelines" / f"{recipe}.py")
    with mock.patch.object(sys, "argv", [path, *arguments]), pytest.raises(SystemExit) as ended:
        runpy.run_path(path, run_name="__main__")
    return ended.value.code


@pytest.fixture
def at_the_desk(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be at the desk, in this process."""
    monkeypatch.chdir(desk)
    for name, value in _settings(desk).items():
        monkeypatch.setenv(name, value)
    return desk


UNKNOWN = "12345678"


@pytest.mark.parametrize(
    ("recipe", "header"),
    [("nightly_crm", "naam;kvk;anders;nog iets"), ("supplier_audit", "^relatie$;kvk;btw-id;land")],
)
def test_a_recipe_takes_a_list_of_ones_own(recipe: str, header: str, at_the_desk: Path, capsys):
    """Besides the columns that it asks for anything may stand there; who is to be looked at is told by the first."""
    (at_the_desk / "eigen.csv").write_text(f"{header}\nEen;{existing(1)[0]};;NL\nTwee;{UNKNOWN};;\n")
    assert _main(recipe, "eigen.csv") == 0
    told = [line.split(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert told[-2:] == [header.split(";", maxsplit=1)[0], "Twee"]


def test_a_spreadsheet_opens_what_came_of_its_list(at_the_desk: Path):
    """The list and the failed items are written as a Dutch spreadsheet reads them."""
    assert _main("spreadsheet") == 0
    for name in ("klanten.enriched.csv", "klanten.enriched.failed.csv"):
        assert (at_the_desk / "data" / name).read_bytes().startswith(b"\xef\xbb\xbf")
    first = (at_the_desk / "data" / "klanten.enriched.csv").read_text(encoding="utf-8-sig").splitlines()[1]
    assert first.startswith("Café De Zwaan;")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_recipe_says_what_it_takes(recipe: Path, at_the_desk: Path, capsys):
    """Its help is its docstring, and what it does not take is refused: nothing is asked."""
    assert _main(recipe.stem, "--help") == 0
    assert f"python pipelines/{recipe.name} [LIST] [SOURCE]" in capsys.readouterr().out
    assert _main(recipe.stem, "list.csv", "practice", "too much") == 2
    assert "too much" in capsys.readouterr().err
    (at_the_desk / "other.csv").write_text("other\nx\n")
    assert _main(recipe.stem, "other.csv") == 9


@pytest.mark.slow
def test_the_nightly_recipe_names_the_customers_to_look_at(desk: Path):
    """What it prints is the ended and the unknown, and nobody else."""
    done = subprocess.run(
        [sys.executable, ROOT / "pipelines" / "nightly_crm.py"],
        cwd=desk,
        env=_at(desk),
        capture_output=True,
        text=True,
        check=True,
    )
    rows = pl.read_parquet(desk / "data" / "customers.enriched.parquet")
    gone = rows.filter((pl.col("enrich_outcome") == "not_found") | ~pl.col("kvk_active"))["klant"].to_list()
    assert [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == gone


def test_the_audit_proves_its_checks_and_names_the_suppliers_to_look_at(desk: Path):
    """Each valid VAT number has a consultation number of its own; the ended, unknown and contradictory are listed."""
    done = subprocess.run(
        [sys.executable, ROOT / "pipelines" / "supplier_audit.py"],
        cwd=desk,
        env=_at(desk) | {"KVK_ENRICH_SOURCE_VIES_REQUESTER": "NL857587973B01"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = pl.read_parquet(desk / "data" / "crediteuren.enriched.parquet")
    valid = rows.filter(pl.col("vat_status") == "valid")
    _, _, proofs, evidence, _, *listed = done.stdout.splitlines()
    checked = verify(desk / "data" / "crediteuren.evidence", manifest_sha256=evidence.removeprefix("evidence "))
    assert (checked.problems, checked.rows) == ((), rows.height)
    assert proofs == f"proofs {valid['vat_number'].n_unique()}"
    said = dict(line.split(",", 1) for line in listed)
    assert said["K04"] == "found,,true,valid,numbers_disagree"
    assert said["K05"] == "found,,false,invalid,other_not_found"
    assert said["K16"] == "not_found,vat_not_valid,,invalid,"
    assert not {"K01", "K02", "K03", "K06", "K12"} & said.keys()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_recipe_uses_the_public_api_only(recipe: Path):
    """A recipe imports names of the package itself, none of its parts."""
    imports = [line for line in recipe.read_text().splitlines() if "kvk_enrich" in line and "import" in line]
    assert len(imports) == 1
    assert imports[0].startswith("from kvk_enrich import ")
