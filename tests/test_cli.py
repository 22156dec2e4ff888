"""The command line: what every command says and does not do."""

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.here import command

from kvk_enrich import cli, errors
from kvk_enrich.errors import ExitCode

COMMANDS = [[], ["run"], ["plan"], ["budget"], ["budget", "show"], ["runs"], ["runs", "list"], ["runs", "show"]]
COMMANDS += [["budget", "adjust"]]
COMMANDS += [["search"], ["config"], ["config", "check"], ["config", "show"], ["practice"], ["practice", "serve"]]
COMMANDS += [
    ["explain"],
    ["inspect"],
    ["cache"],
    ["cache", "stats"],
    ["cache", "prune"],
    ["cache", "forget"],
    ["cache", "export"],
]
HEAVY = {"polars", "duckdb", "pyarrow", "httpx2", "anyio", "pydantic", "rich", "structlog", "starlette", "uvicorn"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(words: list[str]):
    """Each command explains itself and its options."""
    done = command(*words, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout


def test_help_loads_nothing_heavy():
    """Help must not wait for libraries it does not need."""
    code = "import sys, kvk_enrich.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.intersection(done.stdout.split()) == set()


def test_no_key_is_ever_a_flag():
    """A key on a command line stands in the process list and the shell's history."""
    for words in COMMANDS:
        assert not re.search(r"--\S*key", command(*words, "--help").stdout)


STOPPED_WHILE_LOADING = """
import signal
from kvk_enrich import cli
signal.signal(signal.{name}, cli._heed)
import loading
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_while_libraries_are_loaded_ends_at_once(tmp_path: Path, name: str, code: int):
    """An exception in the middle of that would abort some of them, with a core and a code of their own."""
    (tmp_path / "loading.py").write_text(
        f"import os, signal, time\nos.kill(os.getpid(), signal.{name})\ntime.sleep(5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_WHILE_LOADING.format(name=name)], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.parametrize("error", [RuntimeError("Query interrupted"), pl.exceptions.PanicException("in Python")])
def test_what_a_library_makes_of_a_signal_is_no_bug(monkeypatch: pytest.MonkeyPatch, error: BaseException):
    """DuckDB and polars make errors of their own when a signal comes while they work; without one they are bugs."""

    def interrupted(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", interrupted)
    with pytest.raises(type(error)):
        cli._exit_code()
    monkeypatch.setattr(errors, "heeded", [ExitCode.TERMINATED])
    assert cli._exit_code() == ExitCode.TERMINATED


SIGNALLED = """
import os, signal
from kvk_enrich import cli
tell = lambda: os.kill(os.getpid(), signal.SIGTERM)
cli._exit_code = lambda: {before} or 4
heed_no_more = cli._heed_no_more
cli._heed_no_more = lambda: heed_no_more() or {after}
cli.main()
"""


@pytest.mark.parametrize(("before", "after", "code"), [("tell()", "0", 143), ("0", "tell()", 4)])
def test_a_signal_while_the_end_is_told_is_no_bug(before: str, after: str, code: int):
    """Until all is decided it ends the run as it says; from then on it changes nothing."""
    told = SIGNALLED.format(before=before, after=after)
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (code, b"")


def test_a_wrong_flag_is_a_usage_error():
    """Unknown flags and values end with code 2 and name what is wrong."""
    assert command("run", "x.csv", "--no-such-flag").returncode == 2
    done = command("run", "x.csv", "--source", "kvkk")
    assert done.returncode == 2
    assert "kvkk" in done.stderr


def test_a_terminal_obeys_no_name(tmp_path: Path):
    """What stands in lists, names and paths is shown, not obeyed; numbers that may be a citizen's are starred out."""
    old, new = tmp_path / "old.csv", tmp_path / "new\x1b[2J.csv"
    header = "enrich_kind,enrich_number,enrich_outcome,kvk_number,kvk_name\n"
    old.write_text(f"{header}vat,NL111222333B01,found,90000001,Een\n")
    new.write_text(f"{header}vat,NL111222333B01,found,90000001,Bar\x1b[31m\x9b\u202e\n")
    done = command("diff", old, new, "--home", tmp_path / "home")
    assert r"Bar\x1b[31m\x9b\x202e" in done.stdout
    assert "NL*********B01" in done.stdout
    assert "111222333" not in done.stdout
    refused = command("diff", new, tmp_path / "none\x1b.csv", "--home", tmp_path / "home")
    assert r"none\x1b.csv" in refused.stderr
    assert "\x1b" not in done.stdout + refused.stderr
