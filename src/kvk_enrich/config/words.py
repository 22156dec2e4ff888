"""How values and near misses are said in a sentence."""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_LONGEST: Final = 60


def quoted(value: object) -> str:
    """Return *value* as a user would have written it, cut to 60 characters."""
    text = json.dumps(value) if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` when one of *known* is near *value*, else nothing."""
    near = get_close_matches(value, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
