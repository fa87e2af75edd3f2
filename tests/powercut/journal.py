"""The journal that shim.c keeps of a process's changes; it outlives the process."""

import mmap
import struct
from enum import IntEnum

import msgspec

# As in shim.c.
_HEAD = struct.Struct("@4Q")
_RECORD = struct.Struct("@2I5Q104s104s")
_CAPACITY = 200_000


class Kind(IntEnum):
    """What a record tells; as in shim.c."""

    CREATE = 1
    MKDIR = 2
    LINK = 3
    UNLINK = 4
    RENAME = 5
    EXCHANGE = 6
    WRITE = 7
    SYNC_BEGINS = 8
    SYNC_ENDS = 9
    CUT = 10


class Record(msgspec.Struct, frozen=True):
    """One change or sync. Files and folders are named by inode, names by folder and name.

    `inode`: what was made, linked, renamed (before an EXCHANGE: of `name`), written or synced; 0 in a sync
    stands for the whole file system. `offset`: of a WRITE; of SYNC_ENDS the number of the record that began
    it. `length`: of a WRITE; after a CUT, of the file.
    """

    kind: Kind
    inode: int = 0
    folder: int = 0
    to_folder: int = 0
    offset: int = 0
    length: int = 0
    name: str = ""
    to_name: str = ""


class Journal:
    """A journal file at `path`: made empty here, filled by the shim, read here again.

    `kill_at`: the process is killed with its record of this number, counted from 1; 0: never.
    """

    def __init__(self, path, *, kill_at=0, sync_microseconds=0):
        self.path = path
        with path.open("wb") as file:
            file.write(_HEAD.pack(0, kill_at, sync_microseconds, _CAPACITY))
            file.truncate(_RECORD.size * (1 + _CAPACITY))

    def go_on(self, *, kill_at):
        """Let another process go on with the journal, up to `kill_at` more records than there are."""
        with self.path.open("r+b") as file:
            count, _, *rest = _HEAD.unpack(file.read(_HEAD.size))
            file.seek(0)
            file.write(_HEAD.pack(count, count + kill_at, *rest))

    def records(self):
        """What was recorded, in order."""
        with self.path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            count = _HEAD.unpack_from(mapped)[0]
            content = mapped[_RECORD.size : _RECORD.size * (1 + count)]
        return [_record(*fields) for fields in _RECORD.iter_unpack(content)]


def _record(kind, _, inode, folder, to_folder, offset, length, name, to_name):
    return Record(Kind(kind), inode, folder, to_folder, offset, length, _text(name), _text(to_name))


def _text(field):
    return field.split(b"\0", 1)[0].decode()
