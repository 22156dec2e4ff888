"""
A population that moves with the date: companies end, move house, change name, trade or legal form.

Pure, as all of the population: the same number, seed and day give the same company. What happened
once stays so; an ended company changes no more.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Literal

from kvk_enrich.practice import forms
from kvk_enrich.practice.company import VISIT, Company, another_activity, another_address, another_name
from kvk_enrich.practice.dice import Dice

Move = Literal["ended", "name", "address", "activity", "form"]

_MOVES: Final[tuple[Move, ...]] = ("address",) * 8 + ("name",) * 4 + ("ended",) * 4 + ("activity",) * 3 + ("form",)
"""What happens, the common things more often."""

_FORM_AFTER: Final = {forms.BV: forms.NV, forms.NV: forms.BV, forms.VERENIGING: forms.COOPERATIE}
_DAYS_OF_A_YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class Moving:
    """
    How lively the population is.

    Args:
        since: The first day on which anything happens.
        a_year: How often something happens to a company in a year, on average.
    """

    since: date
    a_year: float = 0.3


def moves(number: str, seed: int, moving: Moving, day: date) -> Iterator[tuple[date, Move]]:
    """Yield what happened to the company with this KVK number up to *day*, in order."""
    dice, share = Dice(seed, number, "moves"), moving.a_year / _DAYS_OF_A_YEAR
    for days in range((day - moving.since).days + 1):
        if dice.chance(share):
            yield moving.since + timedelta(days), dice.pick(_MOVES)


def as_of(company: Company, seed: int, moving: Moving, day: date) -> Company:
    """Return *company* as it is on *day*."""
    for when, move in moves(company.number, seed, moving, day):
        if not company.active:
            break
        company = _moved(company, move, when, Dice(seed, company.number, "move", when.isoformat()))
    return company


def _moved(company: Company, move: Move, when: date, dice: Dice) -> Company:
    match move:
        case "ended":
            ended = f"{when:%Y%m%d}"
            return replace(company, ended=ended, removed=ended)
        case "address" if company.branches and not company.branches[0].shielded:
            main = company.branches[0]
            kept = tuple(address for address in main.addresses if address.kind != VISIT)
            main = replace(main, addresses=(another_address(dice), *kept))
            return replace(company, branches=(main, *company.branches[1:]))
        case "activity":
            return replace(company, activities=another_activity(dice, company.activities))
        case "form" if company.form in _FORM_AFTER:
            form = _FORM_AFTER[company.form]
            return replace(company, form=form, spelling=form.spellings[0])
        case _:
            return another_name(dice, company)
