"""`dicom.scp.userIdentity`: the users behind associations."""

from typing import Annotated, Literal

from msgspec import Meta

from port104.service.settings.section import Section
from port104.service.settings.value_types import Text


class TokenKeySettings(Section, frozen=True):
    """A key that tokens may be signed with; it is tried with its own algorithm only."""

    algorithm: Literal["HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA"]
    """The algorithm (RFC 7518, RFC 8037). Required."""
    file: Text
    """File with the public key in PEM; for HS256 the secret itself, of 32 bytes or more. Required."""


class TokenSettings(Section, frozen=True):
    """JSON web tokens (type 5). They are checked where there is a key."""

    keys: tuple[TokenKeySettings, ...] = ()
    """The keys that tokens may be signed with: several, so that a new one can come before the old one
    goes."""
    audience: Text | None = None
    """What a token's `aud` must name. Needed where there are keys: else a token for any other service
    would do."""
    issuer: Text | None = None
    """What a token's `iss` must be; null: it is not looked at."""
    leeway: Annotated[float, Meta(ge=0, le=600)] = 30.0
    """Seconds by which the issuer's clock and ours may differ."""


class UserIdentitySettings(Section, frozen=True):
    """Users behind associations (PS3.7 D.3.3.7). Passcodes and tokens pass in the clear without TLS."""

    mode: Literal["off", "optional", "required"] = "off"
    """`off`: what a peer sends is passed over; `optional`: an association with a wrong one is rejected;
    `required`: one without a right one too."""
    passcode_file: Text | None = None
    """File of user names and hashed passcodes, which `port104 user add` writes; read again when it
    changes. Null: names with passcodes are not checked."""
    tokens: TokenSettings = TokenSettings()
