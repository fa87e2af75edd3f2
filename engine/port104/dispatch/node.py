"""The name of a storage folder in a ledger that several engines share. It stays with the folder."""

import re
import secrets
from pathlib import Path

from port104.errors import StorageError
from port104.storage.whole_file import write_whole

_FILE_NAME = "node"
_NAME = re.compile(r"[0-9a-f]{16}")


def node_of(root: Path) -> str:
    """Read the folder's name, which is made once. Raises StorageError; waits for the disk."""
    file = root / _FILE_NAME
    try:
        if not file.exists():
            write_whole(file, secrets.token_hex(8).encode() + b"\n")
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
