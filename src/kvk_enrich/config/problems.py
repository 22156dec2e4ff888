"""What is wrong with a configuration, in sentences: the key path, the matter, where the value came from."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kvk_enrich.config.keys import first_variable
from kvk_enrich.config.sections import FLAGS, KEYS, LATER, VARIABLE_PREFIX, VARIABLES
from kvk_enrich.config.words import did_you_mean, quoted

_WORDS: Final[Mapping[str, str]] = {
    "less_than_equal": "must be at most {le}",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than 0",
    "decimal_max_places": "must have at most 6 decimals",
    "decimal": "must be an amount with a decimal point, such as 0.02",
    "int": "must be a whole number",
    "bool": "must be true or false",
    "float": "must be a number",
    "finite": "must be a number",
    "string_too_long": "must be at most 1000 characters",
    "string_too_short": "must not be empty",
    "string": "must be text in quotes",
    "date": "must be a date, such as 2026-01-01",
    "too_short": "must not be empty",
    "too_long": "must name at most {max_length}",
    "tuple": "must be a list",
    "dict": "must be a section of its own, not a value",
    "path": "must name a file or folder",
    "literal": "must be {expected}",
    "model": "must be a section of its own, not a value",
}
"""How pydantic's error types begin, and our words: the first that fits."""


def misspelt(flags: Mapping[str, object], environ: Mapping[str, str]) -> list[str]:
    """
    Return what is wrong with the names of *flags* and variables.

    A variable is refused only when it is nearly right: orchestrators invent others with our prefix.
    """
    problems = [f"{name}: is no flag{did_you_mean(name, FLAGS)}" for name in flags if name not in FLAGS]
    for name in environ:
        if name.startswith(VARIABLE_PREFIX) and name not in VARIABLES:
            near = get_close_matches(name, list(VARIABLES), n=1, cutoff=0.9)
            problems += [f"${name}: sets nothing; did you mean {meant}?" for meant in near]
    return problems


def sentences(error: ValidationError, document: object, origins: Mapping[str, str]) -> Iterator[str]:
    """Yield one sentence per problem of *error*, found in *document*, whose keys come from *origins*."""
    for problem in error.errors(include_url=False):
        key = ".".join(str(name) for name in _given_path(problem["loc"], document))
        origin = next((origins[known] for known in origins if f"{key}.".startswith(f"{known}.")), None)
        yield f"{key}: {_matter(problem, key)}" + (f" (from {origin})" if origin else "")


def _matter(problem: ErrorDetails, key: str) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return _unknown(key)
        case "missing":
            return "is missing"
        case "value_error":
            return str(problem["ctx"]["error"])
        case kind:
            template = next((words for start, words in _WORDS.items() if kind.startswith(start)), problem["msg"])
            return f"{template.format(**problem.get('ctx', {}))}, got {quoted(problem['input'])}"


def _given_path(loc: tuple[str | int, ...], document: object) -> tuple[str | int, ...]:
    """Cut off what only the model knows: ``price_eur.0.price_eur`` where the user wrote one price."""
    for depth, name in enumerate(loc):
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list | tuple) and isinstance(name, int):
            document = document[name]
        else:
            return loc[:depth]
    return loc


def _where_keys_go(section: str) -> str:
    if section == "source.vies":
        return "VIES needs no key; take it out"
    service = "kvkbase" if section == "source.kvkbase" else "kvk"
    return f"keys are never in the file; set {first_variable(service)} instead"


def _unknown(key: str) -> str:
    parent, _, name = key.rpartition(".")
    if key in LATER:
        return "comes in a later version; take it out"
    if "key" in name.lower():
        return _where_keys_go(parent)
    prefix = f"{parent}." if parent else ""
    siblings = {known.removeprefix(prefix).split(".")[0] for known in KEYS if known.startswith(prefix)}
    elsewhere = [known for known in KEYS if known.rpartition(".")[2] == name]
    return f"is no key{did_you_mean(name, siblings) or (f'; did you mean {elsewhere[0]}?' if elsewhere else '')}"
