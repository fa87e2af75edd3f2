"""Storage commitment with pynetdicom: as SCU of what port104 holds, and as SCP of what port104 has sent."""

import contextlib
import queue
import sqlite3
import threading
import time

import pynetdicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom.sop_class import (
    SecondaryCaptureImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

import pynetdicom_sockets  # noqa: F401 - mends it
from engine_process import engine, free_port
from pynetdicom_requestor import without_its_race
from sender import Sender, image


@pytest.fixture(scope="module")
def modality():
    """A modality: what it is told, and the port on which it hears of what it cannot hear otherwise."""
    return Modality()


class Modality:
    def __init__(self):
        self.port = free_port()
        self.reports = queue.Queue()
        self.handlers = [(pynetdicom.evt.EVT_N_EVENT_REPORT, self.told)]

    def told(self, event):
        self.reports.put((event.event_type, event.event_information))
        return 0x0000, None

    def ask(self, server, *instances, stay):
        """Ask whether instances are held; `stay`: wait for the report on this association."""
        entity = pynetdicom.AE("MODALITY")
        entity.add_requested_context(StorageCommitmentPushModel)
        with without_its_race():
            association = entity.associate(
                "127.0.0.1", server.port, ae_title="PORT104", evt_handlers=self.handlers
            )
            assert association.is_established
            status, _ = association.send_n_action(
                asked(*instances), 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
            assert status.Status == 0x0000
            report = self.reports.get(timeout=10) if stay else None
            association.release()
            return report or self.reports.get(timeout=20)


def asked(*instances):
    information = Dataset()
    information.TransactionUID = "1.2.3.4"
    information.ReferencedSOPSequence = []
    for instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID = SecondaryCaptureImageStorage
        item.ReferencedSOPInstanceUID = instance
        information.ReferencedSOPSequence.append(item)
    return information


@pytest.fixture(scope="module")
def server(tmp_path_factory, modality):
    destination = {"name": "modality", "aeTitle": "MODALITY", "hostIp": "127.0.0.1", "port": modality.port}
    folder = tmp_path_factory.mktemp("commitment") / "storage"
    with engine(folder, scu={"destinations": [destination]}) as started:
        with Sender(started.port) as sender:
            assert sender.store("1.2.3.1", image("1.2.3.1", b"pixels")) == 0
        yield started
        assert started.terminate() == 0


def test_on_the_association_that_was_asked_on(server, modality):
    event_type, report = modality.ask(server, "1.2.3.1", stay=True)
    assert (event_type, report.TransactionUID) == (1, "1.2.3.4")
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == ["1.2.3.1"]


def test_on_an_association_of_its_own(server, modality):
    entity = pynetdicom.AE("MODALITY")
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    listening = entity.start_server(("127.0.0.1", modality.port), block=False, evt_handlers=modality.handlers)
    try:
        event_type, report = modality.ask(server, "1.2.3.1", "1.2.3.2", stay=False)
    finally:
        listening.shutdown()
    assert event_type == 2
    assert [item.ReferencedSOPInstanceUID for item in report.ReferencedSOPSequence] == ["1.2.3.1"]
    ((failed),) = report.FailedSOPSequence
    assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == ("1.2.3.2", 0x0112)


class Archive:
    """An archive that commits to all but `lost` instances; `stays`: on the association that asked."""

    def __init__(self, *, stays, lost=()):
        self.port, self.stays, self.lost = free_port(), stays, [*lost]
        self.stored, self.engine_port, self.answers = [], None, queue.Queue()
        self.threads = []

    @contextlib.contextmanager
    def serving(self):
        entity = pynetdicom.AE("PACS")
        entity.add_supported_context(SecondaryCaptureImageStorage)
        entity.add_supported_context(StorageCommitmentPushModel)
        handlers = [(pynetdicom.evt.EVT_C_STORE, self.store), (pynetdicom.evt.EVT_N_ACTION, self.asked)]
        server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        try:
            yield self
        finally:
            for thread in self.threads:
                thread.join(10)
            server.shutdown()

    def store(self, event):
        self.stored.append(event.request.AffectedSOPInstanceUID)
        return 0x0000

    def asked(self, event):
        thread = threading.Thread(target=self.report, args=(event.assoc, event.action_information))
        self.threads.append(thread)
        thread.start()
        return 0x0000, None

    def report(self, association, request):
        time.sleep(0.2)  # the response to N-ACTION goes first
        held, failed = [], []
        for item in request.ReferencedSOPSequence:
            if item.ReferencedSOPInstanceUID in self.lost:
                self.lost.remove(item.ReferencedSOPInstanceUID)
                item.FailureReason = 0x0112
                failed.append(item)
            else:
                held.append(item)
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        report.ReferencedSOPSequence = held
        if failed:
            report.FailedSOPSequence = failed
        of = (StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
        if self.stays:
            status, _ = association.send_n_event_report(report, 2 if failed else 1, *of)
        else:
            status = self.report_elsewhere(report, 2 if failed else 1, of)
        self.answers.put(status.Status)

    def report_elsewhere(self, report, event_type, of):
        entity = pynetdicom.AE("PACS")
        entity.add_requested_context(StorageCommitmentPushModel)
        role = pynetdicom.build_role(StorageCommitmentPushModel, scp_role=True)
        with without_its_race():
            address = ("127.0.0.1", self.engine_port)
            association = entity.associate(*address, ae_title="ENGINE", ext_neg=[role])
            assert association.is_established
            status, _ = association.send_n_event_report(report, event_type, *of)
            association.release()
            return status


def sending_on(port):
    """A pipeline that sends on what comes, to who is to commit to it."""
    pipeline = {
        "name": "copy",
        "id": "c0",
        "command": "sh -c 'cp dcm/*.dcm output/'",
        "destinations": ["PACS"],
    }
    local_ae = {"aeTitle": "PORT104", "processorSettings": {"timeout": 1, "pipeline-copy": "c0"}}
    destination = {"name": "PACS", "aeTitle": "PACS", "hostIp": "127.0.0.1", "port": port}
    return {
        "scp": {"aeTitles": [local_ae, {"aeTitle": "ENGINE"}]},
        "scu": {
            "aeTitle": "ENGINE",
            "destinations": [destination | {"storageCommitment": True}],
            "export": {"retryDelay": 0.1},
        },
        "pipelines": [pipeline],
    }


def export_state(server):
    with contextlib.closing(
        sqlite3.connect(f"file:{server.folder}/ledger.sqlite3?mode=ro", uri=True)
    ) as found:
        return next(iter(found.execute("SELECT state FROM port104_export")), (None,))[0]


@pytest.mark.parametrize("stays", [True, False], ids=["same association", "another"])
def test_a_result_is_delivered_once_its_destination_holds_it(tmp_path, stays):
    with Archive(stays=stays, lost=["1.2.3.2"]).serving() as archive:
        given = sending_on(archive.port)
        with engine(tmp_path / "storage", **given) as server:
            archive.engine_port = server.port
            with Sender(server.port) as sender:
                for instance in ("1.2.3.1", "1.2.3.2"):
                    assert sender.store(instance, image(instance, b"pixels")) == 0
            server.wait_for(lambda: export_state(server) == "delivered", 40)
            assert server.terminate() == 0
    assert sorted(archive.stored) == ["1.2.3.1", "1.2.3.2", "1.2.3.2"]
    assert set(archive.answers.queue) == {0x0000}
