"""
The audit of a supplier list: KVK and VAT number asked anew, with what proves what was checked and when.

In: a list with the columns kvk, btw-id and land (data/samples/crediteuren.csv); are yours called otherwise, say so
under input in configs/supplier-audit.toml. Its first column tells who is who.
Out: LIST.enriched.parquet, its report for people, LIST.enriched.run.json, and LIST.evidence, a folder with all that
they rest on; on standard output the hashes (note that of the evidence elsewhere), how many checks of VAT numbers have
a consultation number, and the suppliers to look at: ended, not found, not valid, flagged.

    python pipelines/supplier_audit.py [LIST] [SOURCE]     SOURCE: kvk, or practice (the default)

Consultation numbers need your own VAT number: source.vies.requester in configs/supplier-audit.toml.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

import polars as pl

from kvk_enrich import EnrichError, load, run, shown_on, verify

ROOT = Path(__file__).parent.parent


def main(listed: str, source: str) -> int:
    """Ask for every supplier on *listed* and print whom to look at; return the exit code of the run."""
    output = Path("data") / f"{Path(listed).stem}.enriched.parquet"
    evidence = output.with_name(f"{Path(listed).stem}.evidence")
    job = load(
        {"input": listed, "output": output, "source": source, "evidence": evidence},
        config_file=ROOT / "configs" / "supplier-audit.toml",
    )
    with shown_on(sys.stderr) as progress:
        finished = run(job, progress=progress)
    if (files := finished.record.outputs) is not None:
        rows = pl.read_parquet(output)
        proofs = rows["vat_consultation_number"].drop_nulls().n_unique()
        sys.stdout.write(f"input {finished.record.input.sha256}\noutput {files.enriched.sha256}\nproofs {proofs}\n")
        checked = verify(evidence)
        sys.stdout.write(f"evidence {checked.manifest_sha256}\n")
        sys.stderr.writelines(f"{problem}\n" for problem in checked.problems)
        flags = pl.col("enrich_flags")
        look = (pl.col("enrich_outcome") != "found") | ~pl.col("kvk_active") | flags.is_not_null()
        told = ("enrich_outcome", "enrich_reason", "kvk_active", "vat_status", flags.list.join("; "))
        sys.stdout.write(rows.filter(look).select(pl.nth(0), *told).write_csv())
    return finished.exit_code


if __name__ == "__main__":
    said = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    said.add_argument("listed", nargs="?", default="data/samples/crediteuren.csv", metavar="LIST")
    said.add_argument("source", nargs="?", default="practice", metavar="SOURCE")
    try:
        sys.exit(main(**vars(said.parse_args())))
    except EnrichError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
