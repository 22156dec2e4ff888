import doctest

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.eu import vat as stdnum_vat
from stdnum.nl import bsn, btw

from kvk_enrich.identifiers import CHECK_DIGIT, Reading, vat
from kvk_enrich.identifiers._cells import READ
from kvk_enrich.identifiers._check_digits import passes_eleven, passes_eleven_column
from kvk_enrich.identifiers._shapes import FORMATS, VAT_FORMAT
from kvk_enrich.identifiers.countries import CODES, code_of
from kvk_enrich.identifiers.unreadable import Unreadable
from kvk_enrich.reasons import REASONS

# cell, country beside it, number, note
ACCEPTED = [
    ("NL857587973B01", None, "NL857587973B01", None),
    ("nl857587973b01", None, "NL857587973B01", None),
    ("BTW NL 0012.34.567.B01", None, "NL001234567B01", "label removed; separators removed"),
    ("btw-nr. 857587973B01", None, "NL857587973B01", "label removed; country added"),
    ("857587973B01", "DE", "NL857587973B01", "country added"),
    ("NLNL857587973B01", None, "NL857587973B01", "country given twice"),
    ("NL857587973BO1", None, "NL857587973B01", "letters read as digits (a guess)"),
    ("NL857587973\u041201", None, "NL857587973B01", "look-alike letters replaced (a guess)"),
    ("NL1234560B01", None, "NL001234560B01", "zeros added in front"),
    ("857587973B1", None, None, "not_a_number"),
    ("NL857587973B1", None, "NL857587973B01", "zero added in front"),
    ("GR123456783", None, "EL123456783", "GR written as EL"),
    ("ELGR123456783", None, "EL123456783", "country given twice"),
    ("123456783", "Griekenland", "EL123456783", "country added"),
    ("BE 0123.456.749", None, "BE0123456749", "separators removed"),
    ("123456749", "BEL", "BE0123456749", "country added; zero added in front"),
    ("123456749.0", "be", "BE0123456749", "decimals removed; country added; zero added in front"),
    ("ESESB12345674", None, "ESB12345674", "country given twice"),
    ("FRFR123456789", None, "FRFR123456789", None),
    ("AT123456789", "FR", "FRAT123456789", "country added"),
    ("IE1234567OB", None, "IE1234567OB", None),
    ("XI123456789", None, "XI123456789", None),
    ("\ufeffUSt-IdNr.: DE 123/456/788;", None, "DE123456788", None),
]


def read_cells(cells, countries=None) -> list[Reading]:
    """Read texts as a column, with a column of countries beside it."""
    countries = countries or [None] * len(cells)
    frame = pl.LazyFrame({"cell": cells, "land": countries}, schema={"cell": pl.String, "land": pl.String})
    read = vat.read_column(frame, "cell", country="land").select(*READ).collect()
    return [Reading(number, reason, note, tuple(flags or ())) for number, reason, note, flags in read.rows()]


@pytest.mark.parametrize(("cell", "country", "number", "told"), ACCEPTED)
def test_single_cells(cell, country, number, told):
    """What can be a VAT number is read as one; what cannot has its own reason."""
    reading = vat.read(cell, country)

    assert reading.number == number
    if number is None:
        assert reading.reason == told
    elif told is not None:
        assert reading.note == told


def test_column_reads_as_single_cells():
    """A column is read as its cells are one by one; null is empty."""
    cells = [cell for cell, *_ in ACCEPTED]
    countries = [country for _, country, *_ in ACCEPTED]

    actual = read_cells([*cells, None], [*countries, None])

    assert actual == [*(vat.read(*pair) for pair in zip(cells, countries, strict=True)), Reading(None, "empty", None)]


pieces = st.one_of(
    st.from_regex(r"[0-9]{1,12}", fullmatch=True),
    st.sampled_from(["NL", "nl", "B01", "BO1", "GR", "EL", "BE", "0", "ES", "FR", "AT", "U", "DE", "XI"]),
    st.sampled_from(
        [
            "GB",
            "CHE",
            "MVA",
            "BTW",
            "btw-nr",
            "vatno",
            "KvK",
            "857587973",
            "NL857587973B01",
            "123456749",
            "n.v.t.",
            "BSN",
            "RSIN",
            "OB",
        ]
    ),
    st.sampled_from(list(" .,-_/:;'\"=()#*?+OIlX\n\x00\x1f\u00a0\u200b\ufeff\u2011\uff11\u0412\u0410\u0130\u00df")),
)
cells = st.one_of(st.lists(pieces, max_size=6).map("".join), st.text(max_size=20))
countries = st.one_of(st.none(), st.sampled_from(["DE", "be", "Frankrijk", "GB", "NL", "Mars", " GR ", "SE", "dk"]))


@given(st.lists(st.tuples(cells, countries), min_size=20, max_size=40))
@settings(max_examples=40, deadline=None)
def test_column_equals_scalar(pairs):
    """On any text at all, beside any country, the column and the single cell agree."""
    actual = read_cells([cell for cell, _ in pairs], [country for _, country in pairs])

    assert actual == [vat.read(cell, country) for cell, country in pairs]


@given(cells, countries)
def test_number_or_reason(text, country):
    """A text is a number that reads as itself, or has a reason of the closed list."""
    reading = vat.read(text, country)

    if reading.number is None:
        assert reading.reason in REASONS
    else:
        assert reading.reason is None
        assert vat.compact(reading.number) == reading.number


well_formed = st.from_regex(f"(?:{VAT_FORMAT})", fullmatch=True)
dutch = st.from_regex(r"NL[0-9]{9}B[0-9]{2}", fullmatch=True)


@given(st.lists(st.one_of(dutch, well_formed), min_size=20, max_size=40))
@settings(max_examples=40, deadline=None)
def test_check_digits_agree_with_python_stdnum(numbers):
    """Whatever the number, both ways, and both engines."""
    expected = [stdnum_vat.is_valid(number) for number in numbers]

    assert [vat.passes(number) for number in numbers] == expected
    column = pl.DataFrame({"number": numbers}).select(vat.passes_column(pl.col("number")))
    assert column.to_series().to_list() == expected


@given(st.lists(st.from_regex(r"[0-9]{9}", fullmatch=True), min_size=20, max_size=40))
@settings(max_examples=40, deadline=None)
def test_eleven_test_agrees_with_python_stdnum(digits):
    """The eleven-test of nine digits, both ways."""
    expected = [bsn.is_valid(number) for number in digits]

    assert [passes_eleven(number) for number in digits] == expected
    column = pl.DataFrame({"digits": digits}).select(passes_eleven_column(pl.col("digits")))
    assert column.to_series().to_list() == expected


@given(st.integers(0, 10**9 - 1), st.integers(0, 99))
def test_sole_traders_and_citizen_numbers(core, suffix):
    """A right number is one that may hold a citizen number or one that cannot, never both."""
    number = f"NL{core:09}B{suffix:02}"

    if btw.is_valid(number):
        assert vat.may_hold_bsn(number) == bsn.is_valid(number[2:11])
        assert vat.is_sole_trader_since_2020(number) != vat.may_hold_bsn(number)
    assert (vat.rsin_of(number) is not None) == vat.may_hold_bsn(number)


def test_privacy_as_columns():
    """The same for a column; another state's numbers are left as they are."""
    numbers = ["NL857587973B01", "NL000099998B57", "NL123456789B01", "DE123456788", None]
    frame = pl.DataFrame({"number": numbers}).select(
        bsn=vat.may_hold_bsn_column(pl.col("number")),
        alone=vat.is_sole_trader_since_2020_column(pl.col("number")),
        rsin=vat.rsin_of_column(pl.col("number")),
        shown=vat.masked_column(pl.col("number")),
    )

    assert frame.rows() == [
        (True, False, "857587973", "NL*********B01"),
        (False, True, None, "NL*********B57"),
        (False, False, None, "NL*********B01"),
        (False, False, None, "DE123456788"),
        (None, None, None, None),
    ]
    for number, row in zip(filter(None, numbers), frame.rows(), strict=False):
        assert (
            vat.may_hold_bsn(number),
            vat.is_sole_trader_since_2020(number),
            vat.rsin_of(number),
            vat.masked(number),
        ) == row


def test_a_wrong_check_digit_is_no_refusal_but_not_valid():
    """Reading flags it; validating refuses it."""
    assert vat.read("NL123456789B01").flags == (CHECK_DIGIT,)
    assert not vat.is_valid("NL123456789B01")
    with pytest.raises(Unreadable, match="check_digit"):
        vat.validate("NL123456789B01")


def test_countries():
    """Every state is known by its prefix, and names are read as people write them."""
    assert {code_of(state) for state in FORMATS} == set(FORMATS)
    assert code_of(" België. ") == "BE"
    assert code_of("Atlantis") is None
    assert code_of(None) is None
    assert all(name == name.lower() for name in CODES)


def test_examples_in_the_module():
    """The examples in the documentation are true."""
    assert doctest.testmod(vat).failed == 0
