"""Lists with VAT numbers through the command line: judged by VIES, side by side with KVK numbers, nothing kept."""

import json
import re
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from stdnum.nl import bsn
from tests.harness import Server, answered, environment, mixed, serving, started
from tests.here import command

from kvk_enrich.practice import population, vat_numbers

QUICK = {
    "KVK_ENRICH_SOURCE_VIES_REQUESTS_PER_SECOND": "100",
    "KVK_ENRICH_SOURCE_VIES_RETRY_WINDOWS": "0.1",
}


def listed(folder: Path, **columns: Sequence[str | None]) -> Path:
    """Write a list of *columns*."""
    path = folder / "list.csv"
    pl.DataFrame(columns).write_csv(path)
    return path


def enrich(
    server: Server, folder: Path, path: Path, *flags: str, code: int = 0, **env: str
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Enrich the list and return its rows and the run record; *code* is how the command is to end."""
    out = folder / "out.parquet"
    arguments: list[str | Path] = ["run", path, "--source", "practice", "--home", folder / "home", "-o", out, "--json"]
    done = command(*arguments, *flags, env=environment(server, **QUICK | env))
    assert done.returncode == code, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return (pl.read_parquet(out).to_dicts() if record["outputs"] else []), record


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A practice register without latency."""
    with serving(tmp_path, "--latency", "0") as running:
        yield running


# -- two columns --------------------------------------------------------------------------------


def test_two_numbers_of_a_row_are_both_asked_and_held_against_each_other(tmp_path: Path, server: Server):
    """One row with both answers; another company, a number that is not valid, a cell that is none: all told."""
    one, two = mixed(kvk=1)[0].number, mixed(legal=3)
    agreeing, strange, invalid = two[0], two[1], vat_numbers.numbers("NL", 1, valid=False)[0]
    path = listed(
        tmp_path,
        kvk=[agreeing.kvk_number, one, one, one, None],
        btw=[agreeing.number, strange.number, invalid, "geen idee", two[2].number],
    )
    rows, _ = enrich(server, tmp_path, path, "--column", "kvk", "--column", "btw")
    assert [(row["enrich_outcome"], row["enrich_flags"], row["kvk_number"], row["vat_status"]) for row in rows] == [
        ("found", None, agreeing.kvk_number, "valid"),
        ("found", ["numbers_disagree"], one, "valid"),
        ("found", ["other_not_found"], one, "invalid"),
        ("found", None, one, None),
        ("found", None, two[2].kvk_number, "valid"),
    ]
    assert "btw" in rows[3]["enrich_note"]
    assert rows[1]["vat_number"] == strange.number
    asked = server.asked()
    assert set(asked.values()) == {1}
    assert {number for product, number in asked if product == "basisprofiel"} == {
        agreeing.kvk_number,
        one,
        two[2].kvk_number,
    }


# -- what is refused, what is judged ------------------------------------------------------------


def test_strict_refuses_what_the_register_would_judge(tmp_path: Path, server: Server):
    """A wrong check digit: with --strict nothing is asked, without it VIES has the last word and the row a flag."""
    (good,) = vat_numbers.numbers("FR", 1)
    mistyped = f"{good[:-1]}{(int(good[-1]) + 1) % 10}"
    path = listed(tmp_path, btw=[mistyped])
    ((refused,), _) = enrich(server, tmp_path, path, "--strict")
    assert (refused["enrich_outcome"], refused["enrich_reason"]) == ("invalid", "check_digit")
    assert server.arrivals() == []
    ((judged,), _) = enrich(server, tmp_path, path)
    assert (judged["enrich_outcome"], judged["enrich_reason"]) == ("not_found", "vat_not_valid")
    assert (judged["enrich_flags"], judged["vat_status"]) == (["check_digit"], "invalid")
    assert [arrival.service for arrival in server.arrivals()] == ["vies"]


def test_the_country_may_stand_in_a_column_of_its_own(tmp_path: Path, server: Server):
    """VAT numbers written without their country are asked with it; where none is given, none is guessed."""
    german, french = vat_numbers.numbers("DE", 1)[0], vat_numbers.numbers("FR", 1)[0]
    path = listed(tmp_path, land=["DE", "Frankrijk", None], btw=[german[2:], french[2:], french[2:]])
    rows, _ = enrich(server, tmp_path, path, "--country-column", "land", "--kind", "vat")
    assert [(row["enrich_number"], row["vat_status"]) for row in rows] == [
        (german, "valid"),
        (french, "valid"),
        (None, None),
    ]
    assert rows[2]["enrich_reason"] == "country_missing"
    assert sorted(number for _, number in server.asked()) == sorted([german, french])


@pytest.mark.slow
@pytest.mark.parametrize("ceiling", [["--max-eur", "0.04"], ["--max-calls", "2"]])
def test_a_ceiling_stops_what_is_paid_only(tmp_path: Path, server: Server, ceiling: list[str]):
    """Free calls go on; paid ones end at the ceiling, the rest is deferred, and the next run finishes it."""
    drawn = mixed(kvk=3, rsin=2, legal=2, abroad=1)
    path = listed(tmp_path, nr=[one.number for one in drawn])
    rows, record = enrich(server, tmp_path, path, *ceiling, code=4)
    products = server.per_product()
    assert products == {"basisprofiel": 2, "zoeken": 4, "vies": 5}
    assert (record["calls"]["paid"], record["cost_eur"]) == (2, "0.04")
    deferred = [row["enrich_reason"] for row in rows if row["enrich_outcome"] == "deferred"]
    assert deferred == ["run_ceiling"] * 5
    assert sum(row["enrich_outcome"] == "found" for row in rows) == len(rows) - 5
    rows, record = enrich(server, tmp_path, path)
    assert [row["kvk_number"] for row in rows] == [one.kvk_number for one in drawn]
    assert server.per_product() == {"basisprofiel": 7, "zoeken": 4, "vies": 5}


# -- services away ------------------------------------------------------------------------------


@pytest.mark.slow
def test_vies_away_fails_its_rows_and_says_nothing_of_them(tmp_path: Path):
    """Every row failed, with what VIES said, the status unknown, outputs written."""
    drawn = mixed(legal=3, sole=3, abroad=3)
    path = listed(tmp_path, btw=[one.number for one in drawn])
    with serving(tmp_path, "--latency", "0", "--vies-fault", "code=MS_UNAVAILABLE") as server:
        rows, record = enrich(server, tmp_path, path, code=3)
    assert {(row["enrich_outcome"], row["vat_status"], row["vat_valid"]) for row in rows} == {
        ("failed", "unknown", None)
    }
    assert {row["enrich_reason"] for row in rows} == {"vies_unavailable"}
    assert record["state"] == "partial"
    assert len((tmp_path / "out.failed.csv").read_text().splitlines()) == len(rows) + 1
    assert {arrival.service for arrival in server.arrivals()} == {"vies"}


def test_kvk_away_ends_the_run_though_vies_answers(tmp_path: Path):
    """The register that is paid for decides: code 6, nothing written; what VIES said is kept for the next run."""
    drawn = mixed(kvk=5, abroad=2)
    path = listed(tmp_path, nr=[one.number for one in drawn])
    with serving(tmp_path, "--latency", "0") as server:
        nowhere = {
            "KVK_ENRICH_SOURCE_PRACTICE_BASE_URL": "http://127.0.0.1:9/api",
            "KVK_ENRICH_SOURCE_VIES_BASE_URL": server.base_url("vies"),
        }
        rows, record = enrich(server, tmp_path, path, code=6, **nowhere)
        assert (rows, record["state"]) == ([], "stopped")
        assert record["calls"]["paid"] == 0


# -- citizen service numbers --------------------------------------------------------------------


def delicate(many: int) -> list[str]:
    """Return VAT numbers as sole traders had them before 2020, of nobody: their digits may be a citizen's."""
    made = (f"{place:09}" for place in range(111_111_111, 999_999_999, 73_019))
    nobodys = (nine for nine in made if bsn.is_valid(nine) and population.company_by_rsin(nine) is None)
    return [f"NL{nine}B{place % 3 + 1:02}" for place, nine in enumerate(islice(nobodys, many))]


def holders(folder: Path, digits: Sequence[str]) -> set[str]:
    """Return which files below *folder* hold any of *digits*, packed or not: bytes, journal rows, cache rows."""
    held = re.compile("|".join(digits))
    found = set()
    for path in (path for path in folder.rglob("*") if path.is_file()):
        if held.search(path.read_bytes().decode("latin-1")) or any(map(held.search, texts_in(path))):
            found.add(str(path.relative_to(folder)))
    return found


def texts_in(path: Path) -> Iterator[str]:
    """Yield what the rows of a store say, bodies unpacked."""
    if path.name == "journal.sqlite":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
            for (table,) in journal.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                for row in journal.execute(f"SELECT * FROM {table}"):
                    yield from (unpacked(value) for value in row)
    elif path.suffix == ".duckdb":
        with closing(duckdb.connect(str(path), read_only=True)) as cache:
            for (table,) in cache.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                for row in cache.execute(f'FROM "{table}"').fetchall():
                    yield from map(str, row)
    elif path.suffix == ".parquet":
        yield str(pl.read_parquet(path).to_dicts())


def unpacked(value: object) -> str:
    """Return *value* as text, inflated if it was deflated."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        return zlib.decompress(value).decode()
    except zlib.error:
        return value.decode("latin-1")


def asked_of_others(server: Server, digits: Sequence[str]) -> list[str]:
    """Return the lines of the log that hold any of *digits* and are not about VIES."""
    held = re.compile("|".join(digits))
    return [line for line in server.log.read_text().splitlines() if held.search(line) and "\t/vies/" not in line]


def test_what_may_be_a_citizens_number_goes_to_vies_alone(tmp_path: Path):
    """Not valid, or not to be asked: the digits lie in no store, report or console line, and KVK never sees them."""
    secret = delicate(12)
    digits = [number[2:11] for number in secret]
    legal = mixed(legal=3)
    path = listed(tmp_path, btw=[*secret, *(one.number for one in legal), f"BSN {digits[3]}"])
    failing = ["--vies-fault", f"code=MS_UNAVAILABLE number={secret[0]},{secret[1]}"]
    with serving(tmp_path, "--latency", "0", *failing) as server:
        out = tmp_path / "out.csv"
        arguments: list[str | Path] = [path, "--source", "practice", "--home", tmp_path / "home"]
        env = environment(server, **QUICK)
        done = [
            command("plan", *arguments, env=env),
            command("run", *arguments, "-o", out, "--json", env=env),
            command("explain", secret[2], *arguments[1:], env=env),
            command("runs", "list", "--json", "--home", tmp_path / "home", env=env),
        ]
        assert [one.returncode for one in done] == [0, 3, 0, 0], done
        assert asked_of_others(server, digits) == []
        assert {number for product, number in server.asked() if product == "vies"} == {
            *secret,
            *(one.number for one in legal),
        }
    rows = pl.read_csv(out, infer_schema=False).to_dicts()
    assert [row["enrich_outcome"] for row in rows] == ["failed"] * 2 + ["not_found"] * 10 + ["found"] * 3 + ["invalid"]
    assert rows[-1]["enrich_reason"] == "citizen_number"
    assert [row["kvk_number"] for row in rows[12:15]] == [one.kvk_number for one in legal]
    said = "".join(one.stdout + one.stderr for one in done)
    assert [nine for nine in digits if nine in said] == []
    assert holders(tmp_path / "home", digits) == set()
    beside = {name for name in holders(tmp_path, digits) if not name.startswith("home")}
    assert beside == {"list.csv", "out.csv", "arrivals.log"}  # the list itself, its rows, what VIES was asked
    legal_ones = [one.number[2:11] for one in legal]
    assert holders(tmp_path / "home", legal_ones) != set()  # a search that finds what is there


@pytest.mark.slow
def test_a_kill_leaves_no_citizens_number_in_the_stores(tmp_path: Path):
    """Journal and cache hold none; the working copy of the list is gone with the next run."""
    secret = delicate(60)
    digits = [number[2:11] for number in secret]
    path = listed(tmp_path, btw=secret)
    home = tmp_path / "home"
    arguments: list[str | Path] = ["run", path, "--source", "practice", "--home", home, "-o", tmp_path / "out.csv"]
    with serving(tmp_path, "--latency", "0.1") as server:
        env = environment(server, **QUICK)
        run = started(*arguments, env=env)
        while len(answered(home)) < 8:
            time.sleep(0.05)
        run.kill()
        run.wait()
        assert {name for name in holders(home, digits) if not name.startswith("tmp/")} == set()
        before = server.asked()
        done = command(*arguments, env=env)
        assert done.returncode == 0, done.stderr
        assert asked_of_others(server, digits) == []
        again = [key for key, times in server.asked().items() if times > 1]
    assert holders(home, digits) == set()
    assert len(again) <= 1  # the one that was under way
    assert len(before) < len(secret)
