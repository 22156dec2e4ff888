import doctest

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.nl import bsn

from kvk_enrich.identifiers import CHECK_DIGIT, Reading, branch, rsin
from kvk_enrich.identifiers._cells import READ

CELLS = [
    (rsin, "857587973", "857587973"),
    (rsin, "RSIN: 8575.87.973", "857587973"),
    (rsin, "8575/87/973", "857587973"),
    (rsin, "857587973.0", "857587973"),
    (rsin, "8.57587973E8", "857587973"),
    (rsin, "NL857587973", "857587973"),
    (rsin, "fiscaal nummer 857587973", "857587973"),
    (rsin, "1234560", "001234560"),
    (rsin, "69599084", "069599084"),
    (rsin, "31/12/2025", "not_a_number"),
    (rsin, "000037178598", "looks_like_branch_number"),
    (rsin, "NL857587973B01", "looks_like_vat"),
    (rsin, "KvK 69599084", "looks_like_kvk"),
    (rsin, "BSN 123456782", "citizen_number"),
    (rsin, "123456", "wrong_length"),
    (rsin, "000000000", "placeholder"),
    (branch, "000037178598", "000037178598"),
    (branch, "vestigingsnr. 0000 3717 8598", "000037178598"),
    (branch, "37178598", "000037178598"),
    (branch, "37178598.0", "000037178598"),
    (branch, "9.90000541921E+11", "990000541921"),
    (branch, "123456780000", "looks_like_kvk"),
    (branch, "KvK 69599084", "looks_like_kvk"),
    (branch, "857587973", "looks_like_rsin"),
    (branch, "000000000000", "placeholder"),
    (branch, "1234567", "wrong_length"),
]


def read_cells(module, cells) -> list[Reading]:
    """Read texts as a column."""
    frame = pl.LazyFrame({"cell": cells}, schema={"cell": pl.String})
    read = module.read_column(frame, "cell").select(*READ).collect()
    return [Reading(number, reason, note, tuple(flags or ())) for number, reason, note, flags in read.rows()]


@pytest.mark.parametrize(("module", "cell", "expected"), CELLS)
def test_single_cells(module, cell, expected):
    """What can be a number is read as one; what cannot has its own reason."""
    reading = module.read(cell)

    assert (reading.number or reading.reason) == expected
    assert read_cells(module, [cell]) == [reading]


pieces = st.one_of(
    st.from_regex(r"[0-9]{1,12}", fullmatch=True),
    st.sampled_from(["RSIN", "vestiging", "nr.", "NL", "B01", "BSN", "KvK", "0000", "O", "l", "E+11", "857587973"]),
    st.sampled_from(list(" .,-_/:;'\"=()#*\n\x00\u00a0\u200b\uff11\u041e")),
)


@pytest.mark.parametrize("module", [rsin, branch])
@given(cells=st.lists(st.lists(pieces, max_size=5).map("".join), min_size=20, max_size=40))
@settings(max_examples=40, deadline=None)
def test_column_equals_scalar(module, cells):
    """On any text at all the column and the single cell agree."""
    assert read_cells(module, cells) == [module.read(cell) for cell in cells]


@given(st.from_regex(r"[0-9]{9}", fullmatch=True))
def test_rsin_check_digit(digits):
    """A wrong check digit is flagged, and not valid."""
    reading = rsin.read(digits)

    assert reading.number is None or (CHECK_DIGIT in reading.flags) != bsn.is_valid(digits)
    assert rsin.is_valid(digits) == (bsn.is_valid(digits) and reading.number is not None)


def test_verbs():
    """The verbs are those of every identifier."""
    assert rsin.compact("RSIN 857587973") == rsin.format("8575 87 973") == rsin.validate("857587973") == "857587973"
    assert branch.compact("x") == "x"
    assert branch.format("0000 37178598") == branch.validate("37178598") == "000037178598"
    assert branch.is_valid("000037178598")


@pytest.mark.parametrize("module", [rsin, branch])
def test_examples_in_the_module(module):
    """The examples in the documentation are true."""
    assert doctest.testmod(module).failed == 0
