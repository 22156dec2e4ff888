"""What people are told: lines of text made from records, one function per occasion."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from kvk_enrich.errors import ExitCode
from kvk_enrich.model import euro
from kvk_enrich.reasons import FLAGS, REASONS

if TYPE_CHECKING:
    from kvk_enrich.applying import Patched
    from kvk_enrich.books import Adjusted, LedgerLine
    from kvk_enrich.config import Setting
    from kvk_enrich.explaining import Explanation
    from kvk_enrich.flow import Finished, Forecast
    from kvk_enrich.inspecting import Example, Inspection
    from kvk_enrich.keeping import Dossier, Exported, Forgotten, Stats
    from kvk_enrich.plan import Tariff
    from kvk_enrich.record import Rows
    from kvk_enrich.searching import Hits
    from kvk_enrich.state.erasing import Pruned
    from kvk_enrich.state.journal import RunLine
    from kvk_enrich.verifying import Verified

_NEXT = {
    ExitCode.SOME_FAILED: "Run the same command again to retry just the failed rows that can be retried.",
    ExitCode.ACCESS_REFUSED: "Check key, address and TLS: kvk-enrich config check --online",
    ExitCode.UNAVAILABLE: "Run the same command again when the register answers; nothing is paid twice.",
    ExitCode.INTERRUPTED: "Run the same command again to go on; nothing is paid twice.",
    ExitCode.TERMINATED: "Run the same command again to go on; nothing is paid twice.",
}

_LEFT: Final = 20
"""How many cells that a patch left are named."""

_ACTIVE = {True: "yes", False: "no", None: "not told"}


def finished(end: "Finished") -> list[str]:
    """Return the summary of a run: counts, money, files, what to type next."""
    record = end.record
    rows, calls = record.rows, record.calls
    lines = [
        f"Run {record.run_id}: {record.state} after {_duration(record.seconds)}",
        f"  rows    {rows.total:,}: {_outcomes(rows, end.not_selected)}",
        f"  calls   {calls.sent:,} sent for EUR {_euro(record.cost_eur)}",
        f"  saved   EUR {_euro(record.saved_eur)} by what was known and by asking each number once",
    ]
    if record.numbers.stale:
        lines.append(
            f"  stale   {_count(record.numbers.stale, 'number')} with an older answer (enrich_flags, enrich_fetched_at)"
        )
    if calls.in_doubt:
        lines.append(f"  doubt   {_count(calls.in_doubt, 'call')} of a killed run may have been paid without an answer")
    if end.cause:
        lines.append(f"  stop    {end.cause}")
    if record.outputs is not None:
        made = record.outputs
        files = [made.enriched, made.branches, made.changes, made.patch, made.undo, made.diff, made.failed, made.report]
        lines += [f"  file    {file.path}{_rows(file.rows)}" for file in files if file]
        lines.append(f"  record  {end.record_path}")
        if made.evidence:
            lines.append(f"  proof   {made.evidence.path}: note the SHA-256 of its manifest elsewhere:")
            lines.append(f"          {made.evidence.sha256}")
    if end.exit_code == ExitCode.CEILING and record.stop_reason:
        reason = REASONS[record.stop_reason]
        lines.append(f"Deferred: {reason.sentence} {reason.what_to_do}")
    elif end.exit_code in _NEXT:
        lines.append(_NEXT[end.exit_code])
    return lines


def forecast(planned: "Forecast") -> list[str]:
    """Return what a run would do, in euro and minutes."""
    record = planned.record
    rows, numbers, ahead, budget = record.rows, record.numbers, record.forecast, record.budget
    columns = record.input.columns
    where = f"column{'' if len(columns) == 1 else 's'} {' and '.join(repr(column) for column in columns)}"
    unit = "token" if any(tariff.unit == "token" for tariff in planned.plan.tariffs.values()) else "call"
    lines = [
        f"{record.input.path}: {_count(rows.total, 'row')}, numbers in {where}",
        f"  {_count(numbers.distinct, 'distinct number')}: {numbers.cached:,} known, {numbers.asked:,} to ask",
        f"  {_count(rows.invalid, 'row')} without a usable number",
        *_ways(planned),
        f"  cost EUR {_euro(ahead.cost_eur)}{_most(planned)}, about {_duration(ahead.seconds)} of asking",
        f"  account {budget.account}: {budget.left:,} of {budget.limit:,} {unit}s left in {budget.month}",
        f"  after this run {ahead.left_after:,} {unit}s left",
    ]
    reasons = planned.plan.deferred["reason"].value_counts(sort=True).rows()
    return lines + [f"  {count:,} deferred: {REASONS[reason].sentence}" for reason, count in reasons]


def _ways(planned: "Forecast") -> list[str]:
    """Return which products are asked for, where it is more than the one that companies cost."""
    plan = planned.plan
    asked = [f"{count:,} {product}{_price(plan.tariffs[product])}" for product, count in plan.counts.items()]
    return [f"  to ask for: {', '.join(asked)}"] if len(asked) > 1 else []


def _price(tariff: "Tariff") -> str:
    if tariff.unit == "token":
        return f" ({_count(tariff.units, 'token')} each)"
    return "" if tariff.micro_eur else " (free)"


def _most(planned: "Forecast") -> str:
    """Say so when it depends on the answers what is asked next."""
    return " at most" if planned.plan.later else ""


def runs(lines: Sequence["RunLine"]) -> list[str]:
    """Return past runs as a table."""
    if not lines:
        return ["No run yet."]
    table = [
        (
            line.id,
            line.state,
            line.started_at[:16].replace("T", " "),
            f"{line.calls:,}",
            _euro(euro(line.micro_eur)),
            f"{line.in_doubt:,}" if line.in_doubt else "",
            line.input,
        )
        for line in lines
    ]
    return _table(("run", "state", "started (UTC)", "calls", "EUR", "in doubt", "list"), table)


def ledger(lines: Sequence["LedgerLine"]) -> list[str]:
    """Return the use per account and month as a table, as the register's own portal shows it per key."""
    if not lines:
        return ["Nothing was spent yet."]
    table = [
        (
            line.period,
            line.register,
            line.account,
            f"{line.units:,}",
            "" if line.left is None else f"{line.left:,}",
            _euro(line.calls_eur),
            _euro(line.fee_eur),
            _euro(line.total_eur),
            "" if line.forecast_eur is None else _euro(line.forecast_eur),
        )
        for line in lines
    ]
    return _table(
        ("period", "register", "account", "used", "left", "EUR calls", "EUR fee", "EUR total", "EUR by month's end"),
        table,
    )


def adjusted(line: "Adjusted") -> list[str]:
    """Return what the ledger said and says."""
    before, after = line.before, line.after
    money = [f"EUR {_euro(euro(use.micro_eur))}" for use in line]
    return [
        f"{after.period} {after.register} {after.account}: {after.units:,} used for {money[1]}",
        f"before: {before.units:,} for {money[0]}; the runs keep this, with the reason",
    ]


def inspection(seen: "Inspection") -> list[str]:
    """Return what is in a list: columns, numbers, what a run would repair and refuse."""
    lines = [f"{seen.path}: {_count(seen.rows, 'row')}", *seen.notes]
    held = [
        (
            repr(column.column),
            f"{column.filled:,}",
            ", ".join(f"{count:,} {kind}" for kind, count in column.kinds.items()),
            "read" if column.column in seen.read else "",
        )
        for column in seen.columns
    ]
    if held:
        lines += ["", *_table(("column (first rows)", "filled", "numbers", ""), held)]
    if seen.undecided:
        return [*lines, "", seen.undecided]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in seen.kinds.items()) or "none"
    lines += ["", f"numbers: {kinds}; {seen.distinct:,} different, {_count(seen.duplicates, 'repetition')}"]
    lines += [f"  {one.number} stands in {_count(one.rows, 'row')}" for one in seen.repeated]
    for title, findings, words in (
        ("repaired by a run", seen.repairs, None),
        ("asked, but doubtful", seen.doubts, FLAGS),
        ("refused, never asked", seen.refused, {code: reason.sentence for code, reason in REASONS.items()}),
    ):
        if findings:
            table = [
                (f"{one.rows:,}", (words or {}).get(one.what, one.what), "; ".join(map(_example, one.examples)))
                for one in findings
            ]
            lines += ["", *_table(("rows", title, "for example"), table)]
    return lines


def _example(example: "Example") -> str:
    number = f" -> {example.number}" if example.number not in (None, example.value) else ""
    return f"row {example.row} {example.value!r}{number}"


def hits(found: "Hits") -> list[str]:
    """Return what a search found as a table. Names come from elsewhere: what steers a terminal is taken out."""
    if not found.hits:
        return ["Nothing found."]
    table = [
        tuple(
            "".join(letter if letter.isprintable() else " " for letter in cell or "").strip()
            for cell in (hit.kvk_number, hit.name, hit.city, hit.branch_number, hit.kind, _ACTIVE[hit.active])
        )
        for hit in found.hits
    ]
    lines = _table(("KVK number", "name", "city", "branch", "type", "active"), table)
    if found.total > len(found.hits):
        lines.append(f"{len(found.hits):,} of {found.total:,} shown: say more of what you look for.")
    return lines


def explanation(told: "Explanation") -> list[str]:
    """Return how one number is read and what it would take."""
    if told.number is None:
        reason = REASONS[told.reason or "not_a_number"]
        return [f"{told.text!r} is not asked: {reason.sentence}", reason.what_to_do]
    lines = [f"{told.text!r} is read as {told.kind} {told.number}" + (f" ({told.note})" if told.note else "")]
    lines += [f"  note: {FLAGS[flag]}" for flag in told.flags]
    head = ("call", "number", "state", "on (UTC)", "EUR")
    table = [
        (
            step.product,
            step.number or "known by then",
            _STATES.get(step.status, step.status) + (f": {step.reason}" if step.reason else ""),
            f"{step.fetched_at:%Y-%m-%d %H:%M}" if step.fetched_at else "",
            _euro(step.cost_eur),
        )
        for step in told.steps
    ]
    if not table:
        return [*lines, f"  {REASONS['no_route'].sentence} {REASONS['no_route'].what_to_do}"]
    return [*lines, *(f"  {line}" for line in _table(head, table)), f"  cost EUR {_euro(told.cost_eur)} at most"]


_STATES = {"found": "known", "not_found": "known, not found", "ask": "to be asked", "later": "depends on the answers"}


def stats(held: "Stats") -> list[str]:
    """Return what is kept as a table, and how large the files are."""
    table = [
        (
            line.register,
            line.product,
            f"{line.numbers:,}",
            f"{line.found:,}",
            f"{line.not_found:,}",
            f"{line.answers:,}",
            f"{line.oldest:%Y-%m-%d}",
            f"{line.newest:%Y-%m-%d}",
            _size(line.size),
        )
        for line in held.holdings
    ]
    head = ("register", "product", "numbers", "found", "not found", "answers", "oldest", "newest", "size")
    lines = _table(head, table) if table else ["Nothing is kept yet."]
    lines.append(f"files: cache {_size(held.cache_bytes)}, journal {_size(held.journal_bytes)}")
    if held.set_aside_files:
        lines.append(
            f"set aside as damaged: {_count(held.set_aside_files, 'file')}, {_size(held.set_aside_bytes)};"
            " kvk-enrich cache prune erases them"
        )
    return lines


def dossier(kept: "Dossier") -> list[str]:
    """Return what is kept of one company as a table: what forgetting would erase."""
    lines = [f"Kept of the company of {kept.kind} {kept.number}:"]
    if kept.known:
        table = [
            (line.kind, line.number, line.register, line.product, f"{line.answers:,}", f"{line.last:%Y-%m-%d}")
            for line in kept.known
        ]
        lines += [f"  {line}" for line in _table(("kind", "number", "register", "product", "answers", "newest"), table)]
    else:
        lines.append("  no answer")
    if kept.attempts:
        lines.append(
            f"  {_count(kept.attempts, 'call')} without an answer: the number goes, the money stays in the books"
        )
    return lines


def forgotten(gone: "Forgotten") -> list[str]:
    """Return what was erased, and what is left to do."""
    answers = sum(line.answers for line in gone.dossier.known)
    lines = [f"Erased: {_count(answers, 'answer')} about the company of {gone.dossier.kind} {gone.dossier.number}."]
    if gone.set_aside_files:
        lines.append(f"{_count(gone.set_aside_files, 'damaged file')} that had been set aside went too.")
    lines.append("Your lists, and what runs wrote for you, are your own files: look there too.")
    return lines


def pruned(gone: "Pruned") -> list[str]:
    """Return what was erased because of its age."""
    files = f", {_count(gone.files, 'file')} that had been set aside" if gone.files else ""
    return [f"Erased: {_count(gone.answers, 'answer')}, {_count(gone.calls, 'line')} of calls{files}."]


def exported(written: "Exported") -> list[str]:
    """Return where an export is."""
    return [f"{written.path}{_rows(written.rows)}"]


def changes(found: pl.DataFrame, output: Path | None) -> list[str]:
    """Return what changed in the register: how often what, and the first changes of each."""
    counts = found["change"].value_counts(sort=True).iter_rows()
    lines = [f"{_count(found.height, 'change')}: " + (", ".join(f"{kind} {many:,}" for kind, many in counts) or "none")]
    if output is not None:
        return [*lines, f"file  {output}"]
    shown = found.head(_LEFT).select("number", "change", pl.col("before", "after").fill_null("")).rows()
    lines += _table(("number", "change", "before", "after"), shown) if shown else []
    if found.height > _LEFT:
        lines.append(f"... and {found.height - _LEFT:,} more: -o FILE writes all of them")
    return lines


def verified(found: "Verified") -> list[str]:
    """Return whether all is as the run left it, and what is not."""
    lines = [f"{found.path}: {_count(found.files, 'file')} as the run left them"]
    if found.manifest_sha256:
        lines[0] += f", {_count(found.rows, 'row')} held against the registers' answers"
        lines.append(f"SHA-256 of the manifest: {found.manifest_sha256}")
    lines += [f"  {problem}" for problem in found.problems]
    return [*lines, f"{_count(len(found.problems), 'problem')}." if found.problems else "Nothing was touched."]


def patched(made: "Patched") -> list[str]:
    """Return what became of a patch, and which cells were left."""
    lines = [f"{_count(made.done, 'cell')} changed: {made.path}"]
    lines += [
        f"  left: row {change.row:,}, column {change.column}: no longer {change.old!r}" for change in made.left[:_LEFT]
    ]
    if made.left:
        lines.append(f"{_count(len(made.left), 'cell')} left as they are: another value stands there by now.")
    return lines


def settings(lines: Iterable["Setting"]) -> list[str]:
    """Return settings as a table."""
    return _table(("key", "value", "from"), [(line.key, line.value, line.origin) for line in lines])


def _outcomes(rows: "Rows", not_selected: int) -> str:
    counts = [rows.found, rows.not_found, rows.invalid, rows.failed, rows.deferred - not_selected]
    names = ["found", "not found", "invalid", "failed", "deferred"]
    if not_selected:
        counts.append(not_selected)
        names.append("not selected")
    return ", ".join(f"{count:,} {name}" for count, name in zip(counts, names, strict=True))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _rows(rows: int | None) -> str:
    return "" if rows is None else f" ({_count(rows, 'row')})"


def _size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def _euro(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"
