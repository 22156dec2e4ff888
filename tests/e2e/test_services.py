"""All services through the command line, against the practice register in another process; its log is the judge."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from tests.harness import Drawn, Server, command, environment, mixed, record_of, serving

PACE = {
    "KVK_ENRICH_SOURCE_PRACTICE_REQUESTS_PER_SECOND": "400",
    "KVK_ENRICH_SOURCE_VIES_REQUESTS_PER_SECOND": "100",
    "KVK_ENRICH_SOURCE_VIES_PER_STATE": "2",
    "KVK_ENRICH_SOURCE_VIES_WORKERS": "8",
    "KVK_ENRICH_SOURCE_VIES_RETRY_WINDOWS": "0.2;0.2;0.2",
}
FAST = ("--latency", "0", "--per-second", "400")


def written(folder: Path, values: Sequence[str | None]) -> Path:
    """Write a list of *values*."""
    path = folder / "list.csv"
    pl.DataFrame({"nr": values}).write_csv(path)
    return path


def enriched(out: Path) -> list[dict]:
    """Return the rows of *out*."""
    return pl.read_parquet(out).to_dicts()


def right(drawn: Sequence[Drawn], rows: Sequence[dict]) -> list[tuple]:
    """Return what is wrong of *rows*: those that do not say the truth of *drawn*."""
    return [
        (*one, row["enrich_outcome"], row["enrich_reason"], row["kvk_number"])
        for one, row in zip(drawn, rows, strict=True)
        if (one.outcome, one.kvk_number) != (row["enrich_outcome"], row["kvk_number"])
    ]


# -- plan and run -------------------------------------------------------------------------------


def check_planned(folder: Path, drawn: Sequence[Drawn]) -> dict:
    """Plan, run, and run again; the server's log says whether it was as planned. Return the forecast."""
    listed, out = written(folder, [one.number for one in drawn]), folder / "out.parquet"
    with serving(folder, *FAST) as server:
        arguments = [listed, "--source", "practice", "--home", folder / "home", "--json"]
        env = environment(server, **PACE)
        planned = json.loads(command("plan", *arguments, env=env).stdout)
        assert server.arrivals() == []
        done = command("run", *arguments, "-o", out, env=env)
        assert done.returncode == 0, done.stderr
        asked = server.asked()
        again = command("run", *arguments, "-o", folder / "again.parquet", env=env)
        assert server.asked() == asked
    forecast, record = planned["forecast"], json.loads(done.stdout)
    counts = Counter(product for product, _ in asked.elements())
    paid = counts.pop("basisprofiel")
    assert set(asked.values()) == {1}
    assert (forecast["calls_paid"], forecast["calls_free"]) == (paid, counts.total())
    assert (record["calls"]["paid"], record["calls"]["free"]) == (paid, counts.total())
    assert forecast["cost_eur"] == record["cost_eur"] == f"{paid * 0.02:.2f}"
    assert forecast["left_after"] == record["budget"]["left"]
    assert right(drawn, enriched(out)) == []
    assert json.loads(again.stdout)["calls"]["sent"] == 0
    times = ["enrich_fetched_at", "enrich_cached"]
    assert pl.read_parquet(out).drop(times).equals(pl.read_parquet(folder / "again.parquet").drop(times))
    return forecast | {"asked": dict(counts), "seconds": record["seconds"]}


def test_a_mixed_list_costs_what_was_planned(tmp_path: Path):
    """Every kind of number: calls, paid and free, and euro are those of the plan; a second run asks nothing."""
    check_planned(tmp_path, mixed(kvk=60, rsin=25, branch=20, legal=25, sole=5, abroad=5))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_5000_mixed_numbers_cost_what_was_planned(tmp_path: Path):
    """The same at full size."""
    drawn = mixed(kvk=2_000, rsin=800, branch=700, legal=1_000, sole=200, abroad=100)
    assert len(drawn) == 5_000
    print("5,000 mixed numbers:", check_planned(tmp_path, drawn))
