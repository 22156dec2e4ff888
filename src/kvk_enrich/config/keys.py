"""
The keys of registers: from a variable, or a file that only its owner can read, and nowhere else.

KVK's key is the first of these that is set, for an account named ``crm``: ``KVK_API_KEY_CRM``, the
file that ``KVK_API_KEY_CRM_FILE`` names, ``KVK_API_KEY``, the file that ``KVK_API_KEY_FILE`` names.
"""

import os
import re
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Final

from kvk_enrich.config.checks import as_variable
from kvk_enrich.errors import ConfigError
from kvk_enrich.model import Secret

KVK_TEST_KEY: Final = "l7xx1f2691f2520d487b902f4e0b57a0b197"
"""The public key of KVK's test environment. Source: developers.kvk.nl, testing, read 2026-11."""

_LONGEST: Final = 512


def variable(account: str, environ: Mapping[str, str]) -> str | None:
    """Return the name of the variable that *account*'s key comes from, or None when there is none."""
    names = (f"KVK_API_KEY_{as_variable(account)}", "KVK_API_KEY")
    return next((name + end for name in names for end in ("", "_FILE") if environ.get(name + end)), None)


def take(account: str, environ: MutableMapping[str, str]) -> Secret:
    """
    Return *account*'s key and take its variable out of *environ*, so that no child process inherits it.

    Raises:
        ConfigError: no key, a file that cannot be read or that others can read, or no key in it.
    """
    name = variable(account, environ)
    if name is None:
        raise ConfigError(
            "No KVK API key: set KVK_API_KEY, or KVK_API_KEY_FILE to a file that only you can read."
            " To try without a key and without cost, use --source practice, which needs none."
        )
    value = environ.pop(name)
    key = (_read(Path(value), name) if name.endswith("_FILE") else value).strip()
    if not re.fullmatch(r"[!-~]+", key) or len(key) > _LONGEST:
        raise ConfigError(f"{name}: holds no key; one line of letters, digits and signs without blanks is expected")
    return Secret(key)


def _read(file: Path, name: str) -> str:
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise ConfigError(f"{name}: {file} is no file")
        with file.open(encoding="ascii", errors="replace") as opened:
            if os.fstat(opened.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{name}: others can read {file}; make it yours alone: chmod 600 {file}")
            return opened.read(2 * _LONGEST)
    except OSError as error:
        raise ConfigError(f"{name}: {file} cannot be read: {error.strerror}") from error
