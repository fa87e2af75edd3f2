"""The file of a result, opened to be sent: what is wrong with it, in the words that delivery decides by."""

from pathlib import Path

from port104.export.contracts import UnsendableError
from port104.sending.instance_file import HEAD_BYTES, InstanceFile


def opened(path: Path, head_bytes: int = HEAD_BYTES) -> InstanceFile:
    """Open a file and read its first `head_bytes`. Blocks on the disk. Raises UnsendableError."""
    try:
        return InstanceFile(path, head_bytes)
    except FileNotFoundError as failure:
        raise UnsendableError("its file is gone", final=True) from failure
    except OSError as failure:
        raise UnsendableError(f"its file cannot be read: {failure.strerror}", final=False) from failure
    except ValueError as fault:
        raise UnsendableError(str(fault), final=True) from fault
