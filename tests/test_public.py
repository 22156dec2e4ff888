"""What programs may build on: names that are there, and that lead through a whole job."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from tests.harness import existing

import kvk_enrich


def test_every_public_name_is_there():
    """And a name that is not public is none."""
    assert None not in [getattr(kvk_enrich, name) for name in kvk_enrich.__all__]
    with pytest.raises(AttributeError, match="no attribute"):
        _ = kvk_enrich.not_there


def test_a_program_can_do_what_the_commands_do(tmp_path: Path):
    """Look, plan, run, patch, compare two nights, read the ledger, check the files; paths may be text."""
    listed, home, output = str(tmp_path / "crm.csv"), tmp_path / "home", tmp_path / "out.parquet"
    config = tmp_path / "own.toml"
    config.write_text(f'home = "{home}"\n')
    pl.DataFrame({"nr": existing(3), "Naam": ["Oude Naam", None, "Oude Naam"]}).write_csv(listed)
    settings = kvk_enrich.load_settings({}, config_file=str(config))
    assert kvk_enrich.inspect(listed, settings).rows == 3

    job = kvk_enrich.load(
        {
            "input": listed,
            "source": "practice",
            "home": home,
            "output": output,
            "compare": ["name=Naam"],
            "patch": "name",
        }
    )
    assert kvk_enrich.forecast(job).record.forecast.cost_eur == Decimal("0.06")
    assert kvk_enrich.run(job).exit_code == kvk_enrich.ExitCode.COMPLETE

    mended = tmp_path / "mended.csv"
    patched = kvk_enrich.apply(listed, str(output.with_suffix(".patch.csv")), str(mended), settings)
    assert pl.read_csv(mended)["Naam"].to_list() == pl.read_parquet(output)["kvk_name"].to_list()
    assert (patched.done, patched.left) == (3, ())

    assert kvk_enrich.diff(str(output), str(output), str(tmp_path / "changes.csv"), settings).is_empty()
    assert (tmp_path / "changes.csv").exists()
    assert [(line.units, line.calls_eur) for line in kvk_enrich.ledger(settings)] == [(3, Decimal("0.06"))]
    assert kvk_enrich.explain(job, existing(1)[0]).kind == "kvk"
    assert kvk_enrich.verify(str(output.with_suffix(".run.json"))).problems == ()
