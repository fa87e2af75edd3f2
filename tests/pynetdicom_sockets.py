"""pynetdicom's sockets, closed where their peer closed first too; to import it is enough.

Its shutdown() fails then, and close() is passed over (pynetdicom 3.0.4, transport.py, _shutdown_socket).
"""

import contextlib
import socket

from pynetdicom.transport import AssociationSocket


def _shutdown_socket(association_socket):
    with contextlib.closing(association_socket.socket) as it, contextlib.suppress(OSError):
        it.shutdown(socket.SHUT_RDWR)


AssociationSocket._shutdown_socket = _shutdown_socket
