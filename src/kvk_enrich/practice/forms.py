"""The legal forms of the register: how often, how spelled, and what they have."""

from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from kvk_enrich.practice.dice import Dice


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalForm:
    """
    One legal form.

    Args:
        weight: How many of 1,000 registrations have it (rare ones more often than in life).
        spellings: Pairs of rechtsvorm and uitgebreideRechtsvorm; KVK's own spelling varies.
        name: How its registrations are called; ``{}`` is filled in.
        has_rsin: All but the sole trader have one.
        has_statutes: Legal persons have a statutaireNaam, partnerships have not.
        branchless: Share of registrations without any branch.
    """

    weight: int
    spellings: tuple[tuple[str, str], ...]
    name: str
    has_rsin: bool = True
    has_statutes: bool = True
    branchless: float = 0.0


EENMANSZAAK: Final = LegalForm(
    weight=500,
    spellings=(("Eenmanszaak", "Eenmanszaak"),),
    name="{trade} {surname}",
    has_rsin=False,
    has_statutes=False,
)
BV: Final = LegalForm(
    weight=230,
    spellings=(
        ("BeslotenVennootschap", "Besloten Vennootschap"),
        ("Besloten Vennootschap", "Besloten vennootschap met gewone structuur"),
    ),
    name="{invented} {trade} B.V.",
    branchless=0.2,
)
NV: Final = LegalForm(
    weight=15,
    spellings=(
        ("NaamlozeVennootschap", "Naamloze Vennootschap"),
        ("Naamloze Vennootschap", "Naamloze vennootschap met gewone structuur"),
    ),
    name="{invented} {trade} N.V.",
    branchless=0.3,
)
STICHTING: Final = LegalForm(
    weight=75, spellings=(("Stichting", "Stichting"),), name="Stichting {cause} {town}", branchless=0.6
)
VERENIGING: Final = LegalForm(
    weight=45,
    spellings=(
        ("Vereniging", "Vereniging met volledige rechtsbevoegdheid"),
        ("Vereniging", "Vereniging met beperkte rechtsbevoegdheid"),
    ),
    name="{cause} {town}",
    branchless=0.8,
)
VVE: Final = LegalForm(
    weight=35,
    spellings=(("Vereniging van Eigenaars", "Vereniging van Eigenaars"),),
    name="Vereniging van Eigenaars {street} {house} te {town}",
    branchless=1.0,
)
COOPERATIE: Final = LegalForm(
    weight=15,
    spellings=(("Cooperatie", "Coöperatie U.A."), ("Coöperatie", "Coöperatie met beperkte aansprakelijkheid")),
    name="Coöperatie {invented} U.A.",
    branchless=0.2,
)
VOF: Final = LegalForm(
    weight=45,
    spellings=(("VennootschapOnderFirma", "Vennootschap onder firma"), ("Vennootschap onder firma",) * 2),
    name="V.O.F. {surname} {trade}",
    has_statutes=False,
)
MAATSCHAP: Final = LegalForm(
    weight=15, spellings=(("Maatschap", "Maatschap"),), name="Maatschap {surname} en {surname2}", has_statutes=False
)
CV: Final = LegalForm(
    weight=10,
    spellings=(("CommanditaireVennootschap", "Commanditaire vennootschap"),),
    name="{invented} {trade} C.V.",
    has_statutes=False,
)
KERKGENOOTSCHAP: Final = LegalForm(
    weight=7,
    spellings=(("Kerkgenootschap", "Kerkgenootschap"),),
    name="Gemeente De Open Poort te {town}",
    branchless=0.8,
)
WAARBORGMAATSCHAPPIJ: Final = LegalForm(
    weight=4,
    spellings=(
        ("OnderlingeWaarborgmaatschappij", "Onderlinge waarborgmaatschappij U.A."),
        ("Onderlinge waarborg maatschappij", "Onderlinge waarborg maatschappij B.A."),
    ),
    name="Onderlinge Waarborgmaatschappij {town} U.A.",
    branchless=0.2,
)
OVERIG: Final = LegalForm(
    weight=4,
    spellings=(
        ("OverigePrivaatrechtelijkeRechtspersoon", "Overige privaatrechtelijke rechtspersoon"),
        ("Overige privaatrechtelijke rechtspersoon",) * 2,
    ),
    name="{invented} {town}",
    branchless=0.6,
)

FORMS: Final = (
    EENMANSZAAK,
    BV,
    NV,
    STICHTING,
    VERENIGING,
    VVE,
    COOPERATIE,
    VOF,
    MAATSCHAP,
    CV,
    KERKGENOOTSCHAP,
    WAARBORGMAATSCHAPPIJ,
    OVERIG,
)
"""All of them; their weights add up to 1,000."""

_UP_TO: Final = tuple(accumulate(form.weight for form in FORMS))


def draw(dice: Dice) -> LegalForm:
    """Return a legal form, the common ones more often."""
    return FORMS[bisect(_UP_TO, dice.between(0, _UP_TO[-1] - 1))]
