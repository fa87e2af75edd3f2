"""The options that say where settings come from, and where a running port104 is."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from port104.service.commands.reaching import Place

FLAGS = {
    "--host": ("dicom.scp.host", "Address to listen on; default: all."),
    "--port": ("dicom.scp.port", "TCP port to listen on; default: 104."),
    "--storage": ("storage.temporary", "Folder for instances; default: /payloads."),
    "--log-level": ("log.level", "debug, info, warning, error or fatal; default: info."),
    "--log-format": ("log.format", "auto, console or json; default: auto."),
}
"""Flag -> the key that it sets, and its help."""

PLACE_OPTIONS = ("url", "token_file", "config", "storage")
"""As click calls them."""

_FILE = click.Path(path_type=Path)


def config_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option that names the configuration file."""
    return click.option(
        "-f",
        "--config",
        metavar="FILE",
        type=_FILE,
        envvar="PORT104_CONFIG",
        show_envvar=True,
        help="Configuration: JSON, TOML or YAML, by the end of its name.",
    )(command)


def settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that settings come from."""
    for flag, (_, text) in reversed(FLAGS.items()):
        command = click.option(flag, metavar="VALUE", help=text)(command)
    return config_option(command)


def given(options: Mapping[str, str | None]) -> dict[str, tuple[str, str]]:
    """Keep the flags that were typed: flag -> (key, value)."""
    typed = {flag: options.get(flag[2:].replace("-", "_")) for flag in FLAGS}
    return {flag: (FLAGS[flag][0], value) for flag, value in typed.items() if value is not None}


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where the port104 is that a command works with."""
    command = click.option(
        "--token-file",
        metavar="FILE",
        type=_FILE,
        envvar="PORT104_TOKEN_FILE",
        show_envvar=True,
        help="File with the token for --url.",
    )(command)
    command = click.option(
        "--url",
        metavar="URL",
        envvar="PORT104_URL",
        show_envvar=True,
        help="REST API of a running port104; default: the port104 of this machine.",
    )(command)
    command = click.option(
        "--storage", metavar="FOLDER", help="Its storage folder; default: as its configuration says."
    )(command)
    return config_option(command)


def place_of(options: dict[str, Any]) -> "Place":
    """Take the options of `place_options` out of all that were given."""
    from port104.service.commands.reaching import Place  # noqa: PLC0415 - help does not need it

    return Place(
        url=options.pop("url"),
        token_file=options.pop("token_file"),
        config=options.pop("config"),
        flags=given({"storage": options.pop("storage")}),
    )
