"""DCMTK's storescu with a user name and passcode: let in and answered, or rejected (PS3.7 D.3.3.7)."""

import pytest
from pydicom.data import get_testdata_file

from cheap_hash import cheap
from engine_process import engine
from peers import run_peer

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("identity")
    (folder / "users").write_text(f"ct1:{cheap(b'open sesame').encode()}\n")
    scp = {"userIdentity": {"mode": "required", "passcodeFile": str(folder / "users")}}
    with engine(folder / "storage", scp=scp) as started:
        yield started
        assert started.terminate() == 0


def send(server, *identity):
    file = get_testdata_file("CT_small.dcm")
    return run_peer("storescu", "-v", *identity, "-aec", "PORT104", "127.0.0.1", server.port, file)


def test_who_is_rejected_is_told_so(server):
    for identity in ((), ("-usr", "ct1"), ("-usr", "ct1", "-pwd", "open says me")):
        code, output = send(server, *identity)
        assert code != 0
        assert "Result: Rejected Permanent, Source: Service Provider (ACSE Related)" in output
    assert server.stored_files() == []


def test_who_is_right_is_answered_and_may_store(server):
    code, output = send(server, "-rsp", "-usr", "ct1", "-pwd", "open sesame")
    assert code == 0, output
    assert len(server.stored_files()) == 1
