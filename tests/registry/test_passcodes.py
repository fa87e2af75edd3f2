"""The passcode file, and who is known by it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cheap_hash import cheap
from port104.registry import passcodes
from port104.registry.passcodes import PasscodeHash, Users, encode, hash_passcode, name_fault, parse


def test_a_new_hash_fits_its_passcode_only():
    one, other = hash_passcode(b"secret"), hash_passcode(b"secret")
    assert one.salt != other.salt
    assert one.encode().startswith("$scrypt$ln=15,r=8,p=3$")
    assert one.fits(b"secret")
    assert not one.fits(b"secret ")


names = st.text(min_size=1, max_size=64).filter(lambda name: name_fault(name) is None)


@given(st.dictionaries(names, st.binary(max_size=8), max_size=3))
def test_what_is_written_is_read(entries):
    users = {name: cheap(passcode) for name, passcode in entries.items()}
    assert parse(encode(users)) == users


def test_blank_lines_and_comments_are_passed_over():
    text = f"# users\n\nct1:{cheap(b'x').encode()}\n   \n"
    assert parse(text) == {"ct1": cheap(b"x")}


GOOD = cheap(b"x").encode()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("ct1", "line 2: it has no colon"),
        (f":{GOOD}", "line 2: a user name must not be empty"),
        (f" ct1:{GOOD}", "line 2: a user name must not be empty, nor begin or end with a blank"),
        (f"{'x' * 65}:{GOOD}", "line 2: a user name has at most 64 characters"),
        (f"a\x1bb:{GOOD}", "line 2: a user name is printable text"),
        (f"first:{GOOD}", "line 2: the user has a line above already"),
        ("ct1:secret", "line 2: the hash is not of the form"),
        ("ct1:$scrypt$ln=21,r=8,p=1$AAAA$AAAA", "line 2: ln, r and p are at most 20, 8, 16"),
        ("ct1:$scrypt$ln=0,r=8,p=1$AAAA$AAAA", "line 2: ln, r and p are at most"),
        ("ct1:$scrypt$ln=1,r=1,p=1$AAA$AAAA", "line 2: salt and hash are base64"),
        ("ct1:$scrypt$ln=1,r=1,p=1$AAAA$AAAA", "line 2: the hash has 3 bytes instead of 32"),
    ],
)
def test_a_faulty_line_is_named_and_its_hash_is_not_quoted(line, fault):
    with pytest.raises(ValueError, match=r"^line 2: ") as raised:
        parse(f"first:{GOOD}\n{line}\n")
    assert str(raised.value).startswith(fault)
    assert "secret" not in str(raised.value)


@pytest.fixture
def work(monkeypatch):
    """The parameters of each hash that was computed."""
    done = []
    original = passcodes._scrypt

    def counted(passcode, salt, log_n, r, p):
        done.append((log_n, r, p))
        return original(passcode, salt, log_n, r, p)

    monkeypatch.setattr(passcodes, "_scrypt", counted)
    return done


def test_users_are_known_by_name_and_passcode():
    users = Users({"ct1": cheap(b"one"), "ct2": cheap(b"two")})
    assert users.knows("ct1", b"one")
    assert users.knows("ct2", b"two")
    for name, passcode in [("ct1", b"two"), ("ct1", b""), ("CT1", b"one"), ("", b""), ("ct3", b"one")]:
        assert not users.knows(name, passcode)


def test_an_unknown_user_costs_what_a_wrong_passcode_costs(work):
    users = Users({"ct1": cheap(b"one"), "ct2": PasscodeHash(4, 2, 2, b"salt", bytes(32))})
    users.knows("ct2", b"wrong")
    users.knows("nobody", b"wrong")
    assert work == [(4, 2, 2), (4, 2, 2)]


def test_without_users_nobody_is_known(work):
    assert not Users({}).knows("", b"")
    assert work == [(15, 8, 3)]


def test_what_was_right_is_known_at_once_and_what_was_wrong_is_not(work):
    users = Users({"ct1": cheap(b"one")})
    assert [users.knows("ct1", b"one") for _ in range(3)] == [True] * 3
    assert len(work) == 1
    assert [users.knows("ct1", b"two") for _ in range(3)] == [False] * 3
    assert len(work) == 4
    assert users.knows("ct1", b"one")
    assert len(work) == 4
