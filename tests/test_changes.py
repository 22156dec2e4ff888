"""What happened in the register between two looks, and the file it goes into."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from kvk_enrich import changes, differing
from kvk_enrich.config import load_settings
from kvk_enrich.errors import ConfigError, InputRefused
from kvk_enrich.write import cells

Row = Mapping[str, object]
COMPANY: Row = {
    "enrich_kind": "kvk",
    "enrich_number": "90000001",
    "enrich_outcome": "found",
    "enrich_fetched_at": "2026-11-01T00:00:00Z",
    "kvk_number": "90000001",
    "kvk_name": "Fictie B.V.",
    "kvk_active": "true",
    "kvk_visit_full": "Fictiestraat 1 1234AB Fictum",
    "kvk_legal_form": "BeslotenVennootschap",
    "kvk_sbi_code": "62100",
}


def looked(*rows: Row) -> pl.DataFrame:
    """Return a look at companies like COMPANY."""
    return changes.look(pl.LazyFrame([dict(COMPANY) | dict(row) for row in rows], schema=changes.LOOK))


def told(before: Row | None, after: Row | None) -> list[tuple[str, str | None, str | None]]:
    """Return what changed in one company: what, from what, to what."""
    looks = [looked(*([] if row is None else [row])) for row in (before, after)]
    return list(changes.between(*looks).select("change", "before", "after").iter_rows())


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({}, []),
        ({"kvk_name": "Verzinsel B.V."}, [("name", "Fictie B.V.", "Verzinsel B.V.")]),
        ({"kvk_visit_full": None}, [("address", "Fictiestraat 1 1234AB Fictum", None)]),
        ({"kvk_legal_form": "Besloten Vennootschap"}, []),
        ({"kvk_legal_form": "NaamlozeVennootschap"}, [("legal_form", "BeslotenVennootschap", "NaamlozeVennootschap")]),
        ({"kvk_sbi_code": "62.20.0"}, [("sbi", "62100", "62.20.0")]),
        ({"kvk_active": "false", "kvk_end_date": "2026-11-11"}, [("ended", None, "2026-11-11")]),
        ({"kvk_number": "90000002", "kvk_name": "Anders"}, [("company", "90000001", "90000002")]),
        ({"enrich_outcome": "not_found"}, [("lost", "Fictie B.V.", None)]),
        ({"enrich_outcome": "failed", "kvk_name": None}, []),
        ({"enrich_outcome": "deferred", "kvk_name": None}, []),
    ],
)
def test_what_happened_to_a_company(after: Row, expected: list[tuple[str, str | None, str | None]]):
    """Each change a line; who could not be asked did not change."""
    assert told({}, after) == expected


def test_what_came_and_went():
    """New on the list, gone from it, found at last, active again; who was never answered before is new."""
    assert told(None, {}) == [("new", None, "Fictie B.V.")]
    assert told({}, None) == [("removed", "Fictie B.V.", None)]
    assert told({"enrich_outcome": "not_found"}, {}) == [("found", None, "Fictie B.V.")]
    assert told({"kvk_active": "false", "kvk_end_date": "2026-01-01"}, {}) == [("revived", "2026-01-01", None)]
    assert told({"enrich_outcome": "failed"}, {}) == [("new", None, "Fictie B.V.")]


def enriched(path: Path, *rows: Row) -> Path:
    """Write an enriched list, with times as a run writes them."""
    frame = pl.DataFrame([dict(COMPANY) | dict(row) for row in rows], schema=changes.LOOK).with_columns(
        enrich_fetched_at=pl.lit(datetime(2026, 11, 1, tzinfo=UTC)), kvk_active=pl.col("kvk_active") == "true"
    )
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path, separator=";")
    return path


@pytest.mark.parametrize("kinds", [(".parquet", ".csv"), (".csv", ".parquet")])
def test_two_lists_are_held_against_each_other_whatever_they_are(tmp_path: Path, kinds: tuple[str, str]):
    """A change is told whether a list is Parquet or CSV with semicolons, and written as the suffix says."""
    old = enriched(tmp_path / f"old{kinds[0]}", {})
    new = enriched(tmp_path / f"new{kinds[1]}", {"kvk_active": "false", "kvk_name": "=Fictie"})
    settings = load_settings({"home": tmp_path / "home"}, environ={})
    found = differing.diff(old, new, tmp_path / "diff.csv", settings)
    assert found["change"].to_list() == ["ended", "name"]
    assert pl.read_csv(tmp_path / "diff.csv")["after"].to_list() == [None, "'=Fictie"]
    differing.diff(old, new, tmp_path / "diff.parquet", settings)
    assert pl.read_parquet(tmp_path / "diff.parquet").equals(found)


def test_an_apostrophe_that_keeps_a_csv_inert_is_no_change(tmp_path: Path):
    """Texts that spreadsheets would run are the same in a CSV and in Parquet, and told as the register has them."""
    names = ["@Home Diensten", "=1+1", "'t Hoekje", "'@Home", "Jan;\n-Piet", "\n+Plus"]
    rows = [{"enrich_number": str(place), "kvk_name": name, "kvk_visit_full": "-"} for place, name in enumerate(names)]
    as_it_is = enriched(tmp_path / "list.parquet", *rows)
    guarded = [row | {name: guard(str(row[name])) for name in ("kvk_name", "kvk_visit_full")} for row in rows]
    as_text = enriched(tmp_path / "list.csv", *guarded)
    settings = load_settings({"home": tmp_path / "home"}, environ={})
    assert differing.diff(as_it_is, as_text, None, settings).is_empty()
    assert differing.diff(as_text, as_it_is, None, settings).is_empty()
    renamed = enriched(tmp_path / "new.csv", *({**row, "kvk_name": guard("-Nu")} for row in rows[:1]))
    assert differing.diff(as_text, renamed, None, settings).row(0)[4:6] == ("@Home Diensten", "-Nu")


def guard(text: str) -> str:
    """Return *text* as it stands in a CSV of ours."""
    return str(pl.select(cells.inert(pl.lit(text))).item())


@pytest.mark.parametrize(
    ("outcome", "expected"), [("failed", []), ("deferred", []), ("not_found", ["found"]), ("found", [])]
)
def test_who_had_no_answer_in_the_older_list_is_not_new_in_the_later_one(
    tmp_path: Path, outcome: str, expected: list[str]
):
    """The night on which a register was away is no night before which nobody was known."""
    old = enriched(tmp_path / "old.parquet", {"enrich_outcome": outcome})
    later = enriched(tmp_path / "new.parquet", {}, {"enrich_number": "90000002", "kvk_number": "90000002"})
    found = differing.diff(old, later, None, load_settings({"home": tmp_path / "home"}, environ={}))
    assert found["change"].to_list() == [*expected, "new"]


def test_a_list_without_the_columns_of_another_product_has_no_changes_in_them(tmp_path: Path):
    """What was not asked for has not changed."""
    new = tmp_path / "new.parquet"
    enriched(new)
    enriched(tmp_path / "full.parquet", {})
    pl.read_parquet(tmp_path / "full.parquet").drop("kvk_sbi_code", "kvk_visit_full").write_parquet(new)
    found = differing.diff(tmp_path / "full.parquet", new, None, load_settings({"home": tmp_path / "home"}, environ={}))
    assert found.is_empty()


def test_what_cannot_be_held_against_each_other_is_refused(tmp_path: Path):
    """No enriched list, no list at all, an output of another kind."""
    settings = load_settings({"home": tmp_path / "home"}, environ={})
    whole = enriched(tmp_path / "whole.parquet", {})
    (tmp_path / "plain.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    for other, error in (
        (tmp_path / "plain.csv", "enriched"),
        (tmp_path / "broken.parquet", "broken"),
        (tmp_path / "a.xlsx", "give"),
    ):
        with pytest.raises(InputRefused, match=error):
            differing.diff(whole, other, None, settings)
    with pytest.raises(ConfigError, match="-o"):
        differing.diff(whole, whole, tmp_path / "out.json", settings)


def test_neither_list_is_written_over(tmp_path: Path):
    """The older one may be all that is left of then."""
    old, new = enriched(tmp_path / "old.csv", {}), enriched(tmp_path / "new.csv", {"kvk_active": "false"})
    before = old.read_bytes(), new.read_bytes()
    for output in (old, new):
        with pytest.raises(InputRefused, match="would overwrite"):
            differing.diff(old, new, output, load_settings({"home": tmp_path / "home"}, environ={}))
    assert (old.read_bytes(), new.read_bytes()) == before
