"""A folder with a million stored instances delays neither the start nor a store."""

import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import blake2b
from multiprocessing import get_context

import pytest

from engine_process import engine
from port104.wire.command import Status
from sender import Sender, image

FILES = 1_000_000
# ext4 takes 65,000 names of one file.
NAMES_OF_ONE_FILE = 50_000
LISTENING_SECONDS = 3.0

pytestmark = [pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "storage"
    fill(made)
    yield made
    shutil.rmtree(made)


def fill(folder):
    """Names as the store gives them, spread by a hash; the bytes behind them do not matter."""
    for shelf in range(256):
        (folder / "instances" / f"{shelf:02x}").mkdir(parents=True)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        list(processes.map(partial(name_one, folder), range(0, FILES, NAMES_OF_ONE_FILE)))


def name_one(folder, first):
    """Write a file, and give it its names, from the first on."""
    paths = (path_of(folder, number) for number in range(first, first + NAMES_OF_ONE_FILE))
    source = next(paths)
    source.write_bytes(bytes(128) + b"DICM")
    for path in paths:
        os.link(source, path)


def path_of(folder, number):
    name = blake2b(b"%d" % number, digest_size=16).hexdigest()
    return folder / "instances" / name[:2] / f"{name}.dcm"


def opened(server):
    return [entry for entry in server.log_entries() if entry["event"] == "storage folder opened"]


def test_listening_does_not_wait_for_the_folder(folder):
    began = time.monotonic()
    with engine(folder) as server:
        listening = time.monotonic() - began
        with Sender(server.port) as sender:
            assert sender.store("1.2.3", image("1.2.3", b"pixels")) == Status.SUCCESS
        stored = time.monotonic() - began
        server.wait_for(lambda: opened(server), 120)
        counted = time.monotonic() - began
        (entry,) = opened(server)
        assert server.terminate() == 0
    print(f"{FILES} files: listening after {listening:.2f} s, stored {stored:.2f} s, counted {counted:.2f} s")
    assert listening < LISTENING_SECONDS
    assert stored < LISTENING_SECONDS
    assert entry["instances"] in (FILES, FILES + 1)
