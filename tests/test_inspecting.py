import json
from dataclasses import asdict

import msgspec
import pytest

from kvk_enrich import inspecting, telling
from kvk_enrich.config import load_settings
from kvk_enrich.errors import InputRefused
from kvk_enrich.inspecting import Example, Finding, Repeated
from kvk_enrich.model import Kind

LIST = """naam;kvk;land
A;69599084;NL
B;KvK 6959 9084;NL
C;NL857587973B01;NL
D;n.v.t.;NL
E;NL123456789B01;NL
F;BSN 123456782;NL
G;68750110;NL
H;BTW 8575.87.973.B.01;NL
I;;NL
J;12345 en NL857587973B01, 69599084;NL
"""


@pytest.fixture
def inspected(tmp_path):
    """Return how a list with these contents and flags is inspected."""

    def inspect(text: str = LIST, **flags: object) -> inspecting.Inspection:
        path = tmp_path / "list.csv"
        path.write_text(text, encoding="utf-8")
        return inspecting.inspect(path, load_settings({"home": tmp_path / "home", **flags}, environ={}))

    return inspect


def test_what_is_in_a_list(inspected):
    """Columns, numbers, repetitions, repairs, doubts and refusals are counted, with examples."""
    seen = inspected()

    assert [(held.column, held.filled, held.kinds, held.candidate) for held in seen.columns] == [
        ("kvk", 8, {Kind.KVK: 3, Kind.VAT: 3}, True)
    ]
    assert (seen.rows, seen.read, seen.undecided) == (10, ("kvk",), None)
    assert (seen.kinds, seen.distinct, seen.duplicates) == ({Kind.KVK: 3, Kind.VAT: 3}, 4, 2)
    assert seen.repeated == (Repeated(Kind.KVK, "69599084", 2), Repeated(Kind.VAT, "NL*********B01", 2))
    assert seen.repairs[0] == Finding(
        "label removed",
        2,
        (Example(2, "KvK 6959 9084", "69599084"), Example(8, "BTW ****.**.***.B.**", "NL*********B01")),
    )
    assert [(doubt.what, doubt.rows) for doubt in seen.doubts] == [("check_digit", 1)]
    assert {refusal.what: refusal.rows for refusal in seen.refused} == {
        "placeholder": 1,
        "citizen_number": 1,
        "empty": 1,
        "two_numbers": 1,
    }


def test_what_may_be_a_citizen_number_is_masked_everywhere(inspected):
    """Neither for people nor for programs are nine digits shown that pass the eleven-test."""
    seen = inspected()
    told = "\n".join(telling.inspection(seen)) + msgspec.json.encode(seen).decode()

    assert "857587973" not in told.replace(".", "")
    assert "123456782" not in told
    assert "NL123456789B01" in told


def test_a_refused_cell_is_masked_and_a_kvk_number_is_not(inspected):
    """Nine digits in a cell that is no number may be a citizen's; those around a KVK number are read as what it is."""
    cells = ["59806655.0", "NL123456782B001", "eenmanszaak 123456782B01", "NL123456789B001", "69599084"]

    seen = inspected("\n".join(["kvk", *cells]), column=["kvk"])

    assert [example.value for refusal in seen.refused for example in refusal.examples] == [
        "NL*********B***",
        "eenmanszaak *********B**",
        "NL123456789B001",
    ]
    assert seen.repairs[0].examples == (Example(1, "59806655.0", "59806655"),)


def test_everything_counts_once(inspected):
    """Rows are numbers or refused."""
    seen = inspected(strict=True)

    assert sum(seen.kinds.values()) + sum(refusal.rows for refusal in seen.refused) == seen.rows
    assert seen.doubts == ()


def test_two_columns(inspected):
    """Numbers of both columns count, and so does what was refused beside a number."""
    text = "kvk,btw\n69599084,NL857587973B01\n,NL857587973B01\n69599084,?\n"

    seen = inspected(text, column=["kvk", "btw"])

    assert seen.kinds == {Kind.KVK: 2, Kind.VAT: 2}
    assert [repair.what for repair in seen.repairs] == ["column 'btw': placeholder"]


def test_a_list_whose_column_is_not_clear(inspected):
    """The columns are shown and what to do is said; nothing is refused."""
    seen = inspected("kvk,btw\n69599084,NL857587973B01\n")
    lines = telling.inspection(seen)

    assert [held.column for held in seen.columns] == ["kvk", "btw"]
    assert seen.read == ()
    assert "--column" in lines[-1]


def test_a_column_that_is_not_there(inspected):
    """A wrong name is an error as in a run."""
    with pytest.raises(InputRefused, match="'kvk_nr'"):
        inspected(column=["kvk_nr"])


def test_no_state_is_made(inspected, tmp_path):
    """Neither journal nor cache, and no copy of the list, is left."""
    inspected()

    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_lines_for_people(inspected):
    """Reasons are sentences, and an example shows what was made of a cell."""
    text = "\n".join(telling.inspection(inspected()))

    assert "numbers: 3 kvk, 3 vat; 4 different, 2 repetitions" in text
    assert "row 2 'KvK 6959 9084' -> 69599084" in text
    assert "The cell is empty." in text


def test_json(inspected):
    """The same for programs."""
    seen = json.loads(msgspec.json.encode(inspected()))

    assert seen.keys() == asdict(inspected()).keys()
    assert seen["kinds"] == {"kvk": 3, "vat": 3}
