"""What the charts count, and how they are drawn."""

import re
from datetime import date

import polars as pl
import pytest

from kvk_enrich.write.report import WORDS, charts, figures
from kvk_enrich.write.report.provinces import TILES, province, province_column
from kvk_enrich.write.report.sbi import SECTIONS, section, section_column


def test_every_sector_and_province_has_a_name() -> None:
    """No chart shows a bare code."""
    assert {f"sector.{letter}" for letter in SECTIONS} | {f"province.{letters}" for letters in TILES} <= WORDS.keys()


@pytest.mark.parametrize(
    ("postcode", "expected"),
    [
        ("1012AB", "NH"),
        ("1315 hr", "FL"),
        ("3511AB", "UT"),
        ("3011AA", "ZH"),
        ("4331AB", "ZE"),
        ("5611AB", "NB"),
        ("6211AB", "LI"),
        ("6811AB", "GE"),
        ("7511AB", "OV"),
        ("8911AB", "FR"),
        ("9401AB", "DR"),
        ("9711AB", "GR"),
        ("0123AB", None),
        ("B-1000", None),
        ("12345", None),
    ],
)
def test_provinces(postcode: str, expected: str | None) -> None:
    """Capitals of provinces lie in them; what is no Dutch postcode lies nowhere; a column says the same."""
    assert province(postcode) == expected
    assert province_column(pl.Series([None, postcode])).to_list() == [None, expected]


@pytest.mark.parametrize(
    ("code", "expected"), [("62100", "K"), ("0113", "A"), ("4520", "G"), ("99000", "V"), ("0", None)]
)
def test_sections(code: str, expected: str | None) -> None:
    """The first two digits decide, in either edition; a column says the same."""
    assert section(code) == expected
    assert pl.select(section_column(pl.lit(code))).item() == expected


def test_ages_count_active_companies_in_years() -> None:
    """A company is a year old on its first birthday, not before."""
    those = pl.DataFrame(
        {
            "kvk_active": [True, True, True, False, None],
            "kvk_start_date": [date(2026, 1, 1), date(2025, 11, 20), date(1950, 1, 1), date(2026, 1, 1), None],
        }
    )
    assert [(name, count) for name, count in figures.ages(those, date(2026, 11, 21)) if count] == [
        ("<1", 1),
        ("1-2", 1),
        (">50", 1),
    ]


def test_spellings_of_a_legal_form_are_one() -> None:
    """The register writes some of them in two ways."""
    forms = ["BeslotenVennootschap", "Besloten Vennootschap", "Stichting", None]
    assert figures.legal_forms(pl.DataFrame({"kvk_legal_form": forms})) == [
        ("Besloten vennootschap", 2),
        ("Stichting", 1),
        ("unknown", 1),
    ]


def test_what_was_not_asked_is_unknown_and_never_invalid() -> None:
    """A VAT number without a status counts for its state, as unknown; of the same number one counts."""
    numbers = pl.DataFrame(
        {
            "enrich_kind": ["vat", "vat", "kvk", "kvk"],
            "enrich_number": ["DE784277986", "BE0123456749", "10000001", "10000002"],
            "enrich_other_kind": [None, None, None, None],
            "enrich_other_number": [None, None, None, None],
            "vat_number": [None, "BE0123456749", "BE0123456749", None],
            "vat_status": [None, "invalid", "invalid", None],
        },
        schema_overrides={"enrich_other_kind": pl.String, "enrich_other_number": pl.String},
    )
    assert figures.vat_states(numbers) == [("BE", (0, 1, 0)), ("DE", (0, 0, 1))]


def test_a_chart_can_be_read_aloud_and_reaches_nothing_else() -> None:
    """It has a title and a text, no style, link or colour of its own; texts are escaped; drawn twice it is the same."""
    counts = [("<b>$x$ & co</b>", 3), ("other", 1)]
    drawn = charts.bars("forms", "Legal <form>", counts, {}, str)
    assert '<title id="forms-title">Legal &lt;form&gt;</title>' in drawn
    assert "&lt;b&gt;$x$ &amp; co&lt;/b&gt;: 3; other: 1</desc>" in drawn
    assert ">&lt;b&gt;$x$ &amp; co&lt;/b&gt;</text>" in drawn
    assert not re.search(r"<style|<b>|href|url\(|font-family|#[0-9a-f]{6}", drawn)
    assert re.findall(r' id="([^"]*)"', drawn) == ["forms-title", "forms-text"]
    assert drawn == charts.bars("forms", "Legal <form>", counts, {}, str)
