"""Examples in docstrings: each one is run, and does what it shows."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import kvk_enrich

_MODULES = [
    module.name
    for module in pkgutil.walk_packages(kvk_enrich.__path__, "kvk_enrich.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["kvk_enrich", *_MODULES])
def test_examples_do_what_they_show(name, tmp_path, monkeypatch):
    """A reader can paste any of them."""
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS).failed == 0
