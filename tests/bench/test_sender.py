"""The sender sends what it says, to the floor, which keeps what it is sent."""

import contextlib
import json
import subprocess
import time

import pydicom
import pytest

from engine_process import free_port
from processes import compile_programs

SIZE = 9000


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    compile_programs(folder)
    return folder


@pytest.fixture
def floor(programs, tmp_path):
    """A forking floor; gives its port."""
    port = free_port()
    with subprocess.Popen([programs / "floor", str(port), tmp_path, "fork"]) as process:
        yield port
        process.terminate()


def sender(programs, port, *what):
    """Start it once the floor listens; gives the process and the line that its associations are open."""
    command = [programs / "sender", "127.0.0.1", str(port), "PORT104", *map(str, what)]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if opened := process.stdout.readline():
            return process, json.loads(opened)
        process.communicate()
    pytest.fail("no association was opened")


@contextlib.contextmanager
def sending(programs, port, *what):
    process, opened = sender(programs, port, *what)
    with process:
        yield process, opened


def stored(folder):
    return [pydicom.dcmread(file, force=True) for file in folder.iterdir()]


@pytest.mark.parametrize("window", [1, 16])
def test_every_instance_arrives_once_and_whole(programs, floor, tmp_path, window):
    with sending(programs, floor, 3, SIZE, 20, window) as (process, opened):
        assert opened == {"associations": 3}
        assert not list(tmp_path.iterdir())  # nothing is sent before it is told to
        report = json.loads(process.communicate("\n")[0])
    assert process.returncode == 0
    assert (report["instances"], report["failures"]) == (60, 0)
    assert report["instances_per_second"] == pytest.approx(60 / report["seconds"], rel=0.01)
    assert 0 < report["p50_us"] <= report["p99_us"]
    assert {file.stat().st_size for file in tmp_path.iterdir()} == {SIZE}
    assert len({data_set.SOPInstanceUID for data_set in stored(tmp_path)}) == 60


def test_a_load_ends_after_its_seconds(programs, floor):
    with sending(programs, floor, 1, SIZE, 10_000_000, 1, 0.05) as (process, _):
        report = json.loads(process.communicate("\n")[0])
    assert 0.05 <= report["seconds"] < 5
    assert 1 <= report["instances"] < 10_000_000


def test_idle_associations_are_held_by_one_process(programs, floor, tmp_path):
    with sending(programs, floor, 50, "idle") as (process, opened):
        assert opened == {"associations": 50}
        assert process.communicate()[0] == ""
    assert process.returncode == 0
    assert not list(tmp_path.iterdir())


def test_an_acceptor_that_is_not_there_ends_the_sender(programs):
    done = subprocess.run(
        [programs / "sender", "127.0.0.1", str(free_port()), "PORT104", "20", str(SIZE), "1", "1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=False,
    )
    assert done.returncode == 1
    assert b"cannot connect" in done.stderr
