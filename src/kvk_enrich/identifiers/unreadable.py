"""The error that all identifiers share."""


class Unreadable(ValueError):
    """
    No number can be read from a text.

    Args:
        reason: Why not, a code of :mod:`kvk_enrich.reasons`.
    """

    def __init__(self, reason: str) -> None:
        """Keep the *reason* code."""
        super().__init__(reason)
        self.reason = reason
