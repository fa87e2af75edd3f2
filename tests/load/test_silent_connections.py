"""Five thousand connections that never become associations cost the others next to nothing."""

import contextlib
import resource
import socket
import time

import pytest

from engine_process import engine
from port104.wire.command import Status
from raw_peer import association_request
from sender import Sender, image

SILENT = 5000
SAID = (b"", b"\1\0\0", association_request().encode()[:-1])  # nothing, half a header, all but the last byte
ECHO_SECONDS = 1.0
STORE_SECONDS = 0.7
LEAST_SHARE = 0.95  # of the throughput without them
ROUNDS = 12  # until it is met: what else the machine does makes single ones slower, on either side
BYTES_EACH = 16 * 1024
PIPES = 2 * 64  # at most, of I/O threads that have had to do with a large data set

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def room_for_sockets():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < SILENT + 1000:
        pytest.skip(f"the limit on open files is {hard}: {SILENT} connections need more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def servers(tmp_path, room_for_sockets):
    """One that nobody disturbs, and one for the silent, who may stay as long as the test takes."""
    patient = {"artimTimeout": 600, "requestTimeout": 600}
    with (
        engine(tmp_path / "alone", durability="os") as alone,
        engine(tmp_path / "crowded", durability="os", scp=patient) as crowded,
    ):
        yield alone, crowded


def open_silent(server, stack):
    for number in range(SILENT):
        silent = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        silent.sendall(SAID[number % len(SAID)])


def percentile_99(times):
    return sorted(times)[len(times) * 99 // 100]


def echo_times(server):
    """Seconds of echoes, each once in an association that stays and once in one of its own."""
    times = []
    end = time.monotonic() + ECHO_SECONDS
    with Sender(server.port) as kept:
        while time.monotonic() < end:
            begun = time.monotonic()
            assert kept.echo() == Status.SUCCESS
            times.append(time.monotonic() - begun)
            begun = time.monotonic()
            with Sender(server.port) as fresh:
                assert fresh.echo() == Status.SUCCESS
                fresh.release()
            times.append(time.monotonic() - begun)
        kept.release()
    return times


def stores_a_second(server):
    data_set = image("1.2.3", bytes(8192))
    count = 0
    begun = time.monotonic()
    with Sender(server.port) as sender:
        while time.monotonic() < begun + STORE_SECONDS:
            assert sender.store("1.2.3", data_set) == Status.SUCCESS
            count += 1
        passed = time.monotonic() - begun
        sender.release()
    return count / passed


def test_silent_connections_neither_delay_nor_slow_the_others(servers):
    alone, crowded = servers
    with contextlib.ExitStack() as stack:
        descriptors = crowded.descriptors()
        assert stores_a_second(crowded) > 0  # what is loaded once is loaded
        before = crowded.memory()
        open_silent(crowded, stack)
        crowded.wait_for(lambda: crowded.descriptors() >= descriptors + SILENT)
        times = echo_times(crowded)
        undisturbed, disturbed = [], []
        for _ in range(ROUNDS):
            undisturbed.append(stores_a_second(alone))
            disturbed.append(stores_a_second(crowded))
            if max(disturbed) >= LEAST_SHARE * max(undisturbed):
                break
        grown = crowded.memory() - before
        assert crowded.descriptors() >= descriptors + SILENT  # all of them stayed
    share = max(disturbed) / max(undisturbed)
    slowest = percentile_99(times)
    print(
        f"echo p99 {slowest * 1000:.1f} ms of {len(times)}; {max(disturbed):.0f} stores/s, {share:.1%}"
        f" of {max(undisturbed):.0f}, after {len(disturbed)} rounds; {grown / SILENT:.0f} bytes a connection"
    )
    assert slowest < 0.1
    assert share >= LEAST_SHARE
    assert grown < SILENT * BYTES_EACH
    crowded.wait_for(lambda: crowded.descriptors() <= descriptors + PIPES, 10)
