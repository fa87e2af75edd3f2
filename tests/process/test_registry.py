"""The registry of a started engine: what was stored holds, and a file that is no registry starts nothing."""

import socket

import pytest

from engine_process import engine
from port104.registry.catalogue import Catalogue
from port104.registry.entries import LocalAE, Source
from port104.registry.store.opening import FILE_NAME, open_entry_store
from port104.wire.command import Status
from port104.wire.pdu import AssociateAC, AssociateRJ, decode
from raw_peer import association_request
from sender import Sender, image

IMPLICIT = "1.2.840.10008.1.2"


def store(folder, *entries):
    """Put entries into the registry of an engine that does not run."""
    folder.mkdir(exist_ok=True)
    opened = open_entry_store(None, folder)
    catalogue = Catalogue(opened)
    for entry in entries:
        catalogue.create(entry)
    opened.close()


def test_what_is_stored_admits(tmp_path):
    folder = tmp_path / "storage"
    store(
        folder,
        LocalAE(ae_title="COVIDAET", accepted_transfer_syntaxes=frozenset({IMPLICIT})),
        Source(ae_title="PEER", hosts=("10.0.0.0/8", "localhost")),
    )
    with engine(folder, scp={"rejectUnknownSources": True}) as server:
        server.wait_for(lambda: isinstance(answer(server), AssociateAC))  # once localhost is looked up
        assert [context.result for context in answer(server).presentation_contexts] == [0, 0]
        narrow = answer(server, called_ae_title="COVIDAET")
        assert [context.result for context in narrow.presentation_contexts] == [0, 4]
        assert answer(server, calling_ae_title="STRANGER") == AssociateRJ(1, 1, 3)
        (read,) = [entry for entry in server.log_entries() if entry["event"] == "registry read"]
        assert (read["ae_titles"], read["sources"], read["destinations"]) == (2, 1, 0)
        assert server.terminate() == 0


def answer(server, **titles):
    """What a request is answered with."""
    sender = Sender.__new__(Sender)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sender.socket:
        sender.socket.sendall(association_request(**titles).encode())
        return decode(*sender.read_pdu())


def test_a_damaged_registry_starts_nothing(tmp_path):
    folder = tmp_path / "storage"
    store(folder, LocalAE(ae_title="COVIDAET"))
    (folder / FILE_NAME).write_bytes(b"")
    with (
        pytest.raises(AssertionError, match="move it away to begin with no stored AE titles"),
        engine(folder),
    ):
        pass
    log = (tmp_path / "storage.log").read_text()
    assert "Traceback" not in log
    assert (folder / FILE_NAME).read_bytes() == b""


def test_an_engine_whose_registry_was_never_changed_leaves_no_file(tmp_path):
    with engine(tmp_path / "storage") as server:
        with Sender(server.port) as sender:
            assert sender.store("1.2.1", image("1.2.1", b"pixels")) == Status.SUCCESS
        assert server.terminate() == 0
    assert not (tmp_path / "storage" / FILE_NAME).exists()
