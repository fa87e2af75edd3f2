"""C-STOREs of 8 KiB through the whole engine, Python included: from the socket to what Python hears of it.

    engine.py FOLDER SENDER LIBRARY BURST BURSTS

Serves as `port104 start` does, in one process with a task that has the program SENDER send. The event loop
stands still while a burst is sent: how often it is woken for stored instances depends on the clock, which
valgrind makes run otherwise. So it is woken once for each burst; the figure says what that costs, and not how
often a service does it. The ledger is told of each instance, and does not write them: its batches depend on
the clock as well.
"""

import ctypes
import json
import math
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from port104.dispatch.bookkeeping import Bookkeeper
from port104.dispatch.caretaking import Caretaker
from port104.dispatch.dispatching import Dispatcher
from port104.export.exporting import Exporter
from port104.service import app, configuration, logs, opening
from port104.storage import volume
from port104.storage.store import InstanceStore, open_store

NAME = b"C-STORE of 8 KiB, whole engine, os"


def settings_file(folder: Path) -> Path:
    """Write the settings: the bench's, with a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    scp = {
        "port": port,
        "host": "127.0.0.1",
        "rejectUnknownSources": False,
        "aeTitles": [{"aeTitle": "PORT104"}],
    }
    # A single thread: of two, one looks for the next message before it sleeps, as often as the clock allows.
    storage = {"temporary": str(folder / "storage"), "durability": "os", "ioThreads": 1}
    storage |= {"watermarkPercent": 100, "reserveSpaceGB": 0}
    file = folder / "port104.json"
    settings = {"dicom": {"scp": scp}, "storage": storage, "log": {"format": "json"}, "api": {"port": None}}
    file.write_text(json.dumps(settings))
    return file


class Watch:
    """The service's store, and word of each time that it delivered what waited."""

    store: InstanceStore

    def __init__(self) -> None:
        self._delivered = trio.Event()
        self._deliver: Callable[[], None]

    @asynccontextmanager
    async def open_store(
        self, root: Path, *, sync: bool, threads: int, journal: int
    ) -> AsyncIterator[InstanceStore]:
        """As the service's own."""
        async with open_store(root, sync=sync, threads=threads, journal=journal) as store:
            self.store = store
            self._deliver = store.catch_up
            store.catch_up = self._catch_up  # type: ignore[method-assign]
            yield store

    def _catch_up(self) -> None:
        self._deliver()
        self._delivered.set()

    async def next_delivery(self) -> None:
        """Wait for one that begins later than now."""
        self._delivered = trio.Event()
        await self._delivered.wait()


class Sender:
    """The program SENDER with its association."""

    def __init__(self, program: str, port: int) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([program, str(port)], stdin=pipe, stdout=pipe)
        assert self._process.stdin
        assert self._process.stdout
        self._orders = self._process.stdin
        self._reports = self._process.stdout

    def send(self, instances: int) -> None:
        """Send so many and wait until the last is answered. Blocks."""
        self._orders.write(b"%d\n" % instances)
        self._orders.flush()
        self.hear()

    def hear(self) -> None:
        """Wait for its next line. Blocks."""
        if self._reports.readline() != b"\n":
            raise RuntimeError("the sender failed")

    async def opened(self) -> None:
        """Wait until the association is open."""
        await trio.lowlevel.wait_readable(self._reports)
        self.hear()

    async def release(self) -> None:
        """Release the association and wait for its end."""
        self._orders.close()
        await trio.lowlevel.wait_readable(self._reports)
        self._reports.close()
        self._process.wait()


def send_and_store(sender: Sender, store: InstanceStore, burst: int) -> None:
    """Send a burst and wait until all of it waits for the event loop."""
    wanted = store.counts().stored + burst
    sender.send(burst)
    while store.counts().stored < wanted:  # the last one's answer goes before the word of it
        time.sleep(0.001)


async def measure(library: ctypes.CDLL, sender: Sender, watch: Watch, burst: int, bursts: int) -> None:
    """Count what `bursts` of them cost, once one has gone before."""
    for number in range(bursts + 1):
        if number == 1:
            library.begin_counting()
        send_and_store(sender, watch.store, burst)
        await watch.next_delivery()
    library.end_counting(NAME)


async def _wait(_: object) -> None:
    await trio.sleep_forever()


async def main(folder: Path, program: str, library: ctypes.CDLL, burst: int, bursts: int) -> None:
    """Serve, measure, stop."""
    settings = configuration.load(settings_file(folder), {}, {}).settings
    watch = Watch()
    opening.open_store = watch.open_store  # type: ignore[assignment]
    volume.LOOK_SECONDS = math.inf  # how often it looks depends on the clock too
    for worker in (Bookkeeper, Caretaker, Dispatcher, Exporter):  # and so does what is done with the ledger
        worker.run = _wait  # type: ignore[method-assign]
    with logs.configured(settings.log):
        async with trio.open_nursery() as nursery:
            addresses = await nursery.start(partial(app.serve, settings, {}))
            sender = Sender(program, addresses[0][1])
            await sender.opened()
            await measure(library, sender, watch, burst, bursts)
            await sender.release()
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(
        main, Path(sys.argv[1]), sys.argv[2], ctypes.CDLL(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    )
