"""The evidence pack: all in it, whole or not at all, and never in the place of something else."""

import errno
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import polars as pl
import pytest
from tests import packs

from kvk_enrich import evidence, record
from kvk_enrich.errors import ConfigError, ExitCode, StorageError
from kvk_enrich.finishing import Finished

LISTED = [packs.NOT_THERE[0], "68750110", "NL857587973B01"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """A pack, and the run that made it."""
    folder = tmp_path_factory.mktemp("made")
    return folder / "pack", packs.run(folder, LISTED)


def test_it_holds_all_that_the_run_rests_on(made: tuple[Path, Finished]):
    """The list, the outputs, answers, consultations, configuration and hashes; for the owner only."""
    pack, finished = made
    assert {path.name for path in pack.iterdir()} == {
        *("input.csv", "out.parquet", "out.failed.csv", "out.report.html", "out.run.json", "answers.parquet"),
        *("vies.csv", "config.json", "manifest.json", "SHA256SUMS", "README.txt"),
    }
    assert (pack / "input.csv").read_bytes() == (pack.parent / "list.csv").read_bytes()
    assert (pack / "out.parquet").read_bytes() == (pack.parent / "out.parquet").read_bytes()
    assert pack.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in pack.iterdir()} == {0o600}
    for line in (pack / "SHA256SUMS").read_text().splitlines():
        sha256, _, name = line.partition("  ")
        assert hashlib.sha256((pack / name).read_bytes()).hexdigest() == sha256
    told = finished.record.outputs
    assert told is not None
    assert told.evidence
    assert told.evidence.sha256 == hashlib.sha256((pack / "manifest.json").read_bytes()).hexdigest()


def test_the_answers_are_the_registers_own(made: tuple[Path, Finished]):
    """What was found and what was not, each step of the way, with hash and time."""
    answers = pl.read_parquet(made[0] / "answers.parquet")
    asked = set(answers.select("product", "number", "status").iter_rows())
    assert asked == {
        ("vies", "NL857587973B01", "found"),
        ("zoeken", "857587973", "found"),
        ("basisprofiel", "68750110", "found"),
        ("basisprofiel", packs.NOT_THERE[0], "not_found"),
    }
    assert answers.null_count().sum_horizontal().item() == 0
    (consulted,) = pl.read_csv(made[0] / "vies.csv").iter_rows(named=True)
    assert consulted["requester"] == packs.REQUESTER
    assert consulted["vat_consultation_number"]


def test_a_list_without_vat_numbers_has_no_consultations():
    """The file is there all the same, with its header."""
    assert evidence.consultations(pl.DataFrame({"kvk_number": ["68750110"]}), None).count(b"\n") == 1


def test_a_run_that_met_its_ceiling_has_a_pack_and_the_next_one_replaces_it(made: tuple[Path, Finished]):
    """The pack of the same list gives way to the one that knows more."""
    pack, _ = made
    before = evidence.read_manifest(pack)
    # Another number is asked for, for which there is no call left.
    halfway = packs.run(pack.parent, [*LISTED, "90000001"], max_calls=0)
    assert halfway.exit_code == ExitCode.CEILING
    after = evidence.read_manifest(pack)
    assert before is not None
    assert after is not None
    assert (before.rows.total, after.rows.total, after.rows.deferred) == (3, 4, 1)
    assert not [*pack.parent.glob(".*")]


def older(folder: Path, listed: str) -> None:
    """Put a pack of another run of *listed* at *folder*."""
    folder.mkdir()
    manifest = evidence.Manifest(
        version="1",
        run_id="r",
        made_at=packs.MOMENT,
        source="practice",
        requester=None,
        list=listed,
        input_sha256="",
        config_sha256="",
        rows=record.Rows.of({}),
        outputs={},
        files=(),
    )
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))


def _file(place: Path) -> None:
    place.write_text("mine")


def _full(place: Path) -> None:
    place.mkdir()
    (place / "mine").touch()


def _link(place: Path) -> None:
    (place.parent / "else").mkdir()
    place.symlink_to("else")


@pytest.mark.parametrize("there", [_file, _full, _link, lambda place: older(place, "another.csv")])
def test_nothing_else_is_replaced(there: Callable[[Path], None], tmp_path: Path):
    """A file, a folder of somebody's, a link, the pack of another list: refused before anything is paid for."""
    there(tmp_path / "pack")
    with pytest.raises(ConfigError, match=r"output\.evidence"):
        evidence.check(tmp_path / "pack", tmp_path / "list.csv", [tmp_path / "out.parquet"])


def test_an_empty_folder_and_an_older_pack_of_the_list_are_taken(tmp_path: Path):
    """Nobody loses anything by that."""
    (tmp_path / "empty").mkdir()
    older(tmp_path / "pack", "list.csv")
    for name in ("empty", "pack", "new"):
        evidence.check(tmp_path / name, tmp_path / "list.csv", [tmp_path / "out.parquet"])


@pytest.mark.parametrize("output", ["pack/out.parquet", "pack", "vies.csv", "input.csv", "Answers.parquet"])
def test_an_output_is_neither_in_the_pack_nor_called_as_a_file_of_it(output: str, tmp_path: Path):
    """One of the two would be lost."""
    (tmp_path / "pack").mkdir()
    with pytest.raises(ConfigError):
        evidence.check(tmp_path / "pack", tmp_path / "list.csv", [tmp_path / output])


def test_the_folder_for_it_must_be_there(tmp_path: Path):
    """A path with a slip of the pen is noticed before the run."""
    with pytest.raises(ConfigError, match="no folder"):
        evidence.check(tmp_path / "nowhere" / "pack", tmp_path / "list.csv", [])


def _write_to_a_full_disk(target: Path) -> None:
    with evidence.pack(target) as pack:
        assert pack is not None
        pack.add("out.csv", b"half")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_older_pack(tmp_path: Path):
    """A sentence, the older pack, and no draft."""
    older(tmp_path / "pack", "list.csv")
    before = (tmp_path / "pack" / "manifest.json").read_bytes()
    with pytest.raises(StorageError, match="No space left"):
        _write_to_a_full_disk(tmp_path / "pack")
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
    assert (tmp_path / "pack" / "manifest.json").read_bytes() == before


def test_a_pack_that_cannot_take_its_place_gives_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The rename of the new one fails: the older one is where it was."""
    older(tmp_path / "pack", "list.csv")
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.suffix == ".draft":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(StorageError), evidence.pack(tmp_path / "pack"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
    assert evidence.read_manifest(tmp_path / "pack") is not None


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path):
    """Its half pack holds data of people; that of another pack may be under way."""
    shutil.copytree(Path(__file__).parent / "docs", tmp_path / ".pack.0badcafe.draft")
    (of_another := tmp_path / ".pack.2.0badcafe.draft").mkdir()
    with evidence.pack(tmp_path / "pack"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [of_another.name, "pack"]
