"""
KVK's Basisprofiel as a record: what the register writes, read into our columns.

Facts: KVK Basisprofiel API 1.5.0; both link styles (``links``, ``_links``) are ignored, as they
change without notice. Empty fields are absent; flags are "Ja"/"Nee"; dates are YYYYMMDD with
zeros for unknown parts; legal entities without a branch carry their addresses under eigenaar.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Any, Final

import msgspec
import polars as pl
from msgspec import Struct

from kvk_enrich.columns import BASISPROFIEL, schema

_DATE_DIGITS: Final = 8
_CODE: Final = re.compile(r"IPD[0-9]{4,6}", re.ASCII)

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A number that our columns can hold; any other is refused on receipt, not when it is too late."""


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


class Basisprofiel(Struct, frozen=True):
    """One company. Only kvkNummer and naam are always there."""

    kvk_nummer: str = msgspec.field(name="kvkNummer")
    naam: str
    ind_non_mailing: str | None = msgspec.field(default=None, name="indNonMailing")
    formele_registratiedatum: str | None = msgspec.field(default=None, name="formeleRegistratiedatum")
    materiele_registratie: Registratie = msgspec.field(default_factory=Registratie, name="materieleRegistratie")
    totaal_werkzame_personen: Whole | None = msgspec.field(default=None, name="totaalWerkzamePersonen")
    statutaire_naam: str | None = msgspec.field(default=None, name="statutaireNaam")
    handelsnamen: tuple[Handelsnaam, ...] = ()
    sbi_activiteiten: tuple[Activiteit, ...] = msgspec.field(default=(), name="sbiActiviteiten")
    embedded: Embedded = msgspec.field(default_factory=Embedded, name="_embedded")


_decoder = msgspec.json.Decoder(Basisprofiel, strict=False)


def decode(body: bytes) -> Basisprofiel:
    """
    Return *body* as a profile, if all of it is text and all of it fits our columns.

    What passes here is kept and read again by every later run, so nothing may pass that is
    unreadable then: bytes that are no UTF-8 are refused also where no field of ours is.

    Raises:
        msgspec.DecodeError: it is no JSON, or no profile, or a field has the wrong type.
        UnicodeDecodeError: it is not UTF-8.
        RecursionError: it is nested thousands deep.
    """
    return _decoder.decode(body.decode())


def rows(bodies: Sequence[bytes]) -> pl.DataFrame:
    """Return the Basisprofiel columns of *bodies*, one line each, in order."""
    records = [_row(decode(body)) for body in bodies]
    return pl.DataFrame(records, schema=schema(BASISPROFIEL), orient="row")


def _row(profile: Basisprofiel) -> tuple[object, ...]:
    branch = profile.embedded.hoofdvestiging or Hoofdvestiging()
    owner = profile.embedded.eigenaar or Eigenaar()
    addresses = branch.adressen + owner.adressen
    main = next((activity for activity in profile.sbi_activiteiten if _flag(activity.ind_hoofdactiviteit)), None)
    registration = profile.materiele_registratie
    start, end = _text(registration.datum_aanvang), _text(registration.datum_einde) or _text(owner.datum_uitschrijving)
    registered = _text(profile.formele_registratiedatum)
    return (
        profile.kvk_nummer,
        _text(owner.rsin),
        _text(branch.vestigingsnummer),
        _text(profile.naam),
        _text(profile.statutaire_naam),
        [text for name in sorted(profile.handelsnamen, key=lambda name: name.volgorde) if (text := _text(name.naam))],
        _text(owner.rechtsvorm),
        _text(owner.uitgebreide_rechtsvorm),
        end is None,
        _date(start),
        start,
        _date(end),
        end,
        _date(registered),
        registered,
        profile.totaal_werkzame_personen,
        _text(main.sbi_code) if main else None,
        _text(main.sbi_omschrijving) if main else None,
        [
            {
                "code": _text(activity.sbi_code),
                "description": _text(activity.sbi_omschrijving),
                "main": _flag(activity.ind_hoofdactiviteit),
            }
            for activity in profile.sbi_activiteiten
        ],
        _flag(profile.ind_non_mailing),
        _any(_flag(address.ind_afgeschermd) for address in addresses),
        *_address(addresses, "bezoekadres"),
        *_address(addresses, "correspondentieadres"),
        _post_box(addresses),
        list(branch.websites or owner.websites),
    )


def _address(addresses: Iterable[Adres], kind: str) -> tuple[str | None, ...]:
    """Return the address of *kind* in the order of the columns; a branch's comes before an owner's."""
    address = next((address for address in addresses if address.type == kind), Adres())
    return (
        _text(address.straatnaam or address.straat_huisnummer),
        _text(address.huisnummer),
        _text(address.huisletter),
        _text(address.huisnummer_toevoeging),
        _text(address.postcode),
        _text(address.plaats or address.postcode_woonplaats),
        _text(address.land),
        _text(address.volledig_adres),
    )


def _post_box(addresses: Iterable[Adres]) -> str | None:
    return next((_text(address.postbusnummer) for address in addresses if address.type == "correspondentieadres"), None)


def _text(value: str | int | None) -> str | None:
    """Return *value* with runs of white space folded (the register pads addresses with dozens), None for nothing."""
    return " ".join(str(value).split()) or None if value is not None else None


def _flag(value: str | None) -> bool | None:
    return {"ja": True, "nee": False}.get(value.lower()) if value else None


def _any(flags: Iterable[bool | None]) -> bool | None:
    """Return whether one of *flags* is set; None if none of them is known."""
    known = [flag for flag in flags if flag is not None]
    return any(known) if known else None


def _date(value: str | None) -> date | None:
    """Return a whole date; None where the register writes zeros for what it does not know."""
    if value is None or len(value) != _DATE_DIGITS or not value.isdigit():
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None


def error_codes(body: bytes) -> list[str]:
    """Return the register's own codes (IPD....) in an error body; empty when it is not the register speaking."""
    try:
        faults: Any = msgspec.json.decode(body)["fout"]
        codes = [fault["code"] for fault in faults]
        return [code for code in codes if isinstance(code, str) and _CODE.fullmatch(code)]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError):
        return []
