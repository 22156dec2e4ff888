"""
The parts that KVK's answers share, and how their fields become ours.

Facts: both link styles (``links``, ``_links``) are ignored, as they change without notice. Empty
fields are absent; flags are "Ja"/"Nee"; dates are YYYYMMDD with zeros for unknown parts.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Annotated, Any, Final, TypeVar

import msgspec
import polars as pl
from msgspec import Struct

from kvk_enrich.columns import Column, schema

T = TypeVar("T")

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A number that our columns can hold; any other is refused on receipt, not when it is too late."""

_DATE_DIGITS: Final = 8
_CODE: Final = re.compile(r"IPD[0-9]{4,6}", re.ASCII)


class Registratie(Struct, frozen=True, rename="camel"):
    """When it began and ended."""

    datum_aanvang: str | None = None
    datum_einde: str | None = None


class Handelsnaam(Struct, frozen=True, rename="camel"):
    """A trade name with its place."""

    naam: str | None = None
    volgorde: Whole = 0


class Activiteit(Struct, frozen=True, rename="camel"):
    """One SBI activity."""

    sbi_code: str | None = None
    sbi_omschrijving: str | None = None
    ind_hoofdactiviteit: str | None = None


class GeoData(Struct, frozen=True, rename="camel"):
    """Where an address lies; zeros and nulls for a P.O. box and abroad."""

    addresseerbaar_object_id: str | None = None
    gps_latitude: float | None = None
    gps_longitude: float | None = None


class Adres(Struct, frozen=True, rename="camel"):
    """An address, Dutch or foreign."""

    type: str | None = None
    ind_afgeschermd: str | None = None
    volledig_adres: str | None = None
    straatnaam: str | None = None
    huisnummer: Whole | None = None
    huisletter: str | None = None
    huisnummer_toevoeging: str | None = None
    toevoeging_adres: str | None = None
    postcode: str | None = None
    postbusnummer: Whole | None = None
    plaats: str | None = None
    straat_huisnummer: str | None = None
    postcode_woonplaats: str | None = None
    regio: str | None = None
    land: str | None = None
    geo_data: GeoData | None = None


VISIT: Final = "bezoekadres"
POST: Final = "correspondentieadres"


def decoder(shape: type[T]) -> Callable[[bytes], T]:
    """
    Return what reads a body as *shape*, if all of it is text and all of it fits our columns.

    What passes there is kept and read again by every later run, so nothing may pass that is
    unreadable then: bytes that are no UTF-8 are refused also where no field of ours is.

    It raises:
        msgspec.DecodeError: it is no JSON, or of another shape, or a field has the wrong type.
        UnicodeDecodeError: it is not UTF-8.
        RecursionError: it is nested thousands deep.
    """
    decode = msgspec.json.Decoder(shape, strict=False).decode
    return lambda body: decode(body.decode())


def table(columns: Iterable[Column], records: Iterable[tuple[object, ...]]) -> pl.DataFrame:
    """Return *records*, each with a value for each of *columns*, as typed rows."""
    return pl.DataFrame(list(records), schema=schema(columns), orient="row")


def text(value: str | int | None) -> str | None:
    """Return *value* with runs of white space folded (the register pads addresses with dozens), None for nothing."""
    return " ".join(str(value).split()) or None if value is not None else None


def flag(value: str | None) -> bool | None:
    """Return Ja and Nee as what they say, None for anything else."""
    return {"ja": True, "nee": False}.get(value.lower()) if value else None


def day(value: str | None) -> date | None:
    """Return a whole date; None where the register writes zeros for what it does not know."""
    if value is None or len(value) != _DATE_DIGITS or not value.isdigit():
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None


def names(given: Iterable[Handelsnaam]) -> list[str]:
    """Return trade names, the first one first: the register does not deliver them in their order."""
    return [name for one in sorted(given, key=lambda one: one.volgorde) if (name := text(one.naam))]


def activities(given: Sequence[Activiteit]) -> tuple[str | None, str | None, list[dict[str, str | bool | None]]]:
    """Return code and description of the main activity, and all of them."""
    main = next((activity for activity in given if flag(activity.ind_hoofdactiviteit)), Activiteit())
    every: list[dict[str, str | bool | None]] = [
        {
            "code": text(activity.sbi_code),
            "description": text(activity.sbi_omschrijving),
            "main": flag(activity.ind_hoofdactiviteit),
        }
        for activity in given
    ]
    return text(main.sbi_code), text(main.sbi_omschrijving), every


def shielded(addresses: Iterable[Adres]) -> bool | None:
    """Return whether one of *addresses* is shielded; None if it is known of none."""
    known = [told for address in addresses if (told := flag(address.ind_afgeschermd)) is not None]
    return any(known) if known else None


def address_columns(addresses: Sequence[Adres]) -> tuple[str | None, ...]:
    """Return the visiting address and that for post, as the columns go; of several of a kind the first."""
    visit, post = first(addresses, VISIT), first(addresses, POST)
    return (*_address(visit), *_address(post), text(post.postbusnummer))


def first(addresses: Iterable[Adres], kind: str) -> Adres:
    """Return the first address of *kind*; an empty one if there is none."""
    return next((address for address in addresses if address.type == kind), Adres())


def _address(address: Adres) -> tuple[str | None, ...]:
    return (
        text(address.straatnaam or address.straat_huisnummer),
        text(address.huisnummer),
        text(address.huisletter),
        text(address.huisnummer_toevoeging),
        text(address.postcode),
        text(address.plaats or address.postcode_woonplaats),
        text(address.land),
        text(address.volledig_adres),
    )


def error_codes(body: bytes) -> list[str]:
    """
    Return the register's own codes (IPD....) in an error body; empty when it is not the register alone speaking.

    Somebody on the way who adds a code of his own may have made up the others.
    """
    try:
        faults: Any = msgspec.json.decode(body)["fout"]
        codes = [fault["code"] for fault in faults]
        return codes if all(isinstance(code, str) and _CODE.fullmatch(code) for code in codes) else []
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError):
        return []
