"""The list as a run sees it: which column, which numbers, and what is wanted of each."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kvk_enrich import flow, listing
from kvk_enrich.config import load
from kvk_enrich.progress import Progress

COMPANY, OTHER = "68750110", "69599084"
LEGAL, GERMAN = "NL857587973B01", "DE123456788"


class Noted(Progress):
    """Keeps what people are told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)


def read(folder: Path, flags: dict[str, Any], **columns: list[str | None]) -> tuple[listing.Listed, list[str]]:
    """Return the list with *columns* as a job with *flags* sees it, and what was noted."""
    path = folder / "list.csv"
    pl.DataFrame(columns).write_csv(path)
    job = load({"input": path, "source": "practice", "home": folder / "home"} | flags, environ={})
    (work := folder / "work").mkdir()
    progress = Noted()
    return listing.read(job, flow.added(job), work, progress), progress.notes


def test_each_number_once_in_the_order_of_the_list(tmp_path: Path):
    """Whatever its kind; cells without a number are in no one's way."""
    listed, _ = read(tmp_path, {}, nr=[LEGAL, COMPANY, None, LEGAL, "n.v.t.", GERMAN, COMPANY])
    assert listed.numbers.select("kind", "number", "wanted").rows() == [
        ("vat", LEGAL, True),
        ("kvk", COMPANY, True),
        ("vat", GERMAN, True),
    ]
    assert (listed.columns, listed.rows, listed.pairs) == (("nr",), 7, None)


@pytest.mark.parametrize(
    ("kvk", "btw", "expected"),
    [
        ([COMPANY], [LEGAL], [("kvk", COMPANY, True), ("vat", LEGAL, False)]),
        ([None], [LEGAL], [("vat", LEGAL, True)]),
        (["geen idee"], [LEGAL], [("vat", LEGAL, True)]),
        ([COMPANY, None], [LEGAL, LEGAL], [("kvk", COMPANY, True), ("vat", LEGAL, True)]),
        (["000037178598"], [COMPANY], [("branch", "000037178598", False), ("kvk", COMPANY, True)]),
    ],
)
def test_of_two_numbers_the_kvk_number_is_the_one_that_is_bought_for(
    tmp_path: Path, kvk: list[str | None], btw: list[str | None], expected: list[object]
):
    """Beside it the other one only says whose it is; where it stands alone its company is wanted."""
    listed, _ = read(tmp_path, {"column": ["kvk", "btw"]}, kvk=kvk, btw=btw)
    assert listed.numbers.select("kind", "number", "wanted").rows() == expected
    assert listed.pairs is not None
    assert listed.pairs.height == len(kvk)


def test_rows_that_are_filled_are_asked_by_neither_number(tmp_path: Path):
    """--only-missing leaves the whole row alone."""
    flags = {"column": ["kvk", "btw"], "only_missing": "naam"}
    listed, _ = read(tmp_path, flags, kvk=[COMPANY, OTHER], btw=[LEGAL, None], naam=["filled", None])
    assert listed.numbers.select("kind", "number", "wanted").rows() == [("kvk", OTHER, True)]


@pytest.mark.parametrize(
    "cells",
    [
        pl.Series([["x"], None]),
        pl.Series([{"x": 1}, None]),
        pl.Series([b"\xff", None]),
        pl.Series([1, None]),
        pl.Series(["x", None], dtype=pl.Categorical),
        pl.Series(["x", " "], dtype=pl.Enum(["x", " "])),
    ],
    ids=lambda cells: str(cells.dtype),
)
def test_cells_of_any_type_may_be_what_is_missing(tmp_path: Path, cells: pl.Series):
    """Blank text is missing as null is; of other types only null is."""
    path = tmp_path / "list.parquet"
    pl.DataFrame({"kvk": [COMPANY, OTHER], "beside": cells}).write_parquet(path)
    listed, _ = read(tmp_path, {"input": path, "column": ["kvk"], "only_missing": "beside"})
    assert listed.numbers.rows() == [("kvk", OTHER, True)]


def test_the_column_is_found_by_what_is_asked_for(tmp_path: Path):
    """Of two columns with numbers the one of the kind; without its country a VAT number is only found beside it."""
    flags = {"kind": "vat", "country_column": "land"}
    listed, _ = read(tmp_path, flags, klant=[COMPANY, OTHER], land=["DE", "BE"], btw=["123456788", "0403019261"])
    assert listed.columns == ("btw",)
    assert listed.numbers["number"].to_list() == [GERMAN, "BE0403019261"]


def test_a_column_without_numbers_is_told(tmp_path: Path):
    """It is read as it was named, but not in silence."""
    _, notes = read(tmp_path, {"column": ["naam"]}, naam=["Donald"], kvk=[COMPANY])
    assert "No cell of column 'naam' holds a number: is it the right one?" in notes
