"""
A disk that fails, or a machine that stops, at the n-th storage call of a run.

A small library in C (storage.c) is loaded before libc and so sees every call by which Python, SQLite,
DuckDB and polars reach the disk, below one folder. A run is forked off a process that has imported
everything, so that a trial takes a quarter of a second. :func:`rigged` needs a C compiler.

``python -m tests.simulators.storage`` is the other side: it reads a line of JSON per run, forks, and answers
with the exit code.
"""

import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
_PLAN: Final = struct.Struct("4qqqq4096s")
_PATIENCE_SECONDS: Final = 60
_IMPORTED_LATE: Final = (
    *("kvk_enrich.cli", "kvk_enrich.flow", "kvk_enrich.keeping", "kvk_enrich.telling"),
    *("numpy", "pyarrow", "httpcore2", "h11", "truststore", "prometheus_client"),
)
"""What each run would import by itself, and is quicker without."""


class Fault(IntEnum):
    """What happens at a step."""

    NONE = 0
    KILL = 1
    """SIGKILL of the whole group before a change of the disk, or half-way through a write."""
    FULL = 2
    """No room from here on: the write that needs more gets half of it, all later ones nothing."""
    BROKEN = 3
    """EIO, once, from any call: a read, a write, a sync, a rename."""


class Ended(NamedTuple):
    """How a run ended: what it said, how many steps it took (by fault), and how often it met the one given."""

    code: int
    said: str
    steps: list[int]
    met: int


@dataclass(frozen=True)
class Rigged:
    """A process that forks runs whose disk has a fault."""

    process: subprocess.Popen[str]
    folder: Path

    def run(
        self, *arguments: str | Path, under: Path, env: Mapping[str, str], fault: Fault = Fault.NONE, at: int = 0
    ) -> Ended:
        """
        Run the command line to its end.

        Args:
            arguments: Its arguments.
            under: Calls for files below this folder count.
            env: Settings added to the environment.
            fault: What happens.
            at: At which step, from 1; 0: at none, they are only counted.
        """
        plan, said = self.folder / "plan", self.folder / "said"
        plan.write_bytes(_PLAN.pack(0, 0, 0, 0, at, fault, 0, str(under).encode()))
        order = {"arguments": [str(each) for each in arguments], "env": {**env, "STORAGE_PLAN": str(plan)}}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order | {"said": str(said)}) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        assert code != -signal.SIGALRM, f"the run hung at step {at}"
        *steps, _, _, met, _ = _PLAN.unpack(plan.read_bytes())
        return Ended(code, said.read_text(errors="replace"), steps, met)


@contextmanager
def rigged(folder: Path) -> Iterator[Rigged]:
    """Yield what runs the command line on a disk with faults; *folder* is for its own files."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("takes a C compiler and Linux")
    library = folder / "storage.so"
    source = Path(__file__).with_name("storage.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"LD_PRELOAD": str(library)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Rigged(process, folder)
    finally:
        process.stdin.close()
        process.wait(120)
        process.stdout.close()


def main() -> None:
    """Fork a run for each line of standard input."""
    for module in _IMPORTED_LATE:
        import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _be(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _be(order: dict[str, Any]) -> None:
    """Become the command line, in a group of its own."""
    os.setsid()
    signal.alarm(_PATIENCE_SECONDS)
    os.environ.update(order["env"])
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    for number, file in enumerate((null, null, said)):
        os.dup2(file, number)
    sys.argv = ["kvk-enrich", *order["arguments"]]
    ctypes.CDLL(None).storage_plan(order["env"]["STORAGE_PLAN"].encode())
    os._exit(_code())


def _code() -> int:
    from kvk_enrich import cli

    try:
        cli.main()
    except SystemExit as end:
        return int(str(end.code or 0))
    except BaseException:  # noqa: BLE001 - what the interpreter would do
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()


if __name__ == "__main__":
    main()
