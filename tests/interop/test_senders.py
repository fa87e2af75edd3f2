"""Real senders deliver real files: what is stored equals what was sent, byte for byte, and can be read.

The files are all of pydicom's wheel and of pydicom-data. A relay takes down what was sent, because
senders re-encode what they read. What a sender refuses to send, or we to store, is listed with the reason.
"""

import subprocess
import warnings
from collections import Counter, defaultdict

import pydicom
import pytest
from pydicom.filereader import read_file_meta_info

from corpus import corpus
from corpus_senders import (
    BROKEN,
    INVALID_UID,
    MEDIA_DIRECTORY,
    DcmSend,
    OrthancModality,
    PynetdicomSCU,
    StoreSCU,
    identity,
    names_of_others,
    paths,
)
from data_set_meaning import meaning
from engine_process import engine
from peers import find_peer
from port104.storage.store import instance_path
from port104.wire.command import Status
from recording_relay import Relay
from stored import data_set_of, fingerprint

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]


class Delivery:
    """What one sender sent, and the folder in which it was stored."""

    def __init__(self, sender, relay, server):
        self.sender = sender
        self.sent = relay.sent
        self.associations = relay.connections
        self.server = server

    def statuses(self):
        return Counter((one.sop_instance_uid, one.status) for one in self.sent)

    def accepted(self):
        return [one for one in self.sent if one.status == Status.SUCCESS]

    def logged(self, event):
        entries = self.server.log_entries()
        return [one for one in entries if one["event"] == event and one["calling"] == self.sender.calling]


@pytest.fixture(scope="module", params=[StoreSCU, DcmSend, PynetdicomSCU, OrthancModality])
def delivery(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("interop")
    sender = request.param()
    with engine(folder / "storage") as server:
        with Relay(server.port) as relay:
            sender.send(relay.port, folder)
        yield Delivery(sender, relay, server)
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
    sent = {sent_as(one) for one in delivery.accepted()}
    stored = [stored_as(path) for path in delivery.server.stored_files()]
    assert len(stored) == len(set(stored))
    assert set(stored) == sent


def sent_as(one):
    """The SOP class, SOP instance and transfer syntax UID of what was sent, and its fingerprint."""
    return (one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, fingerprint(one.data_set))


def stored_as(path):
    """The same of a stored file."""
    meta = read_file_meta_info(path)
    return (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
        meta.TransferSyntaxUID,
        fingerprint(data_set_of(path)),
    )


def test_copies_of_an_instance_are_numbered(delivery):
    """Other bytes under one UID stand beside the first, without a gap in their names."""
    versions = Counter(instance for _, instance, _, _ in set(map(sent_as, delivery.accepted())))
    assert max(versions.values()) > 1
    assert set(delivery.server.stored_files()) == {
        instance_path(delivery.server.folder, "PORT104", instance, copy)
        for instance, number in versions.items()
        for copy in range(number)
    }


def test_what_is_stored_says_what_the_files_say(delivery):
    """The same bytes as a file of that instance holds, or, where the sender encoded anew, the same values."""
    as_it_is = {file.data_set for file in corpus()}
    files = defaultdict(list)
    for path in paths():
        files[identity(path)[2]].append(path)
    encoded_anew = [path for path in delivery.server.stored_files() if data_set_of(path) not in as_it_is]
    for path in encoded_anew:
        assert any(meaning(path) == meaning(file) for file in files[identity(path)[2]]), path


def test_the_log_adds_up(delivery):
    """One line for each association, which tells to the byte what it stored; one for each refusal."""
    delivery.server.wait_for(lambda: len(delivery.logged("association released")) == delivery.associations)
    total = Counter()
    for entry in delivery.logged("association released"):
        total.update({name: entry.get(name, 0) for name in ("stored", "duplicates", "refused", "bytes")})
    accepted = delivery.accepted()
    assert total == {
        "stored": len(accepted),
        "duplicates": len(accepted) - len(delivery.server.stored_files()),
        "refused": len(delivery.sent) - len(accepted),
        "bytes": sum(len(one.data_set) for one in accepted),
    }
    assert len(delivery.logged("instance refused")) == total["refused"]


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
    files = [
        file
        for file in corpus()
        if file.sop_class_uid != MEDIA_DIRECTORY and file.path not in names_of_others()
    ]
    stored = {fingerprint(data_set_of(path)) for path in delivery.server.stored_files()}
    assert [file for file in files if fingerprint(file.data_set) not in stored] == []
