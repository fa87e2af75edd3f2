"""Plays every case against port104 and others, and writes what each did: docs/robustness*.md.

    python -m hostile.survey [ACCEPTOR...]

Each acceptor's answers are kept in build/hostile, so that one can be asked again; the pages are written from
all that are there. An acceptor holds a case where its answer is one that the case allows, a C-ECHO on a new
association is answered within a second, files stored before are untouched, no half of one is left, nothing is
written elsewhere, and its memory did not grow by 64 MiB. One that does not answer the C-ECHO within ten
seconds more has stopped: it is started again.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import trio

from engine_process import free_port
from hostile.acceptors import ACCEPTORS
from hostile.case import matches
from hostile.cases import CASES
from hostile.play import echo, play, prepare
from hostile.report import Answer, Answers, write
from hostile.talk import Transport
from receivers import NotInstalledError

ROOT = Path(__file__).parents[2]
ANSWERS = ROOT / "build" / "hostile"
START_SECONDS = 30.0
SECOND = 1.0
STOPPED_SECONDS = 10.0
# Longer than any timer that was set, and than a second for what has none.
PATIENCE = 3.0
PATIENCE_WITH_DEADLINES = 8.0
TRACE = Path("/tmp/port104-was-here")
MEMORY_LIMIT = 64 << 20


class Running:
    """A started acceptor, and what can be seen of it from outside."""

    def __init__(self, receiver, folder):
        self._receiver = receiver
        self._folder = folder
        (folder / "files").mkdir(parents=True)
        port = free_port()
        self.transport = Transport(port)
        with (folder / "log").open("w") as log:
            command = receiver.command(port, folder)
            self._process = psutil.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder
            )

    async def start(self):
        deadline = time.monotonic() + START_SECONDS
        while await echo(self.transport, SECOND) is None:
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            await trio.sleep(0.05)

    def stop(self):
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._process.wait()

    def files(self):
        """What tells whether a stored file was touched, by its path."""
        found = {}
        for path in self._folder.glob(self._receiver.stored):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if path.is_file():
                    found[path] = (status.st_ino, status.st_size, status.st_ctime_ns)
        return found

    def names(self):
        """What lies beside its folders, where a path out of them would lead first."""
        return {path.name for path in self._folder.iterdir()}

    def memory(self):
        """What its processes hold, in bytes."""
        total = 0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total

    def _tree(self):
        with contextlib.suppress(psutil.Error):
            return [*self._process.children(recursive=True), self._process]
        return [self._process]


@contextlib.asynccontextmanager
async def started(receiver, folder):
    """Start `receiver` with an empty folder; stop it and delete the folder at the end."""
    running = Running(receiver, folder)
    try:
        await running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)


async def ask(receiver):
    """Every case's answer. A new start for one that stopped."""
    left = [case for case in CASES if not case.breaks_tls]
    answers = {}
    with tempfile.TemporaryDirectory(prefix="port104-survey-") as parent:
        while left:
            async with started(receiver, Path(parent) / str(len(left))) as running:
                while left:
                    case = left.pop(0)
                    answers[case.title] = answer = await ask_one(running, case)
                    print(receiver.name, case.title, *answer, flush=True)
                    if answer.stopped:
                        break
    return answers


async def ask_one(running, case):
    await prepare(case, running.transport)
    files, names, memory = running.files(), running.names(), running.memory()
    observed = await observe(running, case)
    faults = []
    if not any(matches(observed.answers[-1], one) for one in case.accepted):
        faults.append("answer")
    stopped = False
    if await echo(running.transport, SECOND) is None:
        stopped = await echo(running.transport, STOPPED_SECONDS) is None
        faults.append("stopped" if stopped else "C-ECHO not answered within a second")
    faults += files_faults(running, files, case)
    if running.names() != names or trace_is_there():
        faults.append("wrote outside its folder")
    if running.memory() - memory > MEMORY_LIMIT:
        faults.append("memory grew")
    return Answer(", ".join(observed.answers), tuple(faults), stopped)


def trace_is_there():
    found = TRACE.exists()
    TRACE.unlink(missing_ok=True)
    return found


async def observe(running, case):
    patience = PATIENCE_WITH_DEADLINES if case.waits else PATIENCE
    return await play(case, running.transport, patience)


def files_faults(running, before, case):
    deadline = time.monotonic() + SECOND
    while True:
        after = running.files()
        # An instance that comes whole may replace one: some keep the last, some the first.
        kept = case.stores > 0 or {path: after.get(path) for path in before} == before
        surplus = len(after) - len(before) - case.stores
        if (kept and surplus <= 0) or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    faults = [] if kept else ["changed a stored file"]
    return faults + (["left a file"] if surplus > 0 else [])


def main():
    names = sys.argv[1:] or list(ACCEPTORS)
    ANSWERS.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            receiver = ACCEPTORS[name]()
        except NotInstalledError as fault:
            print(fault, file=sys.stderr)
            continue
        answers = Answers(receiver.name, receiver.version, receiver.settings, trio.run(ask, receiver))
        (ANSWERS / f"{name}.json").write_text(json.dumps(answers))
    write(
        ROOT / "docs",
        [Answers.load(path) for name in ACCEPTORS if (path := ANSWERS / f"{name}.json").exists()],
    )


if __name__ == "__main__":
    main()
