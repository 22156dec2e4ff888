"""
Names for numbers that must not lie on disk in clear.

The nine digits of a Dutch VAT number from before 2020 may be a sole trader's citizen service number.
Journal and cache know such a number by its alias, the same each time in one home and of no use in another.
"""

import hmac
import re
from collections.abc import Iterable
from typing import Final

from kvk_enrich.identifiers import vat

_DIGITS: Final = re.compile(r"[0-9]{9}")
_LENGTH: Final = 20


def aliases(numbers: Iterable[str], secret: str) -> dict[str, str]:
    """Return the alias of each of *numbers* (VAT numbers, canonical) that may hold a citizen service number."""
    return {number: _alias(number, secret) for number in numbers if vat.may_hold_bsn(number)}


def without_digits(body: bytes, number: str) -> bytes:
    """Return *body* with the nine digits of *number* (a Dutch VAT number, canonical) starred out."""
    found = _DIGITS.search(number)
    return body if found is None else body.replace(found[0].encode(), b"*" * len(found[0]))


def _alias(number: str, secret: str) -> str:
    return "NL~" + hmac.digest(secret.encode(), number.encode(), "sha256").hex()[:_LENGTH]
