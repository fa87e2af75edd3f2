"""File calls that are slow, fail or come up short below the spool; the server is the real process."""

import errno
import threading
import time

import port104._native
import pytest

from engine_process import engine
from file_faults import LIST, OPEN, RENAME, SYNC, WRITE, Faults, compile_shim
from native_calls import CHANGING_CALLS, symbols
from port104.wire.command import Status
from sender import Sender, image
from stored import stored_data_set

SIZES = (1_000, 300_000)  # taken whole, and carried by an I/O thread
ECHO_SECONDS = 0.05


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(params=["sync", "os"])
def durability(request):
    return request.param


@pytest.fixture
def faults(tmp_path, library):
    made = Faults(tmp_path / "control", tmp_path / "storage", library)
    yield made
    made.close()


@pytest.fixture
def server(tmp_path, faults, durability):
    with engine(tmp_path / "storage", durability=durability, env=faults.environment) as started:
        faults.clear()
        yield started
        assert started.process.poll() is None
        # The event loop never touches a file, whatever happens.
        assert faults.calls > 0
        assert faults.main_thread_calls == 0


@pytest.fixture
def sender(server):
    with Sender(server.port) as made:
        yield made


def store_all(sender, first=1):
    """One instance of each size: {UID: (status, data set)}."""
    answers = {}
    for number, size in enumerate(SIZES, first):
        instance = f"1.2.{number}"
        data_set = image(instance, bytes(size))
        answers[instance] = (sender.store(instance, data_set), data_set)
    return answers


def assert_all_stored(server, answers):
    for instance, (status, data_set) in answers.items():
        assert status == Status.SUCCESS
        assert stored_data_set(server.folder, instance) == data_set


def assert_lives_on(server, sender):
    """The same association, and the server, store as if nothing had been."""
    assert_all_stored(server, store_all(sender, first=100))
    assert server.part_files() == []


def echo_seconds(sender):
    """How long an echo takes, on the wall clock."""
    began = time.monotonic()
    assert sender.echo() == Status.SUCCESS
    return time.monotonic() - began


@pytest.mark.alone
@pytest.mark.parametrize(
    ("durability", "calls", "milliseconds"),
    [
        ("sync", WRITE, 2000),
        ("os", WRITE, 2000),
        ("sync", SYNC, 1000),
        ("sync", RENAME, 300),
        ("os", OPEN, 300),
    ],
    indirect=["durability"],
)
def test_a_stalled_disk_stalls_nobody_else(server, faults, calls, milliseconds):
    """Echoes are quick while eight associations store and every such call takes so long."""
    faults.set(stalled_classes=calls, stall_milliseconds=milliseconds)
    senders = [Sender(server.port) for _ in range(8)]
    results = {}

    def store(index, sender):
        instance = f"1.3.{index}"
        data_set = image(instance, bytes(SIZES[index % 2]))
        results[instance] = (sender.store(instance, data_set), data_set)

    threads = [threading.Thread(target=store, args=(index, sender)) for index, sender in enumerate(senders)]
    with Sender(server.port) as other:
        for thread in threads:
            thread.start()
        delays = []
        while any(thread.is_alive() for thread in threads):
            delays.append(echo_seconds(other))
            threads[0].join(0.02)
    assert len(delays) > 20
    assert max(delays) < ECHO_SECONDS, sorted(delays)[-5:]
    assert_all_stored(server, results)
    for sender in senders:
        sender.close()


@pytest.mark.parametrize("durability", ["sync"], indirect=True)
def test_a_failed_sync_is_a_failure_and_stays_one(server, faults, sender):
    faults.set(failing_classes=SYNC, failing_errno=errno.EIO)
    answers = store_all(sender)
    assert {status for status, _ in answers.values()} == {Status.PROCESSING_FAILURE}
    assert server.stored_files() == []
    assert server.part_files() == []
    faults.clear()
    assert_lives_on(server, sender)


@pytest.mark.parametrize("durability", ["sync"], indirect=True)
def test_a_failed_sync_fails_every_instance_that_it_covered(server, faults):
    """Several associations at once, so that one barrier covers many; every second sync fails."""
    faults.set(failing_classes=SYNC, failing_errno=errno.EIO, failing_every=2)
    statuses = {}

    def store(index):
        with Sender(server.port) as sender:
            for number in range(20):
                instance = f"1.4.{index}.{number}"
                statuses[instance] = sender.store(instance, image(instance, b"pixels"))

    threads = [threading.Thread(target=store, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses.values()) <= {Status.SUCCESS, Status.PROCESSING_FAILURE}
    for instance, status in statuses.items():
        kept = stored_data_set(server.folder, instance)
        assert (kept is not None) == (status == Status.SUCCESS), instance
    assert server.part_files() == []


@pytest.mark.parametrize(
    ("call", "number", "status"),
    [
        (WRITE, errno.ENOSPC, Status.OUT_OF_RESOURCES),
        (WRITE, errno.EDQUOT, Status.OUT_OF_RESOURCES),
        (WRITE, errno.EIO, Status.PROCESSING_FAILURE),
        (OPEN, errno.EMFILE, Status.OUT_OF_RESOURCES),
        (OPEN, errno.ENOSPC, Status.OUT_OF_RESOURCES),
        (RENAME, errno.EIO, Status.PROCESSING_FAILURE),
    ],
)
def test_a_failing_call_is_told_and_survived(server, faults, sender, call, number, status):
    faults.set(failing_classes=call, failing_errno=number)
    answers = store_all(sender)
    assert {answer for answer, _ in answers.values()} == {status}
    assert server.stored_files() == []
    faults.clear()
    assert_lives_on(server, sender)


def test_space_that_ends_in_mid_instance(server, faults, sender):
    """The third write fails: a part file is there already, and goes."""
    faults.set(failing_classes=WRITE, failing_errno=errno.ENOSPC, failing_every=3)
    data_set = image("1.5.1", bytes(3_000_000))
    assert sender.store("1.5.1", data_set) == Status.OUT_OF_RESOURCES
    assert server.stored_files() == []
    faults.clear()
    assert_lives_on(server, sender)


def test_short_writes_are_finished(server, faults, sender):
    faults.set(short_writes=1)
    assert_all_stored(server, store_all(sender))


def test_interrupted_calls_are_repeated(server, faults, sender):
    faults.set(interrupted=1)
    assert_all_stored(server, store_all(sender))
    faults.clear()
    assert_lives_on(server, sender)


def test_no_call_of_the_spool_passes_the_shim_by(library):
    asked = symbols("--undefined-only", port104._native.__file__) & CHANGING_CALLS
    assert "writev" in asked
    assert asked <= symbols("--defined-only", library)


def test_a_folder_that_cannot_be_counted_is_served(tmp_path, faults):
    """The count is for the log alone; a start under load may well run out of descriptors."""
    faults.set(failing_classes=LIST, failing_errno=errno.EMFILE)
    with engine(tmp_path / "storage", env=faults.environment) as server, Sender(server.port) as sender:
        server.wait_for(lambda: "cannot be counted" in server.log.read_text())
        assert_lives_on(server, sender)


def test_a_failed_resend_leaves_the_stored_instance(server, faults, sender):
    answers = store_all(sender)
    for call in (OPEN, WRITE, RENAME):
        faults.set(failing_classes=call, failing_errno=errno.EIO)
        for instance, (_, data_set) in answers.items():
            assert sender.store(instance, data_set + bytes(2)) == Status.PROCESSING_FAILURE
        faults.clear()
        assert_all_stored(server, answers)
        assert len(server.stored_files()) == len(answers)
