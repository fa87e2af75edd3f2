"""A thousand associations at once are served, also when most of them are in mid-instance and silent."""

import contextlib
import resource

import pytest

from engine_process import engine
from port104.wire.command import Status
from sender import Sender, image
from stored import stored_data_set

ASSOCIATIONS = 1000

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    scp = {"maximumNumberOfAssociations": ASSOCIATIONS}
    with engine(tmp_path_factory.mktemp("load") / "storage", scp=scp) as started:
        yield started


@pytest.fixture
def room_for_sockets():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def senders(server, room_for_sockets):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Sender(server.port)) for _ in range(ASSOCIATIONS)]


def instances(root):
    """A UID and its data set for each association; every other one is too long to be taken whole."""
    return {
        f"{root}.{index}": image(f"{root}.{index}", bytes([index % 251]) * (500, 100_000)[index % 2])
        for index in range(ASSOCIATIONS)
    }


def finish(senders, left):
    """Send what is left of each instance, then read the answers: all are under way at once."""
    for sender, rest in zip(senders, left, strict=True):
        sender.socket.sendall(rest)
    return [sender.response().status for sender in senders]


def assert_stored(server, sent):
    for instance, data_set in sent.items():
        assert stored_data_set(server.folder, instance) == data_set


def test_a_thousand_store_at_once(server, senders):
    sent = instances("1.2")
    left = [
        sender.begin_store(instance, data_set, 0)
        for sender, (instance, data_set) in zip(senders, sent.items(), strict=True)
    ]
    assert set(finish(senders, left)) == {Status.SUCCESS}
    assert_stored(server, sent)
    assert {sender.echo() for sender in senders} == {Status.SUCCESS}
    with pytest.raises(ConnectionError, match="PDU type 3, 00020302"):  # one too many: rejected-transient
        Sender(server.port)
    for sender in senders:
        sender.release()


def test_silent_peers_hold_nobody_up(server, senders):
    """All but one stop in mid-instance; threads are few, and none waits for them."""
    sent = instances("1.3")
    *silent, lively = senders
    left = [
        sender.begin_store(instance, data_set, 450)
        for sender, (instance, data_set) in zip(silent, sent.items(), strict=False)
    ]
    for number in range(20):
        data_set = image(f"1.4.{number}", bytes(100_000))
        assert lively.store(f"1.4.{number}", data_set) == Status.SUCCESS
    assert set(finish(silent, left)) == {Status.SUCCESS}
    sent.popitem()  # the lively one's
    assert_stored(server, sent)
