"""
One module per identifier, each with the same verbs: ``compact``, ``validate``, ``is_valid``, ``format``.

Beside them ``read`` tells how a text was read, and ``read_column`` does the same by polars
expressions, for columns of any length. ``mixed`` reads cells whose kind nobody told.
"""

from kvk_enrich.identifiers._cells import CHECK_DIGIT, GUESS, Reading

__all__ = ["CHECK_DIGIT", "GUESS", "Reading"]
