"""What the page calls worth a look."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from kvk_enrich import compare
from kvk_enrich.write.report.findings import LINES, Finding, findings
from kvk_enrich.write.report.numbers import numbers

ANSWER = {
    "enrich_kind": pl.String(),
    "enrich_number": pl.String(),
    "enrich_outcome": pl.String(),
    "enrich_reason": pl.String(),
    "enrich_flags": pl.List(pl.String()),
    "kvk_number": pl.String(),
    "kvk_rsin": pl.String(),
    "kvk_name": pl.String(),
    "kvk_active": pl.Boolean(),
    "kvk_end_date": pl.Date(),
    "kvk_visit_street": pl.String(),
    "kvk_visit_house_number": pl.String(),
    "kvk_visit_postcode": pl.String(),
    "vat_number": pl.String(),
    "vat_status": pl.String(),
    "vat_checked_at": pl.Datetime("us", "UTC"),
}
Listed = Sequence[tuple[str, str]]
Look = Callable[..., list[Finding]]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Return a function from rows (kind, number) and answers by number to the findings."""

    def found(
        rows: Listed, answers: Mapping[str, Mapping[str, object]], differences: pl.DataFrame | None = None
    ) -> list[Finding]:
        staged = tmp_path / "staged.parquet"
        kinds, values = zip(*rows, strict=True)
        pl.DataFrame(
            {"enrich_row": range(1, len(rows) + 1), "enrich_kind": kinds, "enrich_number": values},
            schema_overrides={"enrich_row": pl.UInt32},
        ).write_parquet(staged)
        by_number = {number: kind for kind, number in rows}
        lines = [
            {"enrich_kind": kind, "enrich_number": number, "enrich_outcome": "found"} | dict(answers.get(number, {}))
            for number, kind in by_number.items()
        ]
        return findings(staged, numbers(staged, pl.DataFrame(lines, schema=ANSWER)), differences)

    return found


def company(number: str, **told: object) -> dict[str, object]:
    """Return what the register tells of a company."""
    return {"kvk_number": number, "kvk_name": f"Fictief {number}", "kvk_active": True} | told


def test_nothing_is_found_in_companies_of_which_nothing_is_wrong(look: Look) -> None:
    """Active, valid, unknown: none of it is a finding."""
    assert not look(
        [("kvk", "10000001"), ("kvk", "10000002"), ("vat", "DE784277986")],
        {
            "10000001": company("10000001", vat_status="valid"),
            "10000002": {"enrich_outcome": "failed", "enrich_reason": "timeout", "vat_status": "unknown"},
        },
    )


def test_the_heaviest_comes_first(look: Look) -> None:
    """Whom not to pay before whose number is wrong before who is on the list twice."""
    checked = datetime(2026, 11, 21, 9, tzinfo=UTC)
    found = look(
        [("kvk", "10000001"), ("kvk", "10000002"), ("kvk", "10000001"), ("kvk", "10000003"), ("vat", "DE784277986")],
        {
            "10000001": company("10000001"),
            "10000002": company("10000002", kvk_active=False, kvk_end_date=date(2026, 3, 1)),
            "10000003": {"enrich_outcome": "not_found", "enrich_reason": "not_registered"},
            "DE784277986": {
                "enrich_outcome": "not_found",
                "enrich_reason": "vat_not_valid",
                "vat_status": "invalid",
                "vat_checked_at": checked,
            },
        },
    )
    assert [(one.name, one.rows, [(line.rows, line.detail) for line in one.shown]) for one in found] == [
        ("ended", 1, [((2,), "2026-03-01")]),
        ("vat_invalid", 1, [((5,), "2026-11-21")]),
        ("unregistered", 1, [((4,), "kvk")]),
        ("twice", 2, [((1, 3), "2")]),
    ]


def test_a_company_that_ended_is_one_line_by_however_many_numbers(look: Look) -> None:
    """As in the chart, which counts companies."""
    ended = {"kvk_active": False, "kvk_end_date": date(2026, 3, 1)}
    found = look(
        [("kvk", "10000001"), ("rsin", "857587973")],
        {"10000001": company("10000001", **ended), "857587973": company("10000001", **ended)},
    )
    assert [(one.lines, one.rows, one.shown[0].rows) for one in found if one.name == "ended"] == [(1, 2, (1, 2))]


def test_one_company_by_several_numbers_is_on_the_list_twice(look: Look) -> None:
    """Its KVK number and its RSIN lead to the same company; a branch of it is told apart."""
    same = company("10000001", kvk_rsin="857587973")
    found = look(
        [("kvk", "10000001"), ("rsin", "857587973"), ("branch", "000012345678")],
        {"10000001": same, "857587973": same, "000012345678": same},
    )
    assert [(one.name, [line.rows for line in one.shown]) for one in found] == [("twice", [(1, 2)]), ("branch", [(3,)])]


def test_the_same_number_twice_is_the_same_company_twice(look: Look) -> None:
    """A branch number, a foreign VAT number, one that is masked; not numbers of which nothing is known."""
    valid = {"vat_status": "valid"}
    rows = [("vat", "EL701335910"), ("branch", "000012345678"), ("vat", "NL123456782B01"), ("vat", "DE784277986")]
    found = look(
        rows * 2,
        {
            "EL701335910": valid | {"vat_number": "EL701335910"},
            "000012345678": company("10000001"),
            "NL123456782B01": valid,
            "DE784277986": {"enrich_outcome": "failed", "vat_status": "unknown"},
        },
    )
    assert [(one.name, [(line.rows, line.number, line.detail) for line in one.shown]) for one in found] == [
        ("twice", [((1, 5), "EL701335910", "2"), ((2, 6), "000012345678", "2"), ((3, 7), "NL*********B01", "2")])
    ]


def test_several_branches_of_one_company_are_told_as_branches(look: Look) -> None:
    """No row names the company itself, and no branch stands there twice; a branch alone is nothing."""
    found = look(
        [("branch", "000012345678"), ("branch", "000012345679"), ("branch", "000012345670")],
        {
            "000012345678": company("10000001"),
            "000012345679": company("10000001"),
            "000012345670": company("10000002"),
        },
    )
    assert [(one.name, [(line.rows, line.detail) for line in one.shown]) for one in found] == [
        ("branch", [((1,), "10000001"), ((2,), "10000001")])
    ]


def test_companies_that_share_an_rsin_or_an_address(look: Look) -> None:
    """Both companies are named; what they do not tell is not shared."""
    there = {"kvk_visit_street": "Zilverschoon", "kvk_visit_house_number": "7", "kvk_visit_postcode": "1171AB"}
    found = look(
        [("kvk", f"1000000{place}") for place in range(1, 6)],
        {
            "10000001": company("10000001", kvk_rsin="857587973", **there),
            "10000002": company("10000002", kvk_rsin="857587973"),
            "10000003": company("10000003", **there),
            "10000004": company("10000004"),
            "10000005": company("10000005"),
        },
    )
    assert [(one.name, [(line.number, line.detail) for line in one.shown]) for one in found] == [
        ("same_rsin", [("10000001; 10000002", "857587973")]),
        ("same_address", [("10000001; 10000003", "Zilverschoon 7 1171AB")]),
    ]


def test_names_that_have_little_in_common_point_to_another_company(look: Look) -> None:
    """A name that was only changed a little does not."""
    lines = {
        "row": [1, 2],
        "kind": ["kvk", "kvk"],
        "number": ["10000001", "10000002"],
        "field": ["name", "name"],
        "ours": ["Heel Anders", "Fictief Groep"],
        "theirs": ["Zilverzijl", "Fictief Groep Noord"],
        "verdict": [compare.CHANGED, compare.CHANGED],
        "similarity": [0.2, 0.8],
    }
    (found,) = look([("kvk", "10000001"), ("kvk", "10000002")], {}, pl.DataFrame(lines))
    assert (found.name, [(line.name, line.detail) for line in found.shown]) == (
        "another",
        [("Zilverzijl", "Heel Anders")],
    )


def test_numbers_that_may_be_of_a_citizen_are_masked(look: Look) -> None:
    """The page travels further than the list."""
    (found,) = look([("vat", "NL123456782B01")], {"NL123456782B01": {"vat_status": "invalid"}})
    assert found.shown[0].number == "NL*********B01"


def test_the_first_lines_and_rows_are_shown_and_all_counted(look: Look) -> None:
    """Of a company on many rows a few are told, and how many more there are."""
    many = [("kvk", f"{place:08}") for place in range(10_000_000, 10_000_000 + LINES + 5)]
    ended = {number: company(number, kvk_active=False) for _, number in many}
    found = {one.name: one for one in look([*many, *[many[0]] * 9], ended)}
    assert (found["ended"].lines, found["ended"].rows, len(found["ended"].shown)) == (LINES + 5, LINES + 14, LINES)
    (twice,) = found["twice"].shown
    assert (twice.rows, twice.more) == ((1, 14, 15, 16), 6)
