"""SIGTERM drains, a second one ends at once, and neither loses what was acknowledged."""

import signal
import socket
import threading

import pytest

from engine_process import engine
from file_faults import WRITE, Faults, compile_shim
from port104.wire.command import Status
from port104.wire.pdu import Abort
from sender import Sender, image
from stored import stored_data_set

ASSOCIATIONS = 8
BYTES = 200_000
SHORT_DEADLINE_SECONDS = 1.0

A_ABORT = 7


@pytest.fixture
def server(request, tmp_path):
    with engine(tmp_path / "storage", scp=getattr(request, "param", None)) as started:
        yield started


def with_deadline(seconds):
    return pytest.mark.parametrize("server", [{"shutdownDeadline": seconds}], indirect=True)


def listens(server):
    try:
        socket.create_connection(("127.0.0.1", server.port), 1).close()
    except ConnectionRefusedError:
        return False
    return True


def stop(server, number=signal.SIGTERM):
    """Send the signal; return once it is obeyed: nobody new gets in."""
    server.process.send_signal(number)
    server.wait_for(lambda: not listens(server))


def begin_all(server, root):
    """Associations in mid-instance: (sender, UID, data set, bytes left to send) of each."""
    begun = []
    for index in range(ASSOCIATIONS):
        sender, instance = Sender(server.port), f"{root}.{index}"
        data_set = image(instance, bytes([index]) * BYTES)
        begun.append((sender, instance, data_set, sender.begin_store(instance, data_set, BYTES // 2)))
    return begun


def log_of(server, event):
    return [entry for entry in server.log_entries() if entry["event"] == event]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_finishes(server, number):
    begun = begin_all(server, "1.2")
    stop(server, number)
    for sender, instance, _, left in begun:
        sender.socket.sendall(left)
        assert sender.response().status == Status.SUCCESS
        again = image(f"{instance}.1", b"pixels")
        assert sender.store(f"{instance}.1", again) == Status.SUCCESS  # the association goes on
        sender.release()
    assert server.process.wait(5) == 0
    for _, instance, data_set, _ in begun:
        assert stored_data_set(server.folder, instance) == data_set
    assert len(server.stored_files()) == 2 * ASSOCIATIONS
    assert server.part_files() == []
    assert log_of(server, "stopped")[0]["stored"] == 2 * ASSOCIATIONS


def test_nothing_to_finish_ends_at_once(server):
    with Sender(server.port) as sender:
        sender.release()
    assert server.terminate(5) == 0


@with_deadline(SHORT_DEADLINE_SECONDS)
def test_associations_that_never_end_are_aborted_at_the_deadline(server):
    """Under full load: every instance that was acknowledged is there, and no other bytes."""
    acknowledged = {}

    def send(index):
        number = 0
        with Sender(server.port) as sender:
            while True:
                number += 1
                instance = f"1.3.{index}.{number}"
                data_set = image(instance, bytes([index]) * (1_000, BYTES)[number % 2])
                try:
                    status = sender.store(instance, data_set)
                except (OSError, EOFError):
                    return
                if status == Status.SUCCESS:
                    acknowledged[instance] = data_set

    threads = [threading.Thread(target=send, args=(index,)) for index in range(ASSOCIATIONS)]
    for thread in threads:
        thread.start()
    server.wait_for(lambda: len(acknowledged) > ASSOCIATIONS)
    stop(server)
    at_signal = len(acknowledged)
    for thread in threads:
        thread.join()
    assert server.process.wait(SHORT_DEADLINE_SECONDS + 3) == 0
    assert len(acknowledged) > at_signal, "draining lets associations go on"
    for instance, data_set in acknowledged.items():
        assert stored_data_set(server.folder, instance) == data_set
    assert server.part_files() == []


@with_deadline(SHORT_DEADLINE_SECONDS)
def test_silent_peers_are_told_at_the_deadline(server):
    begun = begin_all(server, "1.4")
    stop(server)
    assert server.process.wait(SHORT_DEADLINE_SECONDS + 3) == 0
    for sender, *_ in begun:
        assert sender.read_pdu() == (A_ABORT, Abort(0, 0).encode()[6:])
        sender.close()
    assert server.stored_files() == []
    assert server.part_files() == []


def test_the_second_signal_does_not_wait(server):
    begun = begin_all(server, "1.5")
    stop(server)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(3) == 0
    for sender, *_ in begun:
        assert sender.read_pdu()[0] == A_ABORT
        sender.close()
    assert server.stored_files() == []
    assert server.part_files() == []


def test_the_second_signal_does_not_wait_for_a_disk_that_hangs(tmp_path):
    folder = tmp_path / "storage"
    faults = Faults(tmp_path / "control", folder, compile_shim(tmp_path))
    with engine(folder, env=faults.environment) as server, Sender(server.port) as sender:
        kept = image("1.6.1", b"pixels")
        assert sender.store("1.6.1", kept) == Status.SUCCESS
        faults.set(stalled_classes=WRITE, stall_milliseconds=60_000)
        calls = faults.calls
        sender.begin_store("1.6.2", image("1.6.2", b"pixels"), 10_000)
        server.wait_for(lambda: faults.calls > calls)
        stop(server)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 1
        assert stored_data_set(folder, "1.6.1") == kept
    faults.close()
