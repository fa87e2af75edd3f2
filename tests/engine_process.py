"""The real server as a process of its own, for tests from outside."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

START_SECONDS = 20

# Below those that Linux gives to whoever asks for none, as each connection does: none is lost between being
# found free and being used. Two runs of tests at a time begin at different ones.
_FIRST, _PORTS = 12000, 20000
_numbers = itertools.count(os.getpid() * 701)


def free_port():
    """A port that was free a moment ago; another one each time."""
    while True:
        port = _FIRST + next(_numbers) % _PORTS
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Engine:
    """A running `port104 start`. Ends only its own process."""

    def __init__(self, process, port, folder, log):
        self.process = process
        self.pid = process.pid
        self.port = port
        self.folder = folder
        self.log = log

    def wait_until_listening(self):
        self.wait_for(self._is_up, START_SECONDS)

    def _is_up(self):
        assert self.process.poll() is None, self.log.read_text()
        return self.listens()

    def listens(self, port=None):
        """Whether somebody accepts connections on the port, or on another."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port or self.port), 1):
            return True
        return False

    def wait_for(self, condition, seconds=5.0):
        """Poll `condition` until it holds; fail after `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds} s in vain\n{self.log.read_text()}"
            time.sleep(0.005)

    def stored_files(self):
        return sorted((self.folder / "instances").rglob("*.dcm"))

    def part_files(self):
        return sorted((self.folder / "parts").iterdir())

    def log_entries(self):
        """The JSON log lines so far."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def command(self, *words):
        """Run `port104 WORDS` with this engine's configuration, which must succeed; what it printed."""
        config = self.folder.with_name(self.folder.name + ".json")
        done = subprocess.run(
            [sys.executable, "-m", "port104", *map(str, words), "-f", str(config)],
            capture_output=True,
            text=True,
            env=own_environment(),
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def memory(self, field="VmRSS"):
        """A figure of /proc/<pid>/status, in bytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        figures = dict(line.split(":", 1) for line in lines)
        return int(figures[field].split()[0]) * 1024

    def descriptors(self):
        """How many descriptors are open."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def terminate(self, seconds=30):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()


def own_environment():
    """This process's, without PORT104_...: to the server those are settings, to tests their own knobs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PORT104_")}


def write_settings(folder, *, durability="sync", scp=None, scu=None, storage=None, **sections):
    """Write a configuration with `folder` as storage folder; returns a free port, its path and the log's.

    `scp`, `scu` and `storage` change those settings, `sections` are further ones (`log`, `audit`).
    """
    port = free_port()
    settings = {
        "dicom": {
            "scp": {
                "port": port,
                "host": "127.0.0.1",
                "rejectUnknownSources": False,
                "aeTitles": [{"aeTitle": "PORT104"}],
            }
            | (scp or {}),
            "scu": scu or {},
        },
        "storage": {
            "temporary": str(folder),
            "durability": durability,
            "watermarkPercent": 100,  # how full the machine's own disk is must not matter
            "reserveSpaceGB": 0,
        }
        | (storage or {}),
        "api": {"port": None},  # the one that everybody would have
    } | sections
    config = folder.with_name(folder.name + ".json")
    config.write_text(json.dumps({"DicomAdapter": settings}))
    return port, config, folder.with_name(folder.name + ".log")


@contextlib.contextmanager
def engine(folder, *, env=None, within=(), **settings):
    """Start the server on a free port with `folder` as its storage folder; kill it at the end.

    `within`: the words of a command that becomes what follows them.
    """
    port, config, log = write_settings(folder, **settings)
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*within, sys.executable, "-m", "port104", "start", "-f", str(config)],
            stderr=stderr,
            env=own_environment() | (env or {}),
        )
    started = Engine(process, port, folder, log)
    try:
        started.wait_until_listening()
        yield started
    finally:
        if process.poll() is None:
            started.kill()
