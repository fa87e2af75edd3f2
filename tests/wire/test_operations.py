"""Operations that we invoke: IDs, the window, and what peers may answer."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from association_peer import CT_IMAGE_STORAGE, p_data, peer_in
from port104 import uids
from port104.errors import LocalProtocolError, RemoteProtocolError, StatusError
from port104.wire.association import Role
from port104.wire.command import Command, CommandField, decode_command, response_to
from port104.wire.events import CommandReceived
from port104.wire.operations import (
    Operations,
    Response,
    action_request,
    echo_request,
    event_report_request,
    find_request,
    store_request,
)
from port104.wire.states import State
from port104.wire.status import StatusClass
from wire_strategies import commands, uint8

STORE = store_request(CT_IMAGE_STORAGE, "1.2.3")
ECHO = echo_request()
FIND = find_request(uids.STUDY_ROOT_FIND)
PENDING, PENDING_WITHOUT_OPTIONAL_KEYS = 0xFF00, 0xFF01


def answered(request: Command, status: int = 0, **changes: object) -> Command:
    return msgspec.structs.replace(response_to(request, status), **changes)


def test_a_response_ends_its_operation():
    operations = Operations(1)
    request = operations.invoke(3, STORE)
    assert request == msgspec.structs.replace(STORE, message_id=1)
    response = operations.answer(3, answered(request, 0xB000, error_comment="so so"))
    assert (response.message_id, response.status, response.comment) == (1, 0xB000, "so so")
    assert response.status_class is StatusClass.WARNING
    assert operations.outstanding == 0


@pytest.mark.parametrize(("status", "fails"), [(0, False), (0xB007, False), (0xA700, True), (0xFF00, True)])
def test_a_response_is_checked(status, fails):
    response = Response(1, status)
    if not fails:
        response.check()
        return
    with pytest.raises(StatusError, match=f"{status:04X}: ") as caught:
        response.check()
    assert caught.value.status == status


def test_the_window_holds():
    operations = Operations(2)
    first, second = operations.invoke(3, STORE), operations.invoke(3, STORE)
    assert (first.message_id, second.message_id, operations.room) == (1, 2, 0)
    with pytest.raises(LocalProtocolError, match="2 operations are outstanding"):
        operations.invoke(1, ECHO)
    operations.answer(3, answered(second))  # in any order (PS3.7 D.3.3.3)
    assert operations.invoke(1, ECHO).message_id == 3
    assert operations.answer(3, answered(first)).message_id == 1


def test_message_ids_come_round_past_those_in_use():
    operations = Operations(0)
    operations.invoke(3, STORE)
    for expected in [*range(2, 0x10000), 2, 3]:
        request = operations.invoke(1, ECHO)
        assert request.message_id == expected
        operations.answer(1, answered(request))


@pytest.mark.parametrize(
    ("context_id", "changes", "words"),
    [
        (3, {"message_id_being_responded_to": 2}, "message ID 2"),
        (3, {"message_id_being_responded_to": None}, "message ID None"),
        (1, {}, "on presentation context 3 was answered on 1"),
        (3, {"field": CommandField.C_ECHO_RSP}, "answered by 8030H"),
        (3, {"field": CommandField.C_STORE_RQ}, "no response"),
        (3, {"has_data_set": True}, "announces a data set"),
        (3, {"affected_sop_instance_uid": "1.2.4"}, "another SOP instance"),
        (3, {"status": None}, "no status"),
    ],
)
def test_a_response_to_something_else_is_not_believed(context_id, changes, words):
    operations = Operations(1)
    request = operations.invoke(3, STORE)
    with pytest.raises(RemoteProtocolError, match=words):
        operations.answer(context_id, answered(request, **changes))
    assert operations.outstanding == 1


def test_what_storage_commitment_asks_and_reports():
    """PS3.4 J.3.2, J.3.3: N-ACTION names the requested instance, N-EVENT-REPORT the affected one."""
    operations = Operations(2)
    asked, reported = operations.invoke(3, action_request()), operations.invoke(3, event_report_request(2))
    names = (uids.STORAGE_COMMITMENT, uids.STORAGE_COMMITMENT_INSTANCE)
    assert (asked.requested_sop_class_uid, asked.requested_sop_instance_uid, asked.action_type_id) == (
        *names,
        1,
    )
    assert (reported.affected_sop_class_uid, reported.affected_sop_instance_uid) == names
    assert (reported.event_type_id, asked.has_data_set, reported.has_data_set) == (2, True, True)
    for request in (asked, reported):
        assert operations.answer(3, answered(request)).status == 0


@pytest.mark.parametrize("field", ["affected_sop_instance_uid", "affected_sop_class_uid"])
def test_uids_may_be_left_out(field):
    """PS3.7 table 9.3-2: the response need not repeat them."""
    operations = Operations(1)
    request = operations.invoke(3, STORE)
    assert operations.answer(3, answered(request, **{field: None})).status == 0


def test_a_query_goes_on_until_a_response_without_an_identifier():
    operations = Operations(1)
    request = operations.invoke(5, FIND)
    for status in (PENDING, PENDING_WITHOUT_OPTIONAL_KEYS, PENDING):
        response = operations.answer(5, answered(request, status, has_data_set=True))
        assert (response.status, response.is_last, operations.outstanding) == (status, False, 1)
    response = operations.answer(5, answered(request))
    assert (response.status, response.is_last, operations.outstanding) == (0, True, 0)
    with pytest.raises(RemoteProtocolError, match="message ID 1"):
        operations.answer(5, answered(request, PENDING, has_data_set=True))


@pytest.mark.parametrize(
    ("request_", "status", "has_data_set", "words"),
    [
        (FIND, PENDING, False, "a match has no identifier"),
        (FIND, 0, True, "8020H announces a data set"),
        (FIND, 0xA700, True, "8020H announces a data set"),
        (STORE, PENDING, True, "8001H announces a data set"),
        (ECHO, PENDING_WITHOUT_OPTIONAL_KEYS, True, "8030H announces a data set"),
    ],
)
def test_matches_alone_have_data_sets(request_, status, has_data_set, words):
    operations = Operations(1)
    request = operations.invoke(3, request_)
    with pytest.raises(RemoteProtocolError, match=words):
        operations.answer(3, answered(request, status, has_data_set=has_data_set))
    assert operations.outstanding == 1


@given(commands, st.sampled_from([0, PENDING, PENDING_WITHOUT_OPTIONAL_KEYS, 0xA900, 0xFE00]))
def test_whatever_answers_a_query_it_is_ended_once_and_by_what_has_no_data_set(command, status):
    operations = Operations(1)
    request = operations.invoke(5, FIND)
    aimed = msgspec.structs.replace(
        command, field=CommandField.C_FIND_RSP, message_id_being_responded_to=1, status=status
    )
    try:
        response = operations.answer(5, aimed)
    except RemoteProtocolError:
        assert operations.outstanding == 1
    else:
        assert response.is_last is not aimed.has_data_set
        assert operations.outstanding == (0 if response.is_last else 1)
    assert request.has_data_set


@given(uint8, commands, st.booleans())
def test_no_peer_raises_anything_else_and_nothing_is_ended_twice(context_id, command, aimed):
    operations = Operations(2)
    request = operations.invoke(3, STORE)
    operations.invoke(1, ECHO)
    if aimed:
        command = msgspec.structs.replace(
            command, field=CommandField.C_STORE_RSP, message_id_being_responded_to=request.message_id
        )
        context_id = 3
    before = operations.outstanding
    try:
        operations.answer(context_id, command)
    except RemoteProtocolError:
        assert operations.outstanding == before
    else:
        assert operations.outstanding == before - 1
        with pytest.raises(RemoteProtocolError):
            operations.answer(context_id, command)


def test_an_association_carries_them():
    peer = peer_in(Role.REQUESTOR, State.STA6)
    operations = Operations(peer.association.window)
    request = operations.invoke(3, STORE)
    peer.association.send_command(3, request, peer.now)
    peer.association.send_data_set(3, b"data", peer.now, last=True)
    sent = peer.take_sent()
    assert decode_command(sent[12:-16]) == request
    assert sent[-4:] == b"data"
    (event,) = peer.feed(p_data(3, 3, answered(request, 0xA700).encode()))
    assert isinstance(event, CommandReceived)
    response = operations.answer(event.context_id, event.command)
    assert response.status_class is StatusClass.FAILURE
