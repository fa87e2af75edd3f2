"""The native scanner's twin: plain, slow, and all input at once; written from PS3.8, not from the C code."""

import struct

PDU_LENGTH, PDV_LENGTH, FRAGMENT = -1, -2, -3


class ScanError(Exception):
    """What p104_scan returns for a fault."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Truncated(Exception):  # noqa: N818 - no error: the bytes end here
    """The stream stops in mid-air."""


class Twin:
    """Scans an established association's bytes into runs, joined as far as they belong together.

    Runs are ["command" | "data set", context ID, bytes, ended] and ["pdu", type, bytes, ended].
    `announces_data_set(command)` tells whether a data set follows.
    """

    def __init__(self, maximum_length, announces_data_set):
        self.maximum_length = maximum_length
        self.announces_data_set = announces_data_set
        self.runs = []
        self.expected = "message"
        self.context = None

    def scan(self, stream):
        """Returns (runs, fault or None)."""
        try:
            while len(stream) >= 6:
                pdu_type, length = struct.unpack_from(">BxI", stream)
                self.pdu(pdu_type, length, stream[6 : 6 + length])
                stream = stream[6 + length :]
        except ScanError as fault:
            return self.runs, fault.code
        except Truncated:
            pass
        return self.runs, None

    def pdu(self, pdu_type, length, body):
        if pdu_type != 4:
            self.runs.append(["pdu", pdu_type, body, len(body) == length])
            return
        if self.maximum_length and length > self.maximum_length:
            raise ScanError(PDU_LENGTH)
        if length < 6:
            raise ScanError(PDV_LENGTH)
        left = length
        while left:
            if len(body) < 6:
                raise Truncated
            item_length, context_id, control = struct.unpack_from(">IBB", body)
            left -= 4 + item_length
            if item_length < 2 or left < 0 or 0 < left < 6:
                raise ScanError(PDV_LENGTH)
            self.pdv(context_id, control, item_length - 2, body[6 : 4 + item_length])
            body = body[4 + item_length :]

    def pdv(self, context_id, control, length, fragment):
        kind = "command" if control & 1 else "data set"
        if self.expected == "message":
            if kind != "command":
                raise ScanError(FRAGMENT)
        elif kind != self.expected or context_id != self.context:
            raise ScanError(FRAGMENT)
        if self.expected == "message" or self.runs[-1][0] != kind or self.runs[-1][3]:
            self.runs.append([kind, context_id, b"", False])
        self.expected, self.context = kind, context_id
        run = self.runs[-1]
        run[2] += fragment
        if len(fragment) < length:
            raise Truncated
        if control & 2:
            run[3] = True
            whole = self.command_before(run) if kind == "command" else b""
            self.expected = "data set" if whole and self.announces_data_set(whole) else "message"

    def command_before(self, run):
        """The whole command set, of which other PDUs may have cut off pieces."""
        pieces = []
        for kind, _, data, ended in reversed(self.runs):
            if kind == "command" and pieces and ended:
                break
            if kind == "command":
                pieces.insert(0, data)
            elif kind == "data set":
                break
        return b"".join(pieces)
