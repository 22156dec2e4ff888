"""docs/columns.md: every column and every code of the program, in its words."""

from tests.docs import columns

from kvk_enrich.columns import PRODUCTS
from kvk_enrich.reasons import FLAGS, REASONS


def test_the_page_is_what_the_program_says():
    """Name, type, meaning and source of every column; renew it with python -m tests.docs.columns."""
    assert columns.FILE.read_text(encoding="utf-8") == columns.rendered()


def test_every_product_has_a_part():
    """A new product's columns are told too."""
    page = columns.rendered()
    assert [product for product in PRODUCTS if f"## {product}\n" not in page] == []


def test_every_code_is_told():
    """Who meets a code in a file finds it on the page."""
    page = columns.rendered()
    assert [code for code in [*FLAGS, *REASONS] if f"| `{code}` |" not in page] == []
