from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvk_enrich import identify, readers
from kvk_enrich.errors import ConfigError, InputRefused
from kvk_enrich.model import Kind
from kvk_enrich.practice import population

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
ADDED = ["enrich_raw", "enrich_number", "enrich_kind", "enrich_reason", "enrich_note"]


def listed(**columns) -> pl.LazyFrame:
    """Return a list as readers do."""
    return pl.LazyFrame(columns).with_row_index("enrich_row", offset=1)


def identified(values, dtype=None) -> list[tuple[str | None, ...]]:
    """Return what is added to rows with these cells."""
    frame = pl.LazyFrame({"kvk": pl.Series(values, dtype=dtype)})
    return identify.identify(frame, ["kvk"], None).select(ADDED).collect().rows()


def test_columns_come_after_the_own_ones():
    """The list's own columns stay as they are and in front."""
    frame = listed(naam=["Halm"], kvk=["KvK 1234567"])

    actual = identify.identify(frame, ["kvk"], Kind.KVK).collect()

    assert actual.columns == ["enrich_row", "naam", "kvk", *ADDED, "enrich_flags"]
    assert actual.row(0)[2:] == (
        "KvK 1234567",
        "KvK 1234567",
        "01234567",
        "kvk",
        None,
        "label removed; zero added in front",
        None,
    )


@given(
    st.lists(st.one_of(st.none(), st.text(max_size=15), st.from_regex(r"[0-9 .]{7,13}", fullmatch=True)), max_size=20)
)
@settings(deadline=None)
def test_number_xor_reason(cells):
    """Every row has a number or a reason, kind goes with the number, and no row is lost."""
    rows = identified(cells, pl.String)

    assert [raw for raw, *_ in rows] == cells
    assert all((number is None) != (reason is None) for _, number, _, reason, _ in rows)
    assert all((kind is not None) == (number is not None) for _, number, kind, _, _ in rows)


@pytest.mark.parametrize(
    ("value", "dtype", "number", "reason"),
    [
        (69599084, pl.Int64, "69599084", None),
        (1234567, pl.UInt32, "01234567", None),
        (-69599084, pl.Int64, None, "not_a_number"),
        (69599084.0, pl.Float64, "69599084", None),
        (69599084.5, pl.Float64, None, "not_a_number"),
        (123456780000.0, pl.Float64, "12345678", None),
        (float("nan"), pl.Float64, None, "placeholder"),
        (69599084, pl.Decimal(12, 2), "69599084", None),
        ("69599084", pl.Categorical, "69599084", None),
        ("69599084", pl.Enum(["69599084"]), "69599084", None),
        (b"69599084", pl.Binary, "69599084", None),
        (b"\xff\xfe", pl.Binary, None, "not_a_number"),
        (None, pl.Int64, None, "empty"),
        (None, pl.Null, None, "empty"),
    ],
)
def test_dtypes(value, dtype, number, reason):
    """Whatever dtype Parquet gives the number column, its cells are read as text."""
    ((_, actual_number, _, actual_reason, _),) = identified([value], dtype)

    assert (actual_number, actual_reason) == (number, reason)


@pytest.mark.parametrize("value", [["69599084"], {"kvk": "69599084"}, date(2025, 12, 31), True])
def test_dtypes_without_numbers(value):
    """A column of lists, structs, dates or flags is refused by name."""
    with pytest.raises(InputRefused, match="column 'kvk' holds"):
        identified([value])


@given(st.lists(st.one_of(st.binary(max_size=8), st.text(max_size=4).map(str.encode)), min_size=5, max_size=30))
@settings(deadline=None)
def test_binary_cells_are_texts_where_they_are_utf8(cells):
    """UTF-8 is read as text; any other bytes are shown, not guessed at."""
    for cell, (raw, *_) in zip(cells, identified(cells, pl.Binary), strict=True):
        try:
            expected = cell.decode()
        except UnicodeDecodeError:
            expected = f"bytes {cell.hex()}"
        assert raw == expected


MIXED = {
    "kvk": ["69599084", "n.v.t.", "", "69599084", "X", None],
    "btw": ["NL857587973B01", "nl 857587973 b01", "?", "x y", "Y", None],
    "rsin": [None, "857587973", "123456789", "69599084", "Z", " "],
}


def test_several_columns():
    """The first number of a row counts, another one stands beside it, and refused cells are told of."""
    read = identify.identify(listed(**MIXED), ["kvk", "btw", "rsin"], None).collect()

    assert read.columns[-2:] == ["enrich_other_number", "enrich_other_kind"]
    assert read.select(*ADDED, "enrich_flags", "enrich_other_number", "enrich_other_kind").rows() == [
        ("69599084", "69599084", "kvk", None, None, None, "NL857587973B01", "vat"),
        (
            "nl 857587973 b01",
            "NL857587973B01",
            "vat",
            None,
            "separators removed; column 'kvk': placeholder",
            None,
            "857587973",
            "rsin",
        ),
        ("123456789", "123456789", "rsin", None, "column 'btw': placeholder", ["check_digit"], None, None),
        ("69599084", "69599084", "kvk", None, "column 'btw': not_a_number", None, None, None),
        ("X", None, None, "placeholder", None, None, None, None),
        (None, None, None, "empty", None, None, None, None),
    ]


def test_a_third_number_is_told_and_not_asked():
    """Two numbers of a row are asked."""
    frame = identify.identify(listed(a=["69599084"], b=["68750110"], c=["90001354"]), ["a", "b", "c"], None)

    assert frame.select("enrich_number", "enrich_other_number", "enrich_note").collect().rows() == [
        ("69599084", "68750110", "column 'c': a third number, not asked")
    ]
    assert identify.distinct(frame).rows() == [("kvk", "69599084"), ("kvk", "68750110")]


def test_distinct_numbers_of_several_columns():
    """Each once, in the order of rows, the other number of a row behind the first."""
    frame = identify.identify(listed(a=["69599084", "68750110"], b=["NL857587973B01", "69599084"]), ["a", "b"], None)

    assert identify.distinct(frame).rows() == [("kvk", "69599084"), ("vat", "NL857587973B01"), ("kvk", "68750110")]


def test_more_than_three_columns():
    """Four columns are refused."""
    with pytest.raises(ConfigError, match="one to 3 columns, got 4"):
        identify.identify(listed(a=["1"]), ["a", "a", "a", "a"], None)


@pytest.mark.parametrize(
    ("kind", "cell", "number"),
    [
        (Kind.KVK, "69599084", "69599084"),
        (Kind.VAT, "123456788", "DE123456788"),
        (Kind.RSIN, "69599084", "069599084"),
        (Kind.BRANCH, "37178598", "000037178598"),
        (None, "123456788", "DE123456788"),
    ],
)
def test_kinds(kind, cell, number):
    """A column is read as what it is said to be."""
    frame = listed(nr=[cell], land=["Duitsland"])

    read = identify.identify(frame, ["nr"], kind, country_column="land").collect()

    assert read.columns == ["enrich_row", "nr", "land", *ADDED, "enrich_flags"]
    assert read["enrich_number"].to_list() == [number]
    assert read["enrich_kind"].to_list() == [kind or "vat"]


def test_strict_refuses_what_is_flagged():
    """A wrong check digit is a reason with --strict, a flag without."""
    frame = listed(btw=["NL123456789B01", "NL857587973B01", "NL857587973BO1"])

    flagged = identify.identify(frame, ["btw"], None).select("enrich_number", "enrich_reason", "enrich_flags")
    strict = identify.identify(frame, ["btw"], None, strict=True).select(
        "enrich_number", "enrich_reason", "enrich_flags"
    )

    assert flagged.collect().rows()[0] == ("NL123456789B01", None, ["check_digit"])
    assert strict.collect().rows() == [
        (None, "check_digit", None),
        ("NL857587973B01", None, None),
        ("NL857587973B01", None, ["guess"]),
    ]


def test_a_huge_cell_is_refused_quickly():
    """A cell of 20 MB is a text."""
    ((raw, number, _, reason, _),) = identified(["12345678 " * 2_000_000])

    assert (len(raw or ""), number, reason) == (18_000_000, None, "not_a_number")


def test_column_found_by_content():
    """The column that holds numbers is found, whatever it is called and however dirty it is."""
    frame = listed(
        klant=["1001", "1002", "1003"],
        inschrijving=["KvK 69599084", "n.v.t.", "1234567"],
        telefoon=["0201234567", "", "0612345678"],
        sinds=["20240131", "20231201", "20220505"],
        besteed=[12345678.5, 2.0, None],
    )

    assert identify.find_column(frame, ["klant", "inschrijving", "telefoon", "sinds", "besteed"]) == "inschrijving"


def test_half_of_the_filled_cells_is_enough():
    """Blanks and stand-ins do not count against a column."""
    frame = listed(a=["69599084", "", "", "onbekend", "Jansen"], b=["69599084", "x y z", "p q r", "", ""])

    assert identify.find_column(frame, ["a", "b"]) == "a"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["NL857587973B01", "btw DE123456788", "n.v.t."], None),
        (["857587973", "001234560"], None),
        (["000037178598", "990000541921"], None),
        (["37178598", "38509504"], Kind.BRANCH),
    ],
)
def test_columns_of_every_kind_are_found(cells, kind):
    """A column of VAT numbers, RSINs or branch numbers is found; telephone numbers are not taken for RSINs."""
    frame = listed(telefoon=["201234568", "612345679", "701234567"][: len(cells)], nr=cells)

    assert identify.find_column(frame, ["telefoon", "nr"], kind) == "nr"


def test_columns_of_two_kinds_are_named():
    """KVK and VAT numbers side by side: which one, or both, is for the user to say."""
    frame = listed(kvk=["69599084"], btw=["NL857587973B01"])

    with pytest.raises(InputRefused, match=r"'kvk' \(kvk\), 'btw' \(vat\).*--column.*twice"):
        identify.find_column(frame, ["kvk", "btw"])


def test_no_column():
    """With no candidate the message names the columns and the remedy."""
    with pytest.raises(InputRefused, match=r"'naam', 'plaats'.*--column"):
        identify.find_column(listed(naam=["Halm"], plaats=["Assen"]), ["naam", "plaats"])


def test_no_column_that_could_hold_numbers():
    """A list of flags alone has no candidate either."""
    with pytest.raises(InputRefused, match="no column"):
        identify.find_column(listed(actief=[True]), ["actief"])


def test_two_columns():
    """Two candidates are refused, both named."""
    frame = listed(kvk=["69599084"], oud=["68750110"])

    with pytest.raises(InputRefused, match=r"'kvk' \(kvk\), 'oud' \(kvk\).*--column"):
        identify.find_column(frame, ["kvk", "oud"])


def test_list_without_columns():
    """A file may have neither rows nor columns: said, not crashed on."""
    with pytest.raises(InputRefused, match="no columns"):
        identify.find_column(pl.LazyFrame(), [])


def test_list_without_rows():
    """An empty list has nothing to ask, whichever column is taken."""
    frame = listed(kvk=pl.Series([], dtype=pl.String))

    assert identify.find_column(frame, ["kvk"]) == "kvk"


@pytest.mark.parametrize(
    ("name", "column"), [("kvk", "kvk"), (" KvK Nr", " kvk nr"), ("KVK NR", " kvk nr"), ("plaats", "Plaats ")]
)
def test_named_column(name, column):
    """A name fits exactly, or but for case and outer spaces; the list's own spelling is returned."""
    assert identify.named_column(["kvk", " kvk nr", "Plaats "], name) == column


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("kvk_nummr", "Did you mean 'KVK_nummer'"), ("zzz", "has 'KVK_nummer', 'a', 'A '"), (" a", "could be 'a', 'A '")],
)
def test_named_column_missing(name, sentence):
    """A name that does not fit is refused with the nearest ones."""
    with pytest.raises(InputRefused, match=sentence):
        identify.named_column(["KVK_nummer", "a", "A "], name)


def test_distinct_in_first_seen_order(tmp_path):
    """Each number once, in the order of first rows, on a list of many row groups."""
    rows = 2_200_000
    row = pl.int_range(1, rows + 1, dtype=pl.UInt32, eager=True)
    number = ((row.cast(pl.UInt64) * 7_919 % 300_007) + 10_000_000).cast(pl.String)
    path = tmp_path / "long.parquet"
    pl.DataFrame({"enrich_row": row, "enrich_kind": ["kvk"] * rows, "enrich_number": number}).write_parquet(
        path, row_group_size=50_000, compression="lz4"
    )

    actual = identify.distinct(pl.scan_parquet(path))

    assert actual.columns == ["enrich_kind", "enrich_number"]
    assert actual["enrich_number"].to_list() == list(dict.fromkeys(number.to_list()))


def test_distinct_leaves_refused_cells_out():
    """Only numbers are asked for."""
    frame = identify.identify(listed(kvk=["n.v.t.", "69599084", None, "6959 9084", "68750110"]), ["kvk"], None)

    assert identify.distinct(frame).rows() == [("kvk", "69599084"), ("kvk", "68750110")]


@pytest.mark.parametrize(
    ("sample", "column"), [("suppliers.csv", "kvk"), ("customers.csv", "kvk_nummer"), ("audit.parquet", "kvk")]
)
def test_samples(sample, column, tmp_path):
    """The samples show dirt, and hold numbers that exist in practice and numbers that do not."""
    rows = readers.read(readers.snapshot(SAMPLES / sample, tmp_path), folder=tmp_path)
    found = identify.find_column(rows.frame, rows.columns)
    read = identify.identify(rows.frame, [found], None).collect()

    assert found == column
    assert read["enrich_reason"].n_unique() > 2
    assert read["enrich_note"].drop_nulls().len() > 0
    assert any(population.company(number) for number in read["enrich_number"].drop_nulls())


@pytest.mark.parametrize(
    "name", ["bsn", "BSN", "klant_bsn", "BSN-nummer", "Burgerservicenummer", "sofinummer", "bsnnr"]
)
def test_citizen_service_numbers_are_nobodys_business(name):
    """They look like RSINs; a column of them is neither found nor taken when it is named."""
    frame = listed(**{name: ["111222333", "123456782"], "kvk": ["69599084", "n.v.t."]})
    assert identify.find_column(frame, [name, "kvk"]) == "kvk"
    with pytest.raises(InputRefused, match="no column holds mainly"):
        identify.find_column(frame, [name])
    with pytest.raises(InputRefused, match="no register of companies may get them"):
        identify.identify(frame, [name], None)


@pytest.mark.parametrize("name", ["sofia", "absnr", "bsnxx", "rsin"])
def test_other_names_are_no_citizens(name):
    """A name that only begins alike."""
    assert identify.find_column(listed(**{name: ["111222333", "123456782"]}), [name]) == name
