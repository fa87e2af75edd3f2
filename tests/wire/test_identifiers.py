"""Which UIDs and AE titles are valid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.config import IGNORE
from pydicom.uid import UID, UID_dictionary

from port104.wire.identifiers import valid_ae_title, valid_uid
from wire_strategies import valid_uids

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
VALID_AE_TITLES = ["A", "..A", "A/B", "PORT104", "a b", "ABCDEFGHIJKLMNOP", "!~", "CT-1_2"]
INVALID_AE_TITLES = [
    *("", " ", " A", "A ", "ABCDEFGHIJKLMNOPQ", "A\\B"),
    *("A\r\nB", "A\tB", "A\0", "\x7f", "\x80", "\xff"),
    *("..", "../x", "a/../b"),
]


@pytest.mark.parametrize("uid", VALID_UIDS)
def test_valid_uids(uid):
    assert valid_uid(uid)


@pytest.mark.parametrize("uid", INVALID_UIDS)
def test_invalid_uids(uid):
    assert not valid_uid(uid)


# Digits, dots and little else; no spaces, which pydicom strips or, a line feed at the end, lets stand.
@given(st.text("012.\0a", max_size=8) | st.text("12.", min_size=60, max_size=68) | valid_uids)
def test_pydicom_agrees_on_uids(uid):
    assert valid_uid(uid) == UID(uid, validation_mode=IGNORE).is_valid


@pytest.mark.parametrize("uid", UID_dictionary)
def test_the_standards_uids_are_valid(uid):
    assert valid_uid(uid)


@pytest.mark.parametrize("title", VALID_AE_TITLES)
def test_valid_ae_titles(title):
    assert valid_ae_title(title)


@pytest.mark.parametrize("character", [chr(code) for code in range(0x100)])
def test_ae_titles_have_the_default_repertoire_without_backslash_and_controls(character):
    assert valid_ae_title(f"A{character}B") == (" " <= character <= "~" and character != "\\")


@pytest.mark.parametrize("title", INVALID_AE_TITLES)
def test_invalid_ae_titles(title):
    assert not valid_ae_title(title)
