"""One invented registration, complete and typed, before it takes the shape of any answer."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from kvk_enrich.practice import forms, words
from kvk_enrich.practice.dice import Dice
from kvk_enrich.practice.forms import LegalForm

AddressKind = Literal["bezoekadres", "correspondentieadres"]

VISIT: Final = "bezoekadres"
POST: Final = "correspondentieadres"

_MOST_NAMES = 6
_SIZES = (
    *((0, 2),) * 14,
    *((3, 25),) * 5,
    (26, 2_500),
)  # fewest and most people of a branch, the common ones more often


@dataclass(frozen=True, slots=True, kw_only=True)
class Abroad:
    """What a foreign address has instead of street, house number, postcode and town."""

    street: str
    town: str
    region: str | None
    country: str


ABROAD: Final = tuple(
    Abroad(street=street, town=town, region=region, country=country) for street, town, region, country in words.ABROAD
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """
    Where a company is, or where it gets its post.

    Args:
        bare: Shielded to the point that only kind, town and country are told.
        blanks: How many spaces the register puts between street and postcode in volledigAdres.
    """

    kind: AddressKind
    shielded: bool = False
    bare: bool = False
    street: str | None = None
    house_number: int | None = None
    house_letter: str | None = None
    house_addition: str | None = None
    extra: str | None = None
    post_box: int | None = None
    postcode: str | None = None
    town: str | None = None
    abroad: Abroad | None = None
    blanks: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """
    A place of business; *people* is None where the register does not know.

    Args:
        also_known: Another name than its own (ookGenoemd), told of those that are not commercial.
    """

    number: str
    name: str
    registered: str | None
    started: str
    commercial: bool
    people: int | None
    addresses: tuple[Address, ...]
    websites: tuple[str, ...] = ()
    also_known: str | None = None

    @property
    def shielded(self) -> bool:
        """Whether its visiting address is kept from us: marked as such, or left out."""
        return all(address.shielded for address in self.addresses if address.kind == VISIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """
    One registration. Dates are YYYYMMDD, with zeros for what is unknown.

    Args:
        trade_names: Pairs of volgorde and name, in the order delivered, which is not that of volgorde.
        branches: The main one first; none for many foundations, associations and holdings.
        addresses: Those of the owner, delivered only where there is no branch.
        removed: datumUitschrijving of the owner.
        listed: Whether Zoeken has a row of type rechtspersoon beside those of the branches.
        also_known: Another name than its own (ookGenoemd).
    """

    number: str
    form: LegalForm
    spelling: tuple[str, str]
    name: str
    rsin: str | None
    trade_names: tuple[tuple[int, str], ...]
    registered: str
    started: str
    ended: str | None
    removed: str | None
    non_mailing: bool
    activities: tuple[tuple[str, str], ...]
    branches: tuple[Branch, ...]
    addresses: tuple[Address, ...]
    listed: bool
    also_known: str | None

    @property
    def active(self) -> bool:
        """Whether neither end date is there."""
        return self.ended is None and self.removed is None


def invent(number: str, seed: int, *, form: LegalForm, rsin: str, branch_numbers: tuple[str, ...]) -> Company:
    """
    Return the company with this KVK number; the same one every time.

    Args:
        number: 8 digits.
        seed: Which population.
        form: Its legal form.
        rsin: 9 digits; kept only where the legal form has one.
        branch_numbers: 12 digits each, the main branch first; empty: no branches.
    """
    dice = Dice(seed, number, "company")
    name = _name(Dice(seed, number, "name"), form)
    branches = _branches(seed, number, form, name, branch_numbers)
    registered, started = _dates(Dice(seed, number, "dates"))
    ended, removed = _ends(Dice(seed, number, "end"))
    return Company(
        number=number,
        form=form,
        spelling=dice.pick(form.spellings),
        name=name,
        rsin=rsin if form.has_rsin else None,
        trade_names=_trade_names(Dice(seed, number, "trade names"), name, branches),
        registered=registered,
        started=started,
        ended=ended,
        removed=removed,
        non_mailing=dice.chance(0.3),
        activities=_activities(Dice(seed, number, "activities")),
        branches=branches,
        addresses=() if branches else _addresses(Dice(seed, number, "address"), shielding=0.02),
        listed=form.has_statutes and (not branches or dice.chance(0.7)),
        also_known=_also_known(Dice(seed, number, "also known")),
    )


def at(company: Company, *addresses: Address) -> Company:
    """Return *company* with its main branch at *addresses* and nowhere else."""
    main = replace(company.branches[0], addresses=addresses)
    return replace(company, branches=(main, *company.branches[1:]))


def another_name(dice: Dice, company: Company) -> Company:
    """Return *company* with a new name, which is also its main branch's and its first trade name."""
    name = _name(dice, company.form)
    names = tuple((place, name if known == company.name else known) for place, known in company.trade_names)
    main = tuple(replace(branch, name=name) for branch in company.branches[:1])
    return replace(company, name=name, trade_names=names, branches=(*main, *company.branches[1:]))


def another_address(dice: Dice) -> Address:
    """Return a visiting address to move to."""
    return _street(dice, VISIT)


def another_activity(dice: Dice, activities: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return *activities* with another main one."""
    new = dice.pick([activity for activity in words.ACTIVITIES if activity not in activities])
    return (new, *activities[1:])


def _name(dice: Dice, form: LegalForm) -> str:
    return form.name.format(
        invented=dice.pick(words.INVENTED),
        trade=dice.pick(words.TRADES),
        cause=dice.pick(words.CAUSES),
        surname=f"{dice.pick(words.FIRST_NAMES)} {dice.pick(words.SURNAMES)}",
        surname2=dice.pick(words.SURNAMES),
        street=dice.pick(words.STREETS),
        house=dice.between(1, 300),
        town=dice.pick(words.TOWNS)[0],
    )


def _branches(seed: int, number: str, form: LegalForm, name: str, numbers: tuple[str, ...]) -> tuple[Branch, ...]:
    if not numbers:
        return ()
    dice = Dice(seed, number, "branches")
    main = Branch(
        number=numbers[0],
        name=name,
        registered=_date(dice) if dice.chance(0.95) else None,
        started=_date(dice),
        commercial=form not in {forms.STICHTING, forms.VERENIGING, forms.KERKGENOOTSCHAP},
        people=_people(dice),
        addresses=_addresses(Dice(seed, number, "address"), shielding=0.06),
        websites=_websites(dice, name),
        also_known=_also_known(Dice(seed, number, "branch also known")),
    )
    return (main, *(_other_branch(Dice(seed, number, "branch", other), main, other) for other in numbers[1:]))


def _other_branch(dice: Dice, main: Branch, number: str) -> Branch:
    addresses = _addresses(dice, shielding=0.02)
    return replace(
        main,
        number=number,
        name=f"{main.name} {addresses[0].town or 'Buitenland'}",
        started=_date(dice),
        people=_people(dice),
        addresses=addresses,
        websites=(),
    )


def _trade_names(dice: Dice, name: str, branches: tuple[Branch, ...]) -> tuple[tuple[int, str], ...]:
    """Return also the names of other branches (so it is since November 2024), sometimes out of order."""
    if not branches:
        return ()
    more = dice.between(1, _MOST_NAMES - 1) if dice.chance(0.25) else 0
    extra = [f"{word} {dice.pick(words.TRADES)}" for word in dice.sample(words.INVENTED, more)]
    names = list(enumerate(dict.fromkeys([name, *extra, *(branch.name for branch in branches[1:_MOST_NAMES])])))
    return tuple(dice.sample(names, len(names)) if dice.chance(0.3) else names)


def _also_known(dice: Dice) -> str | None:
    return f"{dice.pick(words.INVENTED)} {dice.pick(words.TRADES)}" if dice.chance(0.15) else None


def _activities(dice: Dice) -> tuple[tuple[str, str], ...]:
    """Return the main activity and the others; a tenth of the companies has many."""
    count = dice.between(6, 14) if dice.chance(0.1) else dice.between(1, 3)
    return tuple(dice.sample(words.ACTIVITIES, count))


def _people(dice: Dice) -> int | None:
    if dice.chance(0.05):
        return None
    return dice.between(*dice.pick(_SIZES))


def _websites(dice: Dice, name: str) -> tuple[str, ...]:
    """Return bare host names in a domain that nobody can own."""
    if not dice.chance(0.3):
        return ()
    plain = "".join(sign for sign in name.lower() if sign.isascii() and sign.isalnum())
    hosts = (f"www.{plain}.example", f"{plain}-online.example", f"shop.{plain}.example")
    return hosts[: dice.between(1, len(hosts))]


def _date(dice: Dice) -> str:
    return f"{dice.between(1950, 2025):04}{dice.between(1, 12):02}{dice.between(1, 28):02}"


def _dates(dice: Dice) -> tuple[str, str]:
    """Return the dates of registration and of the start; of old starts, parts are unknown."""
    registered, started = _date(dice), _date(dice)
    registered, started = max(registered, started), min(registered, started)
    if dice.chance(0.03):
        return registered, f"{started[:6]}00"
    if dice.chance(0.02):
        return registered, f"{started[:4]}0000"
    if dice.chance(0.003):
        return registered, "00000000"
    return registered, started


def _ends(dice: Dice) -> tuple[str | None, str | None]:
    """Return datumEinde and datumUitschrijving: both, one, or (mostly) neither."""
    if not dice.chance(0.08):
        return None, None
    ended = f"2026{dice.between(1, 6):02}{dice.between(1, 28):02}"
    if dice.chance(0.05):
        return f"{ended[:6]}00", None
    return dice.pick(((ended, ended), (ended, None), (None, ended)))


def _addresses(dice: Dice, *, shielding: float) -> tuple[Address, ...]:
    """Return one or two addresses, in no fixed order; a shielded visiting address is mostly left out."""
    if dice.chance(shielding):
        return _shielded(dice)
    visit = _abroad(dice, VISIT) if dice.chance(0.015) else _street(dice, VISIT)
    if dice.chance(0.7):
        return (visit,)
    post = post_box(dice) if dice.chance(0.6) else _street(dice, POST)
    if dice.chance(0.04):
        post = _abroad(dice, POST)
    return (post, visit) if dice.chance(0.5) else (visit, post)


def _shielded(dice: Dice) -> tuple[Address, ...]:
    """Leave the visiting address out, as KVK's test data do; what it looks like when delivered, nobody recorded."""
    post = post_box(dice) if dice.chance(0.7) else _street(dice, POST)
    if dice.chance(0.6):
        return (post,)
    return (post, replace(_street(dice, VISIT), shielded=True, bare=dice.chance(0.5)))


def _street(dice: Dice, kind: AddressKind) -> Address:
    town, postcode = _town(dice)
    return Address(
        kind=kind,
        street=dice.pick(words.STREETS),
        house_number=dice.between(1, 400),
        house_letter=dice.pick("ABCDM") if dice.chance(0.15) else None,
        house_addition=dice.pick(("A", "bis", "2hg", "III", "001")) if dice.chance(0.08) else None,
        extra=dice.pick(("Unit 4", "t.a.v. de penningmeester", "Hal C")) if dice.chance(0.04) else None,
        postcode=postcode,
        town=town,
        blanks=_blanks(dice),
    )


def post_box(dice: Dice) -> Address:
    """Return a P.O. box: mostly with straatnaam "Postbus", in some records without (as in production)."""
    town, postcode = _town(dice)
    street = "Postbus" if dice.chance(0.8) else None
    return Address(
        kind=POST, street=street, post_box=dice.between(1, 99_999), postcode=postcode, town=town, blanks=_blanks(dice)
    )


def _abroad(dice: Dice, kind: AddressKind) -> Address:
    return Address(kind=kind, abroad=dice.pick(ABROAD))


def _town(dice: Dice) -> tuple[str, str]:
    """Return a town and one of its postcodes."""
    town, start = dice.pick(words.TOWNS)
    letters = "ABCDEGHJKLMNPRSTVWXZ"  # those that postcodes use
    return town, f"{start}{dice.between(0, 9)}{dice.pick(letters)}{dice.pick(letters)}"


def _blanks(dice: Dice) -> int:
    """As recorded: 33 spaces in one record, one in another."""
    return 33 if dice.chance(0.6) else 1
