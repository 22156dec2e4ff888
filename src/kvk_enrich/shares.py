"""
Shares of an allowance: what each named job may count on, and what it may take at most.

The floors of the others stay free while they have not used them; a job without a name, or without a share, has
neither floor nor ceiling.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple


class Share(NamedTuple):
    """The part of an allowance, from 0 to 1, that is kept free for *job*, and the part that it may use at most."""

    job: str
    floor: Decimal = Decimal(0)
    ceiling: Decimal = Decimal(1)

    def kept(self, allowance: int) -> int:
        """Return the units of *allowance* that are kept free for the job."""
        return int((self.floor * allowance).to_integral_value(ROUND_CEILING))

    def most(self, allowance: int) -> int:
        """Return the units of *allowance* that the job may use."""
        return int(self.ceiling * allowance)


def room(shares: Iterable[Share], job: str | None, allowance: int, left: int, used: Mapping[str, int]) -> int:
    """
    Return the units that *job* may use now.

    Args:
        shares: Of all jobs.
        job: Who asks; None for nobody in particular.
        allowance: Units of the whole period.
        left: Those that nobody has used.
        used: Units per job.
    """
    others = 0
    most = left
    for share in shares:
        if share.job == job:
            most = min(most, share.most(allowance) - used.get(share.job, 0))
        else:
            others += max(0, share.kept(allowance) - used.get(share.job, 0))
    return max(0, min(most, left - others))
