"""
Outputs appear whole or not at all, and all of a run or none.

A run writes drafts: hidden files (0600) in the folders of the outputs. When all are written they are flushed to the
disk and renamed into place, the run record last; between the first rename and the last there is no run record, so that
a machine which stops there leaves outputs that count as unfinished. When a step fails, the older outputs come back,
byte for byte. Of two runs that publish at the same moment one waits, so that all files are of one of them.

::

    with publish.together([out, failed, report, record]) as draft:
        write.enriched(staged, answers, columns, draft[out])
        ...
        draft[record].write_bytes(to_json(...))
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kvk_enrich.disk import sync, why
from kvk_enrich.errors import StorageError

_OWNER_ONLY = 0o600


class Disk:
    """The file operations that publishing consists of, so that a test can let any one of them fail."""

    def create(self, path: Path) -> int:
        """Create an empty file that only its owner can read, and return it opened. Never opens an existing one."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, _OWNER_ONLY)

    def chmod(self, path: Path, mode: int) -> None:
        """Set the permissions of *path*."""
        path.chmod(mode)

    def sync(self, path: Path) -> None:
        """Wait until the content of the file or folder *path* is on the disk."""
        sync(path)

    def link(self, path: Path, name: Path) -> None:
        """Give the file (or symbolic link) *path* a second *name*."""
        os.link(path, name, follow_symlinks=False)

    def replace(self, path: Path, target: Path) -> None:
        """Rename *path* to *target* in one step; a symbolic link there is replaced itself."""
        path.replace(target)

    def remove(self, path: Path) -> None:
        """Remove *path* if it is there."""
        path.unlink(missing_ok=True)


def check(target: Path, disk: Disk | None = None) -> None:
    """
    Make sure that *target* can be written, by making a draft of it. Meant to be called before anything is paid for.

    Raises:
        StorageError: The folder is missing, is no folder or not writable, or *target* is a folder.
    """
    with _as_storage_error(target):
        disk = disk or Disk()
        path, descriptor = _create_draft(target, disk)
        os.close(descriptor)
        disk.remove(path)


@contextlib.contextmanager
def together(
    targets: Sequence[Path], disk: Disk | None = None, *, private: bool = False
) -> Iterator[Mapping[Path, Path]]:
    """
    Collect drafts of *targets* and publish them all when the block ends well.

    Args:
        targets: The files to publish, in this order; the last one is the run record, whose presence
            says that the others belong together.
        disk: The file operations.
        private: They are for their owner alone, whoever could read older ones.

    Yields:
        The draft to write for each target: an empty file with the target's suffix, in its folder.

    Raises:
        StorageError: A draft could not be made, written or published; older outputs are as they were.
    """
    disk = disk or Disk()
    with contextlib.ExitStack() as made:
        drafts = {}
        for target in targets:
            with _as_storage_error(target):
                _remove_orphans(target, disk)
                drafts[target], descriptor = _create_draft(target, disk)
            made.callback(os.close, descriptor)
            made.callback(_quietly, disk.remove, drafts[target])
        with _as_storage_error(targets[0]):
            yield drafts
        _publish(drafts, disk, private=private)


def _publish(drafts: Mapping[Path, Path], disk: Disk, *, private: bool) -> None:
    """Rename all drafts into place; on failure put everything back."""
    for target, draft in drafts.items():
        with _as_storage_error(target):
            disk.chmod(draft, _OWNER_ONLY if private else _mode_for(target))
            disk.sync(draft)
    folders = dict.fromkeys(target.parent for target in drafts)
    with _alone_in(folders), contextlib.ExitStack() as kept, contextlib.ExitStack() as undo:
        for target in drafts:
            with _as_storage_error(target):
                older = _keep(target, disk)
            kept.callback(_quietly, disk.remove, _older_name(target))
            undo.callback(_restore, target, older, disk)
        record = [*drafts][-1]
        with _as_storage_error(record):
            disk.remove(record)
        for target, draft in drafts.items():
            with _as_storage_error(target):
                disk.replace(draft, target)
        for folder in folders:
            with _as_storage_error(folder):
                disk.sync(folder)
        undo.pop_all()


@contextlib.contextmanager
def _alone_in(folders: Iterable[Path]) -> Iterator[None]:
    """Hold *folders* themselves locked: that leaves no file behind, and the kernel frees them when the process dies."""
    with contextlib.ExitStack() as held:
        for folder in sorted({folder.resolve() for folder in folders}):  # one order for all, or two runs wait for ever
            with contextlib.suppress(OSError):  # a file system without locks: there two runs may mix
                descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
                held.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _keep(target: Path, disk: Disk) -> Path | None:
    """Keep the older file at *target* under a second name and return that, or None where there is none."""
    if not os.path.lexists(target):
        return None
    older = _older_name(target)
    try:
        disk.link(target, older)
    except OSError:  # left over from a killed run, or a file system without hard links
        disk.replace(target, older)
    return older


def _restore(target: Path, older: Path | None, disk: Disk) -> None:
    # Renaming one name of a file to another name of the same file does nothing, so nothing needs to be known here.
    if older is None:
        _quietly(disk.remove, target)
    else:
        _quietly(disk.replace, older, target)


def _older_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.older")


def _mode_for(target: Path) -> int:
    """Return the permissions of the file that is replaced, or the owner's alone."""
    try:
        older = target.lstat()
    except FileNotFoundError:
        return _OWNER_ONLY
    return stat.S_IMODE(older.st_mode) if stat.S_ISREG(older.st_mode) else _OWNER_ONLY


def _create_draft(target: Path, disk: Disk) -> tuple[Path, int]:
    """Create the draft of *target*; it stays locked, as a sign of life, while the descriptor is open."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    while True:
        path = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.draft{target.suffix}")
        descriptor = disk.create(path)
        with contextlib.suppress(OSError):  # a file system without locks: its orphans are left alone
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # taken for an orphan between creating and locking


def _remove_orphans(target: Path, disk: Disk) -> None:
    """Remove drafts of *target* whose process has died, so that killed runs do not pile up."""
    draft_name = re.compile(rf"\.{re.escape(target.stem)}\.[0-9a-f]{{8}}\.draft{re.escape(target.suffix)}")
    for path in target.parent.iterdir():
        if draft_name.fullmatch(path.name) and _is_orphan(path):
            disk.remove(path)


def _is_orphan(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # alive, already gone, or not ours to judge
        return False
    return True


def _quietly(operation: Callable[..., None], *paths: Path) -> None:
    """Do *operation* while cleaning up, where a second failure must not hide the first."""
    with contextlib.suppress(OSError):
        operation(*paths)


@contextlib.contextmanager
def _as_storage_error(path: Path) -> Iterator[None]:
    """Translate the operating system's errors into ours."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {why(error)}. Older outputs are as they were.") from error
