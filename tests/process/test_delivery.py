"""Results reach their destinations from a running server: DCMTK's, and one that does what goes wrong."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from engine_process import engine, free_port
from orthanc_process import orthanc
from peers import find_peer
from port104.wire.command import Status
from receiving import Receiver
from sender import Sender, element, image, uid

STUDY = element(0x0020, 0x000D, b"UI", uid("1.2.3"))
SERIES = element(0x0020, 0x000E, b"UI", uid("1.2.3.9"))

pytestmark = pytest.mark.timeout(180)


def settings(web=None, **ports):
    """A pipeline that sends on what comes, to each of the destinations. `web`: the URL of one called WEB."""
    pipeline = {
        "name": "copy",
        "id": "c0",
        "command": "sh -c 'cp dcm/*.dcm output/'",
        "destinations": [*ports, *(["WEB"] if web else [])],
    }
    destinations = [
        {"name": name, "aeTitle": name, "hostIp": "127.0.0.1", "port": port} for name, port in ports.items()
    ]
    if web:
        destinations.append({"name": "WEB", "url": web})
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-copy": "c0"}}
    return {
        "scp": {"aeTitles": [local_ae]},
        "scu": {"aeTitle": "ENGINE", "destinations": destinations, "export": {"retryDelay": 0.1}},
        "pipelines": [pipeline],
        "log": {"format": "json"},
        "api": {"port": None},
    }


def send(server, *numbers):
    with Sender(server.port) as sender:
        for number in numbers:
            # Orthanc takes nothing without a series, and says that it lacks resources then.
            data_set = image(f"1.2.3.{number}", b"pixels").replace(STUDY, STUDY + SERIES)
            assert sender.store(f"1.2.3.{number}", data_set) == Status.SUCCESS
        sender.release()


def rows(server, sql):
    with closing(sqlite3.connect(f"file:{server.folder}/ledger.sqlite3?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def states(server):
    return dict(rows(server, "SELECT destination, state FROM port104_export"))


def listed(server):
    """What the command line says of it."""
    line = [sys.executable, "-m", "port104", "exports", "list", "--storage", str(server.folder)]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.peer
def test_results_reach_dcmtk_and_orthanc_while_another_destination_is_down(tmp_path):
    port, other, received = free_port(), free_port(), tmp_path / "received"
    received.mkdir()
    arguments = [find_peer("storescp"), "-od", str(received), "-aet", "DCMTK", str(port)]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as storescp:
        try:
            given = settings(DCMTK=port, ORTHANC=other, DOWN=free_port())
            with orthanc(tmp_path, port, other) as archive, engine(tmp_path / "storage", **given) as server:
                send(server, 1, 2, 3)
                there = {"DCMTK": "delivered", "ORTHANC": "delivered", "DOWN": "waiting"}
                server.wait_for(lambda: states(server) == there, 60)
                ((why,),) = rows(server, "SELECT why FROM port104_pause")
                assert "cannot be reached: Connection refused; look at the port" in why
                assert archive.instances() == {"1.2.3.1", "1.2.3.2", "1.2.3.3"}
                assert why in listed(server)
                assert server.terminate() == 0
        finally:
            storescp.kill()
    assert sorted(path.name.partition(".")[2] for path in received.iterdir()) == [
        "1.2.3.1",
        "1.2.3.2",
        "1.2.3.3",
    ]


@pytest.mark.peer
def test_results_reach_orthanc_over_the_web(tmp_path):
    with (
        orthanc(tmp_path, free_port(), dicomweb=True) as archive,
        engine(tmp_path / "storage", **settings(web=archive.dicomweb)) as server,
    ):
        send(server, *range(40))
        server.wait_for(lambda: states(server) == {"WEB": "delivered"}, 60)
        assert archive.instances() == {f"1.2.3.{number}" for number in range(40)}
        assert rows(server, "SELECT DISTINCT status, attempt FROM port104_result") == [(0, 1)]
        assert server.terminate() == 0


def test_what_a_destination_does_wrong_loses_nothing(tmp_path):
    with Receiver() as receiver:
        receiver.script = [0x0000, "abort", 0xC000, 0xB007, 0xA700, "abort"]
        with engine(tmp_path / "storage", **settings(PACS=receiver.port)) as server:
            send(server, *range(10))
            server.wait_for(lambda: states(server).get("PACS") == "delivered", 60)
            assert set(receiver.stored.values()) == {1}
            assert len(receiver.stored) == 10
            assert rows(server, "SELECT COUNT(*) FROM port104_result WHERE status = 45063") == [(1,)]
            assert server.terminate() == 0


def test_a_destination_that_was_down_gets_everything_once(tmp_path):
    receiver = Receiver()
    with engine(tmp_path / "storage", **settings(PACS=receiver.port)) as server:
        send(server, *range(20))
        server.wait_for(lambda: rows(server, "SELECT why FROM port104_pause"), 60)
        assert states(server) == {"PACS": "waiting"}
        server.kill()
    with receiver, engine(tmp_path / "storage", **settings(PACS=receiver.port)) as server:
        server.wait_for(lambda: states(server) == {"PACS": "delivered"}, 60)
        assert rows(server, "SELECT why FROM port104_pause") == []
        assert server.terminate() == 0
    assert (len(receiver.stored), set(receiver.stored.values())) == (20, {1})
