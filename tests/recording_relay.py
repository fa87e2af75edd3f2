"""A relay between a sender and the server that takes down every C-STORE that passes.

Senders re-encode what they read, so only the wire tells what was sent. The reading here is plain and
its own: it shares no line with port104, whose reading it is there to judge.
"""

import contextlib
import select
import socket
import struct
import threading
from typing import NamedTuple

ASSOCIATE_RQ, ASSOCIATE_AC, P_DATA_TF = 1, 2, 4
C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001


class SentInstance(NamedTuple):
    """One C-STORE: what the command and the context say of it, its bytes, and the answer."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes
    status: int


class Relay:
    """Passes connections on to `port`; `sent` grows by every C-STORE that was answered."""

    def __init__(self, port):
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = []
        self.sent = []

    def __enter__(self):
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self.finish()

    @property
    def connections(self):
        """How many were passed on so far."""
        return len(self._threads)

    def finish(self):
        """Wait until every connection so far has ended; returns what was sent over them."""
        for thread in self._threads:
            thread.join()
        return self.sent

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass_on, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client):
        record = AssociationRecord(self.sent)
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            readers = {client: (server, record.from_requestor), server: (client, record.from_acceptor)}
            while readers:
                ready, _, _ = select.select(list(readers), [], [])
                for source in ready:
                    target, note = readers[source]
                    received = receive(source)
                    note(received)
                    if received:
                        target.sendall(received)
                        continue
                    del readers[source]
                    with contextlib.suppress(OSError):
                        target.shutdown(socket.SHUT_WR)


def receive(source):
    """The next bytes; none when the connection ended, in whatever way.

    They are acknowledged at once: senders that write twice for one message wait for that.
    """
    with contextlib.suppress(ConnectionError):
        received = source.recv(1 << 18)
        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return received
    return b""


class AssociationRecord:
    """Reads both directions of one association as they pass."""

    def __init__(self, sent):
        self._sent = sent
        self._contexts = {}  # ID: abstract syntax, then (abstract syntax, transfer syntax)
        self._asked = {}  # message ID: a C-STORE without its answer
        self.from_requestor = PDUReader(self._requestor_pdu).feed
        self.from_acceptor = PDUReader(self._acceptor_pdu).feed
        self._request = MessageReader(self._requested)
        self._response = MessageReader(self._responded)

    def _requestor_pdu(self, pdu_type, body):
        if pdu_type == ASSOCIATE_RQ:
            for item_type, item in items(body[68:]):
                if item_type == 0x20:
                    (abstract,) = (value for kind, value in items(item[4:]) if kind == 0x30)
                    self._contexts[item[0]] = text(abstract)
        elif pdu_type == P_DATA_TF:
            self._request.feed(body)

    def _acceptor_pdu(self, pdu_type, body):
        if pdu_type == ASSOCIATE_AC:
            for item_type, item in items(body[68:]):
                if item_type == 0x21 and item[2] == 0:
                    (syntax,) = (value for kind, value in items(item[4:]) if kind == 0x40)
                    self._contexts[item[0]] = (self._contexts[item[0]], text(syntax))
        elif pdu_type == P_DATA_TF:
            self._response.feed(body)

    def _requested(self, context_id, command, data_set):
        if number(command[0x0100]) == C_STORE_RQ:
            _, syntax = self._contexts[context_id]
            self._asked[number(command[0x0110])] = (
                text(command[0x0002]),
                text(command[0x1000]),
                syntax,
                data_set,
            )

    def _responded(self, _, command, __):
        if number(command[0x0100]) == C_STORE_RSP:
            asked = self._asked.pop(number(command[0x0120]))
            self._sent.append(SentInstance(*asked, number(command[0x0900])))


class PDUReader:
    """Cuts a stream into PDUs (PS3.8 9.3.1)."""

    def __init__(self, found):
        self._found = found
        self._bytes = bytearray()

    def feed(self, received):
        self._bytes += received
        while len(self._bytes) >= 6:
            pdu_type, length = struct.unpack_from(">BxI", self._bytes)
            if len(self._bytes) < 6 + length:
                return
            body = bytes(self._bytes[6 : 6 + length])
            del self._bytes[: 6 + length]
            self._found(pdu_type, body)


class MessageReader:
    """Joins the fragments of PDVs to messages (PS3.8 annex E)."""

    def __init__(self, found):
        self._found = found
        self._command = b""
        self._elements = None
        self._data_set = []

    def feed(self, body):
        at = 0
        while at < len(body):
            length, context_id, control = struct.unpack_from(">IBB", body, at)
            fragment = body[at + 6 : at + 4 + length]
            at += 4 + length
            if control & 1:
                self._command += fragment
                if control & 2:
                    self._elements = command_elements(self._command)
            else:
                self._data_set.append(fragment)
            has_data_set = self._elements and number(self._elements[0x0800]) != 0x0101
            if control & 2 and not (control & 1 and has_data_set):
                self._found(context_id, self._elements, b"".join(self._data_set))
                self._command, self._elements, self._data_set = b"", None, []


def items(body):
    """The (type, value) of every item (PS3.8 9.3.2)."""
    at = 0
    while at < len(body):
        item_type, length = struct.unpack_from(">BxH", body, at)
        yield item_type, body[at + 4 : at + 4 + length]
        at += 4 + length


def command_elements(command):
    """Element number -> value, of a command set in implicit VR little endian (PS3.7 6.3.1)."""
    elements = {}
    at = 0
    while at < len(command):
        _, element, length = struct.unpack_from("<HHI", command, at)
        elements[element] = command[at + 8 : at + 8 + length]
        at += 8 + length
    return elements


def number(value):
    return int.from_bytes(value, "little")


def text(value):
    return value.rstrip(b"\0 ").decode("latin-1")
