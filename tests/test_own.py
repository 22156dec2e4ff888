"""Columns whose names mean something else to polars."""

import polars as pl
import pytest

from kvk_enrich import own

NAMES = ["*", "^.*$", "^k", "col(x)", "", " ", "kvk"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_nothing_but_a_name(name: str):
    """Whatever a column is called, it alone is meant."""
    frame = pl.DataFrame({each: [each] for each in NAMES}).lazy()
    assert frame.select(own.column(name)).collect().to_dicts() == [{name: name}]
    assert frame.select(found=own.column(name).str.len_chars()).collect().item() == len(name)


def test_columns_come_in_the_order_asked_for():
    """Not in that of the frame."""
    frame = pl.DataFrame({each: [1] for each in NAMES})
    assert frame.select(own.columns(reversed(NAMES))).columns == NAMES[::-1]
