"""A registry's store in memory, for tests of what stands above it. Several may share one `Shelf`."""

import msgspec

from port104.registry.store.contents import Contents, EntryRow


class Shelf:
    """What is stored."""

    def __init__(self):
        self.contents = Contents(0)


class MemoryStore:
    """A contents.EntryStore. `fault`, where set, is raised by every call."""

    def __init__(self, shelf=None):
        self.shelf = shelf or Shelf()
        self.fault = None

    def read(self, known):
        self._work()
        contents = self.shelf.contents
        return None if contents.generation == known else contents

    def write(self, known, *, drop=None, put=None):
        self._work()
        contents = self.shelf.contents
        if contents.generation != known:
            return False
        rows = {"entries": list(contents.entries), "tokens": list(contents.tokens)}
        if drop is not None:
            kept = rows[_list_of(drop)]
            kept[:] = [row for row in kept if _key(row) != _key(drop)]
        if put is not None:
            if isinstance(put, EntryRow):
                put = msgspec.structs.replace(put, revision=known + 1)
            rows[_list_of(put)].append(put)
        self.shelf.contents = Contents(known + 1, *map(tuple, rows.values()))
        return True

    def listen(self):
        self._work()

    def close(self):
        pass

    def _work(self):
        if self.fault is not None:
            raise self.fault


def _list_of(row):
    return "entries" if isinstance(row, EntryRow) else "tokens"


def _key(row):
    return (getattr(row, "kind", None), row.name)
