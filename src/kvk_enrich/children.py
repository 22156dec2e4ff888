"""What a process that we start is given of our environment: all but keys, ours and those of others."""

import os


def environment() -> dict[str, str]:
    """Return our environment without ``KVK_API_KEY``, ``KVKBASE_API_KEY_CRM_FILE`` and their like."""
    return {name: value for name, value in os.environ.items() if "_API_KEY" not in name.upper()}
