"""What fetch lets pass can be turned into columns for good, and kept by the cache: for every product of KVK."""

import json
from typing import Any

import duckdb
import httpx2
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.columns import PRODUCTS, schema
from kvk_enrich.errors import RegisterError
from kvk_enrich.model import Call, Found, Kind
from kvk_enrich.practice import answers, published
from kvk_enrich.practice.answers import Links, Shown
from kvk_enrich.registers import (
    kvk_basisprofiel,
    kvk_naamgeving,
    kvk_vestigingen,
    kvk_vestigingsprofiel,
    kvk_zoeken,
)
from kvk_enrich.registers.kvk_answers import read
from kvk_enrich.write.cells import as_cell

LINKS = Links("links", "http://practice.test/api")
DONALD = published.companies(0)["68750110"]
SHOWN = Shown(rsin=True, address_in_full=False, state=True)
ROWS = {
    "basisprofiel": kvk_basisprofiel.rows,
    "vestigingen": kvk_vestigingen.rows,
    "vestigingsprofiel": kvk_vestigingsprofiel.rows,
    "naamgeving": kvk_naamgeving.rows,
    "zoeken": kvk_zoeken.rows,
}
SAMPLES: dict[str, tuple[Call, dict[str, Any]]] = {
    "basisprofiel": (Call("basisprofiel", Kind.KVK, (DONALD.number,)), answers.basisprofiel(DONALD, LINKS, geo=True)),
    "vestigingen": (Call("vestigingen", Kind.KVK, (DONALD.number,)), answers.vestigingen(DONALD, LINKS)),
    "vestigingsprofiel": (
        Call("vestigingsprofiel", Kind.BRANCH, (DONALD.branches[0].number,)),
        answers.vestigingsprofiel(DONALD, DONALD.branches[0], LINKS, geo=True),
    ),
    "naamgeving": (Call("naamgeving", Kind.KVK, (DONALD.number,)), answers.naamgeving(DONALD, LINKS)),
    "zoeken": (
        Call("zoeken", Kind.RSIN, (str(DONALD.rsin),)),
        {
            "totaal": 2,
            "resultaten": [answers.search_row(DONALD, own, LINKS, SHOWN) for own in (None, *DONALD.branches)],
        },
    ),
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["Ja", "20200000", "bezoekadres", "nan", "inf", "1e999", "68750110"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value in *tree*."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in items for place in [(*path, key), *places(value, (*path, key))]]


def holds(call: Call, body: bytes) -> bool:
    """Say whether *body* passes for an answer to *call*; then it must be readable, and fit the columns, ever after."""
    try:
        found = read(call, httpx2.Response(200), body)
    except RegisterError:
        return False
    assert isinstance(found, Found)
    assert ROWS[call.product]([body]).schema == pl.Schema(schema(PRODUCTS[call.product]))
    assert body.decode().encode() == body
    return True


@pytest.mark.parametrize("product", SAMPLES)
def test_a_whole_answer_passes(product):
    """The samples themselves are answers, or the rest of these tests would prove nothing."""
    call, body = SAMPLES[product]
    assert holds(call, json.dumps(body).encode())


@pytest.mark.parametrize("product", SAMPLES)
@given(data=st.data())
def test_any_value_anywhere_is_read_or_refused(product, data):
    """Whatever stands in a field, the answer is refused on receipt or readable for good."""
    call, body = SAMPLES[product]
    damaged = json.loads(json.dumps(body))
    *way, last = data.draw(st.sampled_from(places(body)))
    place = damaged
    for step in way:
        place = place[step]
    place[last] = data.draw(JSON)
    holds(call, json.dumps(damaged).encode())


@pytest.mark.parametrize("product", SAMPLES)
@given(noise=st.binary(min_size=1, max_size=3), at=st.integers(0, 20_000))
def test_a_damaged_answer_is_read_or_refused(product, noise, at):
    """Bytes changed or lost on the way give an answer or a refusal, and nothing unreadable later."""
    call, body = SAMPLES[product]
    raw = json.dumps(body).encode()
    at %= len(raw)
    holds(call, raw[:at] + noise + raw[at + len(noise) :])
    assert not holds(call, raw[:at])


@pytest.mark.parametrize("product", SAMPLES)
@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_one_failed_item(product, body):
    """A poison answer is refused, with none but the known errors."""
    assert not holds(SAMPLES[product][0], body)


@pytest.mark.parametrize("product", SAMPLES)
def test_what_is_new_passes(product):
    """The register may add fields, and write links in either way; that costs no row and changes none."""
    call, body = SAMPLES[product]
    more = json.dumps(body | {"nieuwVeld": {"diep": [1, None]}, "_links": {"self": {"href": "x"}}}).encode()
    assert holds(call, more)
    assert ROWS[product]([more]).equals(ROWS[product]([json.dumps(body).encode()]))


@pytest.mark.parametrize("product", SAMPLES)
def test_rows_are_kept_and_written_as_they_are(product):
    """The cache's engine gives back what it got, empty lists and all; a cell of a CSV file can hold every column."""
    least = {"vestigingsnummer": "000000000001", "kvkNummer": "00000001", "naam": "x", "resultaten": []}
    typed = ROWS[product]([json.dumps(SAMPLES[product][1]).encode(), json.dumps(least).encode()])
    with duckdb.connect() as sql:
        sql.register("incoming", typed.to_arrow())
        sql.execute("CREATE TABLE kept AS SELECT * FROM incoming")
        assert sql.sql("SELECT * FROM kept").pl().equals(typed)
    cells = typed.select(as_cell(pl.col(column.name), column.dtype).alias(column.name) for column in PRODUCTS[product])
    assert not any(dtype.is_nested() for dtype in cells.schema.dtypes())
    assert cells.write_csv()


def test_a_coordinate_that_is_no_number_is_none():
    """Words that a float may be made of give no place."""
    for latitude in ("nan", "inf", "-inf"):
        address = {"type": "bezoekadres", "geoData": {"gpsLatitude": latitude, "gpsLongitude": 4.5}}
        body = {"kvkNummer": "00000001", "naam": "x", "_embedded": {"eigenaar": {"adressen": [address]}}}
        (place,) = kvk_basisprofiel.rows([json.dumps(body).encode()])["kvk_visit_latitude"]
        assert place is None
