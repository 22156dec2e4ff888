"""
A list saved from a spreadsheet: see the price, then get the same rows back with the register's columns added.

In: a CSV of a Dutch spreadsheet, with a column of KVK numbers, found by its content (data/samples/klanten.csv).
Out: LIST.enriched.csv, and LIST.enriched.failed.csv with what to do about each row that has no answer; a Dutch
spreadsheet opens both with a double click.

    python pipelines/spreadsheet.py [LIST] [SOURCE]        SOURCE: kvk, or practice (the default)
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from kvk_enrich import EnrichError, forecast, load, run, shown_on

ROOT = Path(__file__).parent.parent


def main(listed: str, source: str) -> int:
    """Price the list, enrich it, and say where the files are; return the exit code of the run."""
    output = Path("data") / f"{Path(listed).stem}.enriched.csv"
    job = load({"input": listed, "output": output, "source": source}, config_file=ROOT / "configs" / "spreadsheet.toml")
    ahead = forecast(job).record.forecast
    sys.stderr.write(f"{ahead.calls_paid} calls, EUR {ahead.cost_eur}, about {ahead.seconds:.0f} s\n")
    with shown_on(sys.stderr) as progress:
        finished = run(job, progress=progress)
    if (files := finished.record.outputs) is not None:
        sys.stdout.write(f"{files.enriched.path}\n{files.failed.path}\n")
    return finished.exit_code


if __name__ == "__main__":
    said = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    said.add_argument("listed", nargs="?", default="data/samples/klanten.csv", metavar="LIST")
    said.add_argument("source", nargs="?", default="practice", metavar="SOURCE")
    try:
        sys.exit(main(**vars(said.parse_args())))
    except EnrichError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
