"""README.md: its console blocks were run as they stand, its tables are those of the program, its names exist."""

import doctest
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from tests.docs import readme

from kvk_enrich.cli import app
from kvk_enrich.config.checks import PRODUCTS
from kvk_enrich.config.sections import Sections
from kvk_enrich.errors import ExitCode
from kvk_enrich.registers.kvkbase import TOKENS

_CHANGING = (
    (r"\b\d{8}T\d{6}-[0-9a-f]{6}\b", "RUN"),
    (r"\b20\d\d-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?Z?)?)?", "MOMENT"),
    (r"\b20\d\d-\d\d\b", "MONTH"),
    (r"\bafter (?:\d+\.\d s|\d+ min \d\d s)", "after SECONDS"),
    (r"\babout (?:\d+\.\d s|\d+ min \d\d s)", "about SECONDS"),
    (r"\b[0-9a-f]{64}\b", "SHA256"),
)


def _settled(command: str, output: str) -> str:
    for pattern, word in _CHANGING:
        output = re.sub(pattern, word, output)
    return f"$ {command}\n{output}"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A reader who does not wait for the practice registers."""
    return readme.Reader(
        tmp_path_factory.mktemp("machine"),
        KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS="0",
        KVK_ENRICH_SOURCE_VIES_REQUESTS_PER_SECOND="100",
    )


@pytest.mark.slow
def test_every_block_printed_what_it_shows(reader):
    """Who types what stands there, in that order, sees what stands there; renew it with python -m tests.docs.readme."""
    shown = readme.shown()
    printed = [_settled(command, reader.types(command)) for command, _ in shown]
    assert printed == [_settled(command, output) for command, output in shown]


@pytest.mark.slow
def test_the_program_shown_does_what_it_shows(tmp_path, monkeypatch):
    """Who pastes it gets what stands there."""
    (program,) = re.findall(r"^```pycon\n(.*?)^```$", readme.TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "data").symlink_to(readme.ROOT / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KVK_ENRICH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS", "0")
    example = doctest.DocTestParser().get_doctest(program, {}, "README.md", None, None)
    assert doctest.DocTestRunner().run(example).failed == 0


def test_products_and_prices_are_those_of_the_program():
    """Who can be asked for what, and what it costs unless the configuration says otherwise."""
    (price,) = Sections().source.kvk.price_eur
    kvk = dict.fromkeys(PRODUCTS["kvk"], str(price.price_eur)) | {"vat": "free", "none": "free"}
    asked = {"basisprofiel": "enriched", "vestigingen": "kvkbase-branches", "vat": "validate-vat"}
    tokens = {product: str(TOKENS[asked.get(product, product)]) for product in PRODUCTS["kvkbase"]}
    assert {
        name.strip("`"): [cell.removesuffix(" (default)") for cell in cells]
        for name, _, *cells in readme.table("product")
    } == {name: [kvk.get(name, ""), tokens.get(name, "")] for name in kvk | tokens}


def test_exit_codes_are_those_of_the_program():
    """Every code is told, and no other."""
    assert [int(code) for code, _ in readme.table("code")] == sorted(ExitCode)


def _tree(command, name: str = "kvk-enrich") -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from _tree(inner, f"{name} {word}")


_TREE = dict(_tree(typer.main.get_command(app)))
_GROUPS = {name for name, command in _TREE.items() if hasattr(command, "commands")}


def test_every_command_is_named():
    """Each stands in the table of commands."""
    told = "\n".join(first for first, _ in readme.table("command"))
    assert [name for name in _TREE if f"`{name}" not in told] == []


def test_every_command_that_is_named_exists():
    """Neither a block nor a table speaks of a command that is still to come."""
    named = re.findall(r"(?<![/\w-])kvk-enrich ([a-z]+)(?: ([a-z]+))?", readme.CODE)
    full = {
        f"kvk-enrich {one} {two}" if f"kvk-enrich {one}" in _GROUPS and two else f"kvk-enrich {one}"
        for one, two in named
    }
    assert full - _TREE.keys() == set()


def test_every_flag_that_is_named_exists():
    """Flags are spelled as the program spells them."""
    options = {flag for command in _TREE.values() for parameter in command.params for flag in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", readme.CODE)) - options - {"--help"} == set()


def test_every_make_target_is_named_and_exists():
    """What the README lists is what the Makefile has."""
    makefile = (readme.ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"\bmake ([a-z]+)", readme.CODE)) == set(
        re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE)
    )


def test_every_link_leads_somewhere():
    """Files that are linked exist, and so do headings."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme.TEXT) if not link.startswith("https://")]
    assert [link for link in links if not _leads_somewhere(link)] == []


def _leads_somewhere(link: str) -> bool:
    file, _, heading = link.partition("#")
    target = readme.ROOT / file if file else readme.FILE
    if not heading:
        return target.exists()
    heads = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return heading in {head.lower().replace(" ", "-") for head in heads}
