"""The name of a storage folder in a ledger that several engines share. It stays with the folder."""

import os
import re
import secrets
from pathlib import Path

from port104.errors import StorageError

_FILE_NAME = "node"
_NAME = re.compile(r"[0-9a-f]{16}")


def node_of(root: Path) -> str:
    """Read the folder's name, which is made once. Raises StorageError; waits for the disk."""
    file = root / _FILE_NAME
    try:
        if not file.exists():
            _make(file)
        name = file.read_text("ascii").strip()
    except (OSError, UnicodeError) as failure:
        raise StorageError(
            f"{file} cannot be read or made: {failure}; check the folder and its disk"
        ) from failure
    if not _NAME.fullmatch(name):
        raise StorageError(
            f"{file} does not hold the name of this storage folder (16 hexadecimal digits): restore it from a"
            " backup, or delete it, and every stored instance is taken for a new one of another folder"
        )
    return name


def is_folder_of(root: Path, node: str) -> bool:
    """Whether the storage folder of this name is at `root`; another one may have its path here.

    Waits for the disk.
    """
    try:
        return (root / _FILE_NAME).read_text("ascii").strip() == node
    except (OSError, UnicodeError):
        return False


def _make(file: Path) -> None:
    """Write a new name; a file that is not whole never bears the name."""
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    with new.open("x", encoding="ascii") as writing:
        writing.write(secrets.token_hex(8) + "\n")
        writing.flush()
        os.fsync(writing.fileno())
    new.rename(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
