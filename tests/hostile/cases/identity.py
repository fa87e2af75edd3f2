"""User identities (PS3.7 D.3.3.7): 33 of the reference. Those whose lengths are wrong are among 32."""

import base64
import hmac
import json
import struct

from cheap_hash import cheap
from hostile import crafted
from hostile.case import Case, Send
from hostile.crafted import APPLICATION, CONTEXTS, item, request, title, user, with_user

NAME, PASSCODE, KERBEROS, SAML, TOKEN = range(1, 6)
USER, SECRET = b"ct1", b"open sesame"
KEY = b"a key of HS256 has 32 bytes or more"
AUDIENCE = "port104"
FAR, PAST = 4_102_444_800, 946_684_800  # 2100-01-01, 2000-01-01


def settings(folder):
    """What an engine is told of users (dicom.scp.userIdentity); writes its files into `folder`.

    Who sends an identity that is checked must be right, who sends none is welcome: as every other case is.
    """
    passcodes, key = folder / "users", folder / "key"
    passcodes.write_text(f"{USER.decode()}:{cheap(SECRET).encode()}\n")
    key.write_bytes(KEY)
    tokens = {"keys": [{"algorithm": "HS256", "file": str(key)}], "audience": AUDIENCE}
    return {"mode": "optional", "passcodeFile": str(passcodes), "tokens": tokens}


def identity(kind, primary, secondary=b"", *, asks=0):
    """The sub-item (58H). `asks`: the byte that says whether a positive response is asked for."""
    fields = (struct.pack(">H", len(value)) + value for value in (primary, secondary))
    return item(0x58, bytes([kind, asks]) + b"".join(fields))


def _base64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def token(*, header=None, key=KEY, digest="sha256", payload=None, **changes):
    """A JSON web token (RFC 7515), right by default; `payload` is instead of its claims as bytes."""
    claims = {"sub": "ct1", "aud": AUDIENCE, "exp": FAR} | changes
    left = {name: value for name, value in claims.items() if value is not None}
    parts = (json.dumps(header or {"alg": "HS256"}).encode(), payload or json.dumps(left).encode())
    signed = b".".join(map(_base64, parts))
    return signed + b"." + (_base64(hmac.digest(key, signed, digest)) if key else b"")


def _checked(name, sub_item, pinned, *allowed):
    """A case of an identity that is checked here; elsewhere no users are known, and none is asked for."""
    return Case(33, name, (Send(with_user(sub_item)),), pinned, (*allowed, "OK"))


_WRONG_PASSCODES = {
    "passcode-wrong": (USER, b"open says me"),
    "passcode-empty": (USER, b""),
    "passcode-cut-off": (USER, SECRET[:-1]),
    "passcode-with-space": (USER, SECRET + b" "),
    "passcode-in-upper-case": (USER, SECRET.upper()),
    "passcode-of-60000-bytes": (USER, SECRET * 5454),
    "passcode-is-the-hash": (USER, cheap(SECRET).encode().encode()),
    "user-unknown": (b"ct2", SECRET),
    "user-empty": (b"", SECRET),
    "user-and-passcode-empty": (b"", b""),
    "user-with-nul": (USER + b"\0", SECRET),
    "user-padded": (USER.ljust(16), SECRET),
    "user-in-upper-case": (USER.upper(), SECRET),
    "user-of-high-bytes": (b"\xff\xfe", SECRET),
    "user-of-60000-bytes": (b"a" * 60_000, SECRET),
    "user-is-a-path": (b"../../etc/passwd", SECRET),
    "user-is-a-line-of-the-file": (USER + b":" + cheap(SECRET).encode().encode(), SECRET),
    "user-forges-a-log-line": (b'\x1b[2J\r\n{"level": 1}', SECRET),
}
PASSCODES = (
    _checked("passcode-right", identity(PASSCODE, USER, SECRET), "OK"),
    _checked("passcode-right-and-an-answer-is-asked-for", identity(PASSCODE, USER, SECRET, asks=1), "OK"),
    _checked("passcode-right-and-the-answer-byte-is-FF", identity(PASSCODE, USER, SECRET, asks=0xFF), "OK"),
    # A hash by HMAC fills its key up with zeros (RFC 2104 2), as some pad what they send to an even length.
    _checked("passcode-padded-with-nul", identity(PASSCODE, USER, SECRET + b"\0"), "OK", "RJ"),
    *(
        _checked(name, identity(PASSCODE, *wrong), "RJ 1/2/1", "RJ", "AB0")
        for name, wrong in _WRONG_PASSCODES.items()
    ),
    _checked(
        "passcode-wrong-and-an-answer-is-asked-for",
        identity(PASSCODE, USER, b"open says me", asks=1),
        "RJ 1/2/1",
        "RJ",
    ),
)

_NONE = {"alg": "none"}
_WRONG_TOKENS = {
    "unsigned": token(header=_NONE, key=b""),
    "unsigned-in-upper-case": token(header={"alg": "NONE"}, key=b""),
    "signed-and-says-none": token(header=_NONE),
    "without-its-signature": token(key=b""),
    "signed-with-another-key": token(key=KEY[::-1]),
    "signed-with-no-key": token(key=b"\0"),
    "of-another-algorithm": token(header={"alg": "HS512"}, digest="sha512"),
    "brings-its-key": token(
        header={"alg": "HS256", "jwk": {"kty": "oct", "k": _base64(b"mine").decode()}}, key=b"mine"
    ),
    "names-a-key-file": token(header={"alg": "HS256", "kid": "/dev/null"}, key=b"\n"),
    "names-a-key-url": token(header={"alg": "HS256", "jku": "http://127.0.0.1/key"}, key=b"\n"),
    "with-a-critical-header": token(header={"alg": "HS256", "crit": ["exp"], "exp": PAST}),
    "expired": token(exp=PAST),
    "expires-never": token(exp=None),
    "expires-at-infinity": token(payload=b'{"sub": "ct1", "aud": "port104", "exp": 1e999}'),
    "expires-at-a-text": token(exp="tomorrow"),
    "not-valid-yet": token(nbf=FAR),
    "from-the-future": token(iat=FAR),
    "for-another": token(aud="pacs"),
    "for-nobody": token(aud=None),
    "for-an-object": token(aud={"port104": 1}),
    "of-nobody": token(sub=None),
    "of-a-number": token(sub=1),
    "claims-a-list": token(payload=b"[]"),
    "claims-nothing": token(payload=b" "),
    "claims-deep-lists": token(payload=b"[" * 5_000),
    "claims-high-bytes": token(payload=b"\xff" * 50),
    "empty": b"",
    "dots": b"..",
    "four-parts": token() + b".AAAA",
    "with-a-blank": token() + b" ",
    "high-bytes": b"\xff" * 50,
    "of-60000-bytes": token(padding="x" * 44_000),
    "60000-dots": b"." * 60_000,
}
TOKENS = (
    _checked("token-right", identity(TOKEN, token()), "OK"),
    _checked("token-right-and-an-answer-is-asked-for", identity(TOKEN, token(), asks=1), "OK"),
    *(
        _checked(f"token-{name}", identity(TOKEN, wrong), "RJ 1/2/1", "RJ", "AB0")
        for name, wrong in _WRONG_TOKENS.items()
    ),
    _checked("token-in-the-second-field", identity(TOKEN, b"", token()), "RJ 1/2/1", "RJ", "AB0"),
)

# Nothing here can check these, and nobody is asked to: they prove nothing, and are passed over.
UNCHECKED = tuple(
    _checked(f"{name}-is-not-checked", identity(kind, content), "OK", "RJ", "AB0")
    for name, kind, content in (
        ("name-alone", NAME, USER),
        ("kerberos-ticket", KERBEROS, b"\x6e\x82" + bytes(300)),
        ("saml-assertion", SAML, b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
        ("type-0", 0, USER),
        ("type-6", 6, token()),
        ("type-FF", 0xFF, USER),
    )
)

RIGHT, WRONG = identity(PASSCODE, USER, SECRET), identity(PASSCODE, USER, b"open says me")
TWICE = tuple(
    Case(33, name, (Send(with_user(*sub_items)),), "AB0", ("RJ", "OK"))
    for name, sub_items in (
        ("wrong-then-right", (WRONG, RIGHT)),
        ("right-then-wrong", (RIGHT, WRONG)),
        ("right-twice", (RIGHT, RIGHT)),
    )
)

# Whoever is refused is refused whole, and for what comes first.
REFUSED = (
    Case(
        33,
        "wrong-and-stores",
        (Send(with_user(WRONG) + crafted.store(b"1.2.3.33") * 2),),
        "RJ 1/2/1",
        ("RJ", "OK"),
        stores=1,
    ),
    Case(
        33,
        "right-for-an-unknown-ae-title",
        (
            Send(
                request(
                    APPLICATION,
                    *CONTEXTS,
                    user(crafted.MAXIMUM_LENGTH, crafted.IMPLEMENTATION, RIGHT),
                    called=title(b"SOMEBODY"),
                )
            ),
        ),
        "RJ 1/1/7",
    ),
)

CASES = (*PASSCODES, *TOKENS, *UNCHECKED, *TWICE, *REFUSED)
