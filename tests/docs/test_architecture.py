"""docs/architecture.md: names every part of the program, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_part_of_the_program_is_named():
    """A new module or folder gets its place in the document."""
    package = ROOT / "src" / "kvk_enrich"
    parts = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    parts |= {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    assert {part for part in parts if f"`{part}`" not in ARCHITECTURE} == set()


def test_every_file_that_is_named_exists():
    """The document does not speak of what is gone."""
    named = set(re.findall(r"`([\w./-]+\.(?:py|toml|md)|[a-z_]+/)`", ARCHITECTURE))
    places = (ROOT, ROOT / "src" / "kvk_enrich", ROOT / "docs")
    assert {name for name in named if not any((place / name).exists() for place in places)} == set()


def test_every_test_that_is_named_exists():
    """Each invariant is still held by the tests that the document names."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", ARCHITECTURE)
    missing = [name for file, name in named if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")]
    assert named
    assert missing == []


def test_every_table_of_the_journal_is_named():
    """Who opens the file finds in the document what each table is for."""
    schema = (ROOT / "src" / "kvk_enrich" / "state" / "schema.sql").read_text(encoding="utf-8")
    tables = re.findall(r"^CREATE TABLE (\w+)", schema, re.MULTILINE)
    assert [name for name in tables if f"| `{name}` |" not in ARCHITECTURE] == []
