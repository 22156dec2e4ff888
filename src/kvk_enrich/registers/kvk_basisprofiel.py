"""
KVK's Basisprofiel as a record: what the register writes, read into our columns.

Facts: KVK Basisprofiel API 1.5.0. Legal entities without a branch carry their addresses under
eigenaar; an end is the business's (datumEinde) or the owner's (datumUitschrijving).
"""

import math
from collections.abc import Sequence

import polars as pl
from msgspec import Struct, field

from kvk_enrich.columns import BASISPROFIEL
from kvk_enrich.registers import kvk_parts
from kvk_enrich.registers.kvk_parts import (
    VISIT,
    Activiteit,
    Adres,
    GeoData,
    Handelsnaam,
    Registratie,
    Whole,
    day,
    flag,
    text,
)


class Hoofdvestiging(Struct, frozen=True, rename="camel"):
    """The main branch, in its short form."""

    vestigingsnummer: str | None = None
    adressen: tuple[Adres, ...] = ()
    websites: tuple[str, ...] = ()


class Eigenaar(Struct, frozen=True, rename="camel"):
    """The owner: legal form and RSIN, and the addresses where there is no branch."""

    rsin: str | None = None
    rechtsvorm: str | None = None
    uitgebreide_rechtsvorm: str | None = None
    datum_uitschrijving: str | None = None
    adressen: tuple[Adres, ...] = ()
    websites: tuple[str, ...] = ()


class Embedded(Struct, frozen=True, rename="camel"):
    """What the profile carries along."""

    hoofdvestiging: Hoofdvestiging | None = None
    eigenaar: Eigenaar | None = None


class Basisprofiel(Struct, frozen=True, rename="camel"):
    """One company. Only kvkNummer and naam are always there."""

    kvk_nummer: str
    naam: str
    ind_non_mailing: str | None = None
    formele_registratiedatum: str | None = None
    materiele_registratie: Registratie = Registratie()
    totaal_werkzame_personen: Whole | None = None
    statutaire_naam: str | None = None
    handelsnamen: tuple[Handelsnaam, ...] = ()
    sbi_activiteiten: tuple[Activiteit, ...] = ()
    embedded: Embedded = field(default=Embedded(), name="_embedded")


decode = kvk_parts.decoder(Basisprofiel)
"""Return a body as a profile. See :func:`kvk_parts.decoder`."""


def rows(bodies: Sequence[bytes]) -> pl.DataFrame:
    """Return the Basisprofiel columns of *bodies*, one line each, in order."""
    return kvk_parts.table(BASISPROFIEL, (_row(decode(body)) for body in bodies))


def _row(profile: Basisprofiel) -> tuple[object, ...]:
    branch = profile.embedded.hoofdvestiging or Hoofdvestiging()
    owner = profile.embedded.eigenaar or Eigenaar()
    addresses = branch.adressen + owner.adressen  # a branch's comes before an owner's
    registration = profile.materiele_registratie
    start, end = text(registration.datum_aanvang), text(registration.datum_einde) or text(owner.datum_uitschrijving)
    registered = text(profile.formele_registratiedatum)
    return (
        profile.kvk_nummer,
        text(owner.rsin),
        text(branch.vestigingsnummer),
        text(profile.naam),
        text(profile.statutaire_naam),
        kvk_parts.names(profile.handelsnamen),
        text(owner.rechtsvorm),
        text(owner.uitgebreide_rechtsvorm),
        end is None,
        day(start),
        start,
        day(end),
        end,
        day(registered),
        registered,
        profile.totaal_werkzame_personen,
        *kvk_parts.activities(profile.sbi_activiteiten),
        flag(profile.ind_non_mailing),
        kvk_parts.shielded(addresses),
        *kvk_parts.address_columns(addresses),
        list(branch.websites or owner.websites),
        *_place(kvk_parts.first(addresses, VISIT).geo_data or GeoData()),
    )


def _place(geo: GeoData) -> tuple[float | None, float | None, str | None]:
    """Return latitude, longitude and BAG id: nothing where the register has zeros for want of a place."""
    point = geo.gps_latitude or 0.0, geo.gps_longitude or 0.0
    latitude, longitude = point if all(point) and all(map(math.isfinite, point)) else (None, None)
    return latitude, longitude, text(geo.addresseerbaar_object_id)
