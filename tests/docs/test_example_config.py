"""configs/: the example names every key with its default, and every file there can be used."""

import re
import tomllib
from pathlib import Path

import pytest

from kvk_enrich.config import KEYS, load_settings
from kvk_enrich.config.sections import Sections

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLE = CONFIGS / "example.toml"
_OFF = re.compile(r"^# (?=\w+ = )", re.MULTILINE)  # a key without a default, switched off


def _keys(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict) and prefix + name not in KEYS:
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_example_is_the_defaults():
    """Using the example is using no file at all."""
    assert Sections.model_validate(tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))) == Sections()


def test_example_names_every_key():
    """No key of the program is missing from the example, and none is invented."""
    switched_on = tomllib.loads(_OFF.sub("", EXAMPLE.read_text(encoding="utf-8")))
    assert sorted(_keys(switched_on)) == sorted(KEYS)


def test_example_is_in_the_order_of_the_program():
    """The example can be read beside the code."""
    switched_on = tomllib.loads(_OFF.sub("", EXAMPLE.read_text(encoding="utf-8")))
    assert [name for name in _keys(switched_on) if name != "home"] == [key for key in KEYS if key != "home"]


def test_values_that_the_example_suggests_are_accepted(tmp_path):
    """What stands behind a # can be switched on as it is."""
    file = tmp_path / "all.toml"
    file.write_text(_OFF.sub("", EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")
    settings = load_settings({}, config_file=file, environ={})
    assert sorted(settings.origins) == sorted(KEYS)


def test_dated_prices_of_the_example_are_accepted(tmp_path):
    """The dated list in the comment is a value that works."""
    (dated,) = re.findall(r"# (\[\{ from.*\])", EXAMPLE.read_text(encoding="utf-8"))
    file = tmp_path / "dated.toml"
    file.write_text(f"[source.kvk]\nprice_eur = {dated}\n", encoding="utf-8")
    prices = load_settings({}, config_file=file, environ={}).sections.source.kvk.price_eur
    assert [str(price.price_eur) for price in prices] == ["0.02", "0.021"]


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda file: file.stem)
def test_every_file_can_be_used(file):
    """Each recipe's file is a valid configuration."""
    assert load_settings({}, config_file=file, environ={}).home.is_absolute()
