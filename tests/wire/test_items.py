"""The user information sub-items: their bytes, and the answer to each way of breaking them."""

import struct

import pytest

from port104.errors import LocalProtocolError, RemoteProtocolError
from port104.wire.items import (
    MOST_ITEMS,
    AsynchronousOperationsWindow,
    CommonExtendedNegotiation,
    ExtendedNegotiation,
    Items,
    Reader,
    RoleSelection,
    UserIdentity,
    UserInformation,
    decode_user_information,
    item,
    sized,
)

# Each sub-item as the tables of PS3.8 annex D.1 and PS3.7 annex D lay it out, written by hand.
SUB_ITEMS = {
    "maximum length": (
        "51 00 0004 00004000",
        UserInformation(maximum_length=16384),
    ),
    "implementation class UID": (
        "52 00 0005 312e322e33",
        UserInformation(implementation_class_uid="1.2.3"),
    ),
    "asynchronous operations window": (
        "53 00 0004 0102 0003",
        UserInformation(asynchronous_operations_window=AsynchronousOperationsWindow(258, 3)),
    ),
    "role selection": (
        "54 00 0007 0003 312e32 01 00",
        UserInformation(role_selections=(RoleSelection("1.2", scu_role=True, scp_role=False),)),
    ),
    "implementation version name": (
        "55 00 0002 5631",
        UserInformation(implementation_version_name="V1"),
    ),
    "extended negotiation": (
        "56 00 0008 0003 312e32 020000",
        UserInformation(extended_negotiations=(ExtendedNegotiation("1.2", b"\2\0\0"),)),
    ),
    "common extended negotiation": (
        "57 00 0013 0003 312e32 0003 312e33 0007 0001 34 0002 3536",
        UserInformation(common_extended_negotiations=(CommonExtendedNegotiation("1.2", "1.3", ("4", "56")),)),
    ),
    "user identity": (
        "58 00 000a 02 01 0002 6162 0002 6364",
        UserInformation(user_identity=UserIdentity(2, True, b"ab", b"cd")),
    ),
    "user identity response": (
        "59 00 0004 0002 6162",
        UserInformation(user_identity_response=b"ab"),
    ),
}
ONCE = (0x51, 0x52, 0x53, 0x55, 0x58, 0x59)
# Any bytes after the last field are for later versions (PS3.7 table D.3-12), or are the field itself.
OPEN_ENDED = (0x52, 0x55, 0x56, 0x57)


def encoded(sub_item):
    return bytes.fromhex(sub_item.replace(" ", ""))


def decoded(user_information):
    return decode_user_information(user_information, Items())


BYTES = {name: encoded(sub_item) for name, (sub_item, _) in SUB_ITEMS.items()}
UNKNOWN = [kind for kind in range(256) if kind not in {sub_item[0] for sub_item in BYTES.values()}]


@pytest.mark.parametrize(("sub_item", "read"), SUB_ITEMS.values(), ids=SUB_ITEMS)
def test_each_sub_item_is_the_standards(sub_item, read):
    assert read.encode() == encoded(sub_item)
    assert decoded(encoded(sub_item)) == read


def test_sub_items_stand_in_any_order():
    forwards, backwards = list(BYTES.values()), list(BYTES.values())[::-1]
    whole = decoded(b"".join(forwards))
    assert decoded(b"".join(backwards)) == whole
    assert whole.encode() == b"".join(forwards)


@pytest.mark.parametrize("sub_item", BYTES.values(), ids=BYTES)
def test_reserved_bytes_are_ignored(sub_item):
    changed = sub_item[:1] + b"\xff" + sub_item[2:]
    assert decoded(changed) == decoded(sub_item)


@pytest.mark.parametrize("kind", UNKNOWN)
def test_unknown_sub_items_are_skipped(kind):
    whole = item(kind, b"") + BYTES["maximum length"] + item(kind, b"anything")
    assert decoded(whole) == UserInformation(maximum_length=16384)


def fault_of(value):
    with pytest.raises(RemoteProtocolError) as fault:
        decoded(value)
    return fault.value.reason


@pytest.mark.parametrize("sub_item", BYTES.values(), ids=BYTES)
def test_a_sub_item_of_length_0_is_an_invalid_parameter(sub_item):
    assert fault_of(item(sub_item[0], b"")) == 6


@pytest.mark.parametrize("sub_item", BYTES.values(), ids=BYTES)
def test_a_sub_item_beyond_its_item_is_an_invalid_parameter(sub_item):
    for length in range(1, len(sub_item)):
        assert fault_of(sub_item[:length]) == 6


@pytest.mark.parametrize(("name", "sub_item"), [(n, b) for n, b in BYTES.items() if b[0] not in OPEN_ENDED])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_sub_item_of_another_length_is_an_invalid_parameter(name, sub_item, change):
    value = (sub_item[4:] + b"\0")[: len(sub_item) - 4 + change]
    assert fault_of(item(sub_item[0], value)) == 6


@pytest.mark.parametrize("extra", range(1, 4))
def test_bytes_behind_the_last_sub_item_are_an_invalid_parameter(extra):
    assert fault_of(BYTES["maximum length"] + bytes(extra)) == 6


INNER = {
    "a role's UID beyond its item": (0x54, "0064 312e32 01 01"),
    "a role's UID of length 0": (0x54, "0000 01 01"),
    "a role's UID of padding": (0x54, "0001 00 01 01"),
    "an extension's UID beyond its item": (0x56, "0004 312e32"),
    "an extension's UID of length 0": (0x56, "0000 0200"),
    "a SOP class of length 0": (0x57, "0000 0003 312e33 0000"),
    "a service class of length 0": (0x57, "0003 312e32 0000 0000"),
    "no list of related classes": (0x57, "0003 312e32 0003 312e33"),
    "a list of related classes beyond its item": (0x57, "0003 312e32 0003 312e33 0004 0001"),
    "a related class beyond its list": (0x57, "0001 31 0001 32 0002 0001 34"),
    "a related class of length 0": (0x57, "0001 31 0001 32 0002 0000"),
    "half a length in the list": (0x57, "0001 31 0001 32 0001 00"),
    "a primary field beyond its item": (0x58, "01 00 0005 616263"),
    "no secondary field": (0x58, "01 00 0001 61"),
    "a response beyond its item": (0x59, "0002 61"),
}


@pytest.mark.parametrize(("kind", "value"), INNER.values(), ids=INNER)
def test_a_field_that_does_not_fit_is_an_invalid_parameter(kind, value):
    assert fault_of(item(kind, encoded(value))) == 6


@pytest.mark.parametrize("sub_item", [one for one in BYTES.values() if one[0] in ONCE])
def test_what_may_come_once_is_unexpected_twice(sub_item):
    assert fault_of(sub_item + BYTES["role selection"] + sub_item) == 5


@pytest.mark.parametrize("sub_item", [one for one in BYTES.values() if one[0] not in ONCE])
def test_what_may_repeat_is_kept_in_order(sub_item):
    other = sub_item.replace(b"1.2", b"1.9")
    read = decoded(other + sub_item + sub_item)
    assert read.encode() == other + sub_item + sub_item


@pytest.mark.parametrize(("flag", "role"), [(0, False), (1, True)])
def test_roles_are_read_each_from_its_own_byte(flag, role):
    read = decoded(item(0x54, b"\0\x011" + bytes([flag, 1 - flag])))
    assert read.role_selections == (RoleSelection("1", role, not role),)


def test_a_later_version_of_the_common_extended_negotiation_may_say_more():
    value = BYTES["common extended negotiation"][4:] + b"more"
    read = decoded(item(0x57, value))
    assert read == SUB_ITEMS["common extended negotiation"][1]


@pytest.mark.parametrize("kind", [0x52, 0x55])
def test_trailing_nul_is_padding(kind):
    assert decoded(item(kind, b"1.2\0\0")) == decoded(item(kind, b"1.2"))
    assert fault_of(item(kind, b"\0")) == 6


def test_an_item_holds_65535_bytes_and_no_more():
    longest = item(0x7F, bytes(0xFFFF))
    assert list(Items().of(longest, "test")) == [(0x7F, bytes(0xFFFF))]
    with pytest.raises(LocalProtocolError, match="7FH cannot hold 65536 bytes"):
        item(0x7F, bytes(0x10000))


def test_so_many_items_are_read_and_not_one_more_wherever_they_are():
    items = Items()
    assert len(list(items.of(item(0x7F, b"") * (MOST_ITEMS - 1), "test"))) == MOST_ITEMS - 1
    assert len(list(items.of(item(0x7F, b""), "test"))) == 1
    with pytest.raises(RemoteProtocolError, match="more than 16384"):
        list(items.of(item(0x7F, b""), "test"))


def test_a_sized_field_holds_65535_bytes_and_no_more():
    assert Reader(sized(bytes(0xFFFF)), "test").sized() == bytes(0xFFFF)
    with pytest.raises(LocalProtocolError, match="cannot hold 65536 bytes"):
        sized(bytes(0x10000))


@pytest.mark.parametrize(
    "information",
    [
        UserInformation(user_identity_response=bytes(0x10000)),
        UserInformation(user_identity=UserIdentity(1, False, bytes(0x10000))),
        UserInformation(role_selections=(RoleSelection("1" * 0x10000, True, False),)),
        UserInformation(implementation_version_name="\u20ac"),
    ],
    ids=["a response", "a primary field", "a UID", "a character"],
)
def test_what_a_field_cannot_hold_is_our_own_error(information):
    with pytest.raises(LocalProtocolError):
        information.encode()


def test_a_reader_names_what_is_short_or_long():
    reader = Reader(struct.pack(">BHI", 1, 2, 3), "a thing")
    assert (reader.uint8(), reader.uint16(), reader.left) == (1, 2, 4)
    with pytest.raises(RemoteProtocolError, match="a thing has 4 bytes too many"):
        reader.end()
    with pytest.raises(RemoteProtocolError, match="a thing is 1 bytes short"):
        reader.take(5)
    assert reader.uint32() == 3
    reader.end()


def test_an_identity_does_not_show_what_is_secret():
    assert repr(UserIdentity(2, True, b"ct1", b"secret")) == "UserIdentity(type=2)"
