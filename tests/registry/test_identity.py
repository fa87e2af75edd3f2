"""What is proposed x what is configured -> verdict (PS3.7 D.3.3.7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port104.registry.identity import Identified, IdentityCheck, Unidentified
from port104.wire.items import UserIdentity


class Users:
    def knows(self, name, passcode):
        return (name, passcode) == ("ct1", b"secret")


class Tokens:
    def subject(self, token):
        if token != b"good":
            raise ValueError("the token is refused: it has expired")
        return "ct2"


def check(*, required, users=True, tokens=True):
    return IdentityCheck(
        required=required, users=Users() if users else None, tokens=Tokens() if tokens else None
    )


RIGHT = UserIdentity(2, True, b"ct1", b"secret")
WRONG = UserIdentity(2, True, b"ct1", b"guess")
TOKEN = UserIdentity(5, True, b"good")
STALE = UserIdentity(5, True, b"old")
OTHERS = [UserIdentity(kind, True, b"ct1", b"secret") for kind in (0, 1, 3, 4, 6, 255)]


@pytest.mark.parametrize("required", [False, True])
def test_what_is_right_names_the_user(required):
    assert check(required=required).judge(RIGHT) == Identified("ct1")
    assert check(required=required).judge(TOKEN) == Identified("ct2")


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("identity", [WRONG, STALE, UserIdentity(2, False, b"", b"")])
def test_what_is_wrong_is_refused(required, identity):
    assert isinstance(check(required=required).judge(identity), Unidentified)


@pytest.mark.parametrize("identity", [None, *OTHERS])
def test_what_proves_nothing_is_passed_over_or_refused(identity):
    assert check(required=False).judge(identity) == Identified()
    refused = check(required=True).judge(identity)
    assert isinstance(refused, Unidentified)
    assert "is required" in refused.why
    assert "a user name and passcode or a JSON web token" in refused.hint


def test_a_kind_that_is_not_configured_proves_nothing():
    for identity, kinds in [(RIGHT, {"users": False}), (TOKEN, {"tokens": False})]:
        assert check(required=False, **kinds).judge(identity) == Identified()
        assert isinstance(check(required=True, **kinds).judge(identity), Unidentified)


def test_what_takes_long_is_known_before():
    assert [check(required=True).is_costly(identity) for identity in (RIGHT, WRONG, TOKEN)] == [True] * 3
    assert not any(check(required=True).is_costly(identity) for identity in (None, *OTHERS))
    assert not check(required=True, users=False).is_costly(RIGHT)


@given(st.builds(UserIdentity, st.integers(0, 255), st.booleans(), st.binary(), st.binary()))
def test_words_are_one_printable_line_without_a_passcode(identity):
    for required in (False, True):
        verdict = check(required=required).judge(identity)
        if isinstance(verdict, Unidentified):
            assert (verdict.why + verdict.hint).isprintable()
            assert (verdict.why + verdict.hint).isascii()


def test_a_name_is_shown_in_part():
    verdict = check(required=True).judge(UserIdentity(2, True, b"\x1b" + b"x" * 60_000, b"secret"))
    assert isinstance(verdict, Unidentified)
    assert len(verdict.why) < 200
    assert "\\u001b" in verdict.why
