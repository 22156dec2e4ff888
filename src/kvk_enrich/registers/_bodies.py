"""Reading the body of an answer that its status says is there."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from kvk_enrich.errors import Transient, Unusable

T = TypeVar("T")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON, no text, nested thousands deep, or of another shape."""

_TOLD: Final = 200
"""Characters of a decoder's message that are repeated."""


def readable(decode: Callable[[bytes], T], body: bytes) -> T:
    """
    Return *body* as *decode* reads it: a JSON object.

    Raises:
        Transient: it is damaged; another attempt may bring it whole.
        Unusable: it is no JSON object, or one of another shape, and so it will be the next time.
    """
    try:
        return decode(body)
    except UNREADABLE as error:
        if body.lstrip()[:1] != b"{":
            raise Unusable("unexpected_answer", "200 with something that is not JSON") from None
        if isinstance(error, msgspec.ValidationError):
            raise Unusable("unreadable_answer", str(error)[:_TOLD]) from None
        raise Transient("unreadable_answer", str(error)[:_TOLD]) from None
