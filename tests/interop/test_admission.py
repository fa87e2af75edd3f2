"""Who is let in, as DCMTK's echoscu is told, and what the log says of it to the one who must mend it."""

import pytest

from engine_process import engine
from peers import run_peer

pytestmark = pytest.mark.peer

ONLY_KNOWN = {"rejectUnknownSources": True, "sources": [{"aeTitle": "KNOWN", "hostIp": "127.0.0.1"}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with engine(tmp_path_factory.mktemp("admission") / "storage", scp=ONLY_KNOWN) as started:
        yield started
        assert started.terminate() == 0


def call(server, *, calling, called="PORT104", echoes=1):
    """Let echoscu call; returns its exit code, its output and the log entry of its association."""
    before = len(of(server, calling))
    code, output = run_peer(
        "echoscu", "-v", "-aet", calling, "-aec", called, "--repeat", echoes, "127.0.0.1", server.port
    )
    server.wait_for(lambda: len(of(server, calling)) > before)
    (entry,) = of(server, calling)[before:]
    return code, output, entry


def of(server, calling):
    return [entry for entry in server.log_entries() if entry.get("calling") == calling]


def rejection(output):
    """What echoscu says of an A-ASSOCIATE-RJ: its result, source and reason (PS3.8 9.3.4)."""
    lines = [line.removeprefix("F: ") for line in output.splitlines()]
    start = lines.index("Association Rejected:")
    return lines[start + 1 : start + 3]


def test_a_known_source_is_let_in_and_its_association_logged(server):
    code, output, entry = call(server, calling="KNOWN", echoes=3)
    assert code == 0, output
    assert output.count("Received Echo Response (Success)") == 3
    assert 0 <= entry.pop("seconds") < 60
    del entry["timestamp"]
    assert entry == {
        "level": "info",
        "logger": "port104.association",
        "event": "association released",
        "address": "127.0.0.1",
        "calling": "KNOWN",
        "called": "PORT104",
        "echoes": 3,
    }


def test_an_unknown_source_is_rejected(server):
    code, output, entry = call(server, calling="STRANGER")
    assert code != 0
    assert rejection(output) == [
        "Result: Rejected Permanent, Source: Service User",
        "Reason: Calling AE Title Not Recognized",
    ]
    assert (entry["level"], entry["event"]) == ("warning", "association rejected")
    assert entry["reason"] == 'calling AE title "STRANGER" is not among the sources (1/1/3)'
    assert '{"aeTitle": "STRANGER", "hostIp": "127.0.0.1"}' in entry["hint"]


def test_a_wrong_called_ae_title_is_rejected(server):
    code, output, entry = call(server, calling="KNOWN", called="SOMEBODY")
    assert code != 0
    assert rejection(output) == [
        "Result: Rejected Permanent, Source: Service User",
        "Reason: Called AE Title Not Recognized",
    ]
    assert (entry["level"], entry["event"]) == ("warning", "association rejected")
    assert entry["called"] == "SOMEBODY"
    assert entry["reason"] == 'called AE title "SOMEBODY" is not among the local AE titles (1/1/7)'
    assert 'have the peer call "PORT104"' in entry["hint"]


def test_a_rejected_source_may_call_again_as_a_known_one(server):
    assert call(server, calling="STRANGER")[0] != 0
    assert call(server, calling="KNOWN")[0] == 0
