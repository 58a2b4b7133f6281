"""What is in a folder."""

import os


def listed(folder):
    """Its names in order, but for lock files, which stay."""
    return sorted(name for name in os.listdir(folder) if not name.endswith(".lock"))
