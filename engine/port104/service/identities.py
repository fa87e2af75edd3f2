"""User identities at run time: the files behind them, and checks that run beside the event loop.

Rules that this room keeps:
- a passcode's check takes a good part of a second of one core, so one runs at a time, in a thread: strangers
  who try passcodes cost no more than that, and receiving goes on;
- as many as can be served in time wait for it; one more is told to come again;
- a passcode file that is broken while port104 runs changes nothing: the users read before stay.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import trio

from port104.errors import ConfigurationError
from port104.registry.identity import Identified, IdentityCheck, Unidentified
from port104.registry.passcodes import Users, parse
from port104.service.settings.user_identity import TokenSettings, UserIdentitySettings
from port104.wire.items import UserIdentity

if TYPE_CHECKING:
    from port104.registry.tokens import Tokens

log = structlog.get_logger("port104.identity")

_AT_A_TIME = 1
# A sender waits some 30 s for its association; three checks or four fit in a second.
_MOST_WAITING = 64
_SETTING = "dicom.scp.userIdentity"


class Busy(Exception):  # noqa: N818 - no error: it is answered
    """Too many checks wait: the peer may try again."""


class Identities:
    """Judges user identities, without holding the event loop up. Made by `identities_from`."""

    def __init__(self, check: IdentityCheck) -> None:
        self._check = check
        self._limiter = trio.CapacityLimiter(_AT_A_TIME)

    async def judge(self, identity: UserIdentity | None) -> Identified | Unidentified:
        """Judge what a peer proposed; None: nothing. Raises Busy."""
        if not self._check.is_costly(identity):
            return self._check.judge(identity)
        if self._limiter.statistics().tasks_waiting >= _MOST_WAITING:
            raise Busy
        return await trio.to_thread.run_sync(
            self._check.judge, identity, limiter=self._limiter, abandon_on_cancel=True
        )


class PasscodeFile:
    """The users in a file, which is read again when it changes. Used in one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises ConfigurationError."""
        self._path = path
        self._users, self._state = _read_users(path), _state_of(path)

    def knows(self, name: str, passcode: bytes) -> bool:
        """Whether this is the passcode of the user."""
        self._refresh()
        return self._users.knows(name, passcode)

    def _refresh(self) -> None:
        state = _state_of(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._users = _read_users(self._path)
        except ConfigurationError as fault:
            log.error("users stay as they were", reason=str(fault))  # noqa: TRY400 - the words tell all
        else:
            log.info("users read", file=str(self._path))


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size


def _read_users(path: Path) -> Users:
    where = f"{_SETTING}.passcodeFile: {path}"
    try:
        return Users(parse(path.read_text("utf-8")))
    except OSError as failure:
        raise ConfigurationError(
            f"{where} cannot be read: {failure.strerror}; make it with: port104 user add NAME"
        ) from failure
    except ValueError as fault:
        raise ConfigurationError(
            f"{where} is faulty: {fault}; mend it with: port104 user add NAME"
        ) from fault


def identities_from(settings: UserIdentitySettings) -> Identities | None:
    """Make what the settings describe; None: identities are passed over. Raises ConfigurationError."""
    if settings.mode == "off":
        return None
    required = settings.mode == "required"
    if required and settings.passcode_file is None and not settings.tokens.keys:
        raise ConfigurationError(
            f"{_SETTING}.mode is required, but nobody could be identified: give passcodeFile or tokens.keys"
        )
    users = PasscodeFile(Path(settings.passcode_file)) if settings.passcode_file is not None else None
    tokens = _tokens_from(settings.tokens) if settings.tokens.keys else None
    return Identities(IdentityCheck(required=required, users=users, tokens=tokens))


def _tokens_from(settings: TokenSettings) -> "Tokens":
    from port104.registry.tokens import Tokens, read_key  # noqa: PLC0415 - imports cryptography

    if settings.audience is None:
        raise ConfigurationError(
            f"{_SETTING}.tokens.audience is missing: without it a token for any other service would do"
        )
    keys = []
    for index, entry in enumerate(settings.keys):
        where = f"{_SETTING}.tokens.keys[{index}].file: {entry.file}"
        try:
            keys.append(read_key(entry.file, entry.algorithm, Path(entry.file).read_bytes()))
        except OSError as failure:
            raise ConfigurationError(f"{where} cannot be read: {failure.strerror}") from failure
        except ValueError as fault:
            raise ConfigurationError(f"{where}: {fault}") from fault
    return Tokens(keys, audience=settings.audience, issuer=settings.issuer, leeway=settings.leeway)
