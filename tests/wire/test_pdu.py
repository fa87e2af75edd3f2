"""Every PDU: round trips, any bytes, each fault's answer, and pynetdicom as the other opinion."""

import struct

import pynetdicom.pdu
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.errors import LocalProtocolError, RemoteProtocolError
from port104.wire.items import item
from port104.wire.pdu import (
    PDV,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    ExtendedNegotiation,
    PDataTF,
    PresentationContext,
    PresentationContextResult,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
    UserIdentity,
    UserInformation,
    decode,
)
from wire_strategies import accepts, pdus, requests

SYNTAX = "1.2.840.10008.1.2"
REQUEST = AssociateRQ(
    "CALLED",
    "CALLING",
    (PresentationContext(1, "1.2.840.10008.1.1", (SYNTAX,)),),
    UserInformation(maximum_length=16384, implementation_class_uid="1.2.3"),
)
FIXED = REQUEST.encode()[6:74]
CONTEXT = REQUEST.presentation_contexts[0].encode()
APPLICATION = item(0x10, b"1.2.840.10008.3.1.1.1")
INFORMATION = item(0x50, REQUEST.user_information.encode())


def decoded(encoded):
    """Decode a whole PDU, whose header must tell its length."""
    pdu_type, length = struct.unpack_from(">BxI", encoded)
    assert length == len(encoded) - 6
    return decode(pdu_type, encoded[6:])


def request_with(*items):
    return decode(1, FIXED + b"".join(items))


@given(pdus)
def test_decode_undoes_encode(pdu):
    assert decoded(pdu.encode()) == pdu


@given(pdu=pdus, data=st.data())
def test_a_changed_pdu_decodes_again_or_is_a_fault_of_the_peer(pdu, data):
    encoded = bytearray(pdu.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(6, max(6, len(encoded) - 1)))
        if place < len(encoded):
            encoded[place] = data.draw(st.integers(0, 255))
    body = bytes(encoded[6 : data.draw(st.integers(6, len(encoded)))])
    try:
        read = decode(encoded[0], body)
    except RemoteProtocolError as fault:
        assert fault.reason in (5, 6)
    else:
        assert decoded(read.encode()) == read


@given(pdu_type=st.integers(0, 255), body=st.binary(max_size=300))
def test_any_bytes_decode_or_are_a_fault_of_the_peer(pdu_type, body):
    try:
        read = decode(pdu_type, body)
    except RemoteProtocolError as fault:
        assert fault.reason in ((5, 6) if 1 <= pdu_type <= 7 else (1,))
    else:
        assert decoded(read.encode()) == read


UNREADABLE = {
    "no fixed fields": FIXED[:67],
    "an item length beyond the PDU": FIXED + APPLICATION[:-1],
    "one trailing byte": FIXED + APPLICATION + CONTEXT + INFORMATION + b"\0",
    "three trailing bytes": FIXED + APPLICATION + CONTEXT + INFORMATION + b"\x50\0\0",
    "an empty application context": FIXED + item(0x10, b""),
    "an application context of padding": FIXED + item(0x10, b"\0"),
    "an empty presentation context": FIXED + APPLICATION + item(0x20, b""),
    "empty user information": FIXED + APPLICATION + CONTEXT + item(0x50, b""),
    "an even context ID": FIXED + item(0x20, b"\2\0\0\0"),
    "a context ID of 0": FIXED + item(0x20, b"\0\0\0\0"),
    "a context ID twice": FIXED + CONTEXT + CONTEXT,
    "an empty abstract syntax": FIXED + item(0x20, b"\1\0\0\0" + item(0x30, b"")),
    "an empty transfer syntax": FIXED + item(0x20, b"\1\0\0\0" + item(0x40, b"")),
    "a sub-item beyond its item": FIXED + item(0x20, b"\1\0\0\0" + item(0x40, b"1.2")[:-1]),
    "a maximum length of three bytes": FIXED + item(0x50, item(0x51, b"\0\0\0")),
    "a maximum length of five bytes": FIXED + item(0x50, item(0x51, bytes(5))),
    "an empty implementation class UID": FIXED + item(0x50, item(0x52, b"")),
    "a window of two bytes": FIXED + item(0x50, item(0x53, b"\0\1")),
    "a role's UID beyond its item": FIXED + item(0x50, item(0x54, b"\0\x64" + b"1.2\1\1")),
    "a role without its flags": FIXED + item(0x50, item(0x54, b"\0\3" + b"1.2\1")),
    "an empty version name": FIXED + item(0x50, item(0x55, b"")),
    "an empty extended negotiation": FIXED + item(0x50, item(0x56, b"")),
    "a common extended negotiation cut short": FIXED + item(0x50, item(0x57, b"\0\3" + b"1.2")),
    "a related class beyond its list": FIXED
    + item(0x50, item(0x57, b"\0\1" + b"1" + b"\0\1" + b"2" + b"\0\2" + b"\0\5")),
    "an identity cut short": FIXED + item(0x50, item(0x58, b"\1\0\0\x05abc")),
    "an identity without its secondary field": FIXED + item(0x50, item(0x58, b"\1\0\0\1a")),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_does_not_fit_is_an_invalid_parameter(body):
    with pytest.raises(RemoteProtocolError) as fault:
        decode(1, body)
    assert fault.value.reason == 6


REPEATED = {
    "application context": APPLICATION + APPLICATION,
    "user information": INFORMATION + INFORMATION,
    "maximum length": item(0x50, 2 * item(0x51, bytes(4))),
    "implementation class UID": item(0x50, 2 * item(0x52, b"1.2")),
    "user identity": item(0x50, 2 * item(0x58, b"\1\0\0\0\0\0")),
}


@pytest.mark.parametrize("items", REPEATED.values(), ids=REPEATED)
def test_what_comes_twice_is_an_unexpected_parameter(items):
    with pytest.raises(RemoteProtocolError) as fault:
        decode(1, FIXED + items)
    assert fault.value.reason == 5


@pytest.mark.parametrize("pdu_type", [3, 5, 6, 7])
@pytest.mark.parametrize("length", [0, 3, 5])
def test_short_pdus_have_four_bytes(pdu_type, length):
    with pytest.raises(RemoteProtocolError) as fault:
        decode(pdu_type, bytes(length))
    assert fault.value.reason == 6


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1\1", b"\0\0\0\1\1\3", b"\0\0\0\4\1\3a"])
def test_pdv_items_that_do_not_fit(body):
    with pytest.raises(RemoteProtocolError) as fault:
        decode(4, body)
    assert fault.value.reason == 6


def test_unknown_items_and_sub_items_are_skipped():
    unknown = item(0x7F, b"unknown")
    context = item(0x20, b"\1\0\0\0" + unknown + item(0x30, b"1.2") + item(0x40, b"1.3"))
    information = item(0x50, item(0x5F, b"unknown") + item(0x51, bytes(4)))
    read = request_with(unknown, APPLICATION, context, information)
    assert read.presentation_contexts == (PresentationContext(1, "1.2", ("1.3",)),)
    assert read.user_information == UserInformation(maximum_length=0)


def test_reserved_bytes_are_ignored():
    body = bytearray(FIXED + APPLICATION + CONTEXT + INFORMATION)
    for place in (2, 3, *range(36, 68), 69):
        body[place] = 0xFF
    body[len(FIXED + APPLICATION) + 5 : len(FIXED + APPLICATION) + 8] = b"\xff\xff\xff"
    assert decode(1, bytes(body)) == REQUEST
    assert decode(5, b"\xff" * 4) == ReleaseRQ()
    assert decode(6, b"\xff" * 4) == ReleaseRP()
    assert decode(7, b"\xff\xff\2\1") == Abort(2, 1)
    assert decode(3, b"\xff\1\2\3") == AssociateRJ(1, 2, 3)


def test_padding_is_not_significant():
    body = bytearray(FIXED + APPLICATION)
    body[4:20] = b"  CALLED\0\0\0     "
    body[20:36] = b" " * 16
    read = decode(1, bytes(body))
    assert (read.called_ae_title, read.calling_ae_title) == ("CALLED", "")
    assert request_with(item(0x10, b"1.2\0")).application_context == "1.2"


def test_a_context_without_one_abstract_syntax_is_decoded_to_be_refused():
    abstract, transfer = item(0x30, b"1.2"), item(0x40, b"1.3")
    none = item(0x20, b"\1\0\0\0" + transfer)
    two = item(0x20, b"\3\0\0\0" + abstract + abstract + transfer)
    without_transfer = item(0x20, b"\5\0\0\0" + abstract)
    assert request_with(none, two, without_transfer).presentation_contexts == (
        PresentationContext(1, "", ("1.3",)),
        PresentationContext(3, "", ("1.3",)),
        PresentationContext(5, "1.2", ()),
    )


def test_every_context_there_can_be():
    contexts = tuple(PresentationContext(2 * n + 1, f"1.2.{n}", (SYNTAX,)) for n in range(128))
    request = AssociateRQ("A", "B", contexts, UserInformation())
    assert decoded(request.encode()) == request


def test_the_transfer_syntax_of_a_refused_context_may_be_empty():
    result = item(0x21, b"\1\0\3\0" + item(0x40, b""))
    read = decode(2, FIXED + APPLICATION + result)
    assert read.presentation_contexts == (PresentationContextResult(1, 3, ""),)


@pytest.mark.parametrize(
    "pdu",
    [
        AssociateRQ("A", "B", (PresentationContext(1, "1" * 70_000, ()),), UserInformation()),
        AssociateRQ("A", "B", (), UserInformation(implementation_class_uid="\u20ac")),
        AssociateRQ("A", "B", (), UserInformation(user_identity_response=bytes(70_000))),
    ],
    ids=["an item", "a text", "a sized field"],
)
def test_what_a_field_cannot_hold_is_our_own_error(pdu):
    with pytest.raises(LocalProtocolError):
        pdu.encode()


# ---- pynetdicom's opinion ----

FULL = AssociateRQ(
    "CALLED",
    "CALLING",
    (
        PresentationContext(1, "1.2.840.10008.1.1", (SYNTAX, "1.2.840.10008.1.2.1")),
        PresentationContext(255, "1.2.840.10008.5.1.4.1.1.7", ("1.2.840.10008.1.2.4.90",)),
    ),
    UserInformation(
        maximum_length=65536,
        implementation_class_uid="1.2.3.4",
        implementation_version_name="VERSION",
        asynchronous_operations_window=AsynchronousOperationsWindow(5, 6),
        role_selections=(RoleSelection("1.2.5", scu_role=True, scp_role=False),),
        extended_negotiations=(ExtendedNegotiation("1.2.6", b"\2\0\0\0\0\0"),),
        user_identity=UserIdentity(2, True, b"user", b"passcode"),
    ),
)


def test_pynetdicom_reads_our_request():
    theirs = pynetdicom.pdu.A_ASSOCIATE_RQ()
    theirs.decode(FULL.encode())
    primitive = theirs.to_primitive()
    assert (primitive.called_ae_title, primitive.calling_ae_title) == ("CALLED", "CALLING")
    contexts = primitive.presentation_context_definition_list
    assert [context.context_id for context in contexts] == [1, 255]
    assert contexts[0].transfer_syntax == [SYNTAX, "1.2.840.10008.1.2.1"]
    by_type = {type(one).__name__: one for one in primitive.user_information}
    window = by_type["AsynchronousOperationsWindowNegotiation"]
    assert (window.maximum_number_operations_invoked, window.maximum_number_operations_performed) == (5, 6)
    assert by_type["MaximumLengthNotification"].maximum_length_received == 65536
    assert by_type["ImplementationVersionNameNotification"].implementation_version_name == "VERSION"
    assert by_type["SCP_SCU_RoleSelectionNegotiation"].scu_role is True
    assert by_type["SOPClassExtendedNegotiation"].service_class_application_information == b"\2\0\0\0\0\0"
    assert by_type["UserIdentityNegotiation"].secondary_field == b"passcode"
    assert theirs.encode() == FULL.encode()


def test_we_read_what_pynetdicom_wrote():
    theirs = pynetdicom.pdu.A_ASSOCIATE_RQ()
    theirs.decode(FULL.encode())
    assert decoded(theirs.encode()) == FULL


@pytest.mark.parametrize(
    ("pdu", "theirs"),
    [
        (AssociateRJ(1, 1, 7), pynetdicom.pdu.A_ASSOCIATE_RJ),
        (PDataTF((PDV(1, 3, b"command"), PDV(1, 2, b"data"))), pynetdicom.pdu.P_DATA_TF),
        (ReleaseRQ(), pynetdicom.pdu.A_RELEASE_RQ),
        (ReleaseRP(), pynetdicom.pdu.A_RELEASE_RP),
        (Abort(2, 6), pynetdicom.pdu.A_ABORT_RQ),
        (
            AssociateAC(
                "CALLED",
                "CALLING",
                (PresentationContextResult(1, 0, SYNTAX), PresentationContextResult(3, 4, SYNTAX)),
                UserInformation(maximum_length=0, user_identity_response=b"response"),
            ),
            pynetdicom.pdu.A_ASSOCIATE_AC,
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type) else "",
)
def test_pynetdicom_reads_and_repeats_ours(pdu, theirs):
    read = theirs()
    read.decode(pdu.encode())
    assert read.encode() == pdu.encode()


@given(requests | accepts)
def test_decoding_never_takes_more_than_the_body_holds(pdu):
    """Trailing bytes of a next PDU are the next PDU's: the body alone decides."""
    encoded = pdu.encode()
    assert decode(encoded[0], encoded[6:]) == pdu
