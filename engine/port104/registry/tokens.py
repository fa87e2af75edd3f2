"""JSON Web Tokens as user identity (PS3.7 D.3.3.7, type 5; RFC 7519), checked with configured keys.

Rules that this room keeps:
- a key is tried with its own algorithm only: what the token's header says chooses nothing (RFC 8725 3.1);
- a token names whom it is for (`aud`), whom it speaks of (`sub`) and when it ends (`exp`), or it is refused.
"""

from collections.abc import Sequence
from typing import Any

import jwt
import msgspec
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidSubjectError

# Several kilobytes of claims are usual at the most; the field could hold 64 KiB.
_LONGEST = 16 * 1024
_SHORTEST_SECRET = 32  # bytes (RFC 7518 3.2)
_SHORTEST_RSA = 2048  # bits (RFC 7518 3.3)


class TokenKey(msgspec.Struct, frozen=True):
    """A key and the one algorithm that it is used with. `name` is for messages."""

    name: str
    algorithm: str
    key: Any

    def __repr__(self) -> str:
        """Without the key, which may be a secret."""
        return f"TokenKey({self.name!r}, {self.algorithm!r})"


def read_key(name: str, algorithm: str, content: bytes) -> TokenKey:
    """Read a key file: PEM for public keys, the secret itself for HS256.

    Raises ValueError, whose text says what is wrong and quotes nothing of the key.
    """
    if algorithm.startswith("HS"):
        content = content.strip()
        if len(content) < _SHORTEST_SECRET:
            raise ValueError(f"a secret for {algorithm} has at least {_SHORTEST_SECRET} bytes (RFC 7518 3.2)")
        if content.startswith(b"-----BEGIN"):
            raise ValueError(f"{algorithm} takes a secret, this is a PEM file")
        return TokenKey(name, algorithm, content)
    try:
        key = get_default_algorithms()[algorithm].prepare_key(content)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise ValueError(f"it is not a public key in PEM that {algorithm} can use") from error
    if getattr(key, "key_size", _SHORTEST_RSA) < _SHORTEST_RSA and not algorithm.startswith("ES"):
        raise ValueError(f"an RSA key has at least {_SHORTEST_RSA} bits (RFC 7518 3.3)")
    if hasattr(key, "private_bytes"):
        raise ValueError("it is a private key: give the public one, which is enough to check tokens")
    return TokenKey(name, algorithm, key)


class Tokens:
    """Checks tokens. `leeway`: seconds by which the clocks may differ; `issuer` None: whoever has the key."""

    def __init__(self, keys: Sequence[TokenKey], *, audience: str, issuer: str | None, leeway: float) -> None:
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._leeway = leeway

    def subject(self, token: bytes) -> str:
        """Whom a valid token speaks of. Raises ValueError, whose text says why it is refused."""
        if len(token) > _LONGEST:
            raise ValueError(f"the token has {len(token)} bytes, at most {_LONGEST} are looked at")
        for key in self._keys:
            try:
                claims = self._decode(token, key)
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
                continue  # another key may fit
            except (jwt.PyJWTError, ValueError, RecursionError) as error:
                why = _CLAIMS.get(type(error), "it is malformed")
                raise ValueError(f"the token is refused: {why}") from error
            return str(claims["sub"])
        raise ValueError("the token is refused: none of the keys fits its signature and algorithm")

    def _decode(self, token: bytes, key: TokenKey) -> dict[str, Any]:
        required = ["exp", "aud", "sub", *(["iss"] if self._issuer is not None else [])]
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway,
            options={"require": required},
        )
        return claims


# In words of ours: PyJWT's may quote the token.
_CLAIMS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidIssuedAtError: "it claims to be from the future",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it is by another issuer",
    InvalidSubjectError: "its subject is not a text",
    jwt.MissingRequiredClaimError: "it lacks one of exp, aud, sub, and iss where an issuer is set",
}
