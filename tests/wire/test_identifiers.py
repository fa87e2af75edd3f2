"""Which UIDs and AE titles are valid."""

import pytest

from port104.wire.identifiers import valid_ae_title, valid_uid

VALID_UIDS = ["1", "0", "1.0", "1.2.840.10008.1.1", "2.25." + "9" * 39, "9" * 64, "1.20.300"]
INVALID_UIDS = [
    "",
    ".",
    "1.",
    ".1",
    "1..2",
    "01",
    "1.02",
    "1.2.a",
    "1.2 ",
    " 1.2",
    "1.2\0",
    "1.2\n",
    "../x",
    "/etc/x",
    "..",
    "a;b",
    "1.2\xb2",
    "\u0661.2",
    "9" * 65,
]
VALID_AE_TITLES = ["A", "PORT104", "a b", "ABCDEFGHIJKLMNOP", "!~", "CT-1_2"]
INVALID_AE_TITLES = [
    *("", " ", " A", "A ", "ABCDEFGHIJKLMNOPQ", "A\\B"),
    *("A\r\nB", "A\tB", "A\0", "\x7f", "\x80", "\xff"),
]


@pytest.mark.parametrize("uid", VALID_UIDS)
def test_valid_uids(uid):
    assert valid_uid(uid)


@pytest.mark.parametrize("uid", INVALID_UIDS)
def test_invalid_uids(uid):
    assert not valid_uid(uid)


@pytest.mark.parametrize("title", VALID_AE_TITLES)
def test_valid_ae_titles(title):
    assert valid_ae_title(title)


@pytest.mark.parametrize("title", INVALID_AE_TITLES)
def test_invalid_ae_titles(title):
    assert not valid_ae_title(title)
