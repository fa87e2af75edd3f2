"""The control socket in the storage folder, by which commands on the same machine reach a running port104."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_NAME = "control.sock"
_LONGEST_PATH = 107  # bytes, of sockaddr_un (unix(7))


@contextmanager
def short_path(file: Path) -> Iterator[str]:
    """Give a path to `file` that is short enough for a socket's address, while the block runs."""
    if len(os.fsencode(file)) <= _LONGEST_PATH:
        yield str(file)
        return
    folder = os.open(file.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{file.name}"
    finally:
        os.close(folder)
