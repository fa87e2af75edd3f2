"""Chooses what a power cut takes of what was not synced: by chance, and by the ways that hurt most."""

from powercut.journal import Kind

_REMOVALS = frozenset({Kind.UNLINK})


class Adversary:
    """The choices of one power cut; `chance` is a random.Random, so that a seed repeats them.

    One way for names and one for bytes is drawn for the whole cut: independent choices alone would hardly
    ever leave all of one kind and nothing of another, which is what delayed allocation and journals do.
    """

    def __init__(self, chance):
        self._chance = chance
        self._share = chance.choice((0.1, 0.5, 0.9))
        self._names = chance.choice(
            (self._nothing, self._everything, self._each, self._first, self._one_folder, self._no_removal)
        )
        self._bytes = chance.choice(
            (self._no_bytes, self._zeros, self._holes, self._beginning, self._any_bytes, self._all_bytes)
        )
        self._old_names_stay = chance.random() < 0.2
        self._left_of_first = int(chance.paretovariate(0.5))
        self._folder = None

    def __repr__(self):
        return f"Adversary({self._names.__name__}, {self._bytes.__name__}, share {self._share})"

    # ---- names ----

    def lets_happen(self, record):
        """Whether a change of names that was not synced is there."""
        return self._names(record)

    def leaves_old_name(self, _record):
        """Whether a rename that is there left the old name beside the new one."""
        return self._old_names_stay and self._chance.random() < self._share

    def _nothing(self, _record):
        return False

    def _everything(self, _record):
        return True

    def _each(self, _record):
        return self._chance.random() < self._share

    def _first(self, _record):
        """As a journal that was written so far."""
        self._left_of_first -= 1
        return self._left_of_first >= 0

    def _one_folder(self, record):
        """One folder's names reached the disk, the others' did not."""
        folder = record.to_folder or record.folder
        if self._folder is None and self._chance.random() < 0.2:
            self._folder = folder
        return folder == self._folder

    def _no_removal(self, record):
        return record.kind not in _REMOVALS

    # ---- bytes ----

    def bytes_left(self, size, loose):
        """Choose of writes that were not synced, as (offset, end); `size` is what lasts without them.

        Returns the file's size, and the ranges whose bytes are there; others below the size are zeros.
        """
        return self._bytes(size, loose)

    def _no_bytes(self, size, _loose):
        return size, []

    def _zeros(self, size, loose):
        return max(size, loose[-1][1]), []

    def _holes(self, size, loose):
        return max(size, loose[-1][1]), [write for write in loose if self._chance.random() < self._share]

    def _beginning(self, size, loose):
        start, end = loose[0]
        cut = self._chance.randint(start, end)
        return max(size, cut), [(start, cut)]

    def _any_bytes(self, size, loose):
        return self._chance.choice(
            (self._no_bytes, self._zeros, self._holes, self._beginning, self._all_bytes)
        )(size, loose)

    def _all_bytes(self, size, loose):
        return max(size, loose[-1][1]), list(loose)
