"""What a process that we start is given of our environment: all but keys and tokens, ours and those of others."""

import os
import re
from typing import Final

_HOLDS_KEY: Final = re.compile(r"_API_KEY|_NOTIFY_URL$|^OTEL_.*_HEADERS$")


def environment() -> dict[str, str]:
    """Return our environment without ``KVK_API_KEY``, ``KVKBASE_API_KEY_CRM_FILE`` and their like."""
    return {name: value for name, value in os.environ.items() if not _HOLDS_KEY.search(name.upper())}
