"""Engines that start at once: forked from a process that has imported everything an engine needs.

An engine's start is hardly more than its imports, and tests that kill it hundreds of times need hundreds.
Run as a script this file is that process: it takes orders as JSON lines and answers each with the process ID.
"""

import contextlib
import gc
import json
import os
import select
import signal
import subprocess
import sys

from engine_process import Engine, own_environment, write_settings


class Nest:
    """Hatches engines; close it when none of them runs any more. `preload`: their LD_PRELOAD library."""

    def __init__(self, preload=None):
        extra = {"LD_PRELOAD": str(preload)} if preload else {}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=own_environment() | extra,
        )

    @contextlib.contextmanager
    def engine(self, folder, *, env=None, **settings):
        """Start an engine as engine_process.engine does; it may be gone at any time, if the test kills it."""
        port, config, log = write_settings(folder, **settings)
        order = {"config": str(config), "log": str(log), "env": env or {}}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        process = HatchedProcess(int(self._process.stdout.readline()))
        try:
            yield Engine(process, port, folder, log)
        finally:
            process.kill()
            process.wait()
            process.close()

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class HatchedProcess:
    """A process that is no child of ours, as subprocess.Popen shows one; its exit code stays unknown."""

    def __init__(self, pid):
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def poll(self):
        """None while it runs."""
        ended, _, _ = select.select([self._descriptor], [], [], 0)
        return -1 if ended else None

    def wait(self, timeout=None):
        ended, _, _ = select.select([self._descriptor], [], [], timeout)
        if not ended:
            raise subprocess.TimeoutExpired("engine", timeout)
        return -1

    def kill(self):
        self._send(signal.SIGKILL)

    def terminate(self):
        self._send(signal.SIGTERM)

    def _send(self, number):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def close(self):
        os.close(self._descriptor)


# ---- the process that is forked ----


def _hatch(order):
    """In the fork: become the engine."""
    from port104.service.cli import main  # noqa: PLC0415

    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, target in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.update(order["env"])
    sys.argv = ["port104", "start", "-f", order["config"]]
    main()


def _bury():
    """Let go of those that ended; not before the next order: until then a process ID stays the engine's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _serve():
    import port104.service.starting  # noqa: F401, PLC0415

    gc.freeze()
    for line in sys.stdin.buffer:
        _bury()
        child = os.fork()
        if child == 0:
            _hatch(json.loads(line))
        os.write(1, b"%d\n" % child)


if __name__ == "__main__":
    _serve()
