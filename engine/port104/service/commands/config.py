"""`port104 config`: checks and shows configurations (inspection.py)."""

from pathlib import Path

import click

from port104.service.commands.output import output_option
from port104.service.commands.places import given, settings_options

_CHECK_EXAMPLES = """\b
Example:
  port104 config check appsettings.json && port104 start -f appsettings.json
"""
_SHOW_EXAMPLES = """\b
Examples:
  port104 config show -f site.toml
  port104 config show -o json > all-settings.json
"""


@click.group()
def config() -> None:
    """Check and show configurations."""


@config.command(epilog=_CHECK_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check FILE, and the environment with it, as a start would.

    Prints what would be served and which settings have no effect. Exits with 2 when something is
    wrong, and then names every fault.
    """
    from port104.service.commands import inspection  # noqa: PLC0415 - help does not need it

    for line in inspection.check(file):
        click.echo(line)


@config.command(epilog=_SHOW_EXAMPLES)
@settings_options
@output_option
def show(config: Path | None, output: str, **options: str | None) -> None:
    """Print every setting with its value and where it comes from.

    JSON and YAML can be loaded again.
    """
    from port104.service.commands import inspection  # noqa: PLC0415 - help does not need it

    inspection.show(config, given(options), output)
