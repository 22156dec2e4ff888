"""
KVK's Vestigingsprofiel: one branch in full, by its own number.

Facts: Vestigingsprofiel API 1.5.0. A company's RSIN and statutory name come along, its legal
form does not.
"""

from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from kvk_enrich.columns import VESTIGINGSPROFIEL
from kvk_enrich.registers import kvk_parts
from kvk_enrich.registers.kvk_parts import Activiteit, Adres, Handelsnaam, Registratie, Whole, day, flag, text


class Vestigingsprofiel(Struct, frozen=True, rename="camel"):
    """One branch. Only its number is always there."""

    vestigingsnummer: str
    kvk_nummer: str | None = None
    rsin: str | None = None
    ind_non_mailing: str | None = None
    materiele_registratie: Registratie = Registratie()
    statutaire_naam: str | None = None
    eerste_handelsnaam: str | None = None
    ind_hoofdvestiging: str | None = None
    ind_commerciele_vestiging: str | None = None
    voltijd_werkzame_personen: Whole | None = None
    totaal_werkzame_personen: Whole | None = None
    deeltijd_werkzame_personen: Whole | None = None
    handelsnamen: tuple[Handelsnaam, ...] = ()
    adressen: tuple[Adres, ...] = ()
    websites: tuple[str, ...] = ()
    sbi_activiteiten: tuple[Activiteit, ...] = ()


decode = kvk_parts.decoder(Vestigingsprofiel)
"""Return a body as the profile of a branch. See :func:`kvk_parts.decoder`."""


def rows(bodies: Sequence[bytes]) -> pl.DataFrame:
    """Return the columns of *bodies*, one line each, in order."""
    return kvk_parts.table(VESTIGINGSPROFIEL, (_row(decode(body)) for body in bodies))


def _row(branch: Vestigingsprofiel) -> tuple[object, ...]:
    start, end = text(branch.materiele_registratie.datum_aanvang), text(branch.materiele_registratie.datum_einde)
    return (
        branch.vestigingsnummer,
        text(branch.kvk_nummer),
        text(branch.rsin),
        text(branch.eerste_handelsnaam),
        kvk_parts.names(branch.handelsnamen),
        text(branch.statutaire_naam),
        flag(branch.ind_hoofdvestiging),
        flag(branch.ind_commerciele_vestiging),
        day(start),
        start,
        day(end),
        end,
        branch.totaal_werkzame_personen,
        branch.voltijd_werkzame_personen,
        branch.deeltijd_werkzame_personen,
        *kvk_parts.activities(branch.sbi_activiteiten),
        *kvk_parts.address_columns(branch.adressen),
        list(branch.websites),
        flag(branch.ind_non_mailing),
        kvk_parts.shielded(branch.adressen),
    )
