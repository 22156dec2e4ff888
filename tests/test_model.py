"""The values that travel: secrets that do not show, money that is exact."""

import copy
import pickle
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvk_enrich.model import Secret, euro, micro


@dataclass(frozen=True)
class Holder:
    key: Secret


def test_a_secret_does_not_show():
    """No way of printing a secret, or a value that holds it, prints the key."""
    secret = Secret("canary")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", "%s" % secret, "%r" % (secret,)]  # noqa: UP031
    shown += [repr(Holder(secret)), str([secret, {"key": secret}]), format(secret, ">40")]
    assert [text for text in shown if "canary" in text] == []


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_pickled(take):
    """A secret travels into no file and no other process."""
    with pytest.raises(TypeError, match="not pickled"):
        take(Secret("canary"))


def test_a_secret_has_no_dictionary():
    """Nothing that walks over attributes finds the key."""
    assert not hasattr(Secret("canary"), "__dict__")


def test_a_secret_is_revealed_when_asked():
    """The one line that sends the key gets it."""
    assert Secret("canary").reveal() == "canary"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (20_000, "0.02"),
        (19_000, "0.019"),
        (6_400_000, "6.40"),
        (6_000_000_000, "6000.00"),
        (1, "0.000001"),
        (-20_000, "-0.02"),
    ],
)
def test_money_has_at_least_two_decimals(amount: int, text: str):
    """Euro are written in full, never as a power of ten."""
    assert str(euro(amount)) == text


@given(st.integers(-(10**13), 10**13))
def test_money_there_and_back_is_the_same(amount: int):
    """No cent is lost between micro-euro and euro."""
    assert micro(euro(amount)) == amount


@pytest.mark.parametrize("amount", ["0.0000001", "0.0200001", "NaN"])
def test_money_finer_than_micro_is_refused(amount: str):
    """A price with more than six decimals is not rounded in silence."""
    with pytest.raises(ValueError, match="six decimals"):
        micro(Decimal(amount))
