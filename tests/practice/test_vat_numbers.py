"""Who has which VAT number: right check digits, the same holders every time."""

import pytest
from stdnum.eu import vat
from stdnum.nl import bsn

from kvk_enrich.practice import population
from kvk_enrich.practice.vat_numbers import (
    STATES,
    UNDISCLOSED,
    Holder,
    holder,
    is_well_made,
    numbers,
    sole_trader_numbers,
)

_SECRET = Holder(UNDISCLOSED, UNDISCLOSED)


@pytest.mark.parametrize("state", STATES)
def test_numbers_of_every_state_have_right_check_digits(state):
    """Valid ones are somebody's, the others nobody's; all different, the same each time."""
    valid, invalid = numbers(state, 10), numbers(state, 3, valid=False)
    assert len({*valid, *invalid}) == 13
    assert all(vat.is_valid(number.replace("EL", "GR", 1)) for number in valid + invalid)
    assert all(holder(number) for number in valid)
    assert not any(holder(number) for number in invalid)
    assert numbers(state, 5) == valid[:5]


def test_a_number_with_a_wrong_check_digit_is_nobodys():
    """However many are asked for."""
    valid = numbers("PT", 40)
    wrong = [f"{number[:-1]}{(int(number[-1]) + 1) % 10}" for number in valid]
    assert not any(is_well_made(number) or holder(number) for number in wrong)


def test_a_dutch_legal_person_has_the_number_of_its_rsin_while_it_is_active():
    """Those that ended have none, and neither has B02."""
    seen = set()
    for kvk_number, _ in zip(population.numbers(), range(400), strict=False):
        company = population.company(kvk_number)
        if company is None or company.rsin is None:
            continue
        found = holder(f"NL{company.rsin}B01")
        assert (found is not None) is company.active
        if found is not None:
            assert found.name == company.name.upper()
            assert holder(f"NL{company.rsin}B02") is None
        seen.add(company.active)
    assert seen == {True, False}


def test_sole_traders_have_numbers_in_which_no_citizen_number_is():
    """They pass the test of 2020 and never the 11-test; the seed decides who has which."""
    traders = sole_trader_numbers(20)
    assert len(set(traders)) == 20
    for number in traders:
        assert vat.is_valid(number)
        assert not bsn.is_valid(number[2:11])
        assert holder(number) not in {None, _SECRET}
        assert holder(number, sole_traders=False) == _SECRET
    assert sole_trader_numbers(20, seed=1) != traders
    assert all(holder(number) is None for number in sole_trader_numbers(3, valid=False))


@pytest.mark.parametrize(
    "number", ["", "NL", "GR094259216", "GB980780684", "NL12", "nl000099998b57", "NL000099998 B57"]
)
def test_what_is_no_number_is_nobodys(number):
    """Also what a tolerant reader would take for one."""
    assert holder(number) is None
    assert not is_well_made(number)
