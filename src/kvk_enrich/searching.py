"""
Companies by name or address, for people who look for a number.

A search is one call with a permit like any other. Sole traders bear their own names: what is found is
handed over to be printed, and neither it nor the words searched for are written down anywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from kvk_enrich.clock import Clock, SystemClock
from kvk_enrich.config import Settings, source
from kvk_enrich.errors import ConfigError
from kvk_enrich.model import Call, Kind, micro
from kvk_enrich.once import ask_once
from kvk_enrich.registers.interface import AtSend
from kvk_enrich.registers.kvk import Kvk
from kvk_enrich.registers.kvk_zoeken import Hit, Hits
from kvk_enrich.registers.kvkbase import Kvkbase
from kvk_enrich.sources import open_register
from kvk_enrich.state.home import open_home

__all__ = ["Hit", "Hits", "Wanted", "search"]

_NAMELESS: Final = Call("search", Kind.KVK, ("",))
"""How the journal knows a search: that it was made."""

_KVKBASE_SHORTEST: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    What is looked for.

    Args:
        text: Words of a name.
        postcode: Four digits and two letters; goes with *house_number*.
        house_number: Up to five digits, and perhaps a letter.
        city: The whole name.
        autocomplete: *text* is how a name begins; kvkbase only.
        inactive: Also companies that ended.
    """

    text: str | None = None
    postcode: str | None = None
    house_number: str | None = None
    city: str | None = None
    autocomplete: bool = False
    inactive: bool = False


def search(settings: Settings, wanted: Wanted, *, clock: Clock | None = None) -> Hits:
    """
    Ask the register that ``run.source`` names. KVK's search is free; kvkbase's is taken to cost a token.

    Raises:
        ConfigError: that register cannot be searched in this way, or a setting is wrong.
        RegisterError: it did not answer.
    """
    is_kvkbase = settings.sections.run.source == "kvkbase"
    query = _text(wanted) if is_kvkbase else _query(wanted)  # before a key is needed
    service = source(settings)
    register = open_register(service)
    return ask_once(
        service,
        register,
        partial(_found, register, query, wanted),
        call=_NAMELESS,
        home=open_home(settings.home),
        clock=clock or SystemClock(),
        why="search",
        micro_eur=micro(service.price_eur) if is_kvkbase else 0,
    )


def _query(wanted: Wanted) -> Mapping[str, str]:
    """Return the parameters of KVK's Zoeken."""
    if wanted.autocomplete:
        raise ConfigError("--autocomplete: KVK finds whole words only; leave it out, or use --source kvkbase")
    postcode = re.sub(r"\s", "", wanted.postcode or "")
    house = re.fullmatch(r"([0-9]{1,5})\s*([A-Za-z]?)", wanted.house_number or "", re.ASCII)
    if bool(wanted.postcode) != bool(wanted.house_number):
        raise ConfigError("--postcode: goes with --house-number; KVK searches for the two together")
    if postcode and not re.fullmatch(r"[0-9]{4}[A-Za-z]{2}", postcode, re.ASCII):
        raise ConfigError("--postcode: must be four digits and two letters, such as 1234 AB")
    if wanted.house_number and house is None:
        raise ConfigError("--house-number: must be a number, perhaps with a letter, such as 12 or 12a")
    number, letter = house.groups() if house else ("", "")
    given = {
        "naam": (wanted.text or "").strip(),
        "plaats": (wanted.city or "").strip(),
        "postcode": postcode.upper(),
        "huisnummer": number,
        "huisletter": letter,
    }
    query = {name: value for name, value in given.items() if value}
    if not query:
        raise ConfigError("search: say what to look for: a name, --city, or --postcode with --house-number")
    return query


def _text(wanted: Wanted) -> Mapping[str, str]:
    """Return what kvkbase is asked for."""
    places = {"--postcode": wanted.postcode, "--house-number": wanted.house_number, "--city": wanted.city}
    for flag, given in places.items():
        if given:
            raise ConfigError(f"{flag}: kvkbase is searched by text alone; leave it out, or use --source kvk")
    text = (wanted.text or "").strip()
    if len(text) < _KVKBASE_SHORTEST:
        raise ConfigError(f"search: give kvkbase a text of at least {_KVKBASE_SHORTEST} characters")
    return {"text": text}


async def _found(register: object, query: Mapping[str, str], wanted: Wanted, at_send: AtSend) -> Hits:
    if isinstance(register, Kvk):
        return await register.search(query, at_send, inactive=wanted.inactive)
    assert isinstance(register, Kvkbase)  # noqa: S101 - run.source names one of the two
    ask = register.autocomplete if wanted.autocomplete else register.search
    hits = tuple(
        Hit(one.kvk_number, None, one.name, one.city, None, one.active)
        for one in await ask(query["text"], at_send)
        if wanted.inactive or one.active is not False
    )
    return Hits(len(hits), hits)
