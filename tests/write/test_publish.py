"""Publishing: whole or not at all, whatever fails and whenever the process dies."""

import errno
import fcntl
import multiprocessing
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread

import polars as pl
import pytest

from kvk_enrich import write
from kvk_enrich.errors import StorageError
from kvk_enrich.write.publish import Disk, check, together

NAMES = ("out.parquet", "out.failed.csv", "out.report.html", "out.run.json")
KILLED = 9


class CountingDisk(Disk):
    """A disk that does something at its n-th operation (from 1), before it happens."""

    def __init__(self, at: int, happens: Callable[[], None]) -> None:
        """Count from nothing."""
        self.at, self.happens, self.done = at, happens, 0

    def _count(self) -> None:
        self.done += 1
        if self.done == self.at:
            self.happens()

    def create(self, path: Path) -> int:
        """Count, then create."""
        self._count()
        return super().create(path)

    def chmod(self, path: Path, mode: int) -> None:
        """Count, then set the mode."""
        self._count()
        super().chmod(path, mode)

    def sync(self, path: Path) -> None:
        """Count, then sync."""
        self._count()
        super().sync(path)

    def link(self, path: Path, name: Path) -> None:
        """Count, then link."""
        self._count()
        super().link(path, name)

    def replace(self, path: Path, target: Path) -> None:
        """Count, then replace."""
        self._count()
        super().replace(path, target)

    def remove(self, path: Path) -> None:
        """Count, then remove."""
        self._count()
        super().remove(path)


class NoLinks(Disk):
    """A file system without hard links."""

    def link(self, path: Path, name: Path) -> None:
        """Refuse."""
        raise PermissionError(errno.EPERM, "no links here", str(path), None, str(name))


def publish(folder: Path, text: str, disk: Disk | None = None) -> None:
    """Publish four files that hold *text* and their name."""
    targets = [folder / name for name in NAMES]
    with together(targets, disk) as drafts:
        for target in targets:
            drafts[target].write_text(f"{text} {target.name}")


def contents(folder: Path) -> dict[str, str]:
    """Return what is in *folder*, hidden files too."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def whole(text: str) -> dict[str, str]:
    """Return what a folder holds after a publication of *text*."""
    return {name: f"{text} {name}" for name in NAMES}


def operations(folder: Path) -> int:
    """Return how many file operations one publication over older files takes."""
    disk = CountingDisk(0, lambda: None)
    publish(folder, "old", disk)
    return disk.done


def test_all_files_appear_private(tmp_path: Path) -> None:
    """All files appear under their names, readable by their owner alone, and nothing else is left."""
    publish(tmp_path, "new")

    assert contents(tmp_path) == whole("new")
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in NAMES} == {0o600}


def test_drafts_are_hidden_private_and_keep_their_suffix(tmp_path: Path) -> None:
    """A draft is a hidden file in the folder of its target, with the suffix by which writers tell the format."""
    target = tmp_path / "out.parquet"

    with together([target]) as drafts:
        draft = drafts[target]
        assert (draft.parent, draft.name[0], draft.suffix) == (tmp_path, ".", ".parquet")
        assert stat.S_IMODE(draft.stat().st_mode) == 0o600
        assert not target.exists()


def test_replaced_files_keep_their_mode(tmp_path: Path) -> None:
    """An output that its owner opened to others stays open to them."""
    publish(tmp_path, "old")
    (tmp_path / "out.parquet").chmod(0o644)

    publish(tmp_path, "new")

    assert stat.S_IMODE((tmp_path / "out.parquet").stat().st_mode) == 0o644
    assert contents(tmp_path) == whole("new")


def test_a_symbolic_link_is_replaced_itself(tmp_path: Path) -> None:
    """A link in the place of an output is replaced; what it pointed at is not touched."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    elsewhere = tmp_path / "precious"
    elsewhere.write_text("precious")
    (folder / "out.parquet").symlink_to(elsewhere)

    publish(folder, "new")

    assert not (folder / "out.parquet").is_symlink()
    assert (elsewhere.read_text(), contents(folder)) == ("precious", whole("new"))


def test_a_failing_writer_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """When a writer fails, older outputs stay and no draft is left; its exception passes through."""
    publish(tmp_path, "old")

    def half_written() -> None:
        with together([tmp_path / name for name in NAMES]) as drafts:
            drafts[tmp_path / "out.parquet"].write_text("half")
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        half_written()

    assert contents(tmp_path) == whole("old")


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path, mixed: tuple[Path, pl.DataFrame]) -> None:
    """A disk that is full while an output is written is a storage error that says so."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")

    with pytest.raises(StorageError, match="the disk is full"), together([tmp_path / "out.csv"]):
        write.failed(*mixed, full)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("older", [True, False])
def test_an_error_at_any_step_changes_nothing(tmp_path: Path, number: int, older: bool) -> None:  # noqa: FBT001
    """Whichever file operation fails, older outputs are byte-identical, or absent as before; nothing is left over."""

    def fails() -> None:
        raise OSError(number, os.strerror(number))

    before = whole("old") if older else {}
    if older:
        publish(tmp_path, "old")
    steps = operations_in(tmp_path, older=older)
    told = 0
    for step in range(1, steps + 1):
        try:
            publish(tmp_path, "new", CountingDisk(step, fails))
        except StorageError:
            told += 1
            assert contents(tmp_path) == before
        else:  # the step had another way, or was only cleaning up
            assert {name: text for name, text in contents(tmp_path).items() if name in NAMES} == whole("new")
            restore(tmp_path, older=older)
    assert told > len(NAMES) * 3


def operations_in(folder: Path, *, older: bool) -> int:
    """Return how many operations a publication takes, leaving *folder* as it was."""
    steps = operations(folder)
    restore(folder, older=older)
    return steps


def restore(folder: Path, *, older: bool) -> None:
    """Bring *folder* back to its older outputs, or to none."""
    for path in folder.iterdir():
        path.unlink()
    if older:
        publish(folder, "old")


def _publish_and_die(folder: Path, step: int) -> None:
    publish(folder, "new", CountingDisk(step, lambda: os._exit(KILLED)))


def test_death_at_any_step_leaves_whole_files(tmp_path: Path) -> None:
    """Killed anywhere, each output is the old or the new one, mixed only without a record; the next run cleans up."""
    publish(tmp_path, "old")
    steps = operations(tmp_path)
    forks = multiprocessing.get_context("fork")
    for step in range(1, steps + 1):
        process = forks.Process(target=_publish_and_die, args=(tmp_path, step))
        process.start()
        process.join()
        assert process.exitcode == KILLED
        outputs = {name: text for name, text in contents(tmp_path).items() if name in NAMES}
        assert all(text in (f"old {name}", f"new {name}") for name, text in outputs.items())
        if "out.run.json" in outputs:
            assert outputs in (whole("old"), whole("new"))

        publish(tmp_path, "old")
        assert contents(tmp_path) == whole("old")


def test_without_hard_links_it_works_too(tmp_path: Path) -> None:
    """On a file system without hard links outputs are replaced all the same."""
    publish(tmp_path, "old", NoLinks())

    publish(tmp_path, "new", NoLinks())

    assert contents(tmp_path) == whole("new")


def test_drafts_of_a_living_run_are_left_alone(tmp_path: Path) -> None:
    """Two runs with the same output do not take away each other's drafts: the later one wins."""
    target = tmp_path / "out.csv"

    with together([target]) as first:
        first[target].write_text("first")
        with together([target]) as second:
            second[target].write_text("second")
        assert first[target].exists()

    assert contents(tmp_path) == {"out.csv": "first"}


def test_two_publications_at_once_do_not_mix(tmp_path: Path) -> None:
    """A run that comes to publish while another is at it waits: all files are of one of them, and nothing is left."""
    for step in range(1, operations(tmp_path) + 1):
        other = Thread(target=publish, args=(tmp_path, "other"))

        def meet(other: Thread = other) -> None:
            other.start()
            other.join(0.03)

        publish(tmp_path, "one", CountingDisk(step, meet))
        other.join()
        assert contents(tmp_path) in (whole("one"), whole("other")), step


def test_a_draft_taken_for_an_orphan_is_made_anew(tmp_path: Path) -> None:
    """A draft that another run cleaned away in the moment before it was locked is made a second time."""

    class Swept(Disk):
        swept = False

        def create(self, path: Path) -> int:
            descriptor = super().create(path)
            if not self.swept:
                self.swept = True
                path.unlink()
            return descriptor

    publish(tmp_path, "new", Swept())

    assert contents(tmp_path) == whole("new")


def test_writers_keep_the_draft_itself(tmp_path: Path, mixed: tuple[Path, pl.DataFrame]) -> None:
    """A writer fills the draft in place, so that its mode and its lock stay."""
    target = tmp_path / "out.csv"

    with together([target]) as drafts:
        before = drafts[target].stat().st_ino
        write.failed(*mixed, drafts[target])
        with drafts[target].open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert drafts[target].stat().st_ino == before

    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def _missing(folder: Path) -> Sequence[object]:
    return folder / "none" / "out.csv", "its folder does not exist"


def _a_folder(folder: Path) -> Sequence[object]:
    (folder / "out.csv").mkdir()
    return folder / "out.csv", "there is a folder of that name"


def _in_a_file(folder: Path) -> Sequence[object]:
    (folder / "file").touch()
    return folder / "file" / "out.csv", "its folder is a file"


def _too_long(folder: Path) -> Sequence[object]:
    return folder / ("n" * 250 + ".csv"), "the name is too long"


@pytest.mark.parametrize("case", [_missing, _a_folder, _in_a_file, _too_long])
def test_unwritable_targets_are_refused_beforehand(tmp_path: Path, case: Callable[[Path], tuple[Path, str]]) -> None:
    """A target that cannot be written is told in a sentence, by the check and by the publication."""
    target, why = case(tmp_path)

    with pytest.raises(StorageError, match=why):
        check(target)
    with pytest.raises(StorageError, match=why), together([target]):
        pass


def test_a_folder_that_others_own_is_refused(tmp_path: Path) -> None:
    """A folder that this user may not write to is told in a sentence."""
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(StorageError, match="not writable"):
            check(tmp_path / "out.csv")
    finally:
        tmp_path.chmod(0o700)


def test_the_check_leaves_nothing(tmp_path: Path) -> None:
    """A check that passes leaves the folder, and an older output in it, as they were."""
    (tmp_path / "out.csv").write_text("old")

    check(tmp_path / "out.csv")

    assert contents(tmp_path) == {"out.csv": "old"}
