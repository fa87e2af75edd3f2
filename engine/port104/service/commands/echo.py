"""`port104 echo`: asks a peer whether it is there, and whether it takes our calls."""

from typing import Any

import click

from port104.service.commands.output import output_option
from port104.service.commands.peers import PeerOptions, peer_arguments, peer_options

_EXAMPLES = """\b
Examples:
  port104 echo pacs.hospital.example 104 -aet PORT104 -aec PACS
  port104 echo 10.0.0.5 2762 -aec PACS --tls --tls-authorities authorities.pem
"""


@click.command(epilog=_EXAMPLES)
@peer_arguments
@peer_options
@output_option
def echo(host: str, port: int, output: str, **options: Any) -> None:
    """Send C-ECHO to the AE that listens on HOST and PORT.

    Exits with 3 where it cannot be reached, with 4 where it rejects the association, with 1 where anything
    else fails.
    """
    from port104.service.commands import asking  # noqa: PLC0415 - imports trio

    asking.ask(PeerOptions(host, port, options), output)
