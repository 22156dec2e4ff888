"""
The keys of registers: from a variable, or a file that only its owner can read, and nowhere else.

KVK's key is the first of these that is set, for an account named ``crm``: ``KVK_API_KEY_CRM``, the
file that ``KVK_API_KEY_CRM_FILE`` names, ``KVK_API_KEY``, the file that ``KVK_API_KEY_FILE`` names.
kvkbase's is found in the same way, from ``KVKBASE_API_KEY``.
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


def variable(service: str, account: str, environ: Mapping[str, str]) -> str | None:
    """Return the name of the variable that the key of *service* for *account* comes from, or None."""
    own = first_variable(service)
    names = (f"{own}_{as_variable(account)}", own)
    return next((name + end for name in names for end in ("", "_FILE") if environ.get(name + end)), None)


def first_variable(service: str) -> str:
    """Return the variable to set for a key of *service*: ``KVK_API_KEY``."""
    return f"{as_variable(service)}_API_KEY"


def take(service: str, account: str, environ: MutableMapping[str, str]) -> Secret:
    """
    Return the key of *service* for *account*, and take its variable out of *environ*: no child process inherits it.

    Raises:
        ConfigError: no key, a file that cannot be read or that others can read, or no key in it.
    """
    name = variable(service, account, environ)
    if name is None:
        own = first_variable(service)
        raise ConfigError(
            f"No {'KVK' if service == 'kvk' else service} API key: set {own}, or {own}_FILE to a file that only you"
            " can read."
            " To try without a key and without cost, use --source practice, which needs none."
        )
    value = environ.pop(name)
    key = (_read(Path(value), name, environ.get("CREDENTIALS_DIRECTORY")) if name.endswith("_FILE") else value).strip()
    if not re.fullmatch(r"[!-~]+", key) or len(key) > _LONGEST:
        raise ConfigError(f"{name}: holds no key; one line of letters, digits and signs without blanks is expected")
    return Secret(key)


def _read(file: Path, name: str, credentials: str | None) -> str:
    """Read the key in *file*; in systemd's folder of *credentials* group bits are the mask of an ACL for us alone."""
    open_to = stat.S_IRWXO | (0 if credentials and file.parent == Path(credentials) else stat.S_IRWXG)
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise ConfigError(f"{name}: {file} is no file")
        with file.open(encoding="ascii", errors="replace") as opened:
            status = os.fstat(opened.fileno())
            if status.st_uid not in {0, os.getuid()}:
                raise ConfigError(f"{name}: {file} belongs to another user, who can read it; make it your own")
            if status.st_mode & open_to:
                raise ConfigError(f"{name}: others can read {file}; make it yours alone: chmod 600 {file}")
            return opened.read(2 * _LONGEST)
    except OSError as error:
        # What names no file may be the key itself, in the wrong variable: it is not repeated, nor is it in the error.
        raise ConfigError(f"{name}: the file that it names cannot be read: {error.strerror}") from None
