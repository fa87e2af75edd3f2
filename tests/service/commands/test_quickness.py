"""A command loads what it needs and no more: times depend on the machine, modules do not."""

import json
import subprocess
import sys

import pytest

from part10_files import write_file
from port104.jobs.ledger.opening import open_ledger

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


@pytest.mark.parametrize(
    "command",
    [("--help",), ("create", "aetitle", "--help"), ("token", "--help"), ("jobs", "watch", "--help")],
)
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
        ("jobs", "list"),
        ("jobs", "cancel", "X"),
        ("instances", "--since", "2026-11-29"),
        ("groups", "--holding"),
    ],
)
def test_commands(tmp_path, command):
    ledger = open_ledger(None, tmp_path, "n1")
    ledger.register(str(tmp_path), "ingress-1")
    ledger.close()
    assert loaded(*command, "--storage", tmp_path, modules=SLOW) == "[]"


def test_a_command_with_a_configuration(tmp_path):
    file = tmp_path / "site.json"
    file.write_text(json.dumps({"storage": {"temporary": str(tmp_path)}}))
    assert loaded("list", "src", "-f", file, modules=SLOW) == "[]"


def test_calling_a_peer(tmp_path):
    """Sending needs trio and the association, and nothing of TLS, logs, databases or the service."""
    file = write_file(tmp_path, "1.2.3")
    needed = ("trio", "asyncio", "port104.native", "port104.wire.pdu")
    slow = [*(module for module in SLOW if module not in needed), "sqlalchemy", "httpx", "sqlite3"]
    assert loaded("send", "127.0.0.1", "1", file, modules=slow) == "[]"
    assert loaded("echo", "127.0.0.1", "1", modules=slow) == "[]"
