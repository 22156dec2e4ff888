"""Progress: what is counted, and how it looks."""

import io
import json
import os
import pty
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from tests.harness import existing, write_list

from kvk_enrich import load, run
from kvk_enrich.clock import SystemClock
from kvk_enrich.model import Status
from kvk_enrich.progress import Bar, Lines, Progress, Tally, shown_on


@dataclass
class Moved:
    """A clock that moves when told."""

    seconds: float = 1_000.0

    def now(self):
        return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def boot_ns(self):
        return int(self.seconds * 1e9)

    def boot_id(self):
        return "test"


def _lines_of(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _drawn(bar, width=120):
    shown = io.StringIO()
    Console(file=shown, width=width, force_terminal=False, color_system=None).print(bar)
    return shown.getvalue().splitlines()


def test_rate_is_that_of_the_last_ten_seconds():
    """A slow beginning is forgotten after ten seconds."""
    clock = Moved()
    tally = Tally(clock, total=2_000)
    for per_second in [1] * 10 + [100] * 10:
        for _ in range(per_second):
            tally.count(Status.FOUND, 20_000)
        clock.seconds += 1
    assert tally.rate() == 100.0
    assert tally.seconds_left() == round((2_000 - 1_010) / 100)


def test_rate_falls_to_nothing_while_waiting():
    """No answers for ten seconds is a rate of zero and no promise of a time left."""
    clock = Moved()
    tally = Tally(clock, total=10)
    tally.count(Status.FOUND, 0)
    clock.seconds += 30
    assert (tally.rate(), tally.seconds_left()) == (0.0, None)


def test_rate_counts_from_the_first_answer():
    """After two seconds the rate is over two seconds, not over ten."""
    clock = Moved()
    tally = Tally(clock, total=10)
    tally.count(Status.FOUND, 0)
    tally.count(Status.FOUND, 0)
    clock.seconds += 2
    assert tally.rate() == 1.0


def test_lines_say_what_was_done_spent_and_waited_for():
    """The last line holds all counts, money in euro, and what the run waits for."""
    stream, clock = io.StringIO(), Moved()
    with Lines(stream, clock) as progress:
        progress.start(total_calls=3, cached=7, expected_micro=60_000)
        progress.advance("found", spent_micro=20_000)
        progress.advance("not_found", spent_micro=20_000)
        progress.state("waiting for pace")
        clock.seconds += 2
    first, last = _lines_of(stream)
    assert (first["done"], first["total"], first["cached"], first["expected_eur"]) == (0, 3, 7, "0.06")
    assert last == {
        "at": "2026-11-21T00:16:42+00:00",
        "event": "progress",
        "done": 2,
        "total": 3,
        "cached": 7,
        "found": 1,
        "not_found": 1,
        "invalid": 0,
        "failed": 0,
        "deferred": 0,
        "rate_per_s": 1.0,
        "spent_eur": "0.04",
        "expected_eur": "0.06",
        "seconds_left": 1,
        "state": "waiting for pace",
    }


@pytest.mark.parametrize("finished_before", [False, True])
def test_lines_come_by_themselves(finished_before):
    """A run that only waits still writes a line, also when a question was asked before it began."""
    stream = io.StringIO()
    progress = Lines(stream, Moved(), every_seconds=0.001)
    if finished_before:
        progress.finish()
    progress.start(1, 0, 0)
    limit = time.monotonic() + 10
    while stream.getvalue().count("\n") < 3 and time.monotonic() < limit:
        pass
    progress.finish()
    assert {line["event"] for line in _lines_of(stream)} == {"progress"}


def test_lines_write_a_note_at_once():
    """A note is a line of its own, also before the start."""
    stream = io.StringIO()
    Lines(stream, Moved()).note("3 calls may have been paid twice")
    assert _lines_of(stream) == [
        {"at": "2026-11-21T00:16:40+00:00", "event": "note", "text": "3 calls may have been paid twice"}
    ]


def test_lines_outlive_their_reader():
    """A closed pipe behind stderr does not end the run."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    stream = os.fdopen(write_end, "w", buffering=1)
    with Lines(stream, Moved()) as progress:
        progress.start(1, 0, 0)
        progress.note("anyone there?")
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_finishing_twice_is_finishing():
    """The last line comes once."""
    stream = io.StringIO()
    progress = Lines(stream, Moved())
    progress.start(1, 0, 0)
    progress.finish()
    progress.finish()
    assert len(_lines_of(stream)) == 2


def test_bar_shows_share_pace_counts_and_money():
    """Two lines hold what a person wants to know."""
    clock = Moved()
    bar = Bar(Console(file=io.StringIO()), clock)
    bar.tally.total, bar.tally.cached, bar.tally.expected_micro = 1_200, 310, 24_000_000
    for _ in range(100):
        bar.advance("found", spent_micro=20_000)
    clock.seconds += 1
    bar.state("month used up")
    above, below = _drawn(bar)
    assert above == "━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 8 %  100 of 1,200  100/s, 0:11 left"
    assert below == "found 100  cached 310  EUR 2.00 of 24.00  (month used up)"


def test_bar_is_cut_to_a_narrow_terminal():
    """Each line stays one line."""
    bar = Bar(Console(file=io.StringIO()), Moved())
    assert [len(line) <= 30 for line in _drawn(bar, width=30)] == [True, True]


def test_bar_without_calls_is_full():
    """A run where all is known has nothing to wait for."""
    above, _ = _drawn(Bar(Console(file=io.StringIO()), Moved()))
    assert above == "━━━━━━━━━━━━━━━━━━━━━━━━ 100 %  0 of 0  done"


def test_bar_says_hours_left():
    """Long runs are told in hours."""
    clock = Moved()
    bar = Bar(Console(file=io.StringIO()), clock)
    bar.tally.total = 7_300
    bar.advance("found", spent_micro=0)
    clock.seconds += 1
    assert _drawn(bar)[0].endswith("1/s, 2:01:39 left")


def test_bar_on_a_terminal_leaves_its_last_state():
    """After the end the counts stay on the screen, and notes stand above them."""
    parent, child = pty.openpty()
    terminal = os.fdopen(child, "w")
    with Bar(Console(file=terminal, force_terminal=True, width=100), Moved()) as progress:
        progress.start(1, 0, 20_000)
        progress.note("resuming")
        progress.advance("found", spent_micro=20_000)
    shown = b""
    while b"1 of 1  done" not in shown:  # a terminal hands over in pieces; the test's time limit ends a vain wait
        shown += os.read(parent, 65_536)
    terminal.close()
    os.close(parent)
    assert b"resuming" in shown


def test_a_terminal_gets_a_bar(monkeypatch):
    """A person sees a bar."""
    monkeypatch.setenv("TERM", "xterm")
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as terminal:
        assert isinstance(shown_on(terminal, Moved()), Bar)
    os.close(parent)


@pytest.mark.parametrize("forced", ["1", ""])
def test_a_pipe_gets_lines(monkeypatch, forced):
    """A log gets lines, also where colours are forced."""
    monkeypatch.setenv("FORCE_COLOR", forced)
    assert isinstance(shown_on(io.StringIO(), Moved()), Lines)


def test_the_silent_one_shows_nothing(capsys):
    """The default takes everything and says nothing."""
    with Progress() as progress:
        progress.start(1, 1, 1)
        progress.advance("found", spent_micro=1)
        progress.state("waiting")
        progress.note("hello")
    assert capsys.readouterr() == ("", "")


def test_counting_is_cheap():
    """A hundred outcomes a second take far less than a hundredth of a core."""
    lines = Lines(io.StringIO(), Moved())
    began = time.process_time()
    for _ in range(10_000):
        lines.advance("found", spent_micro=20_000)
    assert (time.process_time() - began) / 10_000 < 100e-6


def test_the_total_follows_what_answers_lead_to():
    """Calls that turn out to be spared, or to be needed, move the total: the end is always the whole."""
    stream = io.StringIO()
    with Lines(stream, Moved()) as lines:
        lines.start(10, 0, 0)
        lines.advance(Status.NOT_FOUND, spent_micro=0)
        lines.expect(4)
        for _ in range(4):
            lines.advance(Status.FOUND, spent_micro=0)
        lines.expect(0)
    last = _lines_of(stream)[-1]
    assert (last["done"], last["total"]) == (5, 5)


def test_a_run_ends_at_its_total(tmp_path):
    """An RSIN that nobody has spares a call that the plan had to count."""
    stream, listed = io.StringIO(), write_list(tmp_path / "list.csv", ["111222333", *existing(2)])
    job = load({"input": listed, "source": "practice", "home": tmp_path / "home", "output": tmp_path / "o.csv"})
    with Lines(stream, SystemClock()) as lines:
        run(job, progress=lines)
    first, *_, last = [line for line in _lines_of(stream) if line["event"] == "progress"]
    assert last["done"] == last["total"] < first["total"]
