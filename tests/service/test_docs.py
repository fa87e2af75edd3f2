"""The documentation names every setting, variable, command and flag, and says what is true."""

import ast
import re
from pathlib import Path

import click
import msgspec
import pytest

from port104.service import schema, settings
from port104.service.cli import port104
from port104.service.commands.entry_flags import FLAGS as ENTRIES
from port104.service.commands.places import FLAGS
from port104.service.environment import variable_name
from port104.service.registration import KINDS
from port104.service.settings.tree import Settings

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text()
COMMANDS = (DOCS / "command-line.md").read_text()
LEAVES = dict(schema.leaves(Settings))


def rows_of(path):
    """The cells of the table row that describes a setting."""
    lines = re.findall(rf"^\| `{re.escape(path)}`[^\n]*$", PAGE, re.MULTILINE)
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


@pytest.mark.parametrize("path", LEAVES)
def test_a_setting_has_a_row_with_its_range_and_default(path):
    key = LEAVES[path]
    [(name, valid, default, meaning)] = rows_of(path)
    variable = "" if "[" in path else f"<br>`{variable_name(path)}`"
    assert name.strip() == f"`{path}`{variable}"
    assert valid.strip() == schema.described(msgspec.inspect.type_info(key.hint))
    encoded = "required" if key.required else f"`{msgspec.json.encode(key.default).decode()}`"
    assert default.strip() == encoded
    unused = key.extra.get("unused")
    assert ("*Without effect:" in meaning) is (unused is not None)
    assert unused is None or unused in meaning


def test_no_row_describes_a_setting_that_does_not_exist():
    described = re.findall(r"^\| `([a-zA-Z.\[\]]+)`(?:<br>| \| [^|]* \| (?:`|required))", PAGE, re.MULTILINE)
    assert described
    assert set(described) == set(LEAVES)


def commands(command, path=("port104",)):
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))
    else:
        yield path, command


@pytest.mark.parametrize(("path", "command"), [*commands(port104)], ids=str)
def test_a_command_is_documented_with_its_flags(path, command):
    assert re.search(rf"`{' '.join(path)}[` ]", COMMANDS)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for flag in (*parameter.opts, *parameter.secondary_opts):
                assert re.search(rf"`{flag}(`| )", COMMANDS)
    assert command.help


def test_flags_set_what_the_page_says():
    for flag, (path, _) in FLAGS.items():
        assert path in LEAVES
        assert re.search(rf"^\| `{flag}` \| `{re.escape(path)}` \|$", COMMANDS, re.MULTILINE)


@pytest.mark.parametrize(
    ("word", "flag"), [(word, flag) for word in ENTRIES for flag in ENTRIES[word]], ids=str
)
def test_flags_of_entries_set_what_the_page_says(word, flag):
    """And what they set is there."""
    section = COMMANDS.partition(f"| flag of `create {word}`")[2].partition("\n## ")[0]
    names = "`, `".join(flag.names.split("/"))
    assert re.search(rf"^\| `{names}( [A-Z=]+)?` \| `{re.escape(flag.key)}`", section, re.MULTILINE)
    kind = next(kind for kind in KINDS if kind.word == word)
    assert flag.key.partition(".")[0] in [key.name for key in schema.keys(kind.settings)]


def test_every_field_has_a_docstring():
    rooms = [ast.parse(room.read_text()) for room in Path(settings.__file__).parent.glob("*.py")]
    sections = [each for room in rooms for each in room.body if isinstance(each, ast.ClassDef)]
    assert {"Settings", "ScpSettings"} <= {section.name for section in sections}
    for section in sections:
        for field, after in zip(section.body, [*section.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and not ast.unparse(field.annotation).endswith("Settings"):
                assert isinstance(after, ast.Expr), ast.unparse(field)
                assert isinstance(after.value, ast.Constant), ast.unparse(field)
