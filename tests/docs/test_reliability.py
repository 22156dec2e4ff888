"""docs/reliability.md: figures of a full run, every bar held."""

from tests.docs import reliability


def test_the_page_has_every_bar_and_none_is_missed():
    """Renew it with make torture, which ends with 1 as long as one is not measured in full."""
    page = reliability.FILE.read_text(encoding="utf-8")
    assert [bar.what for bar in reliability.BARS if f"| {bar.what} |" not in page] == []
    assert [line for line in reliability.missed(page) if line.endswith("| MISSED |")] == []


def test_a_figure_that_is_missing_or_too_low_is_not_held():
    """The table can say no."""
    few = {"random-kills": dict.fromkeys(("kills", "survived", "asked_again", "most_repeated", "in_flight"), 1)}
    few["random-kills"] |= {"ledger_least": -1, "ledger_most_per_kill": 0, "lease": 16, "rows_wrong": 0}
    page = reliability.renewed(f"{reliability.BEGIN}{reliability.END}", few)
    assert len(reliability.missed(page)) == len(reliability.BARS) - 1
