"""Foreign storage SCUs, and what each of them can send of the files at hand.

`send(port, folder)` sends all that the sender can, `sendable()` names the SOP instance UIDs of that,
`refused` lists the refusals that it gets. What it cannot send is left out for a reason that stands here.
"""

import warnings
from collections import defaultdict
from functools import cache
from pathlib import Path

import pydicom
import pynetdicom
import pytest

from corpus import bare_files, corpus
from orthanc_process import orthanc
from peers import run_peer
from port104.wire.command import Status
from pynetdicom_requestor import without_its_race

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

# By (implicit VR, little endian).
SYNTAX_OF_ENCODING = {
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}

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
    """pynetdicom, streaming files: the only sender that passes a file's bytes on as they are.

    Without their meta information it encodes data sets anew.
    """

    calling = "PYNETDICOM"

    @property
    def refused(self):
        """What a file's meta information says is sent, though its data set says otherwise."""
        return [
            (file.sop_instance_uid, Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS)
            for file in corpus()
            if file.path in names_of_others()
        ]

    def send(self, port, folder):
        with warnings.catch_warnings(), without_its_race():
            warnings.simplefilter("ignore")
            self._send_bare_files(port)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(pynetdicom._config, "STORE_SEND_CHUNKED_DATASET", True)
                self._send_files(port)

    def _send_files(self, port):
        for syntax, files in by_syntax().items():
            proposed = {(file.sop_class_uid, syntax) for file in files}
            sent = [file.path for file in files if file.sop_class_uid != MEDIA_DIRECTORY]
            self._associate_and_send(port, proposed, sent)

    def _send_bare_files(self, port):
        for data_set in sendable_bare_data_sets():
            proposed = {(data_set.SOPClassUID, data_set.file_meta.TransferSyntaxUID)}
            self._associate_and_send(port, proposed, [data_set])

    def _associate_and_send(self, port, proposed, sent):
        entity = pynetdicom.AE(ae_title=self.calling)
        for sop_class, syntax in proposed:
            entity.add_requested_context(sop_class, syntax)
        association = entity.associate("127.0.0.1", port, ae_title="PORT104")
        assert association.is_established
        for one in sent:
            refused = isinstance(one, Path) and one in names_of_others()
            expected = Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS if refused else Status.SUCCESS
            assert association.send_c_store(one).Status == expected, one
        association.release()

    def sendable(self):
        whole = [
            file.sop_instance_uid
            for file in corpus()
            if file.sop_class_uid != MEDIA_DIRECTORY and file.path not in names_of_others()
        ]
        return whole + [data_set.SOPInstanceUID for data_set in sendable_bare_data_sets()]


@cache
def names_of_others():
    """Files whose data set names another instance than their meta information, where that is read (A900)."""
    found = set()
    for file in corpus():
        data_set = pydicom.dcmread(file.path, force=True, stop_before_pixels=True)
        named = data_set.get("SOPInstanceUID")
        is_read = file.transfer_syntax_uid != SYNTAX_OF_ENCODING[False, False]
        if named is not None and named != file.sop_instance_uid and is_read:
            found.add(file.path)
    return found


def sendable_bare_data_sets():
    """Those that say what they are, with the transfer syntax that they were found to have."""
    data_sets = [pydicom.dcmread(path, force=True) for path in bare_files()]
    found = [data_set for data_set in data_sets if "SOPClassUID" in data_set]
    for data_set in found:
        data_set.file_meta.TransferSyntaxUID = SYNTAX_OF_ENCODING[data_set.original_encoding]
    return found


class OrthancModality:
    """Orthanc keeps one file of each identity, so files that share one go in rounds.

    It takes no file without study and series.
    """

    calling = "ORTHANC"
    # As DcmSend, but it proposes what it sends, so that the data set is looked at.
    refused = (
        *StoreSCU.refused,
        *[("31", Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS)] * len(UIDS_OF_VR_UN),
    )

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
        return [identity(path)[2] for path in paths() if all(identity(path)) and path.name not in left_out]
