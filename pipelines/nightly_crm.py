"""
The nightly clean-up of a CRM: unattended, within its share of the month, with an exit code to act on.

In: a list with a column of KVK numbers, found by its content, and one of names, called naam; is yours called otherwise,
say so under compare in configs/nightly-crm.toml. Its first column tells who is who (data/samples/customers.csv).
Out: LIST.enriched.parquet with all rows, its report and run record; LIST.enriched.patch.csv for the CRM, and its undo;
LIST.enriched.diff.parquet: what changed in the register since last night; on standard output the customers to look at,
on standard error how many changed what.

    python pipelines/nightly_crm.py [LIST] [SOURCE]        SOURCE: kvk, or practice (the default)
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

import polars as pl

from kvk_enrich import EnrichError, load, run, shown_on

ROOT = Path(__file__).parent.parent


def main(listed: str, source: str) -> int:
    """Enrich *listed* and print who has ended or is not known; return the exit code of the run."""
    output = Path("data") / f"{Path(listed).stem}.enriched.parquet"
    job = load({"input": listed, "output": output, "source": source}, config_file=ROOT / "configs" / "nightly-crm.toml")
    with shown_on(sys.stderr) as progress:
        finished = run(job, progress=progress)
    if finished.record.outputs is not None:
        rows = pl.read_parquet(output)
        gone = rows.filter((pl.col("enrich_outcome") == "not_found") | ~pl.col("kvk_active"))
        changed = pl.read_parquet(output.with_suffix(".diff.parquet"))["change"].value_counts(sort=True)
        sys.stderr.writelines(f"{change}: {many}\n" for change, many in changed.iter_rows())
        sys.stdout.write(gone.select(pl.nth(0), "enrich_number", "enrich_outcome", "kvk_end_date").write_csv())
    return finished.exit_code


if __name__ == "__main__":
    said = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    said.add_argument("listed", nargs="?", default="data/samples/customers.csv", metavar="LIST")
    said.add_argument("source", nargs="?", default="practice", metavar="SOURCE")
    try:
        sys.exit(main(**vars(said.parse_args())))
    except EnrichError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
