"""`port104 user`: keeps the users that may be named in associations (users.py)."""

from collections.abc import Callable
from pathlib import Path

import click

from port104.service.escaping import escape

_USER_EXAMPLES = """\b
Examples:
  port104 user add ct1 --file /etc/port104/users
  pwgen -s 20 1 | tee passcode | port104 user add ct2 --file /etc/port104/users
  port104 user list --file /etc/port104/users
"""


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


@click.group()
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
    from port104.service.commands import users  # noqa: PLC0415 - help does not need it

    click.echo(escape(users.add(file, name)))


@user.command(name="remove", epilog=_USER_EXAMPLES)
@click.argument("name")
@_passcode_file
def user_remove(name: str, file: Path) -> None:
    """Take user NAME out of the file."""
    from port104.service.commands import users  # noqa: PLC0415 - help does not need it

    click.echo(escape(users.remove(file, name)))


@user.command(name="list", epilog=_USER_EXAMPLES)
@_passcode_file
def user_list(file: Path) -> None:
    """Print the names of the users, one a line."""
    from port104.service.commands import users  # noqa: PLC0415 - help does not need it

    for name in users.names(file):
        click.echo(escape(name))
