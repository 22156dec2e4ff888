"""
Damage: whatever has become of the files of a home, no answer and no cent is lost in silence.

Homes as finished and killed runs leave them are damaged in every way of :data:`DAMAGES`, at places drawn from
a seed. Then the same list is run once more. It may end well, and has said what was damaged and where it lies now; or
it refuses (7, 8), touches nothing, and when its user has done what it says the next one ends well.
The judges are readers of the files before and after, and the log of the register.
"""

import re
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import duckdb
import polars as pl
import pytest
from tests.figures import Record
from tests.harness import Server, existing, serving, write_list
from tests.proofs.damages import DAMAGES, Foreign, Heard, job, kill_a_run, kill_while_absorbing
from tests.proofs.world import obeying

from kvk_enrich import flow
from kvk_enrich.errors import EnrichError, ExitCode
from kvk_enrich.state.home import Home

NUMBERS: Final = existing(16)
PRACTICE: Final = "KVK_ENRICH_SOURCE_PRACTICE_BASE_URL"
ONCE: Final = ("enrich_cached", "enrich_fetched_at")
"""Columns that tell of the run: they differ where an answer was asked for again."""

Answers = Mapping[tuple[str, str, str, str], frozenset[str]]
"""Register, product, kind and number of what is known -> the answers as received."""


@dataclass(frozen=True)
class Truth:
    """What was true before a home was damaged: its answers by question, and how many calls the register has counted."""

    answers: Answers
    spent: int


@dataclass(frozen=True)
class Scene:
    """Homes to damage, by name; what is needed to run the list once more; and how its output must be."""

    homes: Mapping[str, Home]
    truths: Mapping[str, Truth]
    foreign: Foreign
    server: Server
    listed: Path
    right: pl.DataFrame


# -- homes --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """
    Make the homes.

    ``calm`` is as a run leaves it; ``killed`` has answers in the journal's write-ahead log that the cache has not
    taken over; in ``absorbing`` they are in that of the cache too.
    """
    folder = tmp_path_factory.mktemp("scene")
    half, whole = write_list(folder / "half.csv", NUMBERS[:8]), write_list(folder / "list.csv", NUMBERS)
    with serving(folder, "--latency", "0.001") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(PRACTICE, server.url)
        calm, killed, absorbing, other = (Home(folder / name) for name in ("calm", "killed", "absorbing", "other"))
        flow.run(job(half, killed))
        kill_a_run(server, whole, killed)
        in_killed = len(server.arrivals())
        shutil.copytree(killed.root, absorbing.root)
        kill_while_absorbing(absorbing)
        flow.run(job(whole, calm))
        in_calm = len(server.arrivals()) - in_killed
        right = pl.read_parquet(calm.root / "out.parquet")
        flow.run(job(half, other))
        homes = {"calm": calm, "killed": killed, "absorbing": absorbing}
        counted = {"calm": in_calm, "killed": in_killed, "absorbing": in_killed}
        truths = {name: truth(home, folder / f"{name}-read", counted[name]) for name, home in homes.items()}
        yield Scene(homes, truths, Foreign(other, absorbing), server, whole, right)


def truth(home: Home, copy: Path, counted: int) -> Truth:
    """Read what a home knows, from a copy: even a reader changes what a killed run left."""
    return Truth(answers_of(Home(Path(shutil.copytree(home.root, copy)))), counted)


def answers_of(home: Home) -> Answers:
    """Return all answers of cache and journal."""
    found: dict[tuple[str, str, str, str], frozenset[str]] = {}
    with closing(sqlite3.connect(home.journal)) as sql:
        sql.text_factory = partial(str, encoding="utf-8", errors="replace")  # damaged rows are left where they are
        rows = sql.execute("SELECT register, product, kind, number, body FROM answer").fetchall()
    answers = []
    for *question, body in rows:
        with suppress(zlib.error):  # damaged
            answers.append((*question, zlib.decompress(body).decode()))
    with closing(duckdb.connect(str(home.cache))) as cache:
        answers += cache.execute("SELECT register, product, kind, number, raw FROM answers").fetchall()
    for *question, raw in answers:
        register, product, kind, number = question
        key = (register, product, kind, number)
        found[key] = found.get(key, frozenset()) | {raw}
    return found


def spent(home: Home) -> int:
    """Return the units in the ledger."""
    with closing(sqlite3.connect(home.journal)) as sql:
        ((units,),) = sql.execute(
            "SELECT coalesce(sum(units), 0) FROM ledger JOIN account ON account.id = ledger.account"
            " WHERE register LIKE 'practice@%' AND name = 'default'"
        ).fetchall()
    return int(units)


# -- one image ----------------------------------------------------------------------------------


@dataclass
class Image:
    """A damaged home, and what became of it. *wrong* is empty where nothing was taken in silence."""

    scene: Scene
    home: Home
    truth: Truth
    changed: Sequence[str]
    said: str = ""
    wrong: str = ""

    def judge(self) -> None:
        """Run the list, twice where the first refuses and says what to do."""
        damaged = contents(self.home)
        asked_before = len(self.scene.server.arrivals())
        try:
            self._run()
        except EnrichError as error:
            self.said += f" {error}"
            self._judge_refusal(error, damaged, len(self.scene.server.arrivals()) - asked_before)
            if not self.wrong:
                self._run_after_doing_as_told(str(error), asked_before)
            return
        except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
            self.wrong = f"crashed: {type(error).__name__}: {error}"
            return
        self._judge_end(asked_before)

    def _run(self) -> None:
        heard = Heard()
        try:
            finished = flow.run(job(self.scene.listed, self.home), progress=heard)
        finally:
            self.said = " ".join([self.said, *heard.notes]).strip()
        if finished.exit_code is not ExitCode.COMPLETE:
            self.wrong = f"ended with {finished.exit_code}"

    def _judge_refusal(self, error: EnrichError, damaged: Mapping[str, bytes], asked: int) -> None:
        is_account = "already known as account" in str(error)  # whose name is damaged: the key still tells
        if error.exit_code not in {ExitCode.STORAGE, ExitCode.STATE_IN_USE} and not is_account:
            self.wrong = f"refused with {error.exit_code}: {error}"
        elif is_account:
            return
        elif asked:
            self.wrong = f"asked {asked} numbers before it refused: {error}"
        else:
            # A log that is sound is written back into its file when that is closed: no byte of the file's own is lost.
            left, has_log = contents(self.home).values(), "journal.sqlite-wal" in damaged
            blamed = [name for name in self.changed if name in str(error) and name in damaged and not has_log]
            gone = [name for name in blamed if damaged[name] not in left]
            self.wrong = f"refused, and did not leave {gone} as they were: {error}" if gone else ""

    def _run_after_doing_as_told(self, refusal: str, asked_before: int) -> None:
        """Give the same command again, after moving away what the refusal names. We have no newer version to take."""
        if "update" in refusal or "use that name" in refusal:
            return
        away = self.home.root / "away"
        away.mkdir()
        for stem in ("journal.sqlite", "cache.duckdb"):
            if stem in refusal and re.search("move (it|that) away|folder", refusal, re.IGNORECASE):
                for path in self.home.root.glob(f"{stem}*"):
                    path.rename(away / path.name)
        try:
            obeying(self._run)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the finding
            self.wrong = f"still {type(error).__name__} after doing what was said ({refusal}): {error}"
        else:
            self._judge_end(asked_before)

    def _judge_end(self, asked_before: int) -> None:
        if self.wrong:
            return
        arrived = len(self.scene.server.arrivals()) - asked_before
        expected = len(NUMBERS) - len(self.truth.answers)
        kept = answers_of(self.home)
        lost = [key for key, bodies in self.truth.answers.items() if not bodies <= kept.get(key, frozenset())]
        output = pl.read_parquet(self.home.root / "out.parquet")
        aside = [path.name for path in self.home.set_aside()]
        if not output.drop(ONCE).equals(self.scene.right.drop(ONCE)):
            self.wrong = "wrong rows"
        elif spent(self.home) < self.truth.spent + arrived and "not in this ledger" not in self.said:
            self.wrong = f"ledger of {spent(self.home)}, spent {self.truth.spent} + {arrived}: {self.said}"
        elif (arrived > expected or lost) and not self.said:
            self.wrong = f"asked {arrived - expected} numbers again in silence, lost {lost}"
        elif not any(name in self.said for name in aside) and aside:
            self.wrong = f"set {aside} aside in silence: {self.said}"


def contents(home: Home) -> dict[str, bytes]:
    """Return the files of a home."""
    return {path.name: path.read_bytes() for path in home.root.iterdir() if path.is_file()}


@pytest.mark.timeout(1_800)
@pytest.mark.trials(fast=3, torture=240)
def test_no_damage_is_taken_in_silence(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trials: int, record: Record
):
    """Every damage in turn, at other places each time."""
    monkeypatch.setenv(PRACTICE, scene.server.url)
    names, silent = list(DAMAGES), []
    step = max(1, len(names) // trials)
    for trial in range(trials):
        name = names[trial * step % len(names)]
        chance = Random(trial)
        damage = DAMAGES[name]
        before = chance.choice([name for name in scene.homes if name not in damage.not_of])
        home = Home(tmp_path / f"{trial}")
        shutil.copytree(scene.homes[before].root, home.root, symlinks=True)
        sound = contents(home)
        damage.do(home, chance, scene.foreign)
        changed = [name for name, content in contents(home).items() if sound.get(name) != content]
        image = Image(scene, home, scene.truths[before], changed)
        image.judge()
        if image.wrong:
            silent.append(f"{trial} {name} of {before}: {image.wrong}")
        shutil.rmtree(home.root, ignore_errors=True)
    record("damage", images=trials, silent=len(silent))
    assert silent == []
