"""A command loads what it needs and no more: times depend on the machine, modules do not."""

import json
import subprocess
import sys

import pytest

# What takes tens of milliseconds or more to load.
SLOW = (
    "trio",
    "litestar",
    "hypercorn",
    "pydicom",
    "cryptography",
    "OpenSSL",
    "jwt",
    "structlog",
    "asyncio",
    "rich",
    "yaml",
    "port104.native",
    "port104.wire.pdu",
)
PROGRAM = """
import sys
sys.argv[1:] = {arguments!r}
import port104.service.cli as cli
try: cli.main()
except SystemExit: pass
print("\\n" + repr([module for module in {modules!r} if module in sys.modules]))
"""


def loaded(*arguments, modules):
    program = PROGRAM.format(arguments=[*map(str, arguments)], modules=modules)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("command", [("--help",), ("create", "aetitle", "--help"), ("token", "--help")])
def test_help(command):
    assert loaded(*command, modules=(*SLOW, "msgspec", "http", "json", "sqlite3", "difflib")) == "[]"


@pytest.mark.parametrize(
    "command",
    [
        ("create", "aetitle", "-a", "X", "pipeline-x=1", "--group-by", "0020,000D"),
        ("create", "pipeline", "-n", "x", "--command", "true"),
        ("list", "src"),
        ("show", "dest", "X"),
        ("status",),
        ("token", "list", "-o", "json"),
    ],
)
def test_commands(tmp_path, command):
    assert loaded(*command, "--storage", tmp_path, modules=SLOW) == "[]"


def test_a_command_with_a_configuration(tmp_path):
    file = tmp_path / "site.json"
    file.write_text(json.dumps({"storage": {"temporary": str(tmp_path)}}))
    assert loaded("list", "src", "-f", file, modules=SLOW) == "[]"
