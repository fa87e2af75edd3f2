"""A running engine whose configuration changes: the next association is judged by it, running ones go on."""

import contextlib
import json
import signal
import socket

import pytest

from engine_process import engine
from port104.wire.command import Status
from port104.wire.pdu import AssociateAC, AssociateRJ, decode
from raw_peer import association_request
from sender import Sender, image

FAULTY = "the configuration is faulty: all stays as it was"
READ = "configuration read again"


@pytest.fixture
def server(tmp_path):
    """Logs what is severe until it is told otherwise, which `READ` is not."""
    scp = {"rejectUnknownSources": True, "sources": [source("PEER")]}
    with engine(tmp_path / "storage", scp=scp, log={"level": "warning"}) as started:
        yield started


def source(ae_title):
    return {"aeTitle": ae_title, "hostIp": "127.0.0.1"}


def change(server, *, hang_up=True, scp=None, **sections):
    """Write other settings, and have them read; with neither only read."""
    file = server.folder.with_name(server.folder.name + ".json")
    document = json.loads(file.read_text())
    adapter = document["DicomAdapter"]
    adapter["dicom"]["scp"] |= scp or {}
    for name, section in sections.items():
        adapter[name] = adapter.get(name, {}) | section
    new = file.with_name("new.json")
    new.write_text(json.dumps(document))
    new.rename(file)
    if hang_up:
        server.process.send_signal(signal.SIGHUP)


def said(server, event):
    return [entry for entry in server.log_entries() if entry["event"] == event]


def answer(server, calling):
    sender = Sender.__new__(Sender)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sender.socket:
        sender.socket.sendall(association_request(calling_ae_title=calling).encode())
        return type(decode(*sender.read_pdu()))


def test_a_hang_up_changes_what_can_change(server):
    with contextlib.closing(Sender(server.port)) as before:
        assert answer(server, "CT1") is AssociateRJ
        change(
            server,
            scp={
                "sources": [source("CT1")],
                "port": 1,
                "idleTimeout": 0.2,
                "logDataPDUs": True,
                "logDimseDatasets": True,
            },
            log={"level": "info"},
            storage={"ioThreads": 3},
        )
        server.wait_for(lambda: said(server, READ))
        assert answer(server, "PEER") is AssociateRJ
        assert answer(server, "CT1") is AssociateAC
        assert before.store("1.2.1", image("1.2.1", b"pixels")) == Status.SUCCESS, "running ones go on"
        server.wait_for(lambda: said(server, "data set"))
    [entry] = said(server, READ)
    assert set(entry["changed"]) == {
        "dicom.scp.sources",
        "dicom.scp.idleTimeout",
        "dicom.scp.logDataPDUs",
        "dicom.scp.logDimseDatasets",
        "log.level",
    }
    [waiting] = said(server, "settings that differ hold from the next start on")
    assert waiting["settings"] == ["dicom.scp.port", "storage.ioThreads"]
    assert server.terminate() == 0


def test_a_changed_file_is_read_without_being_told(server):
    lenient = {"rejectUnknownSources": False, "aeTitles": [{"aeTitle": "OTHER"}]}
    change(server, hang_up=False, scp=lenient, log={"level": "info"})
    server.wait_for(lambda: said(server, READ), seconds=10)
    assert answer(server, "ANYBODY") is AssociateRJ
    change(server, scp={"aeTitles": [{"aeTitle": "PORT104"}]})
    server.wait_for(lambda: len(said(server, READ)) == 2)
    assert answer(server, "ANYBODY") is AssociateAC


def test_a_faulty_one_changes_nothing(server):
    change(server, scp={"sources": [], "prot": 1})
    server.wait_for(lambda: said(server, FAULTY))
    assert "did you mean dicom.scp.port?" in said(server, FAULTY)[0]["faults"][0]
    change(server, scp={"userIdentity": {"mode": "optional", "passcodeFile": "/missing"}})
    server.wait_for(lambda: len(said(server, FAULTY)) == 2)
    assert answer(server, "PEER") is AssociateAC
    assert server.terminate() == 0
