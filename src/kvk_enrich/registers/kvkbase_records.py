"""
kvkbase's answers as records: what the service writes, read into our columns.

Facts: the vendor's API reference and errors page (2026-03) and the fields that a client verified
against the live service handles. Whatever the service does not say stays null: ``isActive`` may
be null also where all else is known, a legal form may be "Onbekend", and a VAT check that is not
from VIES itself ("stale", "unvalidated", "malformed") is no evidence either way. Other fields are
ignored; the answer is kept as received, so they can become columns later at no cost.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

import msgspec
import polars as pl
from msgspec import Struct

from kvk_enrich.columns import Column
from kvk_enrich.columns.kvkbase import BRANCHES, ENRICHED, LOOKUP, VALIDATE_VAT
from kvk_enrich.registers.kvk_parts import Whole, table, text

_UNKNOWN_FORMS: Final = frozenset({"onbekend", "unknown"})
_COUNTRIES: Final = MappingProxyType({"nederland": "NL", "netherlands": "NL", "the netherlands": "NL"})
_DATE_LENGTH: Final = len("2026-11-22")


class Address(Struct, frozen=True, rename="camel"):
    """Where a company or a branch is."""

    street: str | None = None
    house_number: str | Whole | None = None
    postal_code: str | None = None
    city: str | None = None
    country: str | None = None


class Activity(Struct, frozen=True, rename="camel"):
    """One SBI activity."""

    sbi_code: str | None = None
    description: str | None = None
    is_main: bool | None = None


class Employees(Struct, frozen=True, rename="camel"):
    """How many work there."""

    total: Whole | None = None


class Vat(Struct, frozen=True, rename="camel"):
    """A VAT number, and what kvkbase says that VIES said of it."""

    number: str | None = None
    valid: bool | None = None
    status: str | None = None
    validated_at: str | None = None


class Source(Struct, frozen=True, rename="camel"):
    """Where an answer's parts come from."""

    vies: str | None = None


class Company(Struct, frozen=True, rename="camel"):
    """What a lookup says, basic or enriched. Only kvkNumber and name are always there."""

    kvk_number: str
    name: str
    statutory_name: str | None = None
    trading_names: tuple[str, ...] | None = None
    legal_form: str | None = None
    main_branch_number: str | None = None
    address: Address | None = None
    is_active: bool | None = None
    registration_date: str | None = None
    employees: Employees | None = None
    activities: tuple[Activity, ...] | None = None
    insolvency: Any = None
    insolvency_type: str | None = None
    vat: Vat | None = None
    source: Source | None = None

    @property
    def number(self) -> str:
        """What the answer is about."""
        return self.kvk_number


class Branch(Struct, frozen=True, rename="camel"):
    """A place of business."""

    branch_number: str | None = None
    name: str | None = None
    is_main: bool | None = None
    address: Address | None = None
    is_active: bool | None = None


class Branches(Struct, frozen=True, rename="camel"):
    """All branches of a company."""

    kvk_number: str
    branches: tuple[Branch, ...]

    @property
    def number(self) -> str:
        """What the answer is about."""
        return self.kvk_number


class VatCheck(Struct, frozen=True, rename="camel"):
    """What ``validate/vat`` says of a number."""

    vat_number: str
    valid: bool | None = None
    status: str | None = None
    name: str | None = None
    address: str | None = None
    validated_at: str | None = None

    @property
    def number(self) -> str:
        """What the answer is about."""
        return self.vat_number


Answered = Company | Branches | VatCheck

R = TypeVar("R", bound=Answered)


class Reader(Generic[R]):
    """How the answers of one product become columns."""

    def __init__(self, record: type[R], row: Callable[[R], tuple[object, ...]], columns: Iterable[Column]) -> None:
        """Name the *record* an answer is, its *row*, and the *columns* that the row fills."""
        self._decoder = msgspec.json.Decoder(record)
        self._row = row
        self._columns = tuple(columns)

    def decode(self, body: bytes) -> R:
        """
        Return *body* as a record, if all of it is text and all of it fits our columns.

        What passes here is kept and read again by every later run.

        Raises:
            msgspec.DecodeError: it is no JSON, or not this record, or a field has the wrong type.
            UnicodeDecodeError: it is not UTF-8.
            RecursionError: it is nested thousands deep.
        """
        return self._decoder.decode(body.decode())

    def rows(self, bodies: Sequence[bytes]) -> pl.DataFrame:
        """Return the columns of *bodies*, one line each, in order."""
        return table(self._columns, (self._row(self.decode(body)) for body in bodies))


def vat_status(check: Vat | VatCheck, source: Source | None = None) -> str:
    """Return valid or invalid where VIES itself has just said so, else unknown."""
    evidence = text(check.status or (source.vies if source else None)) or "validated"
    if evidence.lower() != "validated" or check.valid is None:
        return "unknown"
    return "valid" if check.valid else "invalid"


def _company(company: Company) -> tuple[object, ...]:
    activities = company.activities or ()
    main = next((activity for activity in activities if activity.is_main), Activity())
    return (
        company.kvk_number,
        text(company.main_branch_number),
        text(company.name),
        text(company.statutory_name),
        [told for name in company.trading_names or () if (told := text(name))],
        _legal_form(company.legal_form),
        company.is_active,
        _date(company.registration_date),
        company.employees.total if company.employees else None,
        text(main.sbi_code),
        text(main.description),
        [
            {
                "code": text(activity.sbi_code),
                "description": text(activity.description),
                "main": activity.is_main,
            }
            for activity in activities
        ],
        *_address(company.address or Address()),
    )


def _enriched(company: Company) -> tuple[object, ...]:
    vat = company.vat or Vat()
    return (
        *_company(company),
        text(vat.number),
        *_valid(vat_status(vat, company.source) if company.vat else None),
        _moment(vat.validated_at),
        _insolvency(company),
    )


def _branches(answer: Branches) -> tuple[object, ...]:
    """Return the branches that have not ended, as KVK lists them."""
    current = [branch for branch in answer.branches if branch.is_active is not False]
    return len(current), [_branch(branch) for branch in current]


def _branch(branch: Branch) -> dict[str, object]:
    *_, full_address = _address(branch.address or Address())
    return {
        "branch_number": text(branch.branch_number),
        "name": text(branch.name),
        "is_main": branch.is_main,
        "is_commercial": None,
        "address_shielded": None,
        "full_address": full_address,
    }


def _vat_check(check: VatCheck) -> tuple[object, ...]:
    return (
        check.vat_number,
        *_valid(vat_status(check)),
        _undisclosed(check.name),
        _undisclosed(check.address),
        _moment(check.validated_at),
        None,
    )


READERS: Final[Mapping[str, Reader[Any]]] = MappingProxyType(
    {
        "lookup": Reader(Company, _company, LOOKUP),
        "enriched": Reader(Company, _enriched, ENRICHED),
        "kvkbase-branches": Reader(Branches, _branches, BRANCHES),
        "validate-vat": Reader(VatCheck, _vat_check, VALIDATE_VAT),
    }
)
"""By product."""


def _address(address: Address) -> tuple[str | None, ...]:
    """Return street, house number, postcode, city, country and all of it on one line, postcodes as KVK writes them."""
    street, number, city = text(address.street), text(address.house_number), text(address.city)
    postcode = text(address.postal_code)
    if postcode is not None and postcode[:4].isdigit():
        postcode = postcode.replace(" ", "")
    country = text(address.country)
    line = " ".join(part for part in (street, number, postcode, city) if part)
    return street, number, postcode, city, _COUNTRIES.get(country.lower(), country) if country else None, line or None


def _legal_form(form: str | None) -> str | None:
    told = text(form)
    return None if told is None or told.lower() in _UNKNOWN_FORMS else told


def _insolvency(company: Company) -> str | None:
    """Return its kind where it has one, else what is there as JSON: an object that we know nothing of."""
    kind, insolvency = text(company.insolvency_type), company.insolvency
    if kind or not insolvency:
        return kind
    return text(insolvency) if isinstance(insolvency, str) else msgspec.json.encode(insolvency).decode()


def _valid(status: str | None) -> tuple[bool | None, str | None]:
    return {"valid": True, "invalid": False}.get(status or ""), status


def _undisclosed(value: str | None) -> str | None:
    """Return *value* unless it is the dashes that VIES writes for what a member state does not disclose."""
    told = text(value)
    return None if told is None or not told.strip("-") else told


def _date(value: str | None) -> date | None:
    try:
        return date.fromisoformat(value[:_DATE_LENGTH]) if value else None
    except ValueError:
        return None


def _moment(value: str | None) -> datetime | None:
    """Return a moment with its offset, in UTC; one without means UTC."""
    try:
        moment = datetime.fromisoformat(value) if value else None
        return moment and (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
