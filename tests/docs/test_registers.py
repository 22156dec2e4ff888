"""docs/registers.md: what it names exists."""

import re

from tests.docs import readme

from kvk_enrich.columns import PRODUCTS
from kvk_enrich.config import KEYS
from kvk_enrich.reasons import FLAGS, REASONS

PAGE = (readme.ROOT / "docs" / "registers.md").read_text(encoding="utf-8")
CODE = re.findall(r"`([^`\n]+)`", PAGE)
_COLUMNS = {column.name for columns in PRODUCTS.values() for column in columns}


def test_every_code_that_is_named_exists():
    """Words with an underscore are codes, columns or keys of the program."""
    keys = {key.rsplit(".", 1)[-1] for key in KEYS}
    named = {word for word in CODE if re.fullmatch(r"[a-z]+(?:_[a-z]+)+", word)}
    assert named - REASONS.keys() - FLAGS.keys() - _COLUMNS - keys == set()


def test_every_link_leads_somewhere():
    """Files that are linked exist."""
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", PAGE)]
    assert [link for link in links if not (readme.ROOT / "docs" / link).exists()] == []
