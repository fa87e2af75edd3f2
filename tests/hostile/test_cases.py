"""Every case against a running port104, over each way to connect; after each, nothing else is any different.

The cases run one after another, so that what is found wrong afterwards is that case's work; those that end by
a deadline wait for it together.
"""

import json
from pathlib import Path

import pytest
import trio

from engine_process import engine, free_port
from hostile.case import Send, matches
from hostile.cases import CASES, identity
from hostile.cases.instances import OBJECT_LIMIT
from hostile.play import echo, play, prepare
from hostile.talk import Transport
from tls_peers import Site

TIMERS = {
    "artimTimeout": 1,
    "requestTimeout": 1,
    "idleTimeout": 2,
    "sendTimeout": 1,
    "messageTimeout": 4,
    "minimumByteRate": 1000,
    "byteRateGrace": 1,
}
HANDSHAKE_SECONDS = 3  # with a hundred at a time
SETTINGS = TIMERS | {"maximumObjectSize": OBJECT_LIMIT}
PATIENCE = 10.0
# The issue's: what was under way is gone, and a new association is served, within a second.
SECOND = 1.0
MIB = 1 << 20
# Above what was resident before, while a case runs: some receive buffers of 256 KiB and a 60 KiB answer
# or two. The largest case sends 4 MiB and states 4 GiB.
PEAK_LIMIT = 4 * MIB
# By a round of all cases, 6 KiB for each: what is remembered of ended associations, and what waits for the
# garbage collector, go up and down by 3 MiB. Forty rounds ended where the fifth did.
GROWTH_LIMIT = 6 * MIB
# Address space may be reserved without being used, but not because a length says so.
ADDRESS_LIMIT = 256 * MIB
# Each I/O thread opens a pipe when it first has a large data set.
PIPES = 4
# Longer scripts would take long in small pieces, and show nothing that these do not.
SHORT = 3_000
# Where a file would appear that a UID or AE title of a peer had named.
TRACE = Path("/tmp/port104-was-here")
WAYS = ("plain", "pieces", "tls")

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def secured(site):
    """The TLS port's settings. Who calls shows no certificate: that is for the handshake's tests."""
    facts = {"certificate": str(site.certificate), "key": str(site.key)}
    return {"enabled": True, "port": free_port(), "handshakeTimeout": HANDSHAKE_SECONDS} | facts


@pytest.fixture(scope="module")
def server(tmp_path_factory, secured):
    TRACE.unlink(missing_ok=True)  # the survey's, of others
    folder = tmp_path_factory.mktemp("hostile") / "storage"
    scp = SETTINGS | {"tls": secured, "userIdentity": identity.settings(tmp_path_factory.mktemp("users"))}
    with engine(folder, scp=scp) as started:
        yield started
        assert started.terminate() == 0


@pytest.fixture(scope="module")
def transports(server, site, secured):
    """Where each way leads; each was gone once, so that what is loaded or allocated once is."""
    ways = {
        "plain": Transport(server.port),
        "pieces": Transport(server.port, pieces=True),
        "tls": Transport(secured["port"], site.client()),
    }
    for way in ways.values():
        assert trio.run(echo, way, PATIENCE) is not None
    return ways


def is_short(case):
    """Whether it is little that is sent, and known before."""
    sends = [step.data for step in case.steps if isinstance(step, Send)]
    return not any(map(callable, sends)) and sum(map(len, sends)) <= SHORT


def makes_sense(case, way, *, waits):
    if case.waits != waits or (case.breaks_tls and way != "tls"):
        return False
    return way != "pieces" or (not waits and not case.whole and is_short(case))


def cases(*, waits):
    """Each case with each way that it makes sense on."""
    return [
        pytest.param(case, way, id=f"{case.title}-{way}")
        for way in WAYS
        for case in CASES
        if makes_sense(case, way, waits=waits)
    ]


def signatures(server):
    """What tells whether a stored file was touched, by its path."""
    found = {}
    for path in server.stored_files():
        status = path.stat()
        found[path] = (status.st_ino, status.st_size, status.st_ctime_ns)
    return found


def assert_kept(server, before, stores):
    """Every file is what it was, at most `stores` are new, and none is half of one."""
    server.wait_for(lambda: not server.part_files(), SECOND)
    after = signatures(server)
    assert {path: after.get(path) for path in before} == before
    assert len(after) - len(before) <= stores


def forget_peak(server):
    """Let VmHWM start again from what is resident now (proc(5), clear_refs)."""
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")


def assert_right(case, observed):
    assert matches(observed.answer, case.pinned), f"{observed} instead of {case.pinned}"


@pytest.mark.parametrize(("case", "way"), cases(waits=False))
async def test_case(server, transports, case, way):
    await prepare(case, transports[way])
    before = signatures(server)
    resident, reserved = server.memory("VmRSS"), server.memory("VmPeak")
    forget_peak(server)
    observed = await play(case, transports[way], PATIENCE)
    assert_right(case, observed)
    assert await echo(transports[way], SECOND) is not None
    assert_kept(server, before, case.stores)
    assert server.memory("VmHWM") - resident < PEAK_LIMIT
    assert server.memory("VmPeak") - reserved < ADDRESS_LIMIT


@pytest.fixture(scope="module")
def waited(server, transports):
    """What was observed of each case that ends by a deadline; they wait at the same time."""
    observed = {}

    async def prepare_all():
        for one in cases(waits=True):
            case, way = one.values
            await prepare(case, transports[way])

    async def play_one(case, way):
        observed[case, way] = await play(case, transports[way], PATIENCE)

    async def play_all():
        async with trio.open_nursery() as nursery:
            for one in cases(waits=True):
                nursery.start_soon(play_one, *one.values)
            await trio.sleep(TIMERS["artimTimeout"] / 2)
            assert await echo(transports["plain"], SECOND) is not None

    trio.run(prepare_all)
    before = signatures(server)
    trio.run(play_all)
    stores = sum(one.values[0].stores for one in cases(waits=True))
    assert_kept(server, before, stores)
    return observed


@pytest.mark.parametrize(("case", "way"), cases(waits=True))
async def test_case_that_waits(transports, waited, case, way):
    assert_right(case, waited[case, way])
    assert await echo(transports[way], SECOND) is not None


def test_no_path_was_made_of_what_peers_said(server):
    assert not TRACE.exists()
    storage = server.folder
    databases = {f"ledger.sqlite3{end}" for end in ("", "-wal", "-shm")}
    ours = {"instances", "parts", "journal", "control.sock", "node"}
    assert ours <= {path.name for path in storage.iterdir()} <= ours | databases
    assert {path.name for path in storage.parent.iterdir()} == {"storage", "storage.json", "storage.log"}


def test_no_byte_of_a_peer_is_a_control_character_in_the_log(server):
    lines = server.log.read_bytes().splitlines(keepends=True)
    assert len(lines) > len(CASES)
    for line in lines:
        assert json.loads(line)["timestamp"]
        assert min(line.rstrip(b"\n")) >= 0x20
        assert b"\x7f" not in line


@pytest.mark.parametrize("way", ["plain", "tls"])
async def test_memory_and_descriptors_do_not_grow(server, transports, way):
    """What is loaded or allocated once is so after the first round."""

    async def play_all():
        for case in CASES:
            if makes_sense(case, way, waits=False):
                await play(case, transports[way], PATIENCE)
        assert await echo(transports[way], SECOND) is not None

    await play_all()
    resident, open_files = server.memory("VmRSS"), descriptors(server)
    await play_all()
    assert server.memory("VmRSS") - resident < GROWTH_LIMIT
    server.wait_for(lambda: descriptors(server) <= open_files + PIPES, SECOND)


def descriptors(server):
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
