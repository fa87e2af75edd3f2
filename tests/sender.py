"""A blocking storage SCU for threads: raw sockets, and no more of DICOM than it needs.

It counts an instance as acknowledged only after the whole C-STORE-RSP with status 0000 was read.
"""

import socket
import struct

from port104.wire.command import Status, decode_command
from port104.wire.pdu import ReleaseRQ
from raw_peer import association_request, echo_request, message, store_request

STORAGE_CONTEXT = 3


class Sender:
    """One association. Raises OSError or EOFError when the connection ends. `address`: where it is from."""

    def __init__(self, port, *, timeout=30.0, address=None, **request):
        source = None if address is None else (address, 0)
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, source)
        try:
            self._associate(request)
        except BaseException:
            self.close()
            raise

    def _associate(self, request):
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(association_request(**request).encode())
        pdu_type, body = self.read_pdu()
        if pdu_type != 2:
            raise ConnectionError(f"not accepted: PDU type {pdu_type}, {body.hex()}")

    def read_pdu(self):
        """The next PDU as (type, body)."""
        pdu_type, length = struct.unpack(">BxI", self._read(6))
        return pdu_type, self._read(length)

    def _read(self, length):
        received = b""
        while len(received) < length:
            some = self.socket.recv(length - len(received))
            if not some:
                raise EOFError("the connection ended")
            received += some
        return received

    def response(self):
        """The next response's command set."""
        pdu_type, body = self.read_pdu()
        if pdu_type != 4:
            raise ConnectionError(f"expected P-DATA-TF, got PDU type {pdu_type}")
        return decode_command(body[6:])

    def store(self, instance, data_set, message_id=1):
        """Send one instance and return the status that answers it."""
        request = store_request(instance, message_id)
        self.socket.sendall(message(STORAGE_CONTEXT, request, data_set, fragment=65_000))
        return self.response().status

    def begin_store(self, instance, data_set, sent):
        """Send an instance's first `sent` bytes of PDUs; returns those that are left."""
        stream = message(STORAGE_CONTEXT, store_request(instance), data_set, fragment=65_000)
        self.socket.sendall(stream[:sent])
        return stream[sent:]

    def echo(self):
        self.socket.sendall(message(1, echo_request()))
        return self.response().status

    def release(self):
        self.socket.sendall(ReleaseRQ().encode())
        pdu_type, _ = self.read_pdu()
        self.close()
        if pdu_type != 6:
            raise ConnectionError(f"expected A-RELEASE-RP, got PDU type {pdu_type}")

    def reset(self):
        """End the connection by RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def send_images(port, instances, **facts):
    """Store an image of each SOP instance UID over one association; `facts`: as `image` has them."""
    with Sender(port) as sender:
        for instance in instances:
            assert sender.store(instance, image(instance, b"pixels", **facts)) == Status.SUCCESS
        sender.release()


def element(group, number, vr, value):
    """One explicit VR little endian element with a short or long header."""
    if vr in (b"OB", b"OW", b"UN"):
        return struct.pack("<HH2sxxI", group, number, vr, len(value)) + value
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def uid(text):
    """A UID's bytes, padded."""
    return text.encode() + b"\0" * (len(text) % 2)


def image(instance, pixels, *, study="1.2.3", patient=b""):
    """A small Secondary Capture data set round `pixels`; `patient`: further elements of group 0010."""
    return (
        element(0x0008, 0x0016, b"UI", uid("1.2.840.10008.5.1.4.1.1.7"))
        + element(0x0008, 0x0018, b"UI", uid(instance))
        + element(0x0008, 0x0060, b"CS", b"OT")
        + patient
        + element(0x0020, 0x000D, b"UI", uid(study))
        + element(0x7FE0, 0x0010, b"OB", pixels)
    )
