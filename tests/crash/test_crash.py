"""kill -9 at any moment under load: what was acknowledged is there, whole, after the restart.

PORT104_CRASH_ROUNDS sets the rounds (`make crash`: 200); PORT104_CRASH_SEED repeats a run's moments.
"""

import hashlib
import os
import random
from collections import defaultdict

import pytest
from pydicom import dcmread

from engine_nest import Nest
from engine_process import engine
from killing import kill_amid, share_rounds
from port104.storage.store import instance_path
from port104.wire.command import Status
from sender import Sender, image
from stored import data_set_of

ROUNDS = int(os.environ.get("PORT104_CRASH_ROUNDS", "20"))
SEED = int(os.environ.get("PORT104_CRASH_SEED", "104"))
ASSOCIATIONS = 8
# Whole in the receive buffer, and carried by an I/O thread.
SIZES = (8 * 1024, 300 * 1024)
LONGEST_ROUND_SECONDS = 0.6

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Ledger:
    """What was sent and what was acknowledged (status 0000): {SOP instance UID: digests of data sets}."""

    def __init__(self):
        self.sent = defaultdict(set)
        self.acknowledged = defaultdict(set)

    def store(self, sender, instance, data_set):
        digest = digest_of(data_set)
        self.sent[instance].add(digest)
        if sender.store(instance, data_set) == Status.SUCCESS:
            self.acknowledged[instance].add(digest)

    def assert_kept(self, folder, instances):
        """All that was acknowledged is there, and nothing is visible but what was sent, whole."""
        for instance in instances:
            kept = {digest_of(data_set_of(path)) for path in copies_of(folder, instance)}
            assert kept >= self.acknowledged[instance], instance
            assert kept <= self.sent[instance], instance


def digest_of(data_set):
    return hashlib.blake2b(data_set).digest()


def copies_of(folder, instance):
    """The files of one UID: the first, and those of other bytes beside it."""
    first = instance_path(folder, "PORT104", instance)
    return [path for path in first.parent.iterdir() if path.name.startswith(f"{first.stem}.")]


def named(paths):
    """{path: SOP instance UID}"""
    return {str(path): str(dcmread(path).file_meta.MediaStorageSOPInstanceUID) for path in paths}


def send_until_killed(port, prefix, pixels, ledger):
    """Send instances until the connection breaks; every third UID comes twice, with other bytes."""
    number = 0
    try:
        with Sender(port) as sender:
            while True:
                number += 1
                instance = f"{prefix}.{number}"
                ledger.store(sender, instance, image(instance, pixels[number % len(pixels)]))
                if number % 3 == 0:
                    ledger.store(sender, instance, image(instance, pixels[0] + pixels[0]))
    except (OSError, EOFError):
        return


def run_rounds(folder, seed, first, last):
    """In a process of its own: rounds on one storage folder. Returns how many instances were acknowledged."""
    chance = random.Random(seed)
    ledger = Ledger()
    checked = set()
    with Nest() as nest:
        for number in range(first, last + 1):
            with nest.engine(folder) as server:
                server.wait_until_listening()
                run_round(server, number, chance, ledger)
            with nest.engine(folder) as server:
                server.wait_until_listening()
                assert server.part_files() == []
                ledger.assert_kept(folder, ledger.sent.keys() - checked)
                checked.update(ledger.sent)
                with Sender(server.port) as sender:
                    instance = f"1.3.{number}"
                    ledger.store(sender, instance, image(instance, b"next"))
                    assert ledger.acknowledged[instance]
                    sender.release()
                server.kill()
    assert len(ledger.acknowledged) > (last + 1 - first) * ASSOCIATIONS
    with engine(folder) as server:  # and those of early rounds were not lost later
        ledger.assert_kept(folder, ledger.sent)
        stored = set(server.stored_files())
        known = {path for uid in ledger.sent for path in copies_of(folder, uid)}
        assert named(stored - known) == {}, "nobody sent these"
        assert known - stored == set()
    return len(ledger.acknowledged)


def run_round(server, number, chance, ledger):
    pixels = [chance.randbytes(size) for size in SIZES]
    senders = [(server.port, f"1.2.{number}.{index + 1}", pixels, ledger) for index in range(ASSOCIATIONS)]
    kill_amid(server, send_until_killed, senders, chance, LONGEST_ROUND_SECONDS)


def test_nothing_acknowledged_is_lost(folders):
    acknowledged = sum(share_rounds(folders, run_rounds, ROUNDS, SEED))
    print(f"{acknowledged} instances acknowledged, none lost")
