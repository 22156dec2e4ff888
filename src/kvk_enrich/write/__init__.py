"""
What a run leaves: the enriched list, the failed items, the report, published together.

Every writer takes the staged list and the answers, writes one file at the path it is given (a draft of
:func:`~kvk_enrich.write.publish.together`), and says what it wrote.
"""

from kvk_enrich.write import compared
from kvk_enrich.write.branches import branches
from kvk_enrich.write.cells import check_cells
from kvk_enrich.write.changes import changes
from kvk_enrich.write.dialects import DIALECTS
from kvk_enrich.write.enriched import enriched
from kvk_enrich.write.failed import failed
from kvk_enrich.write.publish import check, together
from kvk_enrich.write.report import Compared, report
from kvk_enrich.write.settle import counts, worth
from kvk_enrich.write.workbook import check_sheet, workbook
from kvk_enrich.write.written import Written

__all__ = [
    "DIALECTS",
    "Compared",
    "Written",
    "branches",
    "changes",
    "check",
    "check_cells",
    "check_sheet",
    "compared",
    "counts",
    "enriched",
    "failed",
    "report",
    "together",
    "workbook",
    "worth",
]
