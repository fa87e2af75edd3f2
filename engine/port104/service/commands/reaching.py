"""How a command reaches what it works with.

The engine that --url names; else the one that runs on the storage folder of the configuration, by its control
socket; else, when none runs, the store itself.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import msgspec

from port104.errors import FolderInUseError
from port104.service.commands.faults import CommandError, OutOfReachError
from port104.service.commands.keeping import Keeper
from port104.service.commands.looking import Looker, RemoteLooker, looking_directly
from port104.service.commands.remote import Api, RemoteKeeper, api_at, api_of
from port104.service.configuration import Configuration, load
from port104.service.control_socket import FILE_NAME, short_path

# An engine that starts owns its folder before it listens, and one that stops owns it to the end.
_PATIENCE_SECONDS = 2.0
_LOOK_SECONDS = 0.05

ReachedT = TypeVar("ReachedT")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look, as the command line says."""

    url: str | None = None
    token_file: Path | None = None
    config: Path | None = None
    flags: Mapping[str, tuple[str, str]] = {}
    """Flags that set settings (configuration.load)."""


@contextmanager
def reach(place: Place, *, change: bool, patience: float = _PATIENCE_SECONDS) -> Iterator[Keeper]:
    """Give what keeps entries and tokens. `change`: something is to be changed.

    `patience`: seconds that an engine may take which starts or stops.

    Raises ConfigurationError, CommandError, and what working with the store raises.
    """
    with ExitStack() as stack:
        if place.url is not None:
            yield RemoteKeeper(stack.enter_context(_api(place)))
        else:
            configuration = load(place.config, os.environ, place.flags)
            yield _on_this_machine(stack, configuration, _KEEPING, change=change, patience=patience)


@contextmanager
def reach_engine(place: Place) -> Iterator[RemoteKeeper]:
    """Give a running engine. Raises ConfigurationError, and OutOfReachError where none runs."""
    with ExitStack() as stack:
        yield RemoteKeeper(_engine(stack, place))


@contextmanager
def reach_ledger(
    place: Place, *, running: bool = False, patience: float = _PATIENCE_SECONDS
) -> Iterator[Looker]:
    """Give what tells of the ledger. `running`: only a running engine will do. Raises as `reach` does."""
    with ExitStack() as stack:
        if running or place.url is not None:
            yield RemoteLooker(_engine(stack, place))
        else:
            configuration = load(place.config, os.environ, place.flags)
            yield _on_this_machine(stack, configuration, _LOOKING, change=False, patience=patience)


def _engine(stack: ExitStack, place: Place) -> Api:
    if place.url is not None:
        return stack.enter_context(_api(place))
    folder = _folder_of(load(place.config, os.environ, place.flags))
    if (api := _connect(folder)) is None:
        raise OutOfReachError(
            f"no port104 runs on {folder}: start it (port104 start), or name another folder (--storage),"
            " configuration (--config) or machine (--url)"
        )
    return stack.enter_context(api)


class _Ways(NamedTuple, Generic[ReachedT]):
    """How something is reached: over the API, and directly where no engine runs."""

    remotely: Callable[[Api], ReachedT]
    directly: Callable[[Configuration, Path], AbstractContextManager[ReachedT]]


def _directly(configuration: Configuration, folder: Path) -> AbstractContextManager[Keeper]:
    from port104.service.commands.direct import direct  # noqa: PLC0415 - where nobody runs

    return direct(configuration, folder)


_KEEPING: _Ways[Keeper] = _Ways(RemoteKeeper, _directly)
_LOOKING: _Ways[Looker] = _Ways(RemoteLooker, looking_directly)


def _on_this_machine(
    stack: ExitStack, configuration: Configuration, ways: _Ways[ReachedT], *, change: bool, patience: float
) -> ReachedT:
    folder = _folder_of(configuration)
    deadline = time.monotonic() + patience
    while True:
        if (api := _connect(folder)) is not None:
            return ways.remotely(stack.enter_context(api))
        from port104.service.commands.direct import own  # noqa: PLC0415 - where nobody runs

        if configuration.settings.registry.url is not None:
            return stack.enter_context(ways.directly(configuration, folder))
        try:
            named = "storage.temporary" in configuration.origins
            stack.enter_context(own(folder, named=named, change=change))
        except FolderInUseError as taken:
            if time.monotonic() >= deadline:
                raise OutOfReachError(
                    f"port104 runs on {folder}, and nobody listens on its control socket: where it just"
                    " starts, try again; else use its address (--url), or stop it first"
                ) from taken
            time.sleep(_LOOK_SECONDS)
            continue
        return stack.enter_context(ways.directly(configuration, folder))


def _folder_of(configuration: Configuration) -> Path:
    return Path(configuration.settings.storage.temporary).absolute()


def _api(place: Place) -> Api:
    """The API at a URL. Others can see arguments, so the token comes from a file or from PORT104_TOKEN."""
    token = os.environ.get("PORT104_TOKEN")
    if place.token_file is not None:
        try:
            token = place.token_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as failure:
            reason = getattr(failure, "strerror", None) or "it is not text"
            raise CommandError(f"--token-file {place.token_file} cannot be read: {reason}") from failure
    return api_at(place.url or "", token.strip() if token else None)


def _connect(folder: Path) -> Api | None:
    """The API behind the control socket of a storage folder; None: nobody listens there."""
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(folder / FILE_NAME) as path:
            connecting.connect(path)
    except PermissionError as failure:
        connecting.close()
        raise OutOfReachError(
            f"{folder / FILE_NAME} may be used by root and by the user that port104 runs as: become one of"
            " them (sudo -u), or use --url with a token"
        ) from failure
    except OSError:
        connecting.close()
        return None
    return api_of(connecting, folder)
