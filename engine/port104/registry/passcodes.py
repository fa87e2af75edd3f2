"""The passcode file: one user a line, `name:$scrypt$ln=15,r=8,p=3$salt$hash`, the latter two in base64.

Rules that this room keeps:
- a passcode is never kept, only its scrypt hash (RFC 7914), and of one that was right a keyed digest;
- an unknown user costs as much time as a wrong passcode: the clock does not tell who exists;
- what is compared is compared in constant time.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets

import msgspec

# Parameters of new hashes, by OWASP's password storage sheet: 32 MiB, and 0.26 s of one core of a small
# virtual machine.
_LOG_N, _R, _P = 15, 8, 3
_SALT_BYTES = 16
_HASH_BYTES = 32
# What a file may ask for: 1 GiB and a few seconds at most, else one line could stop the service.
_HIGHEST_LOG_N, _HIGHEST_R, _HIGHEST_P = 20, 8, 16

_HASH = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*)")
_LONGEST_NAME = 64


class PasscodeHash(msgspec.Struct, frozen=True):
    """A scrypt hash with its parameters; `log_n` is the binary logarithm of scrypt's N."""

    log_n: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    def fits(self, passcode: bytes) -> bool:
        """Whether it is the hash of this passcode. Takes a good part of a second on purpose."""
        return hmac.compare_digest(self.hash, _scrypt(passcode, self.salt, self.log_n, self.r, self.p))

    def encode(self) -> str:
        """The text that stands in the file; PHC string format."""
        salt, digest = (base64.b64encode(part).decode() for part in (self.salt, self.hash))
        return f"$scrypt$ln={self.log_n},r={self.r},p={self.p}${salt}${digest}"


def _scrypt(passcode: bytes, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    memory = 128 * r * ((1 << log_n) + p + 2)  # RFC 7914 5 and 6, as OpenSSL counts it
    return hashlib.scrypt(
        passcode, salt=salt, n=1 << log_n, r=r, p=p, maxmem=memory + (1 << 20), dklen=_HASH_BYTES
    )


def hash_passcode(passcode: bytes) -> PasscodeHash:
    """Hash a new passcode."""
    salt = os.urandom(_SALT_BYTES)
    return PasscodeHash(_LOG_N, _R, _P, salt, _scrypt(passcode, salt, _LOG_N, _R, _P))


def name_fault(name: str) -> str | None:
    """What is wrong with a user's name, in words."""
    if not name or name != name.strip():
        return "a user name must not be empty, nor begin or end with a blank"
    if len(name) > _LONGEST_NAME:
        return f"a user name has at most {_LONGEST_NAME} characters, this one has {len(name)}"
    if not name.isprintable() or ":" in name or name.startswith("#"):
        return "a user name is printable text without a colon, and does not begin with #"
    return None


def parse(text: str) -> dict[str, PasscodeHash]:
    """Read the content of a passcode file; blank lines and lines that begin with # are passed over.

    Raises ValueError, whose text names the line and never quotes a hash.
    """
    users: dict[str, PasscodeHash] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, rest = line.rstrip().partition(":")
        fault = name_fault(name) if colon else "it has no colon; a line is NAME:HASH"
        if fault is None and name in users:
            fault = "the user has a line above already"
        if fault is not None:
            raise ValueError(f"line {number}: {fault}")
        users[name] = _parse_hash(rest, number)
    return users


def _parse_hash(text: str, line: int) -> PasscodeHash:
    found = _HASH.fullmatch(text)
    if found is None:
        raise ValueError(f"line {line}: the hash is not of the form $scrypt$ln=...,r=...,p=...$salt$hash")
    log_n, r, p = (int(number) for number in found.groups()[:3])
    if not (1 <= log_n <= _HIGHEST_LOG_N and 1 <= r <= _HIGHEST_R and 1 <= p <= _HIGHEST_P):
        raise ValueError(f"line {line}: ln, r and p are at most {_HIGHEST_LOG_N}, {_HIGHEST_R}, {_HIGHEST_P}")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in found.groups()[3:])
    except binascii.Error as error:
        raise ValueError(f"line {line}: salt and hash are base64 ({error})") from error
    if len(digest) != _HASH_BYTES:
        raise ValueError(f"line {line}: the hash has {len(digest)} bytes instead of {_HASH_BYTES}")
    return PasscodeHash(log_n, r, p, salt, digest)


def encode(users: dict[str, PasscodeHash]) -> str:
    """Write the content of a passcode file, sorted by name."""
    return "".join(f"{name}:{users[name].encode()}\n" for name in sorted(users))


class Users:
    """Who is in one passcode file. `knows` may be called from several threads."""

    def __init__(self, users: dict[str, PasscodeHash]) -> None:
        self._users = users
        # Who pays where nobody is known by the name: as costly as the others are.
        costliest = max(users.values(), key=lambda one: (one.log_n, one.r * one.p), default=None)
        log_n, r, p = (costliest.log_n, costliest.r, costliest.p) if costliest else (_LOG_N, _R, _P)
        self._nobody = PasscodeHash(log_n, r, p, bytes(_SALT_BYTES), os.urandom(_HASH_BYTES))
        # A peer may open an association for each image: what was right once is known again at once.
        self._key = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}

    def knows(self, name: str, passcode: bytes) -> bool:
        """Whether this is the passcode of the user."""
        digest = hashlib.blake2b(passcode, key=self._key, person=b"passcode").digest()
        if hmac.compare_digest(self._right.get(name, b""), digest):
            return True
        user = self._users.get(name)
        fits = (user or self._nobody).fits(passcode)
        if user is None or not fits:
            return False
        self._right[name] = digest
        return True
