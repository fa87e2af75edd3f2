"""Instances on their way to the program that receives them as they come, and its word on each."""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from port104.errors import StatusError
from port104.wire.command import Command, Status
from port104.wire.pdu import AssociateRQ
from port104.wire.status import StatusClass, class_of

_MOST = 0xFFFF
_NOT_FINAL = frozenset({StatusClass.PENDING, StatusClass.CANCEL})


class IncomingInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that is being received, and is nowhere yet.

    `data_set`: its bytes as they come, in `transfer_syntax_uid`, without preamble and File Meta Information.
    `address`: who sends it from where. The UIDs are the command's (PS3.7 9.1.1).
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    message_id: int
    calling_ae_title: str
    called_ae_title: str
    address: str
    data_set: AsyncIterator[bytes]


StreamHandler = Callable[[IncomingInstance], Awaitable[int | None]]
"""What is done with each instance. Returns the status to answer, None: success."""


class Handling:
    """Has `handler` take what one association sends; a net.Streams."""

    def __init__(self, handler: StreamHandler, request: AssociateRQ, address: str) -> None:
        self._handler = handler
        self._request = request
        self._address = address

    async def store(self, command: Command, transfer_syntax_uid: str, data_set: AsyncIterator[bytes]) -> int:
        """As the protocol says; raises ValueError where what the handler says is no status of a C-STORE."""
        instance = IncomingInstance(
            sop_class_uid=command.affected_sop_class_uid or "",
            sop_instance_uid=command.affected_sop_instance_uid or "",
            transfer_syntax_uid=transfer_syntax_uid,
            message_id=command.message_id or 0,
            calling_ae_title=self._request.calling_ae_title,
            called_ae_title=self._request.called_ae_title,
            address=self._address,
            data_set=data_set,
        )
        try:
            status = await self._handler(instance)
        except StatusError as refusal:
            status = refusal.status
        return Status.SUCCESS if status is None else _final(status)


def _final(status: int) -> int:
    if not 0 <= status <= _MOST or class_of(status) in _NOT_FINAL:
        raise ValueError(f"the handler returned {status!r}, which ends no C-STORE: return None for success")
    return status
