"""
The audit of a supplier list: asked anew, with the hashes and counts that prove what was checked and when.

In: a list with a column of KVK numbers (data/samples/audit.parquet).
Out: LIST.enriched.parquet, its report for people, and LIST.enriched.run.json; on standard output a summary.

    python pipelines/supplier_audit.py [LIST] [SOURCE]     SOURCE: kvk, or practice (the default)
"""

import sys
from pathlib import Path

import polars as pl

from kvk_enrich import EnrichError, load, run, shown_on

ROOT = Path(__file__).parent.parent


def main(listed: str = "data/samples/audit.parquet", source: str = "practice") -> int:
    """Ask for every company on *listed* and print what was found; return the exit code of the run."""
    output = Path("data") / f"{Path(listed).stem}.enriched.parquet"
    job = load(
        {"input": listed, "output": output, "source": source}, config_file=ROOT / "configs" / "supplier-audit.toml"
    )
    with shown_on(sys.stderr) as progress:
        finished = run(job, progress=progress)
    if (files := finished.record.outputs) is not None:
        forms = pl.read_parquet(output).group_by("enrich_outcome", "kvk_legal_form").len().sort("len", descending=True)
        sys.stdout.write(f"input {finished.record.input.sha256}\noutput {files.enriched.sha256}\n{forms.write_csv()}")
    return finished.exit_code


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except EnrichError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
