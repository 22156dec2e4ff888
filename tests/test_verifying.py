"""What was touched is named; whatever bytes a pack holds, the answer is sentences."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import packs
from tests.here import command

from kvk_enrich import evidence, record
from kvk_enrich.errors import InputRefused
from kvk_enrich.verifying import verify

EVERYTHING = "basisprofiel,vestigingen,vestigingsprofiel,naamgeving,vat"
FILES = (
    *("README.txt", "SHA256SUMS", "answers.parquet", "config.json", "input.csv", "manifest.json"),
    *("out.branches.parquet", "out.failed.csv", "out.parquet", "out.report.html", "out.run.json", "vies.csv"),
)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of numbers of all kinds, with all products."""
    folder = tmp_path_factory.mktemp("made")
    packs.run(folder, packs.numbers(), products=EVERYTHING)
    return folder / "pack"


@contextmanager
def copied(pack: Path) -> Iterator[Path]:
    """Yield a copy to do with as one likes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(pack, Path(folder) / "pack"))


def test_an_untouched_pack_is_as_the_run_left_it(pack: Path):
    """All files, all rows, and the hash to hold against the noted one."""
    assert {path.name for path in pack.iterdir()} == set(FILES)
    found = verify(pack)
    assert found.problems == ()
    assert (found.files, found.rows) == (10, len(packs.numbers()))
    assert verify(pack / "manifest.json", manifest_sha256=found.manifest_sha256).problems == ()


@pytest.fixture(scope="module")
def wide(pack: Path) -> Path:
    """A list with two columns of numbers, names that polars or a join could misread, and columns to compare."""
    listed = pack.parent / "wide.csv"
    header = ["kvk", "btw", "row", "kvk_name_expected", "^.*$", "*", "naam"]
    kvk, branch, vat, abroad = (packs.numbers()[place] for place in (0, 3, 4, 7))
    pairs = [(kvk, vat), (branch, kvk), (kvk, ""), ("", abroad), (vat, packs.NOT_THERE[0]), ("n.v.t.", "")]
    rows = [[*pair, "1", "=2+3", "-4", "@x", "Fictie B.V."] for pair in pairs]
    pl.DataFrame(rows, schema=header, orient="row").write_csv(listed)
    return listed


PAIRED = {"column": ["kvk", "btw"], "compare": ["name=naam"]}
KINDS: dict[str, dict[str, object]] = {
    "CSV": {"output": "csv"},
    "for spreadsheets": {"output": "csv", "csv_dialect": "excel-nl"},
    "workbook": {"output": "xlsx"},
    "ceiling": {"products": "basisprofiel,naamgeving", "max_calls": 2, "refresh": True},
    "sample": {"sample": 2, "products": "basisprofiel"},
    "stale": {"serve_stale": True, "max_age": "1s", "max_calls": 0},
    "nothing known": {"offline": True, "products": "basisprofiel,vestigingen", "home": "other"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_pack_is_as_the_run_left_it(pack: Path, wide: Path, kind: str):
    """Each format, rows with and without answers, of a list with two columns of numbers that is compared."""
    flags = {"products": EVERYTHING, "home": "home"} | KINDS[kind]
    folder, output = pack.parent, f"{kind}.{flags.pop('output', 'parquet')}"
    made = folder / f"pack of {kind}"
    home = folder / str(flags.pop("home"))
    packs.run(folder, [], output, input=wide, evidence=made, home=home, **PAIRED, **flags)
    found = verify(made)
    assert (found.problems, found.rows) == ((), 6)


@settings(max_examples=15)
@given(name=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_any_byte_that_was_changed_is_noticed(pack: Path, name: str, place: float, mask: int):
    """Named, or the pack is none."""
    with copied(pack) as folder:
        data = bytearray((folder / name).read_bytes())
        data[int(place * len(data))] ^= mask
        (folder / name).write_bytes(data)
        assert named(folder, name)


def _remove(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _rename(path: Path) -> None:
    path.rename(path.with_suffix(".bak"))


def _link(path: Path) -> None:
    path.rename(path.parents[1] / "elsewhere")
    path.symlink_to(path.parents[1] / "elsewhere")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("touch", [_remove, _truncate, _empty, _rename, _link, _folder])
def test_a_file_that_is_not_what_it_was_is_named(pack: Path, touch: Callable[[Path], None]):
    """Each file of the pack in turn."""
    for name in FILES:
        with copied(pack) as folder:
            touch(folder / name)
            assert named(folder, name), name


def named(folder: Path, name: str) -> bool:
    """Return whether a check names the file *name*; a manifest that is none makes the folder none."""
    try:
        problems = verify(folder).problems
    except InputRefused as error:
        return name == evidence.MANIFEST and name in str(error)
    return any(name in problem for problem in problems)


def test_a_file_that_was_added_is_named(pack: Path):
    """Links that lead nowhere too; the others are as they were."""
    with copied(pack) as folder:
        (folder / "more.txt").touch()
        (folder / "link").symlink_to("nowhere")
        found = verify(folder)
        assert set(found.problems) == {"more.txt was added", "link was added"}
        assert found.files == verify(pack).files


@settings(max_examples=12)
@given(name=st.sampled_from(sorted({*FILES} - {evidence.MANIFEST, evidence.SUMS})), data=st.binary(max_size=200))
def test_whatever_a_forger_puts_in_the_answer_is_sentences(pack: Path, name: str, data: bytes):
    """Any bytes in place of a file, with all hashes made anew: found out by the content, and no traceback."""
    with copied(pack) as folder:
        manifest = evidence.read_manifest(folder)
        assert manifest is not None
        (folder / name).write_bytes(data)
        packs.sealed(folder, manifest)
        found = verify(folder, manifest_sha256=verify(pack).manifest_sha256)
        assert f"{evidence.MANIFEST} is not the one whose hash was noted" in found.problems
        assert name == "README.txt" or len(found.problems) > 1


@pytest.mark.parametrize(
    ("column", "value", "kind", "outcome"),
    [
        ("kvk_name", "Fictie B.V.", "kvk", "found"),
        ("kvk_active", False, "kvk", "found"),
        ("kvk_legal_form", None, "kvk", "found"),
        ("kvk_number", "90000001", "rsin", "found"),
        ("kvk_number", "90000001", "branch", "found"),
        ("enrich_outcome", "not_found", "kvk", "found"),
        ("enrich_outcome", "found", "kvk", "not_found"),
        ("enrich_outcome", "found", "vat", "not_found"),
        ("enrich_fetched_at", packs.MOMENT, "kvk", "found"),
        ("vat_status", "valid", "vat", "not_found"),
        ("vat_status", "invalid", "vat", "found"),
        ("vat_consultation_number", "WAPI0000", "vat", "found"),
    ],
)
def test_a_row_that_the_registers_did_not_tell_is_named(
    pack: Path, column: str, value: object, kind: str, outcome: str
):
    """A forger changes a row and makes all hashes anew: the answers say otherwise."""
    rows = pl.read_parquet(pack / "out.parquet")
    chosen = (pl.col("enrich_kind") == kind) & (pl.col("enrich_outcome") == outcome)
    new = pl.lit(value).cast(rows.schema[column])
    forged = rows.with_columns(pl.when(chosen & (chosen.cum_sum() == 1)).then(new).otherwise(column).alias(column))
    assert not forged.equals(rows)
    with copied(pack) as folder:
        forged.write_parquet(folder / "out.parquet")
        packs.made_anew(folder)
        assert any(problem.startswith("row ") and column in problem for problem in verify(folder).problems)


@pytest.mark.parametrize("product", ["basisprofiel", "zoeken", "vies"])
@pytest.mark.parametrize("status", ["found", "not_found"])
def test_a_row_whose_answer_was_taken_away_is_named(pack: Path, product: str, status: str):
    """Found and not found rest on an answer alike."""
    with copied(pack) as folder:
        answers = pl.read_parquet(folder / "answers.parquet")
        gone = (pl.col("product") == product) & (pl.col("status") == status)
        answers.filter(~gone).write_parquet(folder / "answers.parquet")
        packs.made_anew(folder)
        has = answers.filter(gone).height > 0
        assert any("enrich_outcome" in problem for problem in verify(folder).problems) == has


def test_an_answer_that_was_changed_is_named(pack: Path):
    """By its own hash; with that made anew, by the row that no longer follows."""
    with copied(pack) as folder:
        answers = pl.read_parquet(folder / "answers.parquet")
        names = pl.col("raw").str.replace('"naam":"[^"]*"', '"naam":"Fictie"')
        answers.with_columns(names).write_parquet(folder / "answers.parquet")
        packs.made_anew(folder)
        assert any("was changed" in problem for problem in verify(folder).problems)


def test_a_consultation_that_vies_did_not_give_is_named(pack: Path):
    """The number is the proof before the tax authorities."""
    with copied(pack) as folder:
        (folder / "vies.csv").write_text((folder / "vies.csv").read_text().replace("WAPI", "WAPJ"))
        packs.made_anew(folder)
        assert any(problem.startswith("vies.csv: ") for problem in verify(folder).problems)


def _alien(rows: pl.DataFrame) -> pl.DataFrame:
    """The first row says of its company what is true of another."""
    return pl.concat([rows.select("nummer"), rows.drop("nummer")[[1, *range(1, rows.height)]]], how="horizontal")


def _doubled(rows: pl.DataFrame) -> pl.DataFrame:
    return rows[[1, *range(1, rows.height)]]


def _own_cell(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(nummer=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("1")).otherwise("nummer"))


def _first(rows: pl.DataFrame, **values: str | None) -> pl.DataFrame:
    """Return *rows* with other *values* in the first."""
    is_first = pl.int_range(pl.len()) == 0
    return rows.with_columns(
        pl.when(is_first).then(pl.lit(value).cast(rows.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )


def _failed(rows: pl.DataFrame) -> pl.DataFrame:
    return _first(rows, enrich_outcome="failed", enrich_reason="timeout", kvk_name=None, kvk_number=None)


def _invalid(rows: pl.DataFrame) -> pl.DataFrame:
    return _first(rows, enrich_outcome="invalid", enrich_reason="not_a_number", enrich_number=None)


def _excused(rows: pl.DataFrame) -> pl.DataFrame:
    return _first(rows, enrich_reason="server_error")


def _flagged(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(enrich_flags=pl.lit(["guess"]))


def _attributed(rows: pl.DataFrame) -> pl.DataFrame:
    return _first(rows, enrich_source="kvk")


@pytest.mark.parametrize(
    ("forge", "column"),
    [
        (_alien, "enrich_number"),
        (_doubled, "nummer"),
        (_own_cell, "nummer"),
        (_failed, "enrich_outcome"),
        (_invalid, "enrich_outcome"),
        (_excused, "enrich_reason"),
        (_flagged, "enrich_flags"),
        (_attributed, "enrich_source"),
    ],
)
def test_a_row_that_does_not_follow_from_the_list_is_named(
    pack: Path, forge: Callable[[pl.DataFrame], pl.DataFrame], column: str
):
    """All hashes and counts made anew: list and answers say otherwise."""
    with copied(pack) as folder:
        forged = forge(pl.read_parquet(folder / "out.parquet"))
        forged.write_parquet(folder / "out.parquet")
        packs.made_anew(folder, forged["enrich_outcome"])
        (problem,) = [problem for problem in verify(folder).problems if problem.startswith("row 1: ")]
        assert column in problem


def _shortened(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.head(-1)


def _widened(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(approved=True)


def _narrowed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop("kvk_active")


@pytest.mark.parametrize(
    ("forge", "sentence"),
    [
        (_shortened, "the enriched list has 12 rows, the list 13"),
        (_widened, "column approved was added"),
        (_narrowed, "column kvk_active is missing"),
    ],
)
def test_rows_and_columns_are_those_of_the_list(
    pack: Path, forge: Callable[[pl.DataFrame], pl.DataFrame], sentence: str
):
    """None less, none more."""
    with copied(pack) as folder:
        forge(pl.read_parquet(folder / "out.parquet")).write_parquet(folder / "out.parquet")
        packs.made_anew(folder)
        assert sentence in verify(folder).problems


@pytest.mark.parametrize(
    ("old", "new"), [(b",true,", b",false,"), (b"Z," + packs.REQUESTER.encode(), b"Z,NL1"), (b"T", b" ")]
)
def test_a_consultation_is_as_vies_answered(pack: Path, old: bytes, new: bytes):
    """Verdict, requester and time as much as the number."""
    with copied(pack) as folder:
        told = (folder / "vies.csv").read_bytes()
        assert old in told
        (folder / "vies.csv").write_bytes(told.replace(old, new))
        packs.made_anew(folder)
        assert any("does not follow from the answer of VIES" in problem for problem in verify(folder).problems)


def test_no_consultation_is_left_out(pack: Path):
    """A line taken out is told by its number."""
    with copied(pack) as folder:
        told = (folder / "vies.csv").read_text().splitlines(keepends=True)
        (folder / "vies.csv").write_text("".join(told[:-1]))
        packs.made_anew(folder)
        number = told[-1].partition(",")[0]
        assert f"vies.csv: what VIES said of {number} is missing" in verify(folder).problems


def test_a_branch_that_the_register_did_not_tell_is_noticed(pack: Path):
    """The file of branches follows from the answers too."""
    with copied(pack) as folder:
        name = "out.branches.parquet"
        pl.read_parquet(folder / name).head(-1).write_parquet(folder / name)
        packs.made_anew(folder)
        assert f"{name} is not what follows from the answers of the registers" in verify(folder).problems


def test_a_manifest_that_leads_out_of_the_pack_is_not_followed(pack: Path):
    """Only what it has hashes of is read."""
    with copied(pack) as folder:
        manifest = evidence.read_manifest(folder)
        assert manifest is not None
        outside = manifest.outputs | {"enriched": "../out.parquet", "record": "../out.run.json"}
        packs.sealed(folder, msgspec.structs.replace(manifest, outputs=outside))
        assert len(verify(folder).problems) == 2


def test_the_outputs_of_a_run_are_checked_by_its_record(pack: Path):
    """Beside the record, wherever that went; where they were written, if there is nothing beside it."""
    assert verify(pack.parent / "out.run.json").problems == ()
    with copied(pack.parent) as folder:
        (folder / "out.failed.csv").write_text("forged")
        (folder / "out.parquet").unlink()
        (folder / "out.report.html").unlink()
        (folder / "out.report.html").mkdir()
        (folder / "pack" / "answers.parquet").write_text("forged")
        found = verify(folder / "out.run.json")
        assert found.files == 2
        for name in ("out.failed.csv", "out.report.html"):
            assert f"{folder / name} is not what the run wrote" in found.problems
        assert f"{folder / 'pack'}: answers.parquet was changed" in found.problems
        (folder / "pack" / "manifest.json").write_text("forged")
        assert f"{folder / 'pack'} is not what the run wrote" in verify(folder / "out.run.json").problems
    with pytest.raises(InputRefused):
        verify(pack.parent / "list.csv")


def test_an_output_that_is_nowhere_is_named_in_full(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A path of the record holds from the folder where the command is given."""
    monkeypatch.chdir(tmp_path)
    run = record.from_json((pack / "out.run.json").read_bytes())
    assert run.outputs is not None
    elsewhere = msgspec.structs.replace(run.outputs.enriched, path="gone/out.parquet")
    outputs = msgspec.structs.replace(run.outputs, enriched=elsewhere)
    (tmp_path / "out.run.json").write_bytes(record.to_json(msgspec.structs.replace(run, outputs=outputs)))
    assert verify(tmp_path / "out.run.json").problems == (f"{tmp_path / 'gone' / 'out.parquet'} is missing",)


def test_the_command_says_so_and_ends_with_3(pack: Path):
    """Twenty problems are named, the others counted."""
    assert command("verify", pack).returncode == 0
    with copied(pack) as folder:
        for place in range(30):
            (folder / f"more-{place}").touch()
        done = command("verify", folder)
    assert done.returncode == 3
    assert "and 10 more; --json names all" in done.stdout
    assert "30 problems." in done.stdout
