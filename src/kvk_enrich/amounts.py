"""Amounts as people write them in a column of a list: ``€ 1.234,50``, ``1,234.50``, ``1234.5``."""

from typing import Final

import polars as pl

_AMOUNT: Final = r"^(?:€|EUR)?\s*(-?)\s*(?:€|EUR)?\s*([0-9][0-9.,\s']*?)(?:,-+|\.-+)?\s*(?:€|EUR|%)?$"
_GROUPS: Final = r"^[1-9][0-9]{0,2}(\.[0-9]{3})+$"


def parsed(column: pl.Series) -> pl.Series:
    """
    Return *column* as Float64; null where it holds no amount.

    Whether a dot or a comma stands before the decimals is seen from the whole column. A comma does where nothing
    says otherwise, and dots that all stand before three digits group thousands, as is written in the Netherlands.
    """
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None)
    text = column.cast(pl.String).str.strip_chars()
    digits = text.str.extract(_AMOUNT, 2).str.replace_all(r"[\s']", "")
    sign = text.str.extract(_AMOUNT, 1)
    plain = digits.str.replace_all(".", "", literal=True).str.replace(",", ".") if _is_dutch(digits) else digits
    values = plain.str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False)
    return pl.select(pl.when(sign == "-").then(-values).otherwise(values)).to_series()


def _is_dutch(digits: pl.Series) -> bool:
    """Say whether commas stand before decimals, and dots between thousands."""
    is_english = digits.str.contains(r",.*\.|,.*,")
    if is_english.any():
        return False
    if digits.str.contains(",", literal=True).any():
        return True
    dotted = digits.filter(digits.str.contains(".", literal=True).fill_null(value=False))
    return bool(len(dotted)) and bool(dotted.str.contains(_GROUPS).all())
