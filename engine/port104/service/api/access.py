"""Who may ask what. Sans-IO: judged by a request's head alone, before anything else looks at it.

Rules that this room keeps:
- who can open the control socket is root or port104's own user, and may do everything;
- while no token has been made, programs of the same machine may do everything, as Clara's users expect. A
  web page that a browser of that machine shows is none (its Origin, or a Host that only resolves to us,
  gives it away), nor is what a proxy passes on;
- else a token is needed, whose scope says what for: `read` looks, `admin` changes, and sees tokens;
- what tells nothing of the site may be asked by everyone: whether port104 lives, and how the API works.
"""

from collections.abc import Callable, Sequence

import msgspec

from port104.registry.addresses import is_loopback, parse_address
from port104.registry.catalogue import Scope, Token
from port104.service.api.problems import Problem

OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/api/openapi.json", "/api/docs"})
"""What everyone may ask."""
_ADMIN_PATHS = ("/api/tokens",)
_LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
_REALM = 'Bearer realm="port104"'
_FORWARDING = (b"forwarded", b"via", b"x-forwarded-", b"x-real-ip", b"x-client-ip")
_HOW_TO_MAKE_ONE = "port104 token create, on the machine that it runs on, makes one"


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end: an IP address, or a user of this machine at the control socket."""

    address: str = ""
    uid: int | None = None

    @property
    def local(self) -> bool:
        """Whether it is a program of this machine."""
        return self.uid is not None or parse_address(self.address).is_loopback

    def __str__(self) -> str:
        return self.address if self.uid is None else f"uid {self.uid}"


class Asked(msgspec.Struct, frozen=True):
    """The head of a request. Names of headers are in lower case."""

    method: str
    path: str
    headers: Sequence[tuple[bytes, bytes]]
    tls: bool = False

    def all(self, name: bytes) -> list[str]:
        """The values of a header."""
        return [value.decode("latin-1").strip() for key, value in self.headers if key == name]


class Caller(msgspec.Struct, frozen=True):
    """Who asks, in words for the log, and what for at most."""

    name: str
    scope: Scope


class Denied(msgspec.Struct, frozen=True):
    """The request must be refused. `challenge`: the value of WWW-Authenticate, or empty."""

    problem: Problem
    challenge: str = ""


class Access:
    """Judges requests by the tokens that there are now.

    `any_token`: whether one has been made. `token_of`: the token of a secret. `anyone`: while none has been
    made, programs of other machines are as those of this one (api.allowWithoutToken).
    """

    def __init__(
        self, *, any_token: Callable[[], bool], token_of: Callable[[str], Token | None], anyone: bool
    ) -> None:
        self._any_token = any_token
        self._token_of = token_of
        self._anyone = anyone

    def judge(self, asked: Asked, peer: Peer) -> Caller | Denied:
        """Say who asks, or why that may not be."""
        if peer.uid is not None:
            return Caller(f"control socket, {peer}", "admin")
        given = asked.all(b"authorization")
        if given:
            return self._judge_token(asked, peer, given)
        if asked.path in OPEN_PATHS and asked.method in _LOOKING:
            return Caller(f"anyone at {peer}", "read")
        if self._any_token():
            return _unauthorized(f"a token is needed: send Authorization: Bearer ...; {_HOW_TO_MAKE_ONE}")
        return self._judge_without_token(asked, peer)

    def _judge_token(self, asked: Asked, peer: Peer, given: Sequence[str]) -> Caller | Denied:
        scheme, _, secret = given[0].partition(" ")
        if len(given) > 1 or scheme.lower() != "bearer":
            return _unauthorized("Authorization must be given once, as Bearer and the token's secret")
        token = self._token_of(secret.strip())
        if token is None:
            why = f"the token is not known, or was deleted; {_HOW_TO_MAKE_ONE}"
            return _unauthorized(why, ', error="invalid_token"')
        if token.scope != "admin" and _needs_admin(asked):
            why = f'the token "{token.name}" has the scope read, and this needs admin'
            challenge = f'{_REALM}, error="insufficient_scope", scope="admin"'
            return Denied(Problem.of(403, "scope", why), challenge)
        return Caller(f'token "{token.name}" at {peer}', token.scope)

    def _judge_without_token(self, asked: Asked, peer: Peer) -> Caller | Denied:
        if not self._anyone:
            if not peer.local or any(name.startswith(_FORWARDING) for name, _ in asked.headers):
                return _unauthorized(f"from another machine a token is needed; {_HOW_TO_MAKE_ONE}")
            if not is_loopback(_host_of(asked)):
                why = "without a token the Host must be localhost, 127.0.0.1 or [::1]"
                return Denied(Problem.of(403, "foreign-host", f"{why}: call it so, or make a token"))
        if not _is_own_origin(asked):
            why = "a web page of another site asks, which needs a token; " + _HOW_TO_MAKE_ONE
            return Denied(Problem.of(403, "foreign-origin", why))
        return Caller(f"{peer}, without a token", "admin")


def _needs_admin(asked: Asked) -> bool:
    return asked.method not in _LOOKING or asked.path.startswith(_ADMIN_PATHS)


def _unauthorized(why: str, error: str = "") -> Denied:
    return Denied(Problem.of(401, "unauthorized", why), _REALM + error)


def _host_of(asked: Asked) -> str:
    """The Host without its port; empty where it is not given exactly once."""
    hosts = asked.all(b"host")
    if len(hosts) != 1:
        return ""
    host = hosts[0]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_own_origin(asked: Asked) -> bool:
    """Whether no web page asks, or one of ours (RFC 6454 7.3)."""
    if any(site not in ("same-origin", "none") for site in asked.all(b"sec-fetch-site")):
        return False
    scheme = "https" if asked.tls else "http"
    own = [f"{scheme}://{host}".lower() for host in asked.all(b"host")]
    return all(origin.lower() in own for origin in asked.all(b"origin"))
