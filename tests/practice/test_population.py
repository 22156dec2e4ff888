import json
from itertools import islice

import pytest

from kvk_enrich.practice import numbering, population, published
from kvk_enrich.practice.forms import FORMS

MANY = 4_000


@pytest.fixture(scope="module")
def bodies():
    """The Basisprofielen of the first numbers, in the order of the population."""
    return [population.basisprofiel(number, link_style="links") for number in islice(population.numbers(), MANY)]


def main_part(body):
    """The part that holds the addresses: the main branch, or the owner where there is none."""
    return body["_embedded"].get("hoofdvestiging", body["_embedded"]["eigenaar"])


def addresses(bodies):
    """All addresses in *bodies*."""
    return [address for body in bodies for address in main_part(body)["adressen"]]


def rows(predicate, bodies):
    """Those of *bodies* that *predicate* is true of."""
    return [body for body in bodies if predicate(body)]


def test_about_three_million_numbers_exist():
    """Of evenly spread 8-digit numbers, three in a hundred exist."""
    tried = range(0, 100_000_000, 9_973)

    assert sum(population.exists(f"{number:08}") for number in tried) / len(tried) == pytest.approx(0.03, abs=0.005)


def test_numbers_exist_are_different_and_can_be_skipped_to():
    """Enumeration gives existing numbers only, none twice; starting later gives the same ones."""
    first = list(islice(population.numbers(), 1_000))

    assert len(set(first)) == 1_000
    assert all(population.exists(number) for number in first)
    assert list(islice(population.numbers(990), 10)) == first[990:]


def test_numbers_come_scrambled_and_with_leading_zeros():
    """Neighbours in the population are far apart, and a tenth begins with a zero."""
    first = list(islice(population.numbers(), 1_000))

    assert first != sorted(first)
    assert sum(number.startswith("0") for number in first) / 1_000 == pytest.approx(0.1, abs=0.02)


def test_numbers_leave_out_those_that_stand_for_nothing():
    """Where the scrambling would give one to a company, that company has no number; at the end they end."""
    seed = next(seed for seed in range(10**4) if numbering.index_of_kvk("12345678", seed) is not None)
    index = numbering.index_of_kvk("12345678", seed)
    assert index is not None

    assert next(population.numbers(index, seed=seed)) == numbering.kvk_number(index + 1, seed)
    assert len(list(population.numbers(numbering.SIZE - 3))) == 3


def test_the_same_number_is_the_same_company_every_time():
    """Nothing remembers, nothing draws: the body is equal byte for byte, in both ways of writing links."""
    for style in ("links", "_links"):
        once, again = (json.dumps(population.basisprofiel("27182818", link_style=style)) for _ in range(2))
        assert once == again


def test_another_seed_is_another_population():
    """Seeds share neither numbers nor names."""
    assert next(population.numbers(seed=1)) != next(population.numbers())


def test_numbers_that_stand_for_nothing_never_exist():
    """Placeholders and KVK's examples of unknown numbers are nobody's, in any population."""
    for seed in range(5):
        assert not any(population.exists(number, seed=seed) for number in published.UNKNOWN)


def test_every_legal_form_occurs(bodies):
    """All spellings of all thirteen forms are there."""
    seen = {
        (owner["rechtsvorm"], owner["uitgebreideRechtsvorm"])
        for owner in (body["_embedded"]["eigenaar"] for body in bodies)
    }

    assert seen == {spelling for form in FORMS for spelling in form.spellings}


def test_a_sole_trader_has_neither_rsin_nor_statutory_name(bodies):
    """As in the register: the owner is a person."""
    sole_traders = rows(lambda body: body["_embedded"]["eigenaar"]["rechtsvorm"] == "Eenmanszaak", bodies)

    assert sole_traders
    assert not any("rsin" in body["_embedded"]["eigenaar"] or "statutaireNaam" in body for body in sole_traders)


def test_an_entity_without_branch_has_its_addresses_at_the_owner(bodies):
    """No main branch, no trade names, no staff, no link to branches."""
    without = rows(lambda body: "hoofdvestiging" not in body["_embedded"], bodies)

    assert 0.1 < len(without) / MANY < 0.3
    for body in without:
        assert body["_embedded"]["eigenaar"]["adressen"]
        assert body.keys().isdisjoint({"handelsnamen", "totaalWerkzamePersonen"})
        assert [link["rel"] for link in body["links"]] == ["self"]


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ("ended", lambda body: "datumEinde" in body["materieleRegistratie"]),
        ("ended in a month only", lambda body: body["materieleRegistratie"].get("datumEinde", "").endswith("00")),
        ("struck off", lambda body: "datumUitschrijving" in body["_embedded"]["eigenaar"]),
        ("start, day unknown", lambda body: body["materieleRegistratie"]["datumAanvang"][4:].endswith("00")),
        ("start, month unknown", lambda body: body["materieleRegistratie"]["datumAanvang"].endswith("0000")),
        ("start unknown", lambda body: body["materieleRegistratie"]["datumAanvang"] == "00000000"),
        ("post only", lambda body: {own["type"] for own in main_part(body)["adressen"]} == {"correspondentieadres"}),
        ("shielded", lambda body: any(own["indAfgeschermd"] == "Ja" for own in main_part(body)["adressen"])),
        ("post first", lambda body: main_part(body)["adressen"][0]["type"] == "correspondentieadres"),
        ("many activities", lambda body: len(body["sbiActiviteiten"]) > 5),
        ("websites", lambda body: len(main_part(body).get("websites", [])) > 1),
        ("no mailing", lambda body: body["indNonMailing"] == "Ja"),
        ("staff unknown", lambda body: "hoofdvestiging" in body["_embedded"] and "totaalWerkzamePersonen" not in body),
        (
            "names out of order",
            lambda body: (order := [name["volgorde"] for name in body.get("handelsnamen", [])]) != sorted(order),
        ),
    ],
)
def test_every_odd_shape_occurs(bodies, shape, fits):
    """A reader of answers meets everything that is known to occur."""
    assert rows(fits, bodies), shape


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ("foreign", lambda own: {"straatHuisnummer", "postcodeWoonplaats", "land"} <= own.keys()),
        ("foreign with a region", lambda own: "regio" in own),
        ("P.O. box", lambda own: "postbusnummer" in own and own.get("straatnaam") == "Postbus"),
        ("P.O. box without street", lambda own: "postbusnummer" in own and "straatnaam" not in own),
        ("a run of blanks", lambda own: " " * 33 in own.get("volledigAdres", "")),
        ("house letter", lambda own: "huisletter" in own),
        ("house number addition", lambda own: "huisnummerToevoeging" in own),
        ("an extra line", lambda own: "toevoegingAdres" in own),
        ("shielded, in full", lambda own: own["indAfgeschermd"] == "Ja" and "straatnaam" in own),
        ("shielded, bare", lambda own: own["indAfgeschermd"] == "Ja" and "volledigAdres" not in own),
    ],
)
def test_every_kind_of_address_occurs(bodies, shape, fits):
    """Addresses come in all the forms that were ever seen."""
    assert [address for address in addresses(bodies) if fits(address)], shape


def test_nothing_is_null(bodies):
    """Empty fields are absent, as in the register."""
    assert "null" not in json.dumps(bodies)


def test_geo_data_is_there_when_asked():
    """Coordinates lie in the sea; P.O. boxes and places abroad have zeros, as seen in production."""
    bodies = [
        population.basisprofiel(number, link_style="links", geo=True) for number in islice(population.numbers(), 300)
    ]
    by_kind = {"postbusnummer" in address: address["geoData"] for address in addresses(bodies)}

    assert by_kind[False]["addresseerbaarObjectId"].isdecimal()
    assert by_kind[True] == {
        "addresseerbaarObjectId": None,
        "nummerAanduidingId": None,
        "gpsLatitude": 0.0,
        "gpsLongitude": 0.0,
        "rijksdriehoekX": 0.0,
        "rijksdriehoekY": 0.0,
        "rijksdriehoekZ": 0.0,
    }


def test_companies_are_found_by_their_other_numbers():
    """An RSIN and a branch number lead to the company that has them."""
    for number in islice(population.numbers(), 200):
        company = population.company(number)
        assert company is not None
        if company.rsin is not None:
            assert population.company_by_rsin(company.rsin) == company
        for branch in company.branches:
            assert population.company_by_branch(branch.number) == company


def test_nobodys_rsin_and_branch_number_are_nobodys():
    """A valid RSIN that KVK documents as unknown, and branch numbers never given out."""
    assert population.company_by_rsin("123456782") is None
    assert population.company_by_branch("665544332211") is None
