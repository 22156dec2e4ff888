"""
Whole jobs on a disk that is really full: home and outputs lie on a small one of their own.

It is mounted in a name space of a shell, which needs no rights but a kernel that allows it, and filled
up to so many free kilobytes. Then the run is made, the room is given back, and the run is made again.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
import pytest
from tests import figures
from tests.harness import COMMAND, Server, answered, environment, existing, serving, write_list
from tests.proofs.test_storage_points import is_told

NUMBERS: Final = existing(40)
DISK_KB: Final = 24_000
LEAST_KB: Final = 4_200
NEEDS_KB: Final = 6_800
"""Room with which a run does not begin, and with which it ends well."""

_SCRIPT: Final = """
set -e
size=$1 free=$2 folder=$3
shift 3
mkdir "$folder/disk"
mount -t tmpfs -o "size=${size}k,mode=700" small "$folder/disk"
cd "$folder/disk"
mkdir home
head -c "$(( (size - free) * 1024 ))" /dev/zero > filler
once() { "$@" 2> "$folder/$name.txt" && echo 0 > "$folder/$name" || echo $? > "$folder/$name"; }
name=first
once "$@"
cp -r home "$folder/home"
ls > "$folder/outputs"
rm filler
name=second
once "$@"
cp out.parquet "$folder/"
"""
"""Arguments: size of the disk and room on it in kilobytes, a folder for what is to be judged, the command."""


class Trial(NamedTuple):
    """What came of a run on a full disk, and of the next one with room."""

    first: int
    said: str
    outputs: Sequence[str]
    second: int
    lost: int
    """Calls of the first run whose number the second one asked again."""
    right: bool


def tried(folder: Path, server: Server, free_kb: int) -> Trial:
    """Run with so much room, then with enough."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed = write_list(folder / "list.csv", NUMBERS)
    before = server.counts()
    command = [*COMMAND, "run", str(listed), "--source", "practice", "--home", "home", "-o", "out.parquet"]
    subprocess.run(
        ["unshare", "-rm", "sh", "-c", _SCRIPT, "sh", str(DISK_KB), str(free_kb), str(folder), *command],
        env=environment(server),
        check=True,
        capture_output=True,
    )
    asked, rows = server.counts() - before, pl.read_parquet(folder / "out.parquet")
    return Trial(
        first=int((folder / "first").read_text()),
        said=(folder / "first.txt").read_text(),
        outputs=[name for name in (folder / "outputs").read_text().split() if name.startswith("out.")],
        second=int((folder / "second").read_text()),
        lost=sum(asked.values()) - len(asked) + len(answered(folder / "home") - asked.keys()),
        right=rows["kvk"].to_list() == NUMBERS and set(rows["enrich_outcome"]) == {"found"},
    )


@pytest.fixture
def server(tmp_path: Path):
    """A register that answers at once, where small disks can be mounted."""
    allowed = shutil.which("unshare") and subprocess.run(["unshare", "-rm", "true"], check=False).returncode == 0
    if not allowed:
        pytest.skip("this machine does not let us mount a small disk")
    (tmp_path / "server").mkdir()
    with serving(tmp_path / "server", "--latency", "0.01") as server:
        yield server


@pytest.mark.slow
@pytest.mark.trials(fast=1, torture=120)
def test_a_full_disk_ends_a_run_and_costs_nothing(server: Server, tmp_path: Path, trials: int, record: figures.Record):
    """From no room at all to almost enough: told in a sentence; what was paid is there the next time."""
    ended, bad, full = 0, [], 0
    for trial in range(trials):
        free_kb = LEAST_KB + (NEEDS_KB - LEAST_KB) * (2 * trial + 1) // (2 * trials)
        done = tried(tmp_path / "full", server, free_kb)
        full += done.first == 7
        is_good = done.first == 0 or (done.first == 7 and is_told(done.said) and not done.outputs)
        if is_good and done.second == 0 and done.lost == 0 and done.right:
            ended += 1
        else:
            bad.append((free_kb, done))
    record("disk-full", trials=trials, resumed=ended, rows_wrong=sum(not done.right for _, done in bad))
    assert bad == []
    assert full >= trials // 2
