"""Who works on an attempt of a command, found by the lock in its folder; begins one where nobody ever did.

    lock            held by who works on it; names its supervisor once the command is about to start
    outcome.json    how it ended; what is in it survives a power cut
    log             what the command wrote, and what became of its supervisor where that failed

Blocks: call it from a worker thread.
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from port104.dispatch.backends import supervisor
from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.variables import RUN_ID
from port104.dispatch.run_log import LOG

LOCK, OUTCOME = "lock", "outcome.json"
LOG_FIRST, LOG_LAST = 4 << 20, 1 << 20
"""Bytes of a log that are kept: of its beginning and of its end."""
# Between SIGTERM and SIGKILL.
_GRACE_SECONDS = 10.0
_LEFT_OVER_TRIES = 200
_LEFT_OVER_SECONDS = 0.01
_INTERRUPTED = Ending(
    "failed",
    "was interrupted: its supervisor ended without an outcome, as when the machine or the container stops,"
    " memory runs out or the disk is full",
)


class Order(msgspec.Struct, frozen=True):
    """What a supervisor is to do. `time_limit`: seconds, 0 = none; `limits`: RLIMIT_... -> value."""

    run_id: str
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    time_limit: float
    limits: dict[str, int]
    log: tuple[int, int] = (LOG_FIRST, LOG_LAST)
    grace: float = _GRACE_SECONDS


class Work:
    """A supervisor that works. Close it.

    `descriptor`: of the process, readable when it ended. `begun`: whether it was begun just now.
    """

    def __init__(self, pid: int, descriptor: int, *, begun: bool) -> None:
        self._pid = pid
        self.descriptor = descriptor
        self.begun = begun

    def cancel(self) -> None:
        """Have it end the command, if it still works. Does not wait."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, supervisor.CANCEL)

    def close(self) -> None:
        """Let go of it; it goes on where it has not ended."""
        os.close(self.descriptor)
        if self.begun:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, os.WNOHANG)


def attend(order: Order, instead: Ending | None) -> Ending | Work | None:
    """Find how the attempt ended or who works on it, and begin it where that never happened.

    `instead`: what to answer instead of beginning it. None: somebody is about to begin it; ask again soon.
    Raises OSError.
    """
    with _opened(order.folder / LOCK) as lock:
        if not _taken(lock):
            return _holder(lock)
        ending = outcome_in(order.folder)
        if ending is not None:
            return ending
        if os.pread(lock, 1, 0):
            _end_left_overs(order.run_id)
            return _INTERRUPTED
        return instead or _begin(order, lock)


@contextlib.contextmanager
def _opened(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o640)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(lock: int) -> bool:
    """Take the lock; False: another one has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: int) -> Work | None:
    """Who works, where it is known already."""
    try:
        pid = int(os.pread(lock, 32, 0) or b"0")
        descriptor = os.pidfd_open(pid) if pid else None
    except ProcessLookupError:
        return None
    if descriptor is None:
        return None
    if _taken(lock):  # it ended, and who has its number now may be anybody
        os.close(descriptor)
        return None
    return Work(pid, descriptor, begun=False)


def outcome_in(folder: Path) -> Ending | None:
    """How the attempt in a folder ended; None: it was not written down. Raises OSError."""
    try:
        return msgspec.json.decode((folder / OUTCOME).read_bytes(), type=Ending)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        return Ending("failed", f"what its supervisor wrote down cannot be read: {folder / OUTCOME}")


def _begin(order: Order, lock: int) -> Work:
    """Start a supervisor, which gets the lock with its descriptor: no moment is without a holder."""
    reading, writing = os.pipe()
    # Closed whatever happens: a supervisor without a whole order ends.
    with contextlib.suppress(BrokenPipeError), open(writing, "wb") as orders:  # noqa: PTH123 - a descriptor
        try:
            pid = _spawned(order.folder / LOG, reading, lock)
        finally:
            os.close(reading)
        work = Work(pid, os.pidfd_open(pid), begun=True)
        orders.write(_written(order))
    return work


def _spawned(log_file: Path, order: int, lock: int) -> int:
    with _opened(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as log:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", supervisor.__file__],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, source, target) for target, source in enumerate((order, lock, log))
            ],
        )


def _written(order: Order) -> bytes:
    """As the supervisor reads it. By json, since an environment may hold what is not UTF-8."""
    document: dict[str, Any] = msgspec.structs.asdict(order)
    return json.dumps(document, default=str).encode()


def _end_left_overs(run_id: str) -> None:
    """Kill what an attempt left behind whose supervisor was killed, before another one may start."""
    for _ in range(_LEFT_OVER_TRIES):
        left = list(_with_variable(f"{RUN_ID}={run_id}".encode()))
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LEFT_OVER_SECONDS)


def _with_variable(variable: bytes) -> Iterator[int]:
    """The processes that were given this variable; of those that others own nothing can be read."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if variable in (process / "environ").read_bytes().split(b"\0"):
                    yield int(process.name)
