"""
Whole jobs whose disk fails, or whose machine stops, at each storage call in turn.

The register stands in another process, and its log is the judge: however a run ended, the next one
makes the files of a calm run, and asks for nothing that was in the journal. What a disk that fails makes
of a run is told in a sentence, and older files stay as they were.
"""

import hashlib
import json
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import openpyxl
import polars as pl
import pytest
from tests import figures
from tests.harness import Server, answered, existing, serving, write_list
from tests.simulators.storage import Ended, Fault, Rigged, rigged

KNOWN: Final = existing(2)
ASKED: Final = [*existing(2, skip=2), "12345678"]
VALUES: Final = [*ASKED[:2], *KNOWN, "n.v.t.", *ASKED[2:], ASKED[0]]
TIMES: Final = ("enrich_fetched_at", "enrich_cached")
ENDS: Final = {Fault.KILL: {0, -signal.SIGKILL}, Fault.FULL: {0, 7}, Fault.BROKEN: {0, 7, 9}}
"""How a run may end; 9: it was the list that could not be read."""


@dataclass(frozen=True)
class Bench:
    """A register, and what runs the command line on a disk with faults."""

    server: Server
    rig: Rigged

    def enrich(self, folder: Path, suffix: str, under: str = "", fault: Fault = Fault.NONE, at: int = 0) -> Ended:
        """Run the job of *folder*."""
        return self.rig.run(
            *("run", folder / "list.csv", "--source", "practice"),
            *("--home", folder / "home", "-o", folder / "out" / f"o.{suffix}"),
            under=folder / under,
            env={"KVK_ENRICH_SOURCE_PRACTICE_BASE_URL": self.server.url},
            fault=fault,
            at=at,
        )


class Scene(NamedTuple):
    """A job to be disturbed: its output, whether older files are there, and where steps count."""

    name: str
    suffix: str
    older: bool
    under: str = ""


SCENES: Final = [
    Scene("nothing is there yet", "parquet", older=False),
    Scene("the home knows some", "parquet", older=True, under="home"),
    Scene("a CSV takes the place of an older one", "csv", older=True, under="out"),
    Scene("a workbook takes the place of an older one", "xlsx", older=True, under="out"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A register that answers at once, and a rigged command line."""
    folder = tmp_path_factory.mktemp("bench")
    with serving(folder, "--latency", "0.002") as server, rigged(folder) as rig:
        yield Bench(server, rig)


class Job:
    """A scene that is set up once and played again and again."""

    def __init__(self, bench: Bench, scene: Scene, folder: Path) -> None:
        """Set up the scene, and play it undisturbed once."""
        self.bench, self.scene, self.folder = bench, scene, folder
        self.start = folder / "start"
        (self.start / "out").mkdir(parents=True)
        if scene.older:
            write_list(self.start / "list.csv", KNOWN)
            assert bench.enrich(self.start, scene.suffix).code == 0
        write_list(self.start / "list.csv", VALUES)
        self.before = sum(bench.server.counts().values()) if scene.older else 0
        calm = self._anew("calm")
        self.calm = bench.enrich(calm, scene.suffix, scene.under)
        assert self.calm.code == 0, self.calm.said
        self.rows = rows(calm / "out" / f"o.{scene.suffix}")

    def _anew(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.start, folder)
        return folder

    def disturbed(self, fault: Fault, at: int) -> tuple[bool, list[str]]:
        """Play the scene with a fault at that step, then once more; return if it was met and what is wrong then."""
        folder, scene, server = self._anew("disturbed"), self.scene, self.bench.server
        first = server.counts()
        older = digests(folder / "out")
        ended = self.bench.enrich(folder, scene.suffix, scene.under, fault, at)
        is_right = ended.code in ENDS[fault] and (ended.code != 9 or "list.csv cannot be" in ended.said)
        wrong = [] if is_right else [f"ended with {ended.code}: {ended.said[-2000:]}"]
        if ended.code in {7, 9}:
            wrong += [] if is_told(ended.said) else [f"not told in a sentence: {ended.said[-2000:]}"]
            wrong += [] if digests(folder / "out") == older else [f"older outputs were changed: {ended.said[-2000:]}"]
        elif ended.code:
            wrong += unfinished(folder / "out", older)
        else:
            wrong += self._judged(folder, "at once")
        between = server.counts()
        known = answered(folder / "home") if fault != Fault.FULL else (between - first).keys()
        again = self.bench.enrich(folder, scene.suffix)
        if again.code:
            return True, [*wrong, f"the next run ended with {again.code}: {again.said[-2000:]}"]
        wrong += self._judged(folder, "the next time")
        paid = server.counts() - between
        wrong += [f"{number} was paid twice" for number in known if paid[number]]
        wrong += ledger_below(folder / "home", server.counts() - first, self.scene)
        wrong += [f"{path} was left over" for path in left_over(folder)]
        return bool(ended.met), wrong

    def _judged(self, folder: Path, when: str) -> list[str]:
        out = folder / "out"
        wrong = [] if rows(out / f"o.{self.scene.suffix}") == self.rows else [f"rows are wrong {when}"]
        return wrong + unfinished(out, {})


def rows(path: Path) -> list[dict[str, object]]:
    """Return the rows of an output, read by other eyes, without what differs from run to run."""
    if path.suffix == ".xlsx":
        with closing(openpyxl.load_workbook(path, read_only=True)) as book:
            header, *cells = book.worksheets[0].iter_rows(values_only=True)
        lines = [dict(zip(map(str, header), line, strict=True)) for line in cells]
    else:
        frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema=False)
        lines = frame.to_dicts()
    return [{name: cell for name, cell in line.items() if name not in TIMES} for line in lines]


def digests(folder: Path) -> dict[str, str]:
    """Return the files that a user sees, and what is in them."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
    }


def unfinished(folder: Path, older: dict[str, str]) -> list[str]:
    """Return what is wrong with outputs that may lack their record: with it they belong together."""
    found = digests(folder)
    if found == older or "o.run.json" not in found:
        return []
    outputs = json.loads((folder / "o.run.json").read_text())["outputs"].values()
    return [f"{each['path']} is not that of its record" for each in outputs if _digest(each["path"]) != each["sha256"]]


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def is_told(said: str) -> bool:
    """Say whether the last line is a sentence of ours, and no traceback came before it."""
    return "Traceback" not in said and said.splitlines()[-1].startswith("kvk-enrich: ")


def ledger_below(home: Path, seen: Counter[str], scene: Scene) -> list[str]:
    """Return what is wrong with the ledger of *home*: it may not be below what the server saw."""
    with closing(sqlite3.connect(home / "journal.sqlite")) as sql:
        ((units,),) = sql.execute("SELECT sum(units) FROM ledger").fetchall()
    served = sum(seen.values()) + (len(KNOWN) if scene.older else 0)
    return [] if units >= served else [f"the ledger says {units}, the server {served}"]


def left_over(folder: Path) -> list[Path]:
    """Return working files that nobody needs any more."""
    drafts = [path for path in (folder / "out").iterdir() if path.name.startswith(".")]
    return drafts + list((folder / "home" / "tmp").iterdir())


def steps(job: Job, fault: Fault, trials: int) -> Iterator[int]:
    """Yield so many steps of *job*, spread evenly; without end where *trials* is 0."""
    if not trials:
        yield from count(1)
    yield from (job.calm.steps[fault] * (2 * place + 1) // (2 * trials) for place in range(trials))


@pytest.fixture(scope="module")
def jobs(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Scene], Job]:
    """Each scene, set up when it is first wanted."""
    return cache(lambda scene: Job(bench, scene, tmp_path_factory.mktemp("job")))


@pytest.mark.timeout(10_800)  # no single run hangs for more than a minute
@pytest.mark.trials(fast=1, torture=0)
@pytest.mark.parametrize(
    ("fault", "name"),
    [(Fault.KILL, "kill-points"), (Fault.FULL, "enospc-points"), (Fault.BROKEN, "eio-points")],
    ids=["kill", "full", "broken"],
)
def test_a_job_survives_a_fault_at_any_step(
    jobs: Callable[[Scene], Job], fault: Fault, name: str, trials: int, record: figures.Record
) -> None:
    """A step of a scene; in the long version every step of all."""
    points, rows_wrong, bad = 0, 0, dict[str, list[str]]()
    for scene in [SCENES[fault - 1]] if trials else SCENES:
        job = jobs(scene)
        for at in steps(job, fault, trials):
            met, wrong = job.disturbed(fault, at)
            if not met and not trials:
                break
            points += met
            if wrong:
                bad[f"{scene.name}, {fault.name} at step {at}"] = wrong
            rows_wrong = sum(line.startswith("rows are wrong") for lines in bad.values() for line in lines)
            record(name, points=points, survived=points - len(bad), rows_wrong=rows_wrong, complete=0)
    record(name, points=points, survived=points - len(bad), rows_wrong=rows_wrong, complete=1)
    assert points
    assert bad == {}


@pytest.mark.slow
@pytest.mark.trials(fast=1, torture=0)
def test_pruning_survives_a_kill_at_any_step(jobs: Callable[[Scene], Job], tmp_path: Path, trials: int) -> None:
    """Killed anywhere, the same command finishes the work; nothing is in doubt after it."""
    job = jobs(SCENES[1])
    calm = pruned(job, tmp_path, 0)
    assert calm.code == 0, calm.said
    for at in count(1) if not trials else [calm.steps[Fault.KILL] * 2 // 3]:
        ended = pruned(job, tmp_path, at)
        if not ended.met:
            return
        assert pruned(job, tmp_path, 0, again=True).code == 0
        assert answered(tmp_path / "home") == set()
        assert list((tmp_path / "home" / "tmp").iterdir()) == []


def pruned(job: Job, folder: Path, at: int, *, again: bool = False) -> Ended:
    """Erase all answers of a home, in a process that is killed at that step."""
    if not again:
        shutil.rmtree(folder / "home", ignore_errors=True)
        shutil.copytree(job.start / "home", folder / "home")
    arguments = ("cache", "prune", "--older-than", "0d", "--home", folder / "home")
    return job.bench.rig.run(*arguments, under=folder / "home", env={}, fault=Fault.KILL, at=at)
