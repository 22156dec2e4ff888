"""
kvk-enrich: a list of Dutch KVK numbers in, what the register knows of each company out.

The public API is what stands here; the recipes in ``pipelines/`` use nothing else.

Example:
    >>> from kvk_enrich import load, run
    >>> finished = run(load({"input": "suppliers.csv", "source": "practice"}))  # doctest: +SKIP
    >>> finished.record.rows.found  # doctest: +SKIP
    41
"""

from importlib import import_module
from typing import TYPE_CHECKING

from kvk_enrich.version import __version__

if TYPE_CHECKING:
    from kvk_enrich.config import Job, Source, load
    from kvk_enrich.errors import EnrichError, ExitCode
    from kvk_enrich.flow import Finished, Forecast, forecast, run
    from kvk_enrich.progress import Progress, shown_on
    from kvk_enrich.verifying import Verified, verify

_HOMES = {
    "Job": "config",
    "Source": "config",
    "load": "config",
    "EnrichError": "errors",
    "ExitCode": "errors",
    "Finished": "flow",
    "Forecast": "flow",
    "forecast": "flow",
    "run": "flow",
    "Progress": "progress",
    "shown_on": "progress",
    "Verified": "verifying",
    "verify": "verifying",
}

__all__ = [
    "EnrichError",
    "ExitCode",
    "Finished",
    "Forecast",
    "Job",
    "Progress",
    "Source",
    "Verified",
    "__version__",
    "forecast",
    "load",
    "run",
    "shown_on",
    "verify",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: ``kvk-enrich --help`` must not wait for polars."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
