"""The model of a power cut, against a file system in memory and by hand."""

import random
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from powercut.adversary import Adversary
from powercut.journal import Kind, Record
from powercut.model import File, Tree, UnmodelledError, after_power_cut

ROOT, PARTS, SHELF = 1, 2, 3
BEFORE = Tree(ROOT, {ROOT: {"parts": PARTS, "shelf": SHELF}, PARTS: {}, SHELF: {"old": 9}}, {9: 100})
FOLDERS = (PARTS, SHELF)
NAMES = ("a", "b", "old")


class Choices:
    """An adversary that lets all happen, or nothing."""

    def __init__(self, *, happens=False, old_stays=False):
        self._happens = happens
        self._old_stays = old_stays

    def lets_happen(self, _record):
        return self._happens

    def leaves_old_name(self, _record):
        return self._old_stays

    def bytes_left(self, size, loose):
        return (loose[-1][1], loose) if self._happens else (size, [])


NOTHING, EVERYTHING = Choices(), Choices(happens=True)


def sync(inode, began):
    return Record(Kind.SYNC_ENDS, inode, offset=began)


CREATE = Record(Kind.CREATE, 10, PARTS, name="a")
WRITE = Record(Kind.WRITE, 10, offset=0, length=8)
RENAME = Record(Kind.RENAME, 10, PARTS, SHELF, name="a", to_name="b")
BEGIN = Record(Kind.SYNC_BEGINS)


@pytest.mark.parametrize(
    ("records", "parts", "shelf", "size"),
    [
        ([CREATE, WRITE], {}, {"old": 9}, 0),
        # A file's sync keeps its bytes, not its name; a folder's its names, not their bytes.
        ([CREATE, WRITE, BEGIN, sync(10, 2)], {}, {"old": 9}, 8),
        ([CREATE, WRITE, BEGIN, sync(PARTS, 2)], {"a": 10}, {"old": 9}, 0),
        ([CREATE, WRITE, BEGIN, sync(0, 2)], {"a": 10}, {"old": 9}, 8),
        # A rename that is not synced leaves what was there; either folder's sync makes it one.
        ([CREATE, BEGIN, sync(0, 1), RENAME], {"a": 10}, {"old": 9}, 0),
        ([CREATE, RENAME, BEGIN, sync(SHELF, 2)], {}, {"old": 9, "b": 10}, 0),
        ([CREATE, BEGIN, sync(0, 1), RENAME, BEGIN, sync(PARTS, 4)], {}, {"old": 9, "b": 10}, 0),
        # What came after a sync began is not covered, nor is anything by a sync that did not end.
        ([CREATE, BEGIN, WRITE, sync(0, 1)], {"a": 10}, {"old": 9}, 0),
        ([CREATE, WRITE, BEGIN], {}, {"old": 9}, 0),
        # A name that was taken away or over stands again.
        ([Record(Kind.UNLINK, folder=SHELF, name="old")], {}, {"old": 9}, None),
        ([CREATE, Record(Kind.RENAME, 10, PARTS, SHELF, name="a", to_name="old")], {}, {"old": 9}, 0),
    ],
)
def test_what_a_cut_leaves_that_takes_all_it_may(records, parts, shelf, size):
    image = after_power_cut(BEFORE, records, NOTHING)
    assert (image.folders[PARTS], image.folders[SHELF]) == (parts, shelf)
    if size is not None:
        assert image.files[10].size == size
        assert image.files[10].is_whole


def test_an_old_name_may_stay_beside_the_new_one():
    old_stays = Choices(happens=True, old_stays=True)
    image = after_power_cut(BEFORE, [CREATE, RENAME], old_stays)
    assert image.folders == {ROOT: BEFORE.folders[ROOT], PARTS: {"a": 10}, SHELF: {"old": 9, "b": 10}}
    target_synced = [CREATE, RENAME, BEGIN, sync(SHELF, 2)]
    assert after_power_cut(BEFORE, target_synced, old_stays).folders[PARTS] == {"a": 10}
    both_synced = [CREATE, RENAME, BEGIN, sync(0, 2)]
    assert after_power_cut(BEFORE, both_synced, old_stays).folders[PARTS] == {}


def test_files_in_a_folder_whose_own_name_is_lost_are_lost():
    made = Record(Kind.MKDIR, 11, ROOT, name="new")
    inside = Record(Kind.CREATE, 12, 11, name="a")
    image = after_power_cut(BEFORE, [made, inside, BEGIN, sync(11, 2)], NOTHING)
    assert image.folders[ROOT] == BEFORE.folders[ROOT]
    assert image.folders[11] == {"a": 12}


def test_an_exchange_is_done_or_not():
    exchange = Record(Kind.EXCHANGE, 10, PARTS, SHELF, name="a", to_name="old")
    synced = [CREATE, BEGIN, sync(0, 1), exchange]
    assert after_power_cut(BEFORE, synced, NOTHING).folders[PARTS] == {"a": 10}
    image = after_power_cut(BEFORE, synced, EVERYTHING)
    assert (image.folders[PARTS], image.folders[SHELF]) == ({"a": 9}, {"old": 10})


def test_what_the_model_cannot_tell_is_said():
    exchange = Record(Kind.EXCHANGE, 10, PARTS, SHELF, name="a", to_name="missing")
    with pytest.raises(UnmodelledError, match="exchange"):
        after_power_cut(BEFORE, [CREATE, exchange], EVERYTHING)


OVER = Record(Kind.WRITE, 10, offset=2, length=3)


@pytest.mark.parametrize(
    ("records", "adversary", "size", "kept"),
    [
        ([OVER], NOTHING, 8, ((0, 2), (5, 8))),
        ([OVER], EVERYTHING, 8, ((0, 2), (2, 5), (5, 8))),
        ([OVER, Record(Kind.SYNC_BEGINS, 10), sync(10, 5)], NOTHING, 8, ((0, 2), (2, 5), (5, 8))),
        ([Record(Kind.WRITE, 10, offset=6, length=4)], NOTHING, 8, ((0, 6),)),
        ([Record(Kind.WRITE, 10, offset=6, length=4)], EVERYTHING, 10, ((0, 6), (6, 10))),
        ([Record(Kind.CUT, 10, length=5)], NOTHING, 5, ((0, 5),)),
        ([Record(Kind.CUT, 10, length=5), OVER], NOTHING, 5, ((0, 2),)),
    ],
)
def test_bytes_that_are_written_over(records, adversary, size, kept):
    left = after_power_cut(BEFORE, [CREATE, WRITE, BEGIN, sync(0, 2), *records], adversary).files[10]
    assert (left.size, left.kept) == (size, kept)
    assert left.is_whole == (sum(end - start for start, end in kept) == size)


@pytest.mark.parametrize(
    ("without", "parts", "size"), [("names", {}, 8), ("folders", {"a": 10}, 8), ("data", {"a": 10}, 0)]
)
def test_a_truth_left_out_is_left_out(without, parts, size):
    image = after_power_cut(BEFORE, [CREATE, WRITE, BEGIN, sync(0, 2)], NOTHING, without)
    assert image.folders[PARTS] == parts
    assert image.files[10].size == size


def test_a_truth_left_out_of_folders_alone():
    records = [CREATE, BEGIN, sync(PARTS, 1)]
    assert after_power_cut(BEFORE, records, NOTHING, "folders").folders[PARTS] == {}


def test_a_file_with_a_hole_is_not_whole():
    assert File(8, ((0, 4), (4, 8))).is_whole
    assert File(0, ()).is_whole
    assert not File(8, ((0, 4), (5, 8))).is_whole
    assert not File(8, ((0, 4),)).is_whole


# ---- against a file system in memory ----

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["create", "write", "rename", "unlink", "link", "exchange", "sync", "sync", "begin", "end"]
        ),
        st.sampled_from(FOLDERS),
        st.sampled_from(NAMES),
        st.sampled_from(FOLDERS),
        st.sampled_from(NAMES),
    ),
    max_size=30,
)


class Memory:
    """Performs steps as a file system would; keeps the journal, and what each name and file has been.

    `values[folder, name]` lists (record number, inode or None); a sync makes older values impossible.
    """

    def __init__(self):
        self.records = []
        self.names = {(SHELF, "old"): 9}
        self.sizes = {9: 100}
        self.values = defaultdict(lambda: [(-1, None)], {(SHELF, "old"): [(-1, 9)]})
        self.synced_size = {9: 100}
        self.begun = []

    def step(self, what, folder, name, to_folder, to_name):
        here, there = (folder, name), (to_folder, to_name)
        inode = self.names.get(here)
        if what == "create" and inode is None:
            self._record(Kind.CREATE, here, inode=10 + len(self.records))
            self._set(here, self.records[-1].inode)
            self.sizes[self.records[-1].inode] = self.synced_size[self.records[-1].inode] = 0
        elif what == "write" and inode is not None:
            self.records.append(Record(Kind.WRITE, inode, offset=self.sizes[inode], length=5))
            self.sizes[inode] += 5
        elif what == "rename" and inode is not None and inode != self.names.get(there):
            self._record(Kind.RENAME, here, there, inode)
            self._set(there, inode)
            self._set(here, None)
        elif what == "link" and inode is not None and there not in self.names:
            self._record(Kind.LINK, there, inode=inode)
            self._set(there, inode)
        elif what == "unlink" and inode is not None:
            self._record(Kind.UNLINK, here)
            self._set(here, None)
        elif what == "sync":
            self._begin(0)
            self._end()
        elif what == "begin":
            self._begin(0)
        elif what == "end" and self.begun:
            self._end()

    def _record(self, kind, here, there=(0, ""), inode=0):
        self.records.append(Record(kind, inode, here[0], there[0], name=here[1], to_name=there[1]))

    def _set(self, slot, inode):
        self.values[slot].append((len(self.records) - 1, inode))
        self.names.pop(slot, None)
        if inode is not None:
            self.names[slot] = inode

    def _begin(self, inode):
        self.begun.append((len(self.records), dict(self.sizes)))
        self.records.append(Record(Kind.SYNC_BEGINS, inode))

    def _end(self):
        number, sizes = self.begun.pop()
        self.records.append(sync(0, number))
        self.synced_size |= {inode: max(size, self.synced_size[inode]) for inode, size in sizes.items()}
        for slot, values in self.values.items():
            last = max((index for index, (at, _) in enumerate(values) if at < number), default=0)
            self.values[slot] = values[last:]


def performed(steps):
    memory = Memory()
    for step in steps:
        memory.step(*step)
    return memory


def names_of(image):
    return {(folder, name): inode for folder in FOLDERS for name, inode in image.folders[folder].items()}


@given(STEPS)
def test_where_everything_happens_the_disk_is_as_it_was(steps):
    memory = performed(steps)
    image = after_power_cut(BEFORE, memory.records, EVERYTHING)
    assert names_of(image) == memory.names
    assert all(file.is_whole and file.size == memory.sizes[inode] for inode, file in image.files.items())


@given(STEPS, st.integers(0, 2**32))
def test_whatever_the_adversary_takes_what_was_synced_stays(steps, seed):
    memory = performed(steps)
    image = after_power_cut(BEFORE, memory.records, Adversary(random.Random(seed)))
    names = names_of(image)
    for slot, values in memory.values.items():
        assert names.get(slot) in {inode for _, inode in values}, slot
    assert names.keys() <= memory.values.keys()
    for inode, file in image.files.items():
        synced = memory.synced_size[inode]
        assert synced <= file.size <= memory.sizes[inode]
        assert File(synced, file.kept).is_whole
        assert all(end <= file.size for _, end in file.kept)


@given(STEPS, st.integers(0, 2**32))
def test_nothing_is_taken_once_all_is_synced(steps, seed):
    memory = performed([*steps, ("sync", 0, "", 0, "")])
    image = after_power_cut(BEFORE, memory.records, Adversary(random.Random(seed)))
    assert names_of(image) == memory.names
    assert all(file.is_whole and file.size == memory.sizes[inode] for inode, file in image.files.items())


def test_the_adversary_finds_every_outcome_of_a_few_changes():
    """Of one file made, written and renamed: each choice of names, and bytes from none to all."""
    outcomes, sizes = set(), set()
    for seed in range(2000):
        image = after_power_cut(BEFORE, [CREATE, WRITE, RENAME], Adversary(random.Random(seed)))
        outcomes.add((*image.folders[PARTS], *image.folders[SHELF]))
        file = image.files[10]
        sizes.add((file.size, file.is_whole))
    assert outcomes == {("old",), ("a", "old"), ("old", "b"), ("a", "old", "b")}
    assert {(0, True), (8, False), (8, True), (3, True)} <= sizes
