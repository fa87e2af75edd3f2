"""The command line. Hardly more than click is imported here, so that help and completion are quick.

Exit codes: 0 done, 1 failure, 2 wrong usage, configuration or values, 3 nothing there to work with, 4 a peer
rejected the association, 5 some was sent and some not, or something
remains.
"""

from pathlib import Path
from typing import NoReturn

import click

from port104.errors import ConfigurationError, ConnectError, Port104Error, RejectedError
from port104.service.commands.config import config
from port104.service.commands.drain import drain
from port104.service.commands.echo import echo
from port104.service.commands.entries import VERBS
from port104.service.commands.exports import exports
from port104.service.commands.faults import CommandError
from port104.service.commands.jobs import jobs
from port104.service.commands.payload import payload
from port104.service.commands.places import given, settings_options
from port104.service.commands.received import groups, instances
from port104.service.commands.results import results
from port104.service.commands.send import send
from port104.service.commands.status import status
from port104.service.commands.tokens import token
from port104.service.commands.user import user
from port104.service.escaping import escape

_START_EXAMPLES = """\b
Examples:
  port104 start -f appsettings.json
  port104 start --port 11112 --storage ./payloads
  PORT104_DICOM__SCP__PORT=11112 port104 start -f site.yaml
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="port104", prog_name="port104")
def port104() -> None:
    """DICOM ingress engine: receives studies and stores them durably.

    Settings come from flags, the environment (PORT104_DICOM__SCP__PORT), a configuration file and
    defaults, in this order of precedence.
    """


@port104.command(epilog=_START_EXAMPLES)
@settings_options
def start(config: Path | None, **options: str | None) -> None:
    """Receive and store until stopped.

    SIGTERM or SIGINT lets running associations finish first; a second signal stops at once. SIGHUP has the
    configuration read again.
    """
    from port104.service.starting import start as start_service  # noqa: PLC0415 - imports trio

    raise SystemExit(start_service(config, given(options)))


for _command in (
    *(status, *VERBS, echo, send, jobs, results, exports, instances, groups, token, user, config, drain),
    payload,
):
    port104.add_command(_command)

_EXIT_CODES = {ConfigurationError: 2, ConnectError: 3, RejectedError: 4}


def main() -> NoReturn:
    """Run the command line; what port104 raises on purpose becomes a message and an exit code."""
    try:
        port104.main(prog_name="port104")  # leaves by SystemExit
    except Port104Error as error:
        for line in f"port104: {error}".splitlines():
            click.echo(escape(line), err=True)
        raise SystemExit(_exit_code(error)) from None


def _exit_code(error: Port104Error) -> int:
    if isinstance(error, CommandError):
        return error.exit_code
    return next((code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)), 1)
