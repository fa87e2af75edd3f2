"""What a peer can do wrong, and the one answer that each gets (PS3.8 9.3.8)."""

import struct
import tracemalloc

import msgspec
import pytest

from association_peer import (
    ACCEPT,
    ECHO,
    ECHO_PDU,
    MAXIMUM_LENGTH,
    PEER_ABORT,
    REJECT,
    RELEASE_RP,
    RELEASE_RQ,
    REQUEST,
    STORE,
    STORE_PDU,
    Peer,
    p_data,
    peer_in,
)
from port104.wire.association import Role
from port104.wire.events import (
    AbortedByPeer,
    AbortedByUs,
    AssociationRequested,
    CommandReceived,
    ConnectionLost,
    DataSetFragment,
)
from port104.wire.faults import PROXY_HEADER
from port104.wire.pdu import PDV, Abort, PDataTF, UserInformation
from port104.wire.states import State

UNRECOGNISED_PDU, UNEXPECTED_PDU, UNEXPECTED_PARAMETER, INVALID_VALUE = 1, 2, 5, 6
MEBIBYTE = 1 << 20


def header(pdu_type: int, length: int) -> bytes:
    return struct.pack(">BxI", pdu_type, length)


def assert_aborted(peer: Peer, incoming: bytes, reason: int) -> None:
    """`incoming` ends the association by one A-ABORT with `reason`; nothing behind it is looked at."""
    peer.feed(incoming)
    assert peer.association.state is State.STA13
    told = peer.happened[-1]
    assert isinstance(told, AbortedByUs)
    assert told.reason == reason
    assert told.detail
    peer.happened.clear()
    peer.feed(ECHO_PDU + STORE_PDU + p_data(3, 2, b"data") + RELEASE_RQ + REQUEST.encode() + b"\xff" * 50)
    assert peer.happened == []
    assert peer.take_sent() == Abort(2, reason).encode()
    assert peer.end() == []
    assert peer.association.closed


@pytest.mark.parametrize("begin", [b"PROXY TCP4 10.1.2.3 ", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11"])
def test_a_header_of_the_proxy_protocol_is_known_for_one(begin: bytes) -> None:
    """Who put a load balancer in front is to find out what is missing."""
    peer = Peer(Role.ACCEPTOR)
    peer.feed(begin)
    assert peer.happened[-1].detail == PROXY_HEADER
    assert peer.take_sent() == Abort(2, UNRECOGNISED_PDU).encode()


# ---- before the association (hostile cases 1 to 10) ----

BEFORE = {
    "RQ of length 0": (header(1, 0), INVALID_VALUE),
    "RQ of length 67": (header(1, 67), INVALID_VALUE),
    "RQ of length FFFFFFFF": (header(1, 0xFFFFFFFF), INVALID_VALUE),
    "RQ of 1 MiB + 1": (header(1, MEBIBYTE + 1), INVALID_VALUE),
    "type 00": (header(0x00, 4) + bytes(4), UNRECOGNISED_PDU),
    "type 08": (header(0x08, 0), UNRECOGNISED_PDU),
    "type FF": (header(0xFF, 0xFFFFFFFF), UNRECOGNISED_PDU),
    "TLS ClientHello": (bytes.fromhex("16030100c8010000c40303") + bytes(196), UNRECOGNISED_PDU),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: example\r\n\r\n", UNRECOGNISED_PDU),
    "AC first": (ACCEPT.encode(), UNEXPECTED_PDU),
    "RJ first": (REJECT.encode(), UNEXPECTED_PDU),
    "P-DATA-TF first": (ECHO_PDU, UNEXPECTED_PDU),
    "RELEASE-RQ first": (RELEASE_RQ, UNEXPECTED_PDU),
    "RELEASE-RP first": (RELEASE_RP, UNEXPECTED_PDU),
    "A-ABORT of 3 bytes": (header(7, 3) + bytes(3), INVALID_VALUE),
}


@pytest.mark.parametrize(("incoming", "reason"), BEFORE.values(), ids=BEFORE)
def test_fault_before_the_association(incoming: bytes, reason: int) -> None:
    assert_aborted(Peer(Role.ACCEPTOR), incoming, reason)


def test_connection_that_ends_in_mid_request() -> None:
    peer = Peer(Role.ACCEPTOR)
    assert peer.feed(REQUEST.encode()[:100]) == []
    assert peer.end() == []
    assert peer.association.closed
    assert peer.take_sent() == b""


def test_request_of_one_mebibyte_is_read() -> None:
    """The cap is a length that a PDU may have: items of an unknown type fill it up."""
    request = REQUEST.encode()
    unknown = b"\x7f\0\xff\xff" + bytes(0xFFFF)
    body = request[6:] + unknown * 15
    body += b"\x7f\0" + struct.pack(">H", MEBIBYTE - len(body) - 4) + bytes(MEBIBYTE - len(body) - 4)
    peer = Peer(Role.ACCEPTOR)
    assert peer.feed(header(1, len(body)) + body) == [AssociationRequested(REQUEST)]
    assert len(body) == MEBIBYTE


@pytest.mark.parametrize("maximum_length", range(1, 8))
def test_maximum_length_without_room_for_a_response(maximum_length: int) -> None:
    information = UserInformation(maximum_length=maximum_length)
    request = msgspec.structs.replace(REQUEST, user_information=information)
    assert_aborted(Peer(Role.ACCEPTOR), request.encode(), INVALID_VALUE)
    accept = msgspec.structs.replace(ACCEPT, user_information=information)
    assert_aborted(peer_in(Role.REQUESTOR, State.STA5), accept.encode(), INVALID_VALUE)


# ---- established (35 to 49), in either role ----

LONG_COMMAND = b"".join(p_data(1, 1, bytes(4000)) for _ in range(17))  # 68,000 bytes, and no end
NO_DATA_SET = msgspec.structs.replace(STORE, has_data_set=False)


def element(number: int, value: bytes, *, length: int | None = None) -> bytes:
    return struct.pack("<HHI", 0, number, len(value) if length is None else length) + value


FIELD = element(0x0100, b"\x30\0")
DATA_SET_TYPE = element(0x0800, b"\x01\x01")

ESTABLISHED = {
    "second RQ": (REQUEST.encode(), UNEXPECTED_PDU),
    "AC": (ACCEPT.encode(), UNEXPECTED_PDU),
    "RJ": (REJECT.encode(), UNEXPECTED_PDU),
    "RELEASE-RP": (RELEASE_RP, UNEXPECTED_PDU),
    "unknown type": (header(0x09, 0), UNRECOGNISED_PDU),
    **{f"P-DATA-TF of length {n}": (header(4, n) + bytes(n), INVALID_VALUE) for n in range(6)},
    "PDV longer than its PDU": (header(4, 10) + struct.pack(">IBB", 7, 1, 3) + bytes(4), INVALID_VALUE),
    "PDV of length FFFFFFFF": (header(4, 10) + struct.pack(">IBB", 0xFFFFFFFF, 1, 3), INVALID_VALUE),
    "PDV of length 1": (header(4, 6) + struct.pack(">IBB", 1, 1, 3), INVALID_VALUE),
    "bytes behind the last PDV": (header(4, 9) + struct.pack(">IBB", 2, 1, 3) + bytes(3), INVALID_VALUE),
    "PDU over our maximum": (header(4, MAXIMUM_LENGTH + 1), INVALID_VALUE),
    "PDU of FFFFFFFF bytes": (header(4, 0xFFFFFFFF), INVALID_VALUE),
    "context never proposed": (p_data(7, 3, ECHO.encode()), UNEXPECTED_PARAMETER),
    "context refused": (p_data(5, 3, ECHO.encode()), UNEXPECTED_PARAMETER),
    "context 0": (p_data(0, 3, ECHO.encode()), UNEXPECTED_PARAMETER),
    "data set before any command": (p_data(3, 2, b"data"), UNEXPECTED_PARAMETER),
    "command inside a data set": (STORE_PDU + p_data(3, 0, b"da") + ECHO_PDU, UNEXPECTED_PARAMETER),
    "command in place of a data set": (STORE_PDU + ECHO_PDU, UNEXPECTED_PARAMETER),
    "data set on another context": (STORE_PDU + p_data(1, 2, b"data"), UNEXPECTED_PARAMETER),
    "data set inside a command": (
        p_data(1, 1, ECHO.encode()[:9]) + p_data(1, 2, b"data"),
        UNEXPECTED_PARAMETER,
    ),
    "command on two contexts": (
        p_data(1, 1, ECHO.encode()[:9]) + p_data(3, 3, ECHO.encode()[9:]),
        UNEXPECTED_PARAMETER,
    ),
    "data set that was said to be absent": (
        p_data(3, 3, NO_DATA_SET.encode()) + p_data(3, 2, b"data"),
        UNEXPECTED_PARAMETER,
    ),
    "command that never ends": (LONG_COMMAND, INVALID_VALUE),
    "empty command": (p_data(1, 3, b""), INVALID_VALUE),
    "no command field": (p_data(1, 3, DATA_SET_TYPE), INVALID_VALUE),
    "no command data set type": (p_data(1, 3, FIELD), INVALID_VALUE),
    "command element overrun": (p_data(1, 3, FIELD + element(0x0800, b"", length=2)), INVALID_VALUE),
    "undefined length": (p_data(1, 3, FIELD + element(0x0800, b"", length=0xFFFFFFFF)), INVALID_VALUE),
    "RELEASE-RQ in mid-data set": (STORE_PDU + p_data(3, 0, b"da") + RELEASE_RQ, UNEXPECTED_PDU),
    "RELEASE-RQ in place of a data set": (STORE_PDU + RELEASE_RQ, UNEXPECTED_PDU),
    "RELEASE-RQ in mid-command": (p_data(1, 1, ECHO.encode()[:9]) + RELEASE_RQ, UNEXPECTED_PDU),
    "RELEASE-RQ of 5 bytes": (header(5, 5) + bytes(5), INVALID_VALUE),
    "A-ABORT of 0 bytes": (header(7, 0), INVALID_VALUE),
}


@pytest.mark.parametrize("role", Role, ids=[role.value for role in Role])
@pytest.mark.parametrize(("incoming", "reason"), ESTABLISHED.values(), ids=ESTABLISHED)
def test_fault_in_an_established_association(role: Role, incoming: bytes, reason: int) -> None:
    assert_aborted(peer_in(role, State.STA6), incoming, reason)


@pytest.mark.parametrize(("incoming", "reason"), ESTABLISHED.values(), ids=ESTABLISHED)
def test_fault_behind_a_whole_message(incoming: bytes, reason: int) -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    peer.feed(STORE_PDU + p_data(3, 2, b"data"))
    assert peer.happened == [CommandReceived(3, STORE), DataSetFragment(3, b"data", last=True)]
    assert_aborted(peer, incoming, reason)


DATA_FAULTS = [
    name
    for name in ESTABLISHED
    if not name.startswith(("second", "AC", "RJ", "RELEASE-RP", "unknown", "A-ABORT", "RELEASE-RQ of"))
]


@pytest.mark.parametrize("name", DATA_FAULTS)
def test_fault_in_data_that_is_taken_after_our_release_request(name: str) -> None:
    assert_aborted(peer_in(Role.ACCEPTOR, State.STA7), *ESTABLISHED[name])


@pytest.mark.parametrize(
    ("role", "state"),
    [
        (Role.ACCEPTOR, State.STA8),
        (Role.ACCEPTOR, State.STA10),
        (Role.ACCEPTOR, State.STA12),
        (Role.REQUESTOR, State.STA8),
        (Role.REQUESTOR, State.STA9),
        (Role.REQUESTOR, State.STA11),
    ],
    ids=lambda value: value.name,
)
@pytest.mark.parametrize("fault", ["PDU over our maximum", "PDV of length 1", "data set before any command"])
def test_fault_in_data_that_no_one_awaits(role: Role, state: State, fault: str) -> None:
    assert_aborted(peer_in(role, state), *ESTABLISHED[fault])


def test_broken_data_after_the_end_is_aborted_and_odd_data_ignored() -> None:
    """Sta13: AA-7 for what is invalid, AA-6 for P-DATA of whatever message."""
    peer = peer_in(Role.REQUESTOR, State.STA13)
    peer.feed(p_data(3, 2, b"no command came"))
    assert peer.take_sent() == b""
    peer = peer_in(Role.REQUESTOR, State.STA13)
    peer.feed(header(4, 5) + bytes(5))
    assert peer.take_sent() == Abort(2, INVALID_VALUE).encode()
    assert peer.happened == []


def test_release_inside_a_message_after_the_end_is_ignored() -> None:
    peer = peer_in(Role.REQUESTOR, State.STA13)
    peer.feed(p_data(1, 1, ECHO.encode()[:9]) + RELEASE_RQ)
    assert peer.take_sent() == b""
    assert peer.association.state is State.STA13


# ---- what looks wrong and is right ----


@pytest.mark.parametrize("control", [0xFF, 0x07, 0x83], ids=hex)
def test_reserved_control_bits_are_ignored(control: int) -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert peer.feed(p_data(1, control, ECHO.encode())) == [CommandReceived(1, ECHO)]


@pytest.mark.parametrize("length", [None, 0, 0xFFFFFFFF], ids=["absent", "zero", "huge"])
def test_group_length_is_not_believed(length: int | None) -> None:
    elements = ECHO.encode()[12:]
    group_length = b"" if length is None else element(0, struct.pack("<I", length))
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert peer.feed(p_data(1, 3, group_length + elements)) == [CommandReceived(1, ECHO)]


def test_unknown_command_is_the_users_to_answer() -> None:
    unknown = msgspec.structs.replace(ECHO, field=0x0055)
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert peer.feed(p_data(1, 3, unknown.encode())) == [CommandReceived(1, unknown)]


def test_command_of_exactly_the_cap_is_read() -> None:
    padding = 64 * 1024 - len(ECHO.encode()) - 8
    command = ECHO.encode() + element(0xFFFE, bytes(padding))
    fragments = [command[at : at + 4000] for at in range(0, len(command), 4000)]
    pdus = [p_data(1, 1, fragment) for fragment in fragments[:-1]] + [p_data(1, 3, fragments[-1])]
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert peer.feed(*pdus) == [CommandReceived(1, ECHO)]
    assert len(command) == 64 * 1024


def test_command_and_data_set_in_one_pdu() -> None:
    pdu = PDataTF((PDV(3, 3, STORE.encode()), PDV(3, 2, b"data"), PDV(1, 3, ECHO.encode()))).encode()
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert peer.feed(pdu) == [
        CommandReceived(3, STORE),
        DataSetFragment(3, b"data", last=True),
        CommandReceived(1, ECHO),
    ]


def test_uid_fields_are_the_users_to_judge() -> None:
    hostile = msgspec.structs.replace(STORE, affected_sop_instance_uid="../x", affected_sop_class_uid=None)
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert peer.feed(p_data(3, 3, hostile.encode())) == [CommandReceived(3, hostile)]


def test_abort_in_mid_data_set() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    peer.feed(STORE_PDU, p_data(3, 0, b"da"))
    assert peer.feed(Abort(2, 6).encode()) == [AbortedByPeer(2, 6)]
    assert peer.association.closed
    assert peer.take_sent() == b""


@pytest.mark.parametrize("at", range(1, len(PEER_ABORT)))
def test_connection_that_ends_in_mid_abort(at: int) -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    assert peer.feed(PEER_ABORT[:at]) == []
    assert peer.end() == [ConnectionLost()]


# ---- memory ----


@pytest.mark.parametrize(
    ("state", "incoming"),
    [
        (State.STA2, header(1, MEBIBYTE)),
        (State.STA6, header(1, 0xFFFFFFFF)),
        (State.STA6, header(4, MAXIMUM_LENGTH) + struct.pack(">IBB", MAXIMUM_LENGTH - 4, 1, 1)),
        (State.STA8, header(4, 0xFFFFFFFF)),
        (State.STA3, header(4, 0xFFFFFFFF)),
    ],
    ids=["RQ", "second RQ", "command", "unawaited P-DATA-TF", "early P-DATA-TF"],
)
def test_nothing_is_held_because_a_length_says_so(state: State, incoming: bytes) -> None:
    peer = peer_in(Role.ACCEPTOR, state)
    tracemalloc.start()
    try:
        peer.feed(incoming)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 16 * 1024
    assert peak < 16 * 1024


def test_body_of_an_unexpected_pdu_is_not_collected() -> None:
    peer = peer_in(Role.ACCEPTOR, State.STA6)
    peer.feed(header(1, MEBIBYTE))
    tracemalloc.start()
    try:
        for _ in range(16):
            peer.feed(bytes(MEBIBYTE // 16))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 16 * 1024
