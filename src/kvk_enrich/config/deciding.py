"""Settings and a list become a job: what no key shows alone is checked here."""

import json
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final

from kvk_enrich.config.checks import PRODUCTS
from kvk_enrich.config.reading import load_settings
from kvk_enrich.config.sections import Output, Run, Sections
from kvk_enrich.config.services import source, vies
from kvk_enrich.config.values import Job, Source
from kvk_enrich.config.words import quoted
from kvk_enrich.disk import is_same
from kvk_enrich.errors import ConfigError, InputRefused
from kvk_enrich.model import Kind, Secret, micro

_BESIDE: Final = (
    *(".failed.csv", ".report.html", ".run.json", ".branches.parquet"),
    *(".changes.parquet", ".patch.csv", ".undo.csv", ".diff.parquet"),
)
"""How the files end that a run may leave beside the enriched list."""


def load(
    flags: Mapping[str, object],
    *,
    config_file: str | Path | None = None,
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
    settings = load_settings(options, config_file=config_file, environ=environ)
    sections = settings.sections
    if flags.get("input") is None:
        raise ConfigError("input: name the list to read")
    list_file = Path(str(flags["input"]))
    if not list_file.name:
        raise InputRefused(f"{list_file} is a folder: name a file in it")
    output = _output(list_file, sections.output)
    try:
        _check_together(sections, output)
        _refuse_overwriting(list_file, output)
    except OSError as error:
        raise ConfigError(f"output.file: {output.name[:60]}... cannot be a file: {error.strerror}") from error
    register = source(settings, environ=environ, today=today, need_key=need_key and not sections.run.offline)
    max_eur = sections.budget.max_eur
    return Job(
        input=list_file,
        output=output,
        home=settings.home,
        source=register,
        vies=vies(settings),
        products=_products(sections.run),
        geo_data=sections.run.geo_data,
        columns=sections.input.column or (),
        country_column=sections.input.country_column,
        kind=None if sections.input.kind == "auto" else Kind(sections.input.kind),
        strict=sections.input.strict,
        encoding=sections.input.encoding,
        delimiter=sections.input.delimiter,
        sheet=sections.input.sheet,
        csv_dialect=sections.output.csv_dialect,
        lang=settings.lang,
        max_calls=sections.budget.max_calls,
        max_micro_eur=None if max_eur is None else micro(max_eur),
        max_age_found=sections.cache.max_age_found,
        max_age_not_found=min(sections.cache.max_age_not_found, sections.cache.max_age_found),
        retention=sections.cache.retention,
        refresh=sections.run.refresh,
        offline=sections.run.offline,
        only_missing=sections.run.only_missing,
        compare=sections.run.compare,
        patch=_patched(sections),
        diff=sections.run.diff,
        evidence=sections.output.evidence,
        metrics=sections.output.metrics,
        notify_url=Secret(url.get_secret_value()) if (url := sections.run.notify_url) else None,
        serve_stale=sections.run.serve_stale,
        priority_column=sections.run.priority_column,
        sample=sections.run.sample,
        max_runtime=sections.run.max_runtime,
        deadline=sections.run.deadline,
        yes=sections.run.yes,
    )


def config_sha256(job: Job) -> str:
    """
    Return the SHA-256 (hex) of all that decides what a run of *job* gives.

    Left out: keys, where files lie, the language of what people read, and what only changes how fast it goes.
    """
    return sha256(deciding_json(job)).hexdigest()


def deciding_json(job: Job) -> bytes:
    """Return all that decides what a run of *job* gives, as JSON; it holds no keys."""
    deciding = {
        "source": _deciding(job.source),
        "vies": _deciding(job.vies),
        "products": job.products,
        "geo_data": job.geo_data,
        "format": job.output.suffix.lower(),
        "columns": job.columns,
        "country_column": job.country_column,
        "kind": job.kind,
        "strict": job.strict,
        "encoding": job.encoding,
        "delimiter": job.delimiter,
        "sheet": job.sheet,
        "csv_dialect": job.csv_dialect,
        "max_calls": job.max_calls,
        "max_micro_eur": job.max_micro_eur,
        "max_age": [job.max_age_found, job.max_age_not_found],
        "refresh": job.refresh,
        "offline": job.offline,
        "only_missing": job.only_missing,
        "compare": [[each.field.name, each.column] for each in job.compare],
        "patch": job.patch,
        "diff": job.diff,
        "serve_stale": job.serve_stale,
        "priority_column": job.priority_column,
        "sample": job.sample,
        "max_runtime": job.max_runtime,
        "deadline": job.deadline,
    }
    return json.dumps(deciding, sort_keys=True, default=str).encode()


def _deciding(register: Source) -> list[object]:
    return [
        register.name,
        register.base_url,
        register.account,
        register.allowance,
        register.job,
        register.shares,
        register.price_eur.normalize(),
        register.requester,
        register.dialect,
        register.faults,
    ]


def _output(list_file: Path, asked: Output) -> Path:
    if asked.file is not None:
        return asked.file
    return list_file.with_name(f"{list_file.stem}.enriched.{asked.format or 'parquet'}")


def _check_together(sections: Sections, output: Path) -> None:
    """Check what no key shows alone."""
    problems = []
    suffix = output.suffix.lower()
    if suffix not in {".parquet", ".csv", ".xlsx"}:
        problems.append(f"output.file: must end in .parquet, .csv or .xlsx, got {str(output)!r}")
    elif sections.output.format is not None and suffix != f".{sections.output.format}":
        problems.append(f"output.format: is {sections.output.format}, but output.file ends in {suffix}; leave one out")
    if not output.absolute().parent.is_dir():
        problems.append(f"output.file: there is no folder {output.parent}; make it, or name another")
    elif output.is_dir():
        problems.append(f"output.file: {output} is a folder; name a file in it")
    problems += _metrics(sections.output)
    if sections.run.refresh and sections.run.offline:
        problems.append("run.refresh: asks again for everything, and run.offline allows no call; leave one out")
    problems += _unavailable(sections.run)
    compared = [each.field.name for each in sections.run.compare]
    problems += [
        f"output.patch: {name} is not compared; add it to run.compare"
        for name in _patched(sections)
        if name not in compared
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _metrics(asked: Output) -> Iterator[str]:
    """Yield why the figures cannot go where they shall: that the run is over is too late to say so."""
    if asked.metrics is None:
        return
    if asked.metrics.suffix != ".prom":
        yield f"output.metrics: must end in .prom, or no exporter reads it, got {str(asked.metrics)!r}"
    if not asked.metrics.absolute().parent.is_dir():
        yield f"output.metrics: there is no folder {asked.metrics.parent}; make it, or name another"


def _patched(sections: Sections) -> tuple[str, ...]:
    """Return the fields that the patch may change; unless said otherwise, all that are compared."""
    compared = tuple(each.field.name for each in sections.run.compare)
    return compared if sections.output.patch is None else sections.output.patch


def _products(run: Run) -> tuple[str, ...]:
    """Return what is bought per company; unless said otherwise, the cheapest that tells what a company is."""
    return run.products or ("lookup" if run.source == "kvkbase" else "basisprofiel",)


def _unavailable(run: Run) -> Iterator[str]:
    """Yield why the products cannot be had from the source, or not together."""
    service = "kvkbase" if run.source == "kvkbase" else "kvk"
    products, known = _products(run), PRODUCTS[service]
    for product in products:
        if product not in known:
            yield f"run.products: {run.source} has no {quoted(product)}; it has {', '.join(known)}"
    if service == "kvk" and "vat" in products and "basisprofiel" not in products:
        yield "run.products: vat needs basisprofiel, which tells the RSIN that a VAT number is made of; add it"
    if {"lookup", "basisprofiel"} <= set(products):
        yield "run.products: basisprofiel tells all that lookup does, and both would be paid; leave lookup out"


def _refuse_overwriting(list_file: Path, output: Path) -> None:
    """No output may be the list itself, under whatever name: the same path, a link, another spelling."""
    for written in (output, *(output.with_suffix(end) for end in _BESIDE)):
        if is_same(written, list_file):
            raise InputRefused(f"{written} would overwrite the list {list_file}; name another output with -o")
