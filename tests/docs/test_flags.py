"""Flags: the commands know those that the configuration knows, and the example file names them."""

import subprocess
import sys
from pathlib import Path

import pytest

from kvk_enrich.config import FLAGS, KEYS

EXAMPLE = (Path(__file__).parents[2] / "configs" / "example.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["run", "plan"])
def test_commands_have_every_flag(command):
    """What can be set in the file can be said on the command line."""
    shown = subprocess.run(
        [sys.executable, "-m", "kvk_enrich", command, "--help"], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    assert [flag for flag in FLAGS if f"--{flag.replace('_', '-')}" not in shown] == []


def test_example_names_every_flag():
    """Each flag stands beside its key."""
    assert [flag for flag in FLAGS if f"--{flag.replace('_', '-')})" not in EXAMPLE] == []


def test_every_key_of_input_and_run_is_a_flag():
    """What belongs to one run can be said for one run."""
    own = {key for key in KEYS if key.startswith(("input.", "run."))}
    assert own <= set(FLAGS.values())
