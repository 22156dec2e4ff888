"""One run at a time per list and output; the kernel's lock, which no killed run leaves behind."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.harness import existing, write_list
from tests.state.parts import child, said

from kvk_enrich import flow
from kvk_enrich.config import Job, load
from kvk_enrich.errors import StateInUse
from kvk_enrich.state.alone import alone
from kvk_enrich.state.home import Home, open_home

NOON = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of its own."""
    return open_home(tmp_path / "home")


def test_a_second_one_is_told_of_the_first(home: Home, tmp_path: Path):
    """Which run, and since when; whatever the spelling of the paths."""
    listed, out = tmp_path / "list.csv", tmp_path / "out.parquet"
    (tmp_path / "link.csv").symlink_to(listed)
    with alone(home, listed, out, NOON) as name:
        with pytest.raises(StateInUse, match="a run that began 2026-11-21 11:00:00 UTC"):
            alone(home, listed, out, NOON).__enter__()
        name("20261121T110000-abc123")
        with pytest.raises(StateInUse, match="run 20261121T110000-abc123, since 2026-11-21 11:00:00 UTC; wait for it"):
            alone(home, tmp_path / "link.csv", tmp_path / "x" / ".." / "out.parquet", NOON).__enter__()
    with alone(home, listed, out, NOON):
        pass
    assert not list(home.locks.glob("list-*"))


def test_others_go_side_by_side(home: Home, tmp_path: Path):
    """Another list, or another output, is another work."""
    listed, out = tmp_path / "list.csv", tmp_path / "out.parquet"
    with (
        alone(home, listed, out, NOON),
        alone(home, tmp_path / "other.csv", out, NOON),
        alone(home, listed, tmp_path / "other.parquet", NOON),
    ):
        assert len(list(home.locks.glob("list-*"))) == 3


HOLDING = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from kvk_enrich.state.alone import alone
from kvk_enrich.state.home import Home
home, listed, out = map(Path, sys.argv[1:])
with alone(Home(home), listed, out, datetime.now(UTC)) as name:
    name("of-the-child")
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_holds_nothing(home: Home, tmp_path: Path):
    """Its file may lie there; the lock is gone with the process."""
    listed, out = tmp_path / "list.csv", tmp_path / "out.parquet"
    with child(HOLDING, home.root, listed, out) as process:
        assert said(process) == "held"
        with pytest.raises(StateInUse, match="run of-the-child, since"):
            alone(home, listed, out, NOON).__enter__()
        process.kill()
        process.wait(120)
    assert len(list(home.locks.glob("list-*"))) == 1
    with alone(home, listed, out, NOON):
        (left,) = home.locks.glob("list-*")
        assert "of-the-child" not in left.read_text()
        assert left.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """A run on the practice register."""
    listed = write_list(tmp_path / "list.csv", existing(2))

    def made(output: str = "out.parquet") -> Job:
        given = {"input": listed, "home": tmp_path / "home", "output": tmp_path / output, "source": "practice"}
        return load(given, environ={"KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"})

    return made


def test_a_run_names_itself_to_the_next(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch):
    """The second asks nothing and changes nothing; once the first has ended, it may."""
    carried_out, refused = flow._asked, []

    def meanwhile(*given: object) -> object:
        with pytest.raises(StateInUse) as error:
            flow.run(job())
        refused.append(str(error.value))
        return carried_out(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(flow, "_asked", meanwhile)
    finished = flow.run(job())
    (sentence,) = refused
    assert f"run {finished.record.run_id}, since " in sentence
    assert (finished.exit_code, flow.run(job()).record.calls.sent) == (0, 0)
    assert not list((job().home / "locks").glob("list-*"))
