"""
One module per identifier, each with the same verbs: ``compact``, ``validate``, ``is_valid``, ``format``.

Beside them ``read_column`` does the same by polars expressions, for columns of any length.
"""
