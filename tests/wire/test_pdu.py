"""Every PDU: round trips, any bytes, and the answer to each fault."""

import struct

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
    PresentationContext,
    PresentationContextResult,
    ReleaseRP,
    ReleaseRQ,
    UserIdentity,
    UserInformation,
    decode,
)
from wire_strategies import pdus

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
    "a sub-item beyond the user information": FIXED + item(0x50, b"\x51\0\0\4\0\0\0"),
    "half a presentation context": FIXED + item(0x20, b"\1\0\0"),
    "an abstract syntax of padding": FIXED + item(0x20, b"\1\0\0\0" + item(0x30, b"\0\0")),
    "a transfer syntax of padding": FIXED + item(0x20, b"\1\0\0\0" + item(0x40, b"\0\0")),
    "one byte behind a transfer syntax": FIXED + item(0x20, b"\1\0\0\0" + item(0x40, b"1") + b"\0"),
    "more items than anybody sends": FIXED + 250_000 * item(0x7F, b""),
    "more in contexts": FIXED + 128 * item(0x20, b"\1\0\0\0" + 1_600 * item(0x40, b"1")),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_does_not_fit_is_an_invalid_parameter(body):
    with pytest.raises(RemoteProtocolError) as fault:
        decode(1, body)
    assert fault.value.reason == 6


@pytest.mark.timeout(10)
def test_time_grows_with_the_body_and_not_with_its_square():
    """A megabyte of the smallest PDVs takes a part of a second; copying the rest for each, minutes."""
    decode(4, 250_000 * PDV(1, 0, b"").encode())


REPEATED = {
    "application context": APPLICATION + APPLICATION,
    "user information": INFORMATION + INFORMATION,
    "maximum length": item(0x50, 2 * item(0x51, bytes(4))),
}


@pytest.mark.parametrize("pdu_type", [1, 2])
@pytest.mark.parametrize("items", REPEATED.values(), ids=REPEATED)
def test_what_comes_twice_is_an_unexpected_parameter(items, pdu_type):
    with pytest.raises(RemoteProtocolError) as fault:
        decode(pdu_type, FIXED + items)
    assert fault.value.reason == 5


@pytest.mark.parametrize("context_id", range(0, 256, 2))
def test_no_context_id_is_even(context_id):
    with pytest.raises(RemoteProtocolError) as fault:
        request_with(item(0x20, bytes([context_id, 0, 0, 0]) + item(0x30, b"1.2") + item(0x40, b"1.2")))
    assert fault.value.reason == 6


UNREADABLE_ANSWERS = {
    "a context ID twice": 2 * item(0x21, b"\1\0\3\0" + item(0x40, b"1.2")),
    "a context ID refused and accepted": item(0x21, b"\1\0\3\0") + item(0x21, b"\1\0\0\0" + item(0x40, b"1")),
    "an empty result": item(0x21, b""),
    "half a result": item(0x21, b"\1\0\0"),
    "a transfer syntax of padding": item(0x21, b"\1\0\0\0" + item(0x40, b"\0")),
    "a transfer syntax beyond its item": item(0x21, b"\1\0\0\0" + item(0x40, b"1.2")[:-1]),
    "empty user information": item(0x50, b""),
    "an empty application context": item(0x10, b""),
}


@pytest.mark.parametrize("items", UNREADABLE_ANSWERS.values(), ids=UNREADABLE_ANSWERS)
def test_what_does_not_fit_an_answer_is_an_invalid_parameter(items):
    with pytest.raises(RemoteProtocolError) as fault:
        decode(2, FIXED + items)
    assert fault.value.reason == 6


@pytest.mark.parametrize("pdu_type", [3, 5, 6, 7])
@pytest.mark.parametrize("length", [0, 3, 5])
def test_short_pdus_have_four_bytes(pdu_type, length):
    with pytest.raises(RemoteProtocolError) as fault:
        decode(pdu_type, bytes(length))
    assert fault.value.reason == 6


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\0",
        b"\0\0\0\0\1\3",
        b"\0\0\0\0" + PDV(1, 3, b"").encode(),
        b"\0\0\0\1\1" + PDV(1, 3, b"").encode(),
        b"\0\0\0\1\1",
        b"\0\0\0\1\1\3",
        b"\0\0\0\2\1",
        b"\0\0\0\4\1\3a",
        b"\0\0\0\3\1\3a\0",
        b"\xff\xff\xff\xff\1\3a",
    ],
)
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
    uids = item(0x30, b"1.2\0") + item(0x40, b"1.3\0\0")
    request = request_with(item(0x10, b"1.2\0"), item(0x20, b"\1\0\0\0" + uids))
    assert request.application_context == "1.2"
    assert request.presentation_contexts == (PresentationContext(1, "1.2", ("1.3",)),)


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


UNENCODABLE = {
    "a long item": AssociateRQ("A", "B", (PresentationContext(1, "1" * 70_000, ()),), UserInformation()),
    "a long sized field": UserInformation(user_identity_response=bytes(70_000)),
    "a text beyond ISO 8859-1": UserInformation(implementation_class_uid="\u20ac"),
    "a long called AE title": AssociateRQ("A" * 17, "B", (), UserInformation()),
    "a long calling AE title": AssociateAC("A", "B" * 17, (), UserInformation()),
    "a protocol version": AssociateRQ("A", "B", (), UserInformation(), protocol_version=1 << 16),
    "a proposed context ID": PresentationContext(256, "1.2", ()),
    "an answered context ID": PresentationContextResult(-1, 0, SYNTAX),
    "a maximum length": UserInformation(maximum_length=1 << 32),
    "a window": UserInformation(asynchronous_operations_window=AsynchronousOperationsWindow(1 << 16, 1)),
    "an identity type": UserInformation(user_identity=UserIdentity(256, False, b"")),
    "a rejection": AssociateRJ(1, 1, 256),
    "a control header": PDV(1, 256, b""),
    "an abort": Abort(256, 0),
}


@pytest.mark.parametrize("value", UNENCODABLE.values(), ids=UNENCODABLE)
def test_what_a_field_cannot_hold_is_our_own_error(value):
    with pytest.raises(LocalProtocolError):
        value.encode()
