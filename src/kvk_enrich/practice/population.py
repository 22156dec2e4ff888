"""
Who is in the practice register. Pure: the same number and seed give the same company, anywhere.

Some three million of the 8-digit numbers exist, with every legal form and every odd shape that is
known of the real register, plus KVK's own test numbers::

    number = next(numbers())
    assert exists(number) and basisprofiel(number, link_style="links")["kvkNummer"] == number
"""

from collections.abc import Iterator

from kvk_enrich.practice import answers, forms, numbering, published
from kvk_enrich.practice.answers import Json, Links, LinkStyle
from kvk_enrich.practice.company import Company, invent
from kvk_enrich.practice.dice import Dice

ANYWHERE = "http://localhost/api"
"""Where links point when nobody asked over HTTP."""

_NOT_INVENTED = published.UNKNOWN | published.TROUBLED.keys()


def exists(number: str, *, seed: int = 0) -> bool:
    """Return whether the register has this KVK number (8 digits); false for KVK's two error numbers."""
    return number in published.companies(seed) or _index(number, seed) is not None


def numbers(start: int = 0, *, seed: int = 0) -> Iterator[str]:
    """Yield KVK numbers that exist, scrambled, all different; *start* skips that many places at no cost."""
    for index in range(start, numbering.SIZE):
        number = numbering.kvk_number(index, seed)
        if number not in _NOT_INVENTED:
            yield number


def company(number: str, *, seed: int = 0) -> Company | None:
    """Return the company with this KVK number (8 digits), or None."""
    known = published.companies(seed).get(number)
    if known is not None:
        return known
    index = _index(number, seed)
    return None if index is None else _invented(number, index, seed)


def company_by_rsin(rsin: str, *, seed: int = 0) -> Company | None:
    """Return the company with this RSIN (9 digits), or None."""
    for known in published.companies(seed).values():
        if known.rsin == rsin:
            return known
    found = _at(numbering.index_of_rsin(rsin, seed), seed)
    return found if found is not None and found.rsin == rsin else None


def company_by_branch(branch: str, *, seed: int = 0) -> Company | None:
    """Return the company with this branch number (12 digits), or None."""
    candidates = (*published.companies(seed).values(), _at(numbering.index_of_branch(branch, seed), seed))
    for candidate in candidates:
        if candidate is not None and any(own.number == branch for own in candidate.branches):
            return candidate
    return None


def basisprofiel(
    number: str, *, link_style: LinkStyle, seed: int = 0, base_url: str = ANYWHERE, geo: bool = False
) -> Json | None:
    """Return the body of the Basisprofiel of *number* (8 digits), or None where there is none."""
    found = company(number, seed=seed)
    return None if found is None else answers.basisprofiel(found, Links(link_style, base_url), geo=geo)


def _index(number: str, seed: int) -> int | None:
    return None if number in _NOT_INVENTED else numbering.index_of_kvk(number, seed)


def _at(index: int | None, seed: int) -> Company | None:
    return None if index is None else company(numbering.kvk_number(index, seed), seed=seed)


def _invented(number: str, index: int, seed: int) -> Company:
    dice = Dice(seed, number, "form")
    form = forms.draw(dice)
    return invent(
        number,
        seed,
        form=form,
        rsin=numbering.rsin(index, seed),
        branch_numbers=tuple(numbering.branch_number(index, place, seed) for place in range(_branch_count(dice, form))),
    )


def _branch_count(dice: Dice, form: forms.LegalForm) -> int:
    if dice.chance(form.branchless):
        return 0
    return 1 if dice.chance(0.85) else dice.between(2, numbering.MOST_BRANCHES)
