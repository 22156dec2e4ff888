"""The ways from a number to what is wanted of it: which questions, and what their answers make of a row."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from kvk_enrich import routes
from kvk_enrich.columns import PRODUCTS, schema
from kvk_enrich.routes import ANSWER, GAP, Wish

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RSIN, COMPANY, BRANCH = "857587973", "68750110", "000037178598"
LEGAL = f"NL{RSIN}B01"
SOLE = "NL000099998B57"
KVK = Wish("kvk", "vies", ("basisprofiel",))


def numbers(*lines: tuple[str, str] | tuple[str, str, bool]) -> pl.DataFrame:
    """Return *lines* of kind, number and perhaps wanted."""
    rows = [(*line, True)[:3] for line in lines]
    return pl.DataFrame(rows, schema={"kind": pl.String, "number": pl.String, "wanted": pl.Boolean}, orient="row")


def known(**products: list[dict[str, Any]]) -> dict[str, pl.DataFrame]:
    """Return answers per product, each at least a number."""
    frames = {}
    for name, answers in products.items():
        product = name.replace("_", "-")
        columns = {
            column: pl.String() if isinstance(dtype, pl.Enum) else dtype
            for column, dtype in schema(PRODUCTS[product]).items()
        }
        lines = [{"status": "found", "fetched_at": NOW, "run": "this", **answer} for answer in answers]
        frames[product] = pl.DataFrame(lines, schema=ANSWER | columns)
    return frames


def gaps(*lines: tuple[str, str, str, str]) -> pl.DataFrame:
    """Return *lines* of product, number, status and reason."""
    frame = pl.DataFrame(
        lines,
        schema={"product": pl.String, "number": pl.String, "status": pl.String, "reason": pl.String},
        orient="row",
    )
    return pl.concat([pl.DataFrame(schema=GAP), frame], how="diagonal")


def asked(listed: pl.DataFrame, told: dict[str, pl.DataFrame], wish: Wish = KVK) -> list[tuple[str, str]]:
    """Return product and number of all questions."""
    resolved = routes.resolve(listed, told, wish)
    return routes.questions(resolved, wish).select("product", "number").rows()


def row(
    listed: pl.DataFrame, told: dict[str, pl.DataFrame], missing: pl.DataFrame | None = None, wish: Wish = KVK
) -> dict[str, Any]:
    """Return the answer about the only number of *listed*."""
    resolved = routes.resolve(listed, told, wish)
    names = [name for product in wish.filled for name in schema(PRODUCTS[product])]
    missing = gaps() if missing is None else missing
    frame = routes.answers(resolved, told, missing, wish, list(dict.fromkeys(names)), "this")
    (only,) = frame.to_dicts()
    return only


VALID = {"number": LEGAL, "vat_status": "valid", "vat_valid": True, "vat_number": LEGAL}


@pytest.mark.parametrize(
    ("listed", "told", "expected"),
    [
        (("kvk", COMPANY), {}, [("basisprofiel", COMPANY)]),
        (("rsin", RSIN), {}, [("zoeken", RSIN)]),
        (
            ("rsin", RSIN),
            {"zoeken": [{"number": RSIN, "kvk_number": COMPANY}]},
            [("zoeken", RSIN), ("basisprofiel", COMPANY)],
        ),
        (("rsin", RSIN), {"zoeken": [{"number": RSIN, "status": "not_found"}]}, [("zoeken", RSIN)]),
        (("branch", BRANCH), {}, [("zoeken", BRANCH)]),
        (("vat", LEGAL), {}, [("vies", LEGAL)]),
        (("vat", LEGAL), {"vies": [VALID]}, [("vies", LEGAL), ("zoeken", RSIN)]),
        (("vat", LEGAL), {"vies": [{"number": LEGAL, "status": "not_found"}]}, [("vies", LEGAL)]),
        (("vat", SOLE), {"vies": [{"number": SOLE}]}, [("vies", SOLE)]),
        (("vat", "DE129273398"), {"vies": [{"number": "DE129273398"}]}, [("vies", "DE129273398")]),
    ],
)
def test_the_way_goes_as_far_as_the_answers_lead(listed, told, expected):
    """Digits of a VAT number go to KVK only when VIES has called it valid: they may be a citizen's."""
    assert asked(numbers(listed), known(**told)) == expected


def test_with_no_product_a_search_tells_whether_it_exists():
    """It costs nothing."""
    assert asked(numbers(("kvk", COMPANY), ("rsin", RSIN)), {}, Wish("kvk", "vies", ())) == [
        ("zoeken", COMPANY),
        ("zoeken", RSIN),
    ]


def test_several_products_and_the_guess_of_a_vat_number():
    """The main branch and the RSIN come from the Basisprofiel."""
    wish = Wish("kvk", "vies", ("basisprofiel", "vestigingen", "vestigingsprofiel", "naamgeving", "vat"))
    first = [(product, COMPANY) for product in ("basisprofiel", "vestigingen", "naamgeving")]
    assert asked(numbers(("kvk", COMPANY)), {}, wish) == first
    profile = known(basisprofiel=[{"number": COMPANY, "kvk_rsin": RSIN, "kvk_branch_number": BRANCH}])
    assert set(asked(numbers(("kvk", COMPANY)), profile, wish)) == {
        *first,
        ("vestigingsprofiel", BRANCH),
        ("vies", LEGAL),
    }


def test_two_numbers_of_one_company_are_one_question():
    """An RSIN and a KVK number in one list: the profile is bought once."""
    listed = numbers(("rsin", RSIN), ("kvk", COMPANY))
    told = known(zoeken=[{"number": RSIN, "kvk_number": COMPANY}])
    assert asked(listed, told) == [("zoeken", RSIN), ("basisprofiel", COMPANY)]


def test_a_number_that_only_tells_whose_row_it_is_buys_nothing():
    """The row has a KVK number beside it."""
    listed = numbers(("vat", LEGAL, False))
    told = known(vies=[VALID], zoeken=[{"number": RSIN, "kvk_number": COMPANY}])
    assert asked(listed, told) == [("vies", LEGAL), ("zoeken", RSIN)]


def test_what_may_come_later_is_counted():
    """At most: the profile of each company that is still to be found, the search for each valid number."""
    listed = numbers(("kvk", COMPANY), ("rsin", RSIN), ("branch", BRANCH), ("vat", LEGAL), ("vat", SOLE))
    resolved = routes.resolve(listed, {}, KVK)
    assert routes.later(resolved, {}, KVK) == {"basisprofiel": 3, "zoeken": 1}
    told = known(vies=[VALID, {"number": SOLE}], zoeken=[{"number": number} for number in (RSIN, BRANCH)])
    assert routes.later(routes.resolve(listed, told, KVK), told, KVK) == {}


PROFILE = {"number": COMPANY, "kvk_number": COMPANY, "kvk_name": "Test BV Donald", "kvk_rsin": RSIN}


def test_a_valid_number_of_a_legal_person_is_found_with_its_company():
    """Both registers answered; the oldest part is how old the row is."""
    vies = {**VALID, "fetched_at": NOW - timedelta(days=3), "run": "earlier"}
    told = known(vies=[vies], zoeken=[{"number": RSIN, "kvk_number": COMPANY}], basisprofiel=[PROFILE])
    found = row(numbers(("vat", LEGAL)), told)
    assert (found["enrich_outcome"], found["enrich_source"]) == ("found", "kvk; vies")
    assert (found["kvk_name"], found["vat_status"], found["vat_number"]) == ("Test BV Donald", "valid", LEGAL)
    assert (found["enrich_fetched_at"], found["enrich_cached"]) == (NOW - timedelta(days=3), False)


def test_not_valid_is_not_found_and_says_so():
    """With the number as it was asked, though the stored answer may have its digits starred out."""
    vies = {"number": LEGAL, "status": "not_found", "reason": "vat_not_valid", "vat_status": "invalid"}
    found = row(numbers(("vat", LEGAL)), known(vies=[{**vies, "vat_valid": False, "vat_number": "NL*********B01"}]))
    assert (found["enrich_outcome"], found["enrich_reason"]) == ("not_found", "vat_not_valid")
    assert (found["vat_number"], found["vat_status"], found["vat_valid"]) == (LEGAL, "invalid", False)


@pytest.mark.parametrize("status", ["failed", "deferred"])
def test_an_outage_is_neither_invalid_nor_not_found(status):
    """Unknown, with the reason."""
    found = row(numbers(("vat", LEGAL)), {}, gaps(("vies", LEGAL, status, "vies_unavailable")))
    assert (found["enrich_outcome"], found["enrich_reason"]) == (status, "vies_unavailable")
    assert (found["vat_status"], found["vat_valid"], found["vat_number"]) == ("unknown", None, LEGAL)


def test_a_sole_traders_number_is_found_without_a_company():
    """And says why."""
    told = known(vies=[{"number": SOLE, "vat_status": "valid"}])
    assert row(numbers(("vat", SOLE)), told)["enrich_flags"] == ["kvk_not_derivable"]


def test_a_valid_number_that_kvk_does_not_know_is_found_all_the_same():
    """A fiscal unity has a number that is no RSIN of a company."""
    told = known(vies=[VALID], zoeken=[{"number": RSIN, "status": "not_found", "reason": "not_registered"}])
    found = row(numbers(("vat", LEGAL)), told)
    assert (found["enrich_outcome"], found["enrich_flags"]) == ("found", ["rsin_not_registered"])


def test_a_gap_anywhere_on_the_way_counts():
    """The search answered, the profile did not: could not ask is not found nowhere."""
    told = known(vies=[VALID], zoeken=[{"number": RSIN, "kvk_number": COMPANY}])
    found = row(numbers(("vat", LEGAL)), told, gaps(("basisprofiel", COMPANY, "failed", "timeout")))
    assert (found["enrich_outcome"], found["enrich_reason"]) == ("failed", "timeout")
    assert (found["kvk_number"], found["vat_status"]) == (COMPANY, "valid")


@pytest.mark.parametrize(
    ("answer", "gap"),
    [(None, ("vies", LEGAL, "failed", "vies_busy")), ({"number": LEGAL, "status": "not_found"}, None)],
)
def test_a_guess_that_is_not_confirmed_stays_unknown_and_fails_nothing(answer, gap):
    """The company is found; its VAT number is not known."""
    wish = Wish("kvk", "vies", ("basisprofiel", "vat"))
    told = known(basisprofiel=[PROFILE], **({"vies": [answer]} if answer else {}))
    found = row(numbers(("kvk", COMPANY)), told, gaps(gap) if gap else None, wish)
    assert (found["enrich_outcome"], found["enrich_flags"]) == ("found", ["vat_unconfirmed"])
    assert (found["vat_number"], found["vat_status"], found["vat_valid"]) == (None, "unknown", None)


def test_kvkbase_is_asked_by_kvk_number_only():
    """For others it has no way; VAT numbers go to VIES, or to its own check where that is wanted."""
    wish = Wish("kvkbase", "vies", ("lookup",), is_kvk=False)
    listed = numbers(("kvk", COMPANY), ("rsin", RSIN), ("vat", LEGAL))
    assert asked(listed, {}, wish) == [("lookup", COMPANY), ("vies", LEGAL)]
    own = Wish("kvkbase", "vies", ("basisprofiel", "vestigingen", "vat"), is_kvk=False)
    assert asked(numbers(("kvk", COMPANY), ("vat", SOLE), ("vat", LEGAL)), {}, own) == [
        ("enriched", COMPANY),
        ("kvkbase-branches", COMPANY),
        ("validate-vat", SOLE),
        ("vies", LEGAL),  # its digits may be a citizen's
    ]
    refused = row(numbers(("rsin", RSIN)), {}, None, wish)
    assert (refused["enrich_outcome"], refused["enrich_reason"]) == ("failed", "no_route")


def test_an_answer_is_worth_what_its_paid_parts_cost():
    """Whether they were asked in this run or before."""
    listed = numbers(("rsin", RSIN), ("kvk", "69599084"))
    told = known(zoeken=[{"number": RSIN, "kvk_number": COMPANY}], basisprofiel=[PROFILE])
    resolved = routes.resolve(listed, told, KVK)
    assert routes.worth(resolved, told, KVK, {"basisprofiel": 20_000}).to_list() == [20_000, 0]
    assert routes.waiting(resolved, pl.DataFrame({"product": ["basisprofiel"], "number": ["69599084"]}), KVK) == 1


@pytest.mark.parametrize("prices", [{}, {"basisprofiel": 20_000}])
def test_every_number_has_its_worth_whatever_the_prices(prices: dict[str, int]):
    """Also where nothing costs anything."""
    listed = numbers(("kvk", COMPANY), ("kvk", "69599084"))
    assert routes.worth(routes.resolve(listed, {}, KVK), {}, KVK, prices).to_list() == [0, 0]


def test_a_kvk_number_that_nobody_has_is_not_given_as_one():
    """What the register does not know stands in the list's own column and in enrich_number, not among its answers."""
    listed = numbers(("kvk", COMPANY))
    nobody = row(listed, known(basisprofiel=[{"number": COMPANY, "status": "not_found", "reason": "not_registered"}]))
    unasked = row(listed, {}, gaps(("basisprofiel", COMPANY, "failed", "timeout")))
    assert (nobody["enrich_outcome"], nobody["kvk_number"]) == ("not_found", None)
    assert (unasked["enrich_outcome"], unasked["kvk_number"]) == ("failed", None)


def paired(
    told: dict[str, pl.DataFrame], missing: pl.DataFrame | None = None, other: str | None = LEGAL
) -> dict[str, Any]:
    """Return the row of a KVK number with a VAT number beside it, or none."""
    listed = numbers(("kvk", "69599084"), ("vat", LEGAL, False))
    names = [name for product in KVK.filled for name in schema(PRODUCTS[product])]
    own = routes.answers(
        routes.resolve(listed, told, KVK),
        told,
        gaps() if missing is None else missing,
        KVK,
        dict.fromkeys(names),
        "this",
    ).with_columns(worth=pl.lit(0))
    own = own.rename({"kind": "enrich_kind", "number": "enrich_number"})
    pair = ("kvk", "69599084", other and "vat", other)
    columns = ("enrich_kind", "enrich_number", "enrich_other_kind", "enrich_other_number")
    pairs = pl.DataFrame([pair], schema=dict.fromkeys(columns, pl.String), orient="row")
    (only,) = routes.paired(pairs, own).to_dicts()
    return only


OTHER = {"number": "69599084", "kvk_number": "69599084", "kvk_name": "Test EMZ Dagobert"}


def test_two_numbers_of_a_row_land_in_it_and_a_contradiction_is_flagged():
    """The VAT number belongs to another company than the KVK number."""
    told = known(vies=[VALID], zoeken=[{"number": RSIN, "kvk_number": COMPANY}], basisprofiel=[OTHER])
    found = paired(told)
    assert (found["enrich_outcome"], found["enrich_flags"]) == ("found", ["numbers_disagree"])
    assert (found["kvk_name"], found["kvk_number"]) == ("Test EMZ Dagobert", "69599084")
    assert (found["vat_number"], found["vat_status"], found["enrich_source"]) == (LEGAL, "valid", "kvk; vies")


def test_of_two_numbers_one_that_is_not_valid_is_a_flag_and_one_not_asked_a_gap():
    """The first number decides, but a row is not done before both are asked."""
    told = known(vies=[{"number": LEGAL, "status": "not_found", "vat_status": "invalid"}], basisprofiel=[OTHER])
    found = paired(told)
    assert (found["enrich_outcome"], found["enrich_flags"]) == ("found", ["other_not_found"])
    assert found["vat_status"] == "invalid"
    open_ = paired(known(basisprofiel=[OTHER]), gaps(("vies", LEGAL, "failed", "vies_busy")))
    assert (open_["enrich_outcome"], open_["enrich_reason"], open_["vat_status"]) == ("failed", "vies_busy", "unknown")


@pytest.mark.parametrize(
    ("run", "judged", "other", "expected"),
    [
        ("earlier", None, None, True),  # no second number
        ("this", None, None, False),
        ("earlier", None, LEGAL, True),  # a second number without an answer
        ("earlier", "earlier", LEGAL, True),
        ("earlier", "this", LEGAL, False),
        ("this", "earlier", LEGAL, False),
        (None, "earlier", LEGAL, True),
        (None, None, LEGAL, None),
    ],
)
def test_a_row_was_known_before_if_all_its_answers_were(
    run: str | None, judged: str | None, other: str | None, *, expected: bool | None
):
    """A number that is not there, or has no answer, says nothing about that."""
    told = known(
        basisprofiel=[OTHER | {"run": run}] if run else [],
        vies=[{"number": LEGAL, "status": "not_found", "run": judged}] if judged else [],
    )
    assert paired(told, other=other)["enrich_cached"] is expected


def test_numbers_that_are_mostly_unknown_are_tried_as_branch_numbers():
    """A spreadsheet made eight digits of twelve: a few free searches tell."""
    listed = [f"{number:08}" for number in range(20)]
    missing = [{"number": number, "status": "not_found"} for number in listed[:12]]
    told = known(basisprofiel=[*missing, *({"number": number} for number in listed[12:])])
    resolved = routes.resolve(numbers(*(("kvk", number) for number in listed)), told, KVK)
    tried = routes.stripped(resolved, told, KVK)
    assert tried.rows() == [("zoeken", "branch", f"0000{number}") for number in listed[:5]]
    assert not routes.are_branches(tried, told)
    found = known(zoeken=[{"number": f"0000{number}"} for number in listed[:3]])
    assert routes.are_branches(tried, found)


@pytest.mark.parametrize(("missing", "there"), [(9, 0), (12, 13)])
def test_a_few_unknown_numbers_are_no_suspicion(missing, there):
    """Nor is a list of which half is found."""
    listed = [f"{number:08}" for number in range(missing + there)]
    fates = [{"number": number, "status": "not_found"} for number in listed[:missing]]
    told = known(basisprofiel=[*fates, *({"number": number} for number in listed[missing:])])
    resolved = routes.resolve(numbers(*(("kvk", number) for number in listed)), told, KVK)
    assert routes.stripped(resolved, told, KVK).is_empty()


def test_a_row_never_mixes_two_companies():
    """What the register does not tell of the first company stays empty, though the other one's is known."""
    end = datetime(2025, 12, 31, tzinfo=UTC).date()
    told = known(
        vies=[VALID],
        zoeken=[{"number": RSIN, "kvk_number": COMPANY, "kvk_rsin": RSIN}],
        basisprofiel=[OTHER, PROFILE | {"kvk_end_date": end}],
    )
    found = paired(told)
    assert found["enrich_flags"] == ["numbers_disagree"]
    assert (found["kvk_number"], found["kvk_rsin"], found["kvk_end_date"]) == ("69599084", None, None)
    nobody = paired(told | known(basisprofiel=[{"number": "69599084", "status": "not_found"}, PROFILE]))
    assert (nobody["enrich_outcome"], nobody["kvk_name"], nobody["kvk_number"]) == ("not_found", None, None)
    assert (nobody["vat_number"], nobody["vat_status"]) == (LEGAL, "valid")
