"""
KVK's Naamgeving: what a company and its branches are called.

Facts: Naamgeving API 1.1, from its field list; no recorded answer is known. A commercial branch
has trade names, one that is not commercial has a name and perhaps another it is known by.
"""

from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from kvk_enrich.columns import NAAMGEVING
from kvk_enrich.registers import kvk_parts
from kvk_enrich.registers.kvk_parts import Handelsnaam, day, text


class Vestiging(Struct, frozen=True, rename="camel"):
    """A branch, commercial or not."""

    vestigingsnummer: str | None = None
    eerste_handelsnaam: str | None = None
    handelsnamen: tuple[Handelsnaam, ...] = ()
    naam: str | None = None
    ook_genoemd: str | None = None


class Naamgeving(Struct, frozen=True, rename="camel"):
    """The names of one company."""

    kvk_nummer: str
    naam: str | None = None
    statutaire_naam: str | None = None
    ook_genoemd: str | None = None
    startdatum: str | None = None
    einddatum: str | None = None
    vestigingen: tuple[Vestiging, ...] = ()


decode = kvk_parts.decoder(Naamgeving)
"""Return a body as the names of a company. See :func:`kvk_parts.decoder`."""


def rows(bodies: Sequence[bytes]) -> pl.DataFrame:
    """Return the columns of *bodies*, one line each, in order."""
    return kvk_parts.table(NAAMGEVING, (_row(decode(body)) for body in bodies))


def _row(named: Naamgeving) -> tuple[object, ...]:
    start, end = text(named.startdatum), text(named.einddatum)
    return (
        text(named.naam),
        text(named.statutaire_naam),
        text(named.ook_genoemd),
        day(start),
        start,
        day(end),
        end,
        [
            {
                "branch_number": text(branch.vestigingsnummer),
                "name": text(branch.eerste_handelsnaam) or text(branch.naam),
                "trade_names": kvk_parts.names(branch.handelsnamen),
                "also_known_as": text(branch.ook_genoemd),
            }
            for branch in named.vestigingen
        ],
    )
