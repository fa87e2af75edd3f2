"""Receivers and the sender as processes: started, looked at while they run, stopped.

A receiver is looked at while the sender still holds its associations open, so that the processes which serve
them are there to be asked: no sampling, which would cost the most where there are the most processes.
"""

import contextlib
import fcntl
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from cells import Cell
from receivers import AE_TITLE, BUILD, Figures, NotInstalledError, Receiver, tls_file

START_SECONDS = 30.0
STOP_SECONDS = 30.0
RELEASE_SECONDS = 2.0  # pynetdicom takes ten for 200 associations, after all is stored
LOAD_SECONDS = 120.0  # the slowest honest load takes a tenth of it
# A receiver is at rest once it keeps a core busy for a twentieth of the time.
_LOOK_SECONDS, _MOST_LOOKS, _IDLE = 0.2, 50, 0.05
SENDER, SECURE_SENDER = "sender", "sender-tls"
_numbers = itertools.count()
_PRESENT = contextlib.suppress(psutil.Error, OSError, StopIteration)


def prepare(parent: Path) -> None:
    """Make the folder that receivers get theirs in, and delete what killed runs left: it fills a RAM disk.

    ext4 is slow to make files where many were deleted within five minutes: it looks at each of their inodes
    to see whether it may be used again (ten times slower after 20,000). The folder's flag T lets every folder
    in it begin in another part of the disk; other file systems know no such flag and need none.
    """
    parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["chattr", "+T", str(parent)], stderr=subprocess.DEVNULL, check=False)
    for left in parent.glob("port104-bench-*"):
        owner = re.split(r"[-.]", left.name)[2]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no other bench runs on this checkout: each would measure the other."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another bench runs; waiting for its end", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_programs(into: Path = BUILD) -> None:
    """Compile sender and floor."""
    here = Path(__file__).parent
    _compile(_sender_sources("plain"), into / "sender")
    _compile([here / "floor.c"], into / "floor")


def compile_secure_sender(into: Path = BUILD) -> None:
    """Compile the sender that speaks TLS. Raises NotInstalledError where OpenSSL's headers are missing."""
    if not Path("/usr/include/openssl/ssl.h").exists():
        raise NotInstalledError("the sender needs OpenSSL's headers: install libssl-dev")
    _compile(_sender_sources("tls"), into / SECURE_SENDER, "-lssl", "-lcrypto")


def _sender_sources(channel: str) -> list[Path]:
    """All but the channels, and one of these."""
    folder = Path(__file__).parent / "sender"
    shared = (one for one in sorted(folder.glob("*.c")) if not one.name.startswith("channel_"))
    return [*shared, folder / f"channel_{channel}.c"]


def _compile(sources: Sequence[Path], program: Path, *libraries: str) -> None:
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
    command = [os.environ.get("CC", "cc"), *flags, *map(str, sources), "-o", str(program), *libraries]
    subprocess.run(command, check=True)


class Running:
    """A started receiver. `last_words` is known once it has stopped."""

    def __init__(self, receiver: Receiver, process: psutil.Popen, port: int, folder: Path) -> None:
        self.port = port
        self.pid: int = process.pid
        self.last_words: Figures = {}
        self._receiver = receiver
        self._process = process
        self._folder = folder

    def cpu_seconds(self) -> float:
        """Processor time so far, children included, those that ended too."""
        total = 0.0
        for one in self._tree():
            with _PRESENT:
                times = one.cpu_times()
                # The kernel's clock of a process counts nanoseconds; /proc's figures are cut to 10 ms, which
                # would lose half of what a short-lived child takes. See clock_getcpuclockid(3).
                own = time.clock_gettime(~one.pid << 3 | 2)
                total += own + times.children_user + times.children_system
        return total

    def cpu_seconds_at_rest(self) -> float:
        """The same, once what it put off while it was sent to is done; after some seconds at the latest."""
        spent = self.cpu_seconds()
        for _ in range(_MOST_LOOKS):
            time.sleep(_LOOK_SECONDS)
            before, spent = spent, self.cpu_seconds()
            if spent - before < _IDLE * _LOOK_SECONDS:
                break
        return spent

    def peak_rss(self) -> int:
        """The sum over its processes of each one's largest resident set so far, in bytes."""
        return self._sum("status", "VmHWM:")

    def pss(self) -> int:
        """What its processes hold now, pages that they share counted once, in bytes."""
        return self._sum("smaps_rollup", "Pss:")

    def rss(self) -> int:
        """What its processes hold now, shared pages counted in each, in bytes."""
        return self._sum("status", "VmRSS:")

    def stored_files(self) -> int:
        """Count the files that it stored."""
        return sum(1 for path in self._folder.glob(self._receiver.stored) if path.is_file())

    def log(self) -> str:
        """The end of what it wrote to standard error."""
        return _log(self._folder).read_text(errors="replace")[-2000:]

    def _tree(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return [self._process, *self._process.children(recursive=True)]
        return []

    def _sum(self, file: str, field: str) -> int:
        total = 0
        for one in self._tree():
            with _PRESENT:
                lines = Path(f"/proc/{one.pid}/{file}").read_text().splitlines()
                total += next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
        return total


@contextlib.contextmanager
def running(receiver: Receiver, parent: Path) -> Iterator[Running]:
    """Start `receiver` with an empty folder below `parent`; stop it and delete the folder at the end."""
    folder = parent / f"port104-bench-{os.getpid()}-{next(_numbers)}"
    (folder / "files").mkdir(parents=True)
    os.sync()  # what was deleted before is not this receiver's to pay for
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = receiver.command(port, folder)
    environment = os.environ | receiver.environment
    with _log(folder).open("w") as log:
        process = psutil.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=environment
        )
    started = Running(receiver, process, port, folder)
    try:
        _wait_until_listening(started, process, port)
        yield started
    finally:
        _stop(process)
        started.last_words = receiver.last_words(_log(folder))
        shutil.rmtree(folder, ignore_errors=True)


def _log(folder: Path) -> Path:
    return folder / "standard-error.log"


def _stop(process: psutil.Popen) -> None:
    with _PRESENT:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_listening(started: Running, process: psutil.Popen, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        # Not by connecting: the single-process floor would serve that connection.
        listening = (one for one in process.net_connections() if one.status == psutil.CONN_LISTEN)
        if any(one.laddr.port == port for one in listening):
            return
        time.sleep(0.01)
    raise RuntimeError(f"it does not listen: {started.log()}")


class Load:
    """Associations of a sender, open and waiting to be told to send."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self) -> Figures:
        """Send it all; what the sender measured. The associations stay open."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        figures = _line(self._process)
        if figures["failures"]:
            raise RuntimeError(f"{figures['failures']} instances were refused")
        return figures


@contextlib.contextmanager
def load(port: int, cell: Cell, instances: int, window: int, *, secure: bool = False) -> Iterator[Load]:
    """Open the associations of `cell`, each for at most so many `instances`; release them at the end."""
    what = [cell.associations, cell.size, instances, window, cell.seconds]
    with _sender(port, what, SECURE_SENDER if secure else SENDER) as process:
        yield Load(process)


@contextlib.contextmanager
def idle(port: int, associations: int) -> Iterator[None]:
    """Hold so many associations open that send nothing."""
    with _sender(port, [associations, "idle"]):
        yield


@contextlib.contextmanager
def _sender(port: int, what: Sequence[object], program: str = SENDER) -> Iterator[subprocess.Popen[str]]:
    """Start it and wait until its associations are open."""
    environment = os.environ | ({"PORT104_BENCH_TLS": str(tls_file())} if program == SECURE_SENDER else {})
    command = [str(BUILD / program), "127.0.0.1", str(port), AE_TITLE, *map(str, what)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment
    ) as process:
        patience = threading.Timer(LOAD_SECONDS, process.kill)
        patience.start()
        try:
            _line(process)
            yield process
        finally:
            assert process.stdin
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(RELEASE_SECONDS)
            process.kill()
            patience.cancel()


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line that the sender says."""
    assert process.stdout
    assert process.stderr
    line = process.stdout.readline()
    if not line:
        process.kill()
        said = process.stderr.read().strip()
        raise RuntimeError(said or f"the load took longer than {LOAD_SECONDS:.0f} s")
    said_object: dict[str, Any] = json.loads(line)
    return said_object
