"""
Settings: flags, environment and a TOML file become one frozen :class:`Job`.

A flag wins over an environment variable, that over the file, that over the default. Every key
has a path, ``source.kvk.account``; its variable is named after it,
``KVK_ENRICH_SOURCE_KVK_ACCOUNT``; the keys that are flags stand in :data:`FLAGS`. All problems
are told at once, each with its key path, what is wrong, and where the value came from. Keys of
registers are never in the file and never a flag: see :mod:`kvk_enrich.config.keys`.

Example:
    >>> job = load({"input": "list.csv", "source": "practice", "sample": 100}, environ={})
    >>> job.output.name
    'list.enriched.parquet'
"""

from kvk_enrich.config.deciding import config_sha256, deciding_json, load
from kvk_enrich.config.reading import load_settings
from kvk_enrich.config.sections import FLAGS, KEYS, VARIABLES
from kvk_enrich.config.services import source, vies
from kvk_enrich.config.showing import show
from kvk_enrich.config.values import PRACTICE_URL, Job, Setting, Settings, Source

__all__ = [
    "FLAGS",
    "KEYS",
    "PRACTICE_URL",
    "VARIABLES",
    "Job",
    "Setting",
    "Settings",
    "Source",
    "config_sha256",
    "deciding_json",
    "load",
    "load_settings",
    "show",
    "source",
    "vies",
]
