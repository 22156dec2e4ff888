"""What is the same, written otherwise, or really different, field by field."""

from typing import Any

import polars as pl
import pytest

from kvk_enrich import compare
from kvk_enrich.compare import FIELDS, parse


def verdict(comparison: compare.Comparison) -> pl.Expr:
    """Return how the list's column and the register's field differ: both steps in one."""
    return pl.coalesce(compare.at_sight(comparison), compare.on_reflection(comparison))


def judged(field: str, mine: str | None, outcome: str = "found", **known: Any) -> tuple[str | None, str | None]:
    """Return the verdict, and the register's value as it is shown beside *mine*."""
    needs = dict.fromkeys(FIELDS[field].needs) | known
    columns = {
        name: pl.Series([value], dtype=pl.List(pl.String) if name in {"kvk_trade_names", "kvk_websites"} else pl.String)
        for name, value in needs.items()
    }
    own = {"enrich_outcome": [outcome], "own": pl.Series([mine], dtype=pl.String)}
    each = parse(f"{field}=own")
    row = pl.DataFrame(own | columns).select(verdict(each), theirs=compare.theirs(each)).row(0)
    return row[0], row[1]


def of_name(mine: str, name: str, *trade_names: str, form: str = "BeslotenVennootschap") -> str | None:
    """Return the verdict on a name."""
    known: dict[str, Any] = {
        "kvk_name": name,
        "kvk_statutory_name": name,
        "kvk_trade_names": [*trade_names],
        "kvk_legal_form": form,
    }
    return judged("name", mine, **known)[0]


@pytest.mark.parametrize(
    ("mine", "theirs", "verdict"),
    [
        (None, None, "same"),
        (None, "1234AB", "missing_here"),
        ("  ", "1234AB", "missing_here"),
        ("1234AB", None, "missing_there"),
        (" 1234AB ", "1234AB", "same"),
        ("1234 ab", "1234AB", "format_only"),
        ("1234AC", "1234AB", "changed"),
    ],
)
def test_a_verdict_for_each_way_to_differ(mine: str | None, theirs: str | None, verdict: str):
    """Blank cells are no values; writing is no difference."""
    assert judged("visit_postcode", mine, kvk_visit_postcode=theirs)[0] == verdict


@pytest.mark.parametrize("outcome", ["not_found", "invalid", "failed", "deferred"])
def test_nothing_is_said_of_rows_that_were_not_found(outcome: str):
    """Nobody knows."""
    assert judged("visit_city", "Kwakelhorst", outcome)[0] is None


@pytest.mark.parametrize(
    ("mine", "name", "verdict"),
    [
        ("B. v.d. Berg", "B. van den Berg", "format_only"),
        ("N. v. 't Hof", "N. van 't Hof", "format_only"),
        ("Fictie v.d. Berg BV", "Fictie van der Berg B.V.", "format_only"),
        ("Fictie van den Berg BV", "Fictie van der Berg B.V.", "changed"),
        ("Fictie van den Berg BV", "Fictie v.d. Berg B.V.", "format_only"),
        ("Rossum van Oort en v.d. Berg", "Rossum van Oort en van den Berg", "format_only"),
        ("Fictie NV", "Fictie B.V.", "changed"),
        ("Fictie", "Fictie B.V.", "format_only"),
        ("Fictie bv Oost", "Fictie B.V. Oost", "format_only"),
        ("Fictie Holding BV", "Fictie B.V.", "changed"),
        ("Studio 104", "Studio 10 4 B.V.", "changed"),
        ("Strasse", "Straße B.V.", "format_only"),
        ("---", "Fictie B.V.", "changed"),
    ],
)
def test_names(mine: str, name: str, verdict: str):
    """An abbreviation is the same as each of its words, which are not the same as one another."""
    assert of_name(mine, name) == verdict


def test_a_trade_name_is_a_name_of_the_company():
    """With a legal form that it has not there, if that is the company's."""
    assert of_name("Verzinsel", "Fictie B.V.", "Anders", "Verzinsel") == "same"
    assert of_name("Verzinsel BV", "Fictie B.V.", "Verzinsel") == "format_only"
    assert of_name("Verzinsel NV", "Fictie B.V.", "Verzinsel") == "changed"


def test_a_legal_form_that_the_register_knows_counts_though_no_name_tells_it():
    """A sole trader is no B.V. of the same name."""
    assert of_name("Fictie BV", "Fictie", form="Eenmanszaak") == "changed"
    assert of_name("Fictie BV", "Fictie", form="BeslotenVennootschap") == "format_only"


@pytest.mark.parametrize(
    ("field", "mine", "house", "expected"),
    [
        ("visit_house_number", "12", ("12", "B", None), ("same", "12")),
        ("visit_house_number", "14", ("12", "B", None), ("changed", "12")),
        ("visit_house_number", "12b", ("12", "B", None), ("format_only", "12B")),
        ("visit_house_number", "12A", ("12", "B", None), ("changed", "12B")),
        ("visit_house_number", "12.0", ("12", None, None), ("format_only", "12")),
        ("visit_house_number", "121", ("12", None, "1"), ("changed", "12")),
        ("visit_house", "12", ("12", "B", None), ("changed", "12B")),
        ("visit_house", "12-b hoog", ("12", "B", "hg"), ("format_only", "12B hg")),
        ("visit_house", "121", ("12", None, "1"), ("changed", "12 1")),
        ("visit_address", "Fictiestr. 12-B", ("12", "B", None), ("format_only", "Fictiestraat 12B")),
        ("visit_address", "Fictiestraat 121", ("12", None, "1"), ("changed", "Fictiestraat 12 1")),
        ("visit_address", "Fictiestraat 2 hoog", ("2", None, "hg"), ("format_only", "Fictiestraat 2 hg")),
        ("visit_address", "Fictiestraat 12-A huis", ("12", "A", "hs"), ("format_only", "Fictiestraat 12A hs")),
    ],
)
def test_house_numbers(field: str, mine: str, house: tuple[str | None, ...], expected: tuple[str, str]):
    """A number alone is beside a number alone; with more in the cell the whole of it counts, and is shown."""
    parts = dict(zip(("number", "letter", "addition"), house, strict=True))
    known: dict[str, Any] = {f"kvk_visit_house_{name}": value for name, value in parts.items()}
    street = {"kvk_visit_street": "Fictiestraat"} if field == "visit_address" else {}
    assert judged(field, mine, **known, **street) == expected


@pytest.mark.parametrize(
    ("field", "mine", "theirs", "alike"),
    [
        ("start_date", "1-2-2020", "2020-02-01", True),
        ("start_date", "2-1-2020", "2020-02-01", False),
        ("start_date", "1 feb. 2020", "2020-02-01", True),
        ("start_date", "01-02-68", "1968-02-01", True),
        ("start_date", "voorjaar 2020", "2020-02-01", False),
        ("start_date", "2020-02-01 00:00:00", "2020-02-01", True),
        ("employees", "1.000", "1000", True),
        ("employees", "1.000", "1", False),
        ("employees", "onbekend", "0", False),
        ("employees", "00", "0", True),
        ("employees", "10 medewerkers", "10", True),
        ("employees", "ca. 1 000,00", "1000", True),
        ("employees", "10-20", "1020", False),
        ("employees", "1,5", "15", False),
        ("employees", "-5", "5", False),
        ("employees", ">10", "10", False),
        ("employees", "10.00.0", "1000", False),
        ("visit_full", "Huisstr. 2 hoog, 1234 AB Fictum", "Huisstraat 2hg\n1234AB Fictum", True),
        ("visit_street", "Raadhuis", "Raadhs", False),
        ("number", "123", "00000123", True),
        ("post_box", "Postbus 123", "123", True),
        ("visit_city", "Den Haag", "'s-Gravenhage", True),
        ("visit_city", "Fictum a/d IJssel", "Fictum aan den IJssel", True),
        ("visit_street", "Burg. v.d. Bergstr.", "Burgemeester van den Bergstraat", True),
        ("visit_street", "Prinses Fictialn", "Prins Fictialaan", False),
        ("visit_country", "Germany", "Duitsland", True),
        ("legal_form", "besloten vennootschap met gewone structuur", "BeslotenVennootschap", True),
        ("legal_form", "Vereniging", "Vereniging van Eigenaars", False),
        ("legal_form", "VvE", "Vereniging van Eigenaars", True),
        ("sbi_code", "62.10.0", "62100", True),
    ],
)
def test_other_fields(field: str, mine: str, theirs: str, alike: bool):  # noqa: FBT001  a table's column
    """What counts as written otherwise."""
    verdict, _ = judged(field, mine, **{FIELDS[field].needs[0]: theirs})
    assert verdict == ("format_only" if alike else "changed")


def test_websites_and_yes_or_no():
    """Any of the websites; any word for yes and no, and no other."""
    assert judged("website", "https://www.fictie.example/", kvk_websites=["a.example", "fictie.example"]) == (
        "format_only",
        "a.example",
    )
    each = parse("active=own")
    frame = pl.DataFrame(
        {"enrich_outcome": ["found"] * 4, "own": ["J", "nee", "FALSE", "klant"], "kvk_active": [True] * 4}
    )
    assert frame.select(verdict(each)).to_series().to_list() == ["format_only", "changed", "changed", "changed"]


@pytest.mark.parametrize("text", ["name", "name=", "=Naam", "nome=Naam"])
def test_what_is_no_comparison(text: str):
    """FIELD=COLUMN, and a field that there is."""
    with pytest.raises(ValueError, match=r"FIELD=COLUMN|no field"):
        parse(text)


def test_similarity():
    """From 0 to 1, pair by pair, writing and the order of words left out; null where a side is blank."""
    ours = pl.Series(["Fictie Bakkerij", None, "Zeepsop"])
    theirs = pl.Series(["BAKKERIJ FICTIE", "Fictie", "Bakkerij Fictie"])
    found = compare.similarity(ours, theirs).to_list()
    assert found[:2] == [1.0, None]
    assert found[2] < 0.5
    assert compare.similarity(ours.clear(), theirs.clear()).to_list() == []
