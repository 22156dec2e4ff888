"""Settings and a list become a job: what no key shows alone is checked here."""

import json
import os
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from kvk_enrich.clock import AMSTERDAM
from kvk_enrich.config import keys
from kvk_enrich.config.reading import read
from kvk_enrich.config.sections import Budget, KvkTest, Output, Practice, Price, Register, Sections
from kvk_enrich.config.values import PRACTICE_URL, Job, Settings, Source
from kvk_enrich.config.words import quoted
from kvk_enrich.errors import ConfigError, InputRefused
from kvk_enrich.model import Kind, Secret


def load(
    flags: Mapping[str, object],
    *,
    config_file: Path | None = None,
    environ: MutableMapping[str, str] | None = None,
    today: date | None = None,
    need_key: bool = True,
) -> Job:
    """
    Decide one run.

    Args:
        flags: ``input`` (the list, required) and the names of :data:`FLAGS`; None means not given.
        config_file: A TOML file, or None.
        environ: The environment; None for the process's own. The key's variable is taken out.
        today: The day whose price counts; None for today in Amsterdam.
        need_key: False where no call will be made (``plan``); ``offline`` implies it.

    Raises:
        ConfigError: one line per problem, each beginning with the key path.
        InputRefused: an output would overwrite the list itself.
    """
    options = {name: value for name, value in flags.items() if name != "input"}
    settings = read(options, config_file=config_file, environ=environ)
    sections = settings.sections
    if flags.get("input") is None:
        raise ConfigError("input: name the list to read")
    list_file = Path(str(flags["input"]))
    output = _output(list_file, sections.output)
    try:
        _check_together(sections, output)
        _refuse_overwriting(list_file, output)
    except OSError as error:
        raise ConfigError(f"output.file: {output.name[:60]}... cannot be a file: {error.strerror}") from error
    register = source(settings, environ=environ, today=today, need_key=need_key and not sections.run.offline)
    return Job(
        input=list_file,
        output=output,
        home=settings.home,
        source=register,
        products=sections.run.products,
        column=sections.input.column,
        kind=None if sections.input.kind == "auto" else Kind(sections.input.kind),
        encoding=sections.input.encoding,
        delimiter=sections.input.delimiter,
        sheet=sections.input.sheet,
        csv_dialect=sections.output.csv_dialect,
        max_calls=_max_calls(sections.budget, register.price_eur),
        max_age_found=sections.cache.max_age_found,
        max_age_not_found=min(sections.cache.max_age_not_found, sections.cache.max_age_found),
        refresh=sections.run.refresh,
        offline=sections.run.offline,
        only_missing=sections.run.only_missing,
        sample=sections.run.sample,
        max_runtime=sections.run.max_runtime,
        yes=sections.run.yes,
    )


def source(
    settings: Settings,
    *,
    environ: MutableMapping[str, str] | None = None,
    today: date | None = None,
    need_key: bool = True,
) -> Source:
    """
    Return the register that ``run.source`` names, with its key.

    The key comes from *environ* and its variable is taken out: :mod:`kvk_enrich.config.keys`.

    Raises:
        ConfigError: no key, a key file that others can read, no price for *today*, no CA bundle.
    """
    environ = os.environ if environ is None else environ
    today = datetime.now(UTC).astimezone(AMSTERDAM).date() if today is None else today
    name = settings.sections.run.source
    section = {
        "kvk": settings.sections.source.kvk,
        "kvk-test": settings.sections.source.kvk_test,
        "practice": settings.sections.source.practice,
    }[name]
    months = (section.calls_per_month, settings.sections.budget.calls_per_month)
    if section.ca_bundle is not None and not section.ca_bundle.is_file():
        raise ConfigError(f"source.{name}.ca_bundle: there is no file {section.ca_bundle}")
    made = Source(
        name=name,
        base_url=section.base_url or PRACTICE_URL,
        api_key=_key(section, environ, need_key=need_key),
        account=section.account,
        requests_per_second=section.requests_per_second,
        calls_per_month=min(month for month in months if month is not None),
        price_eur=_price_on(today, section.price_eur, f"source.{name}.price_eur"),
        monthly_fee_eur=section.monthly_fee_eur,
        timeout_seconds=section.timeout_seconds,
        workers=section.workers,
        ca_bundle=section.ca_bundle,
    )
    if not isinstance(section, Practice):
        return made
    return replace(
        made,
        latency_seconds=section.latency_seconds,
        faults=section.faults,
        in_process=section.base_url is None,
    )


def config_sha256(job: Job) -> str:
    """
    Return the SHA-256 (hex) of all that decides what a run of *job* gives.

    Left out: keys, where files lie, and what only changes how fast it goes.
    """
    register = job.source
    deciding = {
        "source": [register.name, register.base_url, register.account, register.calls_per_month],
        "price_eur": register.price_eur.normalize(),
        "faults": register.faults,
        "products": job.products,
        "format": job.output.suffix.lower(),
        "column": job.column,
        "kind": job.kind,
        "encoding": job.encoding,
        "delimiter": job.delimiter,
        "sheet": job.sheet,
        "csv_dialect": job.csv_dialect,
        "max_calls": job.max_calls,
        "max_age": [job.max_age_found, job.max_age_not_found],
        "refresh": job.refresh,
        "offline": job.offline,
        "only_missing": job.only_missing,
        "sample": job.sample,
        "max_runtime": job.max_runtime,
    }
    return sha256(json.dumps(deciding, sort_keys=True, default=str).encode()).hexdigest()


def _output(list_file: Path, asked: Output) -> Path:
    if asked.file is not None:
        return asked.file
    return list_file.with_name(f"{list_file.stem}.enriched.{asked.format or 'parquet'}")


def _check_together(sections: Sections, output: Path) -> None:
    """Check what no key shows alone."""
    problems = []
    suffix = output.suffix.lower()
    if suffix not in {".parquet", ".csv", ".xlsx"}:
        problems.append(f"output.file: must end in .parquet, .csv or .xlsx, got {quoted(output.name)}")
    elif sections.output.format is not None and suffix != f".{sections.output.format}":
        problems.append(f"output.format: is {sections.output.format}, but output.file ends in {suffix}; leave one out")
    if not output.absolute().parent.is_dir():
        problems.append(f"output.file: there is no folder {output.parent}; make it, or name another")
    elif output.is_dir():
        problems.append(f"output.file: {output} is a folder; name a file in it")
    if sections.run.refresh and sections.run.offline:
        problems.append("run.refresh: asks again for everything, and run.offline allows no call; leave one out")
    if problems:
        raise ConfigError("\n".join(problems))


def _refuse_overwriting(list_file: Path, output: Path) -> None:
    """No output may be the list itself, under whatever name: the same path, a link, another spelling."""
    for written in (output, *(output.with_suffix(end) for end in (".failed.csv", ".report.html", ".run.json"))):
        if written == list_file or (written.exists() and list_file.exists() and written.samefile(list_file)):
            raise InputRefused(f"{written} would overwrite the list {list_file}; name another output with -o")


def _max_calls(budget: Budget, price: Decimal) -> int | None:
    ceilings = [] if budget.max_calls is None else [budget.max_calls]
    if budget.max_eur is not None and price:
        ceilings.append(int(budget.max_eur // price))
    return min(ceilings, default=None)


def _price_on(today: date, prices: Sequence[Price], key: str) -> Decimal:
    price = next((price.price_eur for price in reversed(prices) if price.since <= today), None)
    if price is None:
        raise ConfigError(f"{key}: no price for {today}; the first is from {prices[0].since}")
    return price


def _key(section: Register, environ: MutableMapping[str, str], *, need_key: bool) -> Secret:
    match section:
        case Practice():
            return Secret(f"practice-{section.account}")
        case KvkTest():
            return Secret(keys.KVK_TEST_KEY)
        case _ if need_key or keys.variable(section.account, environ):
            return keys.take(section.account, environ)
        case _:
            return Secret("")
