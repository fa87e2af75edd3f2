"""Who the user behind an association is (PS3.7 D.3.3.7): what is proposed x what is configured -> verdict.

Rules that this room keeps:
- what proves nothing admits nobody where an identity is required: a name alone, a kind that is not checked;
- what is checked and wrong is refused also where an identity is optional;
- a verdict's words hold what the peer sent only in JSON notation, one line, and never a passcode or a token.
"""

import json
from typing import Protocol

import msgspec

from port104.wire.items import UserIdentity

NAME, NAME_AND_PASSCODE, KERBEROS, SAML, JSON_WEB_TOKEN = range(1, 6)  # PS3.7 table D.3-14
_KINDS = {
    NAME: "a user name without passcode",
    NAME_AND_PASSCODE: "a user name and passcode",
    KERBEROS: "a Kerberos ticket",
    SAML: "a SAML assertion",
    JSON_WEB_TOKEN: "a JSON web token",
}
_MOST_SHOWN = 64  # characters of a name


class Identified(msgspec.Struct, frozen=True):
    """The association may go on; `user` is None where nobody's identity was checked."""

    user: str | None = None


class Unidentified(msgspec.Struct, frozen=True):
    """The association must be rejected. `why` and `hint` are for the log."""

    why: str
    hint: str


class PasscodeCheck(Protocol):
    """Tells who is known; passcodes.Users is one."""

    def knows(self, name: str, passcode: bytes) -> bool:
        """Whether this is the passcode of the user. May take a good part of a second."""
        ...


class TokenCheck(Protocol):
    """Reads tokens; tokens.Tokens is one."""

    def subject(self, token: bytes) -> str:
        """Whom a valid token speaks of. Raises ValueError with the reason why it is refused."""
        ...


class IdentityCheck:
    """Judges user identities. `users` and `tokens` are None where that kind is not checked."""

    def __init__(self, *, required: bool, users: PasscodeCheck | None, tokens: TokenCheck | None) -> None:
        self._required = required
        self._users = users
        self._tokens = tokens

    def is_costly(self, identity: UserIdentity | None) -> bool:
        """Whether `judge` may take long and must not run on the event loop."""
        return identity is not None and self._checks(identity.type)

    def judge(self, identity: UserIdentity | None) -> Identified | Unidentified:
        """Judge what an A-ASSOCIATE-RQ proposed; None: nothing."""
        if identity is not None:
            if identity.type == NAME_AND_PASSCODE and self._users is not None:
                return _judge_passcode(self._users, identity)
            if identity.type == JSON_WEB_TOKEN and self._tokens is not None:
                return _judge_token(self._tokens, identity.primary)
        return self._unproven(identity) if self._required else Identified()

    def _checks(self, kind: int) -> bool:
        if kind == NAME_AND_PASSCODE:
            return self._users is not None
        return kind == JSON_WEB_TOKEN and self._tokens is not None

    def _unproven(self, identity: UserIdentity | None) -> Unidentified:
        ways = [_KINDS[kind] for kind in (NAME_AND_PASSCODE, JSON_WEB_TOKEN) if self._checks(kind)]
        hint = f"have the peer send {' or '.join(ways)}, or set dicom.scp.userIdentity.mode to optional"
        if identity is None:
            return Unidentified("a user identity is required, and none was sent", hint)
        kind = _KINDS.get(identity.type, f"a user identity of type {identity.type}")
        return Unidentified(f"a user identity is required, and {kind} is not checked here", hint)


def _judge_passcode(users: PasscodeCheck, identity: UserIdentity) -> Identified | Unidentified:
    name = identity.primary.decode("utf-8", "replace")
    if users.knows(name, identity.secondary):
        return Identified(name)
    hint = "a passcode is set by: port104 user add NAME"
    return Unidentified(f"no user {_shown(name)} with this passcode", hint)


def _judge_token(tokens: TokenCheck, token: bytes) -> Identified | Unidentified:
    try:
        return Identified(tokens.subject(token))
    except ValueError as error:
        return Unidentified(str(error), "see dicom.scp.userIdentity.tokens, and whether the clocks are right")


def _shown(name: str) -> str:
    return json.dumps(name if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]}...")
