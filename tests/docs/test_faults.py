"""docs/faults.md: the whole catalogue, as the tests play it."""

from tests.docs import faults
from tests.faults.catalogue import PARTS


def test_every_number_is_played_or_says_why_not():
    """No fault of the catalogue is forgotten."""
    known = faults.rows()
    assert [number for numbers in PARTS.values() for number in numbers if number not in known] == []


def test_the_page_is_what_the_tests_say():
    """Renew it with python -m tests.docs.faults."""
    assert faults.FILE.read_text(encoding="utf-8") == faults.rendered()
