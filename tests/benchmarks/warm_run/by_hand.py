"""
The warm run as one would write it by hand: read, join, write, and nothing else.

The bar of the warm-run benchmark: kvk-enrich may take twice its time and one and a half times its memory.
What is left of the column ``kvk`` without its other characters is taken for a KVK number; there are no reasons,
no report, no check of any kind. The output has the rows in the order of the list.

    python by_hand.py LIST.csv CACHE.duckdb OUTPUT.parquet
"""

import sys

import duckdb
import polars as pl

source, cache, output = sys.argv[1:]

number = pl.col("kvk").str.replace_all("[^0-9]", "").str.zfill(8).alias("number")
rows = pl.scan_csv(source, infer_schema=False).with_columns(number)

with duckdb.connect(cache, read_only=True) as connection:
    companies = connection.sql("SELECT * EXCLUDE (register, kind, run) FROM basisprofiel WHERE kind = 'kvk'").pl()

enriched = rows.join(companies.lazy(), on="number", how="left", maintain_order="left").collect()
enriched.write_parquet(output, compression="zstd")
