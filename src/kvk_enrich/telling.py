"""What people are told: lines of text made from records, one function per occasion."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from kvk_enrich.errors import ExitCode
from kvk_enrich.identifiers import vat
from kvk_enrich.lang import ENGLISH, Words
from kvk_enrich.model import euro
from kvk_enrich.reasons import FLAGS, REASONS

if TYPE_CHECKING:
    from kvk_enrich.applying import Patched
    from kvk_enrich.books import Adjusted, LedgerLine
    from kvk_enrich.config import Setting
    from kvk_enrich.explaining import Explanation, Step
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
"""How many of what a patch left, or of what is wrong with a pack, are named."""

_ACTIVE = {True: "yes", False: "no", None: "not told"}


def finished(end: "Finished", words: Words = ENGLISH) -> list[str]:
    """Return the summary of a run: counts, money, files, what to type next."""
    record = end.record
    rows, calls = record.rows, record.calls
    lines = [
        words(
            "Run {run}: {state} after {time}",
            run=record.run_id,
            state=words(record.state),
            time=words.duration(record.seconds),
        ),
        words(
            "  rows    {total}: {outcomes}",
            total=words.number(rows.total),
            outcomes=_outcomes(rows, end.not_selected, words),
        ),
        words("  calls   {sent} sent for EUR {cost}", sent=words.number(calls.sent), cost=words.euro(record.cost_eur)),
        words(
            "  saved   EUR {saved} by what was known and by asking each number once", saved=words.euro(record.saved_eur)
        ),
    ]
    if record.numbers.stale:
        lines.append(
            words(
                "  stale   {numbers} with an older answer (enrich_flags, enrich_fetched_at)",
                numbers=words.count(record.numbers.stale, "number"),
            )
        )
    if calls.in_doubt:
        lines.append(
            words(
                "  doubt   {calls} of a killed run may have been paid without an answer",
                calls=words.count(calls.in_doubt, "call"),
            )
        )
    if end.cause:
        lines.append(words("  stop    {cause}", cause=words.said(end.cause)))
    if record.outputs is not None:
        made = record.outputs
        files = [made.enriched, made.branches, made.changes, made.patch, made.undo, made.diff, made.failed, made.report]
        lines += [
            words("  file    {path}{rows}", path=file.path, rows=_rows(file.rows, words)) for file in files if file
        ]
        lines.append(words("  record  {path}", path=end.record_path))
        if made.evidence:
            lines.append(
                words("  proof   {path}: note the SHA-256 of its manifest elsewhere:", path=made.evidence.path)
            )
            lines.append(f"          {made.evidence.sha256}")
    if end.exit_code == ExitCode.CEILING and record.stop_reason:
        reason = REASONS[record.stop_reason]
        lines.append(
            words(
                "Deferred: {sentence} {what_to_do}",
                sentence=words(reason.sentence),
                what_to_do=words(reason.what_to_do),
            )
        )
    elif end.exit_code in _NEXT:
        lines.append(words(_NEXT[end.exit_code]))
    return lines


def forecast(planned: "Forecast", words: Words = ENGLISH) -> list[str]:
    """Return what a run would do, in euro and minutes."""
    record = planned.record
    rows, numbers, ahead, budget = record.rows, record.numbers, record.forecast, record.budget
    columns = record.input.columns
    names = words(" and ").join(repr(column) for column in columns)
    where = words("column {names}" if len(columns) == 1 else "columns {names}", names=names)
    unit = "token" if any(tariff.unit == "token" for tariff in planned.plan.tariffs.values()) else "call"
    lines = [
        words(
            "{list}: {rows}, numbers in {columns}",
            list=record.input.path,
            rows=words.count(rows.total, "row"),
            columns=where,
        ),
        words(
            "  {numbers}: {known} known, {asked} to ask",
            numbers=words.count(numbers.distinct, "distinct number"),
            known=words.number(numbers.cached),
            asked=words.number(numbers.asked),
        ),
        words("  {rows} without a usable number", rows=words.count(rows.invalid, "row")),
        *_ways(planned, words),
        words(
            # It may depend on the answers what is asked next.
            "  cost EUR {cost} at most, about {time} of asking"
            if planned.plan.later
            else "  cost EUR {cost}, about {time} of asking",
            cost=words.euro(ahead.cost_eur),
            time=words.duration(ahead.seconds),
        ),
        words(
            "  account {account}: {left} of {limit} left in {month}",
            account=budget.account,
            left=words.number(budget.left),
            limit=words.count(budget.limit, unit),
            month=budget.month,
        ),
        words("  after this run {left} left", left=words.count(ahead.left_after, unit)),
    ]
    if numbers.stale:
        stale = words.count(numbers.stale, "number")
        lines.append(words("  of those known {numbers} with an older answer: no money to ask anew", numbers=stale))
    reasons = planned.plan.deferred["reason"].value_counts(sort=True).rows()
    return lines + [
        words("  {count} deferred: {sentence}", count=words.number(count), sentence=words(REASONS[reason].sentence))
        for reason, count in reasons
    ]


def _ways(planned: "Forecast", words: Words) -> list[str]:
    """Return which products are asked for, where it is more than the one that companies cost."""
    plan = planned.plan
    asked = [
        f"{words.number(count)} {product}{_price(plan.tariffs[product], words)}"
        for product, count in plan.counts.items()
    ]
    return [words("  to ask for: {products}", products=", ".join(asked))] if len(asked) > 1 else []


def _price(tariff: "Tariff", words: Words) -> str:
    if tariff.unit == "token":
        return words(" ({tokens} each)", tokens=words.count(tariff.units, "token"))
    return "" if tariff.micro_eur else words(" (free)")


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
    head = ("period", "register", "account", "used", "left", "EUR calls", "EUR fee", "EUR total", "EUR by month's end")
    return [*_table(head, table), *(told for line in lines for told in _burn_down(line))]


def _burn_down(line: "LedgerLine") -> list[str]:
    """Return how fast the present month of an account goes, and what jobs used of it."""
    if line.limit is None or not line.units or line.per_day is None:
        return []
    ends = "which lasts the month" if line.ends_on is None else f"so that it ends on {line.ends_on}"
    percent = line.units * 100 // line.limit if line.limit else 100
    used = f"{percent} % of {line.limit:,} used, {line.per_day:,} a day, {ends}"
    lines = [f"{line.register} ({line.account}): {used}"]
    lines += [
        f"  job {job.job}: {job.units:,} used"
        + (f" (kept for it {job.floor:,}, at most {job.ceiling:,})" if job.ceiling is not None else "")
        for job in line.jobs
    ]
    if line.warning is not None:
        lines.append(
            f"  {line.warning} % or more of the month's allowance is used" if line.left else "  nothing is left"
        )
    return lines


def adjusted(line: "Adjusted") -> list[str]:
    """Return what the ledger said and says."""
    before, after = line.before, line.after
    money = [f"EUR {_euro(euro(use.micro_eur))}" for use in line]
    return [
        f"{after.period} {after.register} {after.account}: {after.units:,} used for {money[1]}",
        f"before: {before.units:,} for {money[0]}; the runs keep this, with the reason",
    ]


def inspection(seen: "Inspection", words: Words = ENGLISH) -> list[str]:
    """Return what is in a list: columns, numbers, what a run would repair and refuse."""
    lines = [f"{seen.path}: {words.count(seen.rows, 'row')}", *map(words.said, seen.notes)]
    held = [
        (
            repr(column.column),
            words.number(column.filled),
            ", ".join(f"{words.number(count)} {kind}" for kind, count in column.kinds.items()),
            words("read") if column.column in seen.read else "",
        )
        for column in seen.columns
    ]
    if held:
        lines += ["", *_table((words("column (first rows)"), words("filled"), words("numbers"), ""), held)]
    if seen.undecided:
        return [*lines, "", seen.undecided]
    kinds = ", ".join(f"{words.number(count)} {kind}" for kind, count in seen.kinds.items()) or words("none")
    numbers = words(
        "numbers: {kinds}; {distinct} different, {repetitions}",
        kinds=kinds,
        distinct=words.number(seen.distinct),
        repetitions=words.count(seen.duplicates, "repetition"),
    )
    lines += ["", numbers]
    lines += [
        words("  {number} stands in {rows}", number=one.number, rows=words.count(one.rows, "row"))
        for one in seen.repeated
    ]
    sentences = {code: reason.sentence for code, reason in REASONS.items()}
    for title, findings, told in (
        ("repaired by a run", seen.repairs, {}),
        ("asked, but doubtful", seen.doubts, FLAGS),
        ("refused, never asked", seen.refused, sentences),
    ):
        if findings:
            table = [
                (
                    words.number(one.rows),
                    words.note(told.get(one.what, one.what)),
                    "; ".join(_example(example, words) for example in one.examples),
                )
                for one in findings
            ]
            lines += ["", *_table((words("rows"), words(title), words("for example")), table)]
    return lines


def _example(example: "Example", words: Words) -> str:
    number = f" -> {example.number}" if example.number not in (None, example.value) else ""
    return words("row {row} {value}{number}", row=example.row, value=repr(example.value), number=number)


def hits(found: "Hits", words: Words = ENGLISH) -> list[str]:
    """Return what a search found as a table. Names come from elsewhere: what steers a terminal is taken out."""
    if not found.hits:
        return [words("Nothing found.")]
    table = [
        tuple(
            "".join(letter if letter.isprintable() else " " for letter in cell or "").strip()
            for cell in (hit.kvk_number, hit.name, hit.city, hit.branch_number, hit.kind, words(_ACTIVE[hit.active]))
        )
        for hit in found.hits
    ]
    lines = _table([words(head) for head in ("KVK number", "name", "city", "branch", "type", "active")], table)
    if found.total > len(found.hits):
        shown, total = words.number(len(found.hits)), words.number(found.total)
        lines.append(words("{shown} of {total} shown: say more of what you look for.", shown=shown, total=total))
    return lines


def explanation(told: "Explanation", words: Words = ENGLISH) -> list[str]:
    """Return how one number is read and what it would take."""
    if told.number is None:
        reason = REASONS[told.reason or "not_a_number"]
        refused = words("{text} is not asked: {sentence}", text=repr(told.text), sentence=words(reason.sentence))
        return [refused, words(reason.what_to_do)]
    read = words("{text} is read as {kind} {number}", text=repr(told.text), kind=told.kind, number=told.number)
    lines = [read + (f" ({words.note(told.note)})" if told.note else "")]
    lines += [words("  note: {sentence}", sentence=words(FLAGS[flag])) for flag in told.flags]
    head = [words(title) for title in ("call", "number", "state", "on (UTC)", "EUR")]
    table = [
        (
            step.product,
            step.number or words("known by then"),
            words(_STATES.get(step.status, step.status)) + (f": {step.reason}" if step.reason else ""),
            f"{step.fetched_at:%Y-%m-%d %H:%M}" if step.fetched_at else "",
            words.euro(step.cost_eur),
        )
        for step in told.steps
    ]
    if not table:
        reason = REASONS["no_route"]
        return [*lines, f"  {words(reason.sentence)} {words(reason.what_to_do)}"]
    lines += [f"  {line}" for line in _table(head, table)]
    for step in told.steps:
        lines += _why(step, words)
    return [*lines, words("  cost EUR {cost} at most", cost=words.euro(told.cost_eur))]


def _why(step: "Step", words: Words) -> list[str]:
    """Return what the register said of a number that it does not know, and of one that it gave no answer for."""
    lines = []
    if step.reason in REASONS:
        reason = REASONS[step.reason]
        lines.append(f"  {step.product}: {words(reason.sentence)} {words(reason.what_to_do)}")
    if step.last_try:
        came = [f"HTTP {step.last_try.http_status}"] if step.last_try.http_status else []
        told = ", ".join([*came, *([step.last_try.code] if step.last_try.code else [])]) or words("nothing")
        when = f"{step.last_try.at:%Y-%m-%d %H:%M}"
        lines.append(
            words(
                "  {product}: asked in vain on {when} (UTC), what came was {told}. Run again to ask anew.",
                product=step.product,
                when=when,
                told=told,
            )
        )
    return lines


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
    shown = found.head(_LEFT).select(
        number=vat.shown_column(pl.col("kind"), pl.col("number")), change="change", before="before", after="after"
    )
    lines += _table(("number", "change", "before", "after"), shown.fill_null("").rows()) if shown.height else []
    if found.height > _LEFT:
        lines.append(f"... and {found.height - _LEFT:,} more: -o FILE writes all of them")
    return lines


def verified(found: "Verified") -> list[str]:
    """Return whether all is as the run left it, and what is not."""
    lines = [f"{found.path}: {_count(found.files, 'file')} as the run left them"]
    if found.manifest_sha256:
        lines[0] += f", {_count(found.rows, 'row')} held against the registers' answers"
        lines.append(f"SHA-256 of the manifest: {found.manifest_sha256}")
    lines += [f"  {problem}" for problem in found.problems[:_LEFT]]
    if len(found.problems) > _LEFT:
        lines.append(f"  and {len(found.problems) - _LEFT:,} more; --json names all")
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


def _outcomes(rows: "Rows", not_selected: int, words: Words) -> str:
    counts = [rows.found, rows.not_found, rows.invalid, rows.failed, rows.deferred - not_selected]
    names = ["found", "not found", "invalid", "failed", "deferred"]
    if not_selected:
        counts.append(not_selected)
        names.append("not selected")
    return ", ".join(f"{words.number(count)} {words(name)}" for count, name in zip(counts, names, strict=True))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _rows(rows: int | None, words: Words = ENGLISH) -> str:
    return "" if rows is None else f" ({words.count(rows, 'row')})"


def _size(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"


def _euro(amount: Decimal) -> str:
    return f"{amount:,.2f}"
