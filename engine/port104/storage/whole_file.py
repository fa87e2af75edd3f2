"""A small file that is always there as a whole: as it was, or as it is to be."""

import os
from pathlib import Path


def write_whole(file: Path, content: bytes) -> None:
    """Write and sync it under another name, then give it its own. Raises OSError; waits for the disk."""
    new = file.with_name(f"{file.name}.new")
    with new.open("wb") as writing:
        writing.write(content)
        writing.flush()
        os.fsync(writing.fileno())
    new.rename(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
