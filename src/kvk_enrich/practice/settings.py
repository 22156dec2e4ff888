"""How a practice register behaves: the values that :func:`kvk_enrich.practice.app.create` is given."""

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from kvk_enrich.clock import AMSTERDAM, Clock, SystemClock
from kvk_enrich.practice.company import Company
from kvk_enrich.practice.faults import Fault
from kvk_enrich.practice.moving import Moving, as_of
from kvk_enrich.practice.vies_faults import ViesFault

API_KEY: Final = "practice"
"""A key that is accepted; so is any other that does not begin with "wrong"."""


KVKBASE_TIERS: Final = MappingProxyType({"free": (50, 10), "starter": (1_000, 60), "pro": (5_000, 300)})
"""Tokens a month and requests a minute. Source: kvkbase's own pages, as collected 2026-11."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kvkbase:
    """
    How the practice kvkbase behaves. Of most of these nobody knows what the real one does.

    Args:
        tier: What a key may use.
        tokens_per_month: Instead of the tier's.
        requests_per_minute: Instead of the tier's.
        faults: What goes wrong. One with a code and no status strikes a number, also within a
            batch, and counts numbers; any other strikes a request, and counts requests.
        wording: Fields and words as in the vendor's documents, or as clients meet them: isActive
            null, "Onbekend", "Nederland", a status of the VAT check.
        failed_as: Items of ``failed`` in a batch: with an error each, or the bare numbers.
        batch_order: Results as asked, or the other way round.
        batch_gaps: Share of numbers that a batch says nothing of.
        batch_counts: Whether a batch is one request of the minute, or one per number.
        charges: Tokens for all that was asked, or only for what was found.
        over_allowance: A batch that needs more tokens than are left is refused whole, or answered in part.
    """

    tier: Literal["free", "starter", "pro"] = "pro"
    tokens_per_month: int | None = None
    requests_per_minute: int | None = None
    faults: tuple[Fault, ...] = ()
    wording: Literal["documented", "live"] = "live"
    failed_as: Literal["objects", "numbers"] = "objects"
    batch_order: Literal["asked", "reversed"] = "asked"
    batch_gaps: float = 0.0
    batch_counts: Literal["once", "each"] = "once"
    charges: Literal["asked", "found"] = "asked"
    over_allowance: Literal["whole", "part"] = "whole"

    @property
    def allowance(self) -> tuple[int, int]:
        """Tokens a month and requests a minute of one key."""
        tokens, requests = KVKBASE_TIERS[self.tier]
        return (
            tokens if self.tokens_per_month is None else self.tokens_per_month,
            requests if self.requests_per_minute is None else self.requests_per_minute,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Vies:
    """
    VIES in practice.

    Args:
        faults: What goes wrong, and when; of several that apply the first one does.
        at_once: The most requests under way, of all states.
        at_once_per_state: The most requests under way for one state.
        calls_per_day: After so many in a day all are answered with IP_BLOCKED.
        proof_of_invalid: Whether "not valid" comes with a consultation number too.
        refusal_status: HTTP status of INVALID_INPUT (clients have seen 200 and expect 400).
        sole_traders: Whether the Netherlands discloses who they are.
    """

    faults: tuple[ViesFault, ...] = ()
    at_once: int = 50
    at_once_per_state: int = 20
    calls_per_day: int = 40_000
    proof_of_invalid: bool = False
    refusal_status: Literal[200, 400] = 200
    sole_traders: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """
    One practice register.

    Args:
        latency_seconds: Mean of the time an answer takes (lognormal, sigma 0.5); 0: none.
        requests_per_second: The most that one key may send in any sliding second.
        calls_per_month: The most that one key may send in a calendar month (Europe/Amsterdam).
        faults: What goes wrong, and when; of several that apply the first one does.
        log: File that each request is appended to before it is answered.
        seed: Which population.
        moving: How companies change with the date at KVK; None: not at all. kvkbase and VIES see them as they were.
        ended: What the profiles of an ended registration are: given, or refused with IPD0005 (IPD0007 for a branch).
        branchless: What the list of branches is where there are none: refused with IPD0005, or empty.
        link_style: How links are written: as the Accept header asks for, or in one way whatever it asks for
            (in December 2025 KVK wrote arrays for both).
        not_acceptable: An Accept header with nothing we have is refused (406); if not, JSON is sent.
        clock: Where the time comes from.
        kvkbase: How kvkbase beside it behaves.
        vies: How VIES beside it behaves.
    """

    latency_seconds: float = 0.5
    requests_per_second: int = 100
    calls_per_month: int = 300_000
    faults: tuple[Fault, ...] = ()
    log: Path | None = None
    seed: int = 0
    moving: Moving | None = None
    ended: Literal["given", "refused"] = "given"
    branchless: Literal["refused", "empty"] = "refused"
    link_style: Literal["asked", "links", "_links"] = "asked"
    not_acceptable: bool = True
    clock: Clock = field(default_factory=SystemClock)
    kvkbase: Kvkbase = Kvkbase()
    vies: Vies = Vies()

    def as_of_now(self, company: Company) -> Company:
        """Return *company* as it is today, in Amsterdam."""
        if self.moving is None:
            return company
        return as_of(company, self.seed, self.moving, self.clock.now().astimezone(AMSTERDAM).date())
