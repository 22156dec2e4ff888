"""The main job through the command line, against the practice register."""

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from tests.harness import COMMAND, answered, environment, existing, record_of, serving, started, write_list
from tests.here import command

FAST = "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS"


def enrich(tmp_path: Path, *arguments: str | Path, **env: str):
    """Run the command against an in-process register without latency."""
    variables = environment() | {FAST: "0"} | env
    return command("run", *arguments, "--source", "practice", "--home", tmp_path / "home", env=variables)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A list with every fate: found, not found, invalid, empty, a duplicate, a repaired number."""
    first, second = existing(2)
    return write_list(tmp_path / "list.csv", [first, "12345678", "n.v.t.", None, f"KvK {first}", second, "12"])


def test_every_row_comes_back_in_order_with_its_fate(tmp_path: Path, mixed: Path):
    """All rows, in input order, own columns untouched, each with an outcome and a reason unless found."""
    out = tmp_path / "out.parquet"
    done = enrich(tmp_path, mixed, "-o", out)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(out).to_pylist()
    assert [row["klant"] for row in table] == [f"klant {place}" for place in range(7)]
    assert [(row["enrich_outcome"], row["enrich_reason"]) for row in table] == [
        ("found", None),
        ("not_found", "not_registered"),
        ("invalid", "placeholder"),
        ("invalid", "empty"),
        ("found", None),
        ("found", None),
        ("invalid", "wrong_length"),
    ]
    assert table[0]["kvk_number"] == table[4]["kvk_number"] == existing(1)[0]
    assert table[4]["enrich_note"] is not None


def test_the_record_counts_add_up_and_the_hashes_hold(tmp_path: Path, mixed: Path):
    """The run record's counts, money and hashes are those of the files."""
    out = tmp_path / "out.parquet"
    done = enrich(tmp_path, mixed, "-o", out, "--json")
    record = record_of(out)
    assert json.loads(done.stdout) == record
    assert record["rows"] == {"total": 7, "found": 3, "not_found": 1, "invalid": 3, "failed": 0, "deferred": 0}
    assert record["numbers"] == {"distinct": 3, "cached": 0, "asked": 3}
    assert record["calls"] == {"sent": 3, "paid": 3, "free": 0, "retries": 0, "in_doubt": 0}
    assert (record["cost_eur"], record["saved_eur"]) == ("0.06", "0.02")
    assert record["state"] == "complete"
    from hashlib import sha256

    for part in record["outputs"].values():
        assert sha256(Path(part["path"]).read_bytes()).hexdigest() == part["sha256"]


def test_the_failed_items_say_what_to_do(tmp_path: Path, mixed: Path):
    """One line per row without an answer, counted as a spreadsheet user counts."""
    enrich(tmp_path, mixed, "-o", tmp_path / "out.csv")
    with (tmp_path / "out.failed.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["row"], line["value"], line["reason"]) for line in lines] == [
        ("3", "n.v.t.", "placeholder"),
        ("4", "", "empty"),
        ("7", "12", "wrong_length"),
    ]
    assert all(line["what_to_do"] for line in lines)


def test_a_second_run_asks_nothing(tmp_path: Path, mixed: Path):
    """What was answered once is known: the same rows, no call, not a cent."""
    enrich(tmp_path, mixed, "-o", tmp_path / "first.parquet")
    done = enrich(tmp_path, mixed, "-o", tmp_path / "second.parquet")
    assert done.returncode == 0
    record = record_of(tmp_path / "second.parquet")
    assert (record["calls"]["sent"], record["cost_eur"], record["numbers"]["cached"]) == (0, "0.00", 3)
    times = ["enrich_fetched_at", "enrich_cached"]
    first, second = (pl.read_parquet(tmp_path / name).drop(times) for name in ("first.parquet", "second.parquet"))
    assert first.equals(second)


def test_plan_prices_without_asking(tmp_path: Path, mixed: Path):
    """Plan says distinct numbers, euro and what is left, and leaves no output and no spending."""
    done = command("plan", mixed, "--source", "practice", "--home", tmp_path / "home", "--json", env=environment())
    planned = json.loads(done.stdout)
    assert done.returncode == 0
    assert planned["state"] == "planned"
    assert planned["forecast"] | {"seconds": 0} == {
        "calls_paid": 3,
        "calls_free": 0,
        "cost_eur": "0.06",
        "seconds": 0,
        "left_after": 299_997,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "list.csv"]


@pytest.mark.parametrize("ceiling", [["--max-calls", "2"], ["--max-eur", "0.05"]])
def test_a_ceiling_defers_the_rest(tmp_path: Path, mixed: Path, ceiling: list[str]):
    """The run's ceiling ends it with code 4: outputs written, the rest deferred, the next run finishes it."""
    out = tmp_path / "out.parquet"
    done = enrich(tmp_path, mixed, "-o", out, *ceiling)
    assert done.returncode == 4
    assert record_of(out)["rows"]["deferred"] == 1
    assert record_of(out)["calls"]["sent"] == 2
    assert enrich(tmp_path, mixed, "-o", out).returncode == 0
    assert record_of(out)["calls"]["sent"] == 1


def test_the_month_ends_a_run(tmp_path: Path, mixed: Path):
    """The month's allowance holds over runs."""
    env = {"KVK_ENRICH_BUDGET_CALLS_PER_MONTH": "2"}
    assert enrich(tmp_path, mixed, "-o", tmp_path / "a.parquet", **env).returncode == 4
    assert enrich(tmp_path, mixed, "-o", tmp_path / "b.parquet", "--refresh", **env).returncode == 4
    assert record_of(tmp_path / "b.parquet")["calls"]["sent"] == 0
    assert record_of(tmp_path / "b.parquet")["budget"]["left"] == 0


def test_a_wrong_key_stops_after_one_call_and_leaves_old_outputs(tmp_path: Path, mixed: Path):
    """A refused key ends the run at once with code 5; the older output stays as it was."""
    out = tmp_path / "out.parquet"
    out.write_bytes(b"older")
    with serving(tmp_path, "--latency", "0") as server:
        env = environment(server, KVK_API_KEY="wrong") | {"KVK_ENRICH_SOURCE_KVK_BASE_URL": server.url}
        done = command("run", mixed, "--home", tmp_path / "home", "-o", out, env=env)
        assert done.returncode == 5, done.stderr
        assert len(server.arrivals()) == 1
    assert out.read_bytes() == b"older"


def test_an_unreachable_register_costs_nothing(tmp_path: Path, mixed: Path):
    """Nothing listens: code 6, no unit of the month used."""
    env = environment(KVK_ENRICH_SOURCE_PRACTICE_BASE_URL="http://127.0.0.1:9/api")
    done = command(
        "run", mixed, "--source", "practice", "--home", tmp_path / "home", "-o", tmp_path / "o.csv", "--json", env=env
    )
    assert done.returncode == 6, done.stderr
    record = json.loads(done.stdout)
    assert (record["state"], record["calls"]["sent"], record["budget"]["used"]) == ("stopped", 0, 0)
    assert not (tmp_path / "o.csv").exists()


def test_no_key_says_what_to_set(tmp_path: Path, mixed: Path):
    """Without key and source the message names the variable and the practice register."""
    done = command("run", mixed, "--home", tmp_path / "home")
    assert done.returncode == 2
    assert "KVK_API_KEY" in done.stderr
    assert "--source practice" in done.stderr


def test_a_list_that_cannot_be_read_is_refused_before_any_call(tmp_path: Path):
    """A list in which two columns look like numbers is refused with code 9, naming both."""
    one, two = existing(2)
    pl.DataFrame({"a": [one], "b": [two]}).write_csv(tmp_path / "two.csv")
    done = enrich(tmp_path, tmp_path / "two.csv")
    assert done.returncode == 9
    assert "'a'" in done.stderr
    assert "'b'" in done.stderr


def test_faults_fail_their_own_rows_only(tmp_path: Path):
    """A number that always answers with an error is failed and retryable; the rest is found; code 3."""
    numbers = existing(20)
    path = write_list(tmp_path / "list.csv", numbers)
    out = tmp_path / "out.parquet"
    settings = tmp_path / "faults.toml"
    settings.write_text(f'[source.practice]\nfaults = ["status=500 code=IPD9999 number={numbers[7]}"]\n')
    done = enrich(tmp_path, path, "-o", out, "--config", settings)
    assert done.returncode == 3, done.stderr
    outcomes = pl.read_parquet(out)["enrich_outcome"].to_list()
    assert outcomes == ["failed" if number == numbers[7] else "found" for number in numbers]
    assert record_of(out)["calls"] == {"sent": 22, "paid": 22, "free": 0, "retries": 2, "in_doubt": 0}


def test_runs_and_budget_tell_afterwards(tmp_path: Path, mixed: Path):
    """Past runs and the ledger name what was done and spent."""
    enrich(tmp_path, mixed, "-o", tmp_path / "out.parquet")
    home = ["--home", str(tmp_path / "home")]
    (run,) = json.loads(command("runs", "list", "--json", *home).stdout)
    assert (run["state"], run["calls"], run["in_doubt"]) == ("complete", 3, 0)
    shown = json.loads(command("runs", "show", run["id"], *home).stdout)
    assert shown == record_of(tmp_path / "out.parquet")
    (line,) = json.loads(command("budget", "--json", *home).stdout)
    assert (line["register"], line["account"], line["units"], line["calls_eur"]) == ("practice", "default", 3, "0.06")
    assert "complete" in command("runs", *home).stdout
    assert "practice" in command("budget", *home).stdout


def test_config_check_makes_one_free_call(tmp_path: Path):
    """The online check proves key, address and clock, and costs nothing."""
    done = command("config", "check", "--online", "--source", "practice", "--home", tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "clock: agrees" in done.stderr
    (line,) = json.loads(command("budget", "--json", "--home", tmp_path / "home").stdout)
    assert (line["units"], line["calls_eur"]) == (1, "0.00")


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--sample", "2"], 4, "Outside the sample asked for with --sample."),
        (["--offline"], 4, "--offline allows no call."),
        (["--max-calls", "1"], 4, "Run again with a higher ceiling."),
    ],
)
def test_what_was_left_out_is_said_with_what_to_do(tmp_path: Path, mixed: Path, flags: list[str], code: int, said: str):
    """A run that leaves numbers out says which decision did it, in the plan and at the end."""
    done = enrich(tmp_path, mixed, "-o", tmp_path / "out.parquet", *flags)
    assert done.returncode == code
    assert said in done.stderr
    assert record_of(tmp_path / "out.parquet")["stop_reason"] is not None


def test_rows_filled_already_are_left_alone(tmp_path: Path):
    """With --only-missing the filled rows are not asked, not failed and no reason to run again."""
    one, two = existing(2)
    pl.DataFrame({"kvk": [one, two], "naam": ["filled", " "]}).write_csv(tmp_path / "list.csv")
    out = tmp_path / "out.parquet"
    done = enrich(tmp_path, tmp_path / "list.csv", "-o", out, "--only-missing", "naam")
    assert done.returncode == 0, done.stderr
    assert "1 not selected" in done.stderr
    assert pl.read_parquet(out)["enrich_reason"].to_list() == ["not_selected", None]
    assert record_of(out)["calls"]["sent"] == 1
    assert (tmp_path / "out.failed.csv").read_text().count("\n") == 1


def test_a_column_without_numbers_is_doubted(tmp_path: Path, mixed: Path):
    """A wrong --column is not refused, but not passed over either."""
    done = enrich(tmp_path, mixed, "-o", tmp_path / "out.parquet", "--column", "klant")
    assert "No cell of column 'klant' holds a number" in done.stderr


@pytest.mark.slow
def test_a_deadline_ends_a_run_in_good_order(tmp_path: Path):
    """--max-runtime ends the asking with code 4: outputs written, what was answered is there."""
    listed = write_list(tmp_path / "list.csv", existing(400))
    out = tmp_path / "out.parquet"
    done = enrich(tmp_path, listed, "-o", out, "--max-runtime", "2s", **{FAST: "0.3"})
    assert done.returncode == 4, done.stderr
    rows = record_of(out)["rows"]
    assert rows["found"] > 0
    assert rows["found"] + rows["deferred"] == 400
    assert record_of(out)["stop_reason"] == "time_ceiling"


@pytest.mark.slow
def test_a_kill_is_told_by_the_next_run_whoever_looked_meanwhile(tmp_path: Path):
    """The calls in doubt are said by the run that goes on, also when `runs` has been looked at before."""
    listed = write_list(tmp_path / "list.csv", existing(300))
    home, out = tmp_path / "home", tmp_path / "out.parquet"
    arguments: list[str | Path] = ["run", listed, "--source", "practice", "--home", home, "-o", out]
    with serving(tmp_path, "--latency", "0.5") as server:
        run = started(*arguments, env=environment(server))
        while len(server.arrivals()) < 60:
            time.sleep(0.05)
        run.kill()
        run.wait()
        (line,) = json.loads(command("runs", "list", "--json", "--home", home).stdout)
        done = command(*arguments, env=environment(server))
    assert line["state"] == "died"
    assert line["in_doubt"] > 0
    assert record_of(out)["calls"]["in_doubt"] == line["in_doubt"]
    assert f"doubt   {line['in_doubt']} calls" in done.stderr


@pytest.mark.slow  # as rows 130 and 133 of the catalogue, by the command in a process of its own
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_drains_and_the_next_run_goes_on(tmp_path: Path, sent: signal.Signals, code: int):
    """One signal: calls under way are received, nothing is in doubt, nothing is asked twice."""
    numbers = existing(300)
    listed = write_list(tmp_path / "list.csv", numbers)
    out = tmp_path / "out.parquet"
    arguments: list[str | Path] = ["run", listed, "--source", "practice", "--home", tmp_path / "home", "-o", out]
    with serving(tmp_path, "--latency", "0.3") as server:
        run = started(*arguments, env=environment(server))
        while len(server.arrivals()) < 60:
            time.sleep(0.05)
        run.send_signal(sent)
        assert run.wait(120) == code
        assert not out.exists()
        assert command(*arguments, env=environment(server)).returncode == 0
        assert set(server.counts().values()) == {1}
    assert record_of(out)["calls"]["in_doubt"] == 0


def test_a_lost_journal_costs_nothing(tmp_path: Path, mixed: Path):
    """When the journal is gone, the cache still knows what was paid for; the run says that the ledger is new."""
    enrich(tmp_path, mixed, "-o", tmp_path / "a.parquet")
    for part in (tmp_path / "home").glob("journal.sqlite*"):
        part.unlink()
    done = enrich(tmp_path, mixed, "-o", tmp_path / "b.parquet")
    assert done.returncode == 0, done.stderr
    assert record_of(tmp_path / "b.parquet")["calls"]["sent"] == 0
    assert "lost or exchanged" in done.stderr


@pytest.mark.slow
def test_a_slow_pace_does_not_hold_up_a_stop(tmp_path: Path):
    """At one call a second a Ctrl-C ends the run at once: calls that wait for their turn are not under way."""
    listed = write_list(tmp_path / "list.csv", existing(60))
    env = environment() | {FAST: "0", "KVK_ENRICH_SOURCE_PRACTICE_REQUESTS_PER_SECOND": "1"}
    home = tmp_path / "home"
    run = started("run", listed, "--source", "practice", "--home", home, "-o", tmp_path / "out.parquet", env=env)
    while len(answered(home)) < 2:
        time.sleep(0.1)
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    assert run.wait(120) == 130
    assert time.monotonic() - began < 30  # of 58 that all calls would take


@pytest.mark.slow
def test_a_sample_refreshes_each_time(tmp_path: Path, mixed: Path):
    """--refresh asks anew also after a run that left out what it was told to leave out."""
    for _ in range(2):
        enrich(tmp_path, mixed, "-o", tmp_path / "out.parquet", "--refresh", "--sample", "2")
        assert record_of(tmp_path / "out.parquet")["calls"]["sent"] == 2


@pytest.mark.slow
def test_nobody_listening_changes_nothing(tmp_path: Path, mixed: Path):
    """A closed standard error or a full standard output is no bug of the run."""
    arguments: list[str | Path] = [*COMMAND, "run", mixed, "--source", "practice", "--home", tmp_path / "home"]
    env = environment() | {FAST: "0"}
    with Path("/dev/full").open("w") as full:
        quiet = subprocess.run([*arguments, "-o", tmp_path / "a.csv"], env=env, stderr=full, check=False)
        broken = subprocess.run(
            [*arguments, "-o", tmp_path / "b.csv", "--json"], env=env, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert quiet.returncode == 0
    assert broken.returncode == 7
    assert b"standard output cannot be written" in broken.stderr
