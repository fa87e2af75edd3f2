"""Command sets: round trips, any bytes, and pynetdicom and pydicom as the other opinion."""

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom import dimse_messages, dimse_primitives
from pynetdicom.dsutils import decode as pynetdicom_decode
from pynetdicom.dsutils import encode as pynetdicom_encode
from pynetdicom.status import GENERAL_STATUS, STORAGE_SERVICE_CLASS_STATUS

from port104.errors import LocalProtocolError, RemoteProtocolError
from port104.wire.command import Command, CommandField, Status, decode_command, has_response, response_to
from wire_strategies import commands, valid_commands

STORE = Command(
    field=CommandField.C_STORE_RQ,
    has_data_set=True,
    message_id=7,
    affected_sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
    affected_sop_instance_uid="1.2.3",
    priority=0,
    move_originator_ae_title="MOVER",
    move_originator_message_id=9,
)


def element(number, value, group=0, length=None):
    return struct.pack("<HHI", group, number, len(value) if length is None else length) + value


FIELD = element(0x0100, b"\1\0")
NO_DATA_SET = element(0x0800, b"\1\1")
KNOWN_NUMBERS = [0x0100, 0x0110, 0x0120, 0x0700, 0x0800, 0x0900, 0x1031]


@given(commands)
def test_decode_undoes_encode(command):
    assert decode_command(command.encode()) == command


@given(commands)
def test_encoded_commands_keep_the_rules(command):
    """Ascending elements of even length, group length first and right (PS3.7 6.3.1)."""
    encoded = command.encode()
    assert struct.unpack_from("<HHII", encoded) == (0, 0, 4, len(encoded) - 12)
    numbers, at = [], 0
    while at < len(encoded):
        group, number, length = struct.unpack_from("<HHI", encoded, at)
        assert (group, length % 2) == (0, 0)
        numbers.append(number)
        at += 8 + length
    assert numbers == sorted(set(numbers))


@given(
    st.binary(max_size=100)
    | st.lists(
        st.builds(
            element, st.sampled_from([0, 2, 0x100, 0x110, 0x800, 0x900, 0x1000]), st.binary(max_size=4)
        ),
        max_size=6,
    ).map(b"".join)
)
def test_any_bytes_decode_or_are_a_fault_of_the_peer(data):
    try:
        command = decode_command(data)
    except RemoteProtocolError as fault:
        assert fault.reason == 6
    else:
        assert decode_command(command.encode()) == command


FAULTS = {
    "nothing": b"",
    "no command field": NO_DATA_SET,
    "no data set type": FIELD,
    "an element beyond the set": FIELD + NO_DATA_SET + element(0x0110, b"\1\0", length=3),
    "an undefined length": FIELD + NO_DATA_SET + element(0x1000, b"", length=0xFFFFFFFF),
    "half a header": FIELD + NO_DATA_SET + b"\0\0\0\1",
    "another group": FIELD + NO_DATA_SET + element(0x0018, b"1.2\0", group=8),
    "another group before any": element(0x0100, b"\1\0", group=2) + FIELD + NO_DATA_SET,
    "a length that would wrap": FIELD + NO_DATA_SET + element(0x1000, b"", length=0xFFFFFFF8),
}


@pytest.mark.parametrize("data", FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_read_is_a_fault_of_the_peer(data):
    with pytest.raises(RemoteProtocolError) as fault:
        decode_command(data)
    assert fault.value.reason == 6


@pytest.mark.parametrize(
    "group_length", [b"", element(0, b"\xff\xff\xff\xff"), element(0, b"\0\0\0\0"), element(0, b"")]
)
def test_a_wrong_group_length_changes_nothing(group_length):
    command = decode_command(group_length + FIELD + NO_DATA_SET)
    assert command == Command(field=1, has_data_set=False)


@pytest.mark.parametrize("announced", [0x0000, 0x0001, 0x0102, 0xFFFF])
def test_every_other_data_set_type_announces_a_data_set(announced):
    command = decode_command(FIELD + element(0x0800, struct.pack("<H", announced)))
    assert command.has_data_set


def test_unknown_elements_are_passed_over_and_padding_is_dropped():
    unknown = element(0x5010, b"private ")
    uid = element(0x1000, b"1.2\0")
    command = decode_command(FIELD + NO_DATA_SET + unknown + uid + element(0x0002, b""))
    assert command.affected_sop_instance_uid == "1.2"
    assert command.affected_sop_class_uid is None


def test_uids_are_kept_for_the_caller_to_judge():
    command = decode_command(FIELD + NO_DATA_SET + element(0x1000, b"../\xff\0x"))
    assert command.affected_sop_instance_uid == "../\xff\0x"


@pytest.mark.parametrize("number", KNOWN_NUMBERS)
@pytest.mark.parametrize("length", [0, 1, 3, 4])
def test_a_number_of_another_length_is_a_fault_of_the_peer(number, length):
    known = {0x0100: FIELD, 0x0800: NO_DATA_SET, number: element(number, bytes(length))}
    with pytest.raises(RemoteProtocolError) as fault:
        decode_command(b"".join(known.values()))
    assert fault.value.reason == 6


@pytest.mark.parametrize("extra", range(1, 8))
def test_bytes_that_are_no_element_are_a_fault_of_the_peer(extra):
    with pytest.raises(RemoteProtocolError) as fault:
        decode_command(STORE.encode() + bytes(extra))
    assert fault.value.reason == 6


@pytest.mark.parametrize("length", range(len(FIELD + NO_DATA_SET)))
def test_a_command_set_cut_anywhere_is_a_fault_of_the_peer(length):
    with pytest.raises(RemoteProtocolError) as fault:
        decode_command((FIELD + NO_DATA_SET)[:length])
    assert fault.value.reason == 6


def test_what_latin_1_lacks_is_our_own_error():
    with pytest.raises(LocalProtocolError):
        Command(field=1, has_data_set=False, error_comment="\u20ac").encode()


# PS3.7 annex C, PS3.4 table B.2-1; of the ranges A7xx, A9xx and Cxxx the first.
STATUSES = {
    Status.SUCCESS: (0x0000, "Success", ""),
    Status.PROCESSING_FAILURE: (0x0110, "Failure", "Processing Failure"),
    Status.INVALID_SOP_INSTANCE: (0x0117, "Failure", "Invalid Object Instance"),
    Status.SOP_CLASS_NOT_SUPPORTED: (0x0122, "Failure", "Refused: SOP Class Not Supported"),
    Status.NOT_AUTHORISED: (0x0124, "Failure", "Refused: Not Authorised"),
    Status.DUPLICATE_INVOCATION: (0x0210, "Failure", "Duplicate Invocation"),
    Status.UNRECOGNIZED_OPERATION: (0x0211, "Failure", "Unrecognised Operation"),
    Status.MISTYPED_ARGUMENT: (0x0212, "Failure", "Mistyped Argument"),
    Status.OUT_OF_RESOURCES: (0xA700, "Failure", "Refused: Out of Resources"),
    Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS: (0xA900, "Failure", "Data Set Does Not Match SOP Class"),
    Status.COERCION_OF_DATA_ELEMENTS: (0xB000, "Warning", "Coercion of Data Elements"),
    Status.ELEMENTS_DISCARDED: (0xB006, "Warning", "Element Discarded"),
    Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS_WARNING: (
        0xB007,
        "Warning",
        "Data Set Does Not Match SOP Class",
    ),
    Status.CANNOT_UNDERSTAND: (0xC000, "Failure", "Cannot Understand"),
    Status.NO_SUCH_SOP_INSTANCE: (0x0112, "Failure", "No Such SOP Instance"),
    Status.NO_SUCH_EVENT_TYPE: (0x0113, "Failure", "No Such Event Type"),
    Status.INVALID_ARGUMENT_VALUE: (0x0115, "Failure", "Invalid Argument Value"),
    Status.CLASS_INSTANCE_CONFLICT: (0x0119, "Failure", "Class-Instance Conflict"),
    Status.NO_SUCH_ACTION: (0x0123, "Failure", "No Such Action"),
    Status.RESOURCE_LIMITATION: (0x0213, "Failure", "Resource Limitation"),
}


@pytest.mark.parametrize("status", Status)
def test_statuses_have_the_standards_numbers(status):
    number, category, description = STATUSES[status]
    assert status == number
    assert (STORAGE_SERVICE_CLASS_STATUS | GENERAL_STATUS)[number] == (category, description)


@pytest.mark.parametrize("field", CommandField)
def test_command_fields_have_the_standards_numbers(field):
    assert dimse_messages._MESSAGE_TYPES[field][0] == field.name.replace("_", "-")


# ---- responses ----


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (STORE, 0x8001),
        (Command(field=0x30, has_data_set=False, message_id=7), 0x8030),
        (Command(field=0x20, has_data_set=True, message_id=7), 0x8020),
    ],
)
def test_a_response_repeats_what_it_answers(request_, field):
    response = response_to(request_, Status.UNRECOGNIZED_OPERATION)
    assert response.field == field
    assert response.message_id_being_responded_to == 7
    assert not response.has_data_set
    assert response.status == 0x0211
    assert response.affected_sop_class_uid == request_.affected_sop_class_uid
    assert response.affected_sop_instance_uid == request_.affected_sop_instance_uid
    assert has_response(request_)


def test_requested_identifiers_are_repeated_as_affected():
    request = Command(
        field=0x0130,
        has_data_set=True,
        message_id=1,
        requested_sop_class_uid="1.2",
        requested_sop_instance_uid="1.3",
    )
    response = response_to(request, Status.UNRECOGNIZED_OPERATION)
    assert (response.affected_sop_class_uid, response.affected_sop_instance_uid) == ("1.2", "1.3")


@pytest.mark.parametrize("field", [CommandField.C_CANCEL_RQ, 0x8001, 0x8030])
def test_cancels_and_responses_are_not_answered(field):
    assert not has_response(Command(field=field, has_data_set=False))


def test_a_response_to_a_message_without_an_id_answers_0():
    response = response_to(Command(field=CommandField.C_ECHO_RQ, has_data_set=False), Status.SUCCESS)
    assert response == Command(
        field=CommandField.C_ECHO_RSP, has_data_set=False, message_id_being_responded_to=0, status=0
    )


# ---- other opinions ----

KEYWORDS = {
    "affected_sop_class_uid": "AffectedSOPClassUID",
    "requested_sop_class_uid": "RequestedSOPClassUID",
    "field": "CommandField",
    "message_id": "MessageID",
    "message_id_being_responded_to": "MessageIDBeingRespondedTo",
    "priority": "Priority",
    "status": "Status",
    "error_comment": "ErrorComment",
    "affected_sop_instance_uid": "AffectedSOPInstanceUID",
    "requested_sop_instance_uid": "RequestedSOPInstanceUID",
    "event_type_id": "EventTypeID",
    "action_type_id": "ActionTypeID",
    "move_originator_ae_title": "MoveOriginatorApplicationEntityTitle",
    "move_originator_message_id": "MoveOriginatorMessageID",
}


def as_data_set(command):
    made = Dataset()
    made.CommandDataSetType = 0x0001 if command.has_data_set else 0x0101
    for name, keyword in KEYWORDS.items():
        if (value := getattr(command, name)) is not None:
            setattr(made, keyword, value)
    return made


def test_every_field_has_its_keyword():
    assert {*KEYWORDS, "has_data_set"} == {*Command.__struct_fields__}


@given(valid_commands)
def test_pydicom_writes_and_reads_the_same(command):
    elements = pynetdicom_encode(as_data_set(command), True, True)
    assert command.encode() == element(0, struct.pack("<I", len(elements))) + elements
    assert decode_command(elements) == command
    read = pynetdicom_decode(BytesIO(command.encode()), True, True)
    assert read.CommandGroupLength == len(elements)
    del read.CommandGroupLength
    assert read == as_data_set(command)


ECHO = Command(
    field=CommandField.C_ECHO_RQ, has_data_set=False, message_id=3, affected_sop_class_uid="1.2.840.10008.1.1"
)
CANCEL = Command(field=CommandField.C_CANCEL_RQ, has_data_set=False, message_id_being_responded_to=3)


@pytest.mark.parametrize(
    ("command", "message", "primitive"),
    [
        (STORE, dimse_messages.C_STORE_RQ, dimse_primitives.C_STORE),
        (response_to(STORE, Status.OUT_OF_RESOURCES), dimse_messages.C_STORE_RSP, dimse_primitives.C_STORE),
        (ECHO, dimse_messages.C_ECHO_RQ, dimse_primitives.C_ECHO),
        (response_to(ECHO, Status.SUCCESS), dimse_messages.C_ECHO_RSP, dimse_primitives.C_ECHO),
        (CANCEL, dimse_messages.C_CANCEL_RQ, dimse_primitives.C_CANCEL),
    ],
    ids=["C-STORE-RQ", "C-STORE-RSP", "C-ECHO-RQ", "C-ECHO-RSP", "C-CANCEL-RQ"],
)
def test_pynetdicoms_messages_are_ours(command, message, primitive):
    meant = primitive()
    for name, keyword in KEYWORDS.items():
        if name != "field" and getattr(command, name) is not None:
            setattr(meant, keyword, getattr(command, name))
    if command.has_data_set:
        meant.DataSet = BytesIO(b"data")
    theirs = message()
    theirs.primitive_to_message(meant)
    assert pynetdicom_encode(theirs.command_set, True, True) == command.encode()
