"""The enriched list, read back by others than polars."""

import csv
import hashlib
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.write.conftest import answer_lines

from kvk_enrich import write
from kvk_enrich.columns import output

ADDED = output(["basisprofiel"])
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001

Mixed = tuple[Path, pl.DataFrame]


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the lines of a CSV as the standard library sees them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_all_rows_in_input_order(mixed: Mixed, tmp_path: Path, suffix: str) -> None:
    """Every row is written, in input order, with its outcome and reason; what is said of the file is true."""
    path = tmp_path / f"out{suffix}"

    written = write.enriched(*mixed, ADDED, path)

    rows = pq.read_table(path).to_pylist() if suffix == ".parquet" else read_csv(path)
    assert [(row["kvk nr"], row["enrich_outcome"], row["enrich_reason"] or None) for row in rows] == [
        ("10000001", "found", None),
        ("n.v.t.", "invalid", "placeholder"),
        ("10000002", "not_found", "not_registered"),
        ("10000001", "found", None),
        ("10000003", "failed", "timeout"),
        ("10000004", "deferred", "month_ceiling"),
        ("10000009", "deferred", "not_selected"),
    ]
    assert written == write.Written(path, hashlib.sha256(path.read_bytes()).hexdigest(), 7)


def test_columns_are_the_lists_own_then_ours(mixed: Mixed, tmp_path: Path) -> None:
    """The list's own columns come first, then every column of the contract; nothing internal is left."""
    path = tmp_path / "out.parquet"

    write.enriched(*mixed, ADDED, path)

    assert pq.read_schema(path).names == ["name", "kvk nr", *(column.name for column in ADDED)]


def test_parquet_types(mixed: Mixed, tmp_path: Path) -> None:
    """Enums are dictionaries, times are UTC, dates are dates, nested stays nested; compression is zstd."""
    path = tmp_path / "out.parquet"

    write.enriched(*mixed, ADDED, path)

    schema = pq.read_schema(path)
    assert pa.types.is_dictionary(schema.field("enrich_outcome").type)
    assert pa.types.is_dictionary(schema.field("enrich_kind").type)
    assert schema.field("enrich_fetched_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("kvk_start_date").type == pa.date32()
    first = pq.read_table(path).to_pylist()[0]
    assert first["kvk_trade_names"] == ["Fictief", "=2+2"]
    assert first["kvk_sbi"][0] == {"code": "6201", "description": "Software", "main": True}
    assert first["kvk_start_date"] == date(2026, 11, 21)
    assert pq.read_metadata(path).row_group(0).column(0).compression == "ZSTD"


def test_csv_cells(mixed: Mixed, tmp_path: Path) -> None:
    """In CSV nested values are joined, times and dates are ISO, ours are inert, the list's own are untouched."""
    path = tmp_path / "out.csv"

    write.enriched(*mixed, ADDED, path)

    assert path.read_bytes().startswith(b"name,kvk nr,enrich_outcome,")
    first, second, *_, fourth = read_csv(path)[:4]
    assert first["name"] == "=1+1"
    assert first["kvk_trade_names"] == "Fictief; '=2+2"
    assert first["kvk_sbi"] == "6201 Software; 6202"
    assert first["kvk_start_date"] == "2026-11-21"
    assert first["kvk_active"] == "true"
    assert first["enrich_cached"] == "false"
    assert first["enrich_fetched_at"] == "2026-11-21T10:30:15.250Z"
    assert (second["enrich_number"], second["enrich_source"], second["kvk_name"]) == ("", "", "")
    assert fourth["enrich_note"] == "zero put in front"


def test_own_columns_of_other_types(mixed: Mixed, tmp_path: Path) -> None:
    """A list's own types survive in Parquet; in CSV those that a cell cannot hold are joined or spelled out."""
    staged, answers = mixed
    own = {
        "amount": [1, None, 3, 4, 5, 6, 7],
        "tags": [["a", "b"]] * 7,
        "spot": [{"x": 1, "y": 2.5}] * 7,
        "flags": [{"on": True}] * 7,
        "blob": [b"\x00\xff"] * 7,
        "old text": ["Café".encode()] * 7,
        "wait": [timedelta(hours=26)] * 7,
        "when": [datetime(2026, 1, 2, 3, 4, 5)] * 7,  # noqa: DTZ001  a list's own times may lack a zone
    }
    pair = pl.Series("pair", [[1, 2]] * 7, dtype=pl.Array(pl.Int64, 2))
    pl.read_parquet(staged).hstack(pl.DataFrame(own)).with_columns(pair).write_parquet(staged)

    write.enriched(staged, answers, ADDED, tmp_path / "out.parquet")
    write.enriched(staged, answers, ADDED, tmp_path / "out.csv")

    whole = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["amount"] for row in whole] == own["amount"]
    assert (whole[0]["tags"], whole[0]["spot"], whole[0]["pair"]) == (["a", "b"], {"x": 1, "y": 2.5}, [1, 2])
    cells = read_csv(tmp_path / "out.csv")[0]
    assert {name: cells[name] for name in (*own, "pair")} == {
        "amount": "1",
        "tags": "a; b",
        "spot": "1 2.5",
        "flags": "true",
        "blob": "00ff",
        "old text": "Café",
        "wait": "P1DT2H",
        "when": "2026-01-02T03:04:05.000000",
        "pair": "1; 2",
    }


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_empty_list(
    stage: Callable[..., Path], answered: Callable[..., pl.DataFrame], tmp_path: Path, suffix: str
) -> None:
    """A list without rows becomes a file with columns and no rows."""
    path = tmp_path / f"out{suffix}"

    written = write.enriched(stage([]), answered(), ADDED, path)

    names = pq.read_schema(path).names if suffix == ".parquet" else path.read_text().strip().split(",")
    assert (written.rows, len(names)) == (0, 2 + len(ADDED))


def test_a_row_without_answer_is_refused(stage: Callable[..., Path], mixed: Mixed, tmp_path: Path) -> None:
    """A number that nobody answered for is a bug, not an empty line."""
    staged = stage([{"number": "99999990"}])

    with pytest.raises(ValueError, match="neither a reason nor an answer"):
        write.enriched(staged, mixed[1], ADDED, tmp_path / "out.parquet")


def test_two_answers_for_a_number_are_refused(mixed: Mixed, tmp_path: Path) -> None:
    """A number answered twice would write its rows twice."""
    staged, answers = mixed

    with pytest.raises(ValueError, match="two answers"):
        write.enriched(staged, pl.concat([answers, answers.tail(1)]), ADDED, tmp_path / "out.parquet")


def test_unknown_suffix_is_refused(mixed: Mixed, tmp_path: Path) -> None:
    """The suffix names the format; an unknown one is refused before anything is written."""
    with pytest.raises(ValueError, match="no format"):
        write.enriched(*mixed, ADDED, tmp_path / "out.ods")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    texts=st.lists(
        st.text(st.sampled_from([*RUNS, ";", " ", "a", '"', ",", "'", "é"]), max_size=8), min_size=1, max_size=3
    )
)
def test_no_cell_of_ours_runs(
    stage: Callable[..., Path], answered: Callable[..., pl.DataFrame], tmp_path: Path, texts: list[str]
) -> None:
    """No text of a register becomes a formula, wherever it stands, also where cells are split at semicolons."""
    one = {"enrich_number": "10000001", "kvk_name": texts[0], "kvk_trade_names": texts}
    activities = [{"code": text, "description": text, "main": False} for text in texts]

    write.enriched(
        stage([{"number": "10000001", "note": texts[-1]}]),
        answered(one | {"kvk_sbi": activities}),
        ADDED,
        tmp_path / "out.csv",
    )

    (row,) = read_csv(tmp_path / "out.csv")
    for name in ("kvk_name", "kvk_trade_names", "kvk_sbi", "enrich_note"):
        assert not row[name].startswith(RUNS)
        assert not any(part.lstrip(" ").startswith(RUNS[:4]) for part in row[name].split(";")[1:])
    assert row["kvk_name"].replace("'", "") == texts[0].replace("'", "")


def _order_holds(tmp_path: Path, rows: int) -> None:
    number = (pl.int_range(rows) * 7919 % 1000 + 10_000_000).cast(pl.String)
    frame = pl.select(
        enrich_row=pl.int_range(1, rows + 1, dtype=pl.UInt32),
        own=pl.int_range(rows),
        enrich_raw=number,
        enrich_number=number,
        enrich_kind=pl.lit("kvk"),
        enrich_reason=pl.lit(None, pl.String),
        enrich_note=pl.lit(None, pl.String),
        enrich_flags=pl.lit(None, pl.List(pl.String)),
    )
    frame.write_parquet(tmp_path / "staged.parquet")
    columns = [column for column in ADDED if column.name.startswith("enrich") or column.name == "kvk_name"]
    known = (pl.int_range(1000) + 10_000_000).cast(pl.String)
    answers = pl.select(
        enrich_kind=pl.lit("kvk"),
        enrich_number=known,
        enrich_outcome=pl.lit("found"),
        enrich_reason=pl.lit(None, pl.String),
        enrich_source=pl.lit("practice"),
        enrich_fetched_at=pl.lit(None, pl.Datetime("us", "UTC")),
        enrich_cached=pl.lit(value=True),
        kvk_name="B" + known,
    )

    write.enriched(tmp_path / "staged.parquet", answers, columns, tmp_path / "out.parquet")

    table = pq.read_table(tmp_path / "out.parquet", columns=["own", "enrich_number", "kvk_name"])
    written = pl.DataFrame(pl.from_arrow(table))
    assert written["own"].equals(frame["own"])
    assert written["enrich_number"].equals(frame["enrich_number"])
    assert written["kvk_name"].equals(("B" + frame["enrich_number"]).alias("kvk_name"))


def test_order_holds_across_slices(tmp_path: Path) -> None:
    """The order of rows does not depend on where the list is sliced."""
    _order_holds(tmp_path, 510_001)


@pytest.mark.slow
def test_order_holds_in_a_large_list(tmp_path: Path) -> None:
    """The order holds where streaming engines are known to lose it: over several million rows."""
    _order_holds(tmp_path, 2_500_000)


def test_a_csv_for_a_spreadsheet_runs_nothing(stage: Callable[..., Path], tmp_path: Path) -> None:
    """In it the list's own texts and names are inert too; signed numbers stay numbers."""
    own = ["=1+1", "+31 6 12", "-5", "@x", "-2+3", "x"]
    staged = stage([{"raw": "x", "reason": "not_a_number", "name": text} for text in own])
    names = {"name": "=name", "kvk nr": "'=name"}
    pl.read_parquet(staged).rename(names).with_columns(kind=pl.lit("=a").cast(pl.Categorical)).write_parquet(staged)
    out = tmp_path / "out.csv"
    write.enriched(staged, answer_lines(), ADDED, out, write.DIALECTS["excel-nl"])
    with out.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file, delimiter=";")
    assert header[:3] == ["''=name", "'=name", "kind"]
    assert [row[0] for row in rows] == ["'=1+1", "+31 6 12", "-5", "'@x", "'-2+3", "x"]
    assert {row[2] for row in rows} == {"'=a"}


def test_a_csv_for_a_dutch_spreadsheet(
    stage: Callable[..., Path], answered: Callable[..., pl.DataFrame], tmp_path: Path
) -> None:
    """Semicolons, a decimal comma, a byte order mark; rows are counted all the same."""
    staged = stage([{"number": "10000001", "name": "Één; twee"}, {"raw": "x", "reason": "not_a_number"}])
    own = {"omzet": pl.lit(1.5), "versie": pl.lit("2.1"), "saldo": pl.lit("-1.234")}
    pl.read_parquet(staged).with_columns(**own).write_parquet(staged)
    answers = answered({"enrich_number": "10000001", "kvk_trade_names": ["a", "b"]})
    out = tmp_path / "out.csv"
    done = write.enriched(staged, answers, ADDED, out, write.DIALECTS["excel-nl"], decimals=["saldo"])
    first = out.read_text("utf-8-sig").splitlines()[1]
    assert done.rows == 2
    assert out.read_bytes().startswith(b"\xef\xbb\xbfname;kvk nr;omzet;versie;saldo;")
    assert first.startswith('"Één; twee";10000001;1,5;2.1;-1,234;found;')
    assert '"a; b"' in first
