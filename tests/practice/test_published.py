import pytest

from kvk_enrich.practice import population, published


def body(number):
    """The Basisprofiel of a test number."""
    return population.basisprofiel(number, link_style="_links")


@pytest.mark.parametrize(
    ("number", "form"),
    [
        ("69599084", "Eenmanszaak"),
        ("68727720", "naamlozevennootschap"),
        ("68750110", "beslotenvennootschap"),
        ("69599068", "Stichting"),
        ("69599076", "vennootschaponderfirma"),
        ("55344526", "cooperatie"),
        ("90002520", "Kerkgenootschap"),
        ("90002490", "onderlingewaarborgmaatschappij"),
        ("90000749", "vereniging van eigenaars"),
        ("90001745", "Maatschap"),
        ("90003942", "commanditairevennootschap"),
        ("55505201", "overigeprivaatrechtelijkerechtspersoon"),
    ],
)
def test_a_test_number_has_the_legal_form_kvk_gives_it(number, form):
    """Spelling aside, as the register's own varies."""
    plain = body(number)["_embedded"]["eigenaar"]["rechtsvorm"].lower().replace("ö", "o").replace(" ", "")

    assert plain == form.lower().replace(" ", "")


@pytest.mark.parametrize("number", ["90004760", "90000749", "69599068", "55505201"])
def test_test_numbers_without_branch_have_none(number):
    """Their addresses are the owner's."""
    assert list(body(number)["_embedded"]) == ["eigenaar"]


def test_kvks_own_rsins_and_branch_numbers_are_kept():
    """They can be looked up as in KVK's test environment."""
    own = published.companies(0)

    assert population.company_by_rsin("992760562") == own["90001354"]
    assert population.company_by_branch("000037178598") == own["68750110"]


def test_the_shielded_test_number_has_its_post_only():
    """Its visiting address is left out."""
    assert [own["type"] for own in body("90001354")["_embedded"]["hoofdvestiging"]["adressen"]] == [
        "correspondentieadres"
    ]


def test_only_the_inactive_test_number_has_ended():
    """The others never do, however the dice fall."""
    assert [number for number, company in published.companies(0).items() if not company.active] == ["96354429"]


def test_the_big_test_number_has_a_thousand_branches():
    """As KVK's has."""
    assert len(published.companies(0)["90006577"].branches) == 1_000


def test_one_test_number_is_abroad():
    """In Spain, as in KVK's older lists."""
    (address,) = body("55344526")["_embedded"]["hoofdvestiging"]["adressen"]

    assert address["land"] == "Spanje"
