"""
The list's own columns beside the register's fields: what is the same, written otherwise, or really different.

Dutch-aware: B.V. is BV, str. is straat, 1234ab is 1234 AB, a trade name is a name of the company. Pure
expressions; what is done with the verdicts is written in :mod:`kvk_enrich.write`.
"""

from kvk_enrich.compare.fields import FIELDS, Comparison, Field, lacking, parse
from kvk_enrich.compare.similarity import similarity
from kvk_enrich.compare.verdicts import (
    CHANGED,
    FORMAT_ONLY,
    MISSING_HERE,
    MISSING_THERE,
    SAME,
    VERDICT,
    at_sight,
    on_reflection,
    ours,
    theirs,
)

__all__ = [
    "CHANGED",
    "FIELDS",
    "FORMAT_ONLY",
    "MISSING_HERE",
    "MISSING_THERE",
    "SAME",
    "VERDICT",
    "Comparison",
    "Field",
    "at_sight",
    "lacking",
    "on_reflection",
    "ours",
    "parse",
    "similarity",
    "theirs",
]
