"""
Who has which VAT number in the practice VIES. Pure: the same number and seed give the same holder.

Dutch legal persons and partnerships have the number made from their RSIN, valid while they are
active. All others are invented: of the numbers with the right check digits seven in eight are
somebody's, a number from before 2020 that may hold a citizen service number is nobody's::

    (number,) = numbers("NL", 1)
    assert holder(number) is not None
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Final

from stdnum.eu import vat
from stdnum.nl import bsn

from kvk_enrich.practice import population, words
from kvk_enrich.practice.company import Address, Company
from kvk_enrich.practice.dice import Dice

UNDISCLOSED: Final = "---"
"""What stands for a name or an address that a state keeps to itself."""

_KEPT_SECRET: Final = frozenset({"DE", "ES"})
_LEGAL_PERSON: Final = re.compile(r"NL([0-9]{9})B01", re.ASCII)

_FORMS: Final[Mapping[str, str]] = {
    # the commonest form of each state: # is a digit, @ a letter
    "AT": "U########",
    "BE": "0#########",
    "BG": "#########",
    "CY": "1#######@",
    "CZ": "########",
    "DE": "#########",
    "DK": "########",
    "EE": "#########",
    "EL": "#########",
    "ES": "B########",
    "FI": "########",
    "FR": "###########",
    "HR": "###########",
    "HU": "########",
    "IE": "#######@",
    "IT": "###########",
    "LT": "#######1#",
    "LU": "########",
    "LV": "4##########",
    "MT": "########",
    "NL": "#########B##",
    "PL": "##########",
    "PT": "5########",
    "RO": "########",
    "SE": "##########01",
    "SI": "########",
    "SK": "##########",
    "XI": "#########",
}

STATES: Final = tuple(_FORMS)
"""The member states and Northern Ireland, as VIES spells them."""

_ADDRESSES: Final[Mapping[str, str]] = {
    # how the states write theirs, as recorded
    "CZ": "{street} {house}\n{town} - {part}\n{postcode}  {town}",
    "DK": "{street} {house}\n{postcode} {town}\n",
    "IE": "{street} {house}, {town}, {postcode}",
    "LV": "{street} {house}, {town}, {postcode}",
    "NL": "\n{street} {house:05}\n{postcode} {town}\n",
    "PT": "{street} N {house}\n{town}\n{postcode} {town}",
    "RO": "{town}\n{street} {house}",
}
_ADDRESS: Final = "{street} {house}\n{postcode} {town}"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a VAT number, in the member state's own spelling; ``---`` where it does not tell."""

    name: str
    address: str


def holder(number: str, *, seed: int = 0, sole_traders: bool = True) -> Holder | None:
    """
    Return who has this VAT number, or None: not valid.

    Args:
        number: With its prefix, canonical.
        seed: Which population.
        sole_traders: Whether the Netherlands tells who they are.
    """
    if number[:2] not in STATES or not _is_well_made(number):
        return None
    if number[:2] == "NL" and bsn.is_valid(number[2:11]):
        legal_person = _LEGAL_PERSON.fullmatch(number)
        company = population.company_by_rsin(legal_person[1], seed=seed) if legal_person else None
        return _of_company(company) if company is not None and company.active else None
    dice = Dice(seed, number, "vat")
    if dice.chance(1 / 8):
        return None
    if number[:2] in _KEPT_SECRET or (number[:2] == "NL" and not sole_traders):
        return Holder(UNDISCLOSED, UNDISCLOSED)
    return _invented(number[:2], dice)


def numbers(state: str, many: int, *, valid: bool = True, seed: int = 0) -> list[str]:
    """
    Return *many* different VAT numbers of *state* with the right check digits, always the same ones.

    Dutch ones are of legal persons; those of sole traders are :func:`sole_trader_numbers`.

    Args:
        state: As VIES spells it: EL for Greece.
        many: How many.
        valid: Whether VIES is to know them.
        seed: Which population.
    """
    made = _of_legal_persons(seed) if state == "NL" else _well_made(state, seed)
    return _first(made, many, valid=valid, seed=seed)


def sole_trader_numbers(many: int, *, valid: bool = True, seed: int = 0) -> list[str]:
    """Return Dutch numbers as sole traders have them since 2020: no RSIN and no citizen number is in them."""
    made = (number for number in _well_made("NL", seed) if not bsn.is_valid(number[2:11]))
    return _first(made, many, valid=valid, seed=seed)


def is_well_made(number: str) -> bool:
    """Return whether the check digits of *number* (with its prefix) are right."""
    return number[:2] in STATES and _is_well_made(number)


def _is_well_made(number: str) -> bool:
    prefix = "GR" if number.startswith("EL") else number[:2]
    return bool(vat.is_valid(prefix + number[2:])) and vat.compact(prefix + number[2:])[2:] == number[2:]


def _first(made: Iterator[str], many: int, *, valid: bool, seed: int) -> list[str]:
    distinct = dict[str, None]()
    for number in made:
        if len(distinct) == many:
            break
        if (holder(number, seed=seed) is not None) is valid:
            distinct[number] = None
    return list(distinct)


def _of_legal_persons(seed: int) -> Iterator[str]:
    for number in population.numbers(seed=seed):
        company = population.company(number, seed=seed)
        if company is not None and company.rsin is not None:
            yield f"NL{company.rsin}B01"


def _well_made(state: str, seed: int) -> Iterator[str]:
    """Yield numbers of *state* with the right check digits, by trying; without end."""
    for place in count():
        number = _completed(state + _thrown(_FORMS[state], Dice(seed, state, "number", place)))
        if _is_well_made(number):
            yield number


def _thrown(form: str, dice: Dice) -> str:
    signs = {"#": "0123456789", "@": "ABCDEFGHIJKLMNOPQRSTUVW"}
    return "".join(dice.pick(signs.get(sign, sign)) for sign in form)


def _completed(number: str) -> str:
    """Return *number* with the check digits that are rarely hit by chance: France's, the Netherlands' since 2020."""
    if number.startswith("FR"):
        return f"FR{(12 + 3 * int(number[4:])) % 97:02}{number[4:]}"
    if number.startswith("NL"):
        return f"{number[:12]}{(1 - int(f'2321{number[2:11]}1100')) % 97:02}"
    return number


def _of_company(company: Company) -> Holder:
    main = company.branches[0].addresses if company.branches else company.addresses
    written = (_written(address) for address in main if address.postcode is not None)
    return Holder(company.name.upper(), next(written, UNDISCLOSED))


def _written(address: Address) -> str:
    street, house = ("POSTBUS", address.post_box) if address.post_box else (address.street, address.house_number)
    letter = address.house_letter or ""
    return f"\n{street} {house or 0:05}{letter}\n{address.postcode} {address.town}\n".upper()


def _invented(state: str, dice: Dice) -> Holder:
    name = f"{dice.pick(words.INVENTED)} {dice.pick(('Trading', 'Services', 'Industries', 'Group'))}"
    town, digits = dice.pick(words.TOWNS)
    address = _ADDRESSES.get(state, _ADDRESS).format(
        street=dice.pick(words.STREETS),
        house=dice.between(1, 300),
        postcode=f"{digits}{dice.between(0, 9)}" + ("AB" if state == "NL" else ""),
        town=town,
        part=dice.pick(words.TOWNS)[0],
    )
    if state == "NL":
        name = f"{dice.pick(words.FIRST_NAMES)} {dice.pick(words.SURNAMES)}"
    return Holder(name.upper(), address.upper())
