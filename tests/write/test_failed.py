"""The failed-items report, read back with the standard library."""

import csv
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvk_enrich import write
from kvk_enrich.identifiers import masking
from kvk_enrich.record import Rows
from kvk_enrich.write.failed import items

HEADER = "row,value,number,kind,outcome,reason,detail,what_to_do,retryable,attempts,last_tried_at"
CITIZEN = "citizen_number"

Mixed = tuple[Path, pl.DataFrame]
Make = Callable[..., Path]
Answer = Callable[..., pl.DataFrame]


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the lines of a CSV as the standard library sees them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_line_per_row_without_answer(mixed: Mixed, tmp_path: Path) -> None:
    """Invalid, failed and deferred rows are listed in input order; not found and left-out rows are not."""
    path = tmp_path / "out.failed.csv"

    written = write.failed(*mixed, path)

    assert [(row["row"], row["outcome"], row["reason"]) for row in read_csv(path)] == [
        ("2", "invalid", "placeholder"),
        ("5", "failed", "timeout"),
        ("6", "deferred", "month_ceiling"),
    ]
    assert (written.path, written.rows) == (path, 3)


def test_a_line_tells_what_happened_and_what_to_do(mixed: Mixed, tmp_path: Path) -> None:
    """A line names value, number, reason, what was seen, what to do, and how often it was tried."""
    write.failed(*mixed, tmp_path / "out.failed.csv")

    assert read_csv(tmp_path / "out.failed.csv")[1] == {
        "row": "5",
        "value": "10000003",
        "number": "10000003",
        "kind": "kvk",
        "outcome": "failed",
        "reason": "timeout",
        "detail": "The register did not answer in time. (After 20 s.)",
        "what_to_do": "Run the same command again: only what is missing is asked.",
        "retryable": "yes",
        "attempts": "4",
        "last_tried_at": "2026-11-21T10:30:15.250Z",
    }


def test_people_read_the_cell_as_it_is(stage: Make, answered: Answer) -> None:
    """The apostrophe against formulas is a CSV's own: a workbook has text cells, a page runs nothing."""
    told = items(stage([{"raw": "-", "reason": "placeholder"}]), answered()).collect()

    assert told["value"].to_list() == ["-"]


def test_header_alone_when_all_is_answered(stage: Make, answered: Answer, tmp_path: Path) -> None:
    """Without failed items the report is its header."""
    path = tmp_path / "out.failed.csv"

    written = write.failed(stage([{"number": "10000001"}]), answered({"enrich_number": "10000001"}), path)

    assert (path.read_text(), written.rows) == (HEADER + "\n", 0)


REFUSED = {
    "NL123456782B001": "NL*********B***",
    "NL123456782B01 / NL123456782B02": "NL*********B** / NL*********B**",
    "NL123456782 B01 (oud)": "NL********* B** (oud)",
    "123456782 b 1": "********* b *",
    "BE 123456782B01": "BE *********B**",
    "eenmanszaak 123456782B01": "eenmanszaak *********B**",
    "BTW nummer 123456782": "BTW nummer *********",
    "NL_123_456_782_B_01?": "NL_***_***_***_B_**?",
    "NL123456782": "NL*********",
    "NL1234567820B01": "NL**********B**",
    "01123456782B01": "***********B**",
    "1234.56.782/987654321": "****.**.***/*********",
    "NL１２３４５６７８２B01x": "NL*********B**x",  # noqa: RUF001
    "NL123456789B001": "NL123456789B001",
    "tel. 0123456782": "tel. 0123456782",
    "12345678 / 7654321": "12345678 / 7654321",
}


def test_what_may_be_a_citizens_number_is_starred(stage: Make, answered: Answer, tmp_path: Path) -> None:
    """The report travels further than the list: nine digits that pass the eleven-test stand in it in no spelling."""
    write.failed(
        stage([{"raw": cell, "reason": "wrong_format"} for cell in REFUSED] + [{"raw": "BSN 1", "reason": CITIZEN}]),
        answered(),
        tmp_path / "out.failed.csv",
    )

    assert [row["value"] for row in read_csv(tmp_path / "out.failed.csv")] == [*REFUSED.values(), "BSN *"]


@given(st.lists(st.text("0123456789 ./-nlLBbx１²", max_size=20) | st.from_regex(r"(NL|x)?[ ./]?123.?456.?782[0-9 B]?")))  # noqa: RUF001
@settings(deadline=None)
def test_a_column_is_masked_as_one_text_is(cells: list[str]) -> None:
    """The short cut of the column form passes nothing over."""
    column = pl.DataFrame({"text": pl.Series(cells, dtype=pl.String)})

    masked = column.select(masking.refused_column(pl.col("text"), pl.lit("wrong_format"))).to_series().to_list()

    assert masked == [masking.refused(cell, "wrong_format") for cell in cells]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(value=st.text(st.characters(codec="utf-8"), max_size=260) | st.sampled_from(["=1+1", "\t=a", "\r\n@b", "－1"]))  # noqa: RUF001
def test_any_value_is_told_and_inert(stage: Make, answered: Answer, tmp_path: Path, value: str) -> None:
    """Whatever stood in the cell comes back cut at 200 characters, and runs nowhere."""
    write.failed(stage([{"raw": value, "reason": "not_a_number"}]), answered(), tmp_path / "out.failed.csv")

    (row,) = read_csv(tmp_path / "out.failed.csv")
    assert not row["value"].startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"))  # noqa: RUF001
    assert row["value"].replace("'", "") == value[:200].replace("'", "")


def test_counts_add_up(mixed: Mixed) -> None:
    """Each row is counted once, under its outcome."""
    assert write.counts(*mixed) == Rows(total=7, found=2, not_found=1, invalid=1, failed=1, deferred=2)


def test_a_row_without_answer_is_not_counted_away(stage: Make, answered: Answer) -> None:
    """A number that nobody answered for is a bug, not a smaller total."""
    with pytest.raises(ValueError, match="neither a reason nor an answer"):
        write.counts(stage([{"number": "99999990"}]), answered())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    rows=st.lists(st.sampled_from(["found", "not_found", "invalid", "failed", "deferred"]), max_size=30),
)
def test_counts_agree_with_the_files(stage: Make, answered: Answer, tmp_path: Path, rows: list[str]) -> None:
    """Record, enriched list and failed items tell the same numbers for any list."""
    reasons = {"found": None, "not_found": "not_registered", "failed": "timeout", "deferred": "stopped"}
    number = {outcome: f"1000000{digit}" for digit, outcome in enumerate(reasons)}
    lines = [
        {"enrich_number": number[outcome], "enrich_outcome": outcome, "enrich_reason": reason}
        for outcome, reason in reasons.items()
    ]
    staged = stage(
        [{"raw": "x", "reason": "not_a_number"} if each == "invalid" else {"number": number[each]} for each in rows]
    )

    counted = write.counts(staged, answered(*lines))
    listed = write.failed(staged, answered(*lines), tmp_path / "out.failed.csv")

    assert counted == Rows.of({outcome: rows.count(outcome) for outcome in set(rows)})
    assert listed.rows == counted.invalid + counted.failed + counted.deferred


def test_a_long_report_keeps_its_order(tmp_path: Path, answered: Answer) -> None:
    """A hundred thousand failed rows are written in bulk (0.15 s), all of them and in input order."""
    rows = 100_000
    pl.select(
        enrich_row=pl.int_range(1, rows + 1, dtype=pl.UInt32),
        enrich_raw=pl.lit("=cell"),
        enrich_number=pl.lit(None, pl.String),
        enrich_kind=pl.lit(None, pl.String),
        enrich_reason=pl.lit("not_a_number"),
    ).write_parquet(tmp_path / "staged.parquet")

    written = write.failed(tmp_path / "staged.parquet", answered(), tmp_path / "out.failed.csv")

    lines = read_csv(tmp_path / "out.failed.csv")
    assert [int(line["row"]) for line in lines] == [*range(1, rows + 1)]
    assert written.rows == rows
