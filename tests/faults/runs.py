"""
Runs of a list against a register that misbehaves: in this process, without long waits, judged by the server's log.

Whatever goes wrong, some things hold; :meth:`Client.run` looks at them after every run: rows add up, calls told are
calls that arrived, each of them counts in the ledger, and the key stands in no word and no file.
"""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl
import pytest
from tests import here
from tests.parts import AT_ONCE
from tests.simulators.fault_server import FaultServer, misbehaving

from kvk_enrich import flow
from kvk_enrich.asking import ask_all
from kvk_enrich.errors import ExitCode
from kvk_enrich.fetch.breaker import Patience

CANARY: Final = "l7xx-canary-5f2e"
NUMBERS: Final = [f"{place:08}" for place in range(90_000_001, 90_000_013)]
"""Invented."""

_CALM: Final = Patience(first_rest=0.02, longest_rest=0.02, give_up=30.0, shortest_pause=0.02)
_SHORT: Final = Patience(first_rest=0.02, longest_rest=0.05, give_up=0.3, shortest_pause=0.02)


class Run(NamedTuple):
    """
    How a run ended.

    Args:
        code: Exit code.
        said: What stood on standard error.
        record: The run record.
        rows: The enriched rows by number; none where the run was stopped.
        failed: The failed items by number; none where the run was stopped.
    """

    code: int
    said: str
    record: dict[str, Any]
    rows: dict[str, dict[str, str]]
    failed: dict[str, dict[str, str]]

    def outcomes(self) -> dict[str, str]:
        """Return the outcome of each number."""
        return {number: row["enrich_outcome"] for number, row in self.rows.items()}

    def reasons(self) -> dict[str, tuple[str, int]]:
        """Return reason and attempts of each failed item."""
        return {number: (item["reason"], int(item["attempts"])) for number, item in self.failed.items()}


class Client:
    """Who has a list, a home and a key."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        """Begin with an empty home."""
        self.folder = folder
        self._paid: Counter[str] = Counter()
        self._patch = patch
        self.list = folder / "list.csv"
        self.be_patient()
        self.has(NUMBERS)

    def has(self, numbers: Sequence[str]) -> None:
        """Have a list of *numbers*."""
        pl.DataFrame({"nummer": numbers}).write_csv(self.list)

    def be_patient(self, *, patient: bool = True) -> None:
        """Bear an outage for half a minute, or (not *patient*) for a moment instead of five minutes."""
        quick = partial(ask_all, patience=_CALM if patient else _SHORT, backoff=AT_ONCE)
        self._patch.setattr(flow, "ask_all", quick)

    def set(self, **settings: str) -> None:
        """Set the variables KVK_ENRICH_SOURCE_..., such as ``VIES_BASE_URL``."""
        for name, value in settings.items():
            self._patch.setenv(f"KVK_ENRICH_SOURCE_{name}", value)

    def run(self, url: str, *servers: FaultServer, flags: Sequence[str | Path] = ()) -> Run:
        """
        Enrich the list.

        Args:
            url: Of KVK, as the settings say.
            servers: Who is there; their logs say what arrived.
            flags: Of the command.
        """
        self.set(KVK_BASE_URL=url)
        out = self.folder / "out.csv"
        for left in self.folder.glob("out.*"):
            left.unlink()
        before = sum(map(len, servers))
        done = self.command("run", self.list, "-o", out, "--json", *flags)
        record = json.loads(done.stdout)
        rows, failed = _by(out, "nummer"), _by(out.with_suffix(".failed.csv"), "value")
        run = Run(done.returncode, done.stderr, record, rows, failed)
        self._judge(run, url, sum(map(len, servers)) - before)
        return run

    def command(self, *words: str | Path) -> here.Said:
        """Return how a command ends, whatever it comes to."""
        for service in ("KVK", "KVKBASE"):
            self._patch.setenv(f"{service}_API_KEY", CANARY)
        return here.command(*words, "--home", self.folder / "home")

    def completes(self, url: str, port: int, before: Run, *, tls: str | None = None) -> None:
        """Run again, now that the register is well: all is found; what was answered *before* is not asked again."""
        rows = before.record["rows"]
        with misbehaving(self.folder, port=port, tls=tls) as well:
            run = self.run(url, well)
            asked = well.numbers()
        assert run.code == ExitCode.COMPLETE, run.said
        assert set(run.outcomes().values()) <= {"found", "not_found"}
        assert len(asked) == len(set(asked)) == rows["total"] - rows["found"] - rows["not_found"]
        assert not {number for number, outcome in before.outcomes().items() if outcome == "found"} & set(asked)

    def _judge(self, run: Run, url: str, arrived: int) -> None:
        rows, calls = run.record["rows"], run.record["calls"]
        assert rows["total"] == sum(count for name, count in rows.items() if name != "total")
        assert calls["sent"] == arrived
        self._paid[url] += calls["paid"]
        assert run.record["budget"]["used"] == self._paid[url]
        assert CANARY not in run.said
        assert not [path for path in self.folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def _by(path: Path, name: str) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row[name]: row for row in csv.DictReader(file)}
