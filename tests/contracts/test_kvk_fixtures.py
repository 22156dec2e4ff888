"""KVK's recorded answers, every file: what we make of each is what stands in its JSON, read here by other means."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kvk_enrich.errors import RegisterError, Transient, Unusable
from kvk_enrich.model import Found, NotFound
from kvk_enrich.registers.kvk import read
from kvk_enrich.registers.kvk_basisprofiel import error_codes, rows

RECORDED = Path(__file__).parents[2].parent / "shared" / "kvk" / "fixtures"
MANIFEST = RECORDED / "manifest.json"
FILES: Mapping[str, Mapping[str, Any]] = (
    {entry["file"]: entry for entry in json.loads(MANIFEST.read_bytes())["files"]} if MANIFEST.exists() else {}
)
FOLDERS = ("basisprofielen/", "synthetic/basisprofielen/")
PROFILES = sorted(name for name in FILES if name.startswith(FOLDERS) and FILES[name]["status"] == 200)
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


def address_of(profile: object, kind: str) -> dict[str, object]:
    """Return the address of *kind* of the main branch, or of the owner."""
    for part in ("hoofdvestiging", "eigenaar"):
        for address in walk(profile, "_embedded", part, "adressen") or ():
            if address["type"] == kind:
                return dict(address)
    return {}


def addresses(profile: object) -> Iterator[tuple[str, object]]:
    """Yield the expected address columns."""
    for prefix, kind in (("visit", "bezoekadres"), ("post", "correspondentieadres")):
        address = address_of(profile, kind)
        for column, fields in ADDRESS.items():
            values = [folded(address[field]) for field in fields if address.get(field)]
            yield f"kvk_{prefix}_{column}", values[0] if values else None
    yield "kvk_post_box", folded(address_of(profile, "correspondentieadres").get("postbusnummer"))


def main_activity(activities: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Return the activity that is marked as the main one."""
    return ([activity for activity in activities if activity["indHoofdactiviteit"] == "Ja"] + [{}])[0]


def expected(profile: Mapping[str, Any]) -> dict[str, object]:
    """Return every column as it stands in the JSON."""
    owner, branch = (walk(profile, "_embedded", part) for part in ("eigenaar", "hoofdvestiging"))
    end = walk(profile, "materieleRegistratie", "datumEinde") or walk(owner, "datumUitschrijving")
    start = walk(profile, "materieleRegistratie", "datumAanvang")
    activities = profile.get("sbiActiviteiten", [])
    shielded = [address["indAfgeschermd"] for part in (owner, branch) for address in walk(part, "adressen") or ()]
    names = {name["volgorde"]: name["naam"] for name in profile.get("handelsnamen", [])}
    return {
        "kvk_number": profile["kvkNummer"],
        "kvk_rsin": walk(owner, "rsin"),
        "kvk_branch_number": walk(branch, "vestigingsnummer"),
        "kvk_name": folded(profile["naam"]),
        "kvk_statutory_name": folded(profile.get("statutaireNaam")),
        "kvk_trade_names": [folded(names[place]) for place in sorted(names)],
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
        "kvk_sbi_code": main_activity(activities).get("sbiCode"),
        "kvk_sbi_description": folded(main_activity(activities).get("sbiOmschrijving")),
        "kvk_sbi": [
            {
                "code": activity["sbiCode"],
                "description": folded(activity["sbiOmschrijving"]),
                "main": yes_no(activity["indHoofdactiviteit"]),
            }
            for activity in activities
        ],
        "kvk_non_mailing": yes_no(profile.get("indNonMailing")),
        "kvk_address_shielded": "Ja" in shielded if shielded else None,
        **dict(addresses(profile)),
        "kvk_websites": walk(branch, "websites") or walk(owner, "websites") or [],
    }


def test_there_are_answers_of_all_sorts():
    """The recordings hold both styles of links, entities without a branch, and errors."""
    profiles = [json.loads((RECORDED / name).read_bytes()) for name in PROFILES]
    assert len(PROFILES) >= 12
    assert (
        {"links" in profile for profile in profiles} == {"_links" in profile for profile in profiles} == {True, False}
    )
    assert {"hoofdvestiging" in profile["_embedded"] for profile in profiles} == {True, False}
    assert len(ERRORS) >= 5


@pytest.mark.parametrize("name", PROFILES)
def test_every_value_is_what_stands_in_the_answer(name: str):
    """Each column of each recorded profile equals the field it is made from."""
    body = (RECORDED / name).read_bytes()
    (row,) = rows([body]).iter_rows(named=True)
    assert row == expected(json.loads(body))


@pytest.mark.parametrize("name", PROFILES)
def test_every_recorded_profile_is_found(name: str):
    """A recorded answer is taken as an answer about its own number, and kept as received."""
    body = (RECORDED / name).read_bytes()
    number = json.loads(body)["kvkNummer"]
    assert read(number, httpx2.Response(200), body) == Found(number, body)
    with pytest.raises(Unusable, match=number) as refused:
        read("00000000", httpx2.Response(200), body)
    assert refused.value.reason == "wrong_company"


def judged(status: int, body: bytes) -> str:
    """Return what we make of an error: the reason of a not found, or the name of the refusal."""
    try:
        answer = read("12345678", httpx2.Response(status), body)
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
        (404, "IPD0007"): "not_registered",
        (400, "IPD0004"): "not_valid_in_register",
        (500, "IPD9999"): Transient.__name__,
    }
    assert judged(status, body) == meanings.get((status, codes[0]), Unusable.__name__)


@pytest.mark.parametrize("name", ERRORS)
def test_a_recorded_body_with_another_status_proves_nothing(name: str):
    """Not found needs code and status together: with a wrong status the same body is no such answer."""
    body = (RECORDED / name).read_bytes()
    for status in (400, 403, 404, 410, 422, 429, 500, 503):
        if status != FILES[name]["status"]:
            assert judged(status, body) in {"AccessRefused", "Transient", "Unusable"}
