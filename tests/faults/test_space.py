"""A volume that fills up under the real server, and empties again; the shim tells what is free."""

import time

import pytest

from engine_process import engine
from file_faults import Faults, compile_shim
from port104.wire.command import Status
from port104.wire.pdu import PresentationContext
from raw_peer import IMPLICIT, VERIFICATION
from sender import Sender, image

ENOUGH, LOW, NONE = 50_000, 10_000, 5_000  # megabytes of 100,000
# Looks are half a second apart.
SECONDS = 5.0

pytestmark = pytest.mark.alone


@pytest.fixture
def faults(tmp_path):
    made = Faults(tmp_path / "control", tmp_path / "storage", compile_shim(tmp_path))
    yield made
    made.close()


@pytest.fixture
def volume(faults):
    """Sets what is free."""

    def free(megabytes):
        faults.set(volume_megabytes=100_000, free_megabytes=megabytes)

    free(ENOUGH)
    return free


@pytest.fixture
def server(tmp_path, faults, volume):
    limits = {"watermarkPercent": 85, "reserveSpaceGB": 5}
    with engine(tmp_path / "storage", storage=limits, env=faults.environment) as started:
        calls_of_the_start = faults.main_thread_calls
        yield started
        assert faults.main_thread_calls == calls_of_the_start


def send(port):
    """One instance over an association of its own: its status, or the rejection."""
    try:
        with Sender(port) as sender:
            status = sender.store("1.2.1", image("1.2.1", b"pixels"))
            sender.release()
            return status
    except ConnectionError as rejection:
        return str(rejection)


REJECTED = "not accepted: PDU type 3, 00020302"


def test_a_volume_that_fills_up_and_empties(server, volume):
    assert send(server.port) == Status.SUCCESS
    with Sender(server.port) as running:
        volume(LOW)
        server.wait_for(lambda: send(server.port) == REJECTED, SECONDS)
        assert running.store("1.2.2", image("1.2.2", b"pixels")) == Status.SUCCESS
        volume(NONE)
        server.wait_for(
            lambda: running.store("1.2.3", image("1.2.3", b"pixels")) == Status.OUT_OF_RESOURCES, SECONDS
        )
        assert running.store("1.2.4", image("1.2.4", bytes(300_000))) == Status.OUT_OF_RESOURCES
        assert running.echo() == Status.SUCCESS
        assert send(server.port) == REJECTED
        only_echo = (PresentationContext(1, VERIFICATION, (IMPLICIT,)),)
        with Sender(server.port, presentation_contexts=only_echo) as other:
            assert other.echo() == Status.SUCCESS
        volume(ENOUGH)
        emptied = time.monotonic()
        server.wait_for(lambda: send(server.port) == Status.SUCCESS, SECONDS)
        assert time.monotonic() - emptied < 2
        assert running.store("1.2.4", image("1.2.4", bytes(300_000))) == Status.SUCCESS
        running.release()
    assert server.part_files() == []
    events = [entry["event"].split(":")[0] for entry in server.log_entries()]
    changes = [event for event in events if "space" in event]
    assert changes == ["space runs low", "no space", "enough space again"]
    # However many were refused on it.
    assert events.count("instance refused") == 1


def test_a_volume_that_is_full_at_the_start(tmp_path, faults, volume):
    volume(NONE)
    limits = {"watermarkPercent": 85, "reserveSpaceGB": 5}
    with engine(tmp_path / "storage", storage=limits, env=faults.environment) as started:
        assert send(started.port) == REJECTED
        volume(ENOUGH)
        started.wait_for(lambda: send(started.port) == Status.SUCCESS, SECONDS)
