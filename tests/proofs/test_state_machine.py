"""
Whatever happens to a home and its lists, in whatever order: the promises hold.

A history is a series of steps: rows are added, runs are made, killed, made side by side; the register fails; the
cache is damaged; time passes; ceilings come and go; numbers are forgotten. A plain model says what is known, the
register's own log what was asked.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import polars as pl
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.figures import Record
from tests.proofs.world import PLENTY, PROFILE, SEARCH, Key, Sent, World, body, name, obeying

from kvk_enrich import flow, keeping
from kvk_enrich.config import Job
from kvk_enrich.errors import ExitCode, Transient, Unusable
from kvk_enrich.fetch.gate import LEASE
from kvk_enrich.flow import Finished

WORKERS: Final = 8

COMPANIES: Final = [f"{place:08}" for place in range(90_000_001, 90_000_010)] + ["01000001"]
UNKNOWN: Final = ["90000091", "90000092"]
RSINS: Final = ["900000016", "900000028", "900000041"]
"""The first two belong to the first companies, the last to nobody. Check digits are right."""

FRESH: Final = {True: timedelta(days=30), False: timedelta(days=7)}
"""How long an answer is good for that found something, and one that did not."""

_FORMS: Final = {
    "as it is": "{}",
    "blanks": "  {} ",
    "label": "KVK {}",
    "again": "{}",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the list, and the number that it means: None where it is none."""

    text: str
    number: str | None


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was last received: None: the register has nothing."""

    version: int | None
    at: datetime


CELLS: Final = st.one_of(
    st.builds(
        lambda number, form: Cell(_FORMS[form].format(number), number),
        st.sampled_from(COMPANIES + UNKNOWN),
        st.sampled_from(sorted(_FORMS)),
    ),
    st.just(Cell("1000001", "01000001")),  # what a spreadsheet leaves of it
    st.sampled_from(RSINS).map(lambda number: Cell(number, number)),
    st.sampled_from(["", "n.v.t.", "12345678901234567", "=1+1"]).map(lambda text: Cell(text, None)),
)
CEILINGS: Final = st.one_of(st.none(), st.integers(0, 6))
ALLOWANCES: Final = st.sampled_from([0, 3, 11, 25, PLENTY, PLENTY, PLENTY])


class Histories(RuleBasedStateMachine):
    """One home, some lists, and all that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        truth: dict[str, int | None] = {**dict.fromkeys(COMPANIES, 1), **dict.fromkeys(UNKNOWN)}
        self.world = World(Path(self._folder.name), truth, dict(zip(RSINS, COMPANIES[:2], strict=False)))
        self.cells: list[Cell] = []
        self.form = "csv"
        self.known: dict[Key, Learnt] = {}
        self.allowance = PLENTY
        self.killed_runs = 0
        self.has_turned = False

    def teardown(self) -> None:
        """Leave nothing behind."""
        self._folder.cleanup()

    # -- what happens ---------------------------------------------------------------------------

    @initialize(cells=st.lists(CELLS, min_size=3, max_size=8))
    def begin(self, cells: list[Cell]) -> None:
        """A list is there."""
        self.cells = cells

    @rule(cells=st.lists(CELLS, min_size=1, max_size=6))
    def add_rows(self, cells: list[Cell]) -> None:
        """The list grows."""
        self.cells = (self.cells + cells)[-24:]

    @rule(form=st.sampled_from(["csv", "parquet"]))
    def change_form(self, form: str) -> None:
        """The list comes as another kind of file."""
        self.form = form

    @rule(ceiling=CEILINGS)
    def run(self, ceiling: int | None) -> None:
        """The list is run to its end."""
        self._play([self._job(0, ceiling)])

    @rule(requests=st.integers(1, 12))
    def run_and_kill(self, requests: int) -> None:
        """The machine dies while the list is run."""
        self._play([self._job(0, None)], kill_at=requests)

    @rule(ceilings=st.tuples(CEILINGS, CEILINGS), kill_at=st.one_of(st.none(), st.integers(1, 12)))
    def run_two(self, ceilings: tuple[int | None, int | None], kill_at: int | None) -> None:
        """Two runs on one home: one of the list, one of its later part with something more."""
        more = [Cell(number, number) for number in (COMPANIES[3], RSINS[0])]
        other = self._job(1, ceilings[1], self.cells[len(self.cells) // 3 :] + more)
        self._play([self._job(0, ceilings[0]), other], kill_at=kill_at)

    @rule()
    def look_ahead(self) -> None:
        """A plan asks nothing, and a run that follows keeps to it."""
        before = len(self.world.log)
        ahead = obeying(partial(flow.forecast, self._job(0, None), clock=self.world.clock)).record
        assert len(self.world.log) == before
        planned, unasked = ahead.forecast.calls_paid, ahead.rows.deferred
        done = self._play([self._job(0, None)])
        if done is not None and not self.world.failing:
            assert done[0].record.calls.paid <= planned
            assert done[0].record.calls.paid == planned or any(cell.number in RSINS for cell in self.cells)
            assert done[0].record.rows.deferred <= unasked

    @rule(numbers=st.sets(st.sampled_from(COMPANIES + RSINS), max_size=4), error=st.sampled_from([Transient, Unusable]))
    def fail(self, numbers: set[str], error: type[Any]) -> None:
        """The register fails for some numbers from now on, and for no others any more."""
        self.world.failing = dict.fromkeys(numbers, error)

    @rule()
    def companies_change(self) -> None:
        """The register has new data."""
        self.world.truth = {number: version and version + 1 for number, version in self.world.truth.items()}

    @rule(share=st.one_of(st.none(), st.floats(0, 1)))
    def damage_the_cache(self, share: float | None) -> None:
        """The cache is lost, or cut short."""
        cache = self.world.home.cache
        if share is None:
            cache.unlink(missing_ok=True)
        elif cache.exists():
            with cache.open("r+b") as file:
                file.truncate(int(cache.stat().st_size * share))

    @rule(days=st.sampled_from([1, 4, 9, 40]))
    def wait(self, days: int) -> None:
        """Time passes."""
        self.world.clock.ahead += timedelta(days=days)

    @rule(hours=st.sampled_from([-1, 1]))
    def set_the_clock(self, hours: int) -> None:
        """Somebody sets the clock."""
        self.world.clock.ahead += timedelta(hours=hours)

    @rule(seconds=st.floats(0.01, 3))
    def wait_for_the_end_of_the_month(self, seconds: float) -> None:
        """It is nearly midnight of the month's last day."""
        here = self.world.clock.here
        first = (here.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
        self.world.clock.ahead += first - here - timedelta(seconds=seconds)
        self.has_turned = True

    @rule(allowance=ALLOWANCES)
    def change_the_allowance(self, allowance: int) -> None:
        """Another budget for the month."""
        self.allowance = allowance

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        """Somebody wants to be forgotten: not a byte is left, and no more is forgotten than what belongs to them."""
        number = data.draw(st.sampled_from(sorted({number for _, number in self.known})))
        gone = self._belonging_to(number)
        erased = [(key, self.known.pop(key)) for key in gone if key in self.known]
        obeying(partial(keeping.forget, self.world.home.root, number, clock=self.world.clock))
        assert self.world.places_of([*self._traces(number, erased)]) == []

    @rule(hours=st.sampled_from([6, 100]))
    def prune(self, hours: int) -> None:
        """What is old is erased."""
        before = self.world.clock.now() - timedelta(hours=hours)
        obeying(partial(keeping.prune, self.world.home.root, timedelta(hours=hours), clock=self.world.clock))
        self.known = {key: learnt for key, learnt in self.known.items() if learnt.at >= before}

    # -- what always holds ----------------------------------------------------------------------

    @invariant()
    def the_ledger_is_not_below_what_the_register_counts(self) -> None:
        """No month, ever; nor above it by more than a lease per killed run and what counts twice at a month's turn."""
        ledger, arrived = self.world.units(), self.world.arrived()
        assert all(ledger[month] >= count for month, count in arrived.items()), (ledger, arrived)
        if not self.has_turned:
            assert ledger.total() - arrived.total() <= self.killed_runs * LEASE

    # -- the parts of it ------------------------------------------------------------------------

    def _job(self, place: int, ceiling: int | None, cells: list[Cell] | None = None) -> Job:
        texts = [cell.text for cell in (self.cells if cells is None else cells)]
        more: dict[str, Any] = {"form": self.form, "allowance": self.allowance, "workers": WORKERS}
        return self.world.job(texts, place=place, ceiling=ceiling, **more)

    def _play(self, jobs: list[Job], kill_at: int | None = None) -> list[Finished] | None:
        """Run *jobs*, learn from it what the model has to know, and judge all that was asked, counted and written."""
        self._step_aside()
        world, since = self.world, len(self.world.log)
        fresh = self._fresh()
        arrived, before = world.arrived(), world.units()
        ended = world.play(*jobs, kill_at=kill_at)
        sent = world.log[since:]
        self._judge_questions(sent, fresh)
        for month, count in world.arrived().items():
            assert count <= max(arrived[month], self.allowance)
        if ended is None:
            self._outlive(sent, len(jobs))
            return None
        self.known |= {one.key: Learnt(one.version, one.at) for one in sent if one.version != 0}
        for place, finished in enumerate(ended):
            self._judge(jobs[place], finished, [one for one in sent if one.run == place], fresh)
        if not self.world.failing and len(ended) == 1:
            self._judge_ceiling(jobs[0], ended[0], len(sent), self.allowance - before[self._month()])
        return ended

    def _month(self) -> str:
        return f"{self.world.clock.here:%Y-%m}"

    def _step_aside(self) -> None:
        """Let a minute or two pass where an answer is just about to become too old."""
        limits = [learnt.at + FRESH[learnt.version is not None] for learnt in self.known.values()]
        while any(abs(limit - self.world.clock.now()) < timedelta(minutes=1) for limit in limits):
            self.world.clock.ahead += timedelta(minutes=2)

    def _fresh(self) -> dict[Key, Learnt]:
        now = self.world.clock.now()
        return {
            key: learnt for key, learnt in self.known.items() if now - learnt.at <= FRESH[learnt.version is not None]
        }

    def _judge_questions(self, sent: list[Sent], fresh: dict[Key, Learnt]) -> None:
        """Nothing that is known is asked, and nothing is answered twice."""
        assert not {one.key for one in sent} & fresh.keys()
        answers = Counter(one.key for one in sent if one.is_answered)
        assert all(count == 1 for count in answers.values()), answers

    def _outlive(self, sent: list[Sent], runs: int) -> None:
        """After a kill all is known that the journal has; what it has not was in flight."""
        self.killed_runs += runs
        kept = self.world.journalled()
        lost = 0
        for one in sent:
            product, number = one.key
            owner = self.world.owners.get(number, number)
            if one.is_answered and one.version is not None:
                if kept.get(one.key) == body(product, owner, number, one.version):
                    self.known[one.key] = Learnt(one.version, one.at)
                    continue
            elif one.is_answered and kept.get(one.key, b"").startswith(b'{"fout"'):
                self.known[one.key] = Learnt(None, one.at)
                continue
            lost += number not in self.world.failing
        assert lost <= WORKERS * runs

    def _judge(self, job: Job, finished: Finished, sent: list[Sent], fresh: dict[Key, Learnt]) -> None:
        """One run told the truth about each row, and about itself."""
        record, code = finished.record, finished.exit_code
        paid = sum(one.key[0] == PROFILE for one in sent)
        assert (record.calls.paid, record.calls.free) == (paid, len(sent) - paid)
        assert record.cost_eur == paid * Decimal("0.02")
        assert job.max_calls is None or paid <= job.max_calls
        if code == ExitCode.UNAVAILABLE:
            assert self.world.failing
            return
        own = fresh | {one.key: self.known[one.key] for one in sent if one.is_answered}
        rows = list(self._rows_of(job))
        told = Counter(row["enrich_outcome"] for row in rows)
        counted = {outcome: getattr(record.rows, outcome) for outcome in told}
        assert (told, record.rows.total) == (counted, len(rows))
        for row in rows:
            self._judge_row(row, own, code)
        expected = ExitCode.CEILING if told["deferred"] else ExitCode.SOME_FAILED if told["failed"] else 0
        assert code == expected

    def _rows_of(self, job: Job) -> Iterator[dict[str, Any]]:
        """Yield the rows of the output, which are those of the list, with the number that each means."""
        listed = pl.read_csv(job.input, infer_schema=False) if self.form == "csv" else pl.read_parquet(job.input)
        out = pl.read_parquet(job.output)
        assert out.select("klant", "nr").cast(pl.String).fill_null("").equals(listed.cast(pl.String).fill_null(""))
        meant = {cell.text: cell.number for cell in self.cells}
        for row in out.iter_rows(named=True):
            yield row | {"meant": meant.get(row["nr"] or "", row["nr"])}

    def _judge_row(self, row: dict[str, Any], own: dict[Key, Learnt], code: ExitCode) -> None:
        """A row says what is known, or truly why not."""
        number, outcome = row["meant"], row["enrich_outcome"]
        if not number:
            assert outcome == "invalid"
            return
        if outcome == "failed":
            assert number in self.world.failing or self.world.owners.get(number) in self.world.failing
            return
        if outcome == "deferred":
            assert code == ExitCode.CEILING
            assert row["enrich_reason"] in {"run_ceiling", "month_ceiling"}
            assert self._last(number, own) is None
            return
        learnt = self._last(number, own | self._fresh())
        assert learnt is not None, row
        assert outcome == ("not_found" if learnt.version is None else "found")
        if learnt.version is not None:
            assert row["kvk_name"] == name(row["kvk_number"], learnt.version)
            assert row["kvk_number"] == self.world.owners.get(number, number)

    def _last(self, number: str, known: dict[Key, Learnt]) -> Learnt | None:
        """Return what is known at the end of the way of *number*; None while something is open."""
        if number in RSINS:
            search = known.get((SEARCH, number))
            if search is None or search.version is None:
                return search
        return known.get((PROFILE, self.world.owners.get(number, number)))

    def _judge_ceiling(self, job: Job, finished: Finished, sent: int, room: int) -> None:
        """Nothing is left out while there is room."""
        if finished.exit_code == ExitCode.CEILING:
            assert finished.record.calls.paid == job.max_calls or sent >= room or self._is_near_the_turn()

    def _is_near_the_turn(self) -> bool:
        here = self.world.clock.here
        return len({f"{here + timedelta(minutes=apart):%Y-%m}" for apart in (-2, 2)}) > 1

    def _belonging_to(self, number: str) -> set[Key]:
        """Return what is known of the company of *number*, as far as answers tie its numbers together."""
        tied = {
            rsin: owner
            for rsin, owner in self.world.owners.items()
            if (learnt := self.known.get((SEARCH, rsin))) and learnt.version is not None
        }
        company = tied.get(number, number)
        numbers = {company, number, *(rsin for rsin, owner in tied.items() if owner == company)}
        return {(product, one) for product in (PROFILE, SEARCH) for one in numbers}

    def _traces(self, number: str, erased: list[tuple[Key, Learnt]]) -> Iterator[bytes]:
        yield number.encode()
        for (product, of), learnt in erased:
            yield of.encode()
            if product == PROFILE and learnt.version:
                yield name(of, learnt.version).encode()


@pytest.mark.trials(fast=2, torture=60)
def test_no_history_breaks_a_promise(trials: int, record: Record) -> None:
    """Any series of steps."""
    steps = 0

    class Counted(Histories):
        def check_invariants(self, *details: Any) -> None:
            nonlocal steps
            steps += 1
            super().check_invariants(*details)

    broken = 1
    try:
        length = 12 if trials < 30 else 40
        # Nothing is made shorter: with threads at work no history goes the very same way twice.
        searching = settings(max_examples=trials, stateful_step_count=length, phases=[Phase.generate])
        run_state_machine_as_test(Counted, settings=searching)
        broken = 0
    finally:
        record("state-machine", examples=trials, steps=steps, broken=broken)
