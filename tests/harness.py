"""Real parts for end-to-end tests: the practice register in a process of its own, the command line in another."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

import polars as pl
from tests.simulators import stamping

from kvk_enrich.practice import population, vat_numbers
from kvk_enrich.practice.company import Company
from kvk_enrich.practice.population import numbers

COMMAND = [sys.executable, "-m", "kvk_enrich"]
SECOND_NS = 1_000_000_000


class Arrival(NamedTuple):
    """One request as the server saw it, before it answered."""

    at_ns: int
    number: str
    path: str = ""
    key: str = ""

    @property
    def service(self) -> str:
        """Who was asked."""
        return next((name for name in ("kvkbase", "vies") if self.path.startswith(f"/{name}/")), "kvk")


@dataclass(frozen=True)
class Server:
    """A practice register on a port; its log is the judge."""

    url: str
    log: Path
    process: subprocess.Popen[str]

    def arrivals(self) -> list[Arrival]:
        """Return all requests so far, in order of arrival."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sorted(Arrival(int(at), *rest) for at, *rest in (line.split("\t") for line in lines))

    def counts(self) -> Counter[str]:
        """Return how often each number was asked for."""
        return Counter(arrival.number for arrival in self.arrivals())

    def asked(self) -> Counter[tuple[str, str]]:
        """Return how often each number was asked for, by what stands before it in the path: the product."""
        return Counter((product_of(arrival), arrival.number) for arrival in self.arrivals())

    def per_product(self) -> Counter[str]:
        """Return how many requests came for each product."""
        return Counter(product_of(arrival) for arrival in self.arrivals())

    def base_url(self, service: str) -> str:
        """Return the base URL of ``kvk``, ``kvkbase`` or ``vies``."""
        return {"kvk": self.url, "kvkbase": urljoin(self.url, "/kvkbase/v1"), "vies": urljoin(self.url, "/vies")}[
            service
        ]


_PRODUCTS: Final = {
    "/zoeken": "zoeken",
    "/vestigingen": "vestigingen",
    "/basisprofielen/": "basisprofiel",
    "/vestigingsprofielen/": "vestigingsprofiel",
    "/naamgevingen/": "naamgeving",
    "/vies/": "vies",
    "/validate/vat/": "validate-vat",
    "/kvkbase/": "kvkbase",
}


def product_of(arrival: Arrival) -> str:
    """Return which product a request was for."""
    return next(product for part, product in _PRODUCTS.items() if part in arrival.path)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """Yield a practice register in another process, logging to *folder*."""
    log = folder / "arrivals.log"
    process = subprocess.Popen(
        [*COMMAND, "practice", "serve", "--port", "0", "--log", str(log), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment(),
    )
    assert process.stderr is not None
    try:
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None, "the practice register did not start"
        yield Server(found[0], log, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        process.stderr.close()


@contextmanager
def judging(folder: Path, *, certificate: Path | None = None, latency: float = 0.5) -> Iterator[Server]:
    """Yield a register whose log has the kernel's own stamps, over TLS if it has a *certificate*."""
    log = folder / "arrivals.log"
    orders = {"log": str(log), "latency": latency, "certificate": str(certificate) if certificate else None}
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", stamping.__file__, json.dumps(orders)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        yield Server(f"{'https' if certificate else 'http'}://127.0.0.1:{port}/api", log, process)
    finally:
        process.kill()
        process.wait(120)
        process.stdout.close()


def environment(server: Server | None = None, **more: str) -> dict[str, str]:
    """Return a clean environment in which the source ``practice`` is *server*."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KVK_API_KEY", "KVK_ENRICH_"))}
    if server is not None:
        clean["KVK_ENRICH_SOURCE_PRACTICE_BASE_URL"] = server.url
    return clean | more


def command(*arguments: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=dict(env) if env is not None else environment(),
        stdin=subprocess.DEVNULL,
    )


def started(*arguments: str | Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the command line and return its process."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def existing(count: int, *, skip: int = 0) -> list[str]:
    """Return *count* numbers that the practice register knows."""
    return list(islice(numbers(), skip, skip + count))


def write_list(path: Path, values: Sequence[str | None]) -> Path:
    """Write a CSV list with a column of its own beside the numbers."""
    frame = pl.DataFrame({"klant": [f"klant {place}" for place in range(len(values))], "kvk": values})
    frame.write_csv(path)
    return path


class Drawn(NamedTuple):
    """A number of a list, and the truth about it: what the practice register says when nothing goes wrong."""

    kind: str
    number: str
    outcome: str
    kvk_number: str | None


def drawn(kind: str, number: str) -> Drawn:
    """Return *number* with the truth about it."""
    if kind == "vat":
        holder = vat_numbers.holder(number)
        company = population.company_by_rsin(number[2:11]) if number.startswith("NL") and holder else None
        return Drawn(kind, number, "found" if holder else "not_found", company.number if company else None)
    by = {"kvk": population.company, "rsin": population.company_by_rsin, "branch": population.company_by_branch}
    company = by[kind](number)
    return Drawn(kind, number, "found" if company else "not_found", company.number if company else None)


def mixed(kvk: int = 0, rsin: int = 0, branch: int = 0, legal: int = 0, sole: int = 0, abroad: int = 0) -> list[Drawn]:
    """
    Return numbers that exist, so many of each kind, no two of one company, in no order.

    Args:
        kvk: KVK numbers.
        rsin: RSINs.
        branch: Branch numbers.
        legal: Dutch VAT numbers of legal persons.
        sole: Dutch VAT numbers of sole traders since 2020.
        abroad: VAT numbers of each of three other states.
    """
    companies = _companies()
    taken: list[Drawn] = []

    def take(many: int, kind: str, number: Callable[[Company], str | None]) -> None:
        made = (number(company) for company in companies if company.active)
        taken.extend(drawn(kind, one) for one in islice((one for one in made if one), many))

    take(kvk, "kvk", lambda company: company.number)
    take(rsin, "rsin", lambda company: company.rsin)
    take(branch, "branch", lambda company: company.branches[0].number if company.branches else None)
    take(legal, "vat", lambda company: f"NL{company.rsin}B01" if company.rsin else None)
    others = vat_numbers.sole_trader_numbers(sole)
    for state in ("DE", "FR", "EL") if abroad else ():
        others += vat_numbers.numbers(state, abroad)
    taken += [drawn("vat", number) for number in others]
    return sorted(taken, key=lambda one: one.number[::-1])


def _companies() -> Iterator[Company]:
    """Yield companies of the practice register, each once."""
    return (company for company in map(population.company, numbers()) if company is not None)


def record_of(output: Path) -> dict[str, Any]:
    """Return the run record beside *output*."""
    found: dict[str, Any] = json.loads(output.with_name(f"{output.stem}.run.json").read_text())
    return found


def answered(home: Path) -> set[str]:
    """Return the numbers whose answer the journal of *home* has, read by another program's eyes."""
    if not (home / "journal.sqlite").exists():
        return set()
    with sqlite3.connect(f"file:{home / 'journal.sqlite'}?mode=ro", uri=True, timeout=30) as sql:
        try:
            found = {number for (number,) in sql.execute("SELECT DISTINCT number FROM answer")}
        except sqlite3.OperationalError:
            found = set()
    sql.close()
    return found


def most_in_a_second(arrivals: Sequence[Arrival]) -> int:
    """Return the most arrivals in any sliding second."""
    most = first = 0
    for last, arrival in enumerate(arrivals):
        while arrival.at_ns - arrivals[first].at_ns >= SECOND_NS:
            first += 1
        most = max(most, last - first + 1)
    return most


def rate_after(arrivals: Sequence[Arrival], seconds: float) -> float:
    """Return arrivals per second, leaving out the first *seconds*."""
    steady = [arrival.at_ns for arrival in arrivals if arrival.at_ns - arrivals[0].at_ns > seconds * SECOND_NS]
    return (len(steady) - 1) / ((steady[-1] - steady[0]) / SECOND_NS)
