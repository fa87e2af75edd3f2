"""URLs of brokers."""

import pytest

from port104.events.address import read, url_fault


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("amqp://host", ("host", 5672, False, "/", "guest", "guest")),
        ("amqps://host", ("host", 5671, True, "/", "guest", "guest")),
        ("amqps://me:s%2Fcret%40@10.0.0.1:5679/monai", ("10.0.0.1", 5679, True, "monai", "me", "s/cret@")),
        ("amqp://me:x@[::1]/%2Fa", ("::1", 5672, False, "/a", "me", "x")),
        ("amqp://host/", ("host", 5672, False, "/", "guest", "guest")),
    ],
)
def test_a_url_is_read(url, told):
    assert url_fault(url) is None
    address = read(url)
    assert told == (
        *(address.host, address.port, address.tls),
        *(address.virtual_host, address.user, address.password),
    )


@pytest.mark.parametrize(
    "url",
    [
        *("host", "http://host", "amqp://", "amqp://:5672/x", "amqp://host:0", "amqp://host:99999"),
        *("amqp://me:a/b@host/x", "amqp://host/a b", "amqp://höst/", "amqp://[::1/"),
        *("amqp://host/a/b", "amqp://host?heartbeat=3", "amqp://host/#x"),
    ],
)
def test_what_is_wrong_is_told_without_quoting_it(url):
    assert "me" not in url_fault(url).split()


def test_messages_name_neither_user_nor_password():
    shown = f"{read('amqps://me:secret@host/monai')} {read('amqp://me:secret@host')!r}"
    assert shown == "amqps://host:5671/monai amqp://host:5672/"
