"""`port104 token`: who may use the REST API from elsewhere."""

from typing import Any

import click

from port104.service.commands import completion
from port104.service.commands.output import output_option, print_document, print_rows
from port104.service.commands.places import place_of, place_options
from port104.service.escaping import escape

_CREATE_EXAMPLES = """\b
Examples:
  port104 token create dashboard --scope read
  port104 token create ops --scope admin > /run/secrets/port104-token
"""
_EXAMPLE = """\b
Example:
  port104 token {}
"""
_COLUMNS = ("name", "scope", "created")


@click.group()
def token() -> None:
    """Make and delete tokens for the REST API."""


@token.command(epilog=_CREATE_EXAMPLES)
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "admin"]),
    required=True,
    help="read: look at everything; admin: change it too.",
)
@output_option
@place_options
def create(name: str, scope: str, output: str, **options: Any) -> None:
    """Make a token called NAME, and print its secret.

    It is shown this once, and kept nowhere.
    """
    from port104.service.commands.reaching import reach  # noqa: PLC0415 - help does not need it

    with reach(place_of(options), change=True) as keeper:
        secret = keeper.create_token(name, scope)
    if output == "table":
        click.echo(secret)
    else:
        print_document({"name": name, "scope": scope, "secret": secret}, output)


@token.command(name="list", epilog=_EXAMPLE.format("list"))
@output_option
@place_options
def list_(output: str, **options: Any) -> None:
    """List the tokens, without their secrets."""
    from port104.service.commands.reaching import reach  # noqa: PLC0415 - help does not need it

    with reach(place_of(options), change=False) as keeper:
        tokens = keeper.tokens()
    if output == "table":
        print_rows(_COLUMNS, [[str(each[key]) for key in _COLUMNS] for each in tokens])
    else:
        print_document(tokens, output)


@token.command(epilog=_EXAMPLE.format("delete dashboard"))
@click.argument("name", shell_complete=completion.token_names)
@place_options
def delete(name: str, **options: Any) -> None:
    """Delete token NAME: who has its secret can do nothing with it any more."""
    from port104.service.commands.reaching import reach  # noqa: PLC0415 - help does not need it

    with reach(place_of(options), change=True) as keeper:
        keeper.delete_token(name)
        note = f" ({keeper.note})" if keeper.note else ""
    click.echo(escape(f'deleted token "{name}"{note}'))
