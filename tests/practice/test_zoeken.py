import pytest

from kvk_enrich.practice import population, published


@pytest.fixture
def rows(register):
    """A function that asks Zoeken and returns its rows; none where it says there are none."""
    ask = register(requests_per_second=1_000)

    def search(query):
        response = ask(f"/v2/zoeken?{query}")
        if response.status_code == 404:
            assert response.json()["fout"][0]["code"] == "IPD5200"
            return []
        assert response.status_code == 200
        return response.json()["resultaten"]

    return search


def types(found):
    """What the rows are, in any order."""
    return sorted(row["type"] for row in found)


def test_one_kvk_number_gives_several_rows(rows):
    """The legal person, its main branch (not first) and the other one; the filter on type narrows them."""
    found = rows("kvkNummer=68750110")

    assert types(found) == ["hoofdvestiging", "nevenvestiging", "rechtspersoon"]
    assert found[0]["type"] != "hoofdvestiging"
    assert {row["kvkNummer"] for row in found} == {"68750110"}
    assert types(rows("kvkNummer=68750110&type=hoofdvestiging&type=rechtspersoon")) == [
        "hoofdvestiging",
        "rechtspersoon",
    ]


def test_parameter_names_have_no_capitals_that_matter(rows):
    """As KVK echoes them in small letters."""
    assert rows("KVKNUMMER=68750110") == rows("kvknummer=68750110")


def test_the_rsin_is_shown_only_when_asked(rows):
    """The shielded test number: found by RSIN, with the town of its post and nothing more."""
    (row,) = rows("rsin=992760562")

    assert (row["kvkNummer"], row["rsin"], row["vestigingsnummer"]) == ("90001354", "992760562", "990000541921")
    assert row["adres"]["binnenlandsAdres"].keys() == {"type", "plaats"}
    assert "rsin" not in rows("kvkNummer=90001354")[0]


def test_a_branch_number_gives_its_own_row_only(rows):
    """Not those of the company's other branches."""
    (row,) = rows("vestigingsnummer=000038509520")

    assert (row["kvkNummer"], row["type"]) == ("69599084", "nevenvestiging")


def test_numbers_of_the_population_are_found_too(rows):
    """Any of the millions, by its RSIN."""
    companies = (population.company(number) for number in population.numbers(2_000_000))
    company = next(company for company in companies if company is not None and company.rsin and company.active)

    assert {row["kvkNummer"] for row in rows(f"rsin={company.rsin}")} == {company.number}


@pytest.mark.parametrize("query", ["rsin=123456782", "vestigingsnummer=665544332211", "kvkNummer=90004333", "naam=Qqq"])
def test_what_nobody_has_is_not_found(rows, query):
    """A 404 with a code of its own, not an empty list."""
    assert rows(query) == []


def test_the_inactive_are_shown_on_request(rows):
    """And then every row says which it is."""
    assert rows("kvkNummer=96354429") == []
    assert {row["actief"] for row in rows("kvkNummer=96354429&InclusiefInactieveRegistraties=true")} == {"Nee"}
    assert {row["actief"] for row in rows("kvkNummer=68750110&inclusiefInactieveRegistraties=true")} == {"Ja"}


def test_names_are_found_by_whole_words(rows):
    """Capitals aside; a beginning of a word is not enough."""
    name = published.companies(0)["69599068"].name
    word = max(name.split(), key=len)

    assert "69599068" in {row["kvkNummer"] for row in rows(f"naam={name.upper()}&resultatenPerPagina=100")}
    assert "69599068" not in {row["kvkNummer"] for row in rows(f"naam={word[:-2]}&resultatenPerPagina=100")}


def test_places_are_found_and_shown_in_full_when_asked_in_full(rows):
    """Postcode and house number are in the rows only when they were in the question."""
    address = next(own for own in published.companies(0)["68750110"].branches[0].addresses if own.kind == "bezoekadres")

    (row, *_) = rows(f"postcode={address.postcode}&huisnummer={address.house_number}")
    assert row["adres"]["binnenlandsAdres"]["huisnummer"] == address.house_number
    found = rows(f"plaats={address.town}&straatnaam={address.street}&resultatenPerPagina=100")
    assert "68750110" in {row["kvkNummer"] for row in found}
    assert "postcode" not in found[0]["adres"]["binnenlandsAdres"]


def test_an_address_abroad_has_a_shape_of_its_own(rows):
    """Street with number, and town with postcode."""
    found = rows("kvkNummer=55344526&type=hoofdvestiging")

    assert found[0]["adres"]["buitenlandsAdres"]["land"] == "Spanje"


def test_pages_are_linked(register):
    """To and fro, with everything that was asked; the total is that of all pages."""
    ask = register()
    first = ask("/v2/zoeken?kvkNummer=90006577&resultatenPerPagina=100").json()
    second = ask(first["volgende"].removeprefix("http://practice.test/api")).json()

    assert "vorige" not in first
    assert (first["totaal"], len(first["resultaten"])) == (second["totaal"], 100)
    assert second["pagina"] == 2
    assert ask(second["vorige"].removeprefix("http://practice.test/api")).json() == first


def test_no_more_than_a_thousand_rows_can_be_reached(register):
    """The tenth page of a hundred is the last."""
    ask = register()
    last = ask("/v2/zoeken?kvkNummer=90006577&resultatenPerPagina=100&pagina=10").json()

    assert "volgende" not in last
    assert ask("/v2/zoeken?kvkNummer=90006577&resultatenPerPagina=100&pagina=11").status_code == 404


def test_a_search_for_nothing_finds_all(rows):
    """KVK accepts a question without any criterion."""
    assert len(rows("resultatenPerPagina=100")) == 100


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("kvkNummer=1", 400, "IPD0004"),
        ("rsin=12345678", 400, "IPD0010"),
        ("vestigingsnummer=1", 400, "IPD0006"),
        ("type=kantoor", 404, "IPD5203"),
        ("postcode=1234AB", 400, "IPD1998"),
        ("huisnummer=1", 400, "IPD1998"),
        ("postcode=1234AB&huisnummer=x", 400, "IPD1998"),
        ("pagina=0", 400, "IPD1998"),
        ("resultatenPerPagina=101", 400, "IPD1998"),
        ("handelsnaam=Bakkerij", 400, "IPD1999"),
    ],
)
def test_questions_that_kvk_refuses_are_refused(register, query, status, code):
    """With the code of the parameter."""
    response = register()(f"/v2/zoeken?{query}")

    assert (response.status_code, response.json()["fout"][0]["code"]) == (status, code)
