"""
What VIES says of a VAT number as a record, and that record read into our columns.

Two dialects, one record: POST writes ``valid``, GET writes ``isValid`` and ``userError``. Only a
boolean ``valid`` or a ``userError`` of VALID or INVALID is an answer; GET puts isValid:false on
every failure too. Which keys are there differs by member state. Facts: VIES REST contract 1.0.0
and recorded answers, as collected 2026-11.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import polars as pl
from msgspec import Struct

from kvk_enrich.columns import VIES, schema

_VERDICTS: Final = {"VALID": True, "INVALID": False}
_UNDISCLOSED: Final = "---"
_DUTCH: Final = re.compile(r"([^a-z]+) ([0-9]{5})( ?[0-9A-Z-]+)? ([1-9][0-9]{3}) ?([A-Z]{2}) ([^0-9a-z]+)")
_WORD: Final = re.compile(r"'?[^\W_]+")
_SMALL: Final = frozenset({"aan", "bij", "de", "den", "der", "en", "het", "in", "op", "te", "ten", "ter", "tot", "van"})
_PROVINCES: Final = frozenset({"dr", "fr", "gld", "gn", "lb", "nb", "nh", "ov", "ut", "zh", "zl"})


class Wrapper(Struct, frozen=True):
    """One error of POST's envelope; its text varies and is not looked at."""

    error: str = ""


class VatCheck(Struct, frozen=True, rename="camel"):
    """What came back, in either dialect: an answer or errors."""

    country_code: str | None = None
    vat_number: str | None = None
    valid: bool | None = None
    is_valid: bool | None = None
    user_error: str | None = None
    request_date: str | None = None
    request_identifier: str | None = None
    name: str | None = None
    address: str | None = None
    error_wrappers: tuple[Wrapper, ...] | None = None
    action_succeed: bool | None = None

    @property
    def verdict(self) -> bool | None:
        """Whether the number is valid; None where this is no answer, or one that contradicts itself."""
        if self.codes or self.action_succeed is False:
            return None
        if self.user_error is None:
            return self.valid if self.is_valid is None else None
        verdict = _VERDICTS[self.user_error]
        return verdict if self.is_valid is verdict and self.valid in {None, verdict} else None

    @property
    def codes(self) -> tuple[str, ...]:
        """VIES's error codes; empty where there is none."""
        said = () if self.user_error is None or self.user_error in _VERDICTS else (self.user_error,)
        return said + tuple(wrapper.error for wrapper in self.error_wrappers or ())


_decoder = msgspec.json.Decoder(VatCheck)


def decode(body: bytes) -> VatCheck:
    """
    Return *body* as a record, if all of it is text.

    Raises:
        msgspec.DecodeError: it is no JSON object, or a field has the wrong type.
        UnicodeDecodeError: it is not UTF-8.
        RecursionError: it is nested thousands deep.
    """
    return _decoder.decode(body.decode())


def rows(bodies: Sequence[bytes]) -> pl.DataFrame:
    """Return the VIES columns of *bodies*, valid or not, one line each, in order."""
    return pl.DataFrame([_row(decode(body)) for body in bodies], schema=schema(VIES), orient="row")


def _row(check: VatCheck) -> tuple[object, ...]:
    state = check.country_code or ""
    return (
        state + (check.vat_number or ""),
        check.verdict,
        {True: "valid", False: "invalid", None: "unknown"}[check.verdict],
        _disclosed(check.name),
        _address(state, check.address),
        _moment(check.request_date),
        check.request_identifier or None,
    )


def _disclosed(value: str | None) -> str | None:
    """Return *value* with runs of white space folded; None for nothing and for what the state keeps to itself."""
    text = " ".join((value or "").split())
    return None if text in {"", _UNDISCLOSED} else text


def _address(state: str, value: str | None) -> str | None:
    if _disclosed(value) is None:
        return None
    lines = [line for text in (value or "").splitlines() if (line := _disclosed(text)) is not None]
    return (_tidied(" ".join(lines)) if state == "NL" else None) or ", ".join(lines)


def _tidied(address: str) -> str | None:
    """
    Return a Dutch address as people write it; None where it is not of the usual form.

    >>> _tidied("OOIEVAARSNEST 00007 1245AB ZILVERZIJL")
    'Ooievaarsnest 7, 1245 AB Zilverzijl'
    """
    found = _DUTCH.fullmatch(address)
    if found is None:
        return None
    street, number, addition, digits, letters, town = found.groups()
    return f"{_capitalised(street)} {int(number)}{addition or ''}, {digits} {letters} {_capitalised(town)}"


def _capitalised(name: str) -> str:
    """
    Return an upper-case Dutch *name* in its usual spelling, as far as rules tell.

    >>> _capitalised("'S-GRAVENHAGE"), _capitalised("ALPHEN AAN DEN RIJN"), _capitalised("IJSSELSTEIN")
    ("'s-Gravenhage", 'Alphen aan den Rijn', 'IJsselstein')
    """
    return _WORD.sub(lambda word: _spelled(word[0].lower(), word.start() == 0, word.end() == len(name)), name)


def _spelled(word: str, is_first: bool, is_last: bool) -> str:  # noqa: FBT001 - of one use, above
    if word[0] in "'0123456789" or (word in _SMALL and not is_first):
        return word
    if word in _PROVINCES and is_last and not is_first:
        return word.upper()
    return f"IJ{word[2:]}" if word.startswith("ij") else word.capitalize()


def _moment(value: str | None) -> datetime | None:
    """Return when VIES answered, in UTC; None where it does not say it as a moment."""
    if value is None or value[10:11] != "T":
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
