"""
A company in the shapes of kvkbase's answers: as its documents write them, or as clients meet them.

What is odd about the live service happens here to some companies, always the same ones: isActive
is null, the legal form is "Onbekend", the country is "Nederland", a VAT check is stale.
Source: the vendor's API reference and errors page (2026-03), and the fields that a client verified
against the live service handles.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from kvk_enrich.practice import population, vat_numbers, zoeken
from kvk_enrich.practice.answers import Json
from kvk_enrich.practice.company import VISIT, Address, Branch, Company
from kvk_enrich.practice.dice import Dice
from kvk_enrich.practice.settings import Practice

CODES: Final = MappingProxyType(
    {
        # code: HTTP status, text; {} is what was asked
        "NOT_FOUND": (404, "No company found for {}"),
        "INVALID_KVK_NUMBER": (400, "{} is not a KVK number: 8 digits are expected"),
        "INVALID_VAT_NUMBER": (400, "{} has not the format of a VAT number"),
        "INVALID_REQUEST": (400, "The request is not complete: {}"),
        "UNAUTHORIZED": (401, "Missing or invalid API key"),
        "INSUFFICIENT_TOKENS": (402, "The tokens of this month are spent"),  # clients guard against it; undocumented
        "RATE_LIMIT_EXCEEDED": (429, "Too many requests"),
        "QUOTA_EXCEEDED": (429, "The tokens of this month are spent"),
        "UPSTREAM_ERROR": (502, "A service behind this one is away"),
        "INTERNAL_ERROR": (500, "An unexpected error occurred"),
    }
)

_STALE: Final = timedelta(days=9)
_DUTCH_VAT: Final = re.compile(r"NL[0-9]{9}B[0-9]{2}", re.ASCII)
_EU_VAT: Final = re.compile(r"([A-Z]{2})[0-9A-Z+*]{2,12}", re.ASCII)


def error(code: str, about: str = "") -> Json:
    """Return the error body with *code*, about what was asked."""
    _, text = CODES.get(code, (400, "Something is wrong: {}"))
    return {"error": {"code": code, "message": text.format(about)}}


class Answers:
    """What one practice kvkbase says of its population."""

    def __init__(self, settings: Practice) -> None:
        """Take the population's seed, the wording and the clock from *settings*."""
        self._seed = settings.seed
        self._live = settings.kvkbase.wording == "live"
        self._clock = settings.clock

    def lookup(self, number: str, *, enrich: bool) -> Json | str:
        """Return what is known of a KVK number, or the code of why nothing is."""
        if re.fullmatch(r"[0-9]{8}", number, re.ASCII) is None:
            return "INVALID_KVK_NUMBER"
        company = population.company(number, seed=self._seed)
        if company is None:
            return "NOT_FOUND"
        return self._enriched(company) if enrich else self._basic(company)

    def branches(self, number: str) -> Json | str:
        """Return the branches of a KVK number, or the code of why there is no answer."""
        known = self.lookup(number, enrich=False)
        company = population.company(number, seed=self._seed) if isinstance(known, dict) else None
        if company is None:
            return known
        return {
            "kvkNumber": number,
            "name": company.name,
            "branches": [self._branch(company, branch) for branch in company.branches],
        }

    def validated(self, number: str) -> Json | str:
        """Return what VIES is said to say of a VAT number; its check digits are not looked at."""
        found = (_DUTCH_VAT if number.startswith("NL") else _EU_VAT).fullmatch(number)
        if found is None or number[:2] not in vat_numbers.STATES:
            return "INVALID_VAT_NUMBER"
        check = self._check(number)
        holder = vat_numbers.holder(number, seed=self._seed) if check["valid"] else None
        return {
            "vatNumber": number,
            "valid": check["valid"],
            "name": holder and _disclosed(holder.name),
            "address": holder and _disclosed(holder.address),
            **{name: value for name, value in check.items() if name not in {"number", "valid"}},
        }

    def search(self, text: str) -> list[Json]:
        """Return a hit for each branch and legal person that has all words of *text*: companies come more than once."""
        words = set(text.casefold().split())
        return [
            {
                "kvkNumber": company.number,
                "name": branch.name if branch is not None else company.name,
                "city": _city(company),
                "isActive": self._is_active(company),
            }
            for company, branch in _rows(self._seed)
            if words <= set((branch.name if branch is not None else company.name).casefold().split())
        ]

    def autocomplete(self, text: str) -> list[Json]:
        """Return the companies whose name begins with *text*."""
        companies = {company.number: company for company, _ in _rows(self._seed)}
        return [
            {"kvkNumber": company.number, "name": company.name, "city": _city(company)}
            for company in companies.values()
            if company.name.casefold().startswith(text.casefold())
        ]

    def health(self) -> Json:
        """Return that all is well."""
        return {"status": "ok", "services": {"kvk": "up", "vies": "up"}, "timestamp": _moment(self._clock.now())}

    def _basic(self, company: Company) -> Json:
        address = _visited(company)
        return {
            "kvkNumber": company.number,
            "name": company.name,
            "address": {"city": _city(company), "postalCode": _postcode(address)},
            "isActive": self._is_active(company),
        }

    def _enriched(self, company: Company) -> Json:
        form, form_in_full = company.spelling
        number = f"NL{company.rsin}B01" if company.rsin is not None else None
        vat = self._check(number) if number is not None else None
        body = {
            "kvkNumber": company.number,
            "name": company.name,
            "tradingNames": [name for _, name in sorted(company.trade_names)],
            "legalForm": form,
            "address": self._address(company, _visited(company), country=True),
            "isActive": self._is_active(company),
            "registrationDate": f"{company.registered[:4]}-{company.registered[4:6]}-{company.registered[6:]}",
            "activities": [
                {"sbiCode": code, "description": text, "isMain": place == 0}
                for place, (code, text) in enumerate(company.activities)
            ],
            "vat": vat,
            "source": {
                "kvk": "opendata+zoeken",
                "vies": (vat or {}).get("status", "validated"),
                "cachedAt": _moment(self._clock.now()),
            },
        }
        if not self._live:
            return body
        unknown_form = self._dice(company.number, "form").chance(0.05)
        insolvent = self._dice(company.number, "insolvency").chance(0.02)
        return body | {
            "legalForm": "Onbekend" if unknown_form else form_in_full,
            "statutoryName": company.name if company.form.has_statutes else None,
            "enriched": True,
            "insolvency": {"type": "Faillissement"} if insolvent else None,
            "mainBranchNumber": company.branches[0].number if company.branches else None,
            "employees": _employees(company),
        }

    def _check(self, number: str) -> Json:
        """Return a VAT number with what VIES is said to say of it: the practice VIES beside it says the same."""
        now, valid = self._clock.now(), vat_numbers.holder(number, seed=self._seed) is not None
        if not self._live:
            return {"number": number, "valid": valid, "validatedAt": _moment(now)}
        dice = self._dice(number, "vat")
        checked = {"checksumValid": vat_numbers.is_well_made(number)}
        if dice.chance(0.03):
            return {"number": number, "valid": None, "status": "unvalidated", "validatedAt": None, **checked}
        stale = dice.chance(0.05)
        return {
            "number": number,
            "valid": valid,
            "status": "stale" if stale else "validated",
            "validatedAt": _moment(now - _STALE if stale else now),
            **checked,
        }

    def _is_active(self, company: Company) -> bool | None:
        return None if self._live and self._dice(company.number, "active").chance(0.1) else company.active

    def _branch(self, company: Company, branch: Branch) -> Json:
        return {
            "branchNumber": branch.number,
            "name": branch.name,
            "isMain": branch is company.branches[0],
            "address": self._address(company, _visit(branch.addresses)),
            "isActive": self._is_active(company),
        }

    def _address(self, company: Company, address: Address | None, *, country: bool = False) -> Json:
        if address is None:
            return {"city": _city(company)}
        if address.abroad is not None:
            abroad = address.abroad
            return {"street": abroad.street, "city": abroad.town, "country": abroad.country}
        dutch = "Nederland" if self._live and self._dice(company.number, "country").chance(0.5) else "NL"
        return {
            "street": address.street,
            "houseNumber": None if address.house_number is None else str(address.house_number),
            "postalCode": _postcode(address),
            "city": address.town,
            **({"country": dutch} if country else {}),
        }

    def _dice(self, number: str, what: str) -> Dice:
        return Dice(self._seed, number, "kvkbase", what)


def _rows(seed: int) -> Iterator[zoeken.Row]:
    """Yield all that can be searched in."""
    yield from zoeken.hits(zoeken.Query({"inclusiefinactieveregistraties": "true"}, ()), seed=seed)


def _visited(company: Company) -> Address | None:
    return _visit(company.branches[0].addresses if company.branches else company.addresses)


def _visit(addresses: tuple[Address, ...]) -> Address | None:
    """Return the visiting address that is not shielded, if there is one."""
    return next((address for address in addresses if address.kind == VISIT and not address.shielded), None)


def _city(company: Company) -> str | None:
    addresses = company.branches[0].addresses if company.branches else company.addresses
    return next((address.town for address in addresses if address.town is not None), None)


def _postcode(address: Address | None) -> str | None:
    """Return a postcode as this service writes it: ``1171 AB``."""
    return f"{address.postcode[:4]} {address.postcode[4:]}" if address is not None and address.postcode else None


def _employees(company: Company) -> Json | None:
    known = [branch.people for branch in company.branches if branch.people is not None]
    total = sum(known)
    return {"fullTime": total - total // 3, "partTime": total // 3, "total": total} if known else None


def _disclosed(text: str) -> str | None:
    """Return what VIES tells on one line, None where the member state keeps it to itself."""
    return None if text == vat_numbers.UNDISCLOSED else ", ".join(text.strip().splitlines())


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
