"""`port104 send` on a terminal: its bar, and Ctrl-C, after which it goes on where it was."""

import contextlib
import fcntl
import json
import os
import pty
import queue
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

import pytest
import trio

from part10_files import write_file
from scripted_acceptor import acceptor

FILES, ANSWERED = 6, 3
SECONDS = 30


class Peer:
    """An acceptor in a thread: of the first association it answers some messages and then none."""

    def __init__(self):
        self._started, self._token, self._end = queue.Queue(), None, None
        self._associations = 0
        self._silent = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._run,))

    async def _run(self):
        self._end, self._token = trio.Event(), trio.lowlevel.current_trio_token()
        async with acceptor(self._serve) as address:
            self._started.put(address.port)
            await self._end.wait()

    async def _serve(self, peer):
        await peer.accept(window=8)
        self._associations += 1
        if self._associations > 1:
            await peer.serve()
            return
        for _ in range(ANSWERED):
            context_id, request, _data_set = await peer.take_message()
            await peer.respond(context_id, request)
        await peer.take_message()
        self._silent.set()
        await trio.sleep_forever()

    def __enter__(self):
        self._thread.start()
        self.port = self._started.get(timeout=SECONDS)
        return self

    def falls_silent(self):
        """Wait until it has one more message than it answers."""
        assert self._silent.wait(SECONDS)

    def __exit__(self, *_):
        self._token.run_sync_soon(self._end.set)
        self._thread.join(SECONDS)


class Terminal:
    """A terminal of 100 columns, and what a program shows on it."""

    def __init__(self):
        self._master, self.side = pty.openpty()
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.shown = ""

    def read_until(self, pattern):
        """Read until it shows `pattern`; None: until nobody writes to it any more."""
        deadline = time.monotonic() + SECONDS
        while pattern is None or not re.search(pattern, self.shown):
            ready, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
            assert ready, self.shown
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: the other side is closed
                data = b""
            if not data:
                assert pattern is None, self.shown
                return
            self.shown += data.decode()

    def close(self):
        os.close(self._master)


@pytest.fixture
def terminal():
    one = Terminal()
    yield one
    one.close()


@contextlib.contextmanager
def started(terminal, *arguments):
    """A command whose standard error is the terminal."""
    # A shell has what it runs in the background ignore interrupts, and all that it starts.
    line = ["env", "--default-signal=INT", sys.executable, "-m", "port104", *map(str, arguments)]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=terminal.side, env=environment)
    os.close(terminal.side)
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_it_is_interrupted_and_goes_on_where_it_was(tmp_path, terminal):
    files = [write_file(tmp_path, f"1.2.{number}", 100_000) for number in range(FILES)]
    journal = tmp_path / "sent.jsonl"
    with Peer() as peer:
        order = ("send", "127.0.0.1", peer.port, "-aec", "PACS", "--window", 2, "--resume", journal, *files)
        with started(terminal, *order) as process:
            peer.falls_silent()
            terminal.read_until(f"/{FILES} files")
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130
            terminal.read_until(None)
            assert f"{ANSWERED}/{FILES} files" in terminal.shown
            assert re.search(r"[━╸]", terminal.shown)  # the bar itself
            assert re.search(r"\d (kB|MB)/s", terminal.shown)
            assert f"{ANSWERED} files sent, 0 not" in terminal.shown
            assert "interrupted; what was under way may have arrived" in terminal.shown
            assert "Traceback" not in terminal.shown
        noted = [json.loads(each) for each in journal.read_text().splitlines()]
        assert [each["instance"] for each in noted] == [f"1.2.{number}" for number in range(ANSWERED)]
        again = subprocess.run(
            [sys.executable, "-m", "port104", *map(str, order), "-o", "json"],
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        summary = json.loads(again.stdout)
        assert (summary["sent"], summary["sent_before"]) == (FILES - ANSWERED, ANSWERED)
