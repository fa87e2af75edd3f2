"""The ways into the engine of a soak: its plain port and its TLS port."""

import ssl
from typing import NamedTuple

from hostile.talk import Transport
from sender import Sender
from tls_peers import SecureSender

_SECURE_SHARE = 0.4


class Door(NamedTuple):
    """A port, and how one speaks there; `tls` None: plainly."""

    port: int
    tls: ssl.SSLContext | None = None

    def sender(self, **facts):
        """A `Sender` that has come in."""
        if self.tls is None:
            return Sender(self.port, **facts)
        return SecureSender(self.port, self.tls, **facts)

    def transport(self, **facts):
        """For peers that play cases."""
        return Transport(self.port, self.tls, **facts)


class Doors(NamedTuple):
    """Both of them."""

    plain: Door
    secure: Door

    def pick(self, chance):
        """One at random."""
        return self.secure if chance.random() < _SECURE_SHARE else self.plain
