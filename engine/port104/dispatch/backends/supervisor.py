"""Starts a command, stays with it when the engine goes, and writes down how it ended. A script of its own.

The engine runs this file with an isolated interpreter: descriptor 0 is the order (JSON, one object), 1 the
lock on the attempt's folder, held already, and 2 its log. Rules that this room keeps:
- whoever holds the lock works. The lock goes over with the descriptor, so no moment is without a holder;
- the lock's file names this process before the command starts: named, unlocked and without an outcome means
  interrupted, and nothing is started twice;
- the outcome is written once all is over, durably, and after the output that it vouches for;
- nothing that the command started goes on after it, and the command not after this process;
- one thread, few imports, none of port104's: it must start at once and outlive what started it.
"""

import contextlib
import ctypes
import errno
import json
import math
import os
import resource
import select
import signal
import stat
import sys
import time
from typing import Any, NoReturn

CANCEL = signal.SIGUSR1  # apart from SIGTERM, by which a machine that stops ends everything

_LOCK, _LOG = 1, 2
_CHUNK = 1 << 16
# <linux/prctl.h>
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# Between SIGXCPU, which tells what happened, and SIGKILL.
_CPU_GRACE_SECONDS = 5


class Log:
    """What the command writes: the first of it at once, the last at the end, between them what was cut."""

    def __init__(self, descriptor: int, first: int, last: int) -> None:
        self._descriptor = descriptor
        self._room = first
        self._last = last
        self._end = bytearray()
        self._cut = 0

    def add(self, data: bytes) -> None:
        """Take what came."""
        _write(self._descriptor, data[: self._room])
        self._end += data[self._room :]
        self._room -= min(self._room, len(data))
        excess = max(0, len(self._end) - self._last)
        del self._end[:excess]
        self._cut += excess

    def close(self) -> None:
        """Write the end of it."""
        if self._cut:
            _write(self._descriptor, f"\n[port104: {self._cut} bytes were cut here]\n".encode())
        _write(self._descriptor, bytes(self._end))


class Signals:
    """The signals that came, and a descriptor that is readable when one did."""

    def __init__(self) -> None:
        self.asked: list[signal.Signals] = []
        self.descriptor, waking = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(waking, False)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (CANCEL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self.asked.append(signal.Signals(number)))
        signal.pthread_sigmask(signal.SIG_SETMASK, ())


def main() -> None:
    """Do what descriptor 0 orders."""
    os.closerange(_LOG + 1, os.sysconf("SC_OPEN_MAX"))  # whatever who started the engine left open
    signals = Signals()
    with contextlib.suppress(PermissionError):  # it leads a session already
        os.setsid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        order = json.loads(sys.stdin.buffer.read())
    except ValueError:
        sys.exit(1)  # the engine died while it wrote this, and nothing was begun
    os.chdir(order["folder"])
    os.pwrite(_LOCK, f"{os.getpid()}\n".encode(), 0)
    outcome, why = _supervise(order, signals)
    if outcome == "succeeded":
        try:
            sync_tree("output")
        except OSError as failure:
            outcome, why = "failed", f"what it left in output/ cannot be kept: {failure.strerror}"
    _write_outcome({"outcome": outcome, "why": why})


def _supervise(order: dict[str, Any], signals: Signals) -> tuple[str, str]:
    """Run the command to its end; returns the outcome, and why it is that."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    child, fault = _start(order, writing)
    os.close(writing)
    log = Log(_LOG, *order["log"])
    if fault:
        os.waitpid(child, 0)
        return "failed", fault
    status, ended_for = _wait(child, reading, log, order, signals)
    _end_what_is_left()
    _drain(reading, log)
    log.close()
    if ended_for is not None:
        return ended_for
    return _in_words(os.waitstatus_to_exitcode(status))


def _wait(
    child: int, output: int, log: Log, order: dict[str, Any], signals: Signals
) -> tuple[int, tuple[str, str] | None]:
    """Wait for the command; returns its status, and the outcome where it was not let come to its end."""
    deadline = time.monotonic() + (order["time_limit"] or math.inf)
    ended_for: tuple[str, str] | None = None
    polling = select.poll()
    polling.register(output, select.POLLIN)
    polling.register(signals.descriptor, select.POLLIN)
    while (status := _reap(child)) is None:
        if ended_for is None:
            ended_for = _asked(signals) or _overdue(order, deadline)
            if ended_for is not None:
                os.killpg(child, signal.SIGTERM)
                deadline = time.monotonic() + order["grace"]
        elif time.monotonic() >= deadline:
            os.killpg(child, signal.SIGKILL)
            deadline = math.inf
        for descriptor, _ in polling.poll(_milliseconds(deadline)):
            data = os.read(descriptor, _CHUNK)
            if descriptor != output:
                continue
            log.add(data)
            if not data:
                polling.unregister(output)
    return status, ended_for


def _asked(signals: Signals) -> tuple[str, str] | None:
    """The outcome where somebody wants this to end."""
    if not signals.asked:
        return None
    if CANCEL in signals.asked:
        return "cancelled", "was cancelled"
    return "failed", f"was interrupted by {signals.asked[0].name}, as when the machine or container stops"


def _overdue(order: dict[str, Any], deadline: float) -> tuple[str, str] | None:
    if time.monotonic() < deadline:
        return None
    return "failed", f"had not ended within its time limit of {order['time_limit']:g} s, and was ended"


def _milliseconds(deadline: float) -> float | None:
    """How long to wait; None: for ever."""
    if deadline == math.inf:
        return None
    return min(math.ceil(max(0.0, deadline - time.monotonic()) * 1000), 3_600_000)


def _reap(child: int) -> int | None:
    """Take the status of whatever ended, orphans too; returns the command's, where it is among them."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            return status
        if pid == 0:
            return None


def _end_what_is_left() -> None:
    """Kill what the command started and left behind, and what that did: as its subreaper we get them all."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - pathlib would be one import more
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
            # proc(5): pid (comm) state ppid; comm may hold anything.
            if int(file.read().rpartition(b")")[2].split()[1]) == os.getpid():
                found.append(int(name))
    return found


def _drain(output: int, log: Log) -> None:
    """Take what was written before the end."""
    with contextlib.suppress(BlockingIOError):
        while data := os.read(output, _CHUNK):
            log.add(data)


# ---- the command's own process ----


def _start(order: dict[str, Any], output: int) -> tuple[int, str]:
    """Start the command as the leader of a session; returns its process, and why it is none."""
    parent = os.getpid()
    reading, writing = os.pipe()  # closed when the command takes over, so that a fault is what was written
    child = os.fork()
    if child == 0:
        _become(order, output, writing, parent)
    os.close(writing)
    with open(reading, "rb") as faults:  # noqa: PTH123 - a descriptor
        return child, faults.read().decode()


def _become(order: dict[str, Any], output: int, faults: int, parent: int) -> NoReturn:
    """Turn this process into the command, or write down why not."""
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)
        # Ours, and what the engine was started to ignore: a shell does so with SIGQUIT in the background.
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for name, value in order["limits"].items():
            _limit(getattr(resource, name), value)
        command: list[str] = order["command"]
        os.execvpe(command[0], command, order["environment"])  # noqa: S606 - no shell is the point
    except BaseException as failure:  # noqa: BLE001 - this process must end here, whatever it is
        os.write(faults, _why_not(order["command"][0], failure).encode(errors="replace"))
    finally:
        os._exit(127)


def _limit(number: int, value: int) -> None:
    """Allow the command `value`, or what we are allowed where that is less."""
    _, ours = resource.getrlimit(number)
    hard = value + _CPU_GRACE_SECONDS if number == resource.RLIMIT_CPU else value
    if ours != resource.RLIM_INFINITY:
        hard = min(hard, ours)
    resource.setrlimit(number, (min(value, hard), hard))


def _why_not(program: str, failure: BaseException) -> str:
    reasons = {
        errno.ENOENT: "it is not there, or its first line names an interpreter that is not: give the path of"
        " a program, or the name of one on PATH",
        errno.EACCES: "it may not be executed: chmod +x it, and let port104's user reach it",
        errno.ENOEXEC: "it is no program, nor a script whose first line names one, such as #!/bin/sh",
        errno.E2BIG: "its arguments and environment are too long together: shorten them",
    }
    number = getattr(failure, "errno", None)
    reason = reasons.get(number or 0, str(failure))
    return f"the command {json.dumps(program)} cannot be started: {reason}"


def _in_words(code: int) -> tuple[str, str]:
    """The outcome of a command that came to its end. What it wrote is not quoted: it may name patients."""
    if code == 0:
        return "succeeded", ""
    if code > 0:
        return "failed", f"ended with exit code {code}; what it wrote is in its log"
    number = -code
    name = signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
    hints = {
        signal.SIGKILL: "; often the machine or the container had no memory left",
        signal.SIGXCPU: "; it used more CPU time than its limit",
    }
    hint = hints.get(signal.Signals(number), "") if number in {*signal.Signals} else ""
    return "failed", f"was ended by {name} ({signal.strsignal(number)}){hint}; what it wrote is in its log"


# ---- the disk ----


def sync_tree(folder: str) -> None:
    """Make what is below `folder` durable: an outcome that survives a power cut vouches for it."""
    for path, _, names in os.walk(folder):
        for name in [*names, "."]:
            file = os.path.join(path, name)  # noqa: PTH118 - pathlib would be one import more
            if stat.S_IFMT(os.lstat(file).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
                _sync(file)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_outcome(outcome: dict[str, str]) -> None:
    with open("outcome.json.new", "w", encoding="utf-8") as file:  # noqa: PTH123 - as above
        json.dump(outcome, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename("outcome.json.new", "outcome.json")  # noqa: PTH104
    _sync(".")


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it; a full disk costs the log, not the run."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
