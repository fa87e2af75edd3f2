"""Who is measured in which cell, and in which order."""

from pathlib import Path

import cells
import trials
from cells import GIB, KIB, MIB, Cell
from receivers import Receiver
from trials import DISK, RAM_DISK, Place, in_turn

RAM = Place(RAM_DISK, "tmpfs", Path("/ram"))
REAL = Place(DISK, "ext4", Path("/disk"))


def receiver(name, **other):
    return Receiver(name, "1", "", lambda _port, _folder: [], **other)


def names(groups):
    return [[trial.label for trial in group] for group in groups]


def test_the_order_rotates():
    group = ["a", "b", "c"]
    assert [in_turn(group, number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_every_trial_of_a_run_has_a_key_of_its_own():
    who = [receiver("floor", reference=True), receiver("DCMTK storescp", reference=True), receiver("x")]
    groups = [
        *trials.grid([RAM, REAL], cells.FULL, who),
        *trials.growth(RAM, who),
        *trials.idle(RAM),
        *trials.window([RAM, REAL]),
    ]
    keys = [trial.key for group in groups for trial in group]
    assert len(keys) == len(set(keys))


def test_only_references_are_measured_on_a_disk():
    who = [receiver("reference", reference=True), receiver("other")]
    assert names(trials.grid([RAM, REAL], [Cell(8 * KIB, 1)], who)) == [["reference", "other"], ["reference"]]


def test_receivers_take_part_with_the_associations_that_they_serve():
    who = [receiver("one", most=1), receiver("many", fewest=2), receiver("any")]
    groups = trials.grid([RAM], [Cell(8 * KIB, 1), Cell(8 * KIB, 8)], who)
    assert names(groups) == [["one", "any"], ["many", "any"]]


def test_receivers_that_hold_instances_are_spared_what_they_cannot_hold():
    who = [receiver("streams"), receiver("holds", streams=False), receiver("slow", streams=False, slow=True)]
    groups = trials.grid([RAM], [Cell(32 * MIB, count) for count in (8, 32, 200)], who)
    assert names(groups) == [["streams", "holds", "slow"], ["streams", "holds"], ["streams"]]


def test_a_trial_fits_into_its_place():
    for place, room in ((RAM, cells.RAM_DISK_BYTES), (REAL, cells.DISK_BYTES)):
        for group in trials.grid([place], cells.FULL, [receiver("x", reference=True)]):
            for trial in group:
                assert trial.instances >= 1
                assert trial.instances * trial.cell.bytes_at_once <= room


def test_cells_are_named_for_what_is_sent():
    assert Cell(8 * KIB, 200).name == "8 KiB x 200"
    assert Cell(32 * MIB, 1).name == "32 MiB x 1"


def test_a_warm_up_is_short():
    assert Cell(8 * KIB, 200).warm_up(slow=False) == Cell(8 * KIB, 200, 0.25)
    assert Cell(8 * KIB, 200).warm_up(slow=True).associations == 8
    large = Cell(32 * MIB, 200)
    assert large.bytes_at_once > GIB
    assert large.warm_up(slow=False).associations == 8
