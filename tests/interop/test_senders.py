"""Real senders deliver real files: what is stored equals what was sent, byte for byte, and can be read.

The files are all of pydicom's wheel and of pydicom-data. A relay takes down what was sent, because
senders re-encode what they read. What a sender refuses to send, or we to store, is listed with the reason.
"""

import subprocess
import warnings
from collections import Counter, defaultdict
from functools import cache

import pydicom
import pynetdicom
import pytest
from pydicom.filereader import read_file_meta_info

from corpus import bare_files, corpus
from engine_process import engine
from orthanc_process import orthanc
from peers import find_peer, run_peer
from port104.wire.command import Status
from recording_relay import Relay
from stored import data_set_of

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]

# A DICOMDIR is read from media, never sent: its class is none of PS3.4 annex B.
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"

# Damaged on purpose, for pydicom's own tests; senders that parse what they send stop at them.
BROKEN = {
    "MR_truncated.dcm": "ends in mid-pixel data",
    "rtplan_truncated.dcm": "ends in mid-element",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "lacks its sequence delimiter",
    "SC_rgb_jpeg.dcm": "is not of the transfer syntax that its meta information states",
}
# Their SOP class and instance UIDs stand in elements of VR UN, which DCMTK does not take for UIDs.
UIDS_OF_VR_UN = {"explicit_VR-UN.dcm", "rtdose_rle.dcm", "rtdose_rle_1frame.dcm"}
# bad_sequence.dcm: 64 hexadecimal digits instead of a UID in its data set.
INVALID_UID = "dccc9599087131742838cc1162a630fea87ba9bf61ac09bfda90d4adfa5ddaed"

STORESCU_OPTIONS = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}


@cache
def identity(path):
    """Study, series and SOP instance UID in a file's data set; None where absent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        return tuple(data_set.get(name) for name in names)


def paths():
    return [file.path for file in corpus()] + bare_files()


def by_syntax():
    groups = defaultdict(list)
    for file in corpus():
        groups[file.transfer_syntax_uid].append(file)
    return groups


# ---- the senders: send(port, folder) sends all that it can, sendable() names what that is ----


class StoreSCU:
    """DCMTK's storescu: proposes each file's own syntax, but encodes anew what it reads."""

    calling = "STORESCU"
    refused = ((INVALID_UID, Status.INVALID_SOP_INSTANCE),)

    def send(self, port, folder):
        for syntax, files in by_syntax().items():
            self._run(port, STORESCU_OPTIONS[syntax], [file.path for file in files])
        for path in bare_files():
            self._run(port, "-xe", [path])

    def _run(self, port, option, files):
        run_peer("storescu", "-nh", "-R", option, "-aec", "PORT104", "127.0.0.1", port, *files)

    def sendable(self):
        left_out = BROKEN.keys() | UIDS_OF_VR_UN
        return [identity(path)[2] for path in paths() if identity(path)[2] and path.name not in left_out]


class DcmSend(StoreSCU):
    """DCMTK's dcmsend: proposes all in one association and converts where that is refused."""

    calling = "DCMSEND"
    # It sends "31" for UIDs of VR UN: the first byte of their value in hexadecimal.
    refused = (*StoreSCU.refused, *[("31", Status.SOP_CLASS_NOT_SUPPORTED)] * len(UIDS_OF_VR_UN))

    def send(self, port, folder):
        run_peer("dcmsend", "+f", "-nh", "-nuc", "-dn", "-aec", "PORT104", "127.0.0.1", port, *paths())


class PynetdicomSCU:
    """pynetdicom, streaming files: the only sender that passes a file's bytes on as they are."""

    calling = "PYNETDICOM"
    refused = ()

    def send(self, port, folder):
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            patch.setattr(pynetdicom._config, "STORE_SEND_CHUNKED_DATASET", True)
            for syntax, files in by_syntax().items():
                self._associate_and_send(port, syntax, files)

    def _associate_and_send(self, port, syntax, files):
        entity = pynetdicom.AE(ae_title=self.calling)
        for sop_class in {file.sop_class_uid for file in files}:
            entity.add_requested_context(sop_class, syntax)
        association = entity.associate("127.0.0.1", port, ae_title="PORT104")
        assert association.is_established
        for file in files:
            if file.sop_class_uid != MEDIA_DIRECTORY:
                assert association.send_c_store(file.path).Status == Status.SUCCESS, file
        association.release()

    def sendable(self):
        return [file.sop_instance_uid for file in corpus() if file.sop_class_uid != MEDIA_DIRECTORY]


class OrthancModality:
    """Orthanc keeps one file of each identity, so files that share one go in rounds.

    It takes no file without study and series.
    """

    calling = "ORTHANC"
    refused = StoreSCU.refused

    def send(self, port, folder):
        with orthanc(folder, port) as modality:
            for files in self._rounds():
                identifiers = [modality.upload(path.read_bytes()) for path in files]
                modality.send([one for one in identifiers if one is not None])

    def _rounds(self):
        """Files of different identities; each round takes one of each."""
        waiting = defaultdict(list)
        for path in paths():
            waiting[identity(path)].append(path)
        while waiting := {key: files for key, files in waiting.items() if files}:
            yield [files.pop(0) for files in waiting.values()]

    def sendable(self):
        left_out = BROKEN.keys() | UIDS_OF_VR_UN
        sent = [identity(path)[2] for path in paths() if all(identity(path)) and path.name not in left_out]
        return sent + ["31"] * len(UIDS_OF_VR_UN)  # see DcmSend; but proposed, and so accepted


class Delivery:
    """What one sender sent, and the folder in which it was stored."""

    def __init__(self, sender, sent, server):
        self.sender = sender
        self.sent = sent
        self.server = server

    def statuses(self):
        return Counter((one.sop_instance_uid, one.status) for one in self.sent)

    def accepted(self):
        return [one for one in self.sent if one.status == Status.SUCCESS]


@pytest.fixture(scope="module", params=[StoreSCU, DcmSend, PynetdicomSCU, OrthancModality])
def delivery(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("interop")
    sender = request.param()
    with engine(folder / "storage") as server:
        with Relay(server.port) as relay:
            sender.send(relay.port, folder)
        yield Delivery(sender, relay.sent, server)
        assert server.terminate() == 0


def test_every_file_is_delivered(delivery):
    expected = Counter((instance, Status.SUCCESS) for instance in delivery.sender.sendable())
    if INVALID_UID in delivery.sender.sendable():
        del expected[(INVALID_UID, Status.SUCCESS)]
    expected.update(delivery.sender.refused)
    print(f"{delivery.sender.calling}: {len(delivery.sent)} sent, {len(delivery.accepted())} accepted")
    assert delivery.statuses() == expected
    assert delivery.server.part_files() == []


def test_what_is_stored_is_what_was_sent(delivery):
    """Every version of every instance once: the same bytes sent again make no second file."""
    sent = {one[:-1] for one in delivery.accepted()}
    stored = [stored_as(path) for path in delivery.server.stored_files()]
    assert len(stored) == len(set(stored))
    assert set(stored) == sent


def stored_as(path):
    """A stored file's SOP class, SOP instance and transfer syntax UID and its data set."""
    meta = read_file_meta_info(path)
    return (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
        meta.TransferSyntaxUID,
        data_set_of(path),
    )


def broken_data_sets():
    return {file.data_set for file in corpus() if file.path.name in BROKEN}


def test_a_stored_file_says_who_sent_it(delivery):
    for path in delivery.server.stored_files():
        meta = read_file_meta_info(path)
        assert meta.SourceApplicationEntityTitle == delivery.sender.calling
        assert meta.SendingApplicationEntityTitle == delivery.sender.calling
        assert meta.ReceivingApplicationEntityTitle == "PORT104"


def test_pydicom_reads_what_is_stored(delivery):
    broken = broken_data_sets()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in delivery.server.stored_files():
            values = [str(element.value)[:10] for element in pydicom.dcmread(path).iterall()]
            assert values or data_set_of(path) in broken, path


def test_dcmdump_reads_what_is_stored(delivery):
    """All but the files that are broken, which are stored as they are."""
    broken = broken_data_sets()
    stored = delivery.server.stored_files()
    readable = [path for path in stored if data_set_of(path) not in broken]
    dump(readable)
    for path in set(stored) - set(readable):
        with pytest.raises(subprocess.CalledProcessError):
            dump([path])


def dump(files):
    subprocess.run([find_peer("dcmdump"), *files], stdout=subprocess.DEVNULL, check=True, timeout=60)


@pytest.mark.parametrize("delivery", [PynetdicomSCU], indirect=True)
def test_a_file_that_is_sent_as_it_is_is_stored_as_it_is(delivery):
    files = [file for file in corpus() if file.sop_class_uid != MEDIA_DIRECTORY]
    stored = {data_set_of(path) for path in delivery.server.stored_files()}
    assert stored == {file.data_set for file in files}
