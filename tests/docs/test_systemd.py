"""configs/systemd/: the units are such as systemd takes; docs/unattended.md tells of every exit code."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kvk_enrich.errors import ExitCode

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "configs" / "systemd"
PAGE = (ROOT / "docs" / "unattended.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path):
    """Verified by systemd itself, with a command that exists here."""
    files = []
    for unit in sorted(UNITS.iterdir()):
        lines = unit.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = ["ExecStart=/bin/true\n" if line.startswith("ExecStart=") else line for line in lines]
        (tmp_path / unit.name).write_text("".join(line for line in kept if not line.startswith("Documentation=")))
        files.append(tmp_path / unit.name)
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_exit_code_has_its_advice():
    """Who writes a scheduler's rules finds each of them."""
    assert [code.name for code in ExitCode if f"| {code.value} |" not in PAGE] == []
