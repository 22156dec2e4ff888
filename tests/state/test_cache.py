"""The cache: what is known, taken over from the journal; damage of every kind is noticed and mended."""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from tests.state.parts import NOON, Desk, as_nobody, child, desk, found, modes, not_found, said

from kvk_enrich.columns import BASISPROFIEL, PRODUCTS, VIES, schema
from kvk_enrich.errors import StateInUse, StateTooNew, StorageError
from kvk_enrich.model import Answer, Attempt, Found, NotFound, Secret
from kvk_enrich.registers import kvk_basisprofiel, kvk_vestigingen, vies_vat
from kvk_enrich.state import cache as cache_module
from kvk_enrich.state.cache import Cache, open_cache, typed
from kvk_enrich.state.journal import Settlement

TYPING = {"basisprofiel": kvk_basisprofiel.rows, "vestigingen": kvk_vestigingen.rows, "vies": vies_vat.rows}
MONTH = timedelta(days=30)
EVER = datetime.min.replace(tzinfo=UTC)
NUMBERS = [f"{10000001 + place}" for place in range(6)]


@contextmanager
def cache_of(it: Desk, notes: list[str] | None = None) -> Iterator[Cache]:
    """Open the cache of *it* with everything in it that the journal knows."""
    told = notes if notes is not None else []
    with open_cache(it.home, it.journal, TYPING, told.append) as cache:
        cache.absorb(it.journal, TYPING, keep=MONTH)
        yield cache


def wanted(*numbers: str, kind: str = "kvk") -> pl.DataFrame:
    """Return *numbers* as they are looked up."""
    return pl.DataFrame(
        {"kind": [kind] * len(numbers), "number": list(numbers)}, schema={"kind": pl.String, "number": pl.String}
    )


def looked_up(
    cache: Cache,
    numbers: pl.DataFrame,
    *,
    register: str = "kvk",
    product: str = "basisprofiel",
    found_since: datetime = EVER,
    not_found_since: datetime = EVER,
) -> pl.DataFrame:
    """Return what the cache knows of *numbers*, of any age where none is given, in the order of the numbers."""
    lines = cache.fresh(
        numbers, register=register, product=product, found_since=found_since, not_found_since=not_found_since
    )
    return lines.sort("number")


def known(cache: Cache, *numbers: str) -> dict[str, str]:
    """Return what the cache knows of *numbers*: number and name, or outcome where there is none."""
    lines = looked_up(cache, wanted(*numbers))
    return {row["number"]: row["kvk_name"] or row["status"] for row in lines.iter_rows(named=True)}


def fresh(cache: Cache, *numbers: str, found_age: int = 30, not_found_age: int = 7) -> dict[str, str]:
    """Return which of *numbers* need no call, with their outcome."""
    lines = looked_up(
        cache,
        wanted(*numbers),
        found_since=NOON - timedelta(days=found_age),
        not_found_since=NOON - timedelta(days=not_found_age),
    )
    return dict(lines.select("number", "status").iter_rows())


def settle(it: Desk, register: str, product: str, kind: str, answer: Answer, *, at: datetime = NOON) -> None:
    """Enter an answer of any product, as received at the moment *at*."""
    account = it.journal.account(register, "main", Secret(""), requests_per_second=100, allowance=10**6, micro_eur=0)
    (permit,) = it.journal.lease(it.run, account, 1).permits
    attempt = Attempt(permit, at - timedelta(seconds=0.5), 0.5, 200, None)
    it.journal.settle(it.run, account, [Settlement(attempt, product, kind, answer.number, answer)])


def check(number: str, *, valid: bool, **fields: object) -> Answer:
    """Return what VIES says of *number*: that it is not valid counts as not found."""
    told = {
        "countryCode": number[:2],
        "vatNumber": number[2:],
        "valid": valid,
        "requestDate": "2026-11-21T13:00:00+01:00",
    }
    body = json.dumps(told | fields).encode()
    return Found(number, body) if valid else NotFound(number, "vat_not_valid", body)


def branches(number: str, count: int) -> Found:
    """Return the list of *count* branches of a company."""
    listed = [{"vestigingsnummer": f"{place:012}", "kvkNummer": number} for place in range(count)]
    told = {"kvkNummer": number, "totaalAantalVestigingen": count, "vestigingen": listed}
    return Found(number, json.dumps(told).encode())


def checked(cache: Cache, *numbers: str) -> dict[str, dict[str, Any]]:
    """Return what the cache knows of VAT numbers, by number."""
    lines = looked_up(cache, wanted(*numbers, kind="vat"), register="vies", product="vies")
    return {row["number"]: row for row in lines.iter_rows(named=True)}


def quarantined(it: Desk) -> list[str]:
    """Return the files that were set aside."""
    return sorted(path.name for path in it.home.root.glob("*quarantine*"))


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose cache holds the six numbers, everything closed."""
    root = tmp_path_factory.mktemp("full") / "home"
    with desk(root) as it:
        it.answer(*(found(number) for number in NUMBERS))
        with cache_of(it) as cache:
            assert len(known(cache, *NUMBERS)) == 6
        it.journal.finish(it.run, "complete", b"{}")
    return root


@pytest.fixture
def filled(full_home: Path, tmp_path: Path) -> Iterator[Desk]:
    """Return a copy of it, opened; the cache is closed."""
    shutil.copytree(full_home, tmp_path / "home")
    with desk(tmp_path / "home") as it:
        yield it


# -- what is known ------------------------------------------------------------------------------


def test_absorbed_answers_are_fresh_and_come_with_their_columns(opened: Desk):
    """What the journal received is known with its outcome, moment, run and columns."""
    opened.answer(found("10000001", totaalWerkzamePersonen=7), not_found("10000002"))
    with cache_of(opened) as cache:
        assert fresh(cache, "10000001", "10000002", "10000003") == {"10000001": "found", "10000002": "not_found"}
        lines = looked_up(cache, wanted("10000001", "10000003"))
    (row,) = lines.iter_rows(named=True)
    assert lines.columns == ["kind", "number", "status", "reason", "fetched_at", "run", *schema(BASISPROFIEL)]
    assert (row["status"], row["reason"], row["fetched_at"], row["run"]) == ("found", None, NOON, opened.run)
    assert (row["kvk_number"], row["kvk_name"], row["kvk_employees"]) == ("10000001", "Bedrijf 10000001", 7)


def test_a_number_that_is_not_found_has_empty_columns(opened: Desk):
    """Not found says why, and nothing of a company."""
    opened.answer(not_found("10000002"))
    with cache_of(opened) as cache:
        (row,) = looked_up(cache, wanted("10000002")).iter_rows(named=True)
    assert (row["status"], row["reason"]) == ("not_found", "not_registered")
    assert {row[name] for name in schema(BASISPROFIEL)} == {None}


def test_the_newest_answer_wins(opened: Desk):
    """Whatever came last is known, found or not, within one taking-over and over several."""
    opened.answer(found("10000001", naam="Oud"), found("10000001", naam="Nieuw"), found("10000002"))
    with cache_of(opened) as cache:
        assert known(cache, "10000001", "10000002") == {"10000001": "Nieuw", "10000002": "Bedrijf 10000002"}
    opened.answer(not_found("10000001"), found("10000002", naam="Later"))
    with cache_of(opened) as cache:
        assert known(cache, "10000001", "10000002") == {"10000001": "not_found", "10000002": "Later"}


def test_found_and_not_found_have_ages_of_their_own(opened: Desk):
    """An answer is fresh from the given moment on, to the microsecond, per outcome."""
    second = timedelta(microseconds=1)
    opened.answer(found("10000001"), at=NOON - timedelta(days=30))
    opened.answer(found("10000002"), at=NOON - timedelta(days=30) - second)
    opened.answer(not_found("10000003"), at=NOON - timedelta(days=7))
    opened.answer(not_found("10000004"), at=NOON - timedelta(days=7) - second)
    with cache_of(opened) as cache:
        assert fresh(cache, *NUMBERS) == {"10000001": "found", "10000003": "not_found"}
        assert len(known(cache, *NUMBERS)) == 4


def test_another_register_s_answers_do_not_count(opened: Desk):
    """What the practice register said is nothing that KVK said."""
    opened.answer(found("10000001"))
    with cache_of(opened) as cache:
        assert looked_up(cache, wanted("10000001"), register="practice").is_empty()


def test_kinds_are_told_apart(opened: Desk):
    """The same digits of another kind are another number."""
    opened.answer(found("10000001"))
    with cache_of(opened) as cache:
        assert looked_up(cache, wanted("10000001", kind="rsin")).is_empty()


def test_an_unknown_product_is_a_bug(opened: Desk):
    """A product without columns has no table: it never reaches the database as text."""
    with cache_of(opened) as cache, pytest.raises(KeyError):
        looked_up(cache, wanted("1"), product='x"; DROP TABLE answers; --')


def test_nothing_wanted_nothing_found(filled: Desk):
    """An empty question has an empty answer with all its columns."""
    with cache_of(filled) as cache:
        nothing = looked_up(cache, wanted())
    assert nothing.height == 0
    assert set(schema(BASISPROFIEL)) < set(nothing.columns)


def test_types_survive(opened: Desk):
    """Lists, structs, dates and moments come back with the types that the columns promise."""
    opened.answer(
        found(
            "10000001",
            materieleRegistratie={"datumAanvang": "20150401"},
            handelsnamen=[{"naam": "Twee", "volgorde": 1}, {"naam": "Een", "volgorde": 0}],
            sbiActiviteiten=[{"sbiCode": "01131", "sbiOmschrijving": "Teelt van groente", "indHoofdactiviteit": "Ja"}],
        ),
        found("10000002"),
    )
    with cache_of(opened) as cache:
        table = looked_up(cache, wanted("10000001", "10000002"))
    assert table.select(*schema(BASISPROFIEL)).schema == pl.Schema(schema(BASISPROFIEL))
    assert table.schema["fetched_at"] == pl.Datetime("us", "UTC")
    first, second = table.iter_rows(named=True)
    assert first["kvk_start_date"] == date(2015, 4, 1)
    assert first["kvk_trade_names"] == ["Een", "Twee"]
    assert first["kvk_sbi"] == [{"code": "01131", "description": "Teelt van groente", "main": True}]
    assert (second["kvk_trade_names"], second["kvk_sbi"], second["kvk_start_date"]) == ([], [], None)


def test_moments_are_kept_in_utc(opened: Desk):
    """The hour that summer time ends with, there twice in Amsterdam, is two different hours."""
    moments = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1)]
    for number, moment in zip(NUMBERS, moments, strict=False):
        opened.answer(found(number), at=moment)
    with cache_of(opened) as cache:
        table = looked_up(cache, wanted(*NUMBERS))
    assert table["fetched_at"].to_list() == moments


def test_odd_text_survives(opened: Desk):
    """Quotes, NUL and signs beyond the basic plane come back as they were received."""
    name = 'O\'Neill "&" \x00 😀 zo'
    opened.answer(found("10000001", naam=name))
    with cache_of(opened) as cache:
        assert known(cache, "10000001") == {"10000001": name}


# -- VAT numbers --------------------------------------------------------------------------------


def test_what_a_not_valid_number_was_told_is_kept(opened: Desk):
    """That VIES calls a number not valid is its answer: not found, with the columns of the check filled."""
    settle(opened, "vies", "vies", "vat", check("DE111111111", valid=False, name="---"))
    settle(opened, "vies", "vies", "vat", check("PL2222222222", valid=True, name="Fabryka"))
    with cache_of(opened) as cache:
        lines = checked(cache, "DE111111111", "PL2222222222")
    told = ["status", "reason", "vat_number", "vat_valid", "vat_status", "vat_name"]
    assert {number: [row[name] for name in told] for number, row in lines.items()} == {
        "DE111111111": ["not_found", "vat_not_valid", "DE111111111", False, "invalid", None],
        "PL2222222222": ["found", None, "PL2222222222", True, "valid", "Fabryka"],
    }


@pytest.mark.parametrize("valid", [True, False])
def test_moments_of_an_answer_come_back_in_utc(opened: Desk, *, valid: bool):
    """When VIES says that it checked is a moment, whatever offset it was written with and wherever the machine is."""
    settle(opened, "vies", "vies", "vat", check("DE111111111", valid=valid, requestDate="2026-10-25T02:30:00+01:00"))
    with open_cache(opened.home, opened.journal, TYPING, print) as cache:
        cache._connection.execute("SET TimeZone = 'Asia/Tokyo'")
        cache.absorb(opened.journal, TYPING, keep=MONTH)
        line = checked(cache, "DE111111111")["DE111111111"]
        assert line["vat_checked_at"] == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
        lying = cache._connection.execute("SELECT typeof(vat_checked_at), typeof(fetched_at) FROM vies").fetchall()
    assert lying == [("TIMESTAMP", "TIMESTAMP")]


def test_enums_come_back_as_texts(opened: Desk):
    """The stores know no enums: of what they give back only these columns have another type than promised."""
    settle(opened, "vies", "vies", "vat", check("DE111111111", valid=True))
    with cache_of(opened) as cache:
        lines = looked_up(cache, wanted("DE111111111", kind="vat"), register="vies", product="vies")
        nothing = looked_up(cache, wanted(kind="vat"), register="vies", product="vies")
    promised = {name: pl.String() if isinstance(dtype, pl.Enum) else dtype for name, dtype in schema(VIES).items()}
    assert promised != schema(VIES)
    for table in (lines, nothing):
        assert dict(table.select(*promised).schema) == promised


def test_a_number_that_became_valid_is_valid(opened: Desk):
    """The newest verdict counts, in both directions, with its own columns."""
    settle(opened, "vies", "vies", "vat", check("DE111111111", valid=False))
    settle(opened, "vies", "vies", "vat", check("DE222222222", valid=True, name="Vorher"))
    with cache_of(opened):
        pass
    later = NOON + timedelta(days=1)
    settle(opened, "vies", "vies", "vat", check("DE111111111", valid=True, name="Nachher"), at=later)
    settle(opened, "vies", "vies", "vat", check("DE222222222", valid=False), at=later)
    with cache_of(opened) as cache:
        lines = checked(cache, "DE111111111", "DE222222222")
    assert [(row["status"], row["vat_status"], row["vat_name"]) for row in lines.values()] == [
        ("found", "valid", "Nachher"),
        ("not_found", "invalid", None),
    ]


def test_numbers_not_valid_have_the_age_of_what_is_not_found(opened: Desk):
    """A filled answer is fresh as long as an empty one."""
    for number, days in (("DE111111111", 7), ("DE222222222", 8)):
        settle(opened, "vies", "vies", "vat", check(number, valid=False), at=NOON - timedelta(days=days))
    with cache_of(opened) as cache:
        lines = looked_up(
            cache,
            wanted("DE111111111", "DE222222222", kind="vat"),
            register="vies",
            product="vies",
            not_found_since=NOON - timedelta(days=7),
        )
    assert lines["number"].to_list() == ["DE111111111"]


def test_products_of_one_number_are_kept_apart(opened: Desk):
    """What is not found as one product may be known as another."""
    opened.answer(not_found("10000001"))
    settle(opened, "kvk", "vestigingen", "kvk", branches("10000001", 3))
    with cache_of(opened) as cache:
        assert known(cache, "10000001") == {"10000001": "not_found"}
        (row,) = looked_up(cache, wanted("10000001"), product="vestigingen").iter_rows(named=True)
    assert (row["status"], row["kvk_branches"]) == ("found", 3)


# -- typed rows ---------------------------------------------------------------------------------


def kept(*answers: tuple[str, Answer]) -> pl.DataFrame:
    """Return *answers* (register and answer), as the cache keeps them, oldest first."""
    lines = [
        (
            register,
            "vat",
            answer.number,
            "found" if isinstance(answer, Found) else "not_found",
            answer.reason if isinstance(answer, NotFound) else None,
            NOON.replace(tzinfo=None),
            "run",
            answer.body.decode(),
        )
        for register, answer in answers
    ]
    names = ["register", "kind", "number", "status", "reason", "fetched_at", "run", "raw"]
    return pl.DataFrame(lines, schema=names, orient="row")


def test_typed_rows_are_the_newest_of_each_register():
    """A register's second answer replaces its own first, and no other register's."""
    first, second = check("DE111111111", valid=True, name="Eins"), check("DE111111111", valid=False)
    lines = typed(kept(("vies", first), ("elsewhere", first), ("vies", second)), "vies", TYPING)
    assert sorted(lines.select("register", "status", "vat_name").rows()) == [
        ("elsewhere", "found", "Eins"),
        ("vies", "not_found", None),
    ]


@pytest.mark.parametrize("product", ["basisprofiel", "vies"])
def test_only_answers_that_tell_something_are_read(product: str):
    """Words about a company that is not found describe none; those about a number that is not valid are its check."""
    read: list[bytes] = []

    def typing(bodies: Sequence[bytes]) -> pl.DataFrame:
        read.extend(bodies)
        return pl.DataFrame({"told": [body.decode() for body in bodies]}, schema={"told": pl.String})

    there, gone = Found("1", b"there"), NotFound("2", "not_registered", b"gone")
    lines = typed(kept(("kvk", gone), ("kvk", there)), product, {product: typing})
    assert sorted(read) == ([b"gone", b"there"] if product == "vies" else [b"there"])
    assert dict(lines.select("number", "told").rows()) == {"1": "there", "2": "gone" if product == "vies" else None}


def test_no_answers_are_no_typed_rows():
    """With the columns of the product all the same."""
    lines = typed(kept(("vies", check("DE111111111", valid=True))).clear(), "vies", TYPING)
    assert lines.height == 0
    assert set(schema(VIES)) < set(lines.columns)


# -- taking over --------------------------------------------------------------------------------


def test_absorbing_twice_changes_nothing(filled: Desk):
    """What was taken over is not taken over again."""
    with open_cache(filled.home, filled.journal, TYPING, print) as cache:
        assert cache.absorb(filled.journal, TYPING, keep=MONTH) == 0
        assert len(known(cache, *NUMBERS)) == 6
    assert filled.journal.absorbed() == 6


def test_old_answers_leave_the_journal_once_absorbed(opened: Desk):
    """The journal keeps its second copy as long as asked, and no longer."""
    opened.answer(found("10000001"), at=NOON - timedelta(days=40))
    opened.answer(found("10000002"))
    with cache_of(opened) as cache:
        assert len(known(cache, *NUMBERS)) == 2
    assert [answer.number for answer in opened.journal.answers(after=0, most=9)] == ["10000002"]


DYING = """
import os, signal, sys
from pathlib import Path
from datetime import timedelta
from kvk_enrich.registers.kvk_basisprofiel import rows
from kvk_enrich.state.cache import open_cache
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import Journal, open_journal
from tests.state.parts import HandClock
where, kill = sys.argv[2], lambda: os.kill(os.getpid(), signal.SIGKILL)
class Dying(Journal):
    pages = 0
    def answers(self, *, after, most):
        self.pages += 1
        if where == "after commit" and self.pages == 2:
            kill()
        return super().answers(after=after, most=most)
    def mark_absorbed(self, seq, *, keep):
        super().mark_absorbed(seq, keep=keep)
        if where == "after mark":
            kill()
def typing(bodies):
    if where == "within":
        kill()
    return rows(bodies)
home = open_home(Path(sys.argv[1]))
journal = open_journal(home, HandClock())
journal.__class__ = Dying
with open_cache(home, journal, {"basisprofiel": typing}, print) as cache:
    cache.absorb(journal, {"basisprofiel": typing}, keep=timedelta(days=30))
    kill()
"""


def kill_while_absorbing(it: Desk, where: str) -> None:
    """Let another process take over the journal's answers and die at *where*."""
    with child(DYING, it.home.root, where) as process:
        assert process.wait(120) == -9


@pytest.mark.parametrize("where", ["within", "after commit", "after mark"])
def test_a_kill_while_absorbing_loses_nothing(opened: Desk, where: str):
    """Wherever the process dies, the next opening knows everything, once, without setting anything aside."""
    opened.answer(*(found(number) for number in NUMBERS))
    kill_while_absorbing(opened, where)
    notes: list[str] = []
    with cache_of(opened, notes) as cache:
        assert len(known(cache, *NUMBERS)) == 6
        assert cache._connection.execute("SELECT count(*) FROM answers").fetchall() == [(6,)]
    assert (notes, quarantined(opened)) == ([], [])


def test_a_cut_write_ahead_log_loses_nothing(opened: Desk, tmp_path: Path):
    """A log that was cut or removed opens without an error; what is missing is taken over again."""
    opened.answer(*(found(number) for number in NUMBERS))
    kill_while_absorbing(opened, "after commit")
    log = opened.home.cache.with_name("cache.duckdb.wal")
    content = log.read_bytes()
    assert len(content) > 1000
    opened.journal.close()
    for keep in (0.0, 0.3, 0.7, 0.97):
        copy = tmp_path / f"copy-{keep}"
        shutil.copytree(opened.home.root, copy)
        if keep:
            (copy / log.name).write_bytes(content[: int(len(content) * keep)])
        else:
            (copy / log.name).unlink()
        with desk(copy) as it, cache_of(it) as cache:
            assert known(cache, *NUMBERS) == {number: f"Bedrijf {number}" for number in NUMBERS}
            assert cache._connection.execute("SELECT count(*) FROM answers").fetchall() == [(6,)]


def test_a_failing_reader_leaves_nothing_half_taken(opened: Desk):
    """When the columns cannot be made of an answer nothing of its batch is taken over, and the cache stays whole."""
    opened.answer(found("10000001"), found("10000002"))

    def broken(bodies: Sequence[bytes]) -> pl.DataFrame:
        raise RuntimeError

    typing = {"basisprofiel": broken}
    with pytest.raises(RuntimeError), open_cache(opened.home, opened.journal, typing, print) as cache:
        cache.absorb(opened.journal, typing, keep=MONTH)
    with cache_of(opened) as cache:
        assert len(known(cache, *NUMBERS)) == 2
        assert cache._connection.execute("SELECT count(*) FROM answers").fetchall() == [(2,)]
    assert quarantined(opened) == []


CROWDED = """
import resource, signal, sys
from pathlib import Path
from kvk_enrich.errors import StorageError
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import open_journal
from tests.state.parts import Desk, HandClock
from tests.state.test_cache import cache_of
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
home, clock = open_home(Path(sys.argv[1])), HandClock()
try:
    with cache_of(Desk(home, clock, open_journal(home, clock), None, "")):
        pass
except StorageError:
    print("StorageError", flush=True)
"""


@pytest.mark.parametrize("room", [100_000, 1_500_000])
def test_a_full_disk_loses_nothing(opened: Desk, room: int):
    """Without room the cache is an error of storage, when made and when filled; with room again nothing is missing."""
    opened.answer(*(found(f"{20000000 + place}", onbekend=os.urandom(1500).hex()) for place in range(600)))
    with child(CROWDED, opened.home.root, room) as process:
        assert said(process) == "StorageError"
    with cache_of(opened) as cache:
        assert cache._connection.execute("SELECT count(*) FROM answers").fetchall() == [(600,)]
        assert known(cache, "20000599") == {"20000599": "Bedrijf 20000599"}


# -- damage -------------------------------------------------------------------------------------


def test_a_lost_cache_is_made_anew(filled: Desk):
    """A cache that is gone is rebuilt from the journal, with a note."""
    filled.home.cache.unlink()
    notes: list[str] = []
    with cache_of(filled, notes) as cache:
        assert len(known(cache, *NUMBERS)) == 6
    assert [note[:21] for note in notes] == ["The cache was rebuilt"]


def test_a_lost_cache_is_noted_once(filled: Desk):
    """When the journal keeps nothing of what was lost, one note says so, and the cache is used from then on."""
    filled.journal.mark_absorbed(6, keep=timedelta(days=-1))
    filled.home.cache.unlink()
    notes: list[str] = []
    for _ in range(3):
        with cache_of(filled, notes) as cache:
            assert known(cache, *NUMBERS) == {}
    assert (len(notes), quarantined(filled)) == (1, [])
    filled.answer(found("10000001"))
    with cache_of(filled, notes) as cache:
        assert list(known(cache, *NUMBERS)) == ["10000001"]


def csv_file(path: Path) -> None:
    """Put a list in its place."""
    path.write_text("kvk,naam\n12345678,Bedrijf\n")


def parquet_file(path: Path) -> None:
    """Put a Parquet file in its place."""
    pl.DataFrame({"kvk": ["12345678"]}).write_parquet(path)


def sqlite_file(path: Path) -> None:
    """Put a SQLite database in its place."""
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE answers (seq INTEGER)")
    connection.commit()
    connection.close()


def empty_file(path: Path) -> None:
    """Leave nothing but the name."""
    path.write_bytes(b"")


def foreign_duckdb(path: Path) -> None:
    """Put another program's DuckDB database in its place."""
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE answers AS SELECT 1 AS seq")


def odd_meta(path: Path) -> None:
    """Put a database in its place whose version is no number."""
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE meta AS SELECT 'schema' AS key, 'one' AS value")


def empty_meta(path: Path) -> None:
    """Take away what says whose it is."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM meta")


def lost_answers(path: Path) -> None:
    """Take away one answer."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM answers WHERE seq = 3")


@pytest.mark.parametrize(
    "damage",
    [csv_file, parquet_file, sqlite_file, empty_file, foreign_duckdb, odd_meta, empty_meta, lost_answers],
)
def test_what_is_no_whole_cache_is_set_aside(filled: Desk, damage: Callable[[Path], None]):
    """A file that is not ours, or lost rows, is kept beside, and the cache is made anew, with a note of both."""
    damage(filled.home.cache)
    content = filled.home.cache.read_bytes()
    notes: list[str] = []
    with cache_of(filled, notes) as cache:
        assert len(known(cache, *NUMBERS)) == 6
    (aside,) = quarantined(filled)
    assert aside in notes[0]
    assert "rebuilt" in notes[1]
    assert (filled.home.root / aside).read_bytes()[8:12] == content[8:12]


def test_the_cache_of_another_home_is_set_aside(filled: Desk, tmp_path: Path):
    """A cache that belongs to another journal is not used, whatever it holds."""
    with desk(tmp_path / "other") as other:
        other.answer(*(found(number, naam="Elders") for number in [*NUMBERS, "10000009"]))
        with cache_of(other):
            pass
        shutil.copy(other.home.cache, filled.home.cache)
    notes: list[str] = []
    with cache_of(filled, notes) as cache:
        assert known(cache, *NUMBERS, "10000009") == {number: f"Bedrijf {number}" for number in NUMBERS}
    assert len(notes) == 2


def test_an_older_copy_of_the_cache_is_set_aside(filled: Desk):
    """A restored copy that lacks what the cache had taken over is noticed."""
    older = filled.home.cache.read_bytes()
    filled.answer(found("10000007"))
    with cache_of(filled):
        pass
    filled.home.cache.write_bytes(older)
    notes: list[str] = []
    with cache_of(filled, notes) as cache:
        assert len(known(cache, *NUMBERS, "10000007")) == 7
    assert len(notes) == 2


def test_a_cache_ahead_of_the_journal_is_taken_over(filled: Desk):
    """With a restored, older journal nothing that the cache knows is lost, and new answers still come in."""
    filled.journal.close()
    older = filled.home.journal.read_bytes()
    with desk(filled.home.root) as later:
        later.answer(found("10000007"), found("10000008"))
        with cache_of(later):
            pass
    filled.home.journal.write_bytes(older)
    notes: list[str] = []
    with desk(filled.home.root) as again:
        again.answer(found("10000009"))
        with cache_of(again, notes) as cache:
            assert len(known(cache, *NUMBERS, "10000007", "10000008", "10000009")) == 9
        with cache_of(again, notes) as cache:
            assert len(known(cache, *NUMBERS, "10000007", "10000008", "10000009")) == 9
        assert again.used == 9
    assert len(notes) == 1
    assert "was taken over" in notes[0]


def test_a_lost_journal_costs_no_answer(filled: Desk):
    """When the journal is gone, what the cache knows is kept; newer answers of the new journal win over it."""
    filled.journal.close()
    for part in filled.home.root.glob("journal.sqlite*"):
        part.unlink()
    notes: list[str] = []
    with desk(filled.home.root) as anew:
        with cache_of(anew, notes) as cache:
            assert known(cache, *NUMBERS) == {number: f"Bedrijf {number}" for number in NUMBERS}
        anew.answer(found(NUMBERS[0], naam="Nieuwer"))
        with cache_of(anew, notes) as cache:
            cache.retype(TYPING)
            assert known(cache, NUMBERS[0]) == {NUMBERS[0]: "Nieuwer"}
            assert len(known(cache, *NUMBERS)) == len(NUMBERS)
    assert len(notes) == 1


def attempt(it: Desk) -> dict[str, str]:
    """Look all numbers up as a run would; when told to give the same command again, do."""
    try:
        with cache_of(it) as cache:
            return known(cache, *NUMBERS)
    except StorageError as error:
        if "give the same command again" not in str(error):
            raise
    with cache_of(it) as cache:
        return known(cache, *NUMBERS)


@pytest.mark.parametrize("share", [0.0001, 0.02, 0.9999])
def test_a_cut_cache_loses_nothing(filled: Desk, share: float):
    """A main file cut anywhere is set aside and made anew."""
    content = filled.home.cache.read_bytes()
    filled.home.cache.write_bytes(content[: int(len(content) * share)])
    assert len(attempt(filled)) == 6
    assert len(quarantined(filled)) == 1


def test_flipped_bits_lose_nothing(filled: Desk):
    """A bit flipped in any used block is noticed at the latest when it is read: set aside, made anew, complete."""
    content = filled.home.cache.read_bytes()
    blocks = [0, 4096, 8192, *range(12288, len(content), 262_144)]
    noticed = 0
    for block in blocks:
        for path in filled.home.root.glob("cache*"):
            path.unlink()
        damaged = bytearray(content)
        damaged[block + 20] ^= 0x10
        filled.home.cache.write_bytes(damaged)
        assert attempt(filled) == {number: f"Bedrijf {number}" for number in NUMBERS}, block
        noticed += bool(quarantined(filled))
    assert noticed >= 3


def test_an_error_of_the_question_is_no_damage(filled: Desk):
    """A failing statement is an error of storage, and the sound cache stays where it is."""
    with pytest.raises(StorageError, match="cannot be used"), cache_of(filled) as cache:
        cache._connection.execute("SELECT * FROM nowhere")
    assert quarantined(filled) == []


def test_a_cache_open_elsewhere_is_not_taken_for_damaged(filled: Desk):
    """While another program has the file open the run waits for its user, and nothing is set aside."""
    holding = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.readline()"
    with child(holding, filled.home.cache) as process:
        assert said(process) == "open"
        with pytest.raises(StateInUse, match="another program"), cache_of(filled):
            pass
    assert quarantined(filled) == []
    with cache_of(filled) as cache:
        assert len(known(cache, *NUMBERS)) == 6


def test_a_newer_cache_is_refused_untouched(filled: Desk):
    """A cache of a newer version stays where it is; the message says what to do."""
    with duckdb.connect(str(filled.home.cache)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    with pytest.raises(StateTooNew, match=r"format 99.*update"), cache_of(filled):
        pass
    assert quarantined(filled) == []


def test_a_folder_in_its_place_is_refused(opened: Desk):
    """A folder named like the cache is an error of storage."""
    opened.home.cache.mkdir()
    with pytest.raises(StorageError), cache_of(opened):
        pass


def test_a_home_that_cannot_be_written_is_refused():
    """A cache in a read-only folder is an error of storage."""
    outer = Path(tempfile.mkdtemp())  # tmp_path is closed to all but its owner
    try:
        outer.chmod(0o755)
        with desk(outer / "home") as it:
            it.home.root.chmod(0o555)
            it.home.locks.chmod(0o777)
            with as_nobody(), pytest.raises(StorageError, match="cannot be made"), cache_of(it):
                pass
    finally:
        shutil.rmtree(outer)


# -- columns ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE basisprofiel DROP COLUMN kvk_name",
        "DROP TABLE basisprofiel",
    ],
)
def test_new_columns_come_from_the_kept_answers(filled: Desk, change: str):
    """A cache with other columns than this version's is made to fit from what was received; nothing is asked."""
    filled.answer(found("10000001", naam="Nieuw"), not_found("10000002"))
    with cache_of(filled):
        pass
    filled.journal.mark_absorbed(8, keep=timedelta(days=-1))
    with duckdb.connect(str(filled.home.cache)) as connection:
        connection.execute(change)
        connection.execute("UPDATE meta SET value = 'older' WHERE key = 'columns'")
    notes: list[str] = []
    for _ in range(2):
        with cache_of(filled, notes) as cache:
            names = known(cache, *NUMBERS)
            table = looked_up(cache, wanted(*NUMBERS))
    assert names == {number: f"Bedrijf {number}" for number in NUMBERS} | {"10000001": "Nieuw", "10000002": "not_found"}
    assert table.schema["kvk_employees"] == pl.Int64()
    assert [note[:45] for note in notes] == ["The cache was brought up to date with this ve"]


def test_all_products_are_read_anew_together(opened: Desk, monkeypatch: pytest.MonkeyPatch):
    """
    Each product gets its own columns from the newest of its own answers, found or not, by register and kind.

    Answers are read in portions: the newest one wins from whichever it comes.
    """
    monkeypatch.setattr(cache_module, "_BATCH", 4)  # the last of nine answers makes a portion of its own
    opened.answer(found("10000001", naam="Oud"), found("10000002"), not_found("10000003"))
    settle(opened, "kvk", "vestigingen", "kvk", branches("10000001", 3))
    settle(opened, "vies", "vies", "vat", check("DE111111111", valid=True, name="Vorher"))
    settle(opened, "practice-vies", "vies", "vat", check("DE111111111", valid=True, name="Übung"))
    opened.answer(found("10000001", naam="Nieuw"))
    settle(opened, "kvk", "vestigingen", "kvk", branches("10000001", 4))
    settle(opened, "vies", "vies", "vat", check("DE111111111", valid=False))
    with cache_of(opened) as cache:
        before = everything(cache)
        for product in PRODUCTS:
            cache._connection.execute(f'DROP TABLE "{product}"')
        cache.retype(TYPING)
        assert everything(cache) == before
        assert known(cache, *NUMBERS) == {
            "10000001": "Nieuw",
            "10000002": "Bedrijf 10000002",
            "10000003": "not_found",
        }
        assert looked_up(cache, wanted("10000001"), product="vestigingen")["kvk_branches"].to_list() == [4]
        line = checked(cache, "DE111111111")["DE111111111"]
        assert (line["vat_status"], line["vat_checked_at"]) == ("invalid", NOON)
    assert {product: len(lines) for product, lines in before.items() if lines} == {
        "basisprofiel": 3,
        "vestigingen": 1,
        "vies": 2,
    }


def everything(cache: Cache) -> dict[str, list[str]]:
    """Return all typed rows of every product, as text."""
    return {
        product: sorted(map(repr, cache._connection.execute(f'SELECT * FROM "{product}"').fetchall()))
        for product in PRODUCTS
    }


# -- the file -----------------------------------------------------------------------------------


def test_the_database_fetches_no_extensions(opened: Desk):
    """Nothing is installed or loaded by itself: the database makes no connection of its own."""
    with cache_of(opened) as cache:
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
            assert cache._connection.execute(f"SELECT current_setting('{setting}')").fetchall() == [(False,)]


def test_the_cache_is_the_owner_s_alone(filled: Desk):
    """The file is 0600."""
    assert ("cache.duckdb", 0o600) in modes(filled.home.root)


def test_two_processes_take_turns(filled: Desk):
    """A second opener waits until the first has closed."""
    with child(WAITING, filled.home.root) as process:
        with cache_of(filled) as cache:
            assert said(process) == "waiting"
            assert len(known(cache, *NUMBERS)) == 6
        assert said(process) == "6"


WAITING = """
import sys
from pathlib import Path
from kvk_enrich.state.home import open_home
from kvk_enrich.state.journal import open_journal
from tests.state.parts import Desk, HandClock
from tests.state.test_cache import NUMBERS, cache_of, known
home, clock = open_home(Path(sys.argv[1])), HandClock()
it = Desk(home, clock, open_journal(home, clock), None, "")
print("waiting", flush=True)
with cache_of(it) as cache:
    print(len(known(cache, *NUMBERS)), flush=True)
"""


# -- as of a moment -----------------------------------------------------------------------------


def test_what_was_known_at_a_moment(tmp_path: Path):
    """The newest answer of then: not a later one, not an older one; nothing of who had not been asked."""
    first, second = NUMBERS[:2]
    with desk(tmp_path / "home") as it:
        for age, answer in (
            (20, found(first, naam="A")),
            (10, found(first, naam="B")),
            (0, found(first, naam="C")),
            (10, not_found(second)),
        ):
            it.answer(answer, at=NOON - timedelta(days=age))
        with cache_of(it) as cache:

            def then(days: int) -> list[tuple[str, str, str | None]]:
                at = NOON - timedelta(days=days)
                lines = cache.as_of(wanted(first, second), register="kvk", product="basisprofiel", at=at, typing=TYPING)
                return sorted(lines.select("number", "status", "kvk_name").iter_rows())

            assert then(30) == []
            assert then(15) == [(first, "found", "A")]
            assert then(5) == [(first, "found", "B"), (second, "not_found", None)]
            assert then(0) == [(first, "found", "C"), (second, "not_found", None)]
