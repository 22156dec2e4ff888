"""
Zoeken v2: which rows go with a query, by KVK's rules for its parameters.

Numbers are looked up in the whole population. Names, streets, towns and postcodes only among KVK's
test numbers and the first companies of the population: a practice register need not search millions.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final
from urllib.parse import urlencode

from kvk_enrich.practice import answers, population, published
from kvk_enrich.practice.answers import Json, Links, Shown
from kvk_enrich.practice.company import Address, Branch, Company

SAMPLE: Final = 300
"""Companies of the population that searches by name or address look at."""

MOST_RESULTS: Final = 1_000
"""Rows that can be paged through: so KVK."""

_TYPES = ("hoofdvestiging", "nevenvestiging", "rechtspersoon")
_PATTERNS: Mapping[str, tuple[str, str]] = {
    # parameter (KVK does not look at capitals): pattern, and the code of a value that does not fit
    "kvknummer": (r"[0-9]{8}", "IPD0004"),
    "rsin": (r"[0-9]{9}", "IPD0010"),
    "vestigingsnummer": (r"[0-9]{12}", "IPD0006"),
    "naam": (r".+", "IPD1998"),
    "straatnaam": (r".+", "IPD1998"),
    "plaats": (r".+", "IPD1998"),
    "postcode": (r"[0-9]{4}[a-zA-Z]{2}", "IPD1998"),
    "huisnummer": (r"[0-9]{1,5}", "IPD1998"),
    "huisletter": (r"[a-zA-Z]", "IPD1998"),
    "postbusnummer": (r"[0-9]{1,5}", "IPD1998"),
    "type": ("|".join(_TYPES), "IPD5203"),
    "inclusiefinactieveregistraties": (r"(?i:true|false)", "IPD1998"),
    "pagina": (r"[1-9][0-9]{0,2}|1000", "IPD1998"),
    "resultatenperpagina": (r"[1-9][0-9]?|100", "IPD1998"),
}
_COMPANIONS: Mapping[str, tuple[str, ...]] = {
    # parameter: one of these must be given with it
    "postcode": ("huisnummer", "postbusnummer"),
    "huisnummer": ("postcode",),
    "huisletter": ("huisnummer",),
    "postbusnummer": ("postcode",),
}

Row = tuple[Company, Branch | None]


class BadQuery(Exception):
    """A parameter that KVK refuses: *code* and what it is about."""

    def __init__(self, code: str, asked: str) -> None:
        """Keep both for the answer."""
        super().__init__(code)
        self.code = code
        self.asked = asked


@dataclass(frozen=True, slots=True)
class Query:
    """A query that KVK accepts: values by parameter (in small letters), and the types asked for."""

    given: Mapping[str, str]
    types: tuple[str, ...]

    @property
    def page(self) -> int:
        """Which page, from 1."""
        return int(self.given.get("pagina", "1"))

    @property
    def page_size(self) -> int:
        """Rows a page."""
        return int(self.given.get("resultatenperpagina", "10"))

    @property
    def with_inactive(self) -> bool:
        """Whether ended registrations are wanted too."""
        return self.given.get("inclusiefinactieveregistraties", "").lower() == "true"

    @property
    def shown(self) -> Shown:
        """What its rows show."""
        return Shown(rsin="rsin" in self.given, address_in_full="postcode" in self.given, state=self.with_inactive)

    def path(self, page: int) -> str:
        """Return the path of this query at *page*, written as KVK writes it in its links."""
        own = {**self.given, "pagina": str(page), "resultatenperpagina": str(self.page_size)}
        return "/v2/zoeken?" + urlencode([*own.items(), *(("type", name) for name in self.types)])


def parse(parameters: Iterable[tuple[str, str]]) -> Query:
    """
    Return the query that *parameters* (name and value, decoded) make.

    Raises:
        BadQuery: a name is not known, a value does not fit, or one lacks its companion.
    """
    pairs = [(name.lower(), value) for name, value in parameters]
    unknown = [name for name, _ in pairs if name not in _PATTERNS]
    if unknown:
        raise BadQuery("IPD1999", ", ".join(unknown))
    for name, value in pairs:
        pattern, code = _PATTERNS[name]
        if re.fullmatch(pattern, value) is None:
            raise BadQuery(code, value)
    given = {name: value for name, value in pairs if name != "type"}
    for name, companions in _COMPANIONS.items():
        if name in given and given.keys().isdisjoint(companions):
            raise BadQuery("IPD1998", name)
    return Query(given, tuple(value for name, value in pairs if name == "type"))


def _as_ever(company: Company) -> Company:
    return company


def hits(query: Query, *, seed: int = 0, now: Callable[[Company], Company] = _as_ever) -> list[Row]:
    """
    Return the rows that go with *query*: companies, each with the branch the row is about.

    A KVK number gives several rows where it has several branches; their order means nothing.

    Args:
        query: What is looked for.
        seed: Which population.
        now: Makes of a company what it is by now.
    """
    companies = (now(company) for company in _candidates(query, seed))
    return [row for company in companies for row in _rows(company) if _fits(row, query)]


def answer(query: Query, links: Links, *, seed: int, now: Callable[[Company], Company] = _as_ever) -> Json | None:
    """Return the body of Zoeken for one page, or None where it has no rows (KVK: 404)."""
    found = hits(query, seed=seed, now=now)
    start = (query.page - 1) * query.page_size
    end = start + query.page_size
    rows = found[:MOST_RESULTS][start:end]
    if not rows:
        return None
    more = end < min(len(found), MOST_RESULTS)
    pages = {"vorige": query.page - 1 if start else None, "volgende": query.page + 1 if more else None}
    return {
        "pagina": query.page,
        "resultatenPerPagina": query.page_size,
        "totaal": len(found),
        **{name: links.base_url + query.path(page) for name, page in pages.items() if page is not None},
        "resultaten": [answers.search_row(company, branch, links, query.shown) for company, branch in rows],
        **links.field(self=query.path(query.page)),
    }


def _candidates(query: Query, seed: int) -> Sequence[Company]:
    """Return the companies that may fit: the one whose number was given, else all that are searched in."""
    given = query.given
    if "kvknummer" in given:
        found = population.company(given["kvknummer"], seed=seed)
    elif "rsin" in given:
        found = population.company_by_rsin(given["rsin"], seed=seed)
    elif "vestigingsnummer" in given:
        found = population.company_by_branch(given["vestigingsnummer"], seed=seed)
    else:
        return _searched(seed)
    return () if found is None else (found,)


@lru_cache(maxsize=2)
def _searched(seed: int) -> tuple[Company, ...]:
    sample = (population.company(number, seed=seed) for number in islice(population.numbers(seed=seed), SAMPLE))
    return (*published.companies(seed).values(), *(company for company in sample if company is not None))


def _rows(company: Company) -> Iterator[Row]:
    """Yield the other branches first, as recorded since May 2024: who takes the first row, takes the wrong one."""
    if company.listed:
        yield company, None
    for branch in reversed(company.branches):
        yield company, branch


def _fits(row: Row, query: Query) -> bool:
    company, branch = row
    given = query.given
    own = {"kvknummer": company.number, "rsin": company.rsin, "vestigingsnummer": branch.number if branch else None}
    if any(given[name] != value for name, value in own.items() if name in given):
        return False
    if query.types and answers.row_type(company, branch) not in query.types:
        return False
    if not (company.active or query.with_inactive):
        return False
    addresses = branch.addresses if branch else company.addresses
    return _named(row, given) and (
        given.keys().isdisjoint({"straatnaam", "plaats", "postcode"})
        or any(_located(address, given) for address in addresses if not address.shielded)
    )


def _named(row: Row, given: Mapping[str, str]) -> bool:
    """Whole words, capitals aside; no beginnings, nothing fuzzy."""
    company, branch = row
    names = " ".join([branch.name if branch else company.name, *(name for _, name in company.trade_names)])
    return _words(given.get("naam", "")) <= _words(names)


def _located(address: Address, given: Mapping[str, str]) -> bool:
    own = {
        "straatnaam": address.street,
        "plaats": address.town,
        "postcode": address.postcode,
        "huisnummer": address.house_number,
        "huisletter": address.house_letter,
        "postbusnummer": address.post_box,
    }
    return all(str(own[name]).casefold() == value.casefold() for name, value in given.items() if name in own)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))
