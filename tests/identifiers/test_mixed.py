import csv
import doctest
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvk_enrich.identifiers import Reading, mixed
from kvk_enrich.identifiers._cells import READ
from kvk_enrich.model import Kind

DIRTY = Path(__file__).parent / "dirty_cells.csv"


def read_cells(cells, countries=None) -> list[tuple[Kind | None, Reading]]:
    """Read texts as a column, with a column of countries beside it."""
    countries = countries or [None] * len(cells)
    frame = pl.LazyFrame({"cell": cells, "land": countries}, schema={"cell": pl.String, "land": pl.String})
    read = mixed.read_column(frame, "cell", country="land").select("enrich_kind", *READ).collect()
    return [
        (kind and Kind(kind), Reading(number, reason, note, tuple(flags or ())))
        for kind, number, reason, note, flags in read.rows()
    ]


pieces = st.one_of(
    st.from_regex(r"[0-9]{1,12}", fullmatch=True),
    st.sampled_from(["NL", "nl", "B01", "BO1", "GR", "BE", "ES", "FR", "AT", "DE", "XI", "GB", "CHE"]),
    st.sampled_from(
        [
            "BTW",
            "btw-nr",
            "KvK",
            "RSIN",
            "vestiging",
            "BSN",
            "857587973",
            "NL857587973B01",
            "69599084",
            "000037178598",
            "0000",
            "n.v.t.",
            "E+7",
        ]
    ),
    st.sampled_from(list(" .,-_/:;'\"=()#*?+OIlX\n\x00\x1f\u00a0\u200b\u2011\uff11\u0412\u041e")),
)
cells = st.one_of(st.lists(pieces, max_size=6).map("".join), st.text(max_size=20))
countries = st.one_of(st.none(), st.sampled_from(["DE", "be", "Frankrijk", "GB", "NL", "Mars", "dk"]))


@given(st.lists(st.tuples(cells, countries), min_size=20, max_size=40))
@settings(max_examples=40, deadline=None)
def test_column_equals_scalar(pairs):
    """On any text at all, beside any country, the column and the single cell agree."""
    actual = read_cells([cell for cell, _ in pairs], [country for _, country in pairs])

    assert actual == [mixed.read(cell, country) for cell, country in pairs]


def dirty_cells() -> list[dict[str, str]]:
    r"""Return the lines of the list; escapes such as \u00a0 are written out."""
    with DIRTY.open(encoding="utf-8", newline="") as file:
        return [
            {name: value.encode("latin-1").decode("unicode_escape") for name, value in line.items()}
            for line in csv.DictReader(file)
        ]


@pytest.mark.parametrize("line", dirty_cells(), ids=lambda line: ascii(f"{line['cell']} {line['country']}"))
def test_dirty_cells(line):
    """Every cell of the list is decided right."""
    kind, reading = mixed.read(line["cell"], line["country"] or None)

    expected = (line["kind"], line["number"], line["reason"], line["flags"])
    assert (kind or "", reading.number or "", reading.reason or "", " ".join(reading.flags)) == expected


def test_dirty_cells_as_a_column():
    """The same as one column."""
    lines = dirty_cells()

    actual = read_cells([line["cell"] for line in lines], [line["country"] or None for line in lines])

    assert len(lines) >= 300
    assert actual == [mixed.read(line["cell"], line["country"] or None) for line in lines]


def test_examples_in_the_module():
    """The examples in the documentation are true."""
    assert doctest.testmod(mixed).failed == 0
