"""The version of this program, in a place that imports nothing."""

from typing import Final

__version__: Final = "0.1.0"
