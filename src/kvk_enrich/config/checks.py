"""The types of single values: what is accepted, and the sentence for what is not."""

import ipaddress
import re
from collections.abc import Sequence
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, TypeAdapter, ValidationError

from kvk_enrich.compare import FIELDS, Comparison, parse
from kvk_enrich.config.words import did_you_mean, quoted
from kvk_enrich.lang import LANGS

PRODUCTS: Final = {
    "kvk": ("basisprofiel", "vestigingen", "vestigingsprofiel", "naamgeving", "vat", "none"),
    "kvkbase": ("lookup", "basisprofiel", "vestigingen", "vat"),
}
"""What can be bought, in the order in which it is told; KVK's test environment and the practice register are as KVK."""

_PRODUCTS: Final = ("lookup", *PRODUCTS["kvk"])
_MOST_COLUMNS: Final = 3
_STATES: Final = "AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI|EU"
"""Who may ask VIES: the member states, Northern Ireland, and the one-stop shop (EU)."""

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ENCODINGS: Final = {
    "utf8": "utf-8",
    "utf-8-sig": "utf-8",
    "cp1252": "windows-1252",
    "cp-1252": "windows-1252",
    "latin1": "iso-8859-1",
    "latin-1": "iso-8859-1",
}


def as_variable(text: str) -> str:
    """Return *text* as a part of an environment variable's name: ``crm-test`` becomes ``CRM_TEST``."""
    return re.sub(r"[^A-Za-z0-9]", "_", text).upper()


def one_of(known: Sequence[str]) -> AfterValidator:
    """Accept the words *known*."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}, got {quoted(value)}{did_you_mean(value, known)}")
        return value

    return AfterValidator(check)


def duration(value: object) -> timedelta:
    """Return what a text such as ``30d`` means. Raises ValueError where it means nothing."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"([0-9]{1,5}) ?([smhd])", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"must be a whole number and a unit, such as 30d, 12h, 90m or 45s, got {quoted(value)}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def amount(text: str) -> Decimal:
    """Return the euro that *text* names. Raises ValueError where it names none."""
    try:
        return TypeAdapter(Euro).validate_python(text)
    except ValidationError:
        raise ValueError(f"must be an amount such as 12.50, got {quoted(text)}") from None


def _path(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    if not str(value) or "\0" in str(value):
        raise ValueError("must name a file or folder")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"has no home folder to begin at, got {quoted(value)}; write the whole path") from None


def _base_url(value: str) -> str:
    if not value.isascii() or re.search(r"[\s\x00-\x1f\x7f\\]", value):
        raise ValueError("must be a URL without blanks or special characters")
    try:
        url = urlsplit(value)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise ValueError("must be a URL") from None
    if "@" in url.netloc or url.query or url.fragment:
        raise ValueError("must hold neither user name, password, query nor fragment")
    if url.scheme not in {"https", "http"} or not host:
        raise ValueError(f"must begin with https:// and a host, got {quoted(value)}")
    if url.scheme == "http" and not _is_this_machine(host):
        raise ValueError(f"must be https, or the key would travel in the open, got {quoted(value)}")
    # One server has one spelling, or it would have two ledgers.
    port = "" if url.port in {None, {"https": 443, "http": 80}[url.scheme]} else f":{url.port}"
    name = host.rstrip(".")
    return f"{url.scheme}://{f'[{name}]' if ':' in name else name}{port}{url.path.rstrip('/')}"


def _notify_url(value: object) -> object:
    """A token may be in it: no sentence repeats it, not even to say what is wrong with it."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str) or not re.fullmatch(r"[!-~]{1,2000}", text) or "\\" in text:
        raise ValueError("must be a URL in quotes, without blanks or special characters")
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise ValueError("must be a URL") from None
    if url.scheme not in {"https", "http"} or not host:
        raise ValueError("must begin with https:// and a host")
    if url.scheme == "http" and not _is_this_machine(host):
        raise ValueError("must be https, or all on the way could read and change what is told")
    return value


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _account(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", value):
        raise ValueError("must be 1 to 40 letters, digits, dots, dashes or underscores, the first a letter or digit")
    if f"_{as_variable(value)}".endswith("_FILE"):
        raise ValueError("must not end in 'file': a variable that ends so names a file that holds the key")
    return value


def _encoding(value: str) -> str:
    name = value.lower().replace("_", "-")
    return _ENCODINGS.get(name, name)


def _delimiter(value: str) -> str:
    value = "\t" if value.lower() in {"tab", r"\t"} else value
    if len(value) != 1 or not value.isascii() or value.isalnum() or value in "\"'\r\n\0":
        raise ValueError(f"must be one character, such as ; , | or the word tab, got {quoted(value)}")
    return value


def _no_bool(value: object) -> object:
    """Without this, true would be the number 1."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, got {quoted(value)}")  # noqa: TRY004 - pydantic collects ValueError
    return value


def _plain_number(value: object) -> object:
    """Without this, 1_0 would be ten euro."""
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise ValueError(f"must be a number, got {quoted(value)}")
    return _no_bool(value)


def _items(value: object) -> object:
    return tuple(item.strip() for item in value.split(",")) if isinstance(value, str) else value


def _in_order(value: tuple[str, ...]) -> tuple[str, ...]:
    if "none" in value and set(value) != {"none"}:
        raise ValueError(f"none stands alone: it buys nothing, got {', '.join(value)}")
    return tuple(product for product in _PRODUCTS if product in value)


def _names(value: object) -> object:
    """One name may stand without a list around it."""
    if not isinstance(value, str | list | tuple):
        raise ValueError(  # noqa: TRY004 - pydantic collects ValueError
            f"must be a column's name in quotes, or a list of up to {_MOST_COLUMNS}, got {quoted(value)}"
        )
    return (value,) if isinstance(value, str) else value


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value))


def _vat_number(value: str) -> str:
    number = re.sub(r"[\s.-]", "", value).upper()
    number = re.sub(r"^GR", "EL", number)
    if not value.isascii() or not re.fullmatch(rf"(?:{_STATES})[0-9A-Z+*]{{2,12}}", number):
        raise ValueError(f"must be your own VAT number, such as NL123456789B01, got {quoted(value)}")
    return number


def _comparisons(value: object) -> object:
    """A variable is one text: several are separated by semicolons."""
    texts = value.split(";") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f'must be a list such as ["name=Klantnaam"], got {quoted(value)}')
    return tuple(map(_comparison, texts))


def _comparison(text: str) -> Comparison:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{error}{did_you_mean(text.partition('=')[0].strip(), FIELDS)}") from None


def _each_field_once(value: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
    names = [each.field.name for each in value]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"compares {twice} twice; leave one out")
    return value


def _time_of_day(value: object) -> object:
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", value.strip()) if isinstance(value, str) else None
    if match is None and not isinstance(value, time):
        raise ValueError(f"must be a time of day, such as 06:00, got {quoted(value)}")
    return time(int(match[1]), int(match[2])) if match else value


Whole = Annotated[int, BeforeValidator(_no_bool)]
Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
Euro = Annotated[
    Decimal, BeforeValidator(_plain_number), Field(ge=0, le=1_000_000, decimal_places=6, allow_inf_nan=False)
]
ShareOfAll = Annotated[Decimal, BeforeValidator(_no_bool), Field(ge=0, le=1, decimal_places=4, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day)]
FilePath = Annotated[Path, BeforeValidator(_path)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
NotifyUrl = Annotated[SecretStr, BeforeValidator(_notify_url)]
AccountName = Annotated[str, AfterValidator(_account)]
Encoding = Annotated[
    str,
    AfterValidator(_encoding),
    one_of(("utf-8", "windows-1252", "iso-8859-1", "iso-8859-15", "cp850", "utf-16", "utf-16-le", "utf-16-be")),
]
Delimiter = Annotated[str, AfterValidator(_delimiter)]
KindName = Annotated[str, one_of(("auto", "kvk", "vat", "rsin", "branch"))]
SourceName = Annotated[str, one_of(("kvk", "kvk-test", "kvkbase", "practice"))]
FormatName = Annotated[str, one_of(("parquet", "csv", "xlsx"))]
DialectName = Annotated[str, one_of(("standard", "excel-nl"))]
LangName = Annotated[str, one_of(LANGS)]
ViesDialect = Literal["post", "get"]
VatNumber = Annotated[str, AfterValidator(_vat_number)]
Columns = Annotated[
    tuple[Text, ...],
    BeforeValidator(_names),
    AfterValidator(_each_once),
    Field(min_length=1, max_length=_MOST_COLUMNS),
]
Comparisons = Annotated[tuple[Comparison, ...], BeforeValidator(_comparisons), AfterValidator(_each_field_once)]
Fields = Annotated[
    tuple[Annotated[str, one_of(tuple(FIELDS))], ...], BeforeValidator(_items), AfterValidator(_each_once)
]
Products = Annotated[
    tuple[Annotated[str, one_of(_PRODUCTS)], ...],
    BeforeValidator(_items),
    AfterValidator(_in_order),
    Field(min_length=1),
]
