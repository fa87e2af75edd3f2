"""What a power cut may leave of a disk: pure; from what was there and a journal of changes and syncs.

Rules:
- what was complete before a sync of it began, and that sync ended, is there. A file's sync covers its bytes
  and size, not its name; a folder's the names in it, not the files' bytes; a file system's all of it;
- of anything else each change may have happened or not, in any choice: an `Adversary` chooses. Changes of one
  name keep their order;
- a rename is there as a whole or not at all, as every journalling file system does it, but that the old name
  may stay beside the new one (file systems without RENAME_NOREPLACE get a link and an unlink instead). It is
  never the old name's loss alone;
- bytes that were not synced may be missing, zero, or there in part, also where the name is there (delayed
  allocation). Other bytes never stand in their place. Where they were written over others they are there in
  part, with zeros for the rest: what stood there before is taken for worthless once it is written over.
"""

from collections import defaultdict

import msgspec

from powercut.journal import Kind


class UnmodelledError(Exception):
    """The process did something whose outcome the model cannot tell: teach it."""


class Tree(msgspec.Struct, frozen=True):
    """A disk that is as it is: `folders` {inode: {name: inode}}, `sizes` of files {inode: bytes}.

    `root` is the folder that all is reached from.
    """

    root: int
    folders: dict[int, dict[str, int]]
    sizes: dict[int, int]


class File(msgspec.Struct, frozen=True):
    """A file as it was left: `size` bytes, the real ones in `kept` (offset, end), zeros elsewhere."""

    size: int
    kept: tuple[tuple[int, int], ...]

    @property
    def is_whole(self):
        """Whether every byte is the real one."""
        end = 0
        for start, stop in self.kept:
            if start > end:
                return False
            end = max(end, stop)
        return end >= self.size


class Image(msgspec.Struct, frozen=True):
    """A disk after the power cut. `files` holds those that were written; others are as they were before."""

    folders: dict[int, dict[str, int]]
    files: dict[int, File]


class Syncs:
    """What of a journal is durable.

    `without` leaves a part of the truth out, to see what a lying disk or a forgotten sync would do: "names"
    (no sync makes a name durable), "folders" (the sync of one folder does not), "data" (none makes bytes
    durable) or "files" (the sync of one file does not).
    """

    def __init__(self, records, without=""):
        syncs = _latest_syncs(records)
        self._names = {"names": {}, "folders": {0: syncs.get(0, -1)}}.get(without, syncs)
        self._data = {"data": {}, "files": {0: syncs.get(0, -1)}}.get(without, syncs)

    def keeps_name(self, number, folder):
        """Whether change `number` in `folder` is durable."""
        return number < max(self._names.get(folder, -1), self._names.get(0, -1))

    def keeps_bytes(self, number, inode):
        """Whether write `number` to file `inode` is durable."""
        return number < max(self._data.get(inode, -1), self._data.get(0, -1))


def _latest_syncs(records):
    """{inode: number of the record at which its latest sync began that also ended}; 0: file system."""
    latest = {}
    for record in records:
        if record.kind is Kind.SYNC_ENDS:
            latest[record.inode] = max(latest.get(record.inode, -1), record.offset)
    return latest


def after_power_cut(before, records, adversary, without=""):
    """The `Image` that `adversary` leaves of the tree `before` and the changes in `records`."""
    syncs = Syncs(records, without)
    return Image(
        folders=_names_left(before, records, adversary, syncs),
        files=_files_left(before, records, adversary, syncs),
    )


# ---- names ----

_NAME_CHANGES = frozenset({Kind.CREATE, Kind.MKDIR, Kind.LINK, Kind.UNLINK, Kind.RENAME, Kind.EXCHANGE})


def _names_left(before, records, adversary, syncs):
    folders = defaultdict(dict, {inode: dict(names) for inode, names in before.folders.items()})
    for number, record in enumerate(records):
        if record.kind not in _NAME_CHANGES:
            continue
        if record.kind is Kind.MKDIR:
            folders[record.inode] = {}  # reached or not
        if record.kind in (Kind.RENAME, Kind.EXCHANGE):
            _move(folders, number, record, adversary, syncs)
        elif syncs.keeps_name(number, record.folder) or adversary.lets_happen(record):
            _change_one(folders[record.folder], record)
    return dict(folders)


def _change_one(names, record):
    if record.kind is Kind.UNLINK:
        names.pop(record.name, None)
    else:
        names[record.name] = record.inode


def _move(folders, number, record, adversary, syncs):
    source, target = folders[record.folder], folders[record.to_folder]
    keeps_source = syncs.keeps_name(number, record.folder)
    keeps_target = syncs.keeps_name(number, record.to_folder)
    if not (keeps_source or keeps_target or adversary.lets_happen(record)):
        return
    displaced = target.get(record.to_name)
    target[record.to_name] = record.inode
    if record.kind is Kind.EXCHANGE:
        if displaced is None:
            raise UnmodelledError(f"an exchange with a name that may be missing: {record}")
        source[record.name] = displaced
    elif keeps_source or not adversary.leaves_old_name(record):
        source.pop(record.name, None)


# ---- bytes ----


def _files_left(before, records, adversary, syncs):
    written = defaultdict(list)  # {inode: [(offset, end, whether it is durable)]}
    for number, record in enumerate(records):
        if record.kind is Kind.CREATE:
            written[record.inode] = []
        elif record.kind in (Kind.WRITE, Kind.CUT):
            end = record.offset + record.length if record.kind is Kind.WRITE else None
            start = record.length if end is None else record.offset
            written[record.inode].append((start, end, syncs.keeps_bytes(number, record.inode)))
    return {
        inode: _file_left(writes, before.sizes.get(inode, 0), adversary) for inode, writes in written.items()
    }


def _file_left(writes, known_size, adversary):
    """What is left after `writes` (offset, end, whether durable); without an end it was cut to the offset."""
    ends = [known_size, *(end for _, end, _ in writes)]
    appends = None not in ends and all(start == end for (start, _, _), end in zip(writes, ends, strict=False))
    return (_appended if appends else _written_over)(writes, known_size, adversary)


def _written_over(writes, known_size, adversary):
    """Each write is there, as far as the adversary leaves it, in place of what was there before."""
    kept, size = [(0, known_size)], known_size
    for start, end, durable in writes:
        if end is None:
            kept, size = list(_outside(kept, start, max(size, start))), start
            continue
        there = [(start, end)] if durable else adversary.bytes_left(start, [(start, end)])[1]
        kept = [*_outside(kept, start, end), *there]
        size = max([size, *(stop for _, stop in there)])
    return File(size, tuple(sorted(one for one in kept if one[0] < one[1])))


def _outside(ranges, start, end):
    """The parts of `ranges` that are not between `start` and `end`."""
    for first, last in ranges:
        if first < start:
            yield first, min(last, start)
        if last > end:
            yield max(first, end), last


def _appended(writes, known_size, adversary):
    """Synced writes stay; the adversary chooses of those behind the last of them, and in between."""
    kept = [(0, known_size)] if known_size else []
    size = known_size
    for start, end, durable in writes:
        if durable:
            kept.append((start, end))
            size = end
    loose = [(start, end) for start, end, durable in writes if not durable]
    if loose:
        size, more = adversary.bytes_left(size, loose)
        kept += more
    return File(size, tuple(sorted(kept)))
