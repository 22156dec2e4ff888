"""One page for people: what became of the list, what is worth a look, what it cost, what to do about the rest."""

from kvk_enrich.write.report.page import Compared, report
from kvk_enrich.write.report.words import WORDS

__all__ = ["WORDS", "Compared", "report"]
