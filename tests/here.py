"""The command line in this process: as quick as the function below it, and its own words and exit code."""

import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final, NamedTuple
from unittest import mock

from kvk_enrich import cli

_NAME: Final = "kvk-enrich"


class Said(NamedTuple):
    """How a command ended and what it said; named as :class:`subprocess.CompletedProcess` names it."""

    returncode: int
    stdout: str
    stderr: str


def command(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Said:
    """
    Run the command line to its end, with the environment *env*; None for that of this process.

    An error that is no sentence for the user comes out as it is: that is what exit code 1 stands for.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        mock.patch.dict(os.environ, os.environ if env is None else env, clear=True),
        mock.patch.object(sys, "argv", [_NAME, *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = cli._exit_code()
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    assert isinstance(code, int)
    return Said(int(code), *texts)
