"""
A list saved from a spreadsheet: see the price, then get the same rows back with the register's columns added.

In: a semicolon CSV with a column of KVK numbers, found by its content (data/samples/klanten.csv).
Out: LIST.enriched.csv, and LIST.enriched.failed.csv with what to do about each row that has no answer.

    python pipelines/spreadsheet.py [LIST] [SOURCE]        SOURCE: kvk, or practice (the default)
"""

import sys
from pathlib import Path

from kvk_enrich import EnrichError, forecast, load, run, shown_on

ROOT = Path(__file__).parent.parent


def main(listed: str = "data/samples/klanten.csv", source: str = "practice") -> int:
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
    try:
        sys.exit(main(*sys.argv[1:]))
    except EnrichError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
