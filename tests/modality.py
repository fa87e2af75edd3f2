"""A modality that sends study after study, and each instance again until it is acknowledged."""

import collections
import contextlib
import threading

from port104.wire.command import Status
from sender import Sender, image

RETRY_SECONDS = 0.05
PAUSE_SECONDS = 0.2
_ABORT = "PDU type 7"
# A-ASSOCIATE-RJ, rejected-transient (PS3.8 9.3.4): the body's second byte.
_REJECTED = "PDU type 3, 0002"


class Modality(threading.Thread):
    """Sends from `start` to `finish`, to a port of this machine.

    `root`: of its UIDs: study `root.N`, instance `root.N.M`, `instances` of each study, `bytes_each` long.
    `releases`: each study has an association of its own; else one goes on as long as it stands. `seen`: what
    went wrong, and how often.
    """

    def __init__(self, root, port, *, releases=True, instances=12, bytes_each=300_000):
        super().__init__(daemon=True)
        self.instances = instances
        self.seen = collections.Counter()
        self._root = root
        self._port = port
        self._releases = releases
        self._pixels = bytes(bytes_each)
        self._sender = None
        self._acknowledged = []
        self._stopping = threading.Event()

    def finish(self, seconds=30):
        """Let it end its study; returns the UIDs of what was acknowledged."""
        self._stopping.set()
        self.join(seconds)
        assert not self.is_alive()
        return self._acknowledged

    def run(self):
        number = 0
        while not self._stopping.is_set():
            number += 1
            self._send_study(f"{self._root}.{number}")
            self._stopping.wait(PAUSE_SECONDS)
        self._release()

    def _send_study(self, study):
        for index in range(self.instances):
            uid = f"{study}.{index}"
            data_set = image(uid, self._pixels, study=study)
            while not self._stored(uid, data_set):
                self._stopping.wait(RETRY_SECONDS)
            self._acknowledged.append(uid)
        if self._releases:
            self._release()

    def _stored(self, uid, data_set):
        try:
            if self._sender is None:
                self._sender = Sender(self._port, timeout=20)
            status = self._sender.store(uid, data_set)
        except (OSError, EOFError) as fault:
            self._note(fault)
            return False
        if status != Status.SUCCESS:
            self.seen[f"status {status:04X}"] += 1
        return status == Status.SUCCESS

    def _note(self, fault):
        words = str(fault) or type(fault).__name__
        where = "associating" if self._sender is None else "storing"
        if _ABORT in words:
            self.seen["A-ABORT"] += 1
        elif _REJECTED in words:
            self.seen["rejected-transient"] += 1
        else:
            self.seen[f"{where}: {words}"] += 1
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def _release(self):
        if self._sender is not None:
            with contextlib.closing(self._sender) as sender:
                sender.release()
            self._sender = None
