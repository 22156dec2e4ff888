"""The command line: what every command says and does not do."""

import re
import subprocess
import sys

import pytest
from tests.harness import command

COMMANDS = [[], ["run"], ["plan"], ["budget"], ["budget", "show"], ["runs"], ["runs", "list"], ["runs", "show"]]
COMMANDS += [["budget", "adjust"], ["search"], ["config"], ["config", "check"], ["config", "show"], ["practice"], ["practice", "serve"]]
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


def test_a_wrong_flag_is_a_usage_error():
    """Unknown flags and values end with code 2 and name what is wrong."""
    assert command("run", "x.csv", "--no-such-flag").returncode == 2
    done = command("run", "x.csv", "--source", "kvkk")
    assert done.returncode == 2
    assert "kvkk" in done.stderr
