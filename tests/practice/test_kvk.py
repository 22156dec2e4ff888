"""The practice register's branches, branch profiles and names, and what can be switched."""

from itertools import islice

import pytest

from kvk_enrich.practice import answers, population, published
from kvk_enrich.practice.answers import Links
from kvk_enrich.registers._http import MAX_BODY

HAL = "application/hal+json"
DAGOBERT = "/v1/basisprofielen/69599084"


def code(response):
    """The code in KVK's error body."""
    (fout,) = response.json()["fout"]
    return fout["code"]


def first_number(where):
    """The first KVK number of the population whose company *where* is true of."""
    return next(number for number in population.numbers() if where(population.company(number)))


def test_the_branches_of_a_company_are_listed(register):
    """All on one page, the main one first and with a link of its own; the counts add up."""
    body = register()(f"{DAGOBERT}/vestigingen").json()

    assert [branch["vestigingsnummer"] for branch in body["vestigingen"]] == ["000038509504", "000038509520"]
    assert [branch["indHoofdvestiging"] for branch in body["vestigingen"]] == ["Ja", "Nee"]
    assert [[link["rel"] for link in branch["links"]] for branch in body["vestigingen"]] == [
        ["self", "vestigingsprofiel"],
        ["vestigingsprofiel"],
    ]
    assert body["totaalAantalVestigingen"] == 2
    assert body["aantalCommercieleVestigingen"] + body["aantalNietCommercieleVestigingen"] == 2


def test_a_thousand_branches_come_in_one_answer(register):
    """As at KVK; the answer is far below what a caller takes."""
    response = register()("/v1/basisprofielen/90006577/vestigingen")

    assert len(response.json()["vestigingen"]) == response.json()["totaalAantalVestigingen"] == 1_000
    assert len(response.content) < MAX_BODY * 3 / 4


def test_a_shielded_address_is_not_listed(register):
    """The list says that it is shielded, and gives no address."""
    (branch,) = register()("/v1/basisprofielen/90001354/vestigingen").json()["vestigingen"]

    assert branch["indAdresAfgeschermd"] == "Ja"
    assert "volledigAdres" not in branch


@pytest.mark.parametrize(
    "number",
    [branch.number for company in published.companies(0).values() for branch in company.branches[:4]],
)
def test_every_published_branch_has_a_profile(register, number):
    """By its own number, which leads back to the company."""
    body = register()(f"/v1/vestigingsprofielen/{number}").json()

    assert body["vestigingsnummer"] == number
    assert number in {branch.number for branch in published.companies(0)[body["kvkNummer"]].branches}


def test_the_profile_of_the_main_branch_is_that_of_the_company_s_part(register):
    """The same in both places but for the links."""
    ask = register()
    by_branch, by_company = ask("/v1/vestigingsprofielen/000038509504"), ask(f"{DAGOBERT}/hoofdvestiging")

    assert by_branch.json() | {"links": []} == by_company.json() | {"links": []}
    assert [link["rel"] for link in by_branch.json()["links"]] == ["self", "basisprofiel"]


def test_names_are_told_by_company_and_branch(register):
    """A commercial branch has trade names, another one a name."""
    ask = register()
    dagobert = ask("/v1/naamgevingen/kvknummer/69599084").json()
    foundation = ask("/v1/naamgevingen/kvknummer/90006623").json()

    assert dagobert["kvkNummer"] == "69599084"
    assert {"eersteHandelsnaam", "handelsnamen"} <= dagobert["vestigingen"][0].keys()
    assert "naam" in foundation["vestigingen"][0]
    assert "handelsnamen" not in foundation["vestigingen"][0]


def test_other_names_occur():
    """Of companies and of branches that are not commercial."""
    companies = filter(None, map(population.company, islice(population.numbers(), 1_000)))
    bodies = [answers.naamgeving(company, Links("links", "")) for company in companies]

    assert any("ookGenoemd" in body for body in bodies)
    assert any("ookGenoemd" in branch for body in bodies for branch in body["vestigingen"])


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/v1/basisprofielen/12345678/vestigingen", 404, "IPD0005"),
        ("/v1/basisprofielen/1234567/vestigingen", 400, "IPD0004"),
        ("/v1/basisprofielen/69599084/vestigingen?colour=red", 400, "IPD1999"),
        ("/v1/basisprofielen/90004760/vestigingen", 404, "IPD0005"),
        ("/v1/vestigingsprofielen/665544332211", 404, "IPD0007"),
        ("/v1/vestigingsprofielen/12345678", 400, "IPD0006"),
        ("/v1/vestigingsprofielen/000038509504?geoData=perhaps", 400, "IPD1998"),
        ("/v1/naamgevingen/kvknummer/12345678", 404, "IPD0005"),
        ("/v1/naamgevingen/kvknummer/90004973", 404, "IPD1002"),
        ("/v1/naamgevingen/kvknummer/69599084?geoData=true", 400, "IPD1999"),
    ],
)
def test_errors_are_told_as_kvk_tells_them(register, path, status, expected):
    """With the code of the number that the path is about."""
    response = register()(path, accept=HAL)

    assert (response.status_code, code(response)) == (status, expected)


@pytest.mark.parametrize(
    ("path", "version"),
    [
        (f"{DAGOBERT}/vestigingen", "1.5.0"),
        ("/v1/vestigingsprofielen/000038509504", "1.5.0"),
        ("/v1/naamgevingen/kvknummer/69599084", "1.1.0"),
    ],
)
def test_each_product_tells_its_version_and_writes_links_as_asked(register, path, version):
    """In every part."""
    ask = register()
    response = ask(path, accept=HAL)

    assert response.headers["api-version"] == version
    assert response.text.count('"_links"') == ask(path).text.count('"links"') > 0
    assert '"links"' not in response.text


def test_a_list_of_branches_takes_geo_data_and_has_none(register):
    """Programs in use send the parameter there too."""
    ask = register()

    assert ask(f"{DAGOBERT}/vestigingen?geoData=False").json() == ask(f"{DAGOBERT}/vestigingen").json()


def test_the_test_environment_is_there_too(register):
    """Below its own path, and its links stay there."""
    ask = register()
    live, test = (ask(path).json() for path in (DAGOBERT, f"/../test/api{DAGOBERT}"))

    assert test["links"][0]["href"] == "http://practice.test/test/api/v1/basisprofielen/69599084"
    assert test | {"links": [], "_embedded": {}} == live | {"links": [], "_embedded": {}}
    page = ask("/../test/api/v2/zoeken?resultatenPerPagina=1").json()
    assert page["volgende"].startswith("http://practice.test/test/api/v2/zoeken?")


def test_ended_registrations_may_be_refused(register):
    """As a switch: no profile of them, while a search still tells that they ended."""
    ask = register(ended="refused")

    assert code(ask("/v1/basisprofielen/96354429")) == "IPD0005"
    assert code(ask("/v1/naamgevingen/kvknummer/96354429")) == "IPD0005"
    assert code(ask("/v1/vestigingsprofielen/990001987781")) == "IPD0007"
    found = ask("/v2/zoeken?kvkNummer=96354429&inclusiefInactieveRegistraties=true").json()["resultaten"]
    assert {row["actief"] for row in found} == {"Nee"}
    assert ask(DAGOBERT).status_code == 200


def test_no_branches_may_be_an_empty_list(register):
    """As a switch; else it is refused."""
    body = register(branchless="empty")("/v1/basisprofielen/90004760/vestigingen").json()

    assert (body["totaalAantalVestigingen"], body["vestigingen"]) == (0, [])


@pytest.mark.parametrize("style", ["links", "_links"])
@pytest.mark.parametrize("accept", [HAL, "application/json"])
def test_links_may_be_written_in_one_way(register, accept, style):
    """Whatever was asked for; the content type stays that of the question, as in December 2025."""
    response = register(link_style=style)(DAGOBERT, accept=accept)

    assert style in response.json()
    assert response.headers["content-type"] == accept


def test_a_strange_accept_may_be_overlooked(register):
    """As a switch: JSON instead of 406."""
    response = register(not_acceptable=False)(DAGOBERT, accept="text/csv")

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")


def test_a_fault_may_be_about_a_branch_or_a_name(register, tmp_path):
    """The log knows the number in every path, and so do scripted faults."""
    log = tmp_path / "arrivals.log"
    ask = register(log=log)
    for path in (
        f"{DAGOBERT}/vestigingen",
        "/v1/vestigingsprofielen/000038509504",
        "/v1/naamgevingen/kvknummer/69599076",
    ):
        ask(path)

    assert [line.split("\t")[1] for line in log.read_text().splitlines()] == ["69599084", "000038509504", "69599076"]


def test_companies_of_the_population_have_all_products(register):
    """Any number, and any of its branches."""
    ask = register(requests_per_second=1_000)
    number = first_number(lambda company: len(company.branches) > 2)
    branches = ask(f"/v1/basisprofielen/{number}/vestigingen").json()["vestigingen"]

    assert len(branches) > 2
    for branch in branches:
        profile = ask(f"/v1/vestigingsprofielen/{branch['vestigingsnummer']}").json()
        assert (profile["kvkNummer"], profile["eersteHandelsnaam"]) == (number, branch["eersteHandelsnaam"])
