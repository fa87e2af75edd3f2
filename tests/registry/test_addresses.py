"""Host entries."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.registry.addresses import is_among, is_host_name, is_loopback, parse_address, parse_network


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("::ffff:10.0.0.5", "10.0.0.5"),
        ("::FFFF:a00:5", "10.0.0.5"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == ipaddress.ip_address(address)


@pytest.mark.parametrize("text", ["", "ct1", "10.0.0.0/8", "10.0.0.256", "10.0.0.05"])
def test_no_addresses(text):
    with pytest.raises(ValueError, match="IPv4"):
        parse_address(text)


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_hosts_that_are_this_machine_alone(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.5", "localhost.example", "ct1"])
def test_hosts_that_others_may_reach(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.5", "10.0.0.5/32"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::ffff:10.0.0.5", "10.0.0.5/32"),
        ("::ffff:10.0.0.0/120", "10.0.0.0/24"),
        ("::1", "::1/128"),
        ("fd00::/8", "fd00::/8"),
        ("::/0", "::/0"),
    ],
)
def test_networks(text, network):
    assert parse_network(text) == ipaddress.ip_network(network)


@pytest.mark.parametrize("text", ["10.0.0.5/24", "10.0.0.0/33", "ct1", "", "10.0.0.0-10.0.0.9"])
def test_no_networks(text):
    with pytest.raises(ValueError, match=r"host bits set|IPv4"):
        parse_network(text)


@given(st.ip_addresses())
def test_every_address_is_in_the_network_of_itself(address):
    assert parse_address(str(address)) in parse_network(str(address))


@pytest.mark.parametrize(
    "text",
    [
        "ct1",
        "CT-1.radiology.example.org",
        "ct_1",
        "a.b.",
        "1a",
        "10.example",
        "x" * 63,
        "xn--bcher-kva.de",
    ],
)
def test_host_names(text):
    assert is_host_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "-a",
        "a-",
        "a b",
        "a/b",
        "10.0.0.300",
        "104",
        "a.1",
        "x" * 64,
        "ä.de",
        "a\n",
        ".".join(["x" * 63] * 4),
    ],
)
def test_no_host_names(text):
    assert not is_host_name(text)


def test_an_address_is_among_networks():
    networks = [parse_network("10.0.0.0/24"), parse_network("fd00::/8"), parse_network("::ffff:192.0.2.1")]
    assert all(is_among(address, networks) for address in ("10.0.0.9", "::ffff:10.0.0.9", "fd12::1%eth0"))
    assert is_among("192.0.2.1", networks)
    assert not any(is_among(address, networks) for address in ("10.0.1.9", "fe80::1", "::ffff:10.0.1.9"))
    assert not is_among("10.0.0.9", [])
