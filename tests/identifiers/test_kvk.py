import doctest

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvk_enrich.identifiers import Reading, kvk
from kvk_enrich.identifiers._cells import ALIKE, READ
from kvk_enrich.identifiers.unreadable import Unreadable
from kvk_enrich.reasons import REASONS

# cell, number or reason code, note
ACCEPTED = [
    ("69599084", "69599084", None),
    (" 69599084 ", "69599084", None),
    ("\t69599084\n", "69599084", None),
    ("12345678", "12345678", None),
    ("00012345", "00012345", None),
    ("1234567", "01234567", "zero added in front"),
    ("1234567.0", "01234567", "decimals removed; zero added in front"),
    ("69599084.0", "69599084", "decimals removed"),
    ("69599084.00", "69599084", "decimals removed"),
    ("69599084,0", "69599084", "decimals removed"),
    ("69599084,00", "69599084", "decimals removed"),
    ("69.599.084", "69599084", "separators removed"),
    ("6959.9084", "69599084", "separators removed"),
    ("6959 9084", "69599084", "separators removed"),
    ("69 59 90 84", "69599084", "separators removed"),
    ("6959-9084", "69599084", "separators removed"),
    ("69_599_084", "69599084", "separators removed"),
    ("6959\u20119084", "69599084", "unusual characters replaced; separators removed"),
    ("6959\u20139084", "69599084", "separators removed"),
    ("6959\u00a09084", "69599084", "unusual characters replaced; separators removed"),
    ("69,599,084", "69599084", "separators removed"),
    ("1,234,567", "01234567", "separators removed; zero added in front"),
    ("20.12.19.55", "20121955", "separators removed"),
    ("\u00a069599084", "69599084", "unusual characters replaced"),
    ("\u202f69599084", "69599084", "unusual characters replaced"),
    ("69599084\u200b", "69599084", "unusual characters replaced"),
    ("\ufeff69599084", "69599084", "unusual characters replaced"),
    ("6959\u00ad9084", "69599084", "unusual characters replaced"),
    ("\u200e69599084\u200f", "69599084", "unusual characters replaced"),
    ("\uff16\uff19\uff15\uff19\uff19\uff10\uff18\uff14", "69599084", "unusual characters replaced"),
    ("'69599084", "69599084", None),
    ("\u201869599084", "69599084", None),
    ('="69599084"', "69599084", None),
    ('"69599084"', "69599084", None),
    ("\x1f69599084", "69599084", None),
    ("(69599084)", "69599084", None),
    ("69599084;", "69599084", None),
    ("69599084,", "69599084", None),
    ("69599084*", "69599084", None),
    ("#69599084", "69599084", None),
    ("69599084.", "69599084", "separators removed"),
    ("KvK: 69599084", "69599084", "label removed"),
    ("KVK69599084", "69599084", "label removed"),
    ("kvk 6959 9084", "69599084", "label removed; separators removed"),
    ("KVK-nummer 69599084", "69599084", "label removed"),
    ("KvK-nummer: 69599084", "69599084", "label removed"),
    ("KvKnummer69599084", "69599084", "label removed"),
    ("kvk nr. 69599084", "69599084", "label removed"),
    ("kvk no 69599084", "69599084", "label removed"),
    ("K.v.K. 69599084", "69599084", "label removed"),
    ("K.v.K. Amsterdam nr. 34123456", "34123456", "label removed"),
    ("ingeschreven bij de KvK onder nummer 69599084", "69599084", "label removed"),
    ("Kamer van Koophandel 69599084", "69599084", "label removed"),
    ("Handelsregister: 69599084", "69599084", "label removed"),
    ("Handelsregister Utrecht 69599084", "69599084", "label removed"),
    ("dossiernummer 69599084", "69599084", "label removed"),
    ("Dossier 69599084", "69599084", "label removed"),
    ("inschrijfnummer 69599084", "69599084", "label removed"),
    ("Chamber of Commerce number 69599084", "69599084", "label removed"),
    ("CoC: 69599084", "69599084", "label removed"),
    ("trade register 69599084", "69599084", "label removed"),
    ("HR 69599084", "69599084", "label removed"),
    ("nr. 69599084", "69599084", "label removed"),
    ("Nummer: 69599084", "69599084", "label removed"),
    ("NLNHR.69599084", "69599084", "label removed"),
    ("NL 69599084", "69599084", "label removed"),
    ("69599084 (KvK)", "69599084", "label removed"),
    ("69599084 KvK Amsterdam", "69599084", "label removed"),
    ("\uff2b\uff36\uff2b 69599084", "69599084", "unusual characters replaced; label removed"),
    ("KvK 1234567", "01234567", "label removed; zero added in front"),
    ("KvK: O9599084", "09599084", "label removed; letters read as digits (a guess)"),
    ("KvK: l2345678", "12345678", "label removed; letters read as digits (a guess)"),
    ("6959O084", "69590084", "letters read as digits (a guess)"),
    ("6959oo84", "69590084", "letters read as digits (a guess)"),
    ("I2345678", "12345678", "letters read as digits (a guess)"),
    ("1.2345678E7", "12345678", "scientific notation written out"),
    ("1,2345678E+07", "12345678", "scientific notation written out"),
    ("1.2345678e+7", "12345678", "scientific notation written out"),
    ("1.23456780E7", "12345678", "scientific notation written out"),
    ("1.234567E6", "01234567", "scientific notation written out; zero added in front"),
    ("1.23456780000E+11", "12345678", "scientific notation written out; sub-dossier removed"),
    ("123456780000", "12345678", "sub-dossier removed"),
    ("12345678 0000", "12345678", "separators removed; sub-dossier removed"),
    ("12345678/0000", "12345678", "sub-dossier removed"),
    ("12345678/0001", "12345678", "sub-dossier removed"),
    ("12345678 / 0001", "12345678", "sub-dossier removed"),
    ("12345678-0001", "12345678", "sub-dossier removed"),
    ("12.345.678/0000", "12345678", "sub-dossier removed; separators removed"),
    ("1234 5678/0000", "12345678", "sub-dossier removed; separators removed"),
    ("69599084" + " " * 1_000, "69599084", None),
    ("01234567/0000", "01234567", "sub-dossier removed"),
    ("\u041av\u041a 6959\u041e084", "69590084", f"{ALIKE}; label removed; letters read as digits (a guess)"),
    ("12345678.0000", "12345678", "decimals removed"),
]
REFUSED = [
    ("", "empty"),
    ("   ", "empty"),
    ("\u00a0", "empty"),
    ("\u200b", "empty"),
    ("'", "empty"),
    ('=""', "empty"),
    ("-", "placeholder"),
    ("--", "placeholder"),
    (".", "placeholder"),
    ("...", "placeholder"),
    ("/", "placeholder"),
    ("?", "placeholder"),
    ("???", "placeholder"),
    ("0", "placeholder"),
    ("0.0", "placeholder"),
    ("000", "placeholder"),
    ("00000000", "placeholder"),
    ("000000000000", "placeholder"),
    ("11111111", "placeholder"),
    ("9999999", "placeholder"),
    ("99999999", "placeholder"),
    ("99999999.0", "placeholder"),
    ("99999999/0000", "placeholder"),
    ("999999999", "placeholder"),
    ("9999", "placeholder"),
    ("KvK: 00000000", "placeholder"),
    ("0000000O", "placeholder"),
    ("n.v.t.", "placeholder"),
    ("N.V.T.", "placeholder"),
    ("nvt", "placeholder"),
    ("KvK: nvt", "placeholder"),
    ("n/a", "placeholder"),
    ("#N/A", "placeholder"),
    ("#N/B", "placeholder"),
    ("NA", "placeholder"),
    ("<NA>", "placeholder"),
    ("none", "placeholder"),
    ("None", "placeholder"),
    ("null", "placeholder"),
    ("NULL", "placeholder"),
    ("nan", "placeholder"),
    ("NaN", "placeholder"),
    ("onbekend", "placeholder"),
    ("Onbekend", "placeholder"),
    ("unknown", "placeholder"),
    ("geen", "placeholder"),
    ("geen KvK", "placeholder"),
    ("niet van toepassing", "placeholder"),
    ("niet bekend", "placeholder"),
    ("volgt", "placeholder"),
    ("tbd", "placeholder"),
    ("x", "placeholder"),
    ("xxxx", "placeholder"),
    ("XXXXXXXX", "placeholder"),
    ("(leeg)", "placeholder"),
    ("KVK-nummer", "placeholder"),
    ("857587973", "looks_like_rsin"),
    ("8575.87.973", "looks_like_rsin"),
    ("RSIN 857587973", "looks_like_rsin"),
    ("RSIN: 85758797", "looks_like_rsin"),
    ("1.23456789E8", "looks_like_rsin"),
    ("NL857587973", "looks_like_rsin"),
    ("000037178598", "looks_like_branch_number"),
    ("0000 3717 8598", "looks_like_branch_number"),
    ("00003717-8598", "looks_like_branch_number"),
    ("990000541921", "looks_like_branch_number"),
    ("123456780001", "looks_like_branch_number"),
    ("000012340000", "looks_like_branch_number"),
    ("vestigingsnummer 000037178598", "looks_like_branch_number"),
    ("vestiging 37178598", "looks_like_branch_number"),
    ("NL857587973B01", "looks_like_vat"),
    ("nl857587973b01", "looks_like_vat"),
    ("NL 8575.87.973.B01", "looks_like_vat"),
    ("857587973B01", "looks_like_vat"),
    ("BTW NL857587973B01", "looks_like_vat"),
    ("btw-nummer: 857587973", "looks_like_vat"),
    ("VAT 69599084", "looks_like_vat"),
    ("KvK: NL857587973B01", "looks_like_vat"),
    ("DE123456788", "looks_like_vat"),
    ("DK12345678", "looks_like_vat"),
    ("BE0123456789", "looks_like_vat"),
    ("ATU12345678", "looks_like_vat"),
    ("FRXX123456789", "looks_like_vat"),
    ("GB123456789", "looks_like_vat"),
    ("ESX1234567X", "looks_like_vat"),
    ("12345678 / 87654321", "two_numbers"),
    ("12345678, 87654321", "two_numbers"),
    ("12345678\n87654321", "two_numbers"),
    ("12345678 87654321", "two_numbers"),
    ("12345678 en 87654321", "two_numbers"),
    ("1234 5678 / 8765 4321", "two_numbers"),
    ("12345678 (oud: 87654321)", "two_numbers"),
    ("KvK 12345678 btw NL857587973B01", "two_numbers"),
    ("12345678 - 000037178598", "two_numbers"),
    ("1,23457E+11", "digits_lost"),
    ("1.23457E+11", "digits_lost"),
    ("1.2346E+07", "digits_lost"),
    ("7E+07", "digits_lost"),
    ("1.234567E7", "digits_lost"),
    ("1", "wrong_length"),
    ("12345", "wrong_length"),
    ("123456", "wrong_length"),
    ("1234567890", "wrong_length"),
    ("12345.000", "wrong_length"),
    ("06-12345678", "wrong_length"),
    ("+31612345678", "not_a_number"),
    ("1234567887654321", "wrong_length"),
    ("9" * 30, "placeholder"),
    ("12" * 30, "wrong_length"),
    ("31-12-2025", "not_a_number"),
    ("2025-12-31", "not_a_number"),
    ("01.02.2024", "not_a_number"),
    ("2025-12-31 00:00:00", "not_a_number"),
    ("123456.78", "not_a_number"),
    ("6959908.4", "not_a_number"),
    ("123.456,78", "not_a_number"),
    ("-69599084", "not_a_number"),
    ("BSN 123456782", "citizen_number"),
    ("69599084a", "not_a_number"),
    ("6959908g", "not_a_number"),
    ("Olli1001", "not_a_number"),
    ("69599084 Amsterdam", "not_a_number"),
    ("Amsterdam 69599084", "not_a_number"),
    ("tel. 1234567", "not_a_number"),
    ("dhr 69599084", "not_a_number"),
    ("info@bedrijf.example", "not_a_number"),
    ("Bakkerij De Halm", "not_a_number"),
    ("6959\x009084", "not_a_number"),
    ("\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "not_a_number"),
    ("x" * 1_000, "not_a_number"),
    ("69599084" + "." * 1_000, "not_a_number"),
    ("0x42", "not_a_number"),
]


def read_cells(cells: list[str | None]) -> list[Reading]:
    """Read texts as a column."""
    frame = pl.LazyFrame({"cell": cells}, schema={"cell": pl.String})
    read = kvk.read_column(frame, "cell").select(*READ).collect()
    return [Reading(number, reason, note, tuple(flags or ())) for number, reason, note, flags in read.rows()]


@pytest.mark.parametrize(("cell", "number", "note"), ACCEPTED)
def test_accepted(cell, number, note):
    """What can be a number is read as one, and every repair is told."""
    flags = ("guess",) if note and "a guess" in note else ()

    assert kvk.read(cell) == Reading(number, None, note, flags)


@pytest.mark.parametrize(("cell", "reason"), REFUSED)
def test_refused(cell, reason):
    """What cannot be a number is refused with its own reason."""
    assert kvk.read(cell) == Reading(None, reason, None)


def test_column_reads_as_single_cells():
    """A column is read as its cells are one by one; null is empty."""
    cells = [cell for cell, *_ in ACCEPTED + REFUSED]

    actual = read_cells([*cells, None])

    assert actual == [*(kvk.read(cell) for cell in cells), Reading(None, "empty", None)]


# Pieces that dirty cells are made of, so that most examples come near a number.
pieces = st.one_of(
    st.from_regex(r"[0-9]{1,12}", fullmatch=True),
    st.sampled_from(
        [
            "69599084",
            "0000",
            "KvK",
            "nr.",
            "nummer",
            "NL",
            "B01",
            "btw",
            "RSIN",
            "E+7",
            "e",
            "O",
            "l",
            "en",
            "hr",
            "n.v.t.",
        ]
    ),
    st.sampled_from(
        list(" .,-_/:;'\"=()#*?+\n\r\t\x00\x1f\u00a0\u200b\ufeff\u2011\u2013\u2212\uff11\u0661\u212a\u017f\u0130\u0131")
    ),
)
cells = st.one_of(st.lists(pieces, max_size=6).map("".join), st.text(max_size=20))


@given(st.lists(cells, min_size=20, max_size=40))
@settings(max_examples=60, deadline=None)
def test_column_equals_scalar(texts):
    """On any text at all the column and the single cell agree."""
    assert read_cells(list(texts)) == [kvk.read(text) for text in texts]


@given(cells)
def test_number_or_reason(text):
    """A text is a number of 8 digits or has a reason of the closed list, never both."""
    reading = kvk.read(text)

    if reading.number is None:
        assert reading.reason in REASONS
    else:
        assert reading.reason is None
        assert reading.number.isascii()
        assert reading.number.isdigit()
        assert len(reading.number) == 8


@given(cells)
def test_compact_is_idempotent(text):
    """Reading what was read changes nothing."""
    assert kvk.compact(kvk.compact(text)) == kvk.compact(text)


@given(st.from_regex(r"[0-9]{8}", fullmatch=True).filter(kvk.is_valid))
def test_format_round_trip(number):
    """A number survives being formatted."""
    assert kvk.validate(kvk.format(number)) == number


def test_validate_gives_the_reason():
    """An unreadable text raises with its reason code."""
    with pytest.raises(Unreadable) as caught:
        kvk.validate("857587973")

    assert caught.value.reason == "looks_like_rsin"


def test_examples_in_the_module():
    """The examples in the documentation are true."""
    assert doctest.testmod(kvk).failed == 0
