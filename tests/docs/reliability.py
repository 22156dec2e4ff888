"""
The table of docs/reliability.md: what ``make torture`` saw, against the bars.

``python -m tests.docs.reliability`` writes it anew from the figures of the last full run (build/figures), and ends
with 1 when a figure is missing or misses its bar.
"""

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from tests import figures
from tests.docs import readme

FILE: Final = readme.ROOT / "docs" / "reliability.md"
BEGIN: Final = "<!-- figures: begin -->"
END: Final = "<!-- figures: end -->"

Seen = Mapping[str, float]


class Bar(NamedTuple):
    """One line of the table: from which proofs, how it reads, and whether it holds."""

    what: str
    bar: str
    proofs: tuple[str, ...]
    reads: Callable[..., str]
    holds: Callable[..., bool]


def _wrong_rows(*proofs: Seen) -> float:
    return sum(proof["rows_wrong"] for proof in proofs)


def _points(proof: Seen) -> str:
    return f"{proof['survived']} / {proof['points']}" + ("" if proof["complete"] else " so far")


BARS: Final = [
    Bar(
        "random kills of whole jobs survived / tried",
        "300 / 300",
        ("random-kills",),
        lambda kills: f"{kills['survived']} / {kills['kills']}",
        lambda kills: kills["survived"] == kills["kills"] >= 300,
    ),
    Bar(
        "answers paid again after they were in the journal",
        "0",
        ("random-kills",),
        lambda kills: f"{kills['asked_again']}",
        lambda kills: kills["asked_again"] == 0,
    ),
    Bar(
        "calls repeated by one kill, at most",
        "those in flight",
        ("random-kills",),
        lambda kills: f"{kills['most_repeated']} of {kills['in_flight']} in flight",
        lambda kills: kills["most_repeated"] <= kills["in_flight"],
    ),
    Bar(
        "storage steps at which the run was killed, found the disk full, met a read or write error: survived / tried",
        "all",
        ("kill-points", "enospc-points", "eio-points"),
        lambda *points: ", ".join(map(_points, points)),
        lambda *points: all(point["survived"] == point["points"] and point["complete"] for point in points),
    ),
    Bar(
        "jobs on a disk that is really full: resumable / tried",
        "all",
        ("disk-full",),
        lambda full: f"{full['resumed']} / {full['trials']}",
        lambda full: full["resumed"] == full["trials"] > 0,
    ),
    Bar(
        "rows lost, doubled or out of order, over all of the above",
        "0",
        ("random-kills", "kill-points", "enospc-points", "eio-points", "disk-full"),
        lambda *proofs: f"{_wrong_rows(*proofs)}",
        lambda *proofs: _wrong_rows(*proofs) == 0,
    ),
    Bar(
        "most requests in any sliding second at the server: processes, kills, stalls",
        "100",
        ("pace",),
        lambda pace: (
            f"{pace['most']} ({pace['processes']} processes, {pace['kills']} kills, {pace['stalls']} stalls,"
            f" {pace['tls']} over TLS)"
        ),
        lambda pace: pace["most"] <= 100,
    ),
    Bar(
        "ledger minus the server's count, over all kills: least, most per kill",
        "never negative; one lease per kill",
        ("random-kills",),
        lambda kills: f"{kills['ledger_least']}, {kills['ledger_most_per_kill']} (lease of {kills['lease']})",
        lambda kills: kills["ledger_least"] >= 0 and kills["ledger_most_per_kill"] <= kills["lease"],
    ),
    Bar(
        "bad lists tried; runs stopped or rows answered wrongly",
        "2,000; 0",
        ("bad-inputs",),
        lambda bad: f"{bad['tried']}; {bad['wrong']}",
        lambda bad: bad["tried"] >= 2_000 and bad["wrong"] == 0,
    ),
    Bar(
        "poison answers tried (through the readers, over the wire); runs stopped or rows answered wrongly",
        "5,000; 0",
        ("poison-answers",),
        lambda bad: f"{bad['read']}, {bad['wire']}; {bad['wrong']}",
        lambda bad: bad["read"] + bad["wire"] >= 5_000 and bad["wrong"] == 0,
    ),
    Bar(
        "damaged files of state tried; taken in silence",
        "200; 0",
        ("damage",),
        lambda damage: f"{damage['images']}; {damage['silent']}",
        lambda damage: damage["images"] >= 200 and damage["silent"] == 0,
    ),
    Bar(
        "steps of the model (add, run, kill, damage, second run, clock, budget, forget); promises broken",
        "0",
        ("state-machine",),
        lambda model: f"{model['steps']} in {model['examples']} histories; {model['broken']}",
        lambda model: model["broken"] == 0 < model["steps"],
    ),
    Bar(
        "places where the canary key was found, of those looked at",
        "0",
        ("canary",),
        lambda canary: (
            f"{canary['hits']} in {canary['places']} files, streams and processes under {canary['faults']} faults"
        ),
        lambda canary: canary["hits"] == 0 < canary["places"],
    ),
    Bar(
        "[faults of the catalogue](faults.md) that apply: passed / all",
        "all",
        ("catalogue",),
        lambda faults: f"{faults['passed']} / {faults['applies']}",
        lambda faults: faults["passed"] == faults["applies"] > 0,
    ),
]


def table(seen: Mapping[str, Seen]) -> Iterator[str]:
    """Yield the lines of the table."""
    today = datetime.now(UTC).date()
    yield f"Seen on {today}, Python {platform.python_version()}, {platform.system()} (`make torture`):\n"
    yield "| what | bar | seen | |"
    yield "|---|---|---|---|"
    for bar in BARS:
        known = [seen[proof] for proof in bar.proofs if proof in seen]
        if len(known) < len(bar.proofs):
            yield f"| {bar.what} | {bar.bar} | not measured | |"
        else:
            verdict = "held" if bar.holds(*known) else "not yet" if "so far" in bar.reads(*known) else "MISSED"
            yield f"| {bar.what} | {bar.bar} | {bar.reads(*known)} | {verdict} |"


def missed(page: str) -> list[str]:
    """Return the lines of the page's table that do not hold, or were not measured yet."""
    inside = page.partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in inside.splitlines() if line.startswith("| ")]
    return [line for line in lines[1:] if not line.endswith("| held |")]


def renewed(page: str, seen: Mapping[str, Seen]) -> str:
    """Return the page with a new table."""
    before, _, rest = page.partition(BEGIN)
    return "\n".join([before + BEGIN + "\n", *table(seen), "\n" + END + rest.partition(END)[2]])


def main() -> int:
    """Write the page anew; 1 when a bar is not held."""
    page = renewed(FILE.read_text(encoding="utf-8"), figures.read())
    FILE.write_text(page, encoding="utf-8")
    print(*missed(page), sep="\n", file=sys.stderr)  # noqa: T201 - a command of the maintainers
    return bool(missed(page))


if __name__ == "__main__":
    sys.exit(main())
