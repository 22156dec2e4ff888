"""
KVK's list of a company's branches: how many there are, and each in short.

Facts: path ``/vestigingen`` of the Basisprofiel API 1.5.0; never paged, a thousand branches come
in one answer.
"""

from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from kvk_enrich.columns import VESTIGINGEN
from kvk_enrich.registers import kvk_parts
from kvk_enrich.registers.kvk_parts import Whole, flag, text


class Vestiging(Struct, frozen=True, rename="camel"):
    """One branch in short."""

    vestigingsnummer: str | None = None
    eerste_handelsnaam: str | None = None
    ind_hoofdvestiging: str | None = None
    ind_commerciele_vestiging: str | None = None
    ind_adres_afgeschermd: str | None = None
    volledig_adres: str | None = None


class Vestigingen(Struct, frozen=True, rename="camel"):
    """The branches of one company."""

    kvk_nummer: str
    totaal_aantal_vestigingen: Whole | None = None
    aantal_commerciele_vestigingen: Whole | None = None
    vestigingen: tuple[Vestiging, ...] = ()


decode = kvk_parts.decoder(Vestigingen)
"""Return a body as a list of branches. See :func:`kvk_parts.decoder`."""


def rows(bodies: Sequence[bytes]) -> pl.DataFrame:
    """Return the columns of *bodies*, one line each, in order."""
    return kvk_parts.table(VESTIGINGEN, (_row(decode(body)) for body in bodies))


def _row(told: Vestigingen) -> tuple[object, ...]:
    return (
        told.totaal_aantal_vestigingen,
        told.aantal_commerciele_vestigingen,
        [
            {
                "branch_number": text(branch.vestigingsnummer),
                "name": text(branch.eerste_handelsnaam),
                "is_main": flag(branch.ind_hoofdvestiging),
                "is_commercial": flag(branch.ind_commerciele_vestiging),
                "address_shielded": flag(branch.ind_adres_afgeschermd),
                "full_address": text(branch.volledig_adres),
            }
            for branch in told.vestigingen
        ],
    )
