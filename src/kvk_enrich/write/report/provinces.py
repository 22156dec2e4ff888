"""
Provinces by the four digits of a postcode.

Postcodes are older than today's borders and do not follow them exactly: in villages on a border a few addresses
are counted in the neighbouring province. Good enough for a picture, not for a decision about one company.

>>> province("1012 AB"), province("8232ZZ"), province("B-1000")
('NH', 'FL', None)
"""

import re
from typing import Final

import polars as pl

_RANGES: Final = (
    # the first postcode, and the province from there to the next line
    (1000, "NH"),
    (1300, "FL"),
    (1380, "NH"),
    (1390, "UT"),
    (1394, "NH"),
    (1396, "UT"),
    (1398, "NH"),
    (1426, "UT"),
    (1428, "ZH"),
    (1430, "NH"),
    (2159, "ZH"),
    (2165, "NH"),
    (2166, "ZH"),
    (3400, "UT"),
    (3465, "ZH"),
    (3467, "UT"),
    (3651, "ZH"),
    (3654, "UT"),
    (3770, "GE"),
    (3800, "UT"),
    (3840, "GE"),
    (3890, "FL"),
    (3900, "UT"),
    (3925, "GE"),
    (3926, "UT"),
    (4000, "GE"),
    (4121, "UT"),
    (4147, "GE"),
    (4163, "UT"),
    (4164, "GE"),
    (4200, "ZH"),
    (4211, "GE"),
    (4220, "ZH"),
    (4230, "UT"),
    (4240, "ZH"),
    (4242, "UT"),
    (4250, "NB"),
    (4300, "ZE"),
    (4600, "NB"),
    (4690, "ZE"),
    (4700, "NB"),
    (5300, "GE"),
    (5340, "NB"),
    (5766, "LI"),
    (5820, "NB"),
    (5850, "LI"),
    (6020, "NB"),
    (6030, "LI"),
    (6500, "GE"),
    (6584, "LI"),
    (6600, "GE"),
    (7400, "OV"),
    (7740, "DR"),
    (7767, "OV"),
    (7800, "DR"),
    (7950, "OV"),
    (7956, "DR"),
    (8000, "OV"),
    (8050, "GE"),
    (8055, "OV"),
    (8070, "GE"),
    (8100, "OV"),
    (8160, "GE"),
    (8196, "OV"),
    (8200, "FL"),
    (8260, "OV"),
    (8300, "FL"),
    (8323, "OV"),
    (8350, "DR"),
    (8355, "OV"),
    (8380, "DR"),
    (8388, "FR"),
    (9300, "DR"),
    (9350, "GR"),
    (9400, "DR"),
    (9500, "GR"),
    (9510, "DR"),
    (9540, "GR"),
    (9564, "DR"),
    (9565, "GR"),
    (9570, "DR"),
    (9580, "GR"),
    (9760, "DR"),
    (9770, "GR"),
    (9850, "FR"),
    (9860, "GR"),
    (9871, "FR"),
    (9874, "GR"),
)
_TABLE: Final = pl.DataFrame(_RANGES, schema={"from": pl.Int32, "province": pl.String}, orient="row")
_DIGITS: Final = r"^\s*([1-9]\d{3})\s*[A-Za-z]{2}\s*$"

TILES: Final = {
    "FR": (2, 0),
    "GR": (3, 0),
    "NH": (1, 1),
    "FL": (2, 1),
    "DR": (3, 1),
    "ZH": (0, 2),
    "UT": (1, 2),
    "GE": (2, 2),
    "OV": (3, 2),
    "ZE": (0, 3),
    "NB": (1, 3),
    "LI": (2, 3),
}
"""Where each province lies on a map of squares: column and row, from the north-west."""


def province(postcode: str) -> str | None:
    """Return the two letters of the province of a Dutch *postcode*; None for one that is none."""
    digits = re.match(_DIGITS, postcode)
    return next(there for first, there in reversed(_RANGES) if first <= int(digits[1])) if digits else None


def province_column(postcode: pl.Series) -> pl.Series:
    """Return :func:`province` for a column; null where *postcode* is."""
    digits = postcode.str.extract(_DIGITS).cast(pl.Int32)
    places = _TABLE["from"].search_sorted(digits.fill_null(1000), side="right").cast(pl.Int64) - 1
    found = pl.DataFrame({"province": _TABLE["province"].gather(places), "digits": digits})
    return found.select(pl.when(pl.col("digits").is_not_null()).then("province")).to_series().alias("province")
