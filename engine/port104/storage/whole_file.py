"""A small file that is always there as a whole: as it was, or as it is to be."""

import os
from pathlib import Path

from port104.storage.syncing import sync


def write_whole(file: Path, content: bytes) -> None:
    """Write and sync it under another name, then give it its own. Raises OSError; waits for the disk."""
    new = file.with_name(f"{file.name}.new")
    with new.open("wb") as writing:
        writing.write(content)
        writing.flush()
        os.fsync(writing.fileno())
    new.rename(file)
    sync(file.parent)
