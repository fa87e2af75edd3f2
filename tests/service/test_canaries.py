"""Patient identifiers, planted wherever a peer can put them, show up in no log and no file name.

The audit trail holds the patient ID and the Study Instance UID of instances transferred, which its profile
asks for (PS3.15 A.5.3.7), and nothing else of them.
"""

import contextlib
import socket
import struct
import zlib

import pytest

from audit_reading import read_trail
from engine_process import engine
from port104.service.control_socket import FILE_NAME, short_path
from port104.wire.command import CommandField, Status
from port104.wire.items import UserIdentity
from port104.wire.pdu import PDV, PDataTF, PresentationContext, UserInformation
from raw_peer import (
    COMMAND,
    LAST,
    SECONDARY_CAPTURE,
    VERIFICATION,
    association_request,
    store_request,
)
from sender import Sender, element

NAME, NUMBER = "CANARY7Q", "77120977"  # the second one where only digits can stand
NEEDLES = (NAME, NUMBER)
PATIENT_ID, STUDY = f"{NAME}-ID", f"1.2.{NUMBER}"

DEFLATED, BIG_ENDIAN, IMPLICIT = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2"
EXPLICIT, PRIVATE = "1.2.840.10008.1.2.1", "1.2.3.4.5"
P_DATA_TF = 4
SYNTAXES = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED, PRIVATE)


def even(text):
    return text.encode() + b" " * (len(text) % 2)


def elements(
    instance=f"1.2.3.{NUMBER}", study=STUDY, sop_class=SECONDARY_CAPTURE, character_set="ISO_IR 100"
):
    """(group, element, VR, value) of a data set that is all about a patient."""
    return [
        (0x0008, 0x0005, b"CS", even(character_set)),
        (0x0008, 0x0016, b"UI", even(sop_class)),
        (0x0008, 0x0018, b"UI", even(instance)),
        (0x0008, 0x0020, b"DA", even(NAME)),
        (0x0008, 0x0050, b"SH", even(NUMBER)),
        (0x0008, 0x0060, b"CS", even(NAME)),
        (0x0008, 0x0090, b"PN", even(f"{NAME}^REFERRING")),
        (0x0010, 0x0010, b"PN", even(f"{NAME}^NAME")),
        (0x0010, 0x0020, b"LO", even(PATIENT_ID)),
        (0x0010, 0x0030, b"DA", even(NUMBER)),
        (0x0010, 0x1010, b"AS", even(NAME)),
        (0x0020, 0x000D, b"UI", even(study)),
        (0x0020, 0x000E, b"UI", even(f"1.2.4.{NUMBER}")),
        (0x0020, 0x0013, b"IS", even(NAME)),
    ]


def encode(syntax, parts):
    if syntax == IMPLICIT:
        return b"".join(struct.pack("<HHI", g, e, len(value)) + value for g, e, _, value in parts)
    if syntax == BIG_ENDIAN:
        return b"".join(struct.pack(">HH2sH", g, e, vr, len(value)) + value for g, e, vr, value in parts)
    plain = b"".join(element(*part) for part in parts)
    if syntax == DEFLATED:
        deflating = zlib.compressobj(wbits=-15)
        return deflating.compress(plain) + deflating.flush()
    return plain


def broken(syntax):
    """Data sets that no reader gets through, each for another reason."""
    whole = encode(syntax, elements())
    yield whole[: len(whole) // 2]
    yield whole.replace(b"PN", b"??")
    yield encode(syntax, elements(study=NAME, sop_class=NAME))
    yield encode(syntax, elements(character_set=NAME))
    yield whole + struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF) + NAME.encode()
    yield NAME.encode() * 40
    yield struct.pack("<HHI", 0x0008, 0x0005, 0xFFFFFFFE) + NAME.encode() * 3


def contexts(syntax):
    return (
        PresentationContext(1, VERIFICATION, (EXPLICIT,)),
        PresentationContext(3, SECONDARY_CAPTURE, (syntax,)),
    )


def send_data_sets(port):
    for number, syntax in enumerate(SYNTAXES):
        with Sender(port, presentation_contexts=contexts(syntax)) as sender:
            whole = f"1.2.{number}.{NUMBER}"
            assert sender.store(whole, encode(syntax, elements(whole))) == Status.SUCCESS
            for index, data_set in enumerate(broken(syntax)):
                sender.store(f"1.2.{number}.{index + 1}.{NUMBER}", data_set)
            sender.release()


def command_bytes(*parts):
    body = b"".join(struct.pack("<HHI", 0, number, len(value)) + value for number, value in parts)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def send_commands(port):
    """Command sets that hold what they should not; each on an association of its own."""
    store = int(CommandField.C_STORE_RQ).to_bytes(2, "little")
    uid = SECONDARY_CAPTURE.encode() + b"\0"
    wrong = [
        store_request(instance=NAME).encode(),
        store_request(instance=f"../{NAME}").encode(),
        store_request(sop_class=NAME).encode(),
        command_bytes(
            (0x0002, uid), (0x0100, store), (0x0110, b"\1\0"), (0x0800, b"\0\0"), (0x1000, NAME.encode())
        ),
        command_bytes(
            (0x0002, uid), (0x0100, store), (0x0110, b"\1\0"), (0x0800, b"\1\1"), (0x1030, even(NAME))
        ),
        command_bytes((0x0100, b"\x20\0"), (0x0110, b"\1\0"), (0x0800, b"\1\1"), (0x0902, even(NAME))),
        command_bytes((0x0100, even(NAME))),
        command_bytes((0x0110, even(NAME)), (0x0100, store)),
        command_bytes((0x0100, store))[:-1] + NAME.encode(),
        even(NAME) * 9,
    ]
    for command in wrong:
        with contextlib.suppress(OSError, EOFError), Sender(port) as sender:
            pdv = PDV(3, COMMAND | LAST, command)
            sender.socket.sendall(PDataTF((pdv,)).encode())
            sender.socket.sendall(PDataTF((PDV(3, LAST, encode(EXPLICIT, elements())),)).encode())
            if sender.read_pdu()[0] == P_DATA_TF:
                sender.release()


def send_associations(port):
    """A-ASSOCIATE-RQs that hold what they should not."""
    information = {"maximum_length": 16384, "implementation_class_uid": "1.2.3.4"}
    whole = association_request(
        user_information=UserInformation(**information, implementation_version_name=NAME)
    ).encode()
    for changes in (
        {"application_context": NAME},
        {"presentation_contexts": (PresentationContext(1, NAME, (NAME,)), *contexts(EXPLICIT))},
        {"user_information": UserInformation(**information, implementation_version_name=NAME)},
        {
            "user_information": UserInformation(
                **information,
                user_identity=UserIdentity(2, True, NAME.encode(), NAME.encode()),
            )
        },
    ):
        with contextlib.suppress(OSError, EOFError), Sender(port, **changes) as sender:
            sender.release()
    for data in (
        whole[:74] + b"\x7f\0\xff\xff" + whole[78:],
        whole[:5] + b"\x50" + whole[6:] + NAME.encode(),
        b"\x08\0\0\0\0\x40" + NAME.encode() * 8,
        NAME.encode() * 20,
    ):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as peer:
            peer.sendall(data)
            peer.recv(100)


def send_fragments(port):
    """P-DATA-TF that breaks the rules in the middle of a data set, or ends there."""
    text = NAME.encode()
    begun = PDataTF((PDV(3, LAST | COMMAND, store_request().encode()), PDV(3, 0, text))).encode()
    for wrong in (
        PDataTF((PDV(3, COMMAND, text),)).encode(),
        PDataTF((PDV(99, LAST, text),)).encode(),
        b"\4\0\0\0\0\x10\0\0\xff\xff\3\0" + text,
        b"\x0f\0\0\0\0\x10" + text * 2,
    ):
        with Sender(port) as sender:
            sender.socket.sendall(begun + wrong)
            sender.read_pdu()
    with Sender(port) as sender:
        sender.begin_store("1.2", encode(EXPLICIT, elements()), 300)
        sender.reset()


def ask(folder):
    """What people ask of what was received, which names it."""
    uid = f"1.2.0.{NUMBER}"
    for target in (
        f"/api/instances/{uid}",
        f"/api/instances/{uid}/x",
        f"/api/instances?studyInstanceUid={STUDY}",
        f"/api/instances?sopInstanceUid={uid}&after={NAME}",
        "/api/groups",
    ):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as asking:
            with short_path(folder / FILE_NAME) as path:
                asking.connect(path)
            asking.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert asking.makefile("rb").read().startswith(b"HTTP/1.1 ")


def found(text):
    return [line for line in text.splitlines() if any(needle in line for needle in NEEDLES)]


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory):
    """A server that all this was sent to, stopped; it logs and traces all that it can but data sets."""
    folder = tmp_path_factory.mktemp("canaries")
    log = {"level": "debug", "file": str(folder / "port104.log")}
    audit = {"file": str(folder / "audit.log")}
    scp = {"logDataPDUs": True}
    with engine(folder / "storage", scp=scp, log=log, audit=audit) as server:
        send_data_sets(server.port)
        send_commands(server.port)
        send_associations(server.port)
        send_fragments(server.port)
        ask(server.folder)
        assert server.terminate() == 0
    return server


def test_nothing_in_the_logs(left_behind):
    assert left_behind.log_entries()[-1]["event"] == "stopped"
    assert found(left_behind.log.read_text()) == []
    assert found((left_behind.folder.parent / "port104.log").read_text()) == []
    assert not [entry for entry in left_behind.log_entries() if "exception" in entry]


def test_nothing_in_file_names(left_behind):
    names = [str(path) for path in left_behind.folder.rglob("*")]
    assert len(names) > len(SYNTAXES)
    assert not [name for name in names if any(needle in name for needle in NEEDLES)]


def test_nothing_in_the_audit_trail_but_what_the_profile_asks_for(left_behind):
    patients = []
    for entry in read_trail(left_behind.folder.parent / "audit.log"):
        text = entry.text
        if entry.event == "110104":
            assert set(entry.objects) == {"110180", "2"}
            assert entry.objects["110180"] in (STUDY, "<none>")
            patients.append(entry.objects["2"])
            text = text.replace(f'"{PATIENT_ID}"', "").replace(f'"{STUDY}"', "")
        if entry.event == "110113":
            text += entry.description
        assert found(text) == []
    assert set(patients) == {PATIENT_ID, "<none>"}
    assert patients.count(PATIENT_ID) >= len(SYNTAXES)


def test_the_search_finds_what_is_there(tmp_path):
    """With logDimseDatasets the same search does find them."""
    with engine(tmp_path / "storage", scp={"logDimseDatasets": True}) as server:
        with Sender(server.port) as sender:
            sender.store("1.2.1", encode(EXPLICIT, elements("1.2.1")))
            sender.release()
        server.wait_for(lambda: "data set" in [entry["event"] for entry in server.log_entries()])
    assert found(server.log.read_text())
