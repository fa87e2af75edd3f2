"""What must outlive a power cut is synced."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Sync a file, or a folder with the names that are in it. Raises OSError; waits for the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
