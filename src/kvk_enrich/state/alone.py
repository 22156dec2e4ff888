"""
One run at a time per list and output: two would ask the same and then overwrite each other.

The kernel holds the lock, so it ends with the process, however that ends. Runs of one list into different outputs, and
of different lists into one output, go side by side: they share the work by claims, and publish one after the other.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from kvk_enrich.errors import StateInUse, StorageError
from kvk_enrich.state.home import Home


@contextmanager
def alone(home: Home, listed: Path, output: Path, since: datetime) -> Iterator[Callable[[str], None]]:
    """
    Hold the place of the one run that turns the list *listed* into *output*; it began at *since*.

    Yields:
        What to give the id of the run to, once there is one, so that others can name it.

    Raises:
        StateInUse: another process holds it; the message names its run.
        StorageError: the lock file cannot be made.
    """
    which = "\0".join(str(path.resolve()) for path in (listed, output))
    path = home.locks / f"list-{hashlib.sha256(os.fsencode(which)).hexdigest()[:32]}"
    try:
        file = _held(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be locked: {error.strerror}") from error
    if file is None:
        raise StateInUse(
            f"this list is on its way into {output} already: {_told(path)}; wait for it, or name another output with -o"
        )
    moment = f"{since:%Y-%m-%d %H:%M:%S} UTC"

    def name(run: str) -> None:
        with suppress(OSError):  # without a name the lock holds all the same
            os.pwrite(file, f"run {run}, since {moment}".encode(), 0)

    try:
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, f"a run that began {moment}".encode(), 0)
        yield name
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(file)


def _held(path: Path) -> int | None:
    """Return the lock file, locked; None where another process holds it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        except OSError:
            os.close(file)
            raise
        if os.fstat(file).st_nlink:
            return file
        os.close(file)  # the run before let go of it, and of its name, between the two steps


def _told(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "a run that has just begun"
    except OSError:
        return "a run that is just ending"
