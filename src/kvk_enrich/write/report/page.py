"""
One page for people: what became of the list, what it cost, what to do about the rest.

The page is self-contained: no script, nothing loaded from elsewhere, and a policy in its head that forbids both.
Texts of the list and of the register are escaped; they cannot become markup.
"""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import jinja2
import msgspec
import polars as pl

from kvk_enrich.reasons import FLAGS, REASONS
from kvk_enrich.record import RunRecord
from kvk_enrich.write.failed import items
from kvk_enrich.write.settle import flagged, tally
from kvk_enrich.write.written import Written, described

_ITEMS_SHOWN = 20

_HEADLINES = {
    "complete": "Every row has its final answer.",
    "partial": "Finished, but some rows could not be asked. Run the same command again to ask just those.",
    "stopped": "Stopped early. Run the same command again to go on; nothing is paid twice.",
}


def report(record: RunRecord, staged: Path, answers: pl.DataFrame, path: Path) -> Written:
    """
    Write the page.

    Args:
        record: The run, with the outputs written so far.
        staged: As for :func:`kvk_enrich.write.enriched.enriched`.
        answers: As for :func:`kvk_enrich.write.failed.failed`.
        path: The HTML file to write.

    Raises:
        OSError: It cannot be written.
    """
    totals = msgspec.structs.asdict(record.rows)
    reasons = tally(staged, answers).filter(pl.col("enrich_reason").is_not_null())
    listed = items(staged, answers)
    outputs = record.outputs
    page = _TEMPLATES.get_template("report.html").render(
        record=record,
        headline=_HEADLINES[record.state] if record.stop_reason is None else _stopped(record.stop_reason),
        outcomes=[(outcome, rows) for outcome, rows in totals.items() if outcome != "total"],
        reasons=[(rows, outcome, REASONS[reason]) for outcome, reason, rows in reasons.iter_rows()],
        flags=[(rows, FLAGS[flag]) for flag, rows in flagged(staged, answers)],
        items=listed.head(_ITEMS_SHOWN).collect(engine="streaming").to_dicts(),
        listed=listed.select(pl.len()).collect(engine="streaming").item(),
        files=[("enriched list", outputs.enriched), ("failed items", outputs.failed)] if outputs else [],
    )
    path.write_text(page, encoding="utf-8")
    return described(path, None)


def _stopped(reason: str) -> str:
    sentence = REASONS[reason].sentence if reason in REASONS else f"Stopped early: {reason}."
    return f"{sentence} {_HEADLINES['stopped']}"


def _name(path: str) -> str:
    return Path(path).name


def _words(code: str) -> str:
    return code.replace("_", " ")


def _count(number: int) -> str:
    return f"{number:,}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "0.0%"


def _money(amount: Decimal) -> str:
    return f"{amount:,f}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("kvk_enrich.write", "."),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "name": _name,
    "words": _words,
    "count": _count,
    "share": _share,
    "money": _money,
    "time": _time,
    "duration": _duration,
}
