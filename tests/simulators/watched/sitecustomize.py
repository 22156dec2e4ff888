"""
Watches every Python process that has this folder in its PYTHONPATH; Python imports it before anything else.

All logging there is goes to standard error. In the folder WATCHED_IN a file per process says how it was started
and what it handed to processes of its own: commands and environments. Whoever would leave this machine is stopped.
"""

import logging
import os
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[3]))  # for tests.network

from tests.network import refuse_strangers

_STARTS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork"}


def _note(*told: object) -> None:
    with Path(os.environ["WATCHED_IN"], f"process-{os.getpid()}").open("a", encoding="utf-8") as file:
        print(*told, sep="\n", file=file)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in _STARTS:
        env = arguments[-1]
        _note(event, arguments, dict(os.environ) if env is None or event in {"os.system", "os.fork"} else "")
    refuse_strangers(event, arguments)


if "WATCHED_IN" in os.environ:
    _note(sys.orig_argv)
    logging.basicConfig(level=logging.DEBUG)
    sys.addaudithook(_watch)
