"""What C reads and writes of a C-STORE is what Python reads and writes of it, whatever the bytes."""

import hashlib
import struct
from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from port104._native import ffi, lib
from pydicom.filereader import _read_file_meta_info, read_preamble

from port104 import native, uids
from port104.errors import RemoteProtocolError
from port104.storage.part10 import encode_origin
from port104.wire.command import Command, CommandField, decode_command, response_to
from port104.wire.fragmentation import COMMAND, SMALLEST, fragments
from port104.wire.identifiers import valid_uid
from wire_strategies import anything, commands, context_ids, uint16, valid_commands, valid_names, valid_uids

CLASS = "1.2.840.10008.5.1.4.1.1.7"
UID_LENGTH = 64


def read_natively(data):
    """(SOP class, SOP instance, message ID) of a C-STORE-RQ that may be stored, or None."""
    request = ffi.new("p104_store_request *")
    buffer = ffi.from_buffer(data)
    if not lib.p104_read_store_request(buffer, len(data), request):
        return None
    return (
        ffi.buffer(request.sop_class, request.sop_class_length)[:],
        ffi.buffer(request.sop_instance, request.sop_instance_length)[:],
        request.message_id,
    )


def read_by_rules(data):
    """The same by the association's decoder and the rules of Storing.refusal_of."""
    try:
        command = decode_command(data)
    except RemoteProtocolError:
        return None
    sop_class, instance = command.affected_sop_class_uid, command.affected_sop_instance_uid
    if command.field != CommandField.C_STORE_RQ or not command.has_data_set:
        return None
    if not (sop_class and instance and valid_uid(instance)):
        return None
    return sop_class.encode("latin-1"), instance.encode("latin-1"), command.message_id or 0


# ---- what comes ----


def element(number, value, *, group=0, stated=0):
    """One element; `stated` makes the length that it states a wrong one."""
    return struct.pack("<HHI", group, number, (len(value) + stated) & 0xFFFFFFFF) + value


def number_of(value):
    return struct.pack("<H", value)


paddings = st.sampled_from([b"", b"", b"\0", b" ", b"\0\0", b" \0 ", b"\0 \0\0"])
instances = (
    valid_uids
    | st.sampled_from(["0", "1.0", "1.02", "1..2", ".1", "1.", "", "1" * 64, "1" * 65, "1.2\n"])
    | st.text("0123.", max_size=66)
)
uid_values = st.builds(lambda uid, padding: uid.encode("latin-1") + padding, instances | anything, paddings)
class_values = st.just(CLASS.encode() + b"\0") | uid_values
rarely_not_two = st.sampled_from([2] * 30 + [0, 1, 3, 4])
number_values = st.builds(
    lambda value, size: number_of(value).ljust(size, b"\0")[:size],
    st.sampled_from([0x0001, 0x0101, 0x8001, 0x0030, 0]) | uint16,
    rarely_not_two,
)
STRING_ELEMENTS = (0x0003, 0x0902, 0x1001, 0x1030)
NUMBER_ELEMENTS = (0x0100, 0x0110, 0x0120, 0x0700, 0x0800, 0x0900, 0x1031)
any_element = st.one_of(
    st.builds(element, st.just(0x0002), class_values),
    st.builds(element, st.just(0x1000), uid_values),
    st.builds(element, st.sampled_from(STRING_ELEMENTS), uid_values),
    st.builds(element, st.sampled_from(NUMBER_ELEMENTS), number_values),
    st.builds(element, uint16, st.binary(max_size=9)),  # unknown, and of odd lengths
    st.builds(element, st.just(0), st.binary(min_size=4, max_size=4)),  # group length, wrong
)
broken_element = st.builds(
    lambda number, value, group, stated: element(number, value, group=group, stated=stated),
    st.sampled_from([0x0002, 0x0100, 0x0800, 0x1000]) | uint16,
    st.binary(max_size=9),
    st.sampled_from([0, 0, 1, 8, 0xFFFF]),
    st.sampled_from([0, -1, 1, 1 << 31, 0xFFFFFFFF]),
)
requests = st.builds(
    lambda sop_class, instance, message_id, data_set_type: [
        element(0x0000, b"\0\0\0\0"),
        element(0x0002, sop_class),
        element(0x0100, number_of(CommandField.C_STORE_RQ)),
        element(0x0110, number_of(message_id)),
        element(0x0700, b"\0\0"),
        element(0x0800, number_of(data_set_type)),
        element(0x1000, instance),
    ],
    class_values,
    uid_values,
    uint16,
    st.sampled_from([1, 1, 1, 0, 0x0101]) | uint16,
)


@st.composite
def changed_requests(draw):
    """A C-STORE-RQ some of whose elements come twice, are absent, displaced or others."""
    elements = draw(requests)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(elements)))
        change = draw(st.sampled_from(["insert", "insert", "repeat", "remove", "shuffle", "break"]))
        if change == "insert":
            elements.insert(at, draw(any_element))
        elif change == "repeat":
            elements.insert(at, draw(st.sampled_from(elements)))
        elif change == "remove" and len(elements) > 1:
            elements.pop(at - 1)
        elif change == "shuffle":
            elements = list(draw(st.permutations(elements)))
        elif change == "break":
            elements.insert(at, draw(broken_element))
    return b"".join(elements)


@st.composite
def mutated(draw):
    """Well-formed bytes of which one was changed, or the end is missing."""
    data = bytearray(draw(changed_requests()))
    at = draw(st.integers(0, len(data) - 1))
    if draw(st.booleans()):
        data[at] = draw(st.integers(0, 0xFF))
        return bytes(data)
    return bytes(data[:at])


anything_at_all = st.one_of(
    changed_requests(),
    mutated(),
    st.lists(any_element, max_size=9).map(b"".join),
    commands.map(Command.encode),
    valid_commands.map(Command.encode),
    st.binary(max_size=60),
)


@settings(max_examples=3_000)
@given(data=anything_at_all)
@example(data=b"")
def test_reading_agrees(data):
    assert read_natively(data) == read_by_rules(data)


@given(
    sop_class=valid_uids,
    instance=valid_uids,
    message_id=uint16,
    padding=paddings,
    others=st.lists(any_element, max_size=3),
)
def test_well_formed_requests_are_taken(sop_class, instance, message_id, padding, others):
    """So that the agreement above is not one about refusals alone."""
    data = b"".join(others) + b"".join(
        [
            element(0x0002, sop_class.encode() + padding),
            element(0x0100, number_of(CommandField.C_STORE_RQ)),
            element(0x0110, number_of(message_id)),
            *(element(number, b"\0\0") for number in (0x0120, 0x0700, 0x0800, 0x0900, 0x1031)),
            element(0x1000, instance.encode() + padding),
        ]
    )
    assert read_natively(data) == (sop_class.encode(), instance.encode(), message_id)


# ---- what is answered ----


def respond_natively(context_id, maximum_length, sop_class, instance, message_id, status):
    out = ffi.new("uint8_t[]", lib.P104_RESPONSE_ROOM)
    sop_class_buffer, instance_buffer = ffi.from_buffer(sop_class), ffi.from_buffer(instance)
    request = ffi.new(
        "p104_store_request *",
        (sop_class_buffer, instance_buffer, len(sop_class), len(instance), message_id),
    )
    length = lib.p104_encode_store_response(out, context_id, maximum_length, request, status)
    return ffi.buffer(out, length)[:]


def respond_by_rules(context_id, maximum_length, sop_class, instance, message_id, status):
    request = Command(
        field=CommandField.C_STORE_RQ,
        has_data_set=True,
        message_id=message_id,
        affected_sop_class_uid=sop_class.decode("latin-1"),
        affected_sop_instance_uid=instance.decode("latin-1"),
    )
    command = response_to(request, status).encode()
    return fragments(context_id, command, COMMAND, maximum_length=maximum_length)


@pytest.mark.parametrize("instance", ["1", "1.2", "1.2.3.4.5", "1" * 63, "1" * 64])
@pytest.mark.parametrize("sop_class", ["1", CLASS, "1" * 64])
def test_responses_of_every_maximum_length(sop_class, instance):
    lengths = [*range(SMALLEST, 260), 16384, 256 * 1024, 256 * 1024 + 1, 0xFFFFFFFF, 0]
    assert SMALLEST == lib.P104_SMALLEST_PDU
    for length in lengths:
        facts = (3, length, sop_class.encode(), instance.encode(), 77, 0xA700)
        assert respond_natively(*facts) == respond_by_rules(*facts)


short_texts = anything.map(lambda value: value[:UID_LENGTH].rstrip("\0 ")).filter(bool)


@given(
    context_id=context_ids,
    maximum_length=st.just(0) | st.integers(SMALLEST, 300) | st.integers(SMALLEST, 0xFFFFFFFF),
    sop_class=short_texts,
    instance=valid_uids | short_texts,
    message_id=uint16,
    status=uint16,
)
def test_responses_agree(context_id, maximum_length, sop_class, instance, message_id, status):
    facts = (
        context_id,
        maximum_length,
        sop_class.encode("latin-1"),
        instance.encode("latin-1"),
        message_id,
        status,
    )
    assert respond_natively(*facts) == respond_by_rules(*facts)


# ---- what is stored ----


def encode_meta(sop_class, instance, transfer_syntax, origin):
    """(header, identity_end) of p104_encode_meta."""
    out = ffi.new("uint8_t[]", lib.P104_META_ROOM)
    identity_end = ffi.new("size_t *")
    values = [value.encode() for value in (sop_class, instance, transfer_syntax)]
    buffers = [(ffi.from_buffer(value), len(value)) for value in values]
    length = lib.p104_encode_meta(out, *buffers, origin, len(origin), identity_end)
    return ffi.buffer(out, length)[:], identity_end[0]


@given(
    sop_class=valid_uids,
    instance=valid_uids,
    transfer_syntax=valid_uids,
    calling=valid_names,
    called=valid_names,
)
def test_pydicom_reads_every_element(sop_class, instance, transfer_syntax, calling, called):
    origin = encode_origin(calling_ae_title=calling, called_ae_title=called)
    encoded, _ = encode_meta(sop_class, instance, transfer_syntax, origin)
    file = BytesIO(encoded)
    assert read_preamble(file, force=False) == bytes(128)
    meta = _read_file_meta_info(file)
    assert file.tell() == len(encoded)
    assert meta.FileMetaInformationGroupLength == len(encoded) - 144
    assert meta.FileMetaInformationVersion == b"\x00\x01"
    assert meta.MediaStorageSOPClassUID == sop_class
    assert meta.MediaStorageSOPInstanceUID == instance
    assert meta.TransferSyntaxUID == transfer_syntax
    assert meta.ImplementationClassUID == uids.IMPLEMENTATION_CLASS
    assert meta.ImplementationVersionName == uids.IMPLEMENTATION_VERSION
    assert meta.SourceApplicationEntityTitle == calling
    assert meta.SendingApplicationEntityTitle == calling
    assert meta.ReceivingApplicationEntityTitle == called
    assert len(meta) == 10


@given(sop_class=valid_uids, instance=valid_uids, transfer_syntax=valid_uids, origin=st.binary(max_size=256))
def test_the_identity_ends_before_the_origin(sop_class, instance, transfer_syntax, origin):
    encoded, identity_end = encode_meta(sop_class, instance, transfer_syntax, origin)
    assert encoded[identity_end:] == origin
    bare, end = encode_meta(sop_class, instance, transfer_syntax, b"")
    assert end == identity_end == len(bare)
    assert bare[144:] == encoded[144:identity_end]


@given(
    called=st.text(st.characters(max_codepoint=0xFF), max_size=16),
    instance=valid_uids | st.text(st.characters(max_codepoint=0xFF), max_size=UID_LENGTH),
)
def test_file_names_are_hashes(called, instance):
    identity = called.encode("latin-1") + b"\0" + instance.encode("latin-1")
    expected = hashlib.blake2b(identity, digest_size=16).hexdigest()
    assert native.file_name(called, instance) == expected


@pytest.mark.parametrize(("called", "instance"), [("A" * 17, "1.2"), ("A", "1" * 65)])
def test_what_is_too_long_has_no_file_name(called, instance):
    with pytest.raises(ValueError, match="at most 16 characters"):
        native.file_name(called, instance)
