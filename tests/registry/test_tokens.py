"""JSON web tokens: which are good, and that nothing else is."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from port104.registry.tokens import Tokens, read_key

SECRET = b"0123456789abcdef0123456789abcdef"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def public(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


SIGNERS = {
    "HS256": (SECRET, SECRET),
    "RS256": (RSA, public(RSA)),
    "PS256": (RSA, public(RSA)),
    "ES256": (EC, public(EC)),
    "EdDSA": (ED, public(ED)),
}


def claims(**changes):
    facts = {"sub": "ct1", "aud": "port104", "exp": time.time() + 300} | changes
    return {name: value for name, value in facts.items() if value is not None}


def tokens(*algorithms, issuer=None, leeway=0):
    keys = [read_key(f"{name}.pem", name, SIGNERS[name][1]) for name in algorithms]
    return Tokens(keys, audience="port104", issuer=issuer, leeway=leeway)


def signed(algorithm, payload, **changes):
    return jwt.encode(payload, SIGNERS[algorithm][0], algorithm, **changes).encode()


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_a_token_that_is_signed_with_a_key_is_good(algorithm):
    assert tokens(algorithm).subject(signed(algorithm, claims())) == "ct1"
    assert tokens(*SIGNERS).subject(signed(algorithm, claims())) == "ct1"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": time.time() - 60}, "it has expired"),
        ({"nbf": time.time() + 86_400}, "it is not valid yet"),
        ({"iat": time.time() + 86_400}, "it is not valid yet"),
        ({"aud": "other"}, "it is for another audience"),
        ({"aud": ["a", "b"]}, "it is for another audience"),
        ({"exp": None}, "it lacks one of"),
        ({"aud": None}, "it lacks one of"),
        ({"sub": None}, "it lacks one of"),
        ({"sub": 7}, "its subject is not a text"),
        ({"exp": "soon"}, "it is malformed"),
    ],
)
def test_a_claim_that_is_wrong_or_missing(changes, why):
    with pytest.raises(ValueError, match=why):
        tokens("HS256").subject(signed("HS256", claims(**changes)))


def test_an_issuer_counts_where_one_is_set():
    checked = tokens("HS256", issuer="idp")
    assert checked.subject(signed("HS256", claims(iss="idp"))) == "ct1"
    for issuer in ("other", None):
        with pytest.raises(ValueError, match="the token is refused"):
            checked.subject(signed("HS256", claims(iss=issuer)))


def test_clocks_may_differ_by_the_leeway():
    token = signed("HS256", claims(exp=time.time() - 60))
    assert tokens("HS256", leeway=120).subject(token) == "ct1"


def part(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def forged(header, payload, signature=b""):
    return b".".join(part(value) for value in (header, json.dumps(payload).encode(), signature))


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS256", "ES512", "x"])
def test_an_unsigned_token_is_refused(algorithm):
    token = forged(json.dumps({"alg": algorithm, "typ": "JWT"}).encode(), claims())
    with pytest.raises(ValueError, match="the token is refused"):
        tokens(*SIGNERS).subject(token)


def test_a_public_key_is_no_secret():
    """RFC 8725 2.1: an HS256 token made with the public key of RS256."""
    signed_part = part(b'{"alg":"HS256"}') + b"." + part(json.dumps(claims()).encode())
    token = signed_part + b"." + part(hmac.new(public(RSA), signed_part, hashlib.sha256).digest())
    with pytest.raises(ValueError, match="none of the keys fits"):
        tokens("RS256", "HS256").subject(token)


def test_another_key_of_the_same_kind_does_not_fit():
    token = jwt.encode(claims(), rsa.generate_private_key(65537, 2048), "RS256").encode()
    with pytest.raises(ValueError, match="none of the keys fits"):
        tokens("RS256").subject(token)


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b".",
        b"..",
        b"a.b.c",
        b"\xff.\xff.\xff",
        b"x" * 20_000,
        forged(b"[" * 11_000, {}),
        forged(b"[]", {}),
        forged(b'{"alg": []}', {}),
        forged(b'{"alg": "HS256", "crit": ["b64"], "b64": false}', {}),
    ],
    ids=range(10),
)
def test_what_is_no_token_is_refused(token):
    with pytest.raises(ValueError, match="token"):
        tokens(*SIGNERS).subject(token)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else_is_raised(token):
    with pytest.raises(ValueError, match="token"):
        tokens("HS256", "ES256").subject(token)


@pytest.mark.parametrize(
    ("algorithm", "content", "why"),
    [
        ("HS256", b"short", "at least 32 bytes"),
        ("HS256", b"x" * 31 + b"\n", "at least 32 bytes"),
        ("HS256", public(RSA), "takes a secret"),
        ("RS256", b"nonsense", "not a public key in PEM"),
        ("RS256", public(EC), "not a public key in PEM"),
        ("ES256", public(RSA), "not a public key in PEM"),
        ("RS256", public(rsa.generate_private_key(65537, 1024)), "at least 2048 bits"),
        (
            "ES256",
            EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "it is a private key",
        ),
    ],
)
def test_a_key_that_cannot_be_used_says_why(algorithm, content, why):
    with pytest.raises(ValueError, match=why):
        read_key("key", algorithm, content)


def test_a_key_is_not_shown():
    assert "0123" not in repr(read_key("key", "HS256", SECRET))
