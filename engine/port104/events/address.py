"""The URL of a broker (AMQP 0-9-1 URI), and how it is written where others may read it."""

import urllib.parse

import msgspec

_PORTS = {"amqp": 5672, "amqps": 5671}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a broker is, and who we are to it."""

    host: str
    port: int
    tls: bool
    virtual_host: str
    user: str
    password: str = msgspec.field(default="guest")

    def __str__(self) -> str:
        """Without user and password, for messages."""
        return f"{'amqps' if self.tls else 'amqp'}://{self.host}:{self.port}/{self.virtual_host.lstrip('/')}"

    __repr__ = __str__


def url_fault(url: str) -> str | None:
    """What is wrong with it, in words that quote nothing of it."""
    try:
        parts = urllib.parse.urlsplit(url)
        right = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or not url.isascii() or not url.isprintable() or " " in url:
        return (
            "it must be of the form amqps://user:password@host:5671/vhost, with / @ : # ? % and blanks in"
            " user, password and virtual host as %2F %40 %3A %23 %3F %25 %20"
        )
    if parts.query or parts.fragment:
        return "nothing may follow the virtual host: what it would say has settings of its own"
    return "/ in a virtual host is written %2F" if "/" in parts.path[1:] else None


def read(url: str) -> Address:
    """Read a URL that has no fault. Without a virtual host it is `/`, as RabbitMQ calls its first."""
    parts = urllib.parse.urlsplit(url)
    return Address(
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        tls=parts.scheme == "amqps",
        virtual_host=urllib.parse.unquote(parts.path[1:]) or "/",
        user=urllib.parse.unquote(parts.username or "guest"),
        password=urllib.parse.unquote(parts.password or "guest"),
    )
