"""Five thousand connections that never become associations cost the others next to nothing."""

import contextlib
import resource
import socket
import time

import pytest

from engine_process import engine
from lacking import lacking
from port104.wire.command import Status
from raw_peer import association_request
from sender import Sender, image

SILENT = 5000
SAID = (b"", b"\1\0\0", association_request().encode()[:-1])  # nothing, half a header, all but the last byte
ECHO_SECONDS = 1.0
STORE_SECONDS = 0.6
SAMPLES = 3  # of the throughput, each time
LEAST_SHARE = 0.95  # of the throughput without them
# Single figures differ by a fifth with what else the machine does, so the best of some rounds counts; each is
# compared to what was measured right before and after it.
ROUNDS = 6
BYTES_EACH = 16 * 1024
STRAYS = 150  # descriptors of what a start and a first instance leave open, and of what is being closed

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def room_for_sockets():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < SILENT + 1000:
        lacking(f"the limit on open files is {hard}: raise it, {SILENT} connections need more (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def server(tmp_path, room_for_sockets):
    """The silent may stay as long as the test takes."""
    patient = {"artimTimeout": 600, "requestTimeout": 600}
    with engine(tmp_path / "storage", durability="os", scp=patient) as started:
        yield started


@contextlib.contextmanager
def silent_peers(server):
    before = server.descriptors()
    with contextlib.ExitStack() as stack:
        for number in range(SILENT):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            silent.sendall(SAID[number % len(SAID)])
        server.wait_for(lambda: server.descriptors() > before + SILENT - STRAYS, 20)
        yield
        assert server.descriptors() > before + SILENT - STRAYS  # they stayed
    server.wait_for(lambda: server.descriptors() < before + STRAYS, 20)


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
    """The best of some samples."""
    return max(sample_of_stores(server) for _ in range(SAMPLES))


def sample_of_stores(server):
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


def test_silent_connections_neither_delay_nor_slow_the_others(server):
    sample_of_stores(server)  # what is loaded once is loaded
    before = server.memory()
    with silent_peers(server):
        slowest = percentile_99(echo_times(server))
        grown = server.memory() - before
    assert slowest < 0.1
    assert grown < SILENT * BYTES_EACH
    shares = []
    without = [stores_a_second(server)]
    while len(shares) < ROUNDS and max(shares, default=0) < LEAST_SHARE:
        with silent_peers(server):
            disturbed = stores_a_second(server)
        without.append(stores_a_second(server))
        shares.append(2 * disturbed / sum(without[-2:]))
    print(f"echo p99 {slowest * 1000:.1f} ms; {grown / SILENT:.0f} bytes a connection")
    print(f"{without[-1]:.0f} stores/s without them; with them", *(f"{share:.1%}" for share in shares))
    assert max(shares) >= LEAST_SHARE
