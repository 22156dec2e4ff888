"""All services through the command line, against the practice register in another process; its log is the judge."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pyarrow.parquet as pq
import pytest
from tests.harness import Drawn, Server, answered, drawn, environment, mixed, serving, started
from tests.here import command

from kvk_enrich.practice import population, published, vat_numbers
from kvk_enrich.practice.settings import KVKBASE_TIERS

PACE = {
    "KVK_ENRICH_SOURCE_PRACTICE_REQUESTS_PER_SECOND": "400",
    "KVK_ENRICH_SOURCE_VIES_REQUESTS_PER_SECOND": "100",
    "KVK_ENRICH_SOURCE_VIES_PER_STATE": "2",
    "KVK_ENRICH_SOURCE_VIES_WORKERS": "8",
    "KVK_ENRICH_SOURCE_VIES_RETRY_WINDOWS": "0.2;0.2;0.2",
}
IMPATIENT = {f"KVK_ENRICH_SOURCE_{source}_TIMEOUT_SECONDS": "3" for source in ("PRACTICE", "KVKBASE", "VIES")}
KVKBASE_KEY = "practice-tokens"
FAST = ("--latency", "0", "--per-second", "400")


def written(folder: Path, values: Sequence[str | None]) -> Path:
    """Write a list of *values*."""
    path = folder / "list.csv"
    pl.DataFrame({"nr": values}).write_csv(path)
    return path


def enriched(out: Path) -> list[dict[str, Any]]:
    """Return the rows of *out*."""
    return pl.read_parquet(out).to_dicts()


def wrong(drawn: Sequence[Drawn], rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what is wrong of *rows*: those that do not say the truth of *drawn*."""
    return [
        (*one, row["enrich_outcome"], row["enrich_reason"], row["kvk_number"])
        for one, row in zip(drawn, rows, strict=True)
        if (one.outcome, one.kvk_number) != (row["enrich_outcome"], row["kvk_number"])
    ]


# -- plan and run -------------------------------------------------------------------------------


def check_planned(folder: Path, drawn: Sequence[Drawn]) -> dict[str, Any]:
    """Plan, run, and run again; the server's log says whether it was as planned. Return the forecast."""
    listed, out = written(folder, [one.number for one in drawn]), folder / "out.parquet"
    with serving(folder, *FAST) as server:
        arguments: list[str | Path] = [listed, "--source", "practice", "--home", folder / "home", "--json"]
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
    assert wrong(drawn, enriched(out)) == []
    assert json.loads(again.stdout)["calls"]["sent"] == 0
    times = ["enrich_fetched_at", "enrich_cached"]
    assert pl.read_parquet(out).drop(times).equals(pl.read_parquet(folder / "again.parquet").drop(times))
    result: dict[str, Any] = forecast | {"asked": dict(counts), "seconds": record["seconds"]}
    return result


def test_a_mixed_list_costs_what_was_planned(tmp_path: Path):
    """Every kind of number: calls, paid and free, and euro are those of the plan; a second run asks nothing."""
    check_planned(tmp_path, mixed(kvk=60, rsin=25, branch=20, legal=25, sole=5, abroad=5))


def test_kvkbase_is_asked_in_batches_as_planned(tmp_path: Path):
    """One batch for all companies, though VAT numbers stand between them; calls and tokens are those of the plan."""
    listed, out = mixed(kvk=20, sole=6, abroad=2), tmp_path / "out.parquet"
    path = written(tmp_path, [one.number for one in listed])
    with serving(tmp_path, *FAST) as server:
        env = environment(server, **PACE | kvkbase_at(server))
        arguments: list[str | Path] = [path, "--source", "kvkbase", "--home", tmp_path / "home", "--json"]
        planned = json.loads(command("plan", *arguments, env=env).stdout)
        done = command("run", *arguments, "-o", out, env=env)
        assert done.returncode == 0, done.stderr
        spent, record = tokens_spent(server), json.loads(done.stdout)
        requests = [arrival.path for arrival in server.arrivals() if not arrival.path.endswith("/health")]
    assert requests.count("/kvkbase/v1/batch") == 1
    assert len(requests) == planned["forecast"]["calls_free"] == record["calls"]["free"] == 1 + 12
    assert planned["forecast"]["left_after"] == record["budget"]["left"] == KVKBASE_TIERS["pro"][0] - spent
    assert spent == 20
    assert {row["enrich_outcome"] for row in enriched(out)} == {"found"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_5000_mixed_numbers_cost_what_was_planned(tmp_path: Path):
    """The same at full size."""
    drawn = mixed(kvk=2_000, rsin=800, branch=700, legal=1_000, sole=200, abroad=100)
    assert len(drawn) == 5_000
    print("5,000 mixed numbers:", check_planned(tmp_path, drawn))  # noqa: T201 - figures to quote


# -- faults -------------------------------------------------------------------------------------

KVK_FAULTS = (
    "status=503 share=0.05 times=1",
    "reset share=0.05 times=1",
    "cut=20 share=0.05 times=1",
    "body=html share=0.05 times=1",
    "delay=5 share=0.05 times=1",
    "other-number share=0.05 times=1",
    "status=429 retry-after=1 nth=40",
)
VIES_FAULTS = (
    # one state that lies while it fails, one that is away, and a few in a hundred of all else that passes
    "state=FR code=TIMEOUT nth=1..2",
    "state=FR false-invalid times=1",
    "state=DE code=MS_UNAVAILABLE nth=1..20",
    "code=MS_UNAVAILABLE share=0.05 times=1",
    "code=MS_MAX_CONCURRENT_REQ share=0.05 times=1",
    "status=503 share=0.05 times=1",
    "reset share=0.05 times=1",
    "cut=30 share=0.05 times=1",
    "body=html share=0.05 times=1",
    "delay=5 share=0.05 times=1",
)
KVKBASE_FAULTS = (
    "code=UPSTREAM_ERROR share=0.05 times=1",
    "status=503 share=0.05 times=1",
    "reset share=0.05 times=1",
    "cut=60 share=0.05 times=1",
    "body=html share=0.05 times=1",
    "delay=5 share=0.05 times=1",
    "status=429 retry-after=1 nth=30",
)
STALE = {"vat_unconfirmed"}
"""kvkbase's own: some of its VAT checks are old, and no run makes them fresh."""


def faulty(*groups: tuple[str, Sequence[str]]) -> list[str]:
    """Return the flags that script the faults of *groups*."""
    return [part for flag, faults in groups for fault in faults for part in (flag, fault)]


@pytest.mark.parametrize("flag", ["--fault", "--vies-fault", "--kvkbase-fault"])
def test_a_fault_that_cannot_be_read_is_told_with_its_flag(flag: str):
    """The register does not begin to serve."""
    done = command("practice", "serve", "--port", "0", flag, "nonsense")
    assert done.returncode == 2
    assert f"{flag}: a fault has no word 'nonsense'" in done.stderr


def unknown(many: int) -> list[Drawn]:
    """Return numbers of each kind that nobody has."""
    states = ("NL", "DE", "FR", "EL", "BE")
    vats = [number for state in states for number in vat_numbers.numbers(state, many, valid=False)]
    kvk = [number for number in map(str, range(17_000_000, 18_000_000)) if not population.exists(number)]
    return [drawn("vat", number) for number in vats] + [drawn("kvk", number) for number in kvk[:many]]


def runs_until_complete(folder: Path, listed: Sequence[Drawn], *flags: str, env: dict[str, str]) -> list[Counter[str]]:
    """
    Run the same command until every row has its final answer; no row ever says what is not so.

    Returns:
        Run by run, how many rows have which outcome; of those failed, why.
    """
    path, out = written(folder, [one.number for one in listed]), folder / "out.parquet"
    told: list[Counter[str]] = []
    for _ in range(5):
        done = command("run", path, *flags, "--home", folder / "home", "-o", out, env=env)
        assert done.returncode in {0, 3}, done.stderr
        rows = enriched(out)
        told.append(Counter(row["enrich_reason"] or row["enrich_outcome"] for row in rows))
        failed = {row["enrich_reason"] for row in rows if row["enrich_outcome"] == "failed"}
        assert [line for line in wrong(listed, rows) if line[-3] != "failed"] == []
        if failed <= STALE:
            assert done.returncode == (3 if failed else 0)
            return told
    raise AssertionError(f"not complete after {len(told)} runs: {told}")


def ledger(folder: Path) -> Counter[str]:
    """Return the units used per register, as ``budget`` tells them."""
    told = json.loads(command("budget", "--json", "--home", folder / "home").stdout)
    return Counter({line["register"].split("@")[0]: line["units"] for line in told})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kvk_and_vies_with_faults(tmp_path: Path):
    """Whatever fails, every row gets its right outcome in a few runs, and the ledger is the server's count."""
    listed = mixed(kvk=100, rsin=40, branch=40, legal=60, sole=20, abroad=30) + unknown(8)
    with serving(tmp_path, *FAST, *faulty(("--fault", KVK_FAULTS), ("--vies-fault", VIES_FAULTS))) as server:
        told = runs_until_complete(
            tmp_path, listed, "--source", "practice", env=environment(server, **PACE | IMPATIENT)
        )
        services = Counter(arrival.service for arrival in server.arrivals())
    assert told[-1].keys() == {"found", "not_registered", "vat_not_valid"}
    assert ledger(tmp_path) == {"practice": services["kvk"], "practice-vies": services["vies"]}
    print(f"{len(listed)} rows, KVK and VIES:", [dict(counts) for counts in told], dict(services))  # noqa: T201 - figures to quote


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kvkbase_and_vies_with_faults(tmp_path: Path):
    """The same with kvkbase; the ledger has the tokens that the server has charged."""
    listed = mixed(kvk=60, legal=15, sole=10, abroad=12) + unknown(4)
    listed = [one if one.kind == "kvk" else one._replace(kvk_number=None) for one in listed]
    with serving(
        tmp_path, *FAST, *faulty(("--kvkbase-fault", KVKBASE_FAULTS), ("--vies-fault", VIES_FAULTS))
    ) as server:
        env = PACE | IMPATIENT | kvkbase_at(server)
        flags = ["--source", "kvkbase", "--products", "basisprofiel,vestigingen,vat"]
        told = runs_until_complete(tmp_path, listed, *flags, env=environment(server, **env))
        spent = tokens_spent(server)
        services = Counter(arrival.service for arrival in server.arrivals())
    assert ledger(tmp_path) == {"kvkbase": spent, "vies": services["vies"]}
    told_of = f"{len(listed)} rows, kvkbase and VIES:"
    print(told_of, [dict(counts) for counts in told], dict(services), f"{spent} tokens")  # noqa: T201 - figures to quote


def kvkbase_at(server: Server) -> dict[str, str]:
    """Return the variables with which *server* is kvkbase and VIES."""
    return {
        "KVKBASE_API_KEY": KVKBASE_KEY,
        "KVK_ENRICH_SOURCE_KVKBASE_BASE_URL": server.base_url("kvkbase"),
        "KVK_ENRICH_SOURCE_VIES_BASE_URL": server.base_url("vies"),
    }


def tokens_spent(server: Server) -> int:
    """Return what kvkbase says that our key has spent."""
    with httpx2.Client(trust_env=False) as client:
        said = client.get(
            f"{server.base_url('kvkbase')}/health", headers={"Authorization": f"Bearer {KVKBASE_KEY}"}
        ).headers["X-Tokens-Remaining"]
    return KVKBASE_TIERS["pro"][0] - int(said)


# -- products -----------------------------------------------------------------------------------

MANY = "90006577"
"""KVK's test company with 1,000 branches."""


def test_an_audit_costs_nothing(tmp_path: Path):
    """--products none: what exists and is active, by searches alone, for nothing."""
    listed = mixed(kvk=6, rsin=3, branch=3) + unknown(2)[-2:]
    out = tmp_path / "out.parquet"
    with serving(tmp_path, *FAST) as server:
        flags: list[str | Path] = ["--source", "practice", "--products", "none", "--home", tmp_path / "home", "--json"]
        done = command(
            "run",
            written(tmp_path, [one.number for one in listed]),
            *flags,
            "-o",
            out,
            env=environment(server, **PACE),
        )
        assert done.returncode == 0, done.stderr
        assert server.per_product() == {"zoeken": len(listed)}
    record = json.loads(done.stdout)
    assert (record["calls"]["paid"], record["calls"]["free"], record["cost_eur"]) == (0, len(listed), "0.00")
    assert wrong(listed, enriched(out)) == []
    assert [row["kvk_active"] for row in enriched(out)] == [True if one.kvk_number else None for one in listed]


def test_all_products_of_kvks_test_numbers(tmp_path: Path):
    """Every product fills its columns; the branches have a file of their own, a line each, read by another reader."""
    companies = published.companies(0)
    numbers = list(companies)
    out = tmp_path / "out.parquet"
    products = "basisprofiel,vestigingen,vestigingsprofiel,naamgeving,vat"
    with serving(tmp_path, *FAST) as server:
        flags: list[str | Path] = ["--source", "practice", "--products", products, "--home", tmp_path / "home"]
        done = command("run", written(tmp_path, numbers), *flags, "-o", out, "--json", env=environment(server, **PACE))
        assert done.returncode == 0, done.stderr
        assert set(server.asked().values()) == {1}
    branches = pq.read_table(tmp_path / "out.branches.parquet").to_pylist()
    assert Counter(line["kvk_number"] for line in branches) == {
        number: len(company.branches) for number, company in companies.items() if company.branches
    }
    assert {line["branch_number"] for line in branches if line["kvk_number"] == MANY} == {
        branch.number for branch in companies[MANY].branches
    }
    assert json.loads(done.stdout)["outputs"]["branches"]["rows"] == len(branches)
    rows = pq.read_table(out).to_pylist()
    assert [row["enrich_outcome"] for row in rows] == ["found"] * len(numbers)
    assert {row["kvk_number"]: row["kvk_branches"] for row in rows}[MANY] == 1_000
    never = {name for name in rows[0] if name.startswith(("kvk_", "vat_", "branch_")) and not filled(rows, name)}
    rare = {name for name in never if name.endswith(("_house_addition", "_house_letter"))}
    assert never - rare == {"vat_consultation_number"}  # no requester was named
    vat = {row["kvk_number"]: row["vat_status"] for row in rows}
    assert vat["68750110"] == "valid"
    assert [number for number, status in vat.items() if status == "invalid"] == []


def filled(rows: Sequence[dict[str, Any]], name: str) -> bool:
    """Say whether any of *rows* has something in the column *name*."""
    return any(row[name] not in (None, []) for row in rows)


# -- a run that is killed -----------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_run_asks_nothing_twice(tmp_path: Path):
    """After kill -9 of a mixed run nothing that was answered is asked again; the outputs are the undisturbed ones."""
    listed = mixed(kvk=40, rsin=15, branch=15, legal=20, sole=5, abroad=5)
    path, home = written(tmp_path, [one.number for one in listed]), tmp_path / "home"
    arguments: list[str | Path] = ["run", path, "--source", "practice", "--home", home]
    out = tmp_path / "out.parquet"
    with serving(tmp_path, "--latency", "0.1", "--per-second", "400") as server:
        env = environment(server, **PACE)
        run = started(*arguments, "-o", out, env=env)
        while len(answered(home)) < 40:
            time.sleep(0.02)
        run.kill()
        run.wait()
        known = recorded(home)
        assert not out.exists()
        before = server.asked()
        done = command(*arguments, "-o", out, env=env)
        assert done.returncode == 0, done.stderr
        twice = server.asked() - before
        assert {key for key in twice if key in known} == set()
        assert set(before) - set(known) >= {key for key, times in server.asked().items() if times > 1}
        undisturbed = command(
            "run", path, "--source", "practice", "--home", tmp_path / "other", "-o", tmp_path / "o.parquet", env=env
        )
        assert undisturbed.returncode == 0
    assert wrong(listed, enriched(out)) == []
    times = ["enrich_fetched_at", "enrich_cached", "vat_checked_at"]
    assert pl.read_parquet(out).drop(times).equals(pl.read_parquet(tmp_path / "o.parquet").drop(times))


def recorded(home: Path) -> set[tuple[str, str]]:
    """Return product and number of all answers in the journal of *home*."""
    with closing(sqlite3.connect(f"file:{home / 'journal.sqlite'}?mode=ro", uri=True)) as sql:
        return set(sql.execute("SELECT product, number FROM answer").fetchall())
