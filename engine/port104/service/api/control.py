"""The control socket: how the command line on the same machine reaches a running port104.

Its file is the permission: mode 0600, in the storage folder. Who connects is asked all the same, for the file
system may know no modes. Everything here touches the disk.
"""

import os
import socket
import stat
import struct
from pathlib import Path

import trio

from port104.service.control_socket import FILE_NAME, short_path

_BACKLOG = 64
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid (SO_PEERCRED)


def bind_control_socket(folder: Path) -> socket.socket:
    """Listen on the control socket of a storage folder, which is this process's.

    One that a crash left behind is replaced. Raises OSError where that cannot be: the file system knows no
    sockets, or something else has the name.
    """
    remove_control_socket(folder)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(folder / FILE_NAME) as path:
            listening.bind(path)
        (folder / FILE_NAME).chmod(0o600)  # nobody can connect before we listen
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def remove_control_socket(folder: Path) -> None:
    """Remove the socket, if it is one."""
    file = folder / FILE_NAME
    try:
        if stat.S_ISSOCK(file.lstat().st_mode):
            file.unlink()
    except FileNotFoundError:
        return


def user_at(connected: trio.socket.SocketType) -> int:
    """The user ID of who connected."""
    found = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    user: int = _CREDENTIALS.unpack(found)[1]
    return user


def may_control(user: int) -> bool:
    """Whether a user may do everything: root, and whom port104 runs as."""
    return user in (0, os.geteuid())
