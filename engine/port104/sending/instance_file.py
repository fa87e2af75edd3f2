"""A DICOM file that is sent as it stands: opened off the event loop, and read a piece at a time.

Most files are small and whole in memory once they are opened; of the others one piece is held, and the file
stays open until it was read.
"""

import os
from pathlib import Path

import trio

from port104.sending.file_meta import FileMeta, read_file_meta
from port104.wire.proposal import Syntaxes

# Read when a file is opened. A hop to a worker thread costs as much as sending 100 KiB does.
HEAD_BYTES = 1024 * 1024
# Read at a time of what is longer. An even number.
_PIECE_BYTES = 2 * 1024 * 1024


class InstanceFile:
    """One instance; satisfies net.outgoing.DataSet. `close` it, whatever became of it."""

    def __init__(self, path: Path | str, head_bytes: int = HEAD_BYTES) -> None:
        """Open `path` and read its first `head_bytes`. Blocks on the disk.

        Raises ValueError, which says why it cannot be sent and quotes nothing of it; OSError.
        """
        self.path = path
        self._descriptor = -1
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            size = status.st_size
            head = os.pread(descriptor, head_bytes, 0)
            meta = self._meta(head)
            self._descriptor, descriptor = (descriptor, -1) if size > len(head) else (-1, descriptor)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        self.syntaxes = Syntaxes(meta.sop_class_uid, meta.transfer_syntax_uid)
        self.sop_instance_uid = meta.sop_instance_uid
        self.length = size - meta.data_set_at
        self.data_set_at = meta.data_set_at
        self.modified = status.st_mtime_ns
        self._head = head[meta.data_set_at :]
        if len(head) < size and len(self._head) % 2:
            self._head = self._head[:-1]
        self._at = meta.data_set_at

    def _meta(self, head: bytes) -> FileMeta:
        meta = read_file_meta(head)
        if not meta.transfer_syntax_uid:
            raise ValueError("its File Meta Information names no transfer syntax (0002,0010)")
        if all(meta):
            return meta
        from port104.storage.reading import identify  # noqa: PLC0415 - few need pydicom, which takes 0.1 s

        sop_class_uid, sop_instance_uid = identify(Path(self.path))
        return meta._replace(sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid)

    async def read(self) -> bytes:
        """Read on; empty at the end. Raises OSError."""
        if self._head:
            data, self._head = self._head, b""
        elif self._descriptor >= 0:
            data = await trio.to_thread.run_sync(os.pread, self._descriptor, _PIECE_BYTES, self._at)
        else:
            data = b""
        self._at += len(data)
        return data

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._head = b""
