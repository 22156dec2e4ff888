"""
How long a proof goes on, and where its figures go.

The same test runs twice: short in every run of the suite, long with ``--torture`` (``make torture``).
Only the long one writes figures: one JSON file per proof, from which ``python -m tests.docs.reliability``
makes the table of docs/reliability.md.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "build" / "figures"

Record = Callable[..., None]
"""``record("name", kills=300, survived=300)``: what a proof has seen, by name."""


def record(name: str, **seen: float) -> None:
    """Keep the figures of the proof *name*; those of an earlier run are replaced."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(seen, indent=1) + "\n")


def read() -> dict[str, dict[str, float]]:
    """Return the figures of all proofs that have been run, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
