import pytest

from kvk_enrich.practice.dice import Dice


def test_equal_labels_throw_equally():
    """The labels alone decide: two dice with the same ones throw the same, with others they do not."""
    throws = [Dice(0, "69599084", "name").between(0, 10**6) for _ in range(2)]

    assert throws[0] == throws[1]
    assert throws[0] != Dice(1, "69599084", "name").between(0, 10**6)


def test_throws_are_the_same_on_every_machine():
    """A value from the day this was written: a practice population never changes under its users."""
    dice = Dice("sample")

    assert [dice.between(1, 6) for _ in range(20)] == [5, 4, 1, 4, 5, 2, 5, 6, 2, 5, 4, 6, 1, 6, 2, 2, 4, 1, 4, 4]


def test_a_chance_comes_true_as_often_as_it_says():
    """Over 20,000 throws a share of 0.3 is 0.3."""
    dice = Dice("share")

    assert sum(dice.chance(0.3) for _ in range(20_000)) / 20_000 == pytest.approx(0.3, abs=0.01)


def test_a_sample_holds_nothing_twice():
    """Drawing more than there is gives all of it, each once."""
    assert sorted(Dice("all").sample("abcdef", 99)) == list("abcdef")
