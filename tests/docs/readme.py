"""
README.md as a program sees it: its console blocks, its tables, its code.

``python -m tests.docs.readme`` runs the blocks and writes what they printed below each command, for when a message of
the program has changed on purpose.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from tests.harness import environment

ROOT = Path(__file__).parents[2]
FILE = ROOT / "README.md"
TEXT = FILE.read_text(encoding="utf-8")
CODE = "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", TEXT, re.MULTILINE | re.DOTALL))

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRESS = re.compile(r"^\{\"at\": .*\n", re.MULTILINE)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a block, with the output shown below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def shown() -> list[tuple[str, str]]:
    """Return all commands of the file with their outputs, in order."""
    return [each for block in _BLOCK.findall(TEXT) for each in commands(block)]


class Reader:
    """Somebody with a fresh clone, an empty home and the program on the PATH."""

    def __init__(self, machine: Path, **settings: str) -> None:
        """Let *machine* be the root of all paths that the reader sees."""
        self._machine = machine
        home = machine / "home" / "you"
        self._folder = home / "kvk-enrich"
        copytree(ROOT / "data" / "samples", self._folder / "data" / "samples")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._env: Mapping[str, str] = environment() | settings | {"HOME": str(home), "PATH": path}

    def types(self, command: str) -> str:
        """Run *command* without a terminal and return what it printed, but for the lines of progress."""
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._folder,
            env={name: value for name, value in self._env.items() if name != "XDG_DATA_HOME"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return _PROGRESS.sub("", done.stdout.replace(str(self._machine), ""))


def table(first: str) -> list[list[str]]:
    """Return the cells of the one table whose first heading is *first*."""
    (lines,) = re.findall(rf"^\| {first} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines.splitlines()]


def _renew() -> None:
    with TemporaryDirectory() as machine:
        reader = Reader(Path(machine))

        def ran(block: re.Match[str]) -> str:
            printed = [f"$ {command}\n{reader.types(command)}" for command, _ in commands(block[1])]
            return "```console\n" + "".join(printed) + "```"

        FILE.write_text(_BLOCK.sub(ran, TEXT), encoding="utf-8")


if __name__ == "__main__":
    _renew()
