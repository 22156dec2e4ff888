"""How a page says things in one language: words by their names, numbers, money and time."""

from decimal import Decimal

from kvk_enrich.lang import Words
from kvk_enrich.write.report.words import WORDS


class Wording:
    """The words of the page, and how it writes figures."""

    def __init__(self, words: Words) -> None:
        """Take the language of *words*; what it lacks is English."""
        self.words = {**WORDS, **words.page}

    def say(self, name: str, **values: object) -> str:
        """Return the words of this *name*."""
        return self.words[name].format(**values)

    def count(self, number: int) -> str:
        """Return *number* as people read it."""
        return f"{number:,}".replace(",", self.words["thousands"])

    def money(self, amount: Decimal) -> str:
        """Return *amount* as people read it."""
        whole, _, cents = f"{amount:f}".partition(".")
        return f"{self.count(int(whole))}{self.words['decimal']}{cents}"

    def share(self, part: int, whole: int) -> str:
        """Return *part* of *whole* in percent; never all or nothing of what is not."""
        percent = 100 * part / whole if whole else 0.0
        if 0 < part < whole:
            percent = min(max(percent, 0.1), 99.9)
        return f"{percent:.1f}".replace(".", self.words["decimal"]) + "%"

    def duration(self, seconds: float) -> str:
        """Return *seconds* as people read them."""
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        if hours:
            return self.say("duration.hours", hours=hours, minutes=minutes)
        if minutes:
            return self.say("duration.minutes", minutes=minutes, seconds=rest)
        return self.say("duration.seconds", seconds=f"{seconds:.1f}".replace(".", self.words["decimal"]))
