"""``python -m kvk_enrich`` is ``kvk-enrich``."""

from kvk_enrich.cli import main

main()
