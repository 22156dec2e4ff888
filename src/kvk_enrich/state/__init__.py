"""What is kept between runs: the journal (SQLite: money and time) and the cache (DuckDB: what is known)."""
