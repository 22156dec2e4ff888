"""
KVK's own published test numbers, with invented data of the legal form and shape KVK gives them.

Source: developers.kvk.nl, pages on testing, read 2026-11. Names, addresses and people are ours;
numbers, RSINs and branch numbers are KVK's.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Final

from kvk_enrich.practice import forms
from kvk_enrich.practice.company import ABROAD, VISIT, Address, Company, at, invent, post_box
from kvk_enrich.practice.dice import Dice
from kvk_enrich.practice.numbering import with_check_digit

UNKNOWN: Final = frozenset({"12345678", "90004333", "00000000", "99999999"})
"""Numbers that never exist: KVK's two examples of it, and the usual stand-ins."""

TROUBLED: Final = MappingProxyType({"90004973": "IPD1002", "90002903": "IPD1003"})
"""Numbers that KVK lists as giving an error message; which one it does not say, these are our choice."""

_BRANCHES = {
    "69599084": ("000038509504", "000038509520"),
    "68727720": ("000037143557",),
    "68750110": ("000037178598", "000037178601"),
    "90001354": ("990000541921",),
    "90006577": tuple(f"9901{place:08}" for place in range(1_000)),
    "90006623": ("990064773193", "990064773207"),
    "69599076": ("000038509474", "000038509490"),
    "90005414": ("990000216645", "990000821206"),
    "55344526": ("000037178605",),
    "96354429": ("990001987781",),
    "90002490": ("990000246858",),
    "90001745": ("990000637800",),
    "90003942": ("990000008288", "990000246530", "990000768218", "990000852070"),
}
_RSINS = {
    "68750110": "857587973",
    "90001354": "992760562",
    "90006623": "990983419",
    "90000749": "992340597",
}
_FORMS = {
    "69599084": forms.EENMANSZAAK,
    "68727720": forms.NV,
    "90004760": forms.NV,
    "68750110": forms.BV,
    "90001354": forms.BV,
    "90006577": forms.BV,
    "69599068": forms.STICHTING,
    "90000102": forms.STICHTING,
    "90006623": forms.STICHTING,
    "69599076": forms.VOF,
    "90005414": forms.VOF,
    "55344526": forms.COOPERATIE,
    "96354429": forms.COOPERATIE,
    "90002520": forms.KERKGENOOTSCHAP,
    "90002490": forms.WAARBORGMAATSCHAPPIJ,
    "90000749": forms.VVE,
    "90001745": forms.MAATSCHAP,
    "90003942": forms.CV,
    "55505201": forms.OVERIG,
}


def _shielded(company: Company) -> Company:
    return replace(at(company, post_box(Dice(company.number, "post box"))), listed=False)


def _inactive(company: Company) -> Company:
    return replace(company, ended="20251231", removed="20251231")


def _in_spain(company: Company) -> Company:
    spain = next(place for place in ABROAD if place.country == "Spanje")
    return at(company, Address(kind=VISIT, abroad=spain))


def _listed(company: Company) -> Company:
    return replace(company, listed=True)


_PECULIAR: Mapping[str, Callable[[Company], Company]] = {
    "90001354": _shielded,
    "96354429": _inactive,
    "55344526": _in_spain,
    "68750110": _listed,
}


@cache
def companies(seed: int) -> Mapping[str, Company]:
    """Return the companies of KVK's test numbers, by KVK number."""
    return MappingProxyType({number: _company(number, place, seed) for place, number in enumerate(_FORMS)})


def _company(number: str, place: int, seed: int) -> Company:
    """Return an invented company with KVK's numbers in it; active unless KVK says otherwise."""
    company = invent(
        number,
        seed,
        form=_FORMS[number],
        rsin=_RSINS.get(number, with_check_digit(f"991{place:04}")),
        branch_numbers=_BRANCHES.get(number, ()),
    )
    return _PECULIAR.get(number, _as_it_is)(replace(company, ended=None, removed=None))


def _as_it_is(company: Company) -> Company:
    return company
