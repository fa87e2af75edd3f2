"""Commands run once, to an end that is known, whatever becomes of the engine or their supervisor."""

import contextlib
import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import trio

from port104.dispatch.backends import supervision
from port104.dispatch.backends.backend import Ending
from port104.dispatch.backends.command import CommandBackend
from port104.dispatch.backends.supervision import Order, attend
from port104.registry.entries import Limits, Pipeline

SECONDS = 20
ENGINE = """
import json, sys
from pathlib import Path
import msgspec, trio
from port104.dispatch.backends.command import CommandBackend
from port104.jobs.ledger.runs import Run
from port104.registry.entries import Pipeline
run, pipeline, folder = json.loads(sys.argv[1])
run, pipeline = msgspec.convert(run, Run), msgspec.convert(pipeline, Pipeline)
trio.run(CommandBackend().run, run, pipeline, Path(folder), trio.Event())
"""


def python(text, **settings):
    return Pipeline(name="covid", id="p-1", command=(sys.executable, "-I", "-S", "-c", text), **settings)


def shell(text, **settings):
    return Pipeline(name="covid", id="p-1", command=("/bin/sh", "-c", text), **settings)


async def until(condition):
    with trio.fail_after(SECONDS):
        while not condition():
            await trio.sleep(0.005)


def alive(pid):
    """Whether it runs: who waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def number_in(file):
    """What a command wrote into a file, once it is whole."""
    with contextlib.suppress(FileNotFoundError):
        text = file.read_text()
        return int(text) if text.endswith("\n") else 0
    return 0


@pytest.fixture
def ending(run, folder, cancel):
    async def of(pipeline):
        with trio.fail_after(SECONDS):
            return await CommandBackend().run(run, pipeline, folder, cancel)

    return of


# ---- how it ends ----


async def test_exit_code_0_is_success(ending, folder):
    assert await ending(shell("cp dcm/1.2.3.dcm output/; echo done; echo careful >&2")) == Ending("succeeded")
    assert (folder / "output" / "1.2.3.dcm").read_bytes() == b"an instance"
    assert (folder / "log").read_text() == "done\ncareful\n"


async def test_what_ended_is_not_done_again(ending, folder):
    await ending(shell("echo once >> output/file"))
    assert await ending(shell("echo twice >> output/file")) == Ending("succeeded")
    assert (folder / "output" / "file").read_text() == "once\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo DOE^JOHN; exit 3", "ended with exit code 3; what it wrote is in its log"),
        ("kill -SEGV $$", "was ended by SIGSEGV (Segmentation fault); what it wrote is in its log"),
        ("kill -KILL $$", "was ended by SIGKILL (Killed); often the machine or the container had no memory"),
        ("kill -RTMIN $$", "was ended by SIGRTMIN (Real-time signal 0); what it wrote is in its log"),
    ],
)
async def test_another_end_is_a_failure_in_words(ending, text, why):
    found = await ending(shell(text))
    assert found.outcome == "failed"
    assert found.why.startswith(why)
    assert "DOE" not in found.why


def no_program(folder):
    return folder / "nowhere"


def not_executable(folder):
    path = folder / "program"
    path.write_text("#!/bin/sh\n")
    return path


def no_interpreter(folder):
    path = folder / "program"
    path.write_text("#!/nowhere/sh\n")
    path.chmod(0o755)
    return path


def no_first_line(folder):
    path = folder / "program"
    path.write_text("echo hello\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (no_program, "it is not there"),
        (not_executable, "it may not be executed: chmod +x"),
        (no_interpreter, "its first line names an interpreter that is not"),
        (no_first_line, "#!/bin/sh"),
    ],
)
async def test_what_cannot_be_started_says_what_to_do(ending, folder, make, why):
    program = make(folder)
    found = await ending(Pipeline(name="covid", id="p-1", command=(str(program),)))
    assert found.outcome == "failed"
    assert found.why.startswith(f'the command "{program}" cannot be started: ')
    assert why in found.why


async def test_a_program_is_found_on_the_path_and_arguments_are_literal(ending, folder):
    await ending(Pipeline(name="covid", id="p-1", command=("printf", "%s|", "a b", "$HOME", "*")))
    assert (folder / "log").read_text() == "a b|$HOME|*|"


async def test_a_folder_that_is_gone_is_a_failure(run, tmp_path, cancel):
    found = await CommandBackend().run(run, shell("true"), tmp_path / "gone", cancel)
    assert found == Ending("failed", f"its folder is gone: {tmp_path / 'gone'}")


# ---- what it is given ----


async def test_environment_and_folder(ending, folder, monkeypatch):
    monkeypatch.setenv("PORT104_REGISTRY__URL", "postgresql://user:secret@host/")
    monkeypatch.setenv("LANG", "C.UTF-8")
    text = "import json, os; print(json.dumps([dict(os.environ), os.getcwd()]))"
    await ending(python(text, environment={"MODEL": "2", "PORT104_RUN_ID": "mine", "LANG": "C"}))
    given, cwd = json.loads((folder / "log").read_text())
    assert cwd == str(folder)
    known = {
        name: os.environ[name] for name in ("PATH", "HOME", "LC_ALL", "TZ", "TMPDIR") if name in os.environ
    }
    given.pop("LC_CTYPE", None)  # Python's own (PEP 538)
    assert given == known | {
        "LANG": "C",
        "MODEL": "2",
        "PORT104_RUN_ID": "00000000000000a1",
        "PORT104_JOB_ID": "00000000000000b1",
        "PORT104_AE_TITLE": "COVIDAET",
        "PORT104_PIPELINE": "covid",
        "PORT104_ATTEMPT": "1",
        "PORT104_INPUT": f"{folder}/dcm",
        "PORT104_OUTPUT": f"{folder}/output",
        "PORT104_MANIFEST": f"{folder}/manifest.json",
    }


async def test_it_has_no_input_and_no_descriptor_of_ours(ending, folder):
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)  # as one that was left open by who started the engine
    await ending(shell("cat; ls /proc/self/fd"))
    os.close(reading)
    os.close(writing)
    assert (folder / "log").read_text().split() == ["0", "1", "2", "3"]  # 3: the folder that ls reads


async def test_its_signals_are_as_they_always_are(ending, folder):
    """Also where a shell started the engine in the background, which has it ignore SIGQUIT."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        await ending(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status"))
    finally:
        signal.signal(signal.SIGQUIT, before)
    masks = [int(line.split()[1], 16) for line in (folder / "log").read_text().splitlines()]
    assert [mask & 0x7FFFFFFF for mask in masks] == [0, 0]  # those above are the C library's


async def test_limits(ending, folder):
    text = (
        "import resource as r; print([r.getrlimit(n) for n in (r.RLIMIT_AS, r.RLIMIT_NOFILE, r.RLIMIT_CPU)])"
    )
    memory = 1 << 32
    await ending(python(text, limits=Limits(memory=memory, open_files=77, cpu_seconds=9)))
    assert (folder / "log").read_text() == f"{[(memory, memory), (77, 77), (9, 14)]}\n"


async def test_a_limit_above_ours_is_ours(ending, folder):
    _, ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE)[1])"
    assert (await ending(python(text, limits=Limits(open_files=2 * ours)))).outcome == "succeeded"
    assert int((folder / "log").read_text()) == ours


async def test_too_much_cpu_time_is_named(ending):
    found = await ending(python("while True: pass", limits=Limits(cpu_seconds=1)))
    assert "SIGXCPU" in found.why
    assert "CPU time than its limit" in found.why


# ---- time limit, cancelling, what is left ----


async def test_after_its_time_limit_it_is_ended(ending, folder):
    text = "trap 'echo told; exit 0' TERM; echo $$ > output/pid; while :; do sleep 0.01; done"
    found = await ending(shell(text, time_limit=0.5))
    assert found == Ending("failed", "had not ended within its time limit of 0.5 s, and was ended")
    assert (folder / "log").read_text().endswith("told\n")
    assert not alive(number_in(folder / "output" / "pid"))


async def test_cancelling_ends_it_and_all_that_it_started(ending, folder, cancel):
    pids = folder / "output" / "pids"
    # One in its group, one that turned its back on it.
    text = f"sleep 600 & setsid sh -c 'sleep 600 & echo $! > {pids}; wait' & echo $! $$; wait"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(until, lambda: number_in(pids))
        nursery.start_soon(_set_when, cancel, lambda: number_in(pids))
        found = await ending(shell(text))
    assert found == Ending("cancelled", "was cancelled")
    everybody = [number_in(pids), *map(int, (folder / "log").read_text().split())]
    assert not [pid for pid in everybody if alive(pid)]


async def _set_when(event, condition):
    await until(condition)
    event.set()


async def test_what_is_cancelled_before_it_began_never_begins(ending, folder, cancel):
    cancel.set()
    assert await ending(shell("touch output/file")) == Ending("cancelled", "was cancelled before it began")
    assert not [*(folder / "output").iterdir()]


async def test_nothing_that_it_started_goes_on_after_it(ending, folder):
    assert await ending(shell("sleep 600 & echo $! > output/pid; exit 0")) == Ending("succeeded")
    assert not alive(number_in(folder / "output" / "pid"))


async def ended(order):
    """How an order ends that is begun at this moment."""
    with trio.fail_after(SECONDS):
        work = attend(order, None)
        await trio.lowlevel.wait_readable(work.descriptor)
        work.close()
    return attend(order, None)


def order_of(run, folder, text, **settings):
    defaults = {"time_limit": 0.0, "limits": {}, "environment": {"PORT104_RUN_ID": run.id}}
    return Order(run.id, ("/bin/sh", "-c", text), folder=folder, **(defaults | settings))


async def test_who_does_not_listen_is_killed(run, folder):
    text = "trap '' TERM; echo $$ > output/pid; while :; do sleep 0.01; done"
    found = await ended(order_of(run, folder, text, time_limit=0.3, grace=0.1))
    assert found.outcome == "failed"
    assert not alive(number_in(folder / "output" / "pid"))


async def test_a_log_keeps_its_beginning_and_its_end(run, folder):
    text = "printf %s abcdefgh; printf %s ijklmnop; printf %s qrstuvwxyz"
    assert await ended(order_of(run, folder, text, log=(10, 4))) == Ending("succeeded")
    assert (folder / "log").read_text() == "abcdefghij\n[port104: 12 bytes were cut here]\nwxyz"


async def test_a_machine_that_stops_interrupts_it(run, folder):
    order = order_of(run, folder, "echo > output/begun; sleep 600")
    work = attend(order, None)
    await until((folder / "output" / "begun").exists)
    signal.pidfd_send_signal(work.descriptor, signal.SIGTERM)
    await trio.lowlevel.wait_readable(work.descriptor)
    work.close()
    found = attend(order, None)
    assert found.outcome == "failed"
    assert found.why.startswith("was interrupted by SIGTERM")


async def test_output_that_cannot_be_kept_is_a_failure(run, folder):
    found = await ended(order_of(run, folder, "echo > output/a; ln -s nowhere output/b; mkfifo output/c"))
    assert found == Ending("succeeded")  # those two are no files


# ---- who dies ----


async def test_an_end_that_came_while_the_engine_was_away_is_found(run, folder, cancel, tmp_path):
    go = tmp_path / "go"
    text = f"echo $$ >> output/begun; while [ ! -e {go} ]; do sleep 0.005; done; echo > output/done"
    pipeline = shell(text)
    begun = folder / "output" / "begun"
    engine = start_engine(run, pipeline, folder)
    await until(lambda: number_in(begun))
    engine.kill()
    engine.wait()
    assert alive(number_in(begun))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_found, run, pipeline, folder, cancel)  # waits for what runs already
        await trio.testing.wait_all_tasks_blocked(0.05)
        go.touch()
    assert len(begun.read_text().split()) == 1


async def _found(run, pipeline, folder, cancel):
    with trio.fail_after(SECONDS):
        assert await CommandBackend().run(run, pipeline, folder, cancel) == Ending("succeeded")
    assert (folder / "output" / "done").exists()


@pytest.mark.parametrize("milliseconds", [0, 2, 5, 10, 20, 30, 45, 60])
async def test_an_engine_that_is_killed_at_any_moment_has_it_run_once(run, folder, cancel, milliseconds):
    """Killed around the start of the supervisor, which takes some 25 ms."""
    pipeline = shell("echo x >> output/begun; sleep 0.05")
    engine = start_engine(run, pipeline, folder)
    await until((folder / "lock").exists)
    await trio.sleep(milliseconds / 1000)
    engine.kill()
    engine.wait()
    with trio.fail_after(SECONDS):
        assert await CommandBackend().run(run, pipeline, folder, cancel) == Ending("succeeded")
    assert (folder / "output" / "begun").read_text() == "x\n"


async def test_who_asks_twice_has_it_run_once(ending, folder):
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ending, shell("echo x >> output/begun; sleep 0.05"))
    assert (folder / "output" / "begun").read_text() == "x\n"


def start_engine(run, pipeline, folder):
    told = json.dumps([msgspec.to_builtins(run), msgspec.to_builtins(pipeline), str(folder)])
    return subprocess.Popen([sys.executable, "-c", ENGINE, told])


async def test_what_was_begun_can_be_cancelled_after_a_restart(run, folder, cancel):
    pipeline = shell("echo $$ > output/pid; sleep 600")
    pid = folder / "output" / "pid"
    with trio.move_on_after(math.inf) as engine:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(CommandBackend().run, run, pipeline, folder, cancel)
            await until(lambda: number_in(pid))
            engine.cancel()
    assert alive(number_in(pid))
    cancel.set()
    with trio.fail_after(SECONDS):
        assert await CommandBackend().run(run, pipeline, folder, cancel) == Ending(
            "cancelled", "was cancelled"
        )
    assert not alive(number_in(pid))


async def test_a_supervisor_that_is_killed_leaves_nothing_running(run, folder, cancel):
    file = folder / "output" / "pid"
    pipeline = shell("setsid sleep 600 & echo $! > output/other; echo $$ > output/pid; wait")
    endings = []

    async def attempt():
        endings.append(await CommandBackend().run(run, pipeline, folder, cancel))

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt)
            await until(lambda: number_in(file))
            os.kill(number_in(folder / "lock"), signal.SIGKILL)
    assert endings[0].outcome == "failed"
    assert endings[0].why.startswith("was interrupted: ")
    assert not alive(number_in(file))
    assert not alive(number_in(folder / "output" / "other"))
    assert await CommandBackend().run(run, pipeline, folder, cancel) == endings[0]


async def test_a_supervisor_that_cannot_start_is_told(ending, monkeypatch, folder):
    monkeypatch.setattr(supervision.supervisor, "__file__", str(folder / "gone.py"))
    found = await ending(shell("true"))
    assert found.outcome == "failed"
    assert "supervisor ended before the command began" in found.why
    assert "gone.py" in (folder / "log").read_text()


def test_an_order_that_is_not_whole_begins_nothing(run, folder, monkeypatch):
    monkeypatch.setattr(supervision, "_written", lambda order: b'{"command": ["tou')
    order = order_of(run, folder, "touch output/file")
    work = attend(order, None)
    os.waitid(os.P_PIDFD, work.descriptor, os.WEXITED | os.WNOWAIT)
    work.close()
    assert attend(order, Ending("cancelled")) == Ending("cancelled")
    assert (folder / "lock").read_bytes() == b""


async def test_who_has_not_told_its_number_yet_is_waited_for(run, folder, cancel):
    """The lock is handed over some moments before the supervisor says who it is."""
    with (folder / "lock").open("w") as lock:
        supervision.fcntl.flock(lock, supervision.fcntl.LOCK_EX)
        assert attend(order_of(run, folder, "true"), None) is None
    assert await CommandBackend().run(run, shell("true"), folder, cancel) == Ending("succeeded")


def test_the_number_of_one_that_ended_is_not_taken_for_its(run, folder):
    """A process that has got it since must not be told to end."""
    (folder / "lock").write_text(f"{os.getpid()}\n")
    assert attend(order_of(run, folder, "true"), None).outcome == "failed"


def test_an_outcome_that_cannot_be_read_is_a_failure(run, folder):
    (folder / "outcome.json").write_text("{")
    assert "cannot be read" in attend(order_of(run, folder, "true"), None).why


async def test_a_folder_that_cannot_be_looked_into_is_looked_into_again(
    run, folder, cancel, monkeypatch, no_threads, autojump_clock
):
    answers = [PermissionError(13, "Permission denied"), PermissionError(13, "Permission denied")]

    def look(order, instead):
        if answers:
            raise answers.pop()
        return Ending("succeeded")

    monkeypatch.setattr("port104.dispatch.backends.command.attend", look)
    started = time.monotonic()
    assert await CommandBackend().run(run, shell("true"), folder, cancel) == Ending("succeeded")
    assert trio.current_time() >= 2
    assert time.monotonic() < started + SECONDS
