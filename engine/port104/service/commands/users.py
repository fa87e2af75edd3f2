"""`port104 user`: keeps the passcode file of `dicom.scp.userIdentity`."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from port104.errors import ConfigurationError, Port104Error
from port104.registry.passcodes import PasscodeHash, encode, hash_passcode, name_fault, parse

_SHORTEST_PASSCODE = 8
# Nobody but its owner reads a new file: hashes can be guessed at leisure.
_NEW_FILE_MODE = 0o600


def add(file: Path, name: str) -> str:
    """Set the passcode of a user, who may be new; returns what was done.

    The passcode is asked for twice on a terminal; else it is the first line of standard input.
    """
    if (fault := name_fault(name)) is not None:
        raise ConfigurationError(fault)
    users = _read(file) if file.exists() else {}
    word = "changed" if name in users else "added"
    passcode = _ask()
    if len(passcode) < _SHORTEST_PASSCODE:
        raise ConfigurationError(f"a passcode has at least {_SHORTEST_PASSCODE} characters")
    users[name] = hash_passcode(passcode.encode())
    _write(file, users)
    return f"{word} {name} in {file}"


def remove(file: Path, name: str) -> str:
    """Take a user out; returns what was done."""
    users = _read(file)
    if users.pop(name, None) is None:
        raise ConfigurationError(f"there is no user {name} in {file}; see: port104 user list")
    _write(file, users)
    return f"removed {name} from {file}"


def names(file: Path) -> Iterator[str]:
    """Yield who is in the file, in order."""
    yield from sorted(_read(file))


def _ask() -> str:
    if sys.stdin.isatty():
        passcode: str = click.prompt("Passcode", hide_input=True, confirmation_prompt=True, err=True)
        return passcode
    return sys.stdin.readline().rstrip("\r\n")


def _read(file: Path) -> dict[str, PasscodeHash]:
    try:
        return parse(file.read_text("utf-8"))
    except OSError as failure:
        raise Port104Error(f"{file} cannot be read: {failure.strerror}") from failure
    except ValueError as fault:
        raise ConfigurationError(f"{file} is faulty: {fault}") from fault


def _write(file: Path, users: dict[str, PasscodeHash]) -> None:
    """Replace the file as a whole, so that a running port104 never reads a part; keep owner and mode."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                if file.exists():
                    about = file.stat()
                    os.fchown(descriptor, about.st_uid, about.st_gid)
                    os.fchmod(descriptor, about.st_mode & 0o777)
                else:
                    os.fchmod(descriptor, _NEW_FILE_MODE)
                stream.write(encode(users))
                stream.flush()
                os.fsync(descriptor)
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError as failure:
        raise Port104Error(f"{file} cannot be written: {failure.strerror}") from failure
