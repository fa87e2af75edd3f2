"""pynetdicom as requestor, but for a race of its own that loses responses.

Its reactor thread looks for requests of the peer in turns. send_c_store() asks it to pause, and
goes on as soon as `_is_paused` is set, which it also is for a moment inside a turn that is not
over: that turn then takes the response, where it is quick, for an unexpected request (pynetdicom
3.0.4, association.py, _run_reactor).
"""

import contextlib
import threading

import pynetdicom.ae
import pytest
from pynetdicom.association import Association

_SECONDS = 10.0  # nobody holds a turn for so long


class _Turns(threading.Event):
    """The reactor's checkpoint: whoever clears it waits until the reactor's turn is over."""

    def __init__(self):
        super().__init__()
        self._turn = threading.Lock()
        self._of_reactor = False
        self._cleared = False

    def wait(self, timeout=None):
        """Called by the reactor alone, once in each turn: the last is over, the next begins."""
        if self._of_reactor:
            self._of_reactor = False
            self._turn.release()
        going_on = super().wait(timeout)
        self._of_reactor = self._turn.acquire(timeout=_SECONDS)
        return going_on

    def clear(self):
        """Pause the reactor."""
        super().clear()
        self._cleared = self._turn.acquire(timeout=_SECONDS)

    def set(self):
        """Let it go on."""
        super().set()
        if self._cleared:
            self._cleared = False
            self._turn.release()


class _Association(Association):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._reactor_checkpoint = _Turns()
        self._reactor_checkpoint.set()


@contextlib.contextmanager
def without_its_race():
    """Associations that are requested meanwhile lose no response."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pynetdicom.ae, "Association", _Association)
        yield
