"""
The errors of kvk-enrich, named after what happens next.

::

    EnrichError                  told to the user as one sentence, ends with its exit code
    |-- ConfigError              2  a setting, a flag or a key is missing or wrong
    |-- InputRefused             9  the list cannot be read safely; nothing was asked
    |-- StorageError             7  disk full, not writable, damaged
    |-- StateInUse               8  another run holds what this one needs
    |-- StateTooNew              8  the state was made by a newer version
    |-- Declined               130  the user was asked before spending and said no
    `-- RegisterError            raised at the edge, decided on by the policies of fetch/
        |-- NotSent              the request surely did not leave: nothing is owed, ask again
        |-- Transient            may be different in a moment: try again, within the retry budget
        |-- Unusable             this answer is no answer: the item fails, the run goes on
        |-- Blocked              6  this register shuts us out: it is asked no more in this run, others are
        |-- AllowanceSpent       4  the register counts more than we do: nothing is left, the run stops
        `-- AccessRefused        5  key or TLS refused: asking on makes it worse, the run stops

An item that could not be asked is a value (:mod:`kvk_enrich.model`), not an error; any other
exception is a bug and ends with exit code 1.
"""

from enum import IntEnum
from typing import ClassVar, Final


class ExitCode(IntEnum):
    """What the process tells its caller. Published: README and CONTRACT rely on the numbers."""

    COMPLETE = 0
    BUG = 1
    USAGE = 2
    SOME_FAILED = 3
    CEILING = 4
    ACCESS_REFUSED = 5
    UNAVAILABLE = 6
    STORAGE = 7
    STATE_IN_USE = 8
    INPUT_REFUSED = 9
    INTERRUPTED = 130
    TERMINATED = 143


class EnrichError(Exception):
    """Base of all errors that are told to the user as a sentence, not as a traceback."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived outside the asking part of a run."""


heeded: Final[list[ExitCode]] = []
"""What the signals that have come end with: some libraries make an error of their own of what a signal raises."""


def exit_code_of(error: BaseException) -> ExitCode:
    """Return what the process says when it ends with *error*."""
    match error:
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case Terminated():
            return ExitCode.TERMINATED
        case _ if heeded:
            return heeded[-1]
        case EnrichError():
            return error.exit_code
        case _:
            return ExitCode.BUG


class ConfigError(EnrichError):
    """A setting, flag or key is missing or wrong; the message names its key path."""

    exit_code = ExitCode.USAGE


class InputRefused(EnrichError):
    """The list cannot be read without guessing; the message says where and what to do."""

    exit_code = ExitCode.INPUT_REFUSED


class StorageError(EnrichError):
    """A file of the state or an output could not be written or read back."""

    exit_code = ExitCode.STORAGE


class StateInUse(EnrichError):
    """Another process holds the cache or the journal longer than we wait."""

    exit_code = ExitCode.STATE_IN_USE


class StateTooNew(EnrichError):
    """Journal or cache carry a schema version that this program does not know."""

    exit_code = ExitCode.STATE_IN_USE


class Declined(EnrichError):
    """The user was asked before spending and said no; nothing was asked, nothing was spent."""

    exit_code = ExitCode.INTERRUPTED


class RegisterError(EnrichError):
    """A call to a register gave no answer. *reason* is a code of :mod:`kvk_enrich.reasons`."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, reason: str, detail: str = "") -> None:
        """Keep the *reason* code and a *detail* that holds neither key nor body."""
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


class NotSent(RegisterError):
    """The request did not leave this machine: its permit is given back and nothing is owed."""


class Transient(RegisterError):
    """
    Worth another attempt.

    *retry_after* is the register's own wish in seconds, if it gave one. *part* is what of the
    register is in trouble, such as a member state behind VIES; None: all of it, as far as we know.
    """

    def __init__(
        self, reason: str, detail: str = "", *, retry_after: float | None = None, part: str | None = None
    ) -> None:
        """Keep the register's wish and the part beside reason and detail."""
        super().__init__(reason, detail)
        self.retry_after = retry_after
        self.part = part


class Unusable(RegisterError):
    """An answer that says nothing about the number: the item fails, others are not affected."""


class Blocked(RegisterError):
    """The register has shut out this address or this requester; asking on makes it worse."""


class AllowanceSpent(RegisterError):
    """The register says that the allowance of this key is used up, or that but *left* units are: fewer than asked."""

    exit_code = ExitCode.CEILING

    def __init__(self, reason: str, detail: str = "", *, left: int = 0) -> None:
        """Keep what is left beside reason and detail."""
        super().__init__(reason, detail)
        self.left = left


class AccessRefused(RegisterError):
    """Key not accepted, not authorised, or the server is not who it should be."""

    exit_code = ExitCode.ACCESS_REFUSED
