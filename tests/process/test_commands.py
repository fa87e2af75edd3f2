"""Commands that reach a running engine, in the ways that there are."""

import os
import subprocess
import sys

import pytest

from engine_process import engine, free_port, own_environment


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Its control socket has a longer path than a socket's address can hold (107 bytes)."""
    folder = tmp_path_factory.mktemp("commands") / ("d" * 60) / ("e" * 60)
    folder.mkdir(parents=True)
    with engine(folder / "payloads", api={"port": (port := free_port())}) as started:
        started.url = f"http://127.0.0.1:{port}"
        yield started
        assert started.terminate() == 0


@pytest.fixture
def run(server):
    """Runs a command for the engine's storage folder; its exit code, and all that it said."""

    def run(*words, at=None, **environment):
        place = ("--url", at) if at else ("--storage", server.folder)
        done = subprocess.run(
            [sys.executable, "-m", "port104", *words, *place],
            env=own_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def test_from_elsewhere_a_token_is_needed_once_there_is_one(run, server, tmp_path):
    assert run("list", "src", at=server.url) == (0, "")
    code, secret = run("token", "create", "ops", "--scope", "read")
    assert code == 0
    code, said = run("list", "src", at=server.url)
    assert code == 1
    assert "a token is needed" in said
    file = tmp_path / "token"
    file.write_text(secret)
    assert run("list", "src", at=server.url, PORT104_TOKEN_FILE=str(file)) == (0, "")
    code, said = run("create", "src", "-a", "CT1", "-i", "10.0.0.5", at=server.url, PORT104_TOKEN=secret)
    assert code == 1, said
    assert run("token", "delete", "ops") == (0, 'deleted token "ops"\n')


def test_what_is_wrong_is_said_of_flags(run):
    code, said = run("create", "src", "-a", "CT1", "-i", "10.0.0.5/8")
    assert code == 2
    assert said.startswith('port104: -i/--host (hosts[0]): "10.0.0.5/8" is wrong: ')
    assert run("create", "src", "-a", "CT1", "-i", "10.0.0.5")[0] == 0
    code, said = run("create", "src", "-a", "CT1", "-i", "10.0.0.6")
    assert code == 1
    assert said.startswith('port104: -n/--name (name): there is a source "CT1" already')
    assert run("show", "src", "CT2")[1] == 'port104: there is no source "CT2"; did you mean "CT1"?\n'
    code, said = run("delete", "aetitle", "PORT104")
    assert code == 1
    assert 'the AE title "PORT104" stands in the configuration: change it there' in said


def test_names_are_completed(server):
    done = subprocess.run(
        [sys.executable, "-m", "port104"],
        env=own_environment()
        | {
            "_PORT104_COMPLETE": "bash_complete",
            "COMP_WORDS": f"port104 show aetitle --storage {server.folder} P",
            "COMP_CWORD": "5",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "plain,PORT104\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_told_whom_to_become(server):
    for folder in (server.folder, *list(server.folder.parents)[:5]):
        folder.chmod(folder.stat().st_mode | 0o011)
    program = (
        "import os; import port104.service.commands.reaching; from port104.service import cli;"
        "os.seteuid(12345); cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "list", "src", "--storage", server.folder],
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert (
        "may be used by root and by the user that port104 runs as: become one of them (sudo -u)"
        in done.stderr
    )
