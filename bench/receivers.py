"""The receivers under test: how each is started, and what it costs while it runs."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

START_SECONDS = 20.0


class Receiver(NamedTuple):
    """`command(port, folder)` starts it; `program` must be on the PATH, or it is left out."""

    name: str
    program: str
    command: Callable[[int, Path], list[str]]


def port104(durability: str) -> Receiver:
    """The engine itself."""

    def command(port: int, folder: Path) -> list[str]:
        scp = {
            "port": port,
            "host": "127.0.0.1",
            "rejectUnknownSources": False,
            "maximumNumberOfAssociations": 2000,
            "aeTitles": [{"aeTitle": "PORT104"}],
        }
        storage = {"temporary": str(folder / "storage"), "durability": durability}
        config = folder / "port104.json"
        config.write_text(json.dumps({"dicom": {"scp": scp}, "storage": storage, "log": {"level": "error"}}))
        return [sys.executable, "-m", "port104", "start", "-f", str(config)]

    return Receiver(f"port104 ({durability})", sys.executable, command)


def dcmtk() -> Receiver:
    """DCMTK's storescp, a process per association, bit-preserving, with its largest PDU."""

    def command(port: int, folder: Path) -> list[str]:
        return ["storescp", "+B", "--fork", "-pdu", "131072", "+uf", "-od", str(folder), str(port)]

    return Receiver("DCMTK storescp", "storescp", command)


def floor(build: Path, *, forks: bool) -> Receiver:
    """The bare C program that only receives and writes."""
    program = str(build / "floor")

    def command(port: int, folder: Path) -> list[str]:
        return [program, str(port), str(folder), *(["fork"] if forks else [])]

    return Receiver("floor (forking)" if forks else "floor", program, command)


class Running:
    """A started receiver."""

    def __init__(self, process: psutil.Popen, port: int) -> None:
        self._process = process
        self.port = port

    def cpu_seconds(self) -> float:
        """Processor time so far, children included, those that ended too."""
        total = 0.0
        for one in [self._process, *self._process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = one.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def peak_rss(self) -> int:
        """The main process's largest resident set so far, in bytes."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@contextlib.contextmanager
def running(receiver: Receiver, parent: Path) -> Iterator[Running]:
    """Start `receiver` with an empty folder below `parent`; stop it and delete the folder at the end."""
    folder = parent / "bench-receiver"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = receiver.command(port, folder)
    with psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_listening(process, port)
            yield Running(process, port)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except psutil.TimeoutExpired:
                process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def _wait_until_listening(process: psutil.Popen, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        # Not by connecting: the single-process floor would serve that connection.
        if any(
            one.laddr.port == port and one.status == psutil.CONN_LISTEN for one in process.net_connections()
        ):
            return
        time.sleep(0.01)
    raise RuntimeError(f"{process.args} does not listen on port {port}")
