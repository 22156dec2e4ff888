"""
KVK's Zoeken: from a number to the company it belongs to. Identifiers and existence, never data.

Facts: Zoeken API 2.1.0. One company comes in several rows (the legal person, the main branch,
others), in no order that holds; more than one company where an RSIN or a branch had several
registrations in time. KVK advises against using anything else in these rows as data.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from msgspec import Struct

from kvk_enrich.columns import ZOEKEN
from kvk_enrich.registers import kvk_parts
from kvk_enrich.registers.kvk_parts import Whole, flag, text

_MAIN_BRANCH = "hoofdvestiging"
_OF_THE_COMPANY = frozenset({_MAIN_BRANCH, "rechtspersoon"})


class BinnenlandsAdres(Struct, frozen=True, rename="camel"):
    """An address in the Netherlands, as far as a search shows it."""

    plaats: str | None = None


class BuitenlandsAdres(Struct, frozen=True, rename="camel"):
    """An address abroad."""

    postcode_woonplaats: str | None = None


class Adres(Struct, frozen=True, rename="camel"):
    """One of the two."""

    binnenlands_adres: BinnenlandsAdres | None = None
    buitenlands_adres: BuitenlandsAdres | None = None


class Resultaat(Struct, frozen=True, rename="camel"):
    """One row: a legal person or a branch. The RSIN is there when it was asked for."""

    kvk_nummer: str
    rsin: str | None = None
    vestigingsnummer: str | None = None
    naam: str | None = None
    type: str | None = None
    actief: str | None = None
    adres: Adres | None = None


class Zoeken(Struct, frozen=True, rename="camel"):
    """One page of rows."""

    resultaten: tuple[Resultaat, ...]
    totaal: Whole | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One row for people to choose from; *kind* is the register's word for what the row is about."""

    kvk_number: str
    branch_number: str | None
    name: str | None
    city: str | None
    kind: str | None
    active: bool | None


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search found: how many rows there are, and the first of them."""

    total: int
    hits: tuple[Hit, ...]


decode = kvk_parts.decoder(Zoeken)
"""Return a body as a page of rows. See :func:`kvk_parts.decoder`."""


def rows(bodies: Sequence[bytes]) -> pl.DataFrame:
    """Return the columns of *bodies*, one line each, in order; empty where a body has no one company."""
    return kvk_parts.table(ZOEKEN, (_row(decode(body)) for body in bodies))


def company(page: Zoeken) -> str | None:
    """
    Return the KVK number that *page* leads to.

    Of several companies it is the one that is registered at present; None if there is no such one,
    or more than one. Companies whose rows all come after the first hundred are not seen.
    """
    numbers = {row.kvk_nummer for row in page.resultaten}
    if len(numbers) > 1:
        numbers = {row.kvk_nummer for row in page.resultaten if flag(row.actief)}
    return numbers.pop() if len(numbers) == 1 else None


def hits(page: Zoeken, *, inactive: bool) -> Hits:
    """Return *page* for people; without the *inactive* ones all are active, and the register does not say so."""
    told = tuple(
        Hit(
            kvk_number=row.kvk_nummer,
            branch_number=text(row.vestigingsnummer),
            name=text(row.naam),
            city=_city(row.adres or Adres()),
            kind=text(row.type),
            active=flag(row.actief) if inactive else True,
        )
        for row in page.resultaten
    )
    return Hits(len(told) if page.totaal is None else page.totaal, told)


def _row(page: Zoeken) -> tuple[object, ...]:
    number = company(page)
    own = [row for row in page.resultaten if row.kvk_nummer == number]
    return (
        number,
        next((text(row.rsin) for row in own if row.rsin), None),
        next((text(row.vestigingsnummer) for row in own if row.type == _MAIN_BRANCH), None),
        _active(own),
    )


def _active(own: Sequence[Resultaat]) -> bool | None:
    """Return whether a company is registered at present; that one of its other branches closed does not say it."""
    if any(flag(row.actief) for row in own):
        return True
    return False if any(flag(row.actief) is False for row in own if row.type in _OF_THE_COMPANY) else None


def _city(address: Adres) -> str | None:
    if address.binnenlands_adres is not None:
        return text(address.binnenlands_adres.plaats)
    return text(address.buitenlands_adres.postcode_woonplaats) if address.buitenlands_adres is not None else None
