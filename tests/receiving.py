"""A storage SCP that does what a test tells it to, and counts what came: a destination in this process."""

import time
from collections import Counter

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.presentation import DEFAULT_TRANSFER_SYNTAXES
from pynetdicom.sop_class import Verification

import pynetdicom_sockets  # noqa: F401 - mends it
from engine_process import free_port


class Receiver:
    """`script`: what comes of each C-STORE in turn, then of every one `status`.

    A number is the status that is answered; "abort" ends the association before the answer; "hang" answers
    only after `patience` seconds.
    """

    def __init__(self, port=None, ae_title="PACS"):
        self.port = port or free_port()
        self.script = []
        self.status = 0x0000
        self.patience = 5
        self.stored = Counter()  # SOP instance UID -> times that a success or a warning was answered
        self.calls = 0
        self.associations = 0
        self._ae_title = ae_title
        self._server = None

    def start(self):
        entity = AE(self._ae_title)
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, DEFAULT_TRANSFER_SYNTAXES)
        entity.add_supported_context(Verification)
        entity.maximum_associations = 100
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ESTABLISHED, self._established)]
        self._server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def stop(self):
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def _established(self, _):
        self.associations += 1

    def _store(self, event):
        self.calls += 1
        act = self.script.pop(0) if self.script else self.status
        if act == "abort":
            event.assoc.abort()
            return 0xC000
        if act == "hang":
            time.sleep(self.patience)
            return 0xC000
        if act == 0 or 0xB000 <= act <= 0xBFFF:
            self.stored[event.request.AffectedSOPInstanceUID] += 1
        return act
