"""Two languages: Dutch of all that analysts are told, in the same words with the same places."""

import ast
import string
import tomllib
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest

from kvk_enrich.columns import ENRICH, PRODUCTS
from kvk_enrich.compare import parse
from kvk_enrich.lang import ENGLISH, of_locale, words
from kvk_enrich.reasons import FLAGS, REASONS
from kvk_enrich.write import compared
from kvk_enrich.write.report.words import WORDS

PARTS = tomllib.loads(files("kvk_enrich.lang").joinpath("nl.toml").read_text(encoding="utf-8"))
DUTCH = words("nl")
SOURCE = Path(__file__).parents[2] / "src" / "kvk_enrich"


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def _said() -> set[str]:
    """Return the texts that the program hands to words, as its source has them."""
    calls = [
        node
        for file in SOURCE.rglob("*.py")
        if "kvk_enrich.lang" in (text := file.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", None)) in {"words", "_words"}
    ]
    texts = {
        part.value for call in calls if call.args for part in ast.walk(call.args[0]) if isinstance(part, ast.Constant)
    }
    return {text for text in texts if isinstance(text, str) and len(text) > 2}


def test_every_reason_flag_and_column_has_dutch():
    """What stands in cells, comments and reports."""
    said = [text for reason in REASONS.values() for text in (reason.sentence, reason.what_to_do)]
    said += FLAGS.values()
    columns = [column for each in (ENRICH, *PRODUCTS.values()) for column in each]
    said += [column.meaning for column in columns]
    said += [column.source for column in columns if set(column.source.split()) & {"by", "no", "with"}]
    unchanged = {"name", "postcode"} & DUTCH.texts.keys()
    assert {text for text in said if text not in DUTCH.texts} - unchanged == set()


def test_every_text_of_the_program_has_dutch():
    """Whatever is handed to words is in the file."""
    assert {text for text in _said() if text not in DUTCH.texts} - {"en", "nl"} == set()


def test_places_are_the_same():
    """A value is neither lost nor asked for in vain."""
    texts = {english: told for name, part in PARTS.items() if name != "nouns" for english, told in part.items()}
    assert {english for english, told in texts.items() if _places(english) != _places(told)} == set()


def test_every_word_of_the_report_has_dutch():
    """The same names, with the same places."""
    assert WORDS.keys() == DUTCH.page.keys()
    assert {name for name, told in DUTCH.page.items() if _places(told) != _places(WORDS[name])} == set()


def test_a_text_has_one_translation():
    """The parts of the file do not contradict each other, and none is empty."""
    pairs = [pair for name, part in PARTS.items() if name != "nouns" for pair in part.items()]
    assert len({english for english, _ in pairs}) == len(pairs)
    assert all(told for _, told in pairs)


def test_dutch_addresses_nobody():
    """Short and to the point: neither u nor je."""
    told = " ".join(DUTCH.texts.values()).lower()
    assert {"u", "uw", "je", "jij", "jouw"} & set(told.replace(".", " ").replace(",", " ").split()) == set()


@pytest.mark.parametrize(
    ("environ", "lang"),
    [
        ({}, "en"),
        ({"LANG": "nl_NL.UTF-8"}, "nl"),
        ({"LANG": "nl_NL.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "nl"}, "nl"),
        ({"LC_ALL": "", "LANG": "nl_BE@euro"}, "nl"),
        ({"LANG": "nld"}, "en"),
    ],
)
def test_the_locale_decides(environ: dict[str, str], lang: str):
    """The first of three variables that is set, as POSIX has it."""
    assert of_locale(environ) == lang


def test_figures_are_written_as_the_language_has_them():
    """Points and commas change places."""
    assert (ENGLISH.euro(Decimal("1234.5")), DUTCH.euro(Decimal("1234.5"))) == ("1,234.50", "1.234,50")
    assert (ENGLISH.count(1, "row"), DUTCH.count(2, "row")) == ("1 row", "2 rijen")
    assert (DUTCH.duration(3.25), DUTCH.duration(125)) == ("3,2 s", "2 min 05 s")


@pytest.mark.parametrize(
    ("english", "dutch"),
    [
        ("label removed; zero added in front", "label verwijderd; nul ervoor gezet"),
        ("column 'KVK': label removed; zero added in front", "kolom 'KVK': label verwijderd; nul ervoor gezet"),
        ("something new", "something new"),
    ],
)
def test_notes_that_are_put_together(english: str, dutch: str):
    """Each repair is known by itself; what is not known stays as it is."""
    assert DUTCH.note(english) == dutch


def test_sentences_that_are_filled_in():
    """Notes of the readers, why a run stopped, and what a column tells of one of the list's own."""
    assert DUTCH.said("Stopped by SIGINT.") == "Gestopt door SIGINT."
    assert DUTCH.said("Columns are separated by ';'.") == "De kolommen zijn gescheiden door ';'."
    (told,) = compared.columns([parse("name=Naam")])
    assert DUTCH.said(told.meaning) == "hoe 'Naam' verschilt van het veld 'name' van het register"
