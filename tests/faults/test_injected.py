"""A call below the spool fails, each in turn: what is answered, what stands on disk, and that it goes on.

The server is the real process, one for many faults. A sweep makes the first, the second, the third ... call
of a kind fail while the same few instances are sent, until none is left to fail.
"""

import errno
import itertools
import os
import resource
import threading
import time

import pytest

from engine_nest import Nest
from engine_process import engine
from file_faults import CLOSE, OPEN, READ, RENAME, SYNC, UNLINK, WRITE, Faults, compile_shim
from ledger import AE_TITLES, KEEP, OVERWRITE, Ledger
from port104.wire.command import Status
from sender import Sender, image

SMALL, LARGE = 1_000, 300_000  # taken whole, and spliced
ANY = OPEN | WRITE | SYNC | RENAME | UNLINK | READ | CLOSE
CALLS = {
    "OPEN": OPEN,
    "WRITE": WRITE,
    "SYNC": SYNC,
    "RENAME": RENAME,
    "READ": READ,
    "CLOSE": CLOSE,
    "ANY": ANY & ~UNLINK,
}
FULL, BROKEN = Status.OUT_OF_RESOURCES, Status.PROCESSING_FAILURE
# A sweep that finds no end would test nothing.
MOST_CALLS = 200
BACK_SECONDS = 1.0

# A sweep counts calls, and the ledger makes some of its own where it is late.
pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compile_shim(tmp_path_factory.mktemp("shim"))


class Rig:
    """A server that obeys faults, an association with each AE title, and a ledger of what was sent."""

    def __init__(self, server, faults, durability):
        self.durability = durability
        self.server = server
        self.faults = faults
        self.ledger = Ledger()
        self.keep = Sender(server.port)
        self.overwrite = Sender(server.port, called_ae_title=OVERWRITE)
        self.numbers = itertools.count(1)

    def store(self, called, instance, data_set):
        sender = self.overwrite if called == OVERWRITE else self.keep
        return self.ledger.store(sender, called, instance, data_set)

    def few_instances(self):
        """New ones, one again, one UID with other bytes, and one that replaces another. Their statuses."""
        number = next(self.numbers)
        small, large, kept = (f"1.2.{number}.{index}" for index in (1, 2, 3))
        first = image(small, bytes(SMALL))
        return [
            self.store(KEEP, small, first),
            self.store(KEEP, large, image(large, bytes(LARGE))),
            self.store(KEEP, small, first),
            self.store(KEEP, small, first + bytes(2)),
            self.store(OVERWRITE, kept, image(kept, b"old")),
            self.store(OVERWRITE, kept, image(kept, b"new")),
        ]

    def faults_of(self):
        return self.ledger.faults_of(self.server.folder)

    def close(self):
        self.keep.close()
        self.overwrite.close()


@pytest.fixture(scope="module", params=["sync", "os"])
def rig(request, tmp_path_factory, library):
    folder = tmp_path_factory.mktemp("rig")
    faults = Faults(folder / "control", folder / "storage", library)
    settings = {"durability": request.param, "scp": {"aeTitles": AE_TITLES}, "env": faults.environment}
    with engine(folder / "storage", **settings) as server:
        # From then on nothing but the spool opens a file.
        server.wait_for(lambda: "held against the ledger" in server.log.read_text())
        faults.clear()
        made = Rig(server, faults, request.param)
        yield made
        made.close()
        assert faults.main_thread_calls == 0
        assert server.process.poll() is None
    faults.close()


def sweep(rig, **fault):
    """Make each call of a kind fail, one a pass: the statuses of every pass in which one did."""
    for number in range(1, MOST_CALLS):
        rig.faults.set(failing_number=number, **fault)
        statuses = rig.few_instances()
        met = rig.faults.failing_calls >= number
        rig.faults.clear()
        if not met:
            assert set(statuses) == {Status.SUCCESS}
            return
        yield statuses
    pytest.fail(f"{MOST_CALLS} calls and no end")


@pytest.mark.parametrize(
    ("call", "number", "status"),
    [
        ("OPEN", "EMFILE", FULL),
        ("OPEN", "ENFILE", FULL),
        ("OPEN", "ENOSPC", FULL),
        ("OPEN", "EIO", BROKEN),
        ("WRITE", "ENOSPC", FULL),
        ("WRITE", "EDQUOT", FULL),
        ("WRITE", "EFBIG", FULL),
        ("WRITE", "EIO", BROKEN),
        ("CLOSE", "ENOSPC", FULL),
        ("CLOSE", "EIO", BROKEN),
        ("READ", "EIO", BROKEN),
        ("SYNC", "ENOSPC", FULL),
        ("SYNC", "EIO", BROKEN),
        ("RENAME", "ENOSPC", FULL),
        ("RENAME", "EIO", BROKEN),
    ],
)
def test_each_call_in_turn_fails(rig, call, number, status):
    """One instance fails, with the status that tells why; the next, on the same association, does not."""
    passes = 0
    for statuses in sweep(rig, failing_classes=CALLS[call], failing_errno=getattr(errno, number)):
        passes += 1
        assert set(statuses) <= {Status.SUCCESS, status}, passes
        # A descriptor that was only read from may be closed in vain.
        assert statuses.count(status) <= 1 if call == "CLOSE" else statuses.count(status) == 1, passes
        assert rig.server.part_files() == []
    assert rig.faults_of() == []
    assert (passes > 0) == (call != "SYNC" or rig.durability == "sync")


def test_each_call_in_turn_is_interrupted(rig):
    passes = list(sweep(rig, failing_classes=ANY & ~CLOSE, failing_errno=errno.EINTR))
    assert len(passes) > 20
    assert {status for statuses in passes for status in statuses} == {Status.SUCCESS}
    assert rig.faults_of() == []


def test_every_write_comes_up_short(rig):
    rig.faults.set(short_writes=1)
    assert set(rig.few_instances()) == {Status.SUCCESS}
    rig.faults.clear()
    assert rig.faults_of() == []


@pytest.mark.parametrize("every", [1, 2, 3, 7])
@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("ANY", "EIO"),
        ("WRITE", "ENOSPC"),
        ("OPEN", "EMFILE"),
        ("SYNC", "EIO"),
        ("RENAME", "EIO"),
    ],
)
def test_calls_fail_again_and_again_under_load(rig, call, number, every):
    """Every nth call, eight associations: nothing acknowledged is lost, and a second later all is well."""
    prefix = next(rig.numbers)
    rig.faults.set(failing_classes=CALLS[call], failing_errno=getattr(errno, number), failing_every=every)
    senders = [Sender(rig.server.port) for _ in range(8)]

    def send(index, sender):
        for turn in range(10):
            instance = f"1.3.{prefix}.{index}.{turn}"
            data_set = image(instance, os.urandom(LARGE if turn % 4 == 3 else SMALL))
            statuses.add(rig.ledger.store(sender, KEEP, instance, data_set))

    statuses = set()
    threads = [threading.Thread(target=send, args=arguments) for arguments in enumerate(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rig.faults.clear()
    cleared = time.monotonic()
    for index, sender in enumerate(senders):
        instance = f"1.4.{prefix}.{index}"
        assert rig.ledger.store(sender, KEEP, instance, image(instance, b"again")) == Status.SUCCESS
        sender.release()
    with Sender(rig.server.port) as other:
        assert other.echo() == Status.SUCCESS
    assert time.monotonic() - cleared < BACK_SECONDS
    assert statuses <= {Status.SUCCESS, FULL, BROKEN}
    assert rig.faults_of() == []


def test_part_files_that_cannot_be_removed_go_at_the_next_start(tmp_path, library):
    faults = Faults(tmp_path / "control", tmp_path / "storage", library)
    ledger = Ledger()
    with engine(tmp_path / "storage", env=faults.environment) as server, Sender(server.port) as sender:
        faults.set(failing_classes=UNLINK | RENAME, failing_errno=errno.EIO)
        assert ledger.store(sender, KEEP, "1.2.1", image("1.2.1", b"pixels")) == BROKEN
        assert len(server.part_files()) == 1
        faults.clear()
        assert ledger.store(sender, KEEP, "1.2.2", image("1.2.2", b"pixels")) == Status.SUCCESS
    with engine(tmp_path / "storage") as server:
        assert ledger.faults_of(server.folder) == []
    faults.close()


def test_a_process_without_descriptors(rig):
    """A real limit, on files, pipes and connections at once."""
    _, hard = limits = resource.prlimit(rig.server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(rig.server.pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        assert rig.few_instances() == [FULL] * 6
        assert rig.keep.echo() == Status.SUCCESS
        waiting = threading.Thread(target=lambda: answers.append(echo_on_a_new_association(rig.server.port)))
        answers = []
        waiting.start()
    finally:
        resource.prlimit(rig.server.pid, resource.RLIMIT_NOFILE, limits)
    cleared = time.monotonic()
    waiting.join()
    assert answers == [Status.SUCCESS]
    assert set(rig.few_instances()) == {Status.SUCCESS}
    assert time.monotonic() - cleared < BACK_SECONDS
    assert rig.faults_of() == []


def echo_on_a_new_association(port):
    with Sender(port) as sender:
        return sender.echo()


def test_calls_that_fail_at_the_start(tmp_path, library):
    """It starts, or says in a line what is wrong; and what was stored stays."""
    faults = Faults(tmp_path / "control", tmp_path / "storage", library)
    folder = tmp_path / "storage"
    ledger = Ledger()
    failed = 0
    with Nest(library) as nest:
        for number in (0, *range(1, 14), 100, 400, 3000):
            faults.set(failing_classes=ANY, failing_errno=errno.EIO, failing_number=number or 1_000_000)
            with nest.engine(folder, env=faults.environment, log={"format": "json"}) as server:
                server.wait_for(lambda server=server: server.listens() or server.process.poll() is not None)
                faults.clear()
                if server.process.poll() is None:
                    with Sender(server.port) as sender:
                        instance = f"1.2.{number}"
                        ledger.store(sender, KEEP, instance, image(instance, b"pixels"))
                else:
                    failed += 1
                    said = server.log.read_text().splitlines()[-1]
                    assert said.startswith("port104: "), said
                    assert os.strerror(errno.EIO) in said, said
    assert failed > 5
    with engine(folder) as server:
        assert ledger.acknowledged > 1
        assert ledger.faults_of(server.folder) == []
    faults.close()
