"""Storage commitment with pynetdicom, as SCU of what port104 holds."""

import queue

import pynetdicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom.sop_class import (
    SecondaryCaptureImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

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
