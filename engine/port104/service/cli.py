"""The command line. Hardly more than click is imported here, so that help and completion are quick.

Exit codes: 0 done, 1 failure, 2 wrong usage or configuration.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from port104.errors import ConfigurationError, Port104Error
from port104.service.escaping import escape

FLAGS = {
    "--host": ("dicom.scp.host", "Address to listen on; default: all."),
    "--port": ("dicom.scp.port", "TCP port to listen on; default: 104."),
    "--storage": ("storage.temporary", "Folder for instances; default: /payloads."),
    "--log-level": ("log.level", "debug, info, warning, error or fatal; default: info."),
    "--log-format": ("log.format", "auto, console or json; default: auto."),
}
"""Flag -> the key that it sets, and its help."""

_START_EXAMPLES = """\b
Examples:
  port104 start -f appsettings.json
  port104 start --port 11112 --storage ./payloads
  PORT104_DICOM__SCP__PORT=11112 port104 start -f site.yaml
"""
_CHECK_EXAMPLES = """\b
Example:
  port104 config check appsettings.json && port104 start -f appsettings.json
"""
_SHOW_EXAMPLES = """\b
Examples:
  port104 config show -f site.toml
  port104 config show -o json > all-settings.json
"""
_USER_EXAMPLES = """\b
Examples:
  port104 user add ct1 --file /etc/port104/users
  pwgen -s 20 1 | tee passcode | port104 user add ct2 --file /etc/port104/users
  port104 user list --file /etc/port104/users
"""


def _sources_of_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that settings come from."""
    for flag, (_, text) in reversed(FLAGS.items()):
        command = click.option(flag, metavar="VALUE", help=text)(command)
    return click.option(
        "-f",
        "--config",
        metavar="FILE",
        type=click.Path(path_type=Path),
        envvar="PORT104_CONFIG",
        show_envvar=True,
        help="Configuration: JSON, TOML or YAML, by the end of its name.",
    )(command)


def _given(options: dict[str, str | None]) -> dict[str, tuple[str, str]]:
    """Keep the flags that were typed: flag -> (key, value)."""
    typed = {flag: options[flag[2:].replace("-", "_")] for flag in FLAGS}
    return {flag: (FLAGS[flag][0], value) for flag, value in typed.items() if value is not None}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="port104", prog_name="port104")
def port104() -> None:
    """DICOM ingress engine: receives studies and stores them durably.

    Settings come from flags, the environment (PORT104_DICOM__SCP__PORT), a configuration file and
    defaults, in this order of precedence.
    """


@port104.command(epilog=_START_EXAMPLES)
@_sources_of_settings
def start(config: Path | None, **options: str | None) -> None:
    """Receive and store until stopped.

    SIGTERM or SIGINT lets running associations finish first; a second signal stops at once.
    """
    from port104.service.starting import start as start_service  # noqa: PLC0415 - imports trio

    raise SystemExit(start_service(config, _given(options)))


@port104.group()
def config() -> None:
    """Check and show configurations."""


@config.command(epilog=_CHECK_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check FILE, and the environment with it, as a start would.

    Prints what would be served and which settings have no effect. Exits with 2 when something is
    wrong, and then names every fault.
    """
    from port104.service import inspection  # noqa: PLC0415 - help does not need it

    for line in inspection.check(file):
        click.echo(line)


@config.command(epilog=_SHOW_EXAMPLES)
@_sources_of_settings
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    help="Form of the output; default: table. JSON and YAML can be loaded again.",
)
def show(config: Path | None, output: str, **options: str | None) -> None:
    """Print every setting with its value and where it comes from."""
    from port104.service import inspection  # noqa: PLC0415 - help does not need it

    inspection.show(config, _given(options), output)


def _passcode_file(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option that names the passcode file."""
    return click.option(
        "--file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        required=True,
        envvar="PORT104_DICOM__SCP__USERIDENTITY__PASSCODEFILE",
        show_envvar=True,
        help="The file that dicom.scp.userIdentity.passcodeFile names.",
    )(command)


@port104.group()
def user() -> None:
    """Keep the users that may be named in associations."""


@user.command(name="add", epilog=_USER_EXAMPLES)
@click.argument("name")
@_passcode_file
def user_add(name: str, file: Path) -> None:
    """Set the passcode of user NAME, who may be new.

    Asks for it twice on a terminal; else it is the first line of standard input. A running port104 sees the
    change with the next association.
    """
    from port104.service import users  # noqa: PLC0415 - help does not need it

    click.echo(escape(users.add(file, name)))


@user.command(name="remove", epilog=_USER_EXAMPLES)
@click.argument("name")
@_passcode_file
def user_remove(name: str, file: Path) -> None:
    """Take user NAME out of the file."""
    from port104.service import users  # noqa: PLC0415 - help does not need it

    click.echo(escape(users.remove(file, name)))


@user.command(name="list", epilog=_USER_EXAMPLES)
@_passcode_file
def user_list(file: Path) -> None:
    """Print the names of the users, one a line."""
    from port104.service import users  # noqa: PLC0415 - help does not need it

    for name in users.names(file):
        click.echo(escape(name))


def main() -> NoReturn:
    """Run the command line; what port104 raises on purpose becomes a message and an exit code."""
    try:
        port104.main(prog_name="port104")  # leaves by SystemExit
    except Port104Error as error:
        for line in f"port104: {error}".splitlines():
            click.echo(escape(line), err=True)
        raise SystemExit(2 if isinstance(error, ConfigurationError) else 1) from None
