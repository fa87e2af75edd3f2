"""What a Kubernetes Service is to those who call it: one address, behind which ready engines take turns."""

import contextlib
import itertools
import socket
import struct
import threading

_PIECE = 1 << 16


class ServiceRelay:
    """Relays connections to the ports in `ready`, in turn; refuses them where there is none.

    Connections that are there stay with their engine, whatever becomes of `ready`. Use in a with statement.
    """

    def __init__(self):
        self.ready = []
        self.port = 0
        self._turn = itertools.count()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open = set()

    def __enter__(self):
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in tuple(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listening.accept()[0],), daemon=True).start()

    def _serve(self, caller):
        ready = tuple(self.ready)
        try:
            engine = socket.create_connection(("127.0.0.1", ready[next(self._turn) % len(ready)]))
        except (OSError, ZeroDivisionError):
            _reset(caller)  # as the kernel of a node answers where there is no endpoint, or a dead one
            return
        self._open |= {caller, engine}
        with caller, engine:
            back = threading.Thread(target=_pump, args=(engine, caller), daemon=True)
            back.start()
            _pump(caller, engine)
            back.join()
        self._open -= {caller, engine}


def _pump(source, target):
    """Pass on what comes, and how it ends."""
    try:
        while data := source.recv(_PIECE):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
