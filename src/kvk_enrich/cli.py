"""
The command line: arguments in, exit codes out. No decisions are made here.

Data goes to files, ``--json`` to standard output, everything else to standard error. What the
commands do is imported when one is called, so that ``--help`` answers at once.
"""

import inspect
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn, TypeVar

import typer

from kvk_enrich import __version__
from kvk_enrich.errors import ConfigError, Declined, EnrichError, ExitCode, StorageError, Terminated, exit_code_of
from kvk_enrich.errors import heeded as _heeded
from kvk_enrich.lang import ENGLISH, Words, printable, words

if TYPE_CHECKING:
    from datetime import timedelta
    from decimal import Decimal

    from kvk_enrich.flow import Finished, Forecast
    from kvk_enrich.keeping import Forgotten
    from kvk_enrich.model import Kind
    from kvk_enrich.progress import Progress

T = TypeVar("T")

_OPTIONS: dict[str, Any] = {
    "rich_markup_mode": None,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "no_args_is_help": True,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
app = typer.Typer(**_OPTIONS)
runs = typer.Typer(help="Past runs with state, counts and cost.", **_OPTIONS | {"no_args_is_help": False})
config = typer.Typer(help="The configuration as it will be used, secrets masked.", **_OPTIONS)
budget = typer.Typer(
    help="The month's ledger per account: calls, euro, left, forecast.", **_OPTIONS | {"no_args_is_help": False}
)
cache = typer.Typer(help="What is kept: show it, hand it out, forget it.", **_OPTIONS | {"no_args_is_help": False})
practice = typer.Typer(help="The practice register: fictional companies, scripted faults.", **_OPTIONS)
app.add_typer(runs, name="runs")
app.add_typer(budget, name="budget")
app.add_typer(cache, name="cache")
app.add_typer(config, name="config")
app.add_typer(practice, name="practice")


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"kvk-enrich {__version__}\n")
        raise typer.Exit


@app.callback()
def whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Turn a list of Dutch KVK numbers into what the register knows."""


Home = Annotated[Path | None, typer.Option("--home", help="Folder of cache, ledger and run records.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file; flags win over it.")]
CaBundle = Annotated[
    Path | None,
    typer.Option(help="Authorities to trust besides the system's, in PEM: of a proxy that inspects TLS."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Input = Annotated[Path, typer.Argument(metavar="INPUT", help="The list: .csv, .tsv, .txt, .parquet or .xlsx.")]
Columns = Annotated[
    list[str] | None, typer.Option(help="The column that holds the numbers (up to 3 times). [found by content]")
]
CountryColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="The column that holds the country of VAT numbers.")
]
KindOfNumbers = Annotated[str | None, typer.Option(help="What the numbers are: auto, kvk, vat, rsin or branch. [auto]")]
Strict = Annotated[bool | None, typer.Option("--strict", help="Refuse numbers with a wrong check digit.")]
Encoding = Annotated[str | None, typer.Option(help="Of a CSV, such as windows-1252. [utf-8]")]
Delimiter = Annotated[str | None, typer.Option(help="Of a CSV: comma, semicolon or tab. [found]")]
Sheet = Annotated[str | None, typer.Option(help="Of a workbook. [the first visible]")]
LangOption = Annotated[str | None, typer.Option("--lang", help="What people read: en or nl. [that of the locale]")]


def _job_flags(
    input: Input,  # noqa: A002
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Suffix decides: .parquet, .csv, .xlsx. [<input>.enriched.parquet]"
        ),
    ] = None,
    column: Columns = None,
    country_column: CountryColumn = None,
    kind: KindOfNumbers = None,
    strict: Strict = None,
    source: Annotated[
        str | None, typer.Option(help="Who answers about companies: kvk, kvk-test, kvkbase or practice. [kvk]")
    ] = None,
    products: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="What to buy per company, by commas: basisprofiel, vestigingen, vestigingsprofiel, naamgeving, vat,"
            " or none; kvkbase: lookup, basisprofiel, vestigingen, vat. [basisprofiel; kvkbase: lookup]",
        ),
    ] = None,
    geo_data: Annotated[bool | None, typer.Option("--geo-data", help="Also coordinates and BAG id. [no]")] = None,
    job: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose share of the month's allowance it uses (budget.share).")
    ] = None,
    max_eur: Annotated[str | None, typer.Option(help="Spend at most this in this run. [the month's allowance]")] = None,
    max_calls: Annotated[str | None, typer.Option(help="Make at most so many calls in this run.")] = None,
    max_age: Annotated[str | None, typer.Option(help="Reuse answers younger than this. [30d]")] = None,
    max_runtime: Annotated[str | None, typer.Option(help="Stop asking after this time, such as 90m or 2h.")] = None,
    deadline: Annotated[
        str | None, typer.Option(metavar="HH:MM", help="Stop asking at this time of day (Amsterdam).")
    ] = None,
    serve_stale: Annotated[
        bool | None,
        typer.Option("--serve-stale", help="Where money or time end, give the older answer, marked as such. [no]"),
    ] = None,
    priority_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Numbers in it, higher first, when not all can be asked.")
    ] = None,
    refresh: Annotated[bool | None, typer.Option("--refresh", help="Ask also for what is known.")] = None,
    offline: Annotated[bool | None, typer.Option("--offline", help="Make no call.")] = None,
    only_missing: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Only rows where this column is empty.")
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=COLUMN", help="Compare a register field with an own column (repeatable)."),
    ] = None,
    patch: Annotated[
        str | None, typer.Option(metavar="LIST", help="Fields that the patch may change, by commas. [all compared]")
    ] = None,
    diff: Annotated[
        bool | None, typer.Option("--diff", help="Tell what changed in the register since this list's last run.")
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also make an evidence pack for an audit; see verify.")
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write figures of the run for Prometheus: a .prom textfile.")
    ] = None,
    notify_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="POST the run record here at the end, whatever the end. [nowhere]"),
    ] = None,
    sample: Annotated[str | None, typer.Option(help="Only the first N distinct numbers.")] = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    csv_dialect: Annotated[str | None, typer.Option(help="Of CSV outputs: standard or excel-nl. [standard]")] = None,
    lang: LangOption = None,
    ca_bundle: CaBundle = None,
    yes: Annotated[bool | None, typer.Option("--yes", help="Do not ask before spending.")] = None,
    config: ConfigFile = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Only its signature is used."""


def _with_job_flags(command: Callable[[dict[str, Any]], None]) -> Callable[..., None]:
    """Give *command* the flags of a job as one mapping."""

    def called(**flags: object) -> None:
        command(flags)

    called.__doc__ = command.__doc__
    called.__name__ = command.__name__
    called.__signature__ = inspect.signature(_job_flags)  # type: ignore[attr-defined]
    called.__annotations__ = _job_flags.__annotations__
    return called


@app.command("run")
@_with_job_flags
def run_command(flags: dict[str, Any]) -> None:
    """
    Enrich a list. Goes on by itself where the same work was stopped before.

    Exit codes: 0 done, 2 usage, 3 some rows failed, 4 a ceiling was reached, 5 key or TLS refused,
    6 register unavailable, 7 storage, 8 state in use, 9 list refused, 130/143 stopped.
    """
    from kvk_enrich import flow, record

    job, as_json = _job(flags, announce=True)
    told = words(job.lang)
    with _progress(told) as progress:
        finished = flow.run(job, progress=progress, confirm=_confirmed(job.yes, progress, told))
    if as_json:
        _write(record.to_json(finished.record))
    _tell(finished, told)
    raise typer.Exit(finished.exit_code)


@app.command("plan")
@_with_job_flags
def plan_command(flags: dict[str, Any]) -> None:
    """Say what a run would do and cost. Makes no call."""
    from kvk_enrich import flow, record
    from kvk_enrich.progress import Notes

    job, as_json = _job(flags, need_key=False)
    told = words(job.lang)
    with Notes(sys.stderr, told) as progress:
        forecast = flow.forecast(job, progress=progress)
    if as_json:
        _write(record.to_json(forecast.record))
    else:
        _say(*_forecast_lines(forecast, told))


@app.command("inspect")
def inspect_command(
    input: Input,  # noqa: A002
    column: Columns = None,
    country_column: CountryColumn = None,
    kind: KindOfNumbers = None,
    strict: Strict = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    sheet: Sheet = None,
    lang: LangOption = None,
    home: Home = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say what is in a list: columns, kinds of number, dirt, repairs. Makes no call and keeps nothing."""
    from kvk_enrich import inspecting, telling
    from kvk_enrich.config import load_settings

    flags = {
        "column": column or None,
        "country_column": country_column,
        "kind": kind,
        "strict": strict,
        "encoding": encoding,
        "delimiter": delimiter,
        "sheet": sheet,
        "lang": lang,
        "home": home,
    }
    settings = load_settings(flags, config_file=config)
    seen = inspecting.inspect(input, settings)
    _print(json, lambda: seen, lambda: telling.inspection(seen, words(settings.lang)))


@app.command("apply")
def apply_command(
    input: Annotated[Path, typer.Argument(metavar="LIST", help="The list: .csv, .tsv or .txt.")],  # noqa: A002
    patch: Annotated[Path, typer.Argument(metavar="PATCH", help="What a run with --compare left: patch or undo.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the patched list goes.")],
    encoding: Annotated[str | None, typer.Option(help="Of the list, such as windows-1252. [utf-8]")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of the list: comma, semicolon or tab. [found]")] = None,
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """
    Make the changes of a patch on the list it is of; all else stays as it is, to the byte.

    Exit code 3: some cells hold another value by now; they were left as they are.
    """
    from kvk_enrich import applying, telling
    from kvk_enrich.config import load_settings

    settings = load_settings({"encoding": encoding, "delimiter": delimiter, "home": home}, config_file=config)
    patched = applying.apply(input, patch, output, settings)
    _say(*telling.patched(patched))
    raise typer.Exit(ExitCode.SOME_FAILED if patched.left else ExitCode.COMPLETE)


@app.command("diff")
def diff_command(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="An enriched list: .parquet or .csv.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="A later one.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it: .parquet or .csv. [print]")
    ] = None,
    home: Home = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say what changed in the register between two enriched lists: new, ended, names, addresses, forms, activities."""
    from kvk_enrich import differing, telling

    found = differing.diff(old, new, output, _settings(home, config))
    _print(json, found.to_dicts, lambda: telling.changes(found, output))


@app.command("verify")
def verify_command(
    path: Annotated[Path, typer.Argument(metavar="RUN_JSON", help="An evidence pack's folder, or out.run.json.")],
    manifest_sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="What the run printed of the pack's manifest.")
    ] = None,
    json: Json = False,
) -> None:
    """
    Check an evidence pack, or the outputs of a run: hashes, counts, proofs. Names what was touched.

    Exit code 3: something is not as the run left it.
    """
    from dataclasses import asdict

    from kvk_enrich import telling, verifying

    found = verifying.verify(path, manifest_sha256=manifest_sha256)
    _print(json, lambda: asdict(found), lambda: telling.verified(found))
    raise typer.Exit(ExitCode.SOME_FAILED if found.problems else ExitCode.COMPLETE)


@app.command("explain")
def explain_command(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="As it stands in the list.")],
    kind: Annotated[str | None, typer.Option(help="What it is: auto, kvk, vat, rsin or branch. [auto]")] = None,
    source: Annotated[str | None, typer.Option(help="Who answers: kvk, kvk-test, kvkbase or practice. [kvk]")] = None,
    products: Annotated[str | None, typer.Option(help="What would be bought. [basisprofiel]")] = None,
    strict: Annotated[bool | None, typer.Option("--strict", help="Refuse a wrong check digit. [no]")] = None,
    lang: LangOption = None,
    home: Home = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say how one number is read, what is known of it, and which calls it would take. Makes none."""
    from dataclasses import asdict

    from kvk_enrich import explaining, telling
    from kvk_enrich.config import load

    flags = {
        "input": "number.csv",
        "kind": kind,
        "source": source,
        "products": products,
        "strict": strict,
        "lang": lang,
        "home": home,
    }
    job = load(flags, config_file=config, need_key=False)
    told = explaining.explain(job, number)
    _print(json, lambda: asdict(told), lambda: telling.explanation(told, words(job.lang)))


@app.command("search")
def search_command(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="Words of a name.")] = None,
    source: Annotated[str | None, typer.Option(help="Who is asked: kvk, kvk-test, kvkbase or practice. [kvk]")] = None,
    postcode: Annotated[str | None, typer.Option(help="Such as 1234AB; with --house-number. Not at kvkbase.")] = None,
    house_number: Annotated[str | None, typer.Option(help="Such as 12 or 12a; with --postcode.")] = None,
    city: Annotated[str | None, typer.Option(help="The whole name of the town. Not at kvkbase.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also companies that ended.")] = False,
    autocomplete: Annotated[
        bool, typer.Option("--autocomplete", help="TEXT is how the name begins; kvkbase only.")
    ] = False,
    lang: LangOption = None,
    ca_bundle: CaBundle = None,
    home: Home = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """
    Look for a company's number by its name or address.

    Free at KVK; at kvkbase a search costs a token. What is found is printed and nowhere kept.
    """
    from kvk_enrich import searching, telling

    wanted = searching.Wanted(
        text=text, postcode=postcode, house_number=house_number, city=city, inactive=all_, autocomplete=autocomplete
    )
    settings = _settings(home, config, source, ca_bundle, lang)
    found = searching.search(settings, wanted)
    _print(json, lambda: found, lambda: telling.hits(found, words(settings.lang)))


def _job(flags: dict[str, Any], *, need_key: bool = True, announce: bool = False) -> tuple[Any, bool]:
    from kvk_enrich.config import load

    as_json = flags.pop("json")
    # typer gives an empty list where a flag that may be repeated was not given.
    flags |= {name: flags[name] or None for name in ("column", "compare")}
    config_file = flags.pop("config")
    try:
        return load(flags, config_file=config_file, need_key=need_key), as_json
    except ConfigError as error:
        if announce:
            _announce_lost_key(flags, config_file, error)
        raise


def _announce_lost_key(flags: dict[str, Any], config_file: Path | None, error: ConfigError) -> None:
    """Tell who waits for the run's end of *error*, if all but the key is there to know whom."""
    from kvk_enrich.announcing import announced
    from kvk_enrich.clock import SystemClock
    from kvk_enrich.config import load

    with suppress(EnrichError), _notes() as progress:
        job = load(flags, config_file=config_file, need_key=False)
        with announced(job, progress, SystemClock()):
            raise error


def _confirmed(yes: bool, progress: "Progress", words: Words) -> Callable[["Forecast"], None] | None:
    """Return how the user is asked before spending: on a terminal, and only there."""
    if yes or not sys.stdin.isatty() or not sys.stderr.isatty():
        return None

    def confirm(forecast: "Forecast") -> None:
        progress.finish()
        _say(*_forecast_lines(forecast, words))
        if not _is_agreed("Ask the register now?", words):
            raise Declined(words("nothing was asked, nothing was spent"))

    return confirm


def _is_agreed(question: str, words: Words = ENGLISH) -> bool:
    # polars' own handler lets a system call go on after Ctrl-C, so the prompt would not notice it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.siginterrupt(signal.SIGINT, True)
    try:
        answer = typer.prompt(f"{words(question)} [{words('y')}/N]", default="", show_default=False, err=True)
    except typer.Abort:
        return False
    return str(answer).strip().lower() in {words("y"), words("yes")}


@runs.callback(invoke_without_command=True)
def runs_default(context: typer.Context, home: Home = None, config: ConfigFile = None, json: Json = False) -> None:
    """List past runs, newest first."""
    if context.invoked_subcommand is None:
        runs_list(home, config, json)


@runs.command("list")
def runs_list(home: Home = None, config: ConfigFile = None, json: Json = False) -> None:
    """List past runs, newest first."""
    from kvk_enrich import books, telling

    lines = books.past_runs(_settings(home, config).home)
    _print(json, lambda: [line._asdict() for line in lines], lambda: telling.runs(lines))


@runs.command("show")
def runs_show(
    run_id: Annotated[str, typer.Argument(metavar="ID")], home: Home = None, config: ConfigFile = None
) -> None:
    """Print the record of one run as JSON."""
    from kvk_enrich import books

    lines = books.past_runs(_settings(home, config).home, run_id)
    if not lines:
        raise ConfigError(f"there is no run {run_id}; kvk-enrich runs list names them")
    _print_json(lines[0].record or lines[0]._asdict())


@budget.callback(invoke_without_command=True)
def budget_default(context: typer.Context, home: Home = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show the month's ledger per account."""
    if context.invoked_subcommand is None:
        budget_show(home, config, json)


@budget.command("show")
def budget_show(home: Home = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show the month's ledger per account, and past months."""
    from kvk_enrich import books, telling

    lines = books.ledger(_settings(home, config))
    _print(json, lambda: [line._asdict() for line in lines], lambda: telling.ledger(lines))


@budget.command("adjust")
def budget_adjust(
    units: Annotated[
        int, typer.Argument(metavar="USED", min=0, max=10_000_000, help="Calls that count; at kvkbase tokens.")
    ],
    reason: Annotated[str, typer.Option(help="Why; it stands with the adjustment among the runs.")],
    eur: Annotated[str | None, typer.Option(help="What the calls cost. [as it was counted]")] = None,
    month: Annotated[str | None, typer.Option(help="Such as 2026-11. [the present one]")] = None,
    source: Annotated[
        str | None, typer.Option(help="Whose: kvk, kvk-test, kvkbase or practice; its account. [kvk]")
    ] = None,
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Correct the ledger by hand: after an invoice, or for calls that other software made with the same key."""
    from kvk_enrich import books, telling

    spent = None if eur is None else _money(eur)
    adjusted = books.adjust(_settings(home, config, source), units, reason, spent=spent, month=month)
    _say(*telling.adjusted(adjusted))


def _money(text: str) -> "Decimal":
    from kvk_enrich.config.checks import amount

    try:
        return amount(text)
    except ValueError as error:
        raise ConfigError(f"--eur: {error}") from None


KindOfNumber = Annotated[
    str | None, typer.Option("--kind", help="What NUMBER is: auto, kvk, vat, rsin or branch. [auto]")
]


@cache.callback(invoke_without_command=True)
def cache_default(context: typer.Context, home: Home = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show what is kept, by register and product."""
    if context.invoked_subcommand is None:
        cache_stats(home, config, json)


@cache.command("stats")
def cache_stats(home: Home = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show what is kept, by register and product."""
    from dataclasses import asdict

    from kvk_enrich import keeping, telling

    with _notes() as progress:
        held = keeping.stats(_settings(home, config).home, progress=progress)
    data = asdict(held) | {"holdings": [holding._asdict() for holding in held.holdings]}
    _print(json, lambda: data, lambda: telling.stats(held))


@cache.command("prune")
def cache_prune(
    older_than: Annotated[str | None, typer.Option(metavar="AGE", help="Such as 90d. [cache.retention: 400d]")] = None,
    home: Home = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Erase old answers for good, and files that were set aside. Money and runs stay in the books."""
    from kvk_enrich import keeping, telling
    from kvk_enrich.config import load_settings

    settings = load_settings({"home": home}, config_file=config)
    age = settings.sections.cache.retention if older_than is None else _age(older_than)
    with _notes() as progress:
        pruned = keeping.prune(settings.home, age, progress=progress)
    _print(json, pruned._asdict, lambda: telling.pruned(pruned))


@cache.command("forget")
def cache_forget(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Of any kind.")],
    kind: KindOfNumber = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: Home = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """
    Erase for good all that is kept of a company, whichever of its numbers is given.

    Shows what would go and asks first. Lists and the outputs of runs are your own files: they stay.
    """
    from kvk_enrich import keeping, telling

    folder, of_kind = _settings(home, config).home, _kind(kind)
    with _notes() as progress:
        if not yes:
            _say(*telling.dossier(keeping.known(folder, number, of_kind, progress=progress)))
            _agree("Erase it for good?", "nothing was erased")
        forgotten = keeping.forget(folder, number, of_kind, progress=progress)
    _print(json, lambda: _data(forgotten), lambda: telling.forgotten(forgotten))


@cache.command("export")
def cache_export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Suffix decides: .json or .parquet.")],
    number: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Only what is kept of this company, and all of that.")
    ] = None,
    kind: KindOfNumber = None,
    home: Home = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Write what is kept to a file: all of it, or what is kept of one company, for its request of access."""
    from kvk_enrich import keeping, telling

    with _notes() as progress:
        written = keeping.export(_settings(home, config).home, file, number, _kind(kind), progress=progress)
    _print(json, lambda: {"path": str(written.path), "rows": written.rows}, lambda: telling.exported(written))


def _age(text: str) -> "timedelta":
    from kvk_enrich.config.checks import duration

    try:
        return duration(text)
    except ValueError as error:
        raise ConfigError(f"--older-than: {error}") from None


def _kind(text: str | None) -> "Kind | None":
    from kvk_enrich.model import Kind

    if text in (None, "auto"):
        return None
    try:
        return Kind(text)
    except ValueError:
        raise ConfigError(f"--kind: must be auto, {', '.join(Kind)}, got {text!r}") from None


def _agree(question: str, otherwise: str) -> None:
    """Ask on a terminal. Raises where there is none, or where the answer is no."""
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        raise ConfigError(f"--yes: give it, as there is no terminal to ask on; {otherwise}")
    if not _is_agreed(question):
        raise Declined(otherwise)


def _data(forgotten: "Forgotten") -> dict[str, object]:
    from dataclasses import asdict

    told = asdict(forgotten)
    told["dossier"]["known"] = [known._asdict() for known in forgotten.dossier.known]
    return told


def _notes() -> "Progress":
    from kvk_enrich.progress import Notes

    return Notes(sys.stderr)


@config.command("show")
def config_show(home: Home = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show every setting, where it comes from, and no secret."""
    from kvk_enrich import telling
    from kvk_enrich.config import show

    settings = show(_settings(home, config))
    _print(json, lambda: [setting._asdict() for setting in settings], lambda: telling.settings(settings))


@config.command("check")
def config_check(
    source: Annotated[
        str | None, typer.Option(help="Which register: kvk, kvk-test, kvkbase or practice. [kvk]")
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="Make one free call: key, TLS, clock.")] = False,
    ca_bundle: CaBundle = None,
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Check the configuration, the key and the home folder; with --online also the register."""
    from kvk_enrich import checking

    for line in checking.check(_settings(home, config, source, ca_bundle), online=online):
        _say(line)


@practice.command("serve")
def practice_serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    latency: Annotated[float, typer.Option(min=0, help="Mean seconds of an answer; 0 for none.")] = 0.5,
    per_second: Annotated[int, typer.Option(min=1, help="More calls in any second are answered with 429.")] = 100,
    per_month: Annotated[int, typer.Option(help="More calls in a month are answered with 429.")] = 300_000,
    fault: Annotated[
        list[str] | None, typer.Option(help="What goes wrong, such as 'status=503 share=0.05' (repeatable).")
    ] = None,
    vies_fault: Annotated[
        list[str] | None, typer.Option(help="The same at VIES, such as 'state=DE outage=10..20' (repeatable).")
    ] = None,
    kvkbase_fault: Annotated[
        list[str] | None, typer.Option(help="The same at kvkbase, such as 'code=UPSTREAM_ERROR every=20' (repeatable).")
    ] = None,
    kvkbase_tier: Annotated[
        Literal["free", "starter", "pro"], typer.Option(help="What a key of kvkbase may use.")
    ] = "pro",
    moving_since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Companies change from this day on. [they do not]")
    ] = None,
    moves_a_year: Annotated[float, typer.Option(min=0, max=365, help="How often each of them, on average.")] = 0.3,
    log: Annotated[Path | None, typer.Option(help="Append each request's time and number before answering.")] = None,
) -> None:
    """Serve the practice register; use it with source.practice.base_url."""
    from kvk_enrich.practice import faults, serve, vies_faults
    from kvk_enrich.practice.moving import Moving
    from kvk_enrich.practice.settings import Kvkbase, Practice, Vies

    settings = Practice(
        latency_seconds=latency,
        requests_per_second=per_second,
        calls_per_month=per_month,
        faults=_scripted("--fault", faults.parse, fault),
        log=log,
        moving=Moving(moving_since.date(), moves_a_year) if moving_since else None,
        kvkbase=Kvkbase(tier=kvkbase_tier, faults=_scripted("--kvkbase-fault", faults.parse, kvkbase_fault)),
        vies=Vies(faults=_scripted("--vies-fault", vies_faults.parse, vies_fault)),
    )
    try:
        serve.serve(settings, host=host, port=port, on_ready=_say_where)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"the practice register cannot be served at {host}:{port}: {error}") from None


def _scripted(flag: str, parse: Callable[[str], T], texts: list[str] | None) -> tuple[T, ...]:
    try:
        return tuple(parse(text) for text in texts or ())
    except ValueError as error:
        raise ConfigError(f"{flag}: {error}") from None


def _say_where(urls: Mapping[str, str]) -> None:
    _say(
        f"The practice register listens at {urls['kvk']}",
        f"kvkbase: {urls['kvkbase']}",
        f"VIES: {urls['vies']}",
    )


def _settings(
    home: Path | None,
    config_file: Path | None,
    source: str | None = None,
    ca_bundle: Path | None = None,
    lang: str | None = None,
) -> Any:
    from kvk_enrich.config import load_settings

    flags = {"home": home, "source": source, "ca_bundle": ca_bundle, "lang": lang}
    return load_settings(flags, config_file=config_file)


def _progress(words: Words) -> "Progress":
    from kvk_enrich.progress import shown_on

    return shown_on(sys.stderr, words=words)


def _tell(finished: "Finished", words: Words) -> None:
    from kvk_enrich import telling

    _say(*telling.finished(finished, words))


def _forecast_lines(forecast: "Forecast", words: Words) -> list[str]:
    from kvk_enrich import telling

    return telling.forecast(forecast, words)


def _print(as_json: bool, data: Callable[[], object], lines: Callable[[], list[str]]) -> None:
    if as_json:
        _print_json(data())
    else:
        _write("".join(f"{printable(line)}\n" for line in lines()).encode())


def _print_json(data: object) -> None:
    import msgspec

    _write(msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")


def _say(*lines: str) -> None:
    """Write to standard error, if anybody still listens: what a run did does not depend on it."""
    with suppress(OSError, AttributeError):
        sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))
        sys.stderr.flush()


def _write(data: bytes) -> None:
    """Write to standard output; data that does not arrive is an error."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except (OSError, AttributeError):
        sys.stdout = None  # or the interpreter would try again on its way out
        raise StorageError("standard output cannot be written; the files and the journal are not affected") from None


def _hold_streams() -> None:
    """Put something harmless where a stream is closed: the next file opened would get its number, and all prints."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(file, True)
    nobody = os.fdopen(file, "r+")
    sys.stdin, sys.stderr = sys.stdin or nobody, sys.stderr or nobody


_STDERR: Final = 2
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _heed(number: int, frame: FrameType | None) -> NoReturn:
    """Stop; at once while libraries are imported: nothing is begun, and some abort when an exception comes then."""
    code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
    if _is_importing(frame):
        os._exit(code)
    _heeded.append(code)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_globals.get("__name__") != "importlib._bootstrap":
        frame = frame.f_back
    return frame is not None


def main() -> NoReturn:
    """Run the command line and leave with its exit code; errors are told as one sentence."""
    os.umask(0o077)
    _hold_streams()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what memory holds, a key too, is written nowhere
    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, _heed)
    try:
        code = _exit_code()
        _heed_no_more()
    except BaseException:
        if not _heeded:
            raise
        code = _heeded[-1]  # it came while the end was told
    try:
        sys.stderr.flush()
    except (OSError, AttributeError):
        sys.stderr = None  # or the interpreter would try again on its way out, and leave with a code of its own
    sys.exit(code)


def _heed_no_more() -> None:
    """Leave as it was decided: a signal that comes from here on changes nothing any more."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _exit_code() -> int | str | None:
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        return _heeded[-1] if _heeded and end.code == ExitCode.BUG else end.code
    except BaseException as error:  # of what a signal raises in it DuckDB makes an error, polars a panic
        code = exit_code_of(error)
        if code == ExitCode.BUG:
            raise
        if isinstance(error, EnrichError) and not _heeded:
            _say(f"kvk-enrich: {error}")
        return code
    return ExitCode.COMPLETE
