"""Make the seeds of native/fuzz/corpus: real senders' associations, and what a hostile peer sends.

    python tests/fuzz/seeds.py

Senders are recorded by a relay before pynetdicom's receiver, none of it port104's. The corpus holds also
what fuzzers found since (files named by their hash), which this leaves alone.
"""

import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import SHUT_WR, create_connection, create_server

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, UltrasoundImageStorage
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from association_peer import ECHO_PDU, PEER_ABORT, RELEASE_RQ, REQUEST, STORE, STORE_PDU, p_data
from part10_files import element, file_meta
from port104.wire.command import response_to
from port104.wire.pdu import PDV, PDataTF

CORPUS = Path(__file__).parents[2] / "native" / "fuzz" / "corpus"

# The terms before a stream, as fuzz_association.c reads them.
PLAIN = bytes(8)
SYNC, FED, OVERWRITE, EXPLICIT, WINDOW_OF_8, AT_MOST_1000 = 1, 2, 4, 8, 0x70, 0x80
MAXIMUM_LENGTH = (1 << 14).to_bytes(2, "little")


def terms(flags=0, cut=0, fault=0, fault_after=0, give_up_at=0, peer_maximum_length=0):
    return bytes([flags, cut, fault, fault_after, give_up_at, peer_maximum_length]) + MAXIMUM_LENGTH


# ---- real senders ----


def small_file(folder: Path, syntax: str) -> Path:
    data_set = Dataset()
    data_set.SOPClassUID = UltrasoundImageStorage
    data_set.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    data_set.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.2"
    data_set.Modality = "US"
    data_set.PatientID = "P"
    item = Dataset()
    item.ReferencedSOPInstanceUID = "1.2.3"
    data_set.ReferencedImageSequence = [item]
    data_set.Rows = data_set.Columns = 4
    data_set.BitsAllocated = 8
    data_set.PixelData = bytes(16)
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = syntax
    path = folder / "small.dcm"
    data_set.save_as(path, enforce_file_format=True)
    return path


@contextmanager
def recorder() -> Iterator[tuple[int, bytearray]]:
    """A receiver's port, and the bytes that the next requestor sends to it."""
    receiver = AE()
    receiver.add_supported_context(UltrasoundImageStorage, [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    receiver.add_supported_context(Verification)
    handlers = [(evt.EVT_C_STORE, lambda _: 0), (evt.EVT_C_ECHO, lambda _: 0)]
    server = receiver.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    recorded = bytearray()
    listener = create_server(("127.0.0.1", 0))

    def back(source, target):
        while data := source.recv(1 << 16):
            target.sendall(data)

    def relay():
        client, _ = listener.accept()
        with client, create_connection(server.socket.getsockname()) as target:
            answers = threading.Thread(target=back, args=(target, client), daemon=True)
            answers.start()
            while data := client.recv(1 << 16):
                recorded.extend(data)
                target.sendall(data)
            target.shutdown(SHUT_WR)
            answers.join(2)

    thread = threading.Thread(target=relay)
    thread.start()
    try:
        yield listener.getsockname()[1], recorded
        thread.join(10)
    finally:
        listener.close()
        server.shutdown()


def recorded_from(*command: str) -> bytes:
    with recorder() as (port, recorded):
        program, *arguments = command
        address = ["-aec", "STORE", "127.0.0.1", str(port)]
        subprocess.run([program, *address, *arguments], check=True, timeout=20)
    return bytes(recorded)


def recorded_from_pynetdicom(path: Path) -> bytes:
    with recorder() as (port, recorded):
        sender = AE("PYNETDICOM")
        sender.add_requested_context(UltrasoundImageStorage)
        sender.add_requested_context(Verification)
        association = sender.associate("127.0.0.1", port, ae_title="STORE")
        association.send_c_echo()
        association.send_c_store(path)
        association.release()
    return bytes(recorded)


def senders() -> Iterator[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        explicit = small_file(Path(folder), ExplicitVRLittleEndian)
        yield "pynetdicom", recorded_from_pynetdicom(explicit)
        yield "dcmtk-echoscu", recorded_from("echoscu")
        yield "dcmtk-storescu", recorded_from("storescu", str(explicit))
        yield "dcmtk-dcmsend", recorded_from("dcmsend", str(explicit))
        implicit = small_file(Path(folder), ImplicitVRLittleEndian)
        yield "dcmtk-storescu-implicit", recorded_from("storescu", str(implicit))


# ---- hostile peers: the cases of docs/robustness.md that begin with an association ----


def data_set(length=20, *, instance=b"1.2.3.4\0"):
    """Explicit VR: SOP instance UID, study instance UID, and some pixels."""
    head = struct.pack("<HH2sH", 0x0008, 0x0018, b"UI", len(instance)) + instance
    head += struct.pack("<HH2sH", 0x0020, 0x000D, b"UI", 4) + b"1.2\0"
    return head + struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OB", length) + bytes(length)


def store(message_id: int, instance: str, *fragments: bytes, context_id=3) -> bytes:
    command = msgspec.structs.replace(STORE, message_id=message_id, affected_sop_instance_uid=instance)
    pdus = [p_data(3, 3, command.encode())]
    uid = instance.encode()
    fragments = [
        part.replace(b"1.2.3.4\0", uid.ljust(8, b"\0")) if len(uid) < 9 else part for part in fragments
    ]
    for number, fragment in enumerate(fragments, 1):
        pdus.append(p_data(context_id, 2 if number == len(fragments) else 0, fragment))
    return b"".join(pdus)


def hostile() -> Iterator[tuple[str, bytes]]:
    begun = REQUEST.encode()
    stored = store(1, "1.2.3.4", data_set())
    yield "stored", stored + RELEASE_RQ
    yield "duplicate", stored + store(2, "1.2.3.4", data_set())
    yield "other-bytes", stored + store(2, "1.2.3.4", data_set(30)) + store(3, "1.2.3.4", data_set(40))
    yield "many-fragments", store(1, "1.2.3.4", *(bytes([byte]) * 2 for byte in range(40)))
    yield "same-message-id", store(1, "1.2.3.4", data_set()) + store(1, "1.2.3.5", data_set())
    yield "echo-between", stored + ECHO_PDU + store(2, "1.2.3.6", data_set()) + RELEASE_RQ
    yield "abort-in-data-set", STORE_PDU + p_data(3, 0, data_set()) + PEER_ABORT
    yield "release-in-data-set", STORE_PDU + p_data(3, 0, data_set()) + RELEASE_RQ
    yield "end-in-data-set", STORE_PDU + p_data(3, 0, data_set())
    yield "end-in-command", STORE_PDU[:40]
    yield "second-request", stored + begun
    yield "p-data-of-0", stored + struct.pack(">BxI", 4, 0)
    yield "p-data-of-5", stored + struct.pack(">BxI", 4, 5) + bytes(5)
    yield "pdv-too-long", stored + struct.pack(">BxIIBB", 4, 10, 200, 3, 3) + bytes(4)
    yield "pdu-too-long", stored + struct.pack(">BxIIBB", 4, 1 << 20, (1 << 20) - 4, 3, 3) + bytes(4)
    yield "unknown-context", p_data(7, 3, STORE.encode()) + p_data(7, 2, data_set())
    yield "refused-context", p_data(5, 3, STORE.encode()) + p_data(5, 2, data_set())
    yield "reserved-control-bits", p_data(3, 0xFF, STORE.encode()) + p_data(3, 0xFE, data_set())
    yield "data-before-command", p_data(3, 2, data_set())
    yield "command-in-data-set", STORE_PDU + p_data(3, 0, data_set()) + STORE_PDU
    yield "data-on-another-context", store(1, "1.2.3.4", data_set(), context_id=1)
    yield "endless-command", b"".join(p_data(3, 1, STORE.encode() * 90) for _ in range(6))
    yield "no-group-length", p_data(3, 3, STORE.encode()[12:]) + p_data(3, 2, data_set())
    yield "element-overrun", p_data(3, 3, STORE.encode()[:-4] + b"\xff\xff\xff\xff")
    yield "empty-fragments", p_data(3, 1, b"") + STORE_PDU + p_data(3, 0, b"") + p_data(3, 2, b"")
    yield "another-uid", STORE_PDU + p_data(3, 2, data_set(instance=b"1.2.3.5\0"))
    yield "uid-is-a-path", store(1, "../../x", data_set())
    yield "uid-of-65", store(1, "1" * 65, data_set())
    yield "pdvs-in-one-pdu", PDataTF((PDV(3, 3, STORE.encode()), PDV(3, 2, data_set()))).encode() * 2
    yield "long-data-set", store(1, "1.2.3.4", data_set(9000), data_set(9000))


def associations() -> Iterator[tuple[str, bytes]]:
    for name, stream in senders():
        yield name, terms(SYNC | EXPLICIT) + stream
        yield f"{name}-fed", terms(FED | EXPLICIT, cut=3) + stream
    for number, (name, stream) in enumerate(hostile()):
        flags = [EXPLICIT, SYNC | EXPLICIT, FED, SYNC | FED | EXPLICIT][number % 4]
        yield name, terms(flags, cut=number) + REQUEST.encode() + stream
    stores = REQUEST.encode() + b"".join(
        store(number, f"1.2.{number % 3}", data_set(number % 2)) for number in range(1, 9)
    )
    yield "window", terms(SYNC | EXPLICIT | WINDOW_OF_8, cut=1) + stores
    yield "overwriting", terms(SYNC | EXPLICIT | OVERWRITE | WINDOW_OF_8) + stores
    yield (
        "too-large",
        terms(SYNC | EXPLICIT | AT_MOST_1000) + REQUEST.encode() + store(1, "1.2.3.4", data_set(2000)),
    )
    yield "short-answers", terms(EXPLICIT, peer_maximum_length=3) + stores
    yield "given-up", terms(FED | EXPLICIT, cut=2, give_up_at=5) + stores
    for fault in range(1, 25):
        yield f"fault-{fault}", terms(SYNC | EXPLICIT | WINDOW_OF_8, fault=fault, fault_after=1) + stores
        yield f"fault-{fault}-overwriting", terms(SYNC | OVERWRITE, fault=fault, fault_after=2) + stores
    yield "silent", PLAIN
    yield "client-hello", PLAIN + b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(32)
    yield "unknown-type", PLAIN + b"\xff\0\0\0\0\4abcd"
    yield "length-of-all-ones", PLAIN + b"\1\0\xff\xff\xff\xff\0\1\0\0"
    yield "p-data-first", PLAIN + STORE_PDU


def scanned() -> Iterator[tuple[str, bytes]]:
    for number, (name, stream) in enumerate(hostile()):
        if len(stream) < 4000:
            yield name, bytes([number, 0, 0x40]) + stream


def picked() -> Iterator[tuple[str, bytes]]:
    undefined = 0xFFFFFFFF
    item, end, ends = (
        struct.pack("<HHI", 0xFFFE, tag, size)
        for tag, size in ((0xE000, undefined), (0xE00D, 0), (0xE0DD, 0))
    )
    sequence = struct.pack("<HH2sxxI", 0x0008, 0x1140, b"SQ", undefined)
    unknown = struct.pack("<HH2sxxI", 0x0009, 0x1001, b"UN", undefined)
    inside = struct.pack("<HHI", 0x0008, 0x0018, 4) + b"1.2\0"
    yield "explicit", b"\1\1" + data_set()
    yield "implicit", b"\2\0" + inside + struct.pack("<HHI", 0x0010, 0x0020, 2) + b"ID"
    yield "sequence", b"\3\1" + sequence + item + data_set()[:16] + end + ends + data_set()[16:]
    yield "unknown-sequence", b"\4\1" + unknown + item + inside + end + ends + data_set()[16:]
    yield "long-value", b"\5\1" + data_set(instance=b"1" * 400)
    yield "nested", b"\6\1" + (sequence + item) * 40 + (end + ends) * 40 + data_set()[16:]
    yield "command-group", b"\7\0" + STORE.encode()
    yield "descending", b"\x08\1" + data_set()[16:] + data_set()[:16]


def commands() -> Iterator[tuple[str, bytes]]:
    encoded = STORE.encode()
    yield "store", bytes(2) + encoded
    yield "short-answer", b"\x08\0" + encoded
    yield "twice", b"\x20\0" + encoded + encoded[12:]
    yield "no-message-id", bytes(2) + encoded.replace(struct.pack("<HHIH", 0, 0x0110, 2, 9), b"")
    yield "padded", bytes(2) + encoded.replace(b"1.2.3.4\0", b"1.2    \0")
    yield "leading-zero", bytes(2) + encoded.replace(b"1.2.3.4\0", b"1.02.0.4")
    yield (
        "long-number",
        bytes(2)
        + encoded.replace(struct.pack("<HHIH", 0, 0x0700, 2, 0), struct.pack("<HHII", 0, 0x0700, 4, 0)),
    )


def answered() -> Iterator[tuple[str, bytes]]:
    """What a peer answers to three files."""

    def response(number: int, status: int = 0, context_id: int = 1, instance: str = "1.2.3.4") -> bytes:
        request = msgspec.structs.replace(STORE, message_id=number, affected_sop_instance_uid=instance)
        return p_data(context_id, 3, response_to(request, status).encode())

    whole = b"".join(map(response, (1, 2, 3)))
    yield "all", bytes([0, 0, 1, 2, 3]) + whole
    yield "short-pdus", bytes([8, 0, 0, 1, 0]) + whole
    yield "odd-maximum", bytes([107, 0, 255, 100, 50]) + whole
    yield "warning", bytes([0, 1, 9, 9, 9]) + response(1, 0xB000) + response(2, 0xC000) + response(3)
    yield "another-message", bytes(5) + response(1) + response(3)
    yield "another-context", bytes(5) + response(1, context_id=3)
    yield "another-instance", bytes(5) + response(1) + response(2, instance="1.2.3")
    yield "in-two-fragments", bytes(5) + p_data(1, 1, b"ab") + response(1)
    yield "cut", bytes([0, 0, 5, 5, 5]) + whole[:-3]
    yield "nothing", bytes([0, 0, 5, 5, 5])
    yield "abort", bytes([0, 0, 5, 5, 5]) + response(1) + PEER_ABORT
    yield "data-set", bytes(5) + p_data(1, 2, b"abcd")
    yield "two-in-one-pdu", bytes(5) + PDataTF((PDV(1, 3, b"ab"), PDV(1, 3, b"cd"))).encode()


def described() -> Iterator[tuple[str, bytes]]:
    """File Meta Information, from DICM on."""
    whole = file_meta()[128:]
    yield "whole", whole + b"\x08\0"
    yield "ends", whole
    yield "cut", whole[:-3]
    yield "nameless", file_meta(instance="", syntax="")[128:] + b"\x08\0"
    yield "no-uid", file_meta(instance="1..2", sop_class="01")[128:] + b"\x08\0"
    yield "long", whole + element(2, 0x0102, b"OB", bytes(300)) + b"\x08\0"
    yield "other", b"RIFF"


def main() -> None:
    kinds = {
        "association": associations,
        "scanner": scanned,
        "picker": picked,
        "command": commands,
        "courier": answered,
        "file_meta": described,
    }
    for kind, seeds in kinds.items():
        folder = CORPUS / kind
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in seeds():
            (folder / name).write_bytes(data)
        print(kind, len(list(folder.iterdir())), sum(file.stat().st_size for file in folder.iterdir()))


if __name__ == "__main__":
    main()
