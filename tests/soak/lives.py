"""The engine's lives during a soak: one folder, served again and again; and what the engine uses.

It is served plainly and over TLS, with an audit trail.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from lxml import etree

from audit_reading import read_line
from engine_process import Engine, free_port, own_environment, write_settings
from soak.counted_engine import COUNT
from soak.doors import Door, Doors
from tls_peers import Site

# Short, so that what ends by a deadline ends within the soak.
SCP = {"artimTimeout": 3, "idleTimeout": 5, "sendTimeout": 3, "shutdownDeadline": 3}


class Use(NamedTuple):
    """What a process uses at one moment; memory in bytes."""

    seconds: float
    memory: int
    descriptors: int
    threads: int
    tasks: int


class Lives:
    """Starts engines that succeed each other; `faults` is what they did wrong."""

    def __init__(self, folder):
        self.folder = folder
        site, secure_port = Site(_made(folder.with_name("site"))), free_port()
        self._trail = _made(folder.with_name("audit")) / "trail"
        self.port, self._config, self._log = write_settings(
            folder, scp=SCP | {"tls": _tls(site, secure_port)}, audit={"file": str(self._trail)}
        )
        self.doors = Doors(Door(self.port), Door(secure_port, site.client("soak")))
        self._counter = folder.with_name("tasks")
        self._counter.write_bytes(bytes(COUNT.size))
        self._log.write_bytes(b"")
        self._engine = None
        self._began = time.monotonic()
        self.started = self.terminated = self.killed = 0
        self.faults = []

    def start(self):
        script = Path(__file__).with_name("counted_engine.py")
        command = [sys.executable, str(script), str(self._counter), "start", "-f", str(self._config)]
        with self._log.open("a") as stderr:
            process = subprocess.Popen(command, stderr=stderr, env=own_environment())
        self._engine = Engine(process, self.port, self.folder, self._log)
        self._engine.wait_until_listening()
        self.started += 1

    def use(self):
        """What the engine uses now."""
        pid = self._engine.pid
        return Use(
            time.monotonic() - self._began,
            self._engine.memory(),
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            len(list(Path(f"/proc/{pid}/task").iterdir())),
            COUNT.unpack(self._counter.read_bytes())[0],
        )

    def terminate(self):
        """SIGTERM: it drains, and ends with exit code 0."""
        self._still_runs()
        try:
            code = self._engine.terminate(SCP["shutdownDeadline"] + 15)
        except subprocess.TimeoutExpired:
            self.faults.append("did not end after SIGTERM")
            self._engine.kill()
            return
        self.terminated += 1
        if code != 0:
            self.faults.append(f"ended with {code} after SIGTERM")

    def kill(self):
        """SIGKILL."""
        self._still_runs()
        self._engine.kill()
        self.killed += 1

    def close(self):
        """Leave none running, whatever happened."""
        if self._engine and self._engine.process.poll() is None:
            self._engine.kill()

    def parts(self):
        return self._engine.part_files()

    def note_logged_faults(self):
        """What the engine itself took for a fault of its own."""
        for entry in self._engine.log_entries():
            if "exception" in entry or entry["level"] in ("error", "fatal"):
                self.faults.append(f"logged: {entry['event']}: {entry.get('exception', '')[-500:]}")

    def check_trail(self):
        """Read every message of the audit trail; returns how many there are. A kill may cut its last one."""
        lines = [line for file in self._trail.parent.iterdir() for line in file.read_bytes().splitlines()]
        cut = sum(not _is_message(line) for line in lines)
        if cut > self.killed:
            self.faults.append(f"{cut} faulty audit messages of engines that were killed {self.killed} times")
        return len(lines) - cut

    def _still_runs(self):
        code = self._engine.process.poll()
        if code is not None:
            self.faults.append(f"ended by itself with {code}")


def _tls(site, port):
    return {
        "enabled": True,
        "port": port,
        "certificate": str(site.certificate),
        "key": str(site.key),
        "clientCertificateAuthorities": str(site.authorities),
    }


def _is_message(line):
    try:
        read_line(line)
    except (AssertionError, etree.LxmlError):
        return False
    return True


def _made(folder):
    folder.mkdir(exist_ok=True)
    return folder
