"""README.md: its console blocks were run as they stand, its tables are those of the program, its names exist."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from tests.docs import readme

from kvk_enrich.cli import app
from kvk_enrich.errors import ExitCode

_CHANGING = (
    (r"\b\d{8}T\d{6}-[0-9a-f]{6}\b", "RUN"),
    (r"\b20\d\d-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?Z?)?)?", "MOMENT"),
    (r"\b20\d\d-\d\d\b", "MONTH"),
    (r"\bafter (?:\d+\.\d s|\d+ min \d\d s)", "after SECONDS"),
    (r"\b[0-9a-f]{64}\b", "SHA256"),
)
_LATER = {"inspect", "explain", "cache", "diff", "verify"}


def _settled(command: str, output: str) -> str:
    for pattern, word in _CHANGING:
        output = re.sub(pattern, word, output)
    return f"$ {command}\n{output}"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A reader who does not wait for the practice register's latency."""
    return readme.Reader(tmp_path_factory.mktemp("machine"), KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS="0")


def test_every_block_printed_what_it_shows(reader):
    """Who types what stands there, in that order, sees what stands there; renew it with python -m tests.docs.readme."""
    shown = readme.shown()
    printed = [_settled(command, reader.types(command)) for command, _ in shown]
    assert printed == [_settled(command, output) for command, output in shown]


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


def test_what_is_still_to_come_is_still_to_come():
    """A command that has arrived leaves the section Not yet."""
    assert {word for name in _TREE for word in name.split()} & _LATER == set()


def test_every_flag_that_is_named_exists():
    """Flags are spelled as the program spells them."""
    options = {flag for command in _TREE.values() for parameter in command.params for flag in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", readme.CODE)) - options - {"--help"} == set()


def test_every_make_target_is_named_and_exists():
    """What the README lists is what the Makefile has."""
    makefile = (readme.ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"\bmake ([a-z]+)", readme.CODE)) == set(
        re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE)
    )


def test_every_link_leads_somewhere():
    """Files that are linked exist, and so do headings."""
    headings = {"#" + head.lower().replace(" ", "-") for head in re.findall(r"^#+ (.+)$", readme.TEXT, re.MULTILINE)}
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme.TEXT) if not link.startswith("https://")]
    assert [link for link in links if link not in headings and not (readme.ROOT / link).exists()] == []
