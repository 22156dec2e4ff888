from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.practice import numbering

INDEXES = st.integers(0, numbering.SIZE - 1)
SEEDS = st.integers(0, 50)


@given(INDEXES, SEEDS)
def test_a_kvk_number_leads_back_to_its_company(index, seed):
    """Scrambling can be turned round, for every company and population."""
    number = numbering.kvk_number(index, seed)

    assert len(number) == 8
    assert numbering.index_of_kvk(number, seed) == index


@given(INDEXES, SEEDS)
def test_an_rsin_passes_the_11_test_and_leads_back(index, seed):
    """RSINs have nine digits that the Tax Administration would accept, and belong to one company."""
    rsin = numbering.rsin(index, seed)

    assert len(rsin) == 9
    assert (
        sum(int(digit) * weight for digit, weight in zip(rsin, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
    ) % 11 == 0
    assert numbering.index_of_rsin(rsin, seed) == index


@given(INDEXES, st.integers(0, numbering.MOST_BRANCHES - 1), SEEDS)
def test_a_branch_number_leads_back_to_its_company(index, place, seed):
    """Branch numbers have twelve digits and belong to one company."""
    number = numbering.branch_number(index, place, seed)

    assert len(number) == 12
    assert numbering.index_of_branch(number, seed) == index


@given(st.integers(0, 99_999_999))
def test_a_number_is_a_company_or_nobody(number):
    """Turning round never gives a place outside the population, nor one with another number."""
    index = numbering.index_of_kvk(f"{number:08}", 0)

    assert index is None or numbering.kvk_number(index, 0) == f"{number:08}"


def test_an_rsin_with_another_check_digit_is_nobodys():
    """The last two digits are looked at too."""
    rsin = numbering.rsin(7, 0)

    assert numbering.index_of_rsin(f"{rsin[:8]}{(int(rsin[8]) + 1) % 10}", 0) is None
