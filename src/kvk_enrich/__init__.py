"""
kvk-enrich: a list of Dutch KVK numbers in, what the register knows of each company out.

The public API is what stands here; the recipes in ``pipelines/`` use nothing else. What asks takes a job
(:func:`load`), the rest settings (:func:`load_settings`); the README shows them at work.

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
    from kvk_enrich.applying import Patched, apply
    from kvk_enrich.books import JobUse, LedgerLine, ledger
    from kvk_enrich.config import Job, Settings, Source, load, load_settings
    from kvk_enrich.differing import diff
    from kvk_enrich.errors import EnrichError, ExitCode
    from kvk_enrich.explaining import Explanation, explain
    from kvk_enrich.flow import Finished, Forecast, forecast, run
    from kvk_enrich.inspecting import Inspection, inspect
    from kvk_enrich.progress import Progress, shown_on
    from kvk_enrich.searching import Hits, Wanted, search
    from kvk_enrich.verifying import Verified, verify

_MODULES = {
    "applying": ("Patched", "apply"),
    "books": ("JobUse", "LedgerLine", "ledger"),
    "config": ("Job", "Settings", "Source", "load", "load_settings"),
    "differing": ("diff",),
    "errors": ("EnrichError", "ExitCode"),
    "explaining": ("Explanation", "explain"),
    "flow": ("Finished", "Forecast", "forecast", "run"),
    "inspecting": ("Inspection", "inspect"),
    "progress": ("Progress", "shown_on"),
    "searching": ("Hits", "Wanted", "search"),
    "verifying": ("Verified", "verify"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "EnrichError",
    "ExitCode",
    "Explanation",
    "Finished",
    "Forecast",
    "Hits",
    "Inspection",
    "Job",
    "JobUse",
    "LedgerLine",
    "Patched",
    "Progress",
    "Settings",
    "Source",
    "Verified",
    "Wanted",
    "__version__",
    "apply",
    "diff",
    "explain",
    "forecast",
    "inspect",
    "ledger",
    "load",
    "load_settings",
    "run",
    "search",
    "shown_on",
    "verify",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: ``kvk-enrich --help`` must not wait for polars."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
