"""A requestor that sends exactly the bytes it is told to; for tests of the acceptor over sockets."""

import struct

import trio

from port104.wire.command import Command, CommandField, decode_command
from port104.wire.pdu import (
    PDV,
    AssociateAC,
    AssociateRQ,
    PDataTF,
    PresentationContext,
    ReleaseRP,
    ReleaseRQ,
    UserInformation,
    decode,
)

VERIFICATION = "1.2.840.10008.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"
# A modality, in explicit VR little endian: enough of a data set for whoever only keeps its bytes.
DATA_SET = struct.pack("<HH2sH", 0x0008, 0x0060, b"CS", 2) + b"OT"

COMMAND, LAST = 1, 2  # message control header bits (PS3.8 E.2)


def association_request(**changes):
    """An A-ASSOCIATE-RQ for Verification (context 1) and Secondary Capture (context 3)."""
    facts = {
        "called_ae_title": "PORT104",
        "calling_ae_title": "PEER",
        "presentation_contexts": (
            PresentationContext(1, VERIFICATION, (IMPLICIT,)),
            PresentationContext(3, SECONDARY_CAPTURE, (EXPLICIT,)),
        ),
        "user_information": UserInformation(maximum_length=16384, implementation_class_uid="1.2.3.4"),
    }
    return AssociateRQ(**(facts | changes))


def message(context_id, command, data_set=b"", fragment=16000):
    """A command set and its data set as P-DATA-TF PDUs, one PDV each."""
    pdus = PDataTF((PDV(context_id, COMMAND | LAST, command.encode()),)).encode()
    for at in range(0, len(data_set), fragment):
        last = LAST if at + fragment >= len(data_set) else 0
        pdus += PDataTF((PDV(context_id, last, data_set[at : at + fragment]),)).encode()
    return pdus


def store_request(instance="1.2.3", message_id=1, sop_class=SECONDARY_CAPTURE, **changes):
    facts = {
        "field": CommandField.C_STORE_RQ,
        "message_id": message_id,
        "has_data_set": True,
        "affected_sop_class_uid": sop_class,
        "affected_sop_instance_uid": instance,
        "priority": 0,
    }
    return Command(**(facts | changes))


def echo_request(message_id=1):
    return Command(
        field=CommandField.C_ECHO_RQ,
        message_id=message_id,
        has_data_set=False,
        affected_sop_class_uid=VERIFICATION,
    )


class RawPeer:
    """One connection. `receive` returns decoded PDUs, None at the end of the stream."""

    def __init__(self, stream):
        self.stream = stream
        self._bytes = bytearray()

    @classmethod
    async def connect(cls, port, local_address=None):
        return cls(await trio.open_tcp_stream("127.0.0.1", port, local_address=local_address))

    async def send(self, data):
        await self.stream.send_all(data)

    async def receive(self):
        while len(self._bytes) < 6 or len(self._bytes) < 6 + self._length():
            received = await self.stream.receive_some()
            if not received:
                return None
            self._bytes += received
        end = 6 + self._length()
        pdu_type, body = self._bytes[0], bytes(self._bytes[6:end])
        del self._bytes[:end]
        return decode(pdu_type, body)

    def _length(self):
        return int.from_bytes(self._bytes[2:6], "big")

    async def associate(self, **changes):
        await self.send(association_request(**changes).encode())
        answer = await self.receive()
        assert isinstance(answer, AssociateAC), answer
        return answer

    async def response(self):
        """The next response's command set."""
        answer = await self.receive()
        assert isinstance(answer, PDataTF), answer
        (pdv,) = answer.pdvs
        return decode_command(pdv.fragment)

    async def echo(self):
        await self.send(message(1, echo_request()))
        return (await self.response()).status

    async def store(self, data_set, instance="1.2.3", **changes):
        await self.send(message(3, store_request(instance, **changes), data_set))
        return (await self.response()).status

    async def release(self):
        """Release, and close: that is the requestor's part (PS3.8 table 9-10, AR-3)."""
        await self.send(ReleaseRQ().encode())
        assert await self.receive() == ReleaseRP()
        await self.close()

    async def close(self):
        await self.stream.aclose()
