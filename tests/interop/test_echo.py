"""Verification by foreign peers, and what they are told when it is refused."""

import pynetdicom
import pytest
from pynetdicom.sop_class import Verification

from engine_process import engine
from peers import run_peer
from port104.wire.command import Status
from pynetdicom_requestor import without_its_race


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with engine(tmp_path_factory.mktemp("echo") / "storage") as started:
        yield started
        assert started.terminate() == 0


def echoscu(server, *options):
    return run_peer("echoscu", "-v", *options, "127.0.0.1", server.port)


@pytest.mark.peer
def test_echoscu(server):
    code, output = echoscu(server, "-aec", "PORT104", "--repeat", 10)
    assert code == 0, output
    assert output.count("Received Echo Response (Success)") == 10


@pytest.mark.peer
@pytest.mark.parametrize("contexts", [2, 128])
def test_echoscu_proposes_much(server, contexts):
    """All its transfer syntaxes, and as many contexts as there can be."""
    code, output = echoscu(server, "-aec", "PORT104", "-pts", 3, "-ppc", contexts)
    assert code == 0, output


@pytest.mark.peer
def test_echoscu_is_told_that_it_called_somebody_else(server):
    code, output = echoscu(server, "-aec", "SOMEBODY")
    assert code != 0
    assert "Called AE Title Not Recognized" in output


@pytest.mark.peer
def test_echoscu_aborts(server):
    code, output = echoscu(server, "-aec", "PORT104", "-aet", "ABORTER", "--abort")
    assert code == 0, output
    server.wait_for(lambda: ended(server, "ABORTER"))
    assert [entry["event"] for entry in ended(server, "ABORTER")] == ["association aborted by peer"]


def ended(server, calling):
    return [entry for entry in server.log_entries() if entry.get("calling") == calling]


def test_pynetdicom_echo(server):
    entity = pynetdicom.AE()
    entity.add_requested_context(Verification)
    with without_its_race():
        association = entity.associate("127.0.0.1", server.port, ae_title="PORT104")
    assert association.is_established
    assert association.send_c_echo().Status == Status.SUCCESS
    association.release()
    assert association.is_released
