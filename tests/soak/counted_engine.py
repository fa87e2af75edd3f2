"""port104, keeping the number of its trio tasks in a file. Arguments: that file, then the command's."""

import functools
import mmap
import struct
import sys
from pathlib import Path

import trio

COUNT = struct.Struct("q")


class TaskCounter(trio.abc.Instrument):
    """Counts the tasks that live."""

    def __init__(self, counter):
        with Path(counter).open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), COUNT.size)
        self._tasks = 0

    def task_spawned(self, task):
        self._change(1)

    def task_exited(self, task):
        self._change(-1)

    def _change(self, by):
        self._tasks += by
        COUNT.pack_into(self._map, 0, self._tasks)


if __name__ == "__main__":
    counter = sys.argv.pop(1)
    trio.run = functools.partial(trio.run, instruments=[TaskCounter(counter)])
    from port104.service.cli import main

    main()
