"""
A CRM list as years of typing leave it: 500 companies of the practice register, deterministic.

60 rows really differ from the register, many by very little; 100 are only written otherwise; the rest are
as the register has them. What is what was decided here, by what the words mean, not by what the program says.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

from kvk_enrich.practice import population
from kvk_enrich.practice.company import VISIT, Address, Company

ROWS: Final = 500
DIFFERENCES: Final = 60
FORMATS: Final = 100

COLUMNS: Final = {
    "Klantnaam": "name",
    "Straat": "visit_street",
    "Huisnr": "visit_house",
    "Postcode": "visit_postcode",
    "Plaats": "visit_city",
    "Rechtsvorm": "legal_form",
    "Actief": "active",
    "Opgericht": "start_date",
}
"""The columns that are compared, and with what."""

_MONTHS: Final = (
    *("januari", "februari", "maart", "april", "mei", "juni"),
    *("juli", "augustus", "september", "oktober", "november", "december"),
)

Cells = dict[str, str]
Edit = Callable[[Cells, Company], Mapping[str, str]]
"""Gives the cells that change; none where it does not fit the row."""


@dataclass(frozen=True)
class Row:
    """A row of the list: *truth* is the columns that really differ; *edit* is what was done to it."""

    cells: Cells
    edit: str = ""
    truth: frozenset[str] = frozenset()


def rows() -> list[Row]:
    """Return the list; edited rows stand between the others."""
    pool = {company.number: company for company in islice(_usable(), 2 * ROWS)}
    different = [*_edited(DIFFERENT, DIFFERENCES, pool, really=True)]
    written = [*_edited(FORMAT, FORMATS, pool, really=False)]
    plain = [Row(_cells(company)) for company in islice(pool.values(), ROWS - DIFFERENCES - FORMATS)]
    return sorted([*different, *written, *plain], key=lambda row: row.cells["KVK-nummer"][::-1])


def _edited(edits: Mapping[str, Edit], count: int, pool: dict[str, Company], *, really: bool) -> Iterator[Row]:
    for name, edit in islice(cycle(edits.items()), count):
        number, cells, changed = next(
            (number, cells, changed)
            for number, company in pool.items()
            if (changed := _changed(edit, cells := _cells(company), company))
        )
        del pool[number]
        yield Row(cells | changed, name, frozenset(changed) if really else frozenset())


def _changed(edit: Edit, cells: Cells, company: Company) -> Cells:
    return {column: text for column, text in edit(cells, company).items() if text != cells[column]}


def _usable() -> Iterator[Company]:
    """Yield companies at a Dutch address that anybody may see, with a start that is known to the day."""
    for number in population.numbers():
        company = population.company(number)
        assert company is not None
        address = _visit(company)
        seen = all(not each.shielded for each in company.branches[0].addresses) if company.branches else True
        if address and address.street and address.postcode and seen and not company.started.endswith("00"):
            yield company


def _visit(company: Company) -> Address | None:
    addresses = company.branches[0].addresses if company.branches else company.addresses
    return next((address for address in addresses if address.kind == VISIT and not address.bare), None)


def _cells(company: Company) -> Cells:
    """Return the row as the register would fill it in."""
    address = _visit(company)
    assert address is not None
    house = f"{address.house_number}{address.house_letter or ''} {address.house_addition or ''}".strip()
    started = company.started
    return {
        "KVK-nummer": company.number,
        "Klantnaam": company.name,
        "Straat": address.street or "",
        "Huisnr": house,
        "Postcode": address.postcode or "",
        "Plaats": address.town or "",
        "Rechtsvorm": company.spelling[0],
        "Actief": "ja" if company.active else "nee",
        "Opgericht": f"{started[:4]}-{started[4:6]}-{started[6:]}",
    }


# -- edits ---------------------------------------------------------------------------------------


def _swap(column: str, old: str, new: str) -> Edit:
    """Write *new* for *old* in a column."""
    return lambda cells, _: {column: cells[column].replace(old, new, 1)}


def _as(column: str, change: Callable[[str], str]) -> Edit:
    return lambda cells, _: {column: change(cells[column])}


def _called(*old: str, new: str) -> Edit:
    """Call a legal form *new* that the register calls one of *old*."""
    return lambda cells, _: {"Rechtsvorm": new} if cells["Rechtsvorm"] in old else {}


def _moved(_cells: Cells, company: Company) -> Mapping[str, str]:
    other = population.company(next(population.numbers(50_000 + int(company.number) % 1_000)))
    assert other is not None
    address = _visit(other)
    if address is None or address.street is None:
        return {}
    house = f"{address.house_number}{address.house_letter or ''} {address.house_addition or ''}".strip()
    return {
        "Straat": address.street,
        "Huisnr": house,
        "Postcode": address.postcode or "",
        "Plaats": address.town or "",
    }


def _swapped_digits(cells: Cells, _: Company) -> Mapping[str, str]:
    house = cells["Huisnr"]
    return {"Huisnr": house[1] + house[0] + house[2:]} if house[:2].isdigit() and house[1] != "0" else {}


def _pulled_apart(cells: Cells, _: Company) -> Mapping[str, str]:
    """Make number 12, addition 1 of number 121: another door."""
    house = cells["Huisnr"]
    return {"Huisnr": f"{house[:-1]}-{house[-1]}"} if house.isdigit() and len(house) == 3 and house[-1] != "0" else {}


def _other_day(cells: Cells, _: Company) -> Mapping[str, str]:
    """Swap day and month."""
    year, month, day = cells["Opgericht"].split("-")
    return {"Opgericht": f"{year}-{day}-{month}"} if int(day) <= 12 else {}


def _ended(cells: Cells, company: Company) -> Mapping[str, str]:
    return {} if company.active else {"Actief": "ja"}


def _other_letter(cells: Cells, company: Company) -> Mapping[str, str]:
    address = _visit(company)
    letter = address.house_letter if address else None
    return {"Huisnr": cells["Huisnr"].replace(letter, "E", 1)} if letter else {}


def _no_letter(cells: Cells, company: Company) -> Mapping[str, str]:
    address = _visit(company)
    return {"Huisnr": str(address.house_number)} if address and address.house_letter else {}


def _other_town_in_name(cells: Cells, _: Company) -> Mapping[str, str]:
    """A foundation of the same name in another town."""
    name = cells["Klantnaam"]
    return {"Klantnaam": " ".join([*name.split()[:-1], "Kwakelrade"])} if name.startswith("Stichting") else {}


def _trade_name(_: Cells, company: Company) -> Mapping[str, str]:
    names = [name for _, name in company.trade_names if not name.startswith(company.name)]
    return {"Klantnaam": names[-1]} if names else {}


def _initials_alike(cells: Cells, _: Company) -> Mapping[str, str]:
    return {"Klantnaam": cells["Klantnaam"].replace("A.B.", "AB").replace("D.E.F.", "D. E. F.")}


def _date(order: str) -> Edit:
    def written(cells: Cells, _: Company) -> Mapping[str, str]:
        year, month, day = cells["Opgericht"].split("-")
        word = _MONTHS[int(month) - 1]
        parts = {"d": str(int(day)), "m": str(int(month)), "month": word, "mon": word[:3]}
        return {"Opgericht": order.format(dd=day, mm=month, yyyy=year, yy=year[2:], **parts)}

    return written


def _word(*words: str) -> Edit:
    """Write a word for active, for *ja* and *nee*."""
    return lambda cells, _: {"Actief": dict(zip(("ja", "nee"), words, strict=True))[cells["Actief"]]}


def _plain(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))


DIFFERENT: Final[Mapping[str, Edit]] = {
    "another name": _swap("Klantnaam", "Dromivex", "Dromivax"),
    "another invented name": _swap("Klantnaam", "Kwikkeltra", "Noorderglint"),
    "other trade": _swap("Klantnaam", "Bakkerij", "Slagerij"),
    "van den is not van der": _swap("Klantnaam", "Van der", "Van den"),
    "van is not van 't": _swap("Klantnaam", "Van 't", "Van der"),
    "a letter of the surname": _swap("Klantnaam", "Hagelslagter", "Hagelslachter"),
    "the father's initial": _swap("Klantnaam", " H.J. ", " H. "),
    "another initial": _swap("Klantnaam", " K. ", " G. "),
    "N.V. by now": _swap("Klantnaam", "N.V.", "B.V."),
    "B.V. by now": _swap("Klantnaam", "B.V.", "V.O.F."),
    "a number in the name": _swap("Klantnaam", "Elvostraat 9", "Elvostraat 19"),
    "another house in the name": _swap("Klantnaam", "Eigenaars Mosterdmolen 2", "Eigenaars Mosterdmolen 3"),
    "the foundation of another town": _other_town_in_name,
    "moved": _moved,
    "moved as well": _moved,
    "digits swapped": _swapped_digits,
    "number and addition": _pulled_apart,
    "another house letter": _other_letter,
    "no house letter": _no_letter,
    "a digit of the postcode": _as("Postcode", lambda code: f"{int(code[:4]) + 1}{code[4:]}"),
    "a letter of the postcode": _as("Postcode", lambda code: code[:5] + ("B" if code[5] == "A" else "A")),
    "laan is not straat": _swap("Straat", "laan", "straat"),
    "korte is not lange": _swap("Straat", "Lange", "Korte"),
    "2e is not 1e": _swap("Straat", "1e", "2e"),
    "plein is not park": _swap("Straat", "plein", "park"),
    "prins is not prinses": _swap("Straat", "Prinses", "Prins"),
    "another part of town": _swap("Plaats", "-Zuid", "-Noord"),
    "new is not old": _swap("Plaats", "Oud-", "Nieuw-"),
    "another saint": _swap("Plaats", "Sint Odulfus", "Sint Odulfa"),
    "a B.V. by now": _called("BeslotenVennootschap", "Besloten Vennootschap", new="Eenmanszaak"),
    "an association by now": _called("Vereniging", new="Stichting"),
    "an owners' association": _called("Vereniging van Eigenaars", new="Vereniging"),
    "ended": _ended,
    "ended as well": _ended,
    "day and month": _other_day,
    "a year later": _as("Opgericht", lambda day: f"{int(day[:4]) + 1}{day[4:]}"),
}
"""Real differences."""

FORMAT: Final[Mapping[str, Edit]] = {
    "BV": _swap("Klantnaam", "B.V.", "BV"),
    "b.v.": _swap("Klantnaam", "B.V.", "b.v."),
    "B V": _swap("Klantnaam", "B.V.", "B V"),
    "no legal form": _swap("Klantnaam", " B.V.", ""),
    "legal form in words": _swap("Klantnaam", "B.V.", "Besloten Vennootschap"),
    "legal form in front": lambda cells, _: (
        {"Klantnaam": "B.V. " + cells["Klantnaam"].removesuffix(" B.V.")} if cells["Klantnaam"].endswith("B.V.") else {}
    ),
    "legal form behind a comma": _swap("Klantnaam", " B.V.", ", BV"),
    "NV": _swap("Klantnaam", "N.V.", "NV"),
    "VOF": _swap("Klantnaam", "V.O.F.", "VOF"),
    "vof behind": lambda cells, _: (
        {"Klantnaam": cells["Klantnaam"].removeprefix("V.O.F. ") + " vof"}
        if cells["Klantnaam"].startswith("V.O.F.")
        else {}
    ),
    "cv": _swap("Klantnaam", "C.V.", "CV"),
    "foundation, short": _swap("Klantnaam", "Stichting", "St."),
    "owners' association, short": _swap("Klantnaam", "Vereniging van Eigenaars", "VvE"),
    "cooperation without accent": _swap("Klantnaam", "Coöperatie", "Cooperatie"),
    "UA": _swap("Klantnaam", "U.A.", "UA"),
    "upper case": _as("Klantnaam", str.upper),
    "lower case": _as("Klantnaam", str.lower),
    "no accents in the name": _as("Klantnaam", _plain),
    "accents as marks of their own": _as("Klantnaam", lambda text: unicodedata.normalize("NFD", text)),
    "en for &": _swap("Klantnaam", "&", "en"),
    "+ for &": _swap("Klantnaam", "&", "+"),
    "& for en": _swap("Klantnaam", " en ", " & "),
    "v.d.": _swap("Klantnaam", "Van der", "v.d."),
    "vd": _swap("Klantnaam", "Van der", "vd"),
    "v/d": _swap("Klantnaam", "Van der", "v/d"),
    "vander": _swap("Klantnaam", "Van der Kl", "Vander Kl"),
    "v. 't": _swap("Klantnaam", "Van 't", "v. 't"),
    "v.": _swap("Klantnaam", "Van Ba", "v. Ba"),
    "apostrophe of the word processor": _swap("Klantnaam", "'", "\u2019"),
    "no hyphen": _swap("Klantnaam", "Café-Restaurant", "Cafe Restaurant"),
    "hyphen in spaces": _swap("Klantnaam", "Boterkoper-Lis", "Boterkoper - Lis"),
    "Zn": _swap("Klantnaam", "Zn.", "Zn"),
    "initials": _initials_alike,
    "two spaces": _swap("Klantnaam", " ", "  "),
    "a space that does not break": _swap("Klantnaam", " ", "\u00a0"),
    "trade name": _trade_name,
    "trade name in capitals": lambda cells, company: {
        column: text.upper() for column, text in _trade_name(cells, company).items()
    },
    "str.": _swap("Straat", "straat", "str."),
    "str": _swap("Straat", "straat", "str"),
    "ln.": _swap("Straat", "laan", "ln."),
    "wg": _swap("Straat", "weg", "wg"),
    "pl.": _swap("Straat", "plein", "pl."),
    "Burg.": _swap("Straat", "Burgemeester", "Burg."),
    "Doctor": _swap("Straat", "Dr.", "Doctor"),
    "Pr.": _swap("Straat", "Prinses", "Pr."),
    "Laan v.d.": _swap("Straat", "van de", "v.d."),
    "Eerste": _swap("Straat", "1e", "Eerste"),
    "Het": _swap("Straat", "'t", "Het"),
    "ij in one sign": _swap("Straat", "IJ", "\u0132"),
    "street in capitals": _as("Straat", str.upper),
    "no accents in the street": _as("Straat", _plain),
    "house letter apart": lambda cells, company: (
        {"Huisnr": cells["Huisnr"].replace(letter, f" {letter.lower()}", 1)}
        if (address := _visit(company)) and (letter := address.house_letter)
        else {}
    ),
    "house letter behind a hyphen": lambda cells, company: (
        {"Huisnr": cells["Huisnr"].replace(letter, f"-{letter}", 1)}
        if (address := _visit(company)) and (letter := address.house_letter)
        else {}
    ),
    "bis behind a hyphen": _swap("Huisnr", " bis", "-BIS"),
    "addition behind a slash": _swap("Huisnr", " 001", "/001"),
    "hoog in words": _swap("Huisnr", " 2hg", "-2 hoog"),
    "house number of a spreadsheet": lambda cells, _: (
        {"Huisnr": f"{cells['Huisnr']}.0"} if cells["Huisnr"].isdigit() else {}
    ),
    "postcode with a space": _as("Postcode", lambda code: f"{code[:4]} {code[4:]}"),
    "postcode in lower case": _as("Postcode", str.lower),
    "postcode with two spaces": _as("Postcode", lambda code: f"{code[:4]}  {code[4:].lower()}"),
    "postcode with the country": _as("Postcode", lambda code: f"NL-{code[:4]} {code[4:]}"),
    "town in capitals": _as("Plaats", str.upper),
    "town without hyphen": _swap("Plaats", "Oud-", "Oud "),
    "St.": _swap("Plaats", "Sint ", "St. "),
    "a/d": _swap("Plaats", "aan de", "a/d"),
    "s Grav": _swap("Plaats", "'s-Grav", "s Grav"),
    "Ij": _swap("Plaats", "IJ", "Ij"),
    "form BV": _called("BeslotenVennootschap", "Besloten Vennootschap", new="BV"),
    "form B.V.": _called("BeslotenVennootschap", "Besloten Vennootschap", new="B.V."),
    "form in words": _called("BeslotenVennootschap", new="besloten vennootschap met gewone structuur"),
    "form vof": _called("VennootschapOnderFirma", "Vennootschap onder firma", new="V.O.F."),
    "form NV": _called("NaamlozeVennootschap", "Naamloze Vennootschap", new="NV"),
    "form VvE": _called("Vereniging van Eigenaars", new="VvE"),
    "form of owners": _called("Vereniging van Eigenaars", new="Vereniging van Eigenaren"),
    "form coop": _called("Cooperatie", "Coöperatie", new="Coöperatie U.A."),
    "form EMZ": _called("Eenmanszaak", new="EMZ"),
    "form in capitals": _as("Rechtsvorm", str.upper),
    "form association": _called("Vereniging", new="Vereniging met volledige rechtsbevoegdheid"),
    "J": _word("J", "N"),
    "TRUE": _word("TRUE", "FALSE"),
    "1": _word("1", "0"),
    "Actief": _word("Actief", "Inactief"),
    "dd-mm-yyyy": _date("{dd}-{mm}-{yyyy}"),
    "d-m-yyyy": _date("{d}-{m}-{yyyy}"),
    "d/m/yyyy": _date("{d}/{m}/{yyyy}"),
    "dd.mm.yyyy": _date("{dd}.{mm}.{yyyy}"),
    "yyyymmdd": _date("{yyyy}{mm}{dd}"),
    "yyyy/mm/dd": _date("{yyyy}/{mm}/{dd}"),
    "with a time": _date("{dd}-{mm}-{yyyy} 00:00:00"),
    "iso with a time": _date("{yyyy}-{mm}-{dd}T00:00:00"),
    "month in words": _date("{d} {month} {yyyy}"),
    "month, short": _date("{dd}-{mon}-{yyyy}"),
    "two digits of the year": _date("{dd}-{mm}-{yy}"),
}
"""Differences in writing only."""
