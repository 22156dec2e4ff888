"""The one-page report."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import polars as pl
import pytest

from kvk_enrich import write
from kvk_enrich.reasons import FLAGS
from kvk_enrich.record import Budget, Calls, Input, Numbers, OutputFile, Outputs, Rate, Rows, RunRecord

RECORD = RunRecord(
    run_id="20261121-103015-7f3a",
    state="partial",
    stop_reason=None,
    input=Input(path="/lists/suppliers.csv", sha256="0" * 64, rows=7, columns=("kvk nr",)),
    config_sha256="1" * 64,
    version="0.1.0",
    rows=Rows(total=7, found=2, not_found=1, invalid=1, failed=1, deferred=2),
    numbers=Numbers(distinct=4, cached=1, asked=3),
    calls=Calls(sent=20, paid=20, free=0, retries=3, in_doubt=1),
    cost_eur=Decimal("0.40"),
    saved_eur=Decimal("1212.00"),
    budget=Budget(account="crm", month="2026-11", used=20, left=299_980, limit=300_000),
    rate=Rate(limit_per_s=100, mean_per_s=98.7, max_in_any_second=99),
    outputs=Outputs(
        enriched=OutputFile(path="/lists/out.parquet", sha256="2" * 64, rows=7),
        failed=OutputFile(path="/lists/out.failed.csv", sha256="3" * 64, rows=3),
    ),
    started_at=datetime(2026, 11, 21, 10, 30, tzinfo=UTC),
    finished_at=datetime(2026, 11, 21, 11, 32, 5, tzinfo=UTC),
    seconds=3725.0,
)


class Page(HTMLParser):
    """What a browser would find in a page: its tags and its text."""

    def __init__(self, page: str) -> None:
        """Read the whole *page*."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Remember the text."""
        self.text += data


def test_the_page_tells_the_run(mixed: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    """Counts, money, reasons with what to do, failed items, files, run and times are on the page."""
    path = tmp_path / "out.report.html"

    written = write.report(RECORD, *mixed, path)

    text = re.sub(r"\s+", " ", Page(path.read_text(encoding="utf-8")).text)
    for told in (
        "suppliers.csv",
        "Run the same command again to ask just those.",
        "7 rows",
        "28.6%",
        "EUR 0.40",
        "EUR 1,212.00",
        "299,980 of 300,000",
        "whose answer never came",
        "The register did not answer in time.",
        "Look the company up on kvk.nl",
        "After 20 s.",
        "n.v.t.",
        "/lists/out.parquet",
        "/lists/out.failed.csv",
        "20261121-103015-7f3a",
        "2026-11-21 10:30:00 to 2026-11-21 11:32:05 UTC, 1 h 2 min",
    ):
        assert told in text
    assert (written.path, written.rows) == (path, None)


def test_the_page_loads_and_runs_nothing(mixed: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    """No script, no link, no image, nothing from elsewhere."""
    write.report(RECORD, *mixed, tmp_path / "out.html")

    page = Page((tmp_path / "out.html").read_text(encoding="utf-8"))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "a", "form", "object"})
    assert not [
        name for _, attributes in page.tags for name in attributes if name in ("src", "href") or name[:2] == "on"
    ]
    assert "url(" not in (tmp_path / "out.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ record }}"])
def test_hostile_cells_are_only_text(
    stage: Callable[..., Path], answered: Callable[..., pl.DataFrame], tmp_path: Path, hostile: str
) -> None:
    """Markup in a cell or a file name is shown as its letters."""
    record = msgspec.structs.replace(RECORD, input=msgspec.structs.replace(RECORD.input, path=hostile))

    write.report(record, stage([{"raw": hostile, "reason": "not_a_number"}]), answered(), tmp_path / "out.html")

    page = Page((tmp_path / "out.html").read_text(encoding="utf-8"))
    assert hostile in page.text
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})


def test_a_long_list_of_items_is_cut(
    stage: Callable[..., Path], answered: Callable[..., pl.DataFrame], tmp_path: Path
) -> None:
    """The page shows the first items and says how many there are."""
    rows = [{"raw": f"x{row}", "reason": "not_a_number"} for row in range(30)]

    write.report(RECORD, stage(rows), answered(), tmp_path / "out.html")

    text = Page((tmp_path / "out.html").read_text(encoding="utf-8")).text
    assert "The first 20 of 30 rows without an answer" in text
    assert ("x19" in text, "x20" in text) == (True, False)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": "complete"}, "Every row has its final answer."),
        ({"state": "partial", "stop_reason": "month_ceiling"}, "The month's allowance of this key is used up."),
        ({"state": "stopped", "stop_reason": "power"}, "Stopped early: power."),
        ({"state": "stopped", "outputs": None}, "nothing is paid twice"),
        ({"seconds": 0.42}, "0.4 s"),
        ({"seconds": 61.0}, "1 min 1 s"),
    ],
)
def test_headline_and_duration(
    stage: Callable[..., Path],
    answered: Callable[..., pl.DataFrame],
    tmp_path: Path,
    changes: dict[str, object],
    told: str,
) -> None:
    """The first lines say how the run ended and how long it took, for an empty list too."""
    write.report(msgspec.structs.replace(RECORD, **changes), stage([]), answered(), tmp_path / "out.html")

    assert told in Page((tmp_path / "out.html").read_text(encoding="utf-8")).text


def test_flags_of_numbers_and_answers_are_told_with_their_rows(
    stage: Callable[..., Path], answered: Callable[..., pl.DataFrame], tmp_path: Path
) -> None:
    """A wrong check digit stands in the list, a contradiction in the answer; a row may have both."""
    staged = stage([{"number": "10000001", "flags": ["check_digit"]}, {"number": "10000001"}, {"number": "10000002"}])
    answers = answered(
        {"enrich_number": "10000001", "enrich_flags": ["numbers_disagree"]}, {"enrich_number": "10000002"}
    )
    rows = Rows(total=3, found=3, not_found=0, invalid=0, failed=0, deferred=0)
    record = msgspec.structs.replace(
        RECORD, rows=rows, input=Input(path="x.csv", sha256="0" * 64, rows=3, columns=("kvk nr",)), outputs=None
    )
    write.report(record, staged, answers, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    told = page.text.split("Worth a look")[1].split("The rows")[0].replace("\n", "")
    assert told == f"rowswhat2{FLAGS['numbers_disagree']}1{FLAGS['check_digit']}"
