"""KVK's recorded answers, every file: what we make of each is what stands in its JSON, read here by other means."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from kvk_enrich.errors import RegisterError, Transient, Unusable
from kvk_enrich.model import Call, Found, Kind, NotFound
from kvk_enrich.registers import kvk_basisprofiel, kvk_vestigingen, kvk_vestigingsprofiel, kvk_zoeken
from kvk_enrich.registers.kvk_answers import read
from kvk_enrich.registers.kvk_parts import error_codes

RECORDED = Path(__file__).parents[2].parent / "shared" / "kvk" / "fixtures"
MANIFEST = RECORDED / "manifest.json"
FILES: Mapping[str, Mapping[str, Any]] = (
    {entry["file"]: entry for entry in json.loads(MANIFEST.read_bytes())["files"]} if MANIFEST.exists() else {}
)


def found(folder: str) -> list[str]:
    """Return the files of *folder* that hold an answer, real or in the shape of one."""
    folders = (f"{folder}/", f"synthetic/{folder}/")
    return sorted(name for name in FILES if name.startswith(folders) and FILES[name]["status"] == 200)


PROFILES = found("basisprofielen")
BRANCHES = found("vestigingen")
BRANCH_PROFILES = found("vestigingsprofielen")
SEARCHES = [name for name in found("zoeken-v2") if "all." not in name]
ERRORS = sorted(name for name in FILES if FILES[name]["status"] >= 400)

pytestmark = pytest.mark.skipif(not FILES, reason="the recorded answers are not part of this project")

ADDRESS = {
    "street": ("straatnaam", "straatHuisnummer"),
    "house_number": ("huisnummer",),
    "house_letter": ("huisletter",),
    "house_addition": ("huisnummerToevoeging",),
    "postcode": ("postcode",),
    "city": ("plaats", "postcodeWoonplaats"),
    "country": ("land",),
    "full": ("volledigAdres",),
}


def walk(tree: object, *path: str) -> Any:
    """Return what stands at *path* in *tree*, None where there is no such place."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def folded(value: object) -> str | None:
    """Return *value* as one line with single spaces, None for nothing."""
    words = str(value).split() if value is not None else []
    return " ".join(words) if words else None


def yes_no(value: object) -> bool | None:
    """Return the register's Ja and Nee."""
    return {"Ja": True, "Nee": False}.get(str(value))


def day(value: str | None) -> date | None:
    """Return a date with all its parts; none of the recorded ones has a part that does not exist."""
    if value is None or value.endswith("00") or value[4:6] == "00":
        return None
    return date.fromisoformat(f"{value[:4]}-{value[4:6]}-{value[6:]}")


def address_of(parts: Sequence[object], kind: str) -> dict[str, Any]:
    """Return the address of *kind* in the first of *parts* that has one."""
    for part in parts:
        for address in walk(part, "adressen") or ():
            if address["type"] == kind:
                return dict(address)
    return {}


def addresses(prefix: str, *parts: object) -> Iterator[tuple[str, object]]:
    """Yield the expected address columns."""
    for use, kind in (("visit", "bezoekadres"), ("post", "correspondentieadres")):
        address = address_of(parts, kind)
        for column, fields in ADDRESS.items():
            values = [folded(address[field]) for field in fields if address.get(field)]
            yield f"{prefix}_{use}_{column}", values[0] if values else None
    yield f"{prefix}_post_box", folded(address_of(parts, "correspondentieadres").get("postbusnummer"))


def activities(prefix: str, body: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield the expected columns of activities."""
    told = body.get("sbiActiviteiten", [])
    yield f"{prefix}_sbi_code", main_activity(told).get("sbiCode")
    yield f"{prefix}_sbi_description", folded(main_activity(told).get("sbiOmschrijving"))
    every = [
        {
            "code": activity["sbiCode"],
            "description": folded(activity["sbiOmschrijving"]),
            "main": yes_no(activity["indHoofdactiviteit"]),
        }
        for activity in told
    ]
    yield f"{prefix}_sbi", every


def trade_names(body: Mapping[str, Any]) -> list[str | None]:
    """Return the names in their order."""
    names = {name["volgorde"]: name["naam"] for name in body.get("handelsnamen", [])}
    return [folded(names[place]) for place in sorted(names)]


def main_activity(activities: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Return the activity that is marked as the main one."""
    return ([activity for activity in activities if activity["indHoofdactiviteit"] == "Ja"] + [{}])[0]


def expected(profile: Mapping[str, Any]) -> dict[str, object]:
    """Return every column as it stands in the JSON."""
    owner, branch = (walk(profile, "_embedded", part) for part in ("eigenaar", "hoofdvestiging"))
    end = walk(profile, "materieleRegistratie", "datumEinde") or walk(owner, "datumUitschrijving")
    start = walk(profile, "materieleRegistratie", "datumAanvang")
    geo = address_of([branch, owner], "bezoekadres").get("geoData", {})
    shielded = [address["indAfgeschermd"] for part in (owner, branch) for address in walk(part, "adressen") or ()]
    return {
        "kvk_number": profile["kvkNummer"],
        "kvk_rsin": walk(owner, "rsin"),
        "kvk_branch_number": walk(branch, "vestigingsnummer"),
        "kvk_name": folded(profile["naam"]),
        "kvk_statutory_name": folded(profile.get("statutaireNaam")),
        "kvk_trade_names": trade_names(profile),
        "kvk_legal_form": folded(walk(owner, "rechtsvorm")),
        "kvk_legal_form_detail": folded(walk(owner, "uitgebreideRechtsvorm")),
        "kvk_active": end is None,
        "kvk_start_date": day(start),
        "kvk_start_date_raw": start,
        "kvk_end_date": day(end),
        "kvk_end_date_raw": end,
        "kvk_registration_date": day(profile.get("formeleRegistratiedatum")),
        "kvk_registration_date_raw": profile.get("formeleRegistratiedatum"),
        "kvk_employees": profile.get("totaalWerkzamePersonen"),
        **dict(activities("kvk", profile)),
        "kvk_non_mailing": yes_no(profile.get("indNonMailing")),
        "kvk_address_shielded": "Ja" in shielded if shielded else None,
        **dict(addresses("kvk", branch, owner)),
        "kvk_websites": walk(branch, "websites") or walk(owner, "websites") or [],
        "kvk_visit_latitude": geo.get("gpsLatitude") or None,
        "kvk_visit_longitude": geo.get("gpsLongitude") or None,
        "kvk_visit_bag_id": geo.get("addresseerbaarObjectId"),
    }


def expected_branch(branch: Mapping[str, Any]) -> dict[str, object]:
    """Return every column of a branch as it stands in the JSON."""
    start, end = (walk(branch, "materieleRegistratie", name) for name in ("datumAanvang", "datumEinde"))
    shielded = [address["indAfgeschermd"] for address in branch["adressen"]]
    return {
        "branch_number": branch["vestigingsnummer"],
        "branch_kvk_number": branch["kvkNummer"],
        "branch_rsin": branch.get("rsin"),
        "branch_name": folded(branch["eersteHandelsnaam"]),
        "branch_trade_names": trade_names(branch),
        "branch_statutory_name": folded(branch.get("statutaireNaam")),
        "branch_is_main": yes_no(branch["indHoofdvestiging"]),
        "branch_is_commercial": yes_no(branch["indCommercieleVestiging"]),
        "branch_start_date": day(start),
        "branch_start_date_raw": start,
        "branch_end_date": day(end),
        "branch_end_date_raw": end,
        "branch_employees": branch["totaalWerkzamePersonen"],
        "branch_employees_full_time": branch["voltijdWerkzamePersonen"],
        "branch_employees_part_time": branch["deeltijdWerkzamePersonen"],
        **dict(activities("branch", branch)),
        **dict(addresses("branch", branch)),
        "branch_websites": branch.get("websites", []),
        "branch_non_mailing": yes_no(branch["indNonMailing"]),
        "branch_address_shielded": "Ja" in shielded,
    }


def expected_branches(told: Mapping[str, Any]) -> dict[str, object]:
    """Return the columns of a list of branches as they stand in the JSON."""
    return {
        "kvk_branches": told["totaalAantalVestigingen"],
        "kvk_branches_commercial": told["aantalCommercieleVestigingen"],
        "kvk_branch_list": [
            {
                "branch_number": branch["vestigingsnummer"],
                "name": branch["eersteHandelsnaam"],
                "is_main": branch["indHoofdvestiging"] == "Ja",
                "is_commercial": branch["indCommercieleVestiging"] == "Ja",
                "address_shielded": branch["indAdresAfgeschermd"] == "Ja",
                "full_address": branch["volledigAdres"],
            }
            for branch in told["vestigingen"]
        ],
    }


def expected_search(page: Mapping[str, Any]) -> dict[str, object]:
    """Return the columns of a search as they stand in the JSON; none of the recordings asked for the inactive."""
    rows = page["resultaten"]
    main = [row["vestigingsnummer"] for row in rows if row["type"] == "hoofdvestiging"]
    return {
        "kvk_number": rows[0]["kvkNummer"],
        "kvk_rsin": rows[0].get("rsin"),
        "kvk_branch_number": main[0] if main else None,
        "kvk_active": None,
    }


def asked(name: str) -> Call:
    """Return the call that the recording *name* answers."""
    url = urlsplit(FILES[name]["request"]["url"])
    parameters = dict(parse_qsl(url.query))
    for parameter, kind in (("kvkNummer", Kind.KVK), ("rsin", Kind.RSIN), ("vestigingsnummer", Kind.BRANCH)):
        if parameter in parameters:
            return Call("zoeken", kind, (parameters[parameter],))
    *_, before, last = url.path.split("/")
    if last == "vestigingen":
        return Call("vestigingen", Kind.KVK, (before,))
    if before == "vestigingsprofielen":
        return Call("vestigingsprofiel", Kind.BRANCH, (last,))
    return Call("basisprofiel", Kind.KVK, (last,))


def test_there_are_answers_of_all_sorts():
    """The recordings hold both styles of links, entities without a branch, and errors."""
    profiles = [json.loads((RECORDED / name).read_bytes()) for name in PROFILES]
    assert len(PROFILES) >= 12
    assert (
        {"links" in profile for profile in profiles} == {"_links" in profile for profile in profiles} == {True, False}
    )
    assert {"hoofdvestiging" in profile["_embedded"] for profile in profiles} == {True, False}
    assert len(ERRORS) >= 5


READERS = [
    *((name, kvk_basisprofiel.rows, expected) for name in PROFILES),
    *((name, kvk_vestigingen.rows, expected_branches) for name in BRANCHES),
    *((name, kvk_vestigingsprofiel.rows, expected_branch) for name in BRANCH_PROFILES),
    *((name, kvk_zoeken.rows, expected_search) for name in SEARCHES),
]


@pytest.mark.parametrize(("name", "rows", "columns"), READERS, ids=[name for name, _, _ in READERS])
def test_every_value_is_what_stands_in_the_answer(name, rows, columns):
    """Each column of each recorded answer equals the field it is made from."""
    body = (RECORDED / name).read_bytes()
    (row,) = rows([body]).iter_rows(named=True)
    assert row == columns(json.loads(body))


@pytest.mark.parametrize("name", [name for name, _, _ in READERS])
def test_every_recorded_answer_is_found(name: str):
    """A recorded answer is taken as an answer about its own number, and kept as received."""
    body, call = (RECORDED / name).read_bytes(), asked(name)
    (number,) = call.numbers
    assert read(call, httpx2.Response(200), body) == Found(number, body)
    with pytest.raises(Unusable, match=number) as refused:
        read(Call(call.product, call.kind, ("0" * len(number),)), httpx2.Response(200), body)
    assert refused.value.reason == "wrong_company"


def judged(name: str, status: int) -> str:
    """Return what we make of the error *name*: the reason of a not found, or the name of the refusal."""
    body = (RECORDED / name).read_bytes()
    try:
        answer = read(asked(name), httpx2.Response(status), body)
    except RegisterError as error:
        return type(error).__name__
    assert isinstance(answer, NotFound)
    assert answer.body == body
    return answer.reason


@pytest.mark.parametrize("name", ERRORS)
def test_every_recorded_error_is_judged_by_its_code(name: str):
    """Recorded errors are well formed, and each is what its code and status say together."""
    body, status = (RECORDED / name).read_bytes(), FILES[name]["status"]
    codes = [fault["code"] for fault in json.loads(body)["fout"]]
    assert error_codes(body) == codes
    meanings = {
        (404, "IPD0005"): "not_registered",
        (404, "IPD5200"): "not_registered",
        (400, "IPD0004"): "not_valid_in_register",
        (400, "IPD0006"): "not_valid_in_register",
        (500, "IPD9999"): Transient.__name__,
    }
    assert judged(name, status) == meanings[status, codes[0]]


@pytest.mark.parametrize("name", ERRORS)
def test_a_recorded_body_with_another_status_proves_nothing(name: str):
    """Not found needs code and status together: with a wrong status the same body is no such answer."""
    for status in (400, 403, 404, 410, 422, 429, 500, 503):
        if status != FILES[name]["status"]:
            assert judged(name, status) in {"AccessRefused", "Transient", "Unusable"}
