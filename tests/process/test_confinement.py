"""The server needs no root, no capability but NET_BIND_SERVICE, no writable place but its volume, and keeps
other users out of what it writes."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import confinement
from engine_process import engine
from lacking import lacking
from port104.wire.command import Status
from sender import Sender, image

NET_BIND_SERVICE = 1 << 10  # linux/capability.h
NAMESPACES = ["unshare", "--net", "--mount", "--propagation", "private"]


def modes(folder):
    """Relative path -> permissions, of all that is below."""
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def namespaces():
    """How to run a command in fresh namespaces. Only root may, and only where the kernel lets it."""
    if os.geteuid() != 0:
        lacking("only root may try another user and a read-only root file system")
    tried = subprocess.run(
        [*NAMESPACES, "mount", "-o", "remount,bind,ro", "/"], capture_output=True, text=True, check=False
    )
    if tried.returncode != 0:
        lacking(f"the kernel refuses namespaces or a read-only root: {tried.stderr}")
    return NAMESPACES


@pytest.fixture
def volume():
    """A folder of the other user's, where that user can get to: pytest's own are closed."""
    made = Path(tempfile.mkdtemp(prefix="port104-volume-"))
    os.chown(made, confinement.USER, confinement.USER)
    yield made
    shutil.rmtree(made)


def test_another_user_on_a_read_only_root(namespaces, volume):
    settings = {
        "dicom": {
            "scp": {
                "host": "127.0.0.1",
                "port": confinement.PORT,
                "rejectUnknownSources": False,
                "aeTitles": [{"aeTitle": "PORT104"}],
            }
        },
        "storage": {"temporary": str(volume / "payloads")},
        "log": {"file": str(volume / "logs" / "port104.log")},
        "audit": {"file": str(volume / "logs" / "audit.log")},
    }
    config = volume / "port104.json"
    config.write_text(json.dumps(settings))
    command = [*namespaces, sys.executable, confinement.__file__, str(volume), str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["writable"] == []
    assert set(seen["user"]) == {str(confinement.USER)}
    assert seen["capabilities"] == seen["bounding"] == NET_BIND_SERVICE
    assert (seen["status"], seen["exit"]) == (Status.SUCCESS, 0)
    config.unlink()
    written = modes(volume)
    assert {"payloads/parts", "logs/port104.log", "logs/audit.log"} <= set(written)
    assert len([path for path in written if path.endswith(".dcm")]) == 1
    assert not [path for path, mode in written.items() if mode & 0o007]
    assert {path.stat().st_uid for path in volume.rglob("*")} == {confinement.USER}


@pytest.fixture
def umask():
    """Sets the umask that the server is started with."""
    before = os.umask(0)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(("given", "file", "folder"), [(0, 0o640, 0o750), (0o077, 0o600, 0o700)])
def test_modes_of_what_is_written(tmp_path, umask, given, file, folder):
    site = tmp_path / "site"
    site.mkdir()
    log, audit = {"file": str(site / "logs" / "a.log")}, {"file": str(site / "audit" / "b.log")}
    umask(given)
    with engine(site / "storage", log=log, audit=audit) as server:
        with Sender(server.port) as sender:
            assert sender.store("1.2.1", image("1.2.1", b"pixels")) == Status.SUCCESS
            sender.release()
        assert server.terminate() == 0
    tests_own = ("storage.json", "storage.log")
    ours = {path: mode for path, mode in modes(site).items() if path not in tests_own}
    assert len([path for path in ours if path.endswith(".dcm")]) == 1
    for path, mode in ours.items():
        expected = 0o600 if ".sqlite3" in path else file
        assert mode == (folder if (site / path).is_dir() else expected), path


def test_a_folder_that_every_user_may_change_is_said(tmp_path):
    folder = tmp_path / "storage"
    folder.mkdir()
    folder.chmod(0o777)
    with engine(folder) as server:
        server.wait_for(lambda: "storage folder opened" in [entry["event"] for entry in server.log_entries()])
    (warning,) = [entry for entry in server.log_entries() if entry["level"] == "warning"]
    assert warning["hint"] == f"chmod o-w {folder}"
