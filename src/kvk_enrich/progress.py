"""
What a run says of itself while it lasts: a bar on a terminal, JSON lines elsewhere, nothing in tests.

The engine only tells what happens (:class:`Progress`), which costs a microsecond; what is shown,
and how often, is decided in a thread of its own. Nothing here names a number or a key.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Event, Thread
from typing import Final, Self, TextIO

import structlog
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from kvk_enrich.clock import Clock, SystemClock
from kvk_enrich.lang import ENGLISH, Words, printable
from kvk_enrich.model import MICRO, Status, euro

LINE_EVERY_SECONDS: Final = 10.0
REDRAWS_PER_SECOND: Final = 4
_RATE_SECONDS: Final = 10
_BAR_WIDTH: Final = 24
_SECOND_NS: Final = 1_000_000_000


class Progress:
    """
    What a run tells while it lasts. This one shows nothing; the others begin with it.

    All calls come from one thread, return within microseconds and raise nothing. Used as a
    context manager, which finishes it.
    """

    def start(self, total_calls: int, cached: int, expected_micro: int) -> None:
        """Take the plan: calls to make, numbers known before, micro-euro expected. Called at most once."""

    def expect(self, calls_left: int) -> None:
        """Take how many calls are left by now: answers lead on, or spare some."""

    def advance(self, outcome_status: str, *, spent_micro: int) -> None:
        """Count one number's outcome (a :class:`~kvk_enrich.model.Status`) and what that one has cost."""

    def state(self, text: str | None) -> None:
        """Say what the run is waiting for; None: it is under way."""

    def note(self, text: str) -> None:
        """Say something once."""

    def finish(self) -> None:
        """Show the last state and stop. May be called again."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Finish."""
        self.finish()


@dataclass(slots=True)
class Tally:
    """
    The counts behind a display. Written by one thread, read by another that may see them a call old.

    Args:
        clock: For the rate and the time left.
        total: Calls to make.
        cached: Numbers known before.
        expected_micro: What all calls will cost, in micro-euro.
        counts: Outcomes by status.
        spent_micro: Spent so far, in micro-euro.
        state: What is being waited for, or None.
    """

    clock: Clock
    total: int = 0
    cached: int = 0
    expected_micro: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))
    spent_micro: int = 0
    state: str | None = None
    _seconds: deque[list[int]] = field(default_factory=lambda: deque(maxlen=_RATE_SECONDS + 1))

    def count(self, status: str, spent_micro: int) -> None:
        """Count one outcome in the present second."""
        self.counts[status] += 1
        self.spent_micro += spent_micro
        second = self.clock.boot_ns() // _SECOND_NS
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0])
        self._seconds[-1][1] += 1

    @property
    def done(self) -> int:
        """Outcomes so far."""
        return sum(self.counts.values())

    def rate(self) -> float:
        """Return outcomes per second over the last ten whole seconds, or since the first if that is later."""
        now = self.clock.boot_ns() // _SECOND_NS
        recent = [(second, count) for second, count in tuple(self._seconds) if now - _RATE_SECONDS <= second < now]
        return sum(count for _, count in recent) / (now - recent[0][0]) if recent else 0.0

    def seconds_left(self) -> int | None:
        """Return the time the rest will take at the present rate; None while there is no rate."""
        rate = self.rate()
        return round((self.total - self.done) / rate) if rate else None


class _Counted(Progress):
    """Counts what is told; shows nothing yet."""

    def __init__(self, clock: Clock) -> None:
        """Take the *clock* that rates are measured by."""
        self.tally = Tally(clock)

    def start(self, total_calls: int, cached: int, expected_micro: int) -> None:
        """Take the plan."""
        self.tally.total, self.tally.cached, self.tally.expected_micro = total_calls, cached, expected_micro

    def expect(self, calls_left: int) -> None:
        """Move the total."""
        self.tally.total = self.tally.done + calls_left

    def advance(self, outcome_status: str, *, spent_micro: int) -> None:
        """Count an outcome."""
        self.tally.count(outcome_status, spent_micro)

    def state(self, text: str | None) -> None:
        """Keep what is waited for until it is shown."""
        self.tally.state = text


class Notes(Progress):
    """Only what is said once, as a plain line: for commands that take no time."""

    def __init__(self, stream: TextIO, words: Words = ENGLISH) -> None:
        """Write to *stream*, in the language of *words*."""
        self._stream, self._words = stream, words

    def note(self, text: str) -> None:
        """Write *text*, if anybody still listens."""
        with suppress(OSError):
            self._stream.write(f"{printable(self._words.said(text))}\n")


class Lines(_Counted):
    """One JSON line on *stream* every ten seconds, and one at the end."""

    def __init__(self, stream: TextIO, clock: Clock, *, every_seconds: float = LINE_EVERY_SECONDS) -> None:
        """Write to *stream*, with times of *clock*."""
        super().__init__(clock)
        self._every_seconds = every_seconds
        self._ended = Event()
        self._thread: Thread | None = None
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream), processors=[self._timed, structlog.processors.JSONRenderer()]
        )

    def start(self, total_calls: int, cached: int, expected_micro: int) -> None:
        """Take the plan and write a first line."""
        super().start(total_calls, cached, expected_micro)
        self._line()
        self._ended.clear()
        self._thread = Thread(target=self._write, name="progress", daemon=True)
        self._thread.start()

    def note(self, text: str) -> None:
        """Write *text* at once."""
        self._say("note", text=text)

    def finish(self) -> None:
        """Write the last line."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._line()

    def _write(self) -> None:
        while not self._ended.wait(self._every_seconds):
            self._line()

    def _line(self) -> None:
        tally = self.tally
        self._say(
            "progress",
            done=tally.done,
            total=tally.total,
            cached=tally.cached,
            **tally.counts,
            rate_per_s=round(tally.rate(), 1),
            spent_eur=_euro(tally.spent_micro),
            expected_eur=_euro(tally.expected_micro),
            seconds_left=tally.seconds_left(),
            state=tally.state,
        )

    def _say(self, event: str, **facts: object) -> None:
        with suppress(OSError):  # nobody listens any more: no reason to end a paid run
            self._log.info(event, **facts)

    def _timed(self, _logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"at": self.tally.clock.now().isoformat(timespec="seconds"), **event}


class Bar(_Counted):
    """Two lines at the foot of a terminal, redrawn four times a second."""

    def __init__(self, console: Console, clock: Clock, words: Words = ENGLISH) -> None:
        """Draw on *console*, in the language of *words*."""
        super().__init__(clock)
        self._words = words
        self._live = Live(
            self,
            console=console,
            refresh_per_second=REDRAWS_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self, total_calls: int, cached: int, expected_micro: int) -> None:
        """Take the plan and begin to draw."""
        super().start(total_calls, cached, expected_micro)
        self._live.start()

    def note(self, text: str) -> None:
        """Print *text* above the bar."""
        self._live.console.print(Text(self._words.said(text)))

    def finish(self) -> None:
        """Draw for the last time and leave the lines standing."""
        self.tally.state = None
        self._live.stop()

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw: rich calls this from its own thread."""
        for line in _drawn(self.tally, self._words, ascii_only=options.ascii_only):
            yield Text(line, no_wrap=True, overflow="ellipsis")


def _drawn(tally: Tally, words: Words, *, ascii_only: bool) -> Iterator[str]:
    done, left = tally.done, tally.seconds_left()
    share = done / tally.total if tally.total else 1.0
    full = int(share * _BAR_WIDTH)
    filled, empty = ("#", "-") if ascii_only else ("━", "╌")
    bar = filled * full + empty * (_BAR_WIDTH - full)
    pace = f"{tally.rate():.0f}/s" if done < tally.total else words("done")
    wait = f", {words('{time} left', time=_clock_time(left))}" if left and done < tally.total else ""
    of = words("{done} of {total}", done=words.number(done), total=words.number(tally.total))
    yield f"{bar} {int(share * 100)} %  {of}  {pace}{wait}"
    counts = [f"{words.code(status)} {words.number(count)}" for status, count in tally.counts.items() if count]
    spent, expected = (words.euro(euro(amount)) for amount in (tally.spent_micro, tally.expected_micro))
    money = words("EUR {spent} of {expected}", spent=spent, expected=expected)
    state = [f"({words.said(tally.state)})"] if tally.state else []
    yield "  ".join([*counts, words("cached {count}", count=words.number(tally.cached)), money, *state])


def _clock_time(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _euro(amount: int) -> str:
    return f"{Decimal(amount) / MICRO:.2f}"


def shown_on(stream: TextIO, clock: Clock | None = None, words: Words = ENGLISH) -> Progress:
    """Return a bar when *stream* is a terminal that can move its cursor, JSON lines, in English, when it is not."""
    clock = clock or SystemClock()
    console = Console(file=stream)
    if stream.isatty() and not console.is_dumb_terminal:
        return Bar(console, clock, words)
    return Lines(stream, clock)
