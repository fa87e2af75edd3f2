"""What a command works with: the engine at a URL, the one of this machine, or the store."""

import contextlib
import json
import os
import subprocess
import sys

import pytest

from port104.registry.store.opening import FILE_NAME
from port104.service.commands import reaching
from port104.storage.folder import owned

MYPACS = ("create", "src", "-a", "MYPACS", "-i", "10.0.0.5")


class Time:
    """Goes on while somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        for act in self.slept:
            act()


@pytest.fixture
def time(monkeypatch):
    time = Time()
    monkeypatch.setattr(reaching, "time", time)
    return time


def test_a_folder_that_nobody_named_is_not_made(run, tmp_path, monkeypatch):
    missing = tmp_path / "payloads"
    monkeypatch.setattr(reaching, "_folder_of", lambda _: missing)
    for command in (MYPACS, ("list", "src"), ("token", "list")):
        code, _, err = run(*command)
        assert code == 3
        assert err.startswith(f"port104: there is no storage folder {missing}: name port104's (--storage)")
    assert not missing.exists()


def test_a_folder_that_somebody_named_is_made_by_a_change(run, folder):
    assert run("list", "src") == (0, "", "")
    assert not folder.exists()
    assert run(*MYPACS)[0] == 0
    assert folder.stat().st_mode & 0o777 == 0o750
    assert (folder / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_a_flag_names_the_folder(run, tmp_path):
    assert run(*MYPACS, "--storage", tmp_path / "x")[0] == 0
    assert (tmp_path / "x" / FILE_NAME).exists()


def test_an_engine_without_a_control_socket_is_in_the_way(run, folder, time):
    folder.mkdir()
    with owned(folder):
        code, _, err = run(*MYPACS)
    assert (code, time.now) == (3, pytest.approx(2.0, abs=0.1))
    assert f"port104 runs on {folder}, and nobody listens on its control socket: where it just starts" in err
    assert not (folder / FILE_NAME).exists()


def test_who_is_there_for_a_moment_is_waited_for(run, folder, time):
    folder.mkdir()
    owning = contextlib.ExitStack()
    owning.enter_context(owned(folder))
    time.slept.append(owning.close)
    assert run(*MYPACS)[0] == 0


def test_a_socket_that_a_crash_left_behind_is_no_engine(run, folder):
    folder.mkdir()
    with contextlib.closing(reaching.socket.socket(reaching.socket.AF_UNIX)) as left:
        left.bind(str(folder / "control.sock"))
    code, _, err = run("status")
    assert code == 3
    assert f"no port104 runs on {folder}: start it" in err
    assert run(*MYPACS)[0] == 0


def test_the_control_socket_comes_before_the_store(run, control, folder):
    control.will_answer(200, [{"name": "X"}], **{"X-Total-Count": 1})
    code, out, _ = run("list", "src", "-o", "json")
    assert (code, json.loads(out)) == (0, [{"name": "X"}])
    assert not (folder / FILE_NAME).exists()


def test_a_url_comes_before_the_control_socket(run, api, url, tmp_path):
    api.will_answer(200, [], **{"X-Total-Count": 0})
    assert run("list", "src", "--url", url, "-f", tmp_path / "missing.json")[0] == 0
    [(_, path, _, _)] = api.requests
    assert path == "/api/config/sourceaetitle?limit=1000&offset=0"


def test_a_control_socket_far_down_is_reached(run, control, folder, tmp_path, monkeypatch):
    """A socket's address has 107 bytes at most."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    folder.joinpath("control.sock").rename(deep / "control.sock")
    control.will_answer(200, [])
    assert run("list", "src", "--storage", deep)[0] == 0
    assert control.requests


def test_a_faulty_configuration(run, folder, monkeypatch):
    monkeypatch.setenv("PORT104_DICOM__SCP__PROT", "1")
    code, _, err = run("list", "src")
    assert code == 2
    assert "no such setting" in err


def test_a_damaged_store(run, folder):
    folder.mkdir()
    (folder / FILE_NAME).write_bytes(b"no database" * 1000)
    code, _, err = run("list", "src")
    assert code == 1
    assert "is damaged" in err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_root_becomes_the_owner_of_the_folder(tmp_path):
    for ours in (tmp_path, *tmp_path.parents[:2]):  # the one above them is everybody's
        ours.chmod(ours.stat().st_mode | 0o011)
    folder = tmp_path / "payloads"
    folder.mkdir()
    os.chown(folder, 12345, 12346)
    # Loaded before it is somebody else who perhaps may not read Python here.
    program = "import port104.service.commands.direct; from port104.service import cli; cli.main()"
    subprocess.run([sys.executable, "-c", program, *MYPACS, "--storage", folder], check=True)
    about = (folder / FILE_NAME).stat()
    assert (about.st_uid, about.st_gid) == (12345, 12346)


@pytest.mark.peer
def test_a_shared_database_is_used_where_no_engine_runs_here(run, folder, postgres, monkeypatch):
    url = postgres.new_url()
    monkeypatch.setenv("PORT104_REGISTRY__URL", url)
    code, out, _ = run(*MYPACS)
    assert (code, out) == (
        0,
        'created source "MYPACS" (no port104 runs here; kept in the database of registry.url)\n',
    )
    assert run("list", "src")[1] == "MYPACS\tMYPACS\t10.0.0.5\t\t\t\t\n"
    assert not folder.exists()
