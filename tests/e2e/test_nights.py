"""Twenty nights within an allowance, while the register moves: money, forecast, and how soon an end is found."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pytest
from tests.figures import Record
from tests.harness import existing, write_list

from kvk_enrich import books, flow, write
from kvk_enrich.clock import SystemClock
from kvk_enrich.config import load, load_settings
from kvk_enrich.practice import app, moving
from kvk_enrich.write.written import described

FIRST = datetime(2027, 1, 1, 1, 0, tzinfo=UTC)
"""Two o'clock at night in Amsterdam."""

SINCE = date(2027, 1, 1)

CYCLE = {20: 6}
"""In how many nights half the calls go round the list; in a short simulation in three."""


@dataclass
class Shifted(SystemClock):
    """The machine's clock, moved to a night."""

    night: int = 0

    def __post_init__(self) -> None:
        """Begin now."""
        self._begun = super().now()

    def now(self) -> datetime:
        """Return a moment of that night."""
        return FIRST + timedelta(days=self.night) + (super().now() - self._begun)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths of all requests that arrive at practice registers in this process: their own count."""
    arrived: list[str] = []
    create = app.create

    def counting(settings: Any) -> Any:
        register = create(settings)

        async def counted_app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                arrived.append(scope["path"])
            await register(scope, receive, send)

        return counted_app

    monkeypatch.setattr(app, "create", counting)
    return arrived


def no_page(_run: Any, _staged: Path, _answers: Any, draft: Path, **_more: Any) -> write.Written:
    """Leave the page out: it takes longer than the rest of a night."""
    draft.touch()
    return described(draft, None)


def ended_on(number: str, lively: moving.Moving, last: date) -> date | None:
    """Return the day on which a company of the practice register ended."""
    return next((day for day, move in moving.moves(number, 0, lively, last) if move == "ended"), None)


@pytest.mark.timeout(600)
@pytest.mark.slow
@pytest.mark.trials(fast=4, torture=20)
def test_nights_within_an_allowance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trials: int, record: Record
) -> None:
    """
    No night spends more than it may; what ended is found while half the calls go once round the list.

    The plan of each night is what its run does, to the call and the cent.
    """
    numbers = existing(15 * trials)
    cycle, lively = CYCLE.get(trials, 3), moving.Moving(SINCE, 120 / trials)
    a_night = 2 * len(numbers) // cycle
    listed, out = write_list(tmp_path / "crm.csv", numbers), tmp_path / "out.parquet"
    environ = {
        "KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0",
        "KVK_ENRICH_SOURCE_PRACTICE_REQUESTS_PER_SECOND": "10000",
        "KVK_ENRICH_SOURCE_PRACTICE_MOVING_SINCE": SINCE.isoformat(),
        "KVK_ENRICH_SOURCE_PRACTICE_MOVES_A_YEAR": str(lively.a_year),
        "KVK_ENRICH_SOURCE_PRACTICE_CALLS_PER_MONTH": "100000",
    }
    flags = {"input": listed, "output": out, "source": "practice", "home": tmp_path / "home", "max_age": "12h"}
    found: dict[str, int] = {}
    spent, over, off = 0, 0, 0
    half_way = None
    clock = Shifted()
    arrived = counted(monkeypatch)
    monkeypatch.setattr(write, "report", no_page)
    for clock.night in range(trials):
        most = None if clock.night == 0 else f"{a_night * 0.02:.2f}"
        job = load(flags | {"serve_stale": True, "max_eur": most}, environ=dict(environ))
        planned, before = flow.forecast(job, clock=clock).record, len(arrived)
        done = flow.run(job, clock=clock).record
        calls = len(arrived) - before
        over += calls > (len(numbers) if most is None else a_night)
        off += (planned.forecast.calls_paid, planned.forecast.cost_eur) != (calls, done.cost_eur)
        assert planned.numbers == done.numbers
        assert done.rows.found == len(numbers)
        spent += calls
        rows = pl.read_parquet(out, columns=["kvk_number", "kvk_active"])
        for number in rows.filter(~pl.col("kvk_active"))["kvk_number"]:
            found.setdefault(number, clock.night)
        if clock.night == trials // 2:
            half_way = _line(tmp_path, clock)
    assert half_way is not None
    assert half_way.per_day is not None
    line = _line(tmp_path, clock)
    assert line.units == spent == len(arrived)
    nights = {
        number: (ended - SINCE).days
        for number in numbers
        if (ended := ended_on(number, lively, SINCE + timedelta(trials - 1)))
    }
    seen = found.keys() & nights.keys()
    late = [found.get(number, trials) - night for number, night in nights.items()]
    overdue = sum(
        found.get(number, trials) - night > cycle for number, night in nights.items() if night + cycle < trials
    )
    expected = float(half_way.per_day) * trials
    error = round(100 * (expected - spent) / spent, 1)
    print(  # noqa: T201 - figures for whoever reads along
        f"{trials} nights, {len(numbers)} companies, {spent} calls; {len(nights)} ended, {len(seen)} found, after"
        f" {median(late or [0]):g} nights in the middle and {max(late, default=0)} at most; plan off in {off}"
        f" nights; the month's forecast half-way {error:+} %"
    )
    record(
        "nights",
        nights=trials,
        companies=len(numbers),
        ended=len(nights),
        found=len(seen),
        over_allowance=over,
        overdue=overdue,
        longest=max(late, default=0),
        cycle=cycle,
        plan_off=off,
        forecast_error_percent=error,
    )
    assert (over, off, overdue) == (0, 0, 0)


def _line(tmp_path: Path, clock: Shifted) -> books.LedgerLine:
    (line,) = books.ledger(load_settings({"home": tmp_path / "home", "source": "practice"}, environ={}), clock=clock)
    return line
