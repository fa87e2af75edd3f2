"""p104_scan as its twin is: bytes in, joined runs out."""

from port104._native import ffi, lib


def announces_data_set(command):
    """Stands for the command data set type: any rule that both sides share will do."""
    return len(command) % 2 == 1


class Native:
    """Feeds p104_scan and joins the runs that belong together."""

    def __init__(self, maximum_length):
        self.scanner = ffi.new("p104_scanner *")
        self.run = ffi.new("p104_run *")
        self.runs = []
        self.fault = None
        self.command = b""
        lib.p104_scanner_establish(self.scanner, maximum_length)

    def feed(self, piece):
        while self.fault is None:
            found = lib.p104_scan(self.scanner, piece, len(piece), self.run)
            if found < 0:
                self.fault = found
                return
            if found == lib.P104_NEED_INPUT:
                assert self.run.consumed == len(piece)
                return
            self.take(found, piece)
            piece = piece[self.run.consumed :]

    def take(self, found, piece):
        run = self.run
        if found == lib.P104_PDU_HEADER:
            self.runs.append(["pdu", run.pdu_type, b"", False])
            return
        data = piece[run.offset : run.offset + run.length]
        if found == lib.P104_PDU_BODY:
            self.runs[-1][2] += data
            self.runs[-1][3] = bool(run.ends)
            return
        kind = "command" if found == lib.P104_COMMAND else "data set"
        if not self.runs or self.runs[-1][0] != kind or self.runs[-1][3]:
            self.runs.append([kind, run.context_id, b"", False])
        self.runs[-1][2] += data
        self.runs[-1][3] = bool(run.ends)
        if kind == "command":
            self.command += data
            if run.ends:
                if announces_data_set(self.command):
                    lib.p104_scanner_expect_data_set(self.scanner)
                self.command = b""


def told(runs):
    """Runs without those that say nothing yet: whether an empty one is reported depends on the cuts."""
    return [tuple(run) for run in runs if run[2] or run[3] or run[0] == "pdu"]
