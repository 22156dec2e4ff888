"""Shares of an allowance: what a job may use, by hand and by property; in settings, plans and runs."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.harness import existing, write_list

from kvk_enrich import books, flow, telling
from kvk_enrich.config import Job, load, load_settings, show
from kvk_enrich.errors import ConfigError
from kvk_enrich.shares import Share, room

NIGHTLY, ADHOC = Share("nightly", floor=Decimal("0.6")), Share("adhoc", ceiling=Decimal("0.2"))
SHARES = "[budget.share.nightly]\nfloor = 0.6\n[budget.share.adhoc]\nceiling = 0.2\n"


@pytest.mark.parametrize(
    ("job", "left", "used", "expected"),
    [
        ("nightly", 100, {}, 100),
        ("adhoc", 100, {}, 20),
        ("adhoc", 85, {"adhoc": 15}, 5),
        ("adhoc", 70, {"adhoc": 30}, 0),  # the share was made smaller since
        ("adhoc", 70, {"other": 30}, 10),  # what is left above nightly's floor
        ("adhoc", 30, {"nightly": 70}, 20),  # the floor is used up: nothing is kept any more
        ("other", 100, {}, 40),
        (None, 100, {}, 40),
        (None, 50, {"nightly": 20, "adhoc": 20}, 10),
        ("nightly", 0, {"other": 100}, 0),
    ],
)
def test_what_a_job_may_use(job: str | None, left: int, used: dict[str, int], expected: int):
    """Its ceiling less what it used, and no more than the floors of others leave."""
    assert room([NIGHTLY, ADHOC], job, 100, left, used) == expected


def test_parts_of_a_unit_go_to_the_floor():
    """What is kept is rounded up, what may be used down."""
    third = Share("a", Decimal("0.3333"), Decimal("0.3333"))
    assert (third.kept(100), third.most(100)) == (34, 33)


@given(
    st.integers(0, 50),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(1, 20)), max_size=30),
    st.tuples(st.integers(0, 50), st.integers(0, 50)),
    st.tuples(st.integers(0, 100), st.integers(0, 100)),
)
def test_floors_are_there_when_their_jobs_come(
    allowance: int, asked: list[tuple[str | None, int]], floors: tuple[int, int], ceilings: tuple[int, int]
):
    """Whoever came before, in any order: a job gets what its floor promised, none more than its ceiling."""
    shares = [
        Share(job, Decimal(floor) / 100, Decimal(max(floor, ceiling)) / 100)
        for job, floor, ceiling in zip("ab", floors, ceilings, strict=True)
    ]
    used: dict[str, int] = {}
    left = allowance
    for job, wanted in asked:
        taken = min(wanted, room(shares, job, allowance, left, used))
        used[job or ""], left = used.get(job or "", 0) + taken, left - taken
    assert left >= 0
    for share in shares:
        had = used.get(share.job, 0)
        assert had <= share.most(allowance)
        others = sum(max(0, other.kept(allowance) - used.get(other.job, 0)) for other in shares if other is not share)
        promised = min(share.kept(allowance), share.most(allowance), max(0, allowance - others))
        if sum(each.kept(allowance) for each in shares) <= allowance:  # rounding up may promise a unit too many
            assert had + room(shares, share.job, allowance, left, used) >= promised


# -- settings -----------------------------------------------------------------------------------


def settings(tmp_path: Path, text: str, **environ: str) -> Any:
    """Return the settings of the TOML *text*."""
    file = tmp_path / "c.toml"
    file.write_text(text)
    return load_settings({}, config_file=file, environ=environ)


def test_shares_are_shown_as_they_may_be_said_in_a_variable(tmp_path: Path):
    """What config show prints can be given back in the variable."""
    shown = {line.key: line for line in show(settings(tmp_path, SHARES), environ={})}["budget.share"]
    said = settings(tmp_path, "", KVK_ENRICH_BUDGET_SHARE=shown.value)
    assert said.sections.budget == settings(tmp_path, SHARES).sections.budget
    assert said.origin("budget.share") == "$KVK_ENRICH_BUDGET_SHARE"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[budget.share.nightly]\nfloor = 1.2", "budget.share.nightly.floor: must be at most 1"),
        ("[budget.share.nightly]\nflor = 0.2", "budget.share.nightly.flor: is no key"),
        ("[budget.share.nightly]\nfloor = 0.5\nceiling = 0.4", "the floor 0.5 is above the ceiling 0.4"),
        ("[budget.share.a]\nfloor = 0.6\n[budget.share.b]\nfloor = 0.6", "budget.share: the floors are 1.2 together"),
        ("[budget]\nshare = 0.6", "budget.share: must be"),
        ("[budget]\nshare = 'nightly 0.6'", "budget.share: must be text such as"),
        ("[budget.share.'a b']\nfloor = 0.6", "budget.share.a b"),
    ],
)
def test_shares_that_cannot_be_are_refused(tmp_path: Path, text: str, sentence: str):
    """With the key and what would be right."""
    with pytest.raises(ConfigError) as refused:
        settings(tmp_path, text)
    assert sentence in str(refused.value)


def job_of(tmp_path: Path, numbers: int, *, month: int = 10, **flags: Any) -> Job:
    """Return a job over the first so many companies, with a month of so many calls."""
    file = tmp_path / "c.toml"
    file.write_text(f"[source.practice]\nlatency_seconds = 0\ncalls_per_month = {month}\n{SHARES}")
    given = {
        "input": write_list(tmp_path / f"{numbers}.csv", existing(numbers)),
        "source": "practice",
        "home": tmp_path / "home",
    }
    return load(given | flags, config_file=file, environ={})


def test_a_slip_in_the_name_of_the_job_is_refused(tmp_path: Path):
    """It would do without its share."""
    with pytest.raises(ConfigError, match=r"budget\.job: there is no budget\.share\.nightli; did you mean nightly\?"):
        job_of(tmp_path, 1, job="nightli")


# -- runs ---------------------------------------------------------------------------------------


def test_a_run_keeps_to_its_share_as_it_was_planned(tmp_path: Path):
    """An ad hoc run ends at its ceiling, one without a name at the floor of the nightly job, which has its own."""
    asked = {}
    for name, numbers in (("adhoc", 4), (None, 7), ("nightly", 12)):
        job = job_of(tmp_path, numbers, job=name)
        planned, done = flow.forecast(job), flow.run(job)
        assert planned.record.forecast.calls_paid == done.record.calls.paid
        assert planned.record.rows.deferred == done.record.rows.deferred + done.record.calls.paid
        asked[name] = (done.record.calls.paid, done.record.stop_reason, int(done.exit_code))
        assert any("share of the month" in line for line in telling.forecast(planned)) == (name != "nightly")
    assert asked == {
        "adhoc": (2, "share_ceiling", 4),
        None: (2, "share_ceiling", 4),
        "nightly": (6, "month_ceiling", 4),
    }
    file = tmp_path / "c.toml"
    (line,) = books.ledger(load_settings({"home": tmp_path / "home"}, config_file=file, environ={}))
    assert line.units == 10
