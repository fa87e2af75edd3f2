"""Where it cannot listen, a start says which setting is meant and what to do."""

import errno
import os
import socket

import pytest

from port104.errors import ConfigurationError
from port104.service.listening import listen
from port104.service.settings.scp import ScpSettings


class Acceptor:
    """Binds as the kernel answers, to a user without any right."""

    async def listen(self, host, port, credentials):
        if port < 1024:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with socket.create_server((host, port)) as bound:
            return [bound.getsockname()]


async def test_a_port_for_which_a_permission_is_needed():
    with pytest.raises(ConfigurationError) as raised:
        await listen(Acceptor(), ScpSettings(host="127.0.0.1", port=104), None)
    said = str(raised.value)
    assert "cannot listen on port 104 of 127.0.0.1: Permission denied" in said
    assert "dicom.scp.port" in said
    assert "grant CAP_NET_BIND_SERVICE" in said


async def test_a_port_that_another_program_has():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=r"Address already in use.*stop what uses it"):
            await listen(Acceptor(), ScpSettings(host="127.0.0.1", port=port), None)
