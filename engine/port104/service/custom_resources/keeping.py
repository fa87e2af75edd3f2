"""The custom resources that were heard of last, in a file: with it port104 starts without the API server.

Everything here waits for the disk: call it from a worker thread.
"""

from pathlib import Path

import msgspec

from port104.errors import StorageError
from port104.service.custom_resources.judging import Declaration
from port104.storage.whole_file import write_whole

FILE_NAME = "custom-resources.json"


def read_kept(file: Path) -> tuple[Declaration, ...]:
    """Read what was kept; nothing where there is no file. Raises StorageError."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=tuple[Declaration, ...])
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeError, msgspec.DecodeError) as failure:
        raise StorageError(
            f"{file} cannot be read ({failure}): it is written anew once the API server answers"
        ) from failure


def keep(file: Path, declarations: tuple[Declaration, ...]) -> None:
    """Write them all, synced; a file that is not whole never bears the name. Raises StorageError."""
    try:
        write_whole(file, msgspec.json.encode(declarations))
    except OSError as failure:
        raise StorageError(
            f"{file} cannot be written: {failure.strerror}; until it can, a start without the API server has"
            " the custom resources of before"
        ) from failure
