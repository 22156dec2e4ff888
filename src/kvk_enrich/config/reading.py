"""Flags, environment and file, merged key by key and checked: the settings."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import platformdirs
from pydantic import ValidationError

from kvk_enrich.config.problems import misspelt, sentences
from kvk_enrich.config.sections import FLAGS, KEYS, VARIABLES, Sections
from kvk_enrich.config.values import Settings
from kvk_enrich.errors import ConfigError
from kvk_enrich.lang import of_locale


def load_settings(
    flags: Mapping[str, object], *, config_file: str | Path | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """
    Read all settings, for commands that need no list (``budget``, ``runs``, ``config``).

    Args:
        flags: By the names of :data:`FLAGS`; None means not given.
        config_file: A TOML file, or None.
        environ: The environment; None for the process's own.

    Raises:
        ConfigError: one line per problem, each beginning with the key path.
    """
    environ = os.environ if environ is None else environ
    document = _document(Path(config_file)) if config_file is not None else {}
    origins = {key: str(config_file) for key in KEYS if _holds(document, key.split("."))}
    problems = misspelt(flags, environ)
    given: list[tuple[str, str, object]] = [
        (VARIABLES[name], f"${name}", environ[name]) for name in VARIABLES if environ.get(name)
    ]
    given += [
        (FLAGS[name], f"--{name.replace('_', '-')}", flags[name]) for name in FLAGS if flags.get(name) is not None
    ]
    for key, origin, value in given:
        _put(document, key.split("."), value)
        origins[key] = origin
    try:
        sections = Sections.model_validate(document)
    except ValidationError as error:
        problems += sentences(error, document, origins)
    if problems:
        raise ConfigError("\n".join(problems))
    return Settings(sections, origins, _home(sections), sections.output.lang or of_locale(environ))


def _document(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--config: {file} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--config: {file} is not valid TOML: {error}") from error


def _holds(tree: object, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(tree, Mapping) or name not in tree:
            return False
        tree = tree[name]
    return True


def _put(tree: dict[str, object], path: Sequence[str], value: object) -> None:
    for name in path[:-1]:
        below = tree.setdefault(name, {})
        if not isinstance(below, dict):
            return  # the file holds a value where a section belongs: reported as such
        tree = below
    tree[path[-1]] = value


def _home(sections: Sections) -> Path:
    home = sections.home or platformdirs.user_data_path("kvk-enrich", appauthor=False)
    return home.absolute()
