"""`port104 send`: sends DICOM files to a peer."""

from pathlib import Path
from typing import Any

import click

from port104.service.commands.output import output_option
from port104.service.commands.peers import PeerOptions, peer_arguments, peer_options

_EXAMPLES = """\b
Examples:
  port104 send pacs.hospital.example 104 -aec PACS study/
  port104 send 10.0.0.5 104 -aec PACS --associations 4 'archive/2026-*/**/*.dcm'
  port104 send 10.0.0.5 104 -aec PACS /media/cdrom/DICOMDIR
  port104 send 10.0.0.5 104 -aec PACS --resume sent.jsonl archive/
"""


@click.command(epilog=_EXAMPLES)
@peer_arguments
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@peer_options
@click.option(
    "--associations",
    metavar="N",
    type=click.IntRange(1, 256),
    default=1,
    help="Associations at one time; default: 1.",
)
@click.option(
    "--window",
    metavar="N",
    type=click.IntRange(1, 65535),
    default=16,
    help="Operations outstanding on each, where the peer agrees; default: 16. 1: none is proposed.",
)
@click.option(
    "--resume",
    metavar="JOURNAL",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that notes what was sent, and from which what was sent before is known.",
)
@output_option
def send(
    host: str,
    port: int,
    paths: tuple[str, ...],
    associations: int,
    window: int,
    resume: Path | None,
    output: str,
    **options: Any,
) -> None:
    """Send the DICOM files of each PATH to the AE that listens on HOST and PORT.

    A PATH is a file, a folder with all below it, a pattern, or a DICOMDIR. Files are sent as they are. In
    folders what is no DICOM file is passed over.

    Exits with 3 where the peer cannot be reached, with 4 where it rejects the association, with 5 where some
    files were sent and others were not, with 1 where none was.
    """
    from port104.service.commands import posting  # noqa: PLC0415 - imports trio

    peer = PeerOptions(host, port, options)
    order = posting.Order(paths, associations=associations, window=window, journal=resume)
    raise SystemExit(posting.post(peer, order, output))
