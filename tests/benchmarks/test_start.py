"""The command answers at once: bar: ``--help`` takes at most 8 times as long as ``python -c pass``."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark

HEAVY = ["polars", "duckdb", "pyarrow", "httpx2", "anyio", "pydantic", "rich", "structlog"]


def quickest(*arguments: str, times: int = 20) -> float:
    """Return the shortest of *times* runs, in seconds."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(arguments, capture_output=True, check=True)
        best = min(best, time.perf_counter() - began)
    return best


def test_help_answers_at_once():
    """The ratio in one run, so that the machine's own speed does not matter."""
    bare = quickest(sys.executable, "-c", "pass")
    helped = quickest(str(Path(sys.executable).parent / "kvk-enrich"), "--help")
    print(f"\n--help {helped * 1000:.0f} ms, python -c pass {bare * 1000:.0f} ms: {helped / bare:.1f} times")
    assert helped <= 8 * bare
