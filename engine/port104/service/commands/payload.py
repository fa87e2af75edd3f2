"""`port104 payload`: a Job has its payload from the object store, and leaves its output there.

Kubernetes runs these steps, before and after the container of the pipeline (dispatch/backends/kubernetes/).
"""

from pathlib import Path

import click

_FETCH_EXAMPLE = """\b
Example:
  port104 payload fetch 5f1d7c2a9b3e4d60 1 --size 5120 --sha256 DIGITS
"""
_DELIVER_EXAMPLE = """\b
Example:
  port104 payload deliver 5f1d7c2a9b3e4d60 1
"""
_FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("/payload"),
    show_default=True,
    metavar="FOLDER",
    help="Where the payload is.",
)
_PATIENCE = click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long an object store that cannot be used is asked again.",
)


@click.group()
def payload() -> None:
    """Carry a run's payload and output by the object store, in the pod of a Job.

    The object store is named by the environment (PORT104_OBJECTSTORE__URL and others).
    """


@payload.command(epilog=_FETCH_EXAMPLE)
@click.argument("run")
@click.argument("attempt", type=click.IntRange(min=1))
@click.option("--size", type=click.IntRange(min=0), required=True, metavar="BYTES", help="Of its manifest.")
@click.option("--sha256", required=True, metavar="DIGITS", help="Of its manifest.")
@_FOLDER
@_PATIENCE
def fetch(run: str, attempt: int, size: int, sha256: str, folder: Path, patience: float) -> None:
    """Make the payload of the ATTEMPT of RUN: its manifest, its instances, and room for output."""
    from port104.service.commands.carrying import fetch  # noqa: PLC0415 - help does not need it

    fetch(run, attempt, (size, sha256), folder, patience)


@payload.command(epilog=_DELIVER_EXAMPLE)
@click.argument("run")
@click.argument("attempt", type=click.IntRange(min=1))
@_FOLDER
@_PATIENCE
def deliver(run: str, attempt: int, folder: Path, patience: float) -> None:
    """Put what the ATTEMPT of RUN left in its output folder into the object store."""
    from port104.service.commands.carrying import deliver  # noqa: PLC0415 - help does not need it

    deliver(run, attempt, folder, patience)
