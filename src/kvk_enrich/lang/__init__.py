"""
The languages in which people are told things: English stands where it is said, Dutch is looked up by it.

``nl.toml`` holds the Dutch of each text, in parts that are named after the places where they are said, and
``report.nl.toml`` that of the report, whose words have names. A text that is not there stays English. What programs
read (codes, names of columns, JSON, logs) is never looked up.

Example:
    >>> dutch = words("nl")
    >>> dutch("The cell is empty."), dutch.count(1200, "row"), dutch.euro(Decimal("1234.5"))
    ('De cel is leeg.', '1.200 rijen', '1.234,50')
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final, Literal

Lang = Literal["en", "nl"]
LANGS: Final[tuple[Lang, ...]] = ("en", "nl")

_NOUNS: Final = "nouns"
_SENTENCES: Final = "sentences"
"""The part with what comes filled in: notes, and why a run stopped."""

_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys instead of showing it, and what turns the direction of text; lines and tabs are ours."""

_DUTCH_SIGNS: Final = str.maketrans(",.", ".,")


def printable(text: str) -> str:
    r"""Return *text* with what a terminal would obey written out (``\x1b``): names and paths are others' words."""
    return _UNSEEN.sub(lambda sign: f"\\x{ord(sign[0]):02x}", text)


@dataclass(frozen=True, slots=True)
class Words:
    """
    One language.

    Args:
        lang: ``en`` or ``nl``, as in HTML.
        texts: From English.
        nouns: From the English singular to singular and plural.
        sentences: From English with names in braces.
        page: The words of the report by their names; those of English stand there.
    """

    lang: Lang = "en"
    texts: Mapping[str, str] = field(default_factory=dict)
    nouns: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sentences: Mapping[str, str] = field(default_factory=dict)
    page: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, text: str, /, **values: object) -> str:
        """Return *text* in this language, with *values* at its names in braces."""
        told = self.texts.get(text, text)
        return told.format(**values) if values else told

    def said(self, sentence: str) -> str:
        """Return a *sentence* that comes from elsewhere, filled in already."""
        if sentence in self.texts:
            return self.texts[sentence]
        for english, told in self.sentences.items():
            found = _pattern(english).fullmatch(sentence)
            if found:
                return told.format(**{name: self.said(value) for name, value in found.groupdict().items()})
        return sentence

    def note(self, note: str) -> str:
        """Return a text, or repairs that are joined by semicolons, in this language."""
        return self.texts.get(note) or "; ".join(map(self.said, note.split("; ")))

    def code(self, code: str) -> str:
        """Return a code, such as an outcome, as words."""
        return self(code.replace("_", " "))

    def count(self, number: int, noun: str) -> str:
        """Return *number* and *noun*, singular or plural."""
        one, more = self.nouns.get(noun, (noun, f"{noun}s"))
        return f"{self.number(number)} {one if number == 1 else more}"

    def number(self, number: int) -> str:
        """Return *number* with its thousands parted."""
        return self._signs(f"{number:,}")

    def euro(self, amount: Decimal) -> str:
        """Return *amount* in euro and cents."""
        return self._signs(f"{amount:,.2f}")

    def duration(self, seconds: float) -> str:
        """Return *seconds* as a person would say them."""
        if seconds < 60:  # noqa: PLR2004 - seconds of a minute
            return self._signs(f"{seconds:.1f} s")
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02} s"

    def _signs(self, figure: str) -> str:
        return figure.translate(_DUTCH_SIGNS) if self.lang == "nl" else figure


ENGLISH: Final = Words()


@cache
def words(lang: str) -> Words:
    """Return the words of the language *lang*."""
    if lang == "en":
        return ENGLISH
    parts, page = (
        tomllib.loads((files(__package__) / name).read_text("utf-8")) for name in ("nl.toml", "report.nl.toml")
    )
    nouns = {noun: (one, more) for noun, (one, more) in parts.pop(_NOUNS).items()}
    texts = {english: told for part in parts.values() for english, told in part.items()}
    return Words("nl", texts, nouns, parts[_SENTENCES], page)


def of_locale(environ: Mapping[str, str]) -> Lang:
    """Return the language of the locale: of LC_ALL, else LC_MESSAGES, else LANG, as POSIX has it."""
    locale = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "nl" if re.match(r"nl(?![a-z])", locale, re.IGNORECASE) else "en"


@cache
def _pattern(english: str) -> re.Pattern[str]:
    return re.compile("".join(_parts(english)), re.DOTALL)


def _parts(english: str) -> Iterator[str]:
    for place, part in enumerate(re.split(r"\{(\w+)\}", english)):
        yield f"(?P<{part}>.+?)" if place % 2 else re.escape(part)
