"""
A company in the shapes of KVK's answers: its profiles, its branches, its names, and rows of Zoeken.

Versions: Basisprofiel and Vestigingsprofiel 1.5.0, Zoeken 2.1.0, Naamgeving 1.1.

Empty fields are left out, booleans are "Ja" and "Nee", dates are strings. Links come as an array
``links`` or as a map ``_links``; the order of the other keys goes with it, as it does at KVK.
Source: KVK's OpenAPI documents and answers recorded from its test environment, 2023 to 2026.
"""

from dataclasses import dataclass
from typing import Any, Literal

from kvk_enrich.practice.company import VISIT, Address, Branch, Company
from kvk_enrich.practice.dice import Dice

LinkStyle = Literal["links", "_links"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Links:
    """How links are written, and where they point: *base_url* ends in ``/api``."""

    style: LinkStyle
    base_url: str

    def field(self, /, **paths: str) -> Json:
        """Return the one field that holds these links, by relation."""
        hrefs = {relation: self.base_url + path for relation, path in paths.items()}
        if self.style == "_links":
            return {"_links": {relation: {"href": href} for relation, href in hrefs.items()}}
        return {"links": [{"rel": relation, "href": href} for relation, href in hrefs.items()]}


def basisprofiel(company: Company, links: Links, *, geo: bool) -> Json:
    """Return the answer of ``/v1/basisprofielen/{kvkNummer}``."""
    body = _without_none(
        {
            "kvkNummer": company.number,
            "indNonMailing": _yes(company.non_mailing),
            "naam": company.name,
            "formeleRegistratiedatum": company.registered,
            "materieleRegistratie": _registration(company.started, company.ended),
            "totaalWerkzamePersonen": _people(company),
            "statutaireNaam": company.name if company.form.has_statutes else None,
            "handelsnamen": _trade_names(company),
            "sbiActiviteiten": _activities(company),
        }
    )
    parts = {"eigenaar": eigenaar(company, links, geo=geo)}
    if company.branches:
        parts = {"hoofdvestiging": _short_branch(company, company.branches[0], links, geo=geo), **parts}
    own = _profile_path(company)
    linked = links.field(self=own, vestigingen=f"{own}/vestigingen") if company.branches else links.field(self=own)
    if links.style == "_links":
        return {**body, "_embedded": dict(reversed(parts.items())), **linked}
    return {**body, **linked, "_embedded": parts}


def eigenaar(company: Company, links: Links, *, geo: bool) -> Json:
    """Return the answer of ``.../eigenaar``: the owner, with addresses where there is no branch."""
    form, form_in_full = company.spelling
    own = _profile_path(company)
    return _without_none(
        {
            "rsin": company.rsin,
            "rechtsvorm": form,
            "uitgebreideRechtsvorm": form_in_full,
            "datumUitschrijving": company.removed,
            "adressen": _addresses(company.number, company.addresses, geo=geo) or None,
            **links.field(self=f"{own}/eigenaar", basisprofiel=own),
        }
    )


def hoofdvestiging(company: Company, links: Links, *, geo: bool) -> Json | None:
    """Return the answer of ``.../hoofdvestiging``: the main branch in full, or None where there is none."""
    if not company.branches:
        return None
    main = company.branches[0]
    return _branch_in_full(company, main, geo=geo) | _main_branch_links(company, main, links)


def vestigingsprofiel(company: Company, branch: Branch, links: Links, *, geo: bool) -> Json:
    """Return the answer of ``/v1/vestigingsprofielen/{vestigingsnummer}``."""
    own = links.field(self=_branch_path(branch), basisprofiel=_profile_path(company))
    return _branch_in_full(company, branch, geo=geo) | own


def vestigingen(company: Company, links: Links) -> Json:
    """Return the answer of ``.../vestigingen``: all branches in short, on one page."""
    own = _profile_path(company)
    commercial = sum(branch.commercial for branch in company.branches)
    return {
        "kvkNummer": company.number,
        "aantalCommercieleVestigingen": commercial,
        "aantalNietCommercieleVestigingen": len(company.branches) - commercial,
        "totaalAantalVestigingen": len(company.branches),
        "vestigingen": [_listed_branch(company, branch, links) for branch in company.branches],
        **links.field(self=f"{own}/vestigingen", basisprofiel=own),
    }


def naamgeving(company: Company, links: Links) -> Json:
    """Return the answer of ``/v1/naamgevingen/kvknummer/{kvkNummer}``: what it and its branches are called."""
    return _without_none(
        {
            "kvkNummer": company.number,
            "rsin": company.rsin,
            "statutaireNaam": company.name if company.form.has_statutes else None,
            "naam": company.name,
            "ookGenoemd": company.also_known,
            "startdatum": company.started,
            "einddatum": company.ended,
            "vestigingen": [_named_branch(company, branch, links) for branch in company.branches],
            **links.field(self=f"/v1/naamgevingen/kvknummer/{company.number}", basisprofiel=_profile_path(company)),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """
    What a row of Zoeken shows depends on the question.

    Args:
        rsin: Searched on, and so shown.
        address_in_full: Postcode and house number were searched on, and so are shown.
        state: Inactive ones were asked for too, so *actief* tells which they are.
    """

    rsin: bool
    address_in_full: bool
    state: bool


def search_row(company: Company, branch: Branch | None, links: Links, shown: Shown) -> Json:
    """Return one row of Zoeken: a branch, or the legal person itself where *branch* is None."""
    own = _profile_path(company)
    addresses = company.addresses if branch is None else branch.addresses
    linked = (
        links.field(basisprofiel=own)
        if branch is None
        else links.field(basisprofiel=own, vestigingsprofiel=_branch_path(branch))
    )
    return _without_none(
        {
            "kvkNummer": company.number,
            "rsin": company.rsin if shown.rsin else None,
            "vestigingsnummer": None if branch is None else branch.number,
            "naam": company.name if branch is None else branch.name,
            "adres": _search_address(addresses, in_full=shown.address_in_full),
            "type": row_type(company, branch),
            "actief": _yes(company.active) if shown.state else None,
            **linked,
        }
    )


def row_type(company: Company, branch: Branch | None) -> str:
    """Return how Zoeken calls this row: rechtspersoon, hoofdvestiging or nevenvestiging."""
    if branch is None:
        return "rechtspersoon"
    return "hoofdvestiging" if _is_main(company, branch) else "nevenvestiging"


def _short_branch(company: Company, branch: Branch, links: Links, *, geo: bool) -> Json:
    return _without_none(
        {
            "vestigingsnummer": branch.number,
            "kvkNummer": company.number,
            "formeleRegistratiedatum": branch.registered,
            "materieleRegistratie": _registration(branch.started, company.ended),
            "eersteHandelsnaam": branch.name,
            "indHoofdvestiging": "Ja",
            "indCommercieleVestiging": _yes(branch.commercial),
            "totaalWerkzamePersonen": branch.people,
            "adressen": _addresses(company.number, branch.addresses, geo=geo),
            "websites": list(branch.websites) or None,
            **_main_branch_links(company, branch, links),
        }
    )


def _branch_in_full(company: Company, branch: Branch, *, geo: bool) -> Json:
    people = branch.people
    return _without_none(
        {
            "vestigingsnummer": branch.number,
            "kvkNummer": company.number,
            "rsin": company.rsin,
            "indNonMailing": _yes(company.non_mailing),
            "formeleRegistratiedatum": branch.registered,
            "materieleRegistratie": _registration(branch.started, company.ended),
            "statutaireNaam": company.name if company.form.has_statutes else None,
            "eersteHandelsnaam": branch.name,
            "indHoofdvestiging": _yes(_is_main(company, branch)),
            "indCommercieleVestiging": _yes(branch.commercial),
            "voltijdWerkzamePersonen": None if people is None else people - people // 3,
            "totaalWerkzamePersonen": people,
            "deeltijdWerkzamePersonen": None if people is None else people // 3,
            "handelsnamen": _names_of(company, branch),
            "adressen": _addresses(company.number, branch.addresses, geo=geo),
            "websites": list(branch.websites) or None,
            "sbiActiviteiten": _activities(company),
        }
    )


def _listed_branch(company: Company, branch: Branch, links: Links) -> Json:
    main = {"self": f"{_profile_path(company)}/hoofdvestiging"} if _is_main(company, branch) else {}
    visible = [_address(own).get("volledigAdres") for own in branch.addresses if own.kind == VISIT and not own.shielded]
    return _without_none(
        {
            "vestigingsnummer": branch.number,
            "eersteHandelsnaam": branch.name,
            "indHoofdvestiging": _yes(_is_main(company, branch)),
            "indAdresAfgeschermd": _yes(branch.shielded),
            "indCommercieleVestiging": _yes(branch.commercial),
            "volledigAdres": visible[0] if visible else None,
            **links.field(**main, vestigingsprofiel=_branch_path(branch)),
        }
    )


def _named_branch(company: Company, branch: Branch, links: Links) -> Json:
    named = (
        {"eersteHandelsnaam": branch.name, "handelsnamen": _names_of(company, branch)}
        if branch.commercial
        else {"naam": branch.name, "ookGenoemd": branch.also_known}
    )
    linked = links.field(vestigingsprofiel=_branch_path(branch))
    return _without_none({"vestigingsnummer": branch.number, **named, **linked})


def _names_of(company: Company, branch: Branch) -> list[Json]:
    """Return the trade names of one branch: the company's are those of the main one, and the others' own."""
    if not _is_main(company, branch):
        return [{"naam": branch.name, "volgorde": 0}]
    others = {other.name for other in company.branches[1:]}
    return [{"naam": name, "volgorde": place} for place, name in company.trade_names if name not in others]


def _is_main(company: Company, branch: Branch) -> bool:
    return branch is company.branches[0]


def _main_branch_links(company: Company, branch: Branch, links: Links) -> Json:
    own = _profile_path(company)
    return links.field(
        self=f"{own}/hoofdvestiging",
        vestigingen=f"{own}/vestigingen",
        basisprofiel=own,
        vestigingsprofiel=_branch_path(branch),
    )


def _profile_path(company: Company) -> str:
    return f"/v1/basisprofielen/{company.number}"


def _branch_path(branch: Branch) -> str:
    return f"/v1/vestigingsprofielen/{branch.number}"


def _registration(started: str, ended: str | None) -> Json:
    return _without_none({"datumAanvang": started, "datumEinde": ended})


def _people(company: Company) -> int | None:
    known = [branch.people for branch in company.branches if branch.people is not None]
    return sum(known) if known else None


def _trade_names(company: Company) -> list[Json] | None:
    return [{"naam": name, "volgorde": place} for place, name in company.trade_names] or None


def _activities(company: Company) -> list[Json]:
    return [
        {"sbiCode": code, "sbiOmschrijving": text, "indHoofdactiviteit": _yes(place == 0)}
        for place, (code, text) in enumerate(company.activities)
    ]


def _addresses(number: str, addresses: tuple[Address, ...], *, geo: bool) -> list[Json]:
    return [_address(address) | ({"geoData": _geo_data(number, address)} if geo else {}) for address in addresses]


def _address(address: Address) -> Json:
    start = {"type": address.kind, "indAfgeschermd": _yes(address.shielded)}
    if address.abroad is not None:
        abroad = address.abroad
        return _without_none(
            {
                **start,
                "volledigAdres": f"{abroad.street}{' ' * address.blanks}{abroad.town}",
                "straatHuisnummer": abroad.street,
                "postcodeWoonplaats": abroad.town,
                "regio": abroad.region,
                "land": abroad.country,
            }
        )
    if address.bare:
        return _without_none({**start, "plaats": address.town, "land": "Nederland"})
    return _without_none(
        {
            **start,
            "volledigAdres": _one_line(address),
            "straatnaam": address.street,
            "huisnummer": address.house_number,
            "huisletter": address.house_letter,
            "huisnummerToevoeging": address.house_addition,
            "toevoegingAdres": address.extra,
            "postcode": address.postcode,
            "postbusnummer": address.post_box,
            "plaats": address.town,
            "land": "Nederland",
        }
    )


def _one_line(address: Address) -> str:
    street = "Postbus" if address.post_box is not None else address.street
    parts = (street, address.post_box, address.house_number, address.house_letter, address.house_addition)
    line = " ".join(str(part) for part in parts if part is not None)
    return f"{line}{' ' * address.blanks}{address.postcode} {address.town}"


def _geo_data(number: str, address: Address) -> Json:
    """Return a point in the North Sea; P.O. boxes and places abroad have nulls and zeros (seen in production)."""
    if address.house_number is None:
        ids: Json = {"addresseerbaarObjectId": None, "nummerAanduidingId": None}
        return ids | dict.fromkeys(
            ("gpsLatitude", "gpsLongitude", "rijksdriehoekX", "rijksdriehoekY", "rijksdriehoekZ"), 0.0
        )
    dice = Dice(number, address.kind, "geo")
    town, place = dice.between(1, 1_999), dice.between(1, 999_999)
    return {
        "addresseerbaarObjectId": f"{town:04}01{place:010}",
        "nummerAanduidingId": f"{town:04}20{place:010}",
        "gpsLatitude": 53.5 + dice.between(0, 999_999) / 1e6,
        "gpsLongitude": 3.5 + dice.between(0, 999_999) / 1e6,
        "rijksdriehoekX": 20_000.0 + dice.between(0, 50_000_000) / 1e3,
        "rijksdriehoekY": 620_000.0 + dice.between(0, 80_000_000) / 1e3,
        "rijksdriehoekZ": 0.0,
    }


def _search_address(addresses: tuple[Address, ...], *, in_full: bool) -> Json | None:
    """Return where a row of Zoeken is: the visiting address, or of a shielded one only the town of its post."""
    visible = [address for address in addresses if address.kind == VISIT and not address.shielded]
    if not visible:
        towns = [address.town for address in addresses if address.town is not None]
        return {"binnenlandsAdres": {"type": "postadres", "plaats": towns[0]}} if towns else None
    address = visible[0]
    if address.abroad is not None:
        abroad = address.abroad
        foreign = {
            "type": "bezoekadres",
            "straatHuisnummer": abroad.street,
            "postcodeWoonplaats": abroad.town,
            "land": abroad.country,
        }
        return {"buitenlandsAdres": foreign}
    searched = (
        {"huisnummer": address.house_number, "huisletter": address.house_letter, "postcode": address.postcode}
        if in_full
        else {}
    )
    return {
        "binnenlandsAdres": _without_none(
            {"type": "bezoekadres", "straatnaam": address.street, **searched, "plaats": address.town}
        )
    }


def _yes(value: bool) -> str:  # noqa: FBT001  the value itself, not an option
    return "Ja" if value else "Nee"


def _without_none(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}
