"""The DIMSE operations that we invoke on one association: message IDs, the window, responses (PS3.7 9).

Rules that this room keeps:
- an operation is outstanding from its request to its response, whatever is sent meanwhile: a peer may answer
  before a data set has ended;
- a response is believed only where it answers an outstanding operation in every respect (PS3.7 9.3.1.2,
  9.3.2.2, 9.3.5.2, 10.3); any other one breaks the protocol, as what it says of could be anything;
- a query alone has several responses: one with an identifier for each match, and the last one with none;
- no more are outstanding than both sides agreed on (PS3.7 D.3.3.3), and no two have one message ID.
"""

import msgspec

from port104 import uids
from port104.errors import LocalProtocolError, StatusError
from port104.wire.command import Command, CommandField, is_response, response_field
from port104.wire.commitment import REQUEST_STORAGE_COMMITMENT
from port104.wire.items import invalid, unexpected
from port104.wire.status import StatusClass, class_of, words_of

_LAST_MESSAGE_ID = 0xFFFF  # VR US
_MEDIUM = 0  # priority (PS3.7 9.3.1.1)


class Response(msgspec.Struct, frozen=True):
    """What the peer answered. `comment`: its own words (0000,0902); they may tell of a patient.

    `is_last`: it ends its operation; else the identifier of a match follows, and another response.
    """

    message_id: int
    status: int
    comment: str | None = None
    is_last: bool = True

    @property
    def status_class(self) -> StatusClass:
        """The class of the status."""
        return class_of(self.status)

    def check(self) -> None:
        """Raise StatusError where the operation was not done; a warning says that it was."""
        if self.status_class not in (StatusClass.SUCCESS, StatusClass.WARNING):
            raise StatusError(
                f"the peer answered status {self.status:04X}: {words_of(self.status)}", status=self.status
            )


def echo_request() -> Command:
    """C-ECHO-RQ (PS3.7 9.3.5.1), without the message ID that `Operations.invoke` gives."""
    return Command(field=CommandField.C_ECHO_RQ, has_data_set=False, affected_sop_class_uid=uids.VERIFICATION)


def store_request(sop_class_uid: str, sop_instance_uid: str) -> Command:
    """C-STORE-RQ (PS3.7 9.3.1.1), without the message ID that `Operations.invoke` gives."""
    return Command(
        field=CommandField.C_STORE_RQ,
        has_data_set=True,
        affected_sop_class_uid=sop_class_uid,
        affected_sop_instance_uid=sop_instance_uid,
        priority=_MEDIUM,
    )


def find_request(sop_class_uid: str) -> Command:
    """C-FIND-RQ (PS3.7 9.3.2.1), without the message ID that `Operations.invoke` gives."""
    return Command(
        field=CommandField.C_FIND_RQ,
        has_data_set=True,
        affected_sop_class_uid=sop_class_uid,
        priority=_MEDIUM,
    )


def action_request() -> Command:
    """N-ACTION-RQ for storage commitment (PS3.7 10.3.5, PS3.4 J.3.2), without the message ID."""
    return Command(
        field=CommandField.N_ACTION_RQ,
        has_data_set=True,
        requested_sop_class_uid=uids.STORAGE_COMMITMENT,
        requested_sop_instance_uid=uids.STORAGE_COMMITMENT_INSTANCE,
        action_type_id=REQUEST_STORAGE_COMMITMENT,
    )


def event_report_request(event_type_id: int) -> Command:
    """N-EVENT-REPORT-RQ for storage commitment (PS3.7 10.3.1, PS3.4 J.3.3), without the message ID."""
    return Command(
        field=CommandField.N_EVENT_REPORT_RQ,
        has_data_set=True,
        affected_sop_class_uid=uids.STORAGE_COMMITMENT,
        affected_sop_instance_uid=uids.STORAGE_COMMITMENT_INSTANCE,
        event_type_id=event_type_id,
    )


class Operations:
    """The operations outstanding on an established association, at most `window` at a time, 0: any number."""

    def __init__(self, window: int) -> None:
        self._window = window or _LAST_MESSAGE_ID
        self._outstanding: dict[int, tuple[int, Command]] = {}  # message ID -> context ID, request
        self._last_id = 0

    @property
    def outstanding(self) -> int:
        """How many are outstanding."""
        return len(self._outstanding)

    @property
    def room(self) -> int:
        """How many may be invoked now."""
        return self._window - len(self._outstanding)

    def invoke(self, context_id: int, request: Command) -> Command:
        """Take up an operation; returns its request with a message ID, to be sent on `context_id`.

        Raises LocalProtocolError where there is no room.
        """
        if self.room < 1:
            raise LocalProtocolError(f"{self.outstanding} operations are outstanding, and no more may be")
        numbered = msgspec.structs.replace(request, message_id=self.number())
        self.adopt(context_id, numbered)
        return numbered

    def number(self) -> int:
        """Give the message ID of an operation that is invoked and answered elsewhere; see `adopt`."""
        while True:
            self._last_id = self._last_id % _LAST_MESSAGE_ID + 1
            if self._last_id not in self._outstanding:
                return self._last_id

    def adopt(self, context_id: int, request: Command) -> None:
        """Take up an operation that was invoked elsewhere, under the message ID of `number`."""
        self._outstanding[request.message_id or 0] = (context_id, request)

    def answer(self, context_id: int, command: Command) -> Response:
        """Take a response; the last one ends its operation. Raises RemoteProtocolError: it answers none."""
        if not is_response(command):
            raise unexpected(f"command {command.field:04X}H is no response")
        message_id = command.message_id_being_responded_to
        if message_id is None or message_id not in self._outstanding:
            raise invalid(f"no operation with message ID {message_id} is outstanding")
        asked_on, request = self._outstanding[message_id]
        if context_id != asked_on:
            raise invalid(f"a request on presentation context {asked_on} was answered on {context_id}")
        status = _status_of(command, request)
        if is_last := not command.has_data_set:
            del self._outstanding[message_id]
        return Response(message_id, status, command.error_comment, is_last)


def _status_of(command: Command, request: Command) -> int:
    """The status of the response to `request`."""
    if command.field != response_field(request):
        raise invalid(f"command {request.field:04X}H was answered by {command.field:04X}H")
    asked_of = request.affected_sop_instance_uid or request.requested_sop_instance_uid
    if command.affected_sop_instance_uid not in (None, asked_of):
        raise invalid("a response is for another SOP instance than its request")
    if command.status is None:
        raise invalid("a response has no status (0000,0900)")
    is_match = request.field == CommandField.C_FIND_RQ and class_of(command.status) is StatusClass.PENDING
    if command.has_data_set and not is_match:
        raise unexpected(f"response {command.field:04X}H announces a data set")
    if is_match and not command.has_data_set:
        raise unexpected("a match has no identifier (PS3.7 table 9.3-4)")
    return command.status
