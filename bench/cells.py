"""What is sent: cells of (instance size, associations), each for a while.

Every receiver is sent to for the same time, so that fast ones reach a steady state and slow ones end. With
one association the kernel first runs sender and receiver on one core, where a small instance takes a quarter
of the time, and parts them after some tenths of a second: with less than two seconds the floor's figures
differ by a factor of five from one run to the next, with two seconds by 5 %.
"""

from typing import NamedTuple

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# Of a trial's files at most: a RAM disk has to hold them beside the receiver, a disk to take them without the
# kernel slowing all writers down (vm.dirty_background_ratio is a tenth of the memory).
RAM_DISK_BYTES, DISK_BYTES = 7 * GIB, 2 * GIB


class Cell(NamedTuple):
    """Instances of `size` bytes over each of `associations`, for `seconds`; one over each at least."""

    size: int
    associations: int
    seconds: float = 1.0

    @property
    def size_name(self) -> str:
        """Such as 8 KiB."""
        return f"{self.size // MIB} MiB" if self.size >= MIB else f"{self.size // KIB} KiB"

    @property
    def name(self) -> str:
        """Such as 8 KiB x 32: what measurements and targets call the cell."""
        return f"{self.size_name} x {self.associations}"

    @property
    def bytes_at_once(self) -> int:
        """What a receiver holds that writes an instance only once it has it all."""
        return self.size * self.associations

    def most_instances(self, room: int) -> int:
        """As many over each association as fit into `room` bytes, one at least."""
        return max(1, room // self.bytes_at_once)

    def warm_up(self, *, slow: bool) -> "Cell":
        """A short while before, over a few associations where one instance each would take long."""
        few = slow or self.bytes_at_once > GIB
        return Cell(self.size, min(self.associations, 8) if few else self.associations, 0.25)


FULL = tuple(Cell(8 * KIB, count, 2.0 if count == 1 else 1.0) for count in (1, 8, 32, 200))
FULL += tuple(Cell(512 * KIB, count, 2.0 if count == 1 else 1.0) for count in (1, 8, 32, 200))
FULL += tuple(Cell(32 * MIB, count) for count in (1, 8, 32, 200))
QUICK = tuple(
    Cell(size, count, 2.0 if count == 1 else 0.8) for size in (8 * KIB, 512 * KIB) for count in (1, 32)
)
GROWTH = tuple(Cell(8 * KIB, count, 1.0) for count in (1, 10, 100, 300, 1000))
BUSY = (Cell(8 * KIB, 8, 2.0), Cell(512 * KIB, 8, 2.0))
IDLE_ASSOCIATIONS = 1000
WINDOW_CELL = Cell(8 * KIB, 1, 2.0)
WINDOW = 16
